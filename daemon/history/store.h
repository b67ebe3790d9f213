/*
 * What outlives the daemon, in a file: the memory of each database, the leases with a time limit, and what happened. What the daemon goes
 * on from is read when store_open() returns; writing is done by a thread of its own, so that no disk stops the watching, and so is
 * answering questions about the past (history/reader.h). Main thread only.
 *
 * The thread that writes reads the file once, then writes what it is given, the newest snapshot of each database only and all that
 * happened, and sleeps while there is nothing to write. What cannot be written now it keeps and tries again, more and more slowly.
 *
 * Nothing that goes wrong with the file is an error of these functions: the history is then off, which is said in the journal once and
 * in store_health(), and comes back by itself when it can.
 */
#pragma once

#include "history/event-record.h"
#include "model/memory.h"

#include <stddef.h>

struct store;
struct reader;

enum store_health {
        STORE_NONE,        /* history.path is "" */
        STORE_GOOD,
        STORE_FULL,        /* the disk, or history.max_size */
        STORE_READ_ONLY,   /* the file or its folder */
        STORE_LOCKED,      /* another process has it */
        STORE_UNREACHABLE, /* there is no such folder */
        STORE_FOREIGN,     /* the file belongs to another program */
        STORE_NEWER,       /* the file belongs to a newer pgwaked */
        STORE_FAILED,      /* anything else; the sentence says what */
        _STORE_HEALTH_MAX,
};

/* "none", "ok", "full", "read_only", "locked", "unreachable", "foreign", "newer", "failed" */
const char *store_health_name(enum store_health health);

struct store_bounds {
        uint64_t max_bytes; /* with what SQLite keeps beside it; what is oldest makes room */
        uint64_t keep_usec; /* what happened before that is dropped; USEC_INFINITY: never */
};

/* PATH "" keeps nothing. 0 or -ENOMEM and the like: that the thread could not be had. */
int store_open(const char *path, const struct store_bounds *bounds, struct store **ret_store);
/*
 * Writes what is still to be written, first what is known of each database, then what happened; waits at most TIMEOUT_USEC. Takes NULL.
 */
struct store *store_close(struct store *store, uint64_t timeout_usec);

/*
 * What could not be read when store_open() returned (a file that somebody locked, a disk that hangs) comes later: the descriptor is
 * readable then (-1: never), and when store_take_past() answers true, store_recall() and store_each_lease() tell it. What is put after that
 * must have gone on from it: to be called in the same turn.
 */
int store_past_fd(const struct store *store);
bool store_take_past(struct store *store);
bool store_past_is_to_come(const struct store *store);

/*
 * What was known of NAME when the daemon started, or when it was put away. Only once: the caller knows it from then on, and
 * better. Answers false when nothing is known. Fit for struct engine_past, with the store as USERDATA.
 */
bool store_recall(void *userdata, const char *name, struct memory *ret_memory);
/*
 * Every lease that was known at the start, once: they are forgotten then. A negative answer of EACH ends it, and is the answer. To be
 * called when every database that is watched was recalled: from then on what is old is dropped, and those that nobody watches are
 * forgotten.
 */
int store_each_lease(struct store *store, int (*each)(void *userdata, const struct lease_record *lease), void *userdata);

/*
 * To be written soon, with how long the phases of the N_TIMINGS attempts took that came since the last time; the newest of each database
 * counts. 0 or -ENOMEM.
 */
int store_put(struct store *store, const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
              const struct timing *timings, size_t n_timings);
/* RECORD (of malloc()), which is the store's now, is written soon. 0, -ENOMEM, or -ENOBUFS: the store is behind, and RECORD is lost. */
int store_tell(struct store *store, struct event_record *record);
/* As store_put(), of a database that nobody watches any more, so that it can be recalled when it comes back. */
int store_put_away(struct store *store, const char *name, const struct memory *memory);
/* Whether a disk that hangs has left so much undone that nothing more should be put before it moves again. */
bool store_is_behind(struct store *store);
/* They may be others after a reload. */
void store_limit(struct store *store, const struct store_bounds *bounds);
/* Waits until all that was put before is in the file: 0, or -ETIMEDOUT. */
int store_flush(struct store *store, uint64_t timeout_usec);
/* How it is, and one sentence about it for people ("" when it is good or none). */
enum store_health store_health(struct store *store, char *ret_sentence, size_t size);

/* The reader, which answers questions about the past, lives as long as STORE. NULL: nothing is kept. */
struct reader *store_reader(const struct store *store);
