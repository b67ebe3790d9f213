/* One run of a check and its one outcome: a plain value that travels from the prober to the one who decides. */
#pragma once

#include "base/clock.h"
#include "model/check.h"
#include "model/classify.h"
#include "model/reason.h"

#include <netinet/in.h>

#define ATTEMPT_DETAIL_MAX 256

/* What the probe query answered: the server by its own clock. */
struct server_info {
        uint64_t uptime_usec;
        uint64_t started_real_usec;
        uint64_t lag_usec; /* replay lag of a standby; USEC_INFINITY when it is not known or not asked */
        int version;       /* 150018 */
        bool in_recovery;
        bool read_only; /* transaction_read_only */
};

struct attempt {
        uint64_t id;
        enum check check;
        uint64_t started_boot_usec;
        uint64_t started_real_usec;
        uint64_t ended_boot_usec; /* the moment of the socket's event: more than `total_usec` after the start if the host slept meanwhile */
        uint64_t total_usec;
        uint64_t phase_usec[_PHASE_MAX]; /* 0 for a phase that was not entered */
        enum phase last_phase;           /* the furthest that was entered */
        enum reason reason;              /* REASON_NONE: answered (login, ping), or a good door */
        char sqlstate[SQLSTATE_LENGTH + 1];
        char address[INET6_ADDRSTRLEN + sizeof("[]:65535")]; /* the last one tried: "127.0.0.1:5432", or "" */
        char detail[ATTEMPT_DETAIL_MAX];                     /* raw text of the failure, or "" */
        bool door_let_in;    /* a door check was let in without a password: this is no door */
        bool session_held;   /* a held session stands after this */
        bool session_ended;  /* the held session ended in this: the server said so, or its socket did; not when we closed it */
        bool own_network_suspect;                            /* no answer to its name, or no route: it may be our own network */
        struct server_info server; /* when answered */
};

/* The name of how it ended for metrics: "ok", or the failure's class. */
const char *attempt_outcome(const struct attempt *attempt);
/* Any bytes may come from a server: what is no SQLSTATE (or NULL) is "", since it goes into logs and answers. */
void attempt_set_sqlstate(struct attempt *attempt, const char *sqlstate);
