/*
 * The threads that serve lanes, seen from the main loop: one a lane at a time. One that is stuck in libpq is set aside, and another one
 * takes its lane; it hands back what it was working on when it returns, and ends.
 */
#pragma once

#include "probe/lane.h"

struct prober;

/* Starts one for LANE; AWAY is what its predecessor was working on when it was set aside, or NULL. 0 or a negative errno. */
int prober_start(struct lane *lane, struct line *away, const char *name, struct prober **ret_prober);
/* How long it has been in one call of libpq, at NOW (CLOCK_MONOTONIC). */
uint64_t prober_busy_usec(const struct prober *prober, uint64_t now_usec);
/* How much CPU time it has used in that call, as far as it is known: less than that, it waits for a processor. */
uint64_t prober_computed_usec(const struct prober *prober);
/* Lets it compute on, but behind all others. */
void prober_slow_down(const struct prober *prober);
/* Sets it aside when that is at least LIMIT_USEC. Answers whether it did, and what it works on: the lane is the caller's then. */
bool prober_set_aside(struct prober *prober, uint64_t now_usec, uint64_t limit_usec, struct line **ret_away);
/* Waits until it has ended, at most for TIMEOUT_USEC, and frees it. Answers whether it has. */
bool prober_join(struct prober *prober, uint64_t timeout_usec);
/* It will never be joined: the little that it still needs stays its own. */
void prober_abandon(struct prober *prober);
