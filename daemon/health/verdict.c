#include "health/verdict.h"

#include "base/macro.h"
#include "base/text.h"
#include "health/wake.h"

#include <assert.h>

static void set_detail(struct target *t, const struct evidence_brought *evidence) {
        (void)text_copy(t->sqlstate, sizeof(t->sqlstate), evidence->sqlstate);
        free(t->detail);
        /* Without memory the raw text is lost; the reason is not. */
        t->detail = evidence->detail && *evidence->detail ? strdup(evidence->detail) : NULL;
}

/* 2.5 intervals: one check may be late or lost before a verdict dies. */
static uint64_t lifetime_of(uint64_t interval_usec) {
        return interval_usec > USEC_INFINITY / 5 ? USEC_INFINITY : interval_usec * 5 / 2;
}

/* No session tells of the end: a server that suspends may do so as soon as our last question allows. */
static uint64_t unwatched_lifetime_usec(const struct target *t) {
        uint64_t lifetime = lifetime_of(t->config->login_interval_usec);

        return t->provider->suspends ? MIN(lifetime, target_suspend_after_usec(t)) : lifetime;
}

bool verdict_is_host_trouble(enum reason reason) {
        return reason == REASON_HOST_NETWORK || reason == REASON_HOST_RESOURCES;
}

/* Until it should have been asked again, and was not. */
static uint64_t retried_lifetime_usec(const struct target *t) {
        return usec_add(lifetime_of(MAX(t->config->down_interval_usec, t->retry_delay_usec)), t->config->attempt_timeout_usec);
}

/* How long the verdict of the present state stays fresh without anything new; USEC_INFINITY: until something happens. */
static uint64_t lifetime_usec(const struct target *t) {
        const struct database_config *config = t->config;

        switch (t->state) {
        case STATE_AWAKE:
        case STATE_DEGRADED:
                /* Without demand the live sentinel renews it: its end is seen at once. */
                if (t->session_held && !policy_asks(t))
                        return USEC_INFINITY;
                if (config->fresh_for_usec)
                        return config->fresh_for_usec;
                return t->session_held ? lifetime_of(config->ping_interval_usec) : unwatched_lifetime_usec(t);
        case STATE_ASLEEP:
                if (!config->door_interval_usec || !t->provider->door_is_free)
                        return USEC_INFINITY;
                return usec_add(lifetime_of(config->door_interval_usec), config->attempt_timeout_usec);
        case STATE_UNKNOWN:
                /* Our own trouble is no news of today when nobody asks again; and nothing else that is unknown grows old. */
                return verdict_is_host_trouble(t->reason) ? retried_lifetime_usec(t) : USEC_INFINITY;
        case STATE_FULL:
        case STATE_DOWN:
                return retried_lifetime_usec(t);
        case STATE_BLOCKED: /* only a login clears it, and it is no less true for its age */
        case STATE_WAKING:
        case _STATE_MAX:
                break;
        }
        return USEC_INFINITY;
}

uint64_t target_fresh_until(const struct target *t) {
        /* A sentinel renewed by living while nobody asked; from when somebody does, checks must. */
        bool stood_unasked = (t->state == STATE_AWAKE || t->state == STATE_DEGRADED) && t->session_held;
        uint64_t since = stood_unasked ? MAX(t->renewed_boot_usec, t->asking_since_boot_usec) : t->renewed_boot_usec;

        return usec_add(since, lifetime_usec(t));
}

static struct event *add_edge(struct target *t, enum event_kind kind, struct instant now, struct edges *edges) {
        struct event *event;

        assert(edges->n < EDGES_MAX);
        event = &edges->list[edges->n++];
        *event = (struct event){
                .kind = kind,
                .database = t->config->name,
                .boot_usec = now.boot_usec,
                .real_usec = now.real_usec,
                .state = t->state,
                .previous = t->state,
                .reason = t->reason,
                .ready = target_ready(t),
                .generation = t->generation,
        };
        return event;
}

static void tell_state(struct target *t, enum state previous, const struct attempt *attempt, struct instant now, struct edges *edges) {
        struct event *event = add_edge(t, EVENT_STATE, now, edges);

        event->previous = previous;
        event->attempt = attempt;
        event->repeated = t->repeated;
        t->repeated = 0;
}

static void tell_wake(struct target *t, const struct attempt *attempt, struct instant now, struct edges *edges) {
        struct event *event = add_edge(t, EVENT_WAKE, now, edges);

        event->attempt = attempt;
        event->latency_usec = t->last_wake.latency_usec;
        event->cause = t->last_wake.cause;
        event->cold = t->last_wake.cold;
        event->attempts = t->wake_attempts + 1;
}

/* Why one that nobody may wake is not awake: what lies behind that is not what stands in the way. */
static enum reason reason_under_budget(const struct target *t, enum state state, enum reason reason) {
        bool asleep = state == STATE_ASLEEP, unknown = state == STATE_UNKNOWN;

        if (!t->budget_spent || !(asleep || (unknown && (reason == REASON_STALE || reason == REASON_NOT_CHECKED))))
                return reason;
        return REASON_BUDGET_SPENT;
}

void verdict_budget(struct target *t, bool spent, struct instant now, struct edges *edges) {
        enum reason before = t->reason;

        t->budget_spent = spent;
        if (!spent && before == REASON_BUDGET_SPENT)
                t->reason = t->state == STATE_ASLEEP ? REASON_SESSION_CUT : REASON_STALE;
        else
                t->reason = reason_under_budget(t, t->state, before);
        if (t->reason != before)
                tell_state(t, t->state, NULL, now, edges);
        add_edge(t, EVENT_BUDGET, now, edges)->reason = spent ? REASON_BUDGET_SPENT : REASON_NONE;
}

void verdict_step(struct target *t, enum machine_event event, struct evidence_brought evidence, struct instant now, struct edges *edges) {
        const struct machine_row *row = machine_step(t->state, event);
        enum state previous = t->state, next = row->to == MACHINE_STAYS ? t->state : (enum state)row->to;
        enum reason previous_reason = t->reason;
        bool was_awake = previous == STATE_AWAKE || previous == STATE_DEGRADED || previous == STATE_FULL, woke = false;

        if (row->actions & ACTION_GENERATION)
                t->generation++;
        if (row->actions & ACTION_WAKE_BEGINS)
                wake_begin(t, evidence.attempt ? evidence.attempt->started_boot_usec : t->in_flight_boot_usec,
                           previous == STATE_ASLEEP || event == MACHINE_STARTING);
        if (row->actions & ACTION_WAKE_ENDS && evidence.attempt)
                woke = wake_end(t, evidence.attempt, was_awake, now);
        /* One that was given up, and still looks like one, is late, not over: what answers it at last ends it with its whole time. */
        if (row->actions & ACTION_WAKE_FAILS && evidence.reason != REASON_WAKE_TIMEOUT && !wake_goes_on(t, evidence.reason))
                wake_fail(t);
        evidence.reason = reason_under_budget(t, next, evidence.reason);
        if (row->actions & ACTION_REASON || next != previous) {
                /* Who confirms a reason without a word leaves the words that were there. */
                if (evidence.reason != previous_reason || evidence.detail)
                        set_detail(t, &evidence);
                t->reason = evidence.reason;
        }
        if (next != previous) {
                t->state = next;
                t->since_real_usec = now.real_usec;
                t->since_boot_usec = now.boot_usec;
        }
        if (row->actions & ACTION_RENEW)
                t->renewed_boot_usec = now.boot_usec;
        if (next != previous || t->reason != previous_reason)
                tell_state(t, previous, evidence.attempt, now, edges);
        else if (row->to != MACHINE_STAYS)
                t->repeated++; /* a row that only stays confirms nothing */
        if (woke)
                tell_wake(t, evidence.attempt, now, edges);
}
