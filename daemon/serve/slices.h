/*
 * A long answer that is composed a slice at a time, as fast as its reader takes it: it never stalls the loop, and is never whole in
 * memory. Internal to serve/.
 */
#pragma once

#include "serve/http.h"

struct slices {
        struct buffer text; /* what is composed and not yet sent; may begin with something */
        /* Adds the next slice to TEXT, or nothing; answers false when that was the last. */
        bool (*compose)(struct slices *slices);
        /* Frees what SLICES is part of; TEXT is freed already. */
        void (*free)(struct slices *slices);

        size_t sent; /* of text */
        bool complete;
};

/* Answers EXCHANGE with SLICES, which is freed when that is done; AT_ONCE in one piece, of known length. HEAD's body is not used. */
void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head, bool at_once);
