/* The parts of all answers: composed JSON, errors, how soon to ask again, and long ones a slice at a time. Internal to http/. */
#pragma once

#include "http/server-private.h"

/* Sends what was composed in server->body. */
void answer_body(struct server *server, struct exchange *exchange, unsigned status);
/* Sends it as 503 with Retry-After. */
void answer_later(struct server *server, struct exchange *exchange, unsigned retry_after_sec);
/* {"error": SLUG, "message": ...} */
_printf_(5, 6) void answer_error(struct server *server, struct exchange *exchange, unsigned status, const char *slug,
                                 const char *format, ...);
/* Retry-After where the time is not known. */
#define RETRY_UNKNOWN_SEC 5

/* 404 with the names that are known, and the nearest. */
void answer_unknown_database(struct server *server, struct exchange *exchange, const char *name);
/* answer_error() as 503 with Retry-After. */
void answer_unavailable(struct server *server, struct exchange *exchange, unsigned retry_after_sec, const char *slug, const char *message);
/* 429 with Retry-After: too much of this goes on. */
void answer_busy(struct server *server, struct exchange *exchange, const char *message);
/* 409: REASON stands in the way. */
void answer_refused(struct server *server, struct exchange *exchange, enum reason reason);
/* 503: the daemon ends. */
void answer_stopping(struct server *server, struct exchange *exchange);

/* Retry-After for something expected in USEC (USEC_INFINITY: not known). */
unsigned answer_retry_after_sec(uint64_t usec);

/*
 * A long answer, composed a slice at a time as fast as its reader takes it: it never stalls the loop, and is never whole in memory. There
 * is one rule for all: what fits into the first slice is answered whole, with its length; anything longer is streamed. Only
 * slices_step() knows when a slice is full, so nobody can compose into one that is and add nothing.
 */
struct slices {
        struct buffer text; /* what is composed and not yet sent; may begin with something */
        /* Adds to TEXT, step by step for as long as slices_step() says so; answers false when nothing is left to add. */
        bool (*compose)(struct slices *slices);
        /* Frees what SLICES is part of; TEXT is freed already. */
        void (*free)(struct slices *slices);

        struct exchange *exchange; /* that it is streamed to */
        size_t sent;               /* of text */
        unsigned steps;            /* in this slice */
        bool complete;
};

/* Takes one step of this slice; false when the slice is full: by its bytes, or by steps that may each have added nothing. */
bool slices_step(struct slices *slices);

/* Answers EXCHANGE with SLICES, which is freed when that is done. HEAD's body is not used. */
void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head);

/*
 * An answer that lists databases, composed a slice at a time, so that ten thousand of them never stall the loop. Between two slices
 * databases may come and go: it goes on by name.
 */
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
