/* The kinds of checks, from free to expensive. */
#pragma once

enum check {
        CHECK_DOOR,  /* the exchange up to the password request */
        CHECK_LOGIN, /* a new connection and the probe query */
        CHECK_PING,  /* the probe query on the held session */
        _CHECK_MAX,
};

/* "door", "login", "ping" */
const char *check_name(enum check check);

/* The phases of an attempt, in order. */

enum phase {
        PHASE_RESOLVE,
        PHASE_CONNECT,
        PHASE_TLS,
        PHASE_AUTH,
        PHASE_QUERY,
        _PHASE_MAX,
};

/* "resolve", "connect", ... */
const char *phase_name(enum phase phase);
