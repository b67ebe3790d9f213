/*
 * An answer that lists databases, composed a slice at a time, so that ten thousand of them never stall the loop. Between two slices
 * databases may come and go: it goes on by name. Internal to http/.
 */
#pragma once

#include "http/server-private.h"

struct listing {
        struct server *server;
        struct buffer text; /* what is composed; begin with the part before the first database */
        const char *tail;   /* what closes it, a constant */
        bool (*wants)(const struct listing *listing, const struct database *database); /* NULL: all */
        void (*describe)(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now);
        bool accept_asleep;
        bool detail;
};

/* Answers EXCHANGE with LISTING (its memory changes hands). HEAD's body is not used. */
void listing_answer(const struct listing *listing, struct exchange *exchange, const struct reply *head);
