/* The questions that a database can be asked, from free to dear. */
#pragma once

enum check {
        CHECK_DOOR,  /* everything before a password */
        CHECK_LOGIN, /* a fresh connection and the probe query */
        CHECK_PING,  /* the probe query on the held session */
        _CHECK_MAX,
};

/* "door", "login", "ping" */
const char *check_name(enum check check);

/* The phases that an attempt passes, in their order. */

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
