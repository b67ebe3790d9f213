/*
 * All workers and the probers that serve them: gives each database its worker, and replaces a prober that is stuck, so that the worker and
 * all its other databases go on. Main thread only.
 */
#pragma once

#include "probe/worker.h"

struct workers;

/* N workers, each with its prober. REPORTS and RESOLVER are borrowed. */
int workers_new(unsigned n, struct queue *reports, struct resolver *resolver, struct workers **ret_workers);
/* Begins what workers_stop() waits for: no worker takes anything new. */
void workers_say_goodbye(struct workers *workers);
/*
 * Has every worker terminate its sessions and end what runs in it, and waits for that. What runs goes on for as long as servers answer, and
 * half a second more; at most for TIMEOUT_USEC after the last session was terminated, on a machine that is too busy for us for twice that.
 */
void workers_stop(struct workers *workers, uint64_t timeout_usec);
/*
 * Answers whether nobody uses REPORTS any more. Threads that are stuck keep what they may still touch; if there are any, the process ends
 * without exit handlers when it comes to that. Takes NULL.
 */
bool workers_free(struct workers *workers);

/* To the worker of MESSAGE's database. 0 or -ENOMEM. */
int workers_push(struct workers *workers, const struct worker_message *message);
/* Replaces who is stuck. Answers when to look again because of what was seen, or USEC_INFINITY. */
uint64_t workers_look(struct workers *workers);
/* Whether some prober was detached and is not back yet. */
bool workers_has_detached(const struct workers *workers);
unsigned workers_size(const struct workers *workers);
/* How many were replaced so far. */
unsigned workers_replaced(const struct workers *workers);

/* Who computes so long in a single call of libpq is stuck. */
#define PROBER_STUCK_USEC (100 * USEC_PER_MSEC)
