#include "model/phase.h"

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
