/*
 * Name resolution off every loop: threads with getaddrinfo(), which resolves names exactly as the system does and has no deadline.
 *
 * The deadline is therefore on the wait, never on the thread: a caller that no longer waits cancels its question.
 */
#pragma once

#include "base/queue.h"
#include "probe/addresses.h"

struct resolver;

/* The message to a caller, a value. */
struct resolved {
        uint64_t id;                 /* both given by the caller */
        uint64_t attempt;
        bool begun;                  /* no answer yet: a queued look-up has begun */
        uint64_t begun_usec;         /* when it began, CLOCK_MONOTONIC */
        int eai;                     /* EAI_*, or 0 */
        int error;                   /* errno of EAI_SYSTEM */
        struct addresses *addresses; /* the receiver frees them; NULL if it failed */
};

/* Delivers ANSWER to ASKER; called on any thread. Returns whether it was taken. */
typedef bool (*resolver_deliver)(void *asker, const struct resolved *answer);

int resolver_new(resolver_deliver deliver, struct resolver **ret_resolver);
/* Nothing is delivered after this returns. Threads inside getaddrinfo() are left alone, with the memory that they need. Takes NULL. */
struct resolver *resolver_free(struct resolver *resolver);

/*
 * Asks for HOST (copied). ASKER gets exactly one answer with ID and ATTEMPT, at some time, unless it cancels. Returns 0 if the look-up
 * begins at once or is under way; 1 if it waits for a thread, so that a message that it has begun will come first; a negative errno if
 * nothing will come.
 */
int resolver_ask(struct resolver *resolver, const char *host, void *asker, uint64_t id, uint64_t attempt);
/* Cancels the question. An answer may be on its way already. */
void resolver_cancel(struct resolver *resolver, const char *host, void *asker, uint64_t attempt);
unsigned resolver_threads(struct resolver *resolver);
/* The number of names that wait for a thread. */
unsigned resolver_waiting(struct resolver *resolver);
