/*
 * Leases: somebody needs a database awake until they say otherwise, are gone, or their time is over. While a database has one it is under
 * demand. A reload keeps them by the name of the database; a lease with a time limit is kept over restarts too (observer.touched tells when
 * they changed). Main thread only.
 */
#pragma once

#include "model/memory.h"
#include "scheduler/engine.h"

/* Why a lease ended that its holder did not end. */
enum lease_end {
        LEASE_END_EXPIRED, /* its time limit */
        LEASE_END_DELETED, /* somebody ended it by its id */
        LEASE_END_REMOVED, /* a reload took the database away */
        LEASE_END_BUDGET,  /* the month's budget of awake hours is spent */
        _LEASE_END_MAX,
};

/* "expired", "deleted", "removed", "budget.spent" */
const char *lease_end_name(enum lease_end end);

struct lease {
        struct lease_record record;
        struct database *database;
        /* Called once when it ends by anything but lease_release(); the lease is gone then. NULL for one that lives by the clock alone. */
        void (*ended)(void *userdata, enum lease_end end);
        void *userdata;
        TAILQ_ENTRY(lease) link; /* of its database, in the order of their coming */
        struct heap_item expiry; /* of those with a time limit */
};

struct lease_request {
        const char *owner;  /* printable text of at most LEASE_OWNER_MAX bytes */
        uint64_t for_usec;  /* 0: until lease_release() */
        void (*ended)(void *userdata, enum lease_end end);
        void *userdata;
};

#define LEASES_MAX 10000

/*
 * Begins one, and with it demand. RET_REFUSAL is the reason that refuses it (paused, blocked before the next try is due, budget.spent), or
 * REASON_NONE. Answers 0, -EPERM when it is refused, -ENOSPC when LEASES_MAX are held, -ENOMEM. The lease stays the engine's.
 */
int lease_take(struct engine *engine, struct database *database, const struct lease_request *request, enum reason *ret_refusal,
               struct lease **ret_lease);
/* Its holder ends it; followed by `linger`. `ended` is not called. Takes NULL. */
void lease_release(struct engine *engine, struct lease *lease);
/* Ends the one of this id (LEASE_END_DELETED). Answers false when there is none. */
bool lease_delete(struct engine *engine, uint64_t id);
/* One with a time limit from before a restart. One whose time is over or whose database is not known is dropped. */
int lease_restore(struct engine *engine, const struct lease_record *record);
