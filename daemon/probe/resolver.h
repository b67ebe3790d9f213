/*
 * Name resolution off every loop: threads with getaddrinfo(), which has the full meaning of the system's own names and no deadline.
 *
 * The deadline is therefore on the wait, never on the thread: who no longer waits takes his question back.
 */
#pragma once

#include "base/queue.h"
#include "probe/addresses.h"

struct resolver;

/* What is told to who asked, as a value. */
struct resolved {
        uint64_t id;                 /* both the asker's own */
        uint64_t attempt;
        bool begun;                  /* no answer yet: what waited in the queue has begun */
        uint64_t begun_usec;         /* when it did, CLOCK_MONOTONIC */
        int eai;                     /* EAI_*, or 0 */
        int error;                   /* errno of EAI_SYSTEM */
        struct addresses *addresses; /* the receiver's to free; NULL when it failed */
};

/* Delivers ANSWER to the asker; called on any thread. Answers whether it was taken. */
typedef bool (*resolver_deliver)(void *asker, const struct resolved *answer);

int resolver_new(resolver_deliver deliver, struct resolver **ret_resolver);
/*
 * Nothing is delivered any more once it returns. Threads that are inside getaddrinfo() are left to themselves, and the memory they need
 * with them. Takes NULL.
 */
struct resolver *resolver_free(struct resolver *resolver);

/*
 * Asks for HOST (copied). Exactly one answer is delivered to ASKER with ID and ATTEMPT, some time, unless the question is taken back.
 * Answers 0 when the look-up begins at once or runs already; 1 when it has to wait for a thread, and that it begins is delivered, too; a
 * negative errno when nothing will come.
 */
int resolver_ask(struct resolver *resolver, const char *host, void *asker, uint64_t id, uint64_t attempt);
/* Takes the question back. An answer may be on its way already. */
void resolver_cancel(struct resolver *resolver, const char *host, void *asker, uint64_t attempt);
unsigned resolver_threads(struct resolver *resolver);
/* How many names wait for a thread. */
unsigned resolver_waiting(struct resolver *resolver);
