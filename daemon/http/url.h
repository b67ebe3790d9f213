/*
 * The URL of a request: its form, host and arguments, parsed strictly. Anything unknown or doubtful is refused with a sentence, never
 * guessed. Pure.
 */
#pragma once

#include "base/macro.h"
#include "history/query.h"

#include <stdint.h>

/*
 * Whether URL, as received, is printable ASCII, and stays so when its percent-encoding is decoded; after the "?" there may be encoded bytes
 * that are not ASCII. The HTTP library passes the decoded URL as a C string, in which "/readyz%00x" would equal "/readyz".
 */
bool url_is_plain(const char *url);
/*
 * The offset of the path in URL: after "http://HOST" in the absolute form, as proxies send it; else 0, also if HOST is empty or contains a
 * "%" or "@".
 */
size_t url_path_offset(const char *url);
#define URL_SCHEME "http://"

/*
 * Whether the requested HOST (LENGTH bytes, with or without a port) is localhost, an address of loopback, or one of N NAMES. Case is
 * ignored, and so is a trailing dot.
 *
 * A web page can give its own name the address 127.0.0.1 (DNS rebinding), and then read a service on loopback as if it came from the page's
 * own site; only the name in the request reveals that. So a listener on loopback answers only to the names of loopback and to configured
 * ones.
 */
bool host_is_served(const char *host, size_t length, char *const *names, size_t n);

enum argument {
        ARGUMENT_WAIT = 1 << 0,   /* wait=30s: at most QUERY_WAIT_MAX_USEC */
        ARGUMENT_ACCEPT = 1 << 1, /* accept=asleep */
        ARGUMENT_FOR = 1 << 2,    /* for=2h: at most QUERY_FOR_MAX_USEC */
        ARGUMENT_DB = 1 << 3,     /* db=NAME */
        ARGUMENT_FOLLOW = 1 << 4, /* follow=0, follow=1 */
        ARGUMENT_SPREAD = 1 << 5, /* spread=2s: at most QUERY_SPREAD_MAX_USEC; only together with wait */
        ARGUMENT_OWNER = 1 << 6,  /* owner=TEXT: printable UTF-8 of 1 to LEASE_OWNER_MAX bytes */
        ARGUMENT_KIND = 1 << 7,   /* kind=wakes ...: required where it is allowed */
        ARGUMENT_SINCE = 1 << 8,  /* since=7d: a duration, or a time of RFC 3339 */
        ARGUMENT_UNTIL = 1 << 9,  /* until=, in the same form */
        ARGUMENT_LIMIT = 1 << 10, /* limit=1000: from 1 to QUERY_LIMIT_MAX */
        ARGUMENT_FORMAT = 1 << 11, /* format=json, format=csv: not for a report */
        ARGUMENT_REMOVE = 1 << 12, /* remove=all */
};

#define QUERY_WAIT_MAX_USEC (UINT64_C(3600) * 1000000)
#define QUERY_FOR_MAX_USEC (UINT64_C(90) * 86400 * 1000000)
#define QUERY_SPREAD_MAX_USEC (UINT64_C(300) * 1000000)

struct query {
        unsigned given; /* enum argument bits */
        uint64_t wait_usec;
        bool accept_asleep;
        uint64_t for_usec;
        uint64_t spread_usec;
        const char *db;    /* borrowed */
        const char *owner; /* borrowed; NULL: not given */
        bool no_follow;
        enum query_kind kind;
        struct query_time {
                bool is_ago;   /* relative to now */
                uint64_t usec; /* or since 1970 UTC */
        } since, until;
        size_t limit;
        bool csv;
        bool remove_all;

        unsigned allowed;
        char problem[192]; /* "", or why the query was refused */
};

/* Takes one more argument (VALUE may be NULL). Returns false, and sets the problem, if it is refused. */
bool query_take(struct query *query, const char *name, const char *value);
/* Call after the last one. Returns false, and sets the problem, if any was refused or those that were given are incompatible. */
bool query_is_complete(struct query *query);
