/* Answers that are the same everywhere: composed JSON, errors, and how soon to ask again. Internal to http/. */
#pragma once

#include "http/server-private.h"

/* Sends what was composed in server->body. */
void answer_body(struct server *server, struct exchange *exchange, unsigned status);
/* The same, as 503 with Retry-After. */
void answer_later(struct server *server, struct exchange *exchange, unsigned retry_after_sec);
/* {"error": SLUG, "message": ...} */
_printf_(5, 6) void answer_error(struct server *server, struct exchange *exchange, unsigned status, const char *slug,
                                 const char *format, ...);
/* Retry-After for something of which nobody knows when it is so. */
#define RETRY_UNKNOWN_SEC 5

/* 404 with the names that are known, and the nearest. */
void answer_unknown_database(struct server *server, struct exchange *exchange, const char *name);
/* The same as 503 with Retry-After. */
void answer_unavailable(struct server *server, struct exchange *exchange, unsigned retry_after_sec, const char *slug, const char *message);
/* 429 with Retry-After: too much of this goes on. */
void answer_busy(struct server *server, struct exchange *exchange, const char *message);
/* The same, for answer_may_hold(). */
void answer_too_much_held(struct server *server, struct exchange *exchange);
/* 409: REASON stands in the way. */
void answer_refused(struct server *server, struct exchange *exchange, enum reason reason);
/* 503: the daemon ends. */
void answer_stopping(struct server *server, struct exchange *exchange);

/*
 * Long answers that are on their way take memory until their readers have read: together they have a bound, those of the control socket one
 * of their own, so that no reader of another takes its memory. Answers whether BYTES more may be held for LISTENER, and counts them; an
 * answer that is alone may be longer than the bound.
 */
bool answer_may_hold(struct listener *listener, size_t bytes);
void answer_held_no_more(struct listener *listener, size_t bytes);

/* Retry-After for something expected in USEC (USEC_INFINITY: nobody knows). */
unsigned answer_retry_after_sec(uint64_t usec);
