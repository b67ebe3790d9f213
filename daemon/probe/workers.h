/*
 * All workers and the probers that serve them: assigns each database a worker, and replaces a stuck prober, so that the worker and all its
 * other databases go on. Main thread only.
 */
#pragma once

#include "probe/worker.h"

struct workers;

/* N workers, each with its prober. REPORTS and RESOLVER are borrowed. */
int workers_new(unsigned n, struct queue *reports, struct resolver *resolver, struct workers **ret_workers);
/* Begins to stop; workers_stop() waits for the end. No worker accepts anything new. */
void workers_say_goodbye(struct workers *workers);
/*
 * Has every worker terminate its sessions and end its attempts, and waits for that. Attempts may go on while servers respond, and half a
 * second longer; at most TIMEOUT_USEC after the last session was terminated, or twice that on a machine that is too busy for us.
 */
void workers_stop(struct workers *workers, uint64_t timeout_usec);
/*
 * Returns whether nothing uses REPORTS any more. Stuck threads keep what they may still touch; if there are any, the process ends without
 * exit handlers. Takes NULL.
 */
bool workers_free(struct workers *workers);

/* Sends MESSAGE to its database's worker. 0 or -ENOMEM. */
int workers_push(struct workers *workers, const struct worker_message *message);
/* Replaces stuck probers. Returns when to look again, or USEC_INFINITY. */
uint64_t workers_look(struct workers *workers);
/* Whether a detached prober is not back yet. */
bool workers_has_detached(const struct workers *workers);
unsigned workers_size(const struct workers *workers);
/* The number of probers replaced so far. */
unsigned workers_replaced(const struct workers *workers);

/* A prober that computes this long in a single call of libpq is stuck. */
#define PROBER_STUCK_USEC (100 * USEC_PER_MSEC)
