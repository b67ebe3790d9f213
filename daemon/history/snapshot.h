/*
 * The state of one database at one moment, compact: zeros are left out. A plain value in one piece of memory, which belongs to one thread
 * at a time.
 */
#pragma once

#include "history/event-record.h"
#include "model/memory.h"

#include <stddef.h>

enum counter_kind {
        COUNTER_ATTEMPTS, /* index: check * _REASON_CLASS_MAX + class */
        COUNTER_FAILURES, /* index: reason */
        COUNTER_WAKES,    /* index: cause */
        COUNTER_LATENCY,  /* index: bucket of the histogram of wakes; has no name */
        COUNTER_PHASES,   /* index: phase * HISTOGRAM_BUCKETS + bucket; for hours; has no name */
};

/* A counter's value; its name is the word for it in the file. */
struct counter {
        uint16_t kind; /* enum counter_kind */
        uint16_t index;
        uint64_t value;
};

struct snapshot {
        struct snapshot *next; /* of the list that it is in */
        char name[64];
        uint64_t saved_real_usec;
        bool held;
        bool is_recalled; /* it says only that the database is watched now */
        bool is_put_away; /* the database is not watched any more */
        bool leases_dirty;
        enum state state;
        enum reason reason;
        uint64_t since_real_usec;
        uint64_t generation;
        uint64_t server_started_real_usec;
        uint64_t last_success_real_usec;
        uint64_t paused_until_real_usec;
        struct wake_record last_wake;
        uint64_t latency_count, latency_sum_usec, latency_max_usec;
        struct account account;
        size_t n_leases;
        size_t n_counters;
        size_t n_timings;
        struct lease_record *leases;
        struct counter *counters; /* by kind, then by index */
        uint64_t *pending;        /* for each counter, the part that is not in the file */
        struct timing *timings;   /* of attempts since the previous snapshot */
};

/* Makes a snapshot of which nothing is in the file. NULL: out of memory. Freed with free(). */
struct snapshot *snapshot_new(const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
                              const struct timing *timings, size_t n_timings);
void snapshot_expand(const struct snapshot *snapshot, struct memory *ret_memory);
/* Copies a snapshot that is in the file. NULL: out of memory. */
struct snapshot *snapshot_copy(const struct snapshot *snapshot);
/* A new snapshot: SNAPSHOT as if it had continued BEFORE, which is in the file. NULL: out of memory. */
struct snapshot *snapshot_add(const struct snapshot *snapshot, const struct snapshot *before);
/* SNAPSHOT follows OLD: OLD's pending counters and the increase since then are pending in SNAPSHOT. */
void snapshot_follow(struct snapshot *snapshot, const struct snapshot *old);
/* The file contains FILE (NULL: nothing): the difference is pending. */
void snapshot_compare(struct snapshot *snapshot, const struct snapshot *file);
/* All of SNAPSHOT is in the file. */
void snapshot_written(struct snapshot *snapshot);
/* The value of the counter with this kind and index; *K becomes its position. Look-ups in the order of the counters begin with *K 0. */
uint64_t snapshot_value(const struct snapshot *snapshot, size_t *k, const struct counter *counter);
/* Frees a list of snapshots. Takes NULL. */
void snapshot_list_free(struct snapshot *snapshots);
/* Sets the counter of MEMORY that COUNTER names. */
void snapshot_set_counter(struct memory *memory, const struct counter *counter);

/* "attempts.login.transient": three words and two points, all far shorter than this. */
#define COUNTER_NAME_MAX 64

/* Formats "attempts.login.ok", "failures.tcp.refused", "wakes.lease". Returns NAME, of COUNTER_NAME_MAX bytes. */
const char *counter_name(char *name, const struct counter *counter);
/* Finds kind and index of NAME; returns false for a word that this version does not know. */
bool counter_from_name(const char *name, struct counter *ret_counter);
/* The sort key of counters: by kind, then by index. */
uint32_t counter_key(const struct counter *counter);
