/*
 * Old rows are dropped: a slice at a time, each a transaction of its own, so that the writer never waits for long. Of each database the
 * state at that time stays, so that it is known from then on, and the last run that ended before it, so that it is not known for longer. A
 * database that nobody watches, and of which nothing else is left, goes too, with what was counted of it.
 */
#pragma once

#include "history/sqlite.h"

/* Databases at a time. */
#define PRUNE_DATABASES_MAX 100

struct prune_terms {
        uint64_t before_real_usec; /* what ended before that goes */
        uint64_t gone_real_usec;   /* and so do the names of which nothing was saved since then; 0: none */
        uint64_t rows_max;         /* in a slice, some four times as many at most */
        bool (*is_watched)(void *userdata, const char *name);
        void *userdata;
};

/* How far it came. {0}: from the beginning. */
struct prune {
        uint64_t last; /* the row of the database that is being looked at */
        uint64_t dropped; /* rows, by the last slice */
        size_t n_forgotten; /* names, by the last slice */
        char forgotten[PRUNE_DATABASES_MAX][64];
};

/* 1: there is more to look at; 0: it is done, and PRUNE is at the beginning again. */
int prune_slice(struct sqlite *sqlite, struct prune *prune, const struct prune_terms *terms);
/* The begin of what is kept. -ENODATA: nothing is. */
int prune_oldest(struct sqlite *sqlite, uint64_t *ret_real_usec);
