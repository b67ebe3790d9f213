/*
 * Drops old rows, a slice at a time and each in a transaction of its own, so that the writer never waits for long. Of each database the
 * state at that time is kept, so that its state is known from then on, and the last run that ended before, so that it does not seem known
 * for longer. A database that is not watched and has nothing else left is dropped too, with its counters.
 */
#pragma once

#include "history/sqlite.h"

/* Databases per slice. */
#define PRUNE_DATABASES_MAX 100

struct prune_terms {
        uint64_t before_real_usec; /* rows that ended before this are dropped */
        uint64_t gone_real_usec;   /* databases of which nothing was saved since this are dropped too; 0: none */
        uint64_t rows_max;         /* per slice; up to four times as many are dropped */
        bool (*is_watched)(void *userdata, const char *name);
        void *userdata;
};

/* The position. {0}: the beginning. */
struct prune {
        uint64_t last; /* the row of the present database */
        uint64_t dropped; /* rows, by the last slice */
        size_t n_forgotten; /* names, by the last slice */
        char forgotten[PRUNE_DATABASES_MAX][64];
};

/* 1: there is more; 0: done, and PRUNE is at the beginning again. */
int prune_slice(struct sqlite *sqlite, struct prune *prune, const struct prune_terms *terms);
/* The beginning of what is kept. -ENODATA: nothing is. */
int prune_oldest(struct sqlite *sqlite, uint64_t *ret_real_usec);
