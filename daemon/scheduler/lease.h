/*
 * Leases: a client needs a database awake until it ends the lease, disconnects, or a time limit passes. A database with a lease has demand.
 * A reload keeps leases by the name of the database; leases with a time limit survive restarts too (observer.touched reports changes). Main
 * thread only.
 */
#pragma once

#include "model/memory.h"
#include "scheduler/engine.h"

/* Why a lease ended other than by its holder. */
enum lease_end {
        LEASE_END_EXPIRED, /* its time limit passed */
        LEASE_END_DELETED, /* a client ended it by its id */
        LEASE_END_REMOVED, /* a reload removed the database */
        LEASE_END_BUDGET,  /* the month's budget of awake hours is spent */
        _LEASE_END_MAX,
};

/* "expired", "deleted", "removed", "budget.spent" */
const char *lease_end_name(enum lease_end end);

struct lease {
        struct lease_record record;
        uint64_t due_boot_usec; /* when its time limit passes if nobody sets the clock; 0: it has none */
        struct database *database;
        /* Called once when it ends other than by lease_release(); the lease is gone by then. NULL if only the clock ends it. */
        void (*ended)(void *userdata, enum lease_end end);
        void *userdata;
        TAILQ_ENTRY(lease) link; /* of the same database, in the order they were taken */
        struct heap_item expiry; /* only with a time limit */
};

struct lease_request {
        const char *owner;  /* printable text of at most LEASE_OWNER_MAX bytes */
        uint64_t for_usec;  /* 0: until lease_release() */
        void (*ended)(void *userdata, enum lease_end end);
        void *userdata;
};

#define LEASES_MAX 10000

/*
 * Begins a lease, and with it demand. RET_REFUSAL is the reason for a refusal (paused, blocked with no retry due, budget.spent), or
 * REASON_NONE. Returns 0, -EPERM if refused, -ENOSPC if LEASES_MAX are held, or -ENOMEM. The engine owns the lease.
 */
int lease_take(struct engine *engine, struct database *database, const struct lease_request *request, enum reason *ret_refusal,
               struct lease **ret_lease);
/* The holder ends its lease; `linger` follows. `ended` is not called. Takes NULL. */
void lease_release(struct engine *engine, struct lease *lease);
/* Ends the lease with this id (LEASE_END_DELETED). Returns false if there is none. */
bool lease_delete(struct engine *engine, uint64_t id);
/* Restores a lease with a time limit from before a restart. An expired one, or one for an unknown database, is dropped. */
int lease_restore(struct engine *engine, const struct lease_record *record);
