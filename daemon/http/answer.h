/* Parts shared by all answers: composed JSON, errors, Retry-After, and long answers a slice at a time. Internal to http/. */
#pragma once

#include "http/server-private.h"

/* Sends the contents of server->body. */
void answer_body(struct server *server, struct exchange *exchange, unsigned status);
/* Sends them as 503 with Retry-After. */
void answer_later(struct server *server, struct exchange *exchange, unsigned retry_after_sec);
/* {"error": SLUG, "message": ...} */
_printf_(5, 6) void answer_error(struct server *server, struct exchange *exchange, unsigned status, const char *slug,
                                 const char *format, ...);
/* Retry-After if the time is unknown. */
#define RETRY_UNKNOWN_SEC 5

/* 404 with the known names, and the nearest. */
void answer_unknown_database(struct server *server, struct exchange *exchange, const char *name);
/* answer_error() as 503 with Retry-After. */
void answer_unavailable(struct server *server, struct exchange *exchange, unsigned retry_after_sec, const char *slug, const char *message);
/* 429 with Retry-After: too many of these are in progress. */
void answer_busy(struct server *server, struct exchange *exchange, const char *message);
/* 409: REASON prevents it. */
void answer_refused(struct server *server, struct exchange *exchange, enum reason reason);
/* 503: the daemon is stopping. */
void answer_stopping(struct server *server, struct exchange *exchange);

/* Retry-After for something expected in USEC (USEC_INFINITY: unknown). */
unsigned answer_retry_after_sec(uint64_t usec);

/*
 * A long answer, composed a slice at a time, as fast as its client reads it: it never stalls the loop, and is never in memory as a whole.
 * If everything fits into the first slice, it is sent with its length; anything longer is streamed. Only slices_step() decides when a slice
 * is full, so no composer can be called for a full slice and add nothing.
 */
struct slices {
        struct buffer text; /* composed and not sent yet; may begin with some text */
        /* Adds to TEXT, step by step while slices_step() returns true; returns false if nothing is left to add. */
        bool (*compose)(struct slices *slices);
        /* Frees the object that contains SLICES; TEXT is freed already. */
        void (*free)(struct slices *slices);

        struct exchange *exchange; /* the stream's */
        size_t sent;               /* of text */
        unsigned steps;            /* in this slice */
        bool complete;
};

/* Takes one step of this slice; returns false if the slice is full: of bytes, or of steps, each of which may have added nothing. */
bool slices_step(struct slices *slices);

/* Answers EXCHANGE with SLICES, which is freed afterwards. HEAD's body is not used. */
void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head);

/*
 * An answer that lists databases, composed a slice at a time, so that ten thousand of them never stall the loop. Databases may come and go
 * between two slices: the list continues by name.
 */
struct listing {
        struct server *server;
        struct buffer text; /* composed text; begin with the part before the first database */
        const char *tail;   /* the closing text, a constant */
        bool (*wants)(const struct listing *listing, const struct database *database); /* NULL: all */
        void (*describe)(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now);
        bool accept_asleep;
        bool detail;
};

/* Answers EXCHANGE with LISTING, whose memory it takes over. HEAD's body is not used. */
void listing_answer(const struct listing *listing, struct exchange *exchange, const struct reply *head);
