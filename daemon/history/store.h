/*
 * Keeps in a file what outlives the daemon: the memory of each database, the leases with a time limit, and the events. State to continue
 * from is read before store_open() returns. A thread of its own writes, so that no disk stops the watching, and another one answers queries
 * of the past (history/reader.h). Main thread only.
 *
 * The writing thread reads the file once. Then it writes what it is given (all events, but only the newest snapshot of each database), and
 * sleeps while there is nothing to write. It keeps what it cannot write, and retries more and more slowly.
 *
 * Trouble with the file is no error of these functions. The history is then off, which is logged once and shown by store_health(), and
 * resumes by itself when it can.
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
        STORE_FAILED,      /* anything else; the sentence tells */
        _STORE_HEALTH_MAX,
};

/* "none", "ok", "full", "read_only", "locked", "unreachable", "foreign", "newer", "failed" */
const char *store_health_name(enum store_health health);

struct store_bounds {
        uint64_t max_bytes; /* including what SQLite keeps beside it; the oldest rows make room */
        uint64_t keep_usec; /* older events are dropped; USEC_INFINITY: never */
};

/* PATH "" keeps nothing. 0, or -ENOMEM and the like if the thread could not be started. */
int store_open(const char *path, const struct store_bounds *bounds, struct store **ret_store);
/* Writes everything that waits, first the snapshots, then the events; waits at most TIMEOUT_USEC. Takes NULL. */
struct store *store_close(struct store *store, uint64_t timeout_usec);

/*
 * State that could not be read before store_open() returned (another process had locked the file, or the disk hung) may come later. The
 * descriptor is then readable (-1: never); if store_take_past() returns true, store_recall() and store_each_lease() have that state.
 * Snapshots put after that must continue from it, so call them in the same loop iteration.
 */
int store_past_fd(const struct store *store);
bool store_take_past(struct store *store);
bool store_past_is_to_come(const struct store *store);

/*
 * The state of NAME when the daemon started, or when it was put away. Only once: from then on the caller knows it, and knows better.
 * Returns false if there is none. Suitable for struct engine_past, with the store as USERDATA.
 */
bool store_recall(void *userdata, const char *name, struct memory *ret_memory);
/*
 * Calls EACH once for every lease that was known at the start; they are then forgotten. A negative result of EACH ends this, and is
 * returned. Call this after every watched database was recalled: from then on old rows are dropped, and databases that are not watched are
 * forgotten.
 */
int store_each_lease(struct store *store, int (*each)(void *userdata, const struct lease_record *lease), void *userdata);

/*
 * Has it written soon, with the durations of the phases of the N_TIMINGS attempts since the last call; only the newest of each database is
 * kept. 0 or -ENOMEM.
 */
int store_put(struct store *store, const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
              const struct timing *timings, size_t n_timings);
/* Takes over RECORD (of malloc()), and has it written soon. 0, -ENOMEM, or -ENOBUFS: the store is behind, and RECORD is lost. */
int store_tell(struct store *store, struct event_record *record);
/* Like store_put(), for a database that is not watched any more, so that it can be recalled if it comes back. */
int store_put_away(struct store *store, const char *name, const struct memory *memory);
/* Whether a disk that hangs has left so much to write that nothing more should be put until it recovers. */
bool store_is_behind(struct store *store);
/* Sets the bounds, which a reload may change. */
void store_limit(struct store *store, const struct store_bounds *bounds);
/* Waits until everything put before is in the file: 0, or -ETIMEDOUT. */
int store_flush(struct store *store, uint64_t timeout_usec);
/* The health, and one sentence about it for people ("" for STORE_GOOD and STORE_NONE). */
enum store_health store_health(struct store *store, char *ret_sentence, size_t size);

/* The reader, which answers queries of the past; it lives as long as STORE. NULL: no history is kept. */
struct reader *store_reader(const struct store *store);
