#include "server.h"

#include "base/macro.h"
#include "clocks.h"

#include <string.h>

struct network network;

/* The postmaster of a suspended compute starts at this share of the wake; before that, the provider looks for a machine. */
#define POSTMASTER_AT(wake_usec) ((wake_usec) * 3 / 5)
/* A TCP stack retransmits at this interval without an answer. */
#define RETRANSMIT_USEC USEC_PER_SEC
#define SLOW_LOGIN_USEC (2 * USEC_PER_SEC)

bool server_suspends(const struct server *s) {
        return s->kind == SERVER_NEON || s->kind == SERVER_NEON_POOLED || s->kind == SERVER_AURORA;
}

static bool has_proxy(const struct server *s) {
        return s->kind == SERVER_NEON || s->kind == SERVER_NEON_POOLED || s->kind == SERVER_SUPABASE;
}

bool server_has(const struct server *s, enum trouble trouble) {
        return s->trouble == trouble && s->trouble_until_usec > clock_boot_usec();
}

uint64_t server_reached_usec(const struct server *s) {
        return MAX(network.away_until_usec, s->trouble == TROUBLE_VANISHES ? s->trouble_until_usec : 0);
}

bool server_is_healthy(const struct server *s) {
        return s->trouble == TROUBLE_NONE || s->trouble_until_usec <= clock_boot_usec();
}

/* When it will fall asleep without further use; USEC_INFINITY: never. */
static uint64_t sleeps_at(const struct server *s) {
        if (s->suspend_after_usec == 0 || (s->kind == SERVER_AURORA && s->sessions > 0))
                return USEC_INFINITY;
        return MAX(s->used_usec, s->used_until_usec) + s->suspend_after_usec;
}

static void watch_idleness(struct server *s) {
        uint64_t at = sleeps_at(s);

        if (s->phase != SERVER_RUNNING)
                return;
        if (at == USEC_INFINITY)
                timer_stop(&s->timer);
        else
                timer_set_world(&s->timer, MAX(at, clock_boot_usec()));
}

static void run(struct server *s) {
        s->phase = SERVER_RUNNING;
        s->used_usec = MAX(s->used_usec, clock_boot_usec());
        watch_idleness(s);
}

static void go(struct server *s, enum server_phase phase, const char *sqlstate) {
        bool ran = s->phase == SERVER_RUNNING;

        s->phase = phase;
        timer_stop(&s->timer);
        if (!ran)
                return;
        witness_server_changed(s, false);
        pool_server_went(s, sqlstate);
        s->sessions = 0;
}

void server_suspend(struct server *s) {
        if (s->phase == SERVER_RUNNING && server_suspends(s))
                go(s, SERVER_ASLEEP, s->kind == SERVER_NEON ? "57P01" : NULL);
}

void server_stop(struct server *s, bool crash) {
        go(s, SERVER_STOPPED, crash ? NULL : "57P01");
}

static void begin_start(struct server *s, uint64_t within_usec, unsigned woken_by) {
        uint64_t now = clock_boot_usec();

        s->phase = SERVER_STARTING;
        s->ready_usec = now + within_usec;
        s->started_usec = server_suspends(s) ? now + POSTMASTER_AT(within_usec) : now;
        s->starts++;
        s->woken_by = woken_by;
        timer_set_world(&s->timer, s->ready_usec);
        witness_server_changed(s, true);
}

void server_start(struct server *s, uint64_t within_usec) {
        if (s->phase == SERVER_STOPPED || s->phase == SERVER_ASLEEP)
                begin_start(s, within_usec, 0);
}

void server_be_used(struct server *s, uint64_t until_usec) {
        s->used_until_usec = MAX(s->used_until_usec, until_usec);
        if (s->phase == SERVER_ASLEEP)
                begin_start(s, s->wake_usec, 0);
}

static void on_timer(void *userdata) {
        struct server *s = userdata;

        if (s->phase == SERVER_STARTING)
                run(s);
        else if (sleeps_at(s) <= clock_boot_usec())
                server_suspend(s);
        else
                watch_idleness(s);
}

void server_begin(struct server *s, uint64_t age_usec) {
        uint64_t now = clock_boot_usec();

        s->timer = (struct world_timer){.fire = on_timer, .userdata = s};
        s->in_recovery = s->kind == SERVER_STANDBY;
        if (age_usec == 0) {
                s->phase = server_suspends(s) ? SERVER_ASLEEP : SERVER_STOPPED;
                return;
        }
        s->starts = 1;
        s->started_usec = now - MIN(age_usec, now);
        s->used_usec = now;
        run(s);
        witness_server_changed(s, true);
}

void server_end(struct server *s) {
        timer_stop(&s->timer);
}

static struct reply goes_on(uint64_t delay_usec) {
        return (struct reply){.kind = REPLY_GOES_ON, .delay_usec = delay_usec};
}

static struct reply fails(const struct server *s, enum reason reason, const char *sqlstate) {
        return (struct reply){.kind = REPLY_FAILS, .delay_usec = s->latency_usec, .reason = reason, .sqlstate = sqlstate};
}

static struct reply ask_again(uint64_t delay_usec) {
        return (struct reply){.kind = REPLY_ASK_AGAIN, .delay_usec = delay_usec};
}

static struct reply not_ours(struct reply reply) {
        reply.own_network_suspect = true;
        return reply;
}

static const struct reply silence = {.kind = REPLY_SILENCE};

static bool network_is_away(void) {
        return network.away_until_usec > clock_boot_usec();
}

static struct reply meet_resolver(const struct server *s) {
        if (network.lacks_descriptors_until_usec > clock_boot_usec())
                return fails(s, REASON_HOST_RESOURCES, NULL);
        if (network_is_away() || network.resolver_fails_until_usec > clock_boot_usec() || server_has(s, TROUBLE_NAME_FAILS))
                return not_ours(fails(s, REASON_DNS_FAILED, NULL));
        if (network.resolver_hangs_until_usec > clock_boot_usec() || server_has(s, TROUBLE_NAME_HANGS))
                return silence;
        if (server_has(s, TROUBLE_NAME_UNKNOWN))
                return fails(s, REASON_DNS_FAILED, NULL);
        return goes_on(s->latency_usec);
}

/* Waits until the end of a wake, which DATABASE causes if nothing did before. */
static struct reply wake(struct server *s, unsigned database) {
        if (s->phase == SERVER_ASLEEP)
                begin_start(s, s->wake_usec, database + 1);
        return ask_again(s->ready_usec - clock_boot_usec());
}

static struct reply meet_port(struct server *s, unsigned database) {
        if (network_is_away() || server_has(s, TROUBLE_UNREACHABLE))
                return not_ours(fails(s, REASON_TCP_UNREACHABLE, NULL));
        if (server_has(s, TROUBLE_VANISHES))
                return ask_again(RETRANSMIT_USEC);
        if (server_has(s, TROUBLE_REFUSES) || (s->phase == SERVER_STOPPED && !has_proxy(s)))
                return fails(s, REASON_TCP_REFUSED, NULL);
        if (s->kind == SERVER_AURORA && (s->phase == SERVER_ASLEEP || s->phase == SERVER_STARTING))
                return wake(s, database);
        return goes_on(s->latency_usec);
}

/* The exchange before the password request; without a proxy the server itself answers it. */
static struct reply meet_door(struct server *s) {
        if (network_is_away() || server_has(s, TROUBLE_VANISHES) || server_has(s, TROUBLE_HANGS))
                return silence;
        if (server_has(s, TROUBLE_GARBAGE))
                return fails(s, REASON_PROTOCOL_GARBAGE, NULL);
        if (server_has(s, TROUBLE_THROTTLES))
                return fails(s, REASON_PROVIDER_THROTTLED, NULL);
        if (has_proxy(s) && server_has(s, TROUBLE_DISABLED))
                return fails(s, REASON_PROVIDER_DISABLED, NULL);
        if (has_proxy(s))
                return goes_on(s->latency_usec);
        if (s->phase == SERVER_STARTING)
                return fails(s, REASON_SERVER_STARTING, "57P03");
        if (s->phase != SERVER_RUNNING)
                return fails(s, REASON_TCP_RESET, NULL);
        if (server_has(s, TROUBLE_FULL))
                return fails(s, REASON_SERVER_FULL, "53300");
        return goes_on(s->latency_usec);
}

static struct reply meet_password(struct server *s, unsigned database) {
        struct reply door = meet_door(s);

        if (door.kind != REPLY_GOES_ON)
                return door;
        if (server_has(s, TROUBLE_PASSWORD))
                return fails(s, REASON_AUTH_PASSWORD, "28P01");
        if (server_has(s, TROUBLE_QUOTA))
                return fails(s, REASON_PROVIDER_QUOTA, NULL);
        if (server_has(s, TROUBLE_DISABLED))
                return fails(s, REASON_PROVIDER_DISABLED, NULL);
        if (has_proxy(s) && server_has(s, TROUBLE_TRANSIENT))
                return fails(s, REASON_PROVIDER_TRANSIENT, NULL);
        if (s->phase == SERVER_STOPPED)
                return fails(s, s->kind == SERVER_SUPABASE ? REASON_PROVIDER_CONFIG : REASON_PROVIDER_TRANSIENT, NULL);
        if (s->phase != SERVER_RUNNING && server_suspends(s))
                return wake(s, database);
        if (s->phase != SERVER_RUNNING)
                return fails(s, REASON_SERVER_STARTING, "57P03");
        if (server_has(s, TROUBLE_FULL))
                return fails(s, REASON_SERVER_FULL, "53300");
        return goes_on(s->latency_usec + (server_has(s, TROUBLE_SLOW) ? SLOW_LOGIN_USEC : 0));
}

struct reply server_meet(struct server *s, enum phase phase, bool door, unsigned database) {
        switch (phase) {
        case PHASE_RESOLVE:
                return meet_resolver(s);
        case PHASE_CONNECT:
                return meet_port(s, database);
        case PHASE_TLS:
                return network_is_away() ? silence : goes_on(s->latency_usec);
        case PHASE_AUTH:
                return door ? meet_door(s) : meet_password(s, database);
        case PHASE_QUERY:
                return server_ask(s, s->starts);
        case _PHASE_MAX:
                break;
        }
        return silence;
}

struct reply server_ask(struct server *s, unsigned start) {
        if (network_is_away() || server_has(s, TROUBLE_VANISHES) || server_has(s, TROUBLE_HANGS) || server_has(s, TROUBLE_UNREACHABLE))
                return silence;
        if (s->phase != SERVER_RUNNING || s->starts != start)
                return fails(s, REASON_SESSION_LOST, NULL);
        s->used_usec = clock_boot_usec();
        if (server_has(s, TROUBLE_ERRORS))
                return fails(s, REASON_QUERY_FAILED, "42501");
        return goes_on(s->latency_usec);
}

void server_hold_session(struct server *s) {
        s->sessions++;
        watch_idleness(s);
}

void server_release_session(struct server *s) {
        if (s->sessions > 0)
                s->sessions--;
        watch_idleness(s);
}
