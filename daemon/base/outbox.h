/*
 * A thread that hands values to a descriptor that may block, and a bounded queue before it, so that whoever puts them in never waits.
 *
 * The order is kept. Once a value did not fit, all that follow are dropped until the queue is empty; then how many they were is reported,
 * in their place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct outbox;

/* Begins a value, which is one piece of memory from malloc(). */
struct outbox_item {
        STAILQ_ENTRY(outbox_item) link;
        size_t bytes; /* its weight */
};

/* Both are called by the thread and may block. */
struct outbox_hooks {
        void (*deliver)(const struct outbox_item *item);
        void (*dropped)(uint64_t n);
};

/* BYTES_MAX: what may wait. HOOKS must outlive it. */
int outbox_new(const char *name, size_t bytes_max, const struct outbox_hooks *hooks, struct outbox **ret_outbox);
/* Takes ITEM, or drops it. NULL: one that could not be made for want of memory. Safe from any thread. */
void outbox_put(struct outbox *outbox, struct outbox_item *item);
/* Whether nothing waits and nothing is being delivered. */
bool outbox_is_idle(struct outbox *outbox);
/*
 * Waits for that, but no longer than TIMEOUT_USEC, and ends the thread; what is put in from then on is delivered at once. Answers whether it
 * did: a thread that is stuck in a descriptor stays so until the process ends. The memory stays, for other threads that may put something in.
 */
bool outbox_end(struct outbox *outbox, uint64_t timeout_usec);
