/*
 * A long answer, composed a slice at a time as fast as its reader takes it: it never stalls the loop, and is never whole in memory. There
 * is one rule for all: what fits into the first slice is answered whole, with its length; anything longer is streamed. Only this room
 * knows when a slice is full, so nobody can compose into one that is and add nothing. Internal to http/.
 */
#pragma once

#include "http/http.h"

struct listener;

struct slices {
        struct buffer text; /* what is composed and not yet sent; may begin with something */
        /* Adds to TEXT, step by step for as long as slices_step() says so; answers false when nothing is left to add. */
        bool (*compose)(struct slices *slices);
        /* Frees what SLICES is part of; TEXT is freed already. */
        void (*free)(struct slices *slices);

        struct listener *listener; /* NULL: it is not on its way yet */
        size_t sent;               /* of text */
        unsigned steps; /* in this slice */
        bool complete;
};

/* Takes one step of this slice; false when the slice is full: by its bytes, or by steps that may each have added nothing. */
bool slices_step(struct slices *slices);

/* Answers EXCHANGE with SLICES, which is freed when that is done. HEAD's body is not used. */
void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head);
