/* A small generator (splitmix64) for jitter; nothing secret is made with it. Pure: the state is the caller's. */
#pragma once

#include <stdint.h>

/* Seeds from the kernel. */
uint64_t random_seed(void);
uint64_t random_next(uint64_t *state);

/* How long to wait before the next try: doubling from a floor to a ceiling, with jitter. Pure. */

/*
 * The delay before try number FAILURES + 1 (FAILURES counts from 1): FLOOR doubled FAILURES - 1 times, at most CEILING (a ceiling below
 * the floor counts as the floor).
 */
uint64_t backoff_usec(unsigned failures, uint64_t floor_usec, uint64_t ceiling_usec);

/* USEC moved by at most JITTER_PERMILLE thousandths up or down. */
uint64_t backoff_jitter(uint64_t usec, unsigned jitter_permille, uint64_t *random_state);
