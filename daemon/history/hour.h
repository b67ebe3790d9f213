/*
 * What was counted in one hour of one database: small, only what is not zero. Made of the difference between two snapshots
 * (history/pending.c), so that nothing is counted twice: what is not yet in the file is not yet in the snapshot of the file either.
 */
#pragma once

#include "base/buffer.h"
#include "model/attempt.h"
#include "model/histogram.h"
#include "history/counter.h"

struct hour {
        struct hour *next; /* an earlier one, of the list that it is in */
        uint64_t begin_real_usec;
        uint64_t awake_usec, ours_usec;
        size_t n, allocated;
        struct counter *counters; /* by kind, then by index */
};

/* 0 or -ENOMEM. */
int hour_add(struct hour *hour, enum counter_kind kind, unsigned index, uint64_t value);
/* The counters as words: "attempts.login.ok=7 failures.tcp.refused=1 phases.connect=1024:6,1088:1". */
void hour_write_words(const struct hour *hour, struct buffer *buffer);
/* Adds those of WORDS; what this version does not know is passed over. 0 or -ENOMEM. */
int hour_read_words(struct hour *hour, const char *words);
/* The value, 0 when it was not counted. */
uint64_t hour_value(const struct hour *hour, enum counter_kind kind, unsigned index);
/* Adds what HOUR has of PHASE. The largest value seen is known no better than its bucket. */
void hour_add_phase(const struct hour *hour, enum phase phase, struct histogram *histogram);
