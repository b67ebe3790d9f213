/*
 * A bounded queue, and a thread that hands its values to a descriptor that may block: callers never wait.
 *
 * The order is kept. Once a value did not fit, all following ones are dropped until the queue is empty; then their number is reported in
 * their place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct outbox;

/* The beginning of a value, which is one piece of memory from malloc(). */
struct outbox_item {
        STAILQ_ENTRY(outbox_item) link;
        size_t bytes; /* its weight */
};

/* The thread calls both, and they may block. */
struct outbox_hooks {
        void (*deliver)(const struct outbox_item *item);
        void (*dropped)(uint64_t n);
};

/* BYTES_MAX: the most that may wait. HOOKS must outlive it. */
int outbox_new(const char *name, size_t bytes_max, const struct outbox_hooks *hooks, struct outbox **ret_outbox);
/* Takes over ITEM, or drops it. NULL: an item that could not be made because memory ran out. Safe from any thread. */
void outbox_put(struct outbox *outbox, struct outbox_item *item);
/* Whether nothing waits and nothing is being delivered. */
bool outbox_is_idle(struct outbox *outbox);
/*
 * Waits for that, at most TIMEOUT_USEC, and ends the thread; later items are delivered directly. Returns whether it ended: a thread that is
 * stuck in a descriptor stays until the process ends. The memory stays, for other threads that may put an item.
 */
bool outbox_end(struct outbox *outbox, uint64_t timeout_usec);
