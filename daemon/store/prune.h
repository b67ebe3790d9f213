/*
 * What is old is dropped: a slice at a time, each a transaction of its own, so that who writes never waits for long. Of each database
 * the state at that time stays, so that it is known from then on, and the last run that ended before it, so that it is not known for longer.
 */
#pragma once

#include "store/sqlite.h"

/* How far it came. {0}: from the beginning. */
struct prune {
        uint64_t last; /* the row of the database that is being looked at */
};

/* Drops some of what ended before BEFORE, some four times ROWS_MAX rows at most. 1: there is more to look at; 0: it is done, and PRUNE is at the beginning again. */
int prune_slice(struct sqlite *sqlite, struct prune *prune, uint64_t before_real_usec, uint64_t rows_max, uint64_t *ret_dropped);
/* The begin of what is kept. -ENODATA: nothing is. */
int prune_oldest(struct sqlite *sqlite, uint64_t *ret_real_usec);
