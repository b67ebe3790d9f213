#include "model/check.h"

static const char *const check_names[_CHECK_MAX] = {
        [CHECK_DOOR] = "door",
        [CHECK_LOGIN] = "login",
        [CHECK_PING] = "ping",
};

const char *check_name(enum check check) {
        return check_names[check];
}

/* -- The phases of an attempt ---------------------------------------------------------------------------------------------------------- */

static const char *const phase_names[_PHASE_MAX] = {
        [PHASE_RESOLVE] = "resolve",
        [PHASE_CONNECT] = "connect",
        [PHASE_TLS] = "tls",
        [PHASE_AUTH] = "auth",
        [PHASE_QUERY] = "query",
};

const char *phase_name(enum phase phase) {
        return phase_names[phase];
}
