/*
 * All lanes and the probers that serve them: gives each database its lane, and replaces a prober that is stuck, so that the lane and all
 * its other databases go on. Main thread only.
 */
#pragma once

#include "probe/prober.h"

struct crew;

/* N lanes, each with its prober. REPORTS and RESOLVER are borrowed. */
int crew_new(unsigned n, struct queue *reports, struct resolver *resolver, struct crew **ret_crew);
/* Begins what crew_stop() waits for: no lane takes anything new. */
void crew_say_goodbye(struct crew *crew);
/*
 * Has every lane terminate its sessions and end what runs in it, and waits for that. What runs goes on for as long as servers answer, and
 * half a second more; at most for TIMEOUT_USEC after the last session was terminated, on a machine that is too busy for us for twice that.
 */
void crew_stop(struct crew *crew, uint64_t timeout_usec);
/*
 * Answers whether nobody uses REPORTS any more. Threads that are stuck keep what they may still touch; if there are any, the process ends
 * without exit handlers when it comes to that. Takes NULL.
 */
bool crew_free(struct crew *crew);

/* To the lane of MESSAGE's database. 0 or -ENOMEM. */
int crew_push(struct crew *crew, const struct lane_message *message);
/* Replaces who is stuck. Answers when to look again because of what was seen, or USEC_INFINITY. */
uint64_t crew_look(struct crew *crew);
/* Whether some prober was set aside and is not back yet. */
bool crew_has_aside(const struct crew *crew);
unsigned crew_size(const struct crew *crew);
/* How many were replaced so far. */
unsigned crew_replaced(const struct crew *crew);

/* Who computes so long in a single call of libpq is stuck. */
#define CREW_STUCK_USEC (100 * USEC_PER_MSEC)
