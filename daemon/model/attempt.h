/* One run of a check and its single outcome: a plain value that the prober sends to the main loop. */
#pragma once

#include "base/clock.h"
#include "model/check.h"
#include "model/classify.h"
#include "model/reason.h"

#include <netinet/in.h>

#define ATTEMPT_DETAIL_MAX 256

/* The server's answer to the probe query, by its own clock. */
struct server_info {
        uint64_t uptime_usec;
        uint64_t started_real_usec;
        uint64_t lag_usec; /* replay lag of a standby; USEC_INFINITY: unknown, or not asked */
        int version;       /* such as 150018 */
        bool in_recovery;
        bool read_only; /* transaction_read_only */
};

struct attempt {
        uint64_t id;
        enum check check;
        uint64_t started_boot_usec;
        uint64_t started_real_usec;
        uint64_t ended_boot_usec; /* time of the socket's event; a suspend of the host counts here, but not in `total_usec` */
        uint64_t total_usec;
        uint64_t phase_usec[_PHASE_MAX]; /* 0 for a phase that was not entered */
        enum phase last_phase;           /* the last one entered */
        enum reason reason;              /* REASON_NONE: answered (login, ping), or a good door */
        char sqlstate[SQLSTATE_LENGTH + 1];
        char address[INET6_ADDRSTRLEN + sizeof("[]:65535")]; /* last one tried: "127.0.0.1:5432", or "" */
        char detail[ATTEMPT_DETAIL_MAX];                     /* raw text of the failure, or "" */
        bool door_let_in;    /* a door check was admitted without a password */
        bool session_held;   /* a held session exists after this */
        bool session_ended;  /* the held session ended in this: by the server's message, or on its socket; not when we closed it */
        bool own_network_suspect;                            /* name not resolved, or no route: it may be our own network */
        struct server_info server; /* if it answered */
};

/* The name of the outcome in metrics: "ok", or the failure's class. */
const char *attempt_outcome(const struct attempt *attempt);
/* SQLSTATE comes from a server and may be any bytes, or NULL. Anything but an SQLSTATE becomes "", since it goes into logs and answers. */
void attempt_set_sqlstate(struct attempt *attempt, const char *sqlstate);
