/*
 * Name resolution off every loop: a few threads with getaddrinfo(), which has the full meaning of the system's own names and no deadline.
 *
 * The deadline is therefore on the wait, never on the thread: who no longer waits drops the answer when it comes.
 */
#pragma once

#include "base/queue.h"
#include "probe/addresses.h"

struct resolver;

/* The answer, as a value for who asked. */
struct resolved {
        uint64_t id;                 /* the asker's own */
        int eai;                     /* EAI_*, or 0 */
        struct addresses *addresses; /* the receiver's to free; NULL when it failed */
};

/* Delivers ANSWER to the asker; called on a thread of the resolver. Answers whether it was taken. */
typedef bool (*resolver_deliver)(void *asker, const struct resolved *answer);

int resolver_new(resolver_deliver deliver, struct resolver **ret_resolver);
/*
 * Nothing is delivered any more once it returns. Threads that are inside getaddrinfo() are left to themselves, and the memory they need
 * with them. Takes NULL.
 */
struct resolver *resolver_free(struct resolver *resolver);

/* Asks for HOST (copied). Exactly one answer is delivered to ASKER with ID, some time. 0 or a negative errno. */
int resolver_ask(struct resolver *resolver, const char *host, void *asker, uint64_t id);
unsigned resolver_threads(struct resolver *resolver);
