/* A number that was counted, and the word under which it stands in the file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum counter_kind {
        COUNTER_ATTEMPTS, /* index: check * _REASON_CLASS_MAX + class */
        COUNTER_FAILURES, /* index: reason */
        COUNTER_WAKES,    /* index: cause */
        COUNTER_LATENCY,  /* index: bucket of the histogram of wakes; has no word */
        COUNTER_PHASES,   /* index: phase * HISTOGRAM_BUCKETS + bucket; of an hour; has no word */
};

struct counter {
        uint16_t kind; /* enum counter_kind */
        uint16_t index;
        uint64_t value;
};

/* "attempts.login.transient": two words and two points, the longest of which are far from it. */
#define COUNTER_NAME_MAX 64

/* "attempts.login.ok", "failures.tcp.refused", "wakes.lease". Answers NAME, of COUNTER_NAME_MAX bytes. */
const char *counter_name(char *name, const struct counter *counter);
/* Kind and index of NAME; answers false for a word that this version does not know. */
bool counter_from_name(const char *name, struct counter *ret_counter);
/* To sort by. */
uint32_t counter_key(const struct counter *counter);
