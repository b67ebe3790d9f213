/* Events as rows: states, outages, wakes, hours, runs. history/schema.h says what the rows mean. All of it inside a transaction. */
#pragma once

#include "history/event-record.h"
#include "history/snapshot.h"

struct event_rows;
struct sqlite;

/*
 * What was counted in one hour of one database: small, only what is not zero. Made of the difference between two snapshots
 * (history/pending.c), so that nothing is counted twice: what is not yet in the file is not yet in the snapshot of the file either.
 */
struct hour {
        struct hour *next; /* an earlier one, of the list that it is in */
        uint64_t begin_real_usec;
        uint64_t awake_usec, ours_usec;
        size_t n, allocated;
        struct counter *counters; /* by kind, then by index */
};

/* SQLITE must outlive it. */
int event_rows_new(struct sqlite *sqlite, struct event_rows **ret_rows);
/* Takes NULL. */
struct event_rows *event_rows_free(struct event_rows *rows);

/*
 * A state change begins and ends outages as well. What is told stands behind what was told before: after a clock that was ahead is set
 * back, the states and outages that are still to come by the clock are dropped. Of a database that has no row yet one is made, of which
 * little is known.
 */
int event_rows_write(struct event_rows *rows, const struct event_record *record);
/* Adds HOUR to what is there of it. DATABASE is the row of its database. */
int event_rows_add_hour(struct event_rows *rows, uint64_t database, const struct hour *hour);
/* The daemon that began to watch at BEGAN, not later than NOW, does so still at NOW. */
int event_rows_run_on(struct event_rows *rows, uint64_t began_real_usec, uint64_t now_real_usec);

/* 0 or -ENOMEM. */
int hour_add(struct hour *hour, enum counter_kind kind, unsigned index, uint64_t value);
/*
 * Adds the counters of WORDS ("attempts.login.ok=7 failures.tcp.refused=1 phases.connect=1024:6,1088:1"); what this version does not know
 * is passed over. 0 or -ENOMEM.
 */
int hour_read_words(struct hour *hour, const char *words);
/* The value, 0 when it was not counted. */
uint64_t hour_value(const struct hour *hour, enum counter_kind kind, unsigned index);
/* Adds what HOUR has of PHASE. The largest value seen is known no better than its bucket. */
void hour_add_phase(const struct hour *hour, enum phase phase, struct histogram *histogram);
