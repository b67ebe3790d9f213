/* The arguments of a request, read strictly: an unknown or doubtful one is refused with a sentence, never guessed. Pure. */
#pragma once

#include "base/macro.h"

#include <stdint.h>

enum argument {
        ARGUMENT_WAIT = 1 << 0,   /* wait=30s: at most QUERY_WAIT_MAX_USEC */
        ARGUMENT_ACCEPT = 1 << 1, /* accept=asleep */
        ARGUMENT_FOR = 1 << 2,    /* for=2h: at most QUERY_FOR_MAX_USEC */
        ARGUMENT_DB = 1 << 3,     /* db=NAME */
        ARGUMENT_FOLLOW = 1 << 4, /* follow=0, follow=1 */
};

#define QUERY_WAIT_MAX_USEC (UINT64_C(3600) * 1000000)
#define QUERY_FOR_MAX_USEC (UINT64_C(90) * 86400 * 1000000)

struct query {
        unsigned given; /* enum argument bits */
        uint64_t wait_usec;
        bool accept_asleep;
        uint64_t for_usec;
        const char *db; /* borrowed */
        bool no_follow;

        unsigned allowed;
        char problem[192]; /* "", or why it was refused */
};

/* Takes one more argument (VALUE may be NULL). Answers false, with the problem, when it is refused. */
bool query_take(struct query *query, const char *name, const char *value);
