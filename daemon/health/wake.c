#include "health/wake.h"

#include "base/macro.h"
#include "health/policy.h"

/*
 * A provider may restore a compute from a snapshot, or hand out one that was started a moment before. The server's uptime may then be
 * slightly longer than our attempt, although we caused its start. On a plain server such a start is not ours.
 */
#define COLD_SLACK_USEC (2 * USEC_PER_SEC)

bool wake_is_said(enum reason reason) {
        return reason == REASON_SERVER_STARTING || reason == REASON_SERVER_RECOVERING;
}

bool wake_may_look_like(const struct database *d, enum reason reason) {
        if (wake_is_said(reason))
                return true;
        return d->provider->suspends && (reason == REASON_AUTH_TIMEOUT || reason == REASON_PROVIDER_TRANSIENT ||
                                         (reason == REASON_TCP_TIMEOUT && d->provider->connect_hangs_in_wake));
}

bool wake_goes_on(const struct database *d, enum reason reason) {
        return wake_may_look_like(d, reason) || (d->provider->suspends && reason_class(reason) == CLASS_FULL);
}

uint64_t wake_deadline(const struct database *d) {
        /* Without demand no wake is late. One that was answered has ended, and is not late either. */
        bool counts = d->state == STATE_WAKING && d->wake.began_boot_usec && policy_asks(d);

        /* What it met before it was told as waking was not that it takes long: a full server is awake, and we may have had no means to ask. */
        return counts ? usec_add(MAX(d->wake.began_boot_usec, d->since_boot_usec), d->config->wake_timeout_usec) : USEC_INFINITY;
}

void wake_begin(struct database *d, uint64_t began_boot_usec, bool from_evidence) {
        uint64_t wanted_boot_usec = MIN(began_boot_usec, d->in_flight.wanted_boot_usec);

        if (d->wake.began_boot_usec) {
                d->wake.from_evidence |= from_evidence;
                d->wake.wanted_boot_usec = MIN(d->wake.wanted_boot_usec, wanted_boot_usec);
                return;
        }
        d->wake.from_evidence = from_evidence;
        d->wake.began_boot_usec = began_boot_usec;
        d->wake.wanted_boot_usec = wanted_boot_usec;
        d->wake.attempts = 0;
}

void wake_fail(struct database *d) {
        d->wake.began_boot_usec = 0;
}

static bool is_cold(const struct database *d, const struct server_info *server, uint64_t elapsed_usec) {
        return server->uptime_usec < elapsed_usec + (d->provider->suspends ? COLD_SLACK_USEC : 0);
}

static void wake_count(struct database *d, enum wake_cause cause, uint64_t latency_usec, bool cold, struct instant now) {
        d->counts.wakes_by_cause[cause]++;
        d->counts.last_wake = (struct wake_record){
                .at_real_usec = now.real_usec,
                .latency_usec = latency_usec,
                .cause = cause,
                .cold = cold,
        };
        if (latency_usec == USEC_INFINITY)
                return;
        if (!d->wake_latency)
                d->wake_latency = calloc(1, sizeof(*d->wake_latency));
        /* If memory runs out, only the distribution is lost. */
        if (d->wake_latency)
                histogram_add(d->wake_latency, latency_usec);
}

/*
 * Whether the start of the server that answered was not judged before. Until the state from before a restart is loaded, the first server
 * may have been judged then: that is left open, unless the database was SEEN asleep or starting, or the server started after we asked.
 */
static bool take_new_server(struct database *d, const struct server_info *server, uint64_t elapsed_usec, bool seen) {
        bool first = d->woken_server_real_usec == 0;

        /* One name may lead to several servers: only the newest start can be a wake. */
        if (server->started_real_usec <= d->woken_server_real_usec)
                return false;
        d->woken_server_real_usec = server->started_real_usec;
        d->woken_is_open = first && d->past_is_to_come && !seen && server->uptime_usec >= elapsed_usec;
        return !d->woken_is_open;
}

bool wake_end(struct database *d, const struct attempt *answered, bool was_awake, struct instant now) {
        bool seen = d->wake.began_boot_usec && d->wake.from_evidence, is_new, cold;
        uint64_t ended = usec_add(answered->started_boot_usec, answered->total_usec), elapsed;

        wake_begin(d, answered->started_boot_usec, false);
        elapsed = usec_sub(answered->ended_boot_usec, d->wake.began_boot_usec);
        d->wake.began_boot_usec = 0;
        if (answered->check != CHECK_LOGIN)
                return false;
        is_new = take_new_server(d, &answered->server, elapsed, seen);
        if (was_awake && !is_new)
                return false;
        cold = is_new && is_cold(d, &answered->server, elapsed);
        /* The server was up before we asked: somebody else woke it. */
        if (!cold && is_new && d->provider->suspends) {
                wake_count(d, WAKE_OTHER, USEC_INFINITY, false, now);
                return true;
        }
        /* A slow login alone proves no wake: the database must have been seen asleep or starting, or the server's uptime must show it. */
        if (!cold && (!seen || was_awake))
                return false;
        wake_count(d, d->wake.cause, usec_sub(ended, d->wake.wanted_boot_usec), cold, now);
        return true;
}
