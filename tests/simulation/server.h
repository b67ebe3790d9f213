/*
 * The servers of the world and what is in front of them (a proxy, a name, the network): how each responds, when it sleeps and dies. They
 * hold the truth with which the daemon's statements are compared.
 */
#pragma once

#include "loop.h"

#include "model/check.h"
#include "model/reason.h"

#define WORLD_NAME_MAX 24
#define SERVERS_MAX 12

enum server_kind {
        SERVER_PLAIN,
        SERVER_STANDBY,
        SERVER_NEON,        /* a proxy in front; a suspend ends sessions with a message */
        SERVER_NEON_POOLED, /* ... without a message */
        SERVER_AURORA,      /* hangs from the connect on until it is awake; a session keeps it awake */
        SERVER_SUPABASE,    /* a free project; paused after days. No login wakes it: its proxy does not know it then */
        _SERVER_KIND_MAX,
};

enum server_phase {
        SERVER_STOPPED,
        SERVER_ASLEEP,
        SERVER_STARTING,
        SERVER_RUNNING,
};

enum trouble {
        TROUBLE_NONE,
        TROUBLE_HANGS,        /* accepts connections and never responds */
        TROUBLE_VANISHES,     /* no packet comes back */
        TROUBLE_UNREACHABLE,  /* there is no route to it */
        TROUBLE_NAME_FAILS,   /* its name does not resolve, for now */
        TROUBLE_NAME_HANGS,   /* the resolver does not answer for it */
        TROUBLE_NAME_UNKNOWN, /* its name does not exist */
        TROUBLE_REFUSES,      /* takes no new connection */
        TROUBLE_THROTTLES,
        TROUBLE_QUOTA,
        TROUBLE_PASSWORD,
        TROUBLE_DISABLED,
        TROUBLE_TRANSIENT, /* trouble of the proxy's own: no login reaches the server */
        TROUBLE_GARBAGE,
        TROUBLE_FULL,
        TROUBLE_SLOW,   /* each login is answered 2 s late */
        TROUBLE_ERRORS, /* queries are answered with an error */
        _TROUBLE_MAX,
};

struct server {
        char name[WORLD_NAME_MAX];
        enum server_kind kind;
        uint64_t latency_usec;
        uint64_t wake_usec;          /* from the first login to the first answer */
        uint64_t suspend_after_usec; /* 0: never */

        enum server_phase phase;
        uint64_t started_usec;    /* boot clock; of the postmaster that is running or starting */
        uint64_t ready_usec;      /* SERVER_STARTING: when it will run */
        uint64_t used_usec;       /* the last query */
        uint64_t used_until_usec; /* other clients keep it busy */
        unsigned sessions;
        bool in_recovery;
        uint64_t lag_usec; /* of a standby that replays */
        enum trouble trouble;
        uint64_t trouble_until_usec;
        struct world_timer timer;

        unsigned starts;
        unsigned woken_by; /* 1 + the database whose attempt started it; 0: others did */
};

/* Of the whole host. */
struct network {
        uint64_t away_until_usec;
        uint64_t resolver_fails_until_usec;
        uint64_t resolver_hangs_until_usec; /* it accepts questions and answers none */
        uint64_t lacks_descriptors_until_usec; /* no new connection can be made */
};
extern struct network network;

/* A server's response to one step of an attempt. */
enum reply_kind {
        REPLY_GOES_ON, /* after `delay_usec` the phase is passed */
        REPLY_FAILS,   /* after `delay_usec` it ends with `reason` */
        REPLY_ASK_AGAIN, /* nothing for `delay_usec`; then it must be asked again */
        REPLY_SILENCE, /* nothing until the deadline */
};

struct reply {
        enum reply_kind kind;
        uint64_t delay_usec;
        enum reason reason;
        const char *sqlstate;
        bool own_network_suspect;
};

/* A server that has been running for AGE_USEC, or is asleep (0). */
void server_begin(struct server *server, uint64_t age_usec);
void server_end(struct server *server);
bool server_suspends(const struct server *server);

/* A login of DATABASE (its index), or a door check, reaches PHASE. */
struct reply server_meet(struct server *server, enum phase phase, bool door, unsigned database);
/* The same for a query on a session of the server's start number START. */
struct reply server_ask(struct server *server, unsigned start);
void server_hold_session(struct server *server);
void server_release_session(struct server *server);

/* Happenings. */
void server_suspend(struct server *server);
void server_stop(struct server *server, bool crash);
void server_start(struct server *server, uint64_t within_usec);
void server_be_used(struct server *server, uint64_t until_usec);

bool server_has(const struct server *server, enum trouble trouble);
/* Whether nothing but a wake can delay or prevent the answer to a login. */
bool server_is_healthy(const struct server *server);

/* Since when packets of SERVER come back again; 0 or in the past: they do now. */
uint64_t server_reached_usec(const struct server *server);

/* Called when packets of SERVER (NULL: of all) stop coming back for a while. The pool's. */
void pool_out_of_reach(const struct server *server);
/* Called when SERVER's running postmaster ends: with a message (SQLSTATE) or without one (NULL). The pool's. */
void pool_server_went(const struct server *server, const char *sqlstate);
/* SERVER's postmaster ended (false) or started (true). The witness's. */
void witness_server_changed(const struct server *server, bool started);
