/* A small generator (splitmix64) for jitter, never for secrets. Pure: the caller owns the state. */
#pragma once

#include <stdint.h>

/* A seed from the kernel. */
uint64_t random_seed(void);
uint64_t random_next(uint64_t *state);

/* The delay before a retry: doubling from a floor to a ceiling, with jitter. Pure. */

/*
 * The delay before try number FAILURES + 1 (FAILURES counts from 1): FLOOR doubled FAILURES - 1 times, at most CEILING (a ceiling below
 * the floor counts as the floor).
 */
uint64_t backoff_usec(unsigned failures, uint64_t floor_usec, uint64_t ceiling_usec);

/* USEC moved by at most JITTER_PERMILLE thousandths up or down. */
uint64_t backoff_jitter(uint64_t usec, unsigned jitter_permille, uint64_t *random_state);
