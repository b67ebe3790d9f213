/* The phases that an attempt passes, in their order. */
#pragma once

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
