#include "health/wake.h"

#include "base/macro.h"
#include "health/demand.h"

/*
 * A provider may restore a compute from a snapshot or hand out one that was started a moment before: there the server's uptime may be a
 * little above the attempt's own time and the start is still ours. A plain server's start within that time is somebody else's.
 */
#define COLD_SLACK_USEC (2 * USEC_PER_SEC)

bool wake_is_said(enum reason reason) {
        return reason == REASON_SERVER_STARTING || reason == REASON_SERVER_RECOVERING;
}

bool wake_may_look_like(const struct target *t, enum reason reason) {
        if (wake_is_said(reason))
                return true;
        return t->provider->suspends && (reason == REASON_AUTH_TIMEOUT || reason == REASON_PROVIDER_TRANSIENT ||
                                         (reason == REASON_TCP_TIMEOUT && t->provider->connect_hangs_in_wake));
}

bool wake_goes_on(const struct target *t, enum reason reason) {
        return wake_may_look_like(t, reason) || (t->provider->suspends && reason_class(reason) == CLASS_FULL);
}

uint64_t wake_deadline(const struct target *t) {
        /* What nobody needs any longer is late for nobody, and what was answered once is not late: its wake has ended. */
        bool counts = t->state == STATE_WAKING && t->wake_began_boot_usec && policy_asks(t);

        return counts ? usec_add(t->wake_began_boot_usec, t->config->wake_timeout_usec) : USEC_INFINITY;
}

void wake_begin(struct target *t, uint64_t began_boot_usec, bool from_evidence) {
        if (t->wake_began_boot_usec) {
                t->wake_from_evidence |= from_evidence;
                return;
        }
        t->wake_from_evidence = from_evidence;
        t->wake_began_boot_usec = began_boot_usec;
        t->wake_wanted_boot_usec = MIN(began_boot_usec, t->in_flight_wanted_boot_usec);
        t->wake_attempts = 0;
}

void wake_fail(struct target *t) {
        t->wake_began_boot_usec = 0;
}

static bool is_cold(const struct target *t, const struct server_info *server, uint64_t elapsed_usec) {
        return server->uptime_usec < elapsed_usec + (t->provider->suspends ? COLD_SLACK_USEC : 0);
}

static void record(struct target *t, enum wake_cause cause, uint64_t latency_usec, bool cold, struct instant now) {
        t->wakes++;
        t->wakes_by_cause[cause]++;
        t->last_wake = (struct wake_record){
                .at_real_usec = now.real_usec,
                .latency_usec = latency_usec,
                .cause = cause,
                .cold = cold,
        };
        if (latency_usec == USEC_INFINITY)
                return;
        if (!t->wake_latency)
                t->wake_latency = calloc(1, sizeof(*t->wake_latency));
        /* Without memory the distribution is lost, the count is not. */
        if (t->wake_latency)
                histogram_add(t->wake_latency, latency_usec);
}

/* Whether the start of the server that answered was not judged before. */
static bool take_new_server(struct target *t, const struct server_info *server) {
        bool is_new = server->started_real_usec > t->woken_server_real_usec;

        /* Behind one name there may be several: only the newest start can have been a wake. */
        if (is_new)
                t->woken_server_real_usec = server->started_real_usec;
        return is_new;
}

bool wake_end(struct target *t, const struct attempt *answered, bool was_awake, struct instant now) {
        bool seen = t->wake_began_boot_usec && t->wake_from_evidence, is_new, cold;
        uint64_t ended = usec_add(answered->started_boot_usec, answered->total_usec), began;

        wake_begin(t, answered->started_boot_usec, false);
        began = t->wake_began_boot_usec;
        t->wake_began_boot_usec = 0;
        if (answered->check != CHECK_LOGIN)
                return false;
        is_new = take_new_server(t, &answered->server);
        if (was_awake && !is_new)
                return false;
        cold = is_new && is_cold(t, &answered->server, usec_sub(answered->ended_boot_usec, began));
        /* The server was up before we asked: somebody else woke it. */
        if (!cold && is_new && t->provider->suspends) {
                record(t, WAKE_OTHER, USEC_INFINITY, false, now);
                return true;
        }
        /* A login that was only slow proves no wake: somebody must have seen it asleep or starting, or its uptime must say so. */
        if (!cold && (!seen || was_awake))
                return false;
        record(t, t->wake_cause, usec_sub(ended, t->wake_wanted_boot_usec), cold, now);
        return true;
}
