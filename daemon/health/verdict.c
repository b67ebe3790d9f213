#include "health/verdict.h"

#include "base/macro.h"
#include "base/text.h"
#include "health/wake.h"

#include <assert.h>

static void set_detail(struct database *d, const struct verdict_cause *cause) {
        (void)text_copy(d->sqlstate, sizeof(d->sqlstate), cause->sqlstate);
        free(d->detail);
        /* If memory runs out, only the raw text is lost. */
        d->detail = cause->detail && *cause->detail ? strdup(cause->detail) : NULL;
}

/* 2.5 intervals: one check may be late or lost before a verdict expires. */
static uint64_t lifetime_of(uint64_t interval_usec) {
        return interval_usec > USEC_INFINITY / 5 ? USEC_INFINITY : interval_usec * 5 / 2;
}

/* Without a session the end is not seen: a server that suspends may do so as soon as our last query allows. */
static uint64_t unwatched_lifetime_usec(const struct database *d) {
        uint64_t lifetime = lifetime_of(d->config->login_interval_usec);

        return d->provider->suspends ? MIN(lifetime, database_suspend_after_usec(d)) : lifetime;
}

bool verdict_is_host_trouble(enum reason reason) {
        return reason == REASON_HOST_NETWORK || reason == REASON_HOST_RESOURCES;
}

/* Until a retry should have ended, and did not. */
static uint64_t retried_lifetime_usec(const struct database *d) {
        return usec_add(lifetime_of(MAX(d->config->down_interval_usec, d->retry_delay_usec)), d->config->attempt_timeout_usec);
}

/* How long a verdict of this state stays fresh without new evidence; USEC_INFINITY: it does not expire. */
static uint64_t lifetime_usec(const struct database *d, enum state state) {
        const struct database_config *config = d->config;

        switch (state) {
        case STATE_AWAKE:
        case STATE_DEGRADED:
                /* Without demand the held session renews it: its end is seen at once. */
                if (d->session_held && !policy_asks(d))
                        return USEC_INFINITY;
                if (config->fresh_for_usec)
                        return config->fresh_for_usec;
                return d->session_held ? lifetime_of(config->ping_interval_usec) : unwatched_lifetime_usec(d);
        case STATE_ASLEEP:
                if (!config->door_interval_usec || !d->provider->door_is_free)
                        return USEC_INFINITY;
                return usec_add(lifetime_of(config->door_interval_usec), config->attempt_timeout_usec);
        case STATE_UNKNOWN:
                /* Trouble of our own expires if no check follows. No other unknown verdict expires. */
                return verdict_is_host_trouble(d->reason) ? retried_lifetime_usec(d) : USEC_INFINITY;
        case STATE_FULL:
        case STATE_DOWN:
                return retried_lifetime_usec(d);
        case STATE_BLOCKED: /* only a login can clear it */
        case STATE_WAKING:
        case _STATE_MAX:
                break;
        }
        return USEC_INFINITY;
}

uint64_t database_fresh_until(const struct database *d) {
        /* Without demand, a held session renewed the verdict by living. Once there is demand, only checks renew it. */
        bool stood_unasked = (d->state == STATE_AWAKE || d->state == STATE_DEGRADED) && d->session_held;
        uint64_t since = stood_unasked ? MAX(d->renewed_boot_usec, d->asking_since_boot_usec) : d->renewed_boot_usec;

        return usec_add(since, lifetime_usec(d, d->state));
}

bool verdict_is_old(const struct database *d, uint64_t answered_boot_usec, struct instant now) {
        return usec_add(answered_boot_usec, lifetime_usec(d, STATE_AWAKE)) <= now.boot_usec;
}

struct event *event_list_add(struct event_list *events, const struct database *d, enum event_kind kind, struct instant now) {
        struct event *event;

        assert(events->n < EVENT_LIST_MAX);
        event = &events->list[events->n++];
        *event = (struct event){
                .kind = kind,
                .boot_usec = now.boot_usec,
                .real_usec = now.real_usec,
                .state = d->state,
                .previous = d->state,
                .reason = d->reason,
                .ready = database_ready(d),
                .generation = d->counts.generation,
        };
        (void)text_copy(event->database, sizeof(event->database), d->config->name);
        (void)text_copy(event->sqlstate, sizeof(event->sqlstate), d->sqlstate);
        return event;
}

static void verdict_tell_state(struct database *d, enum state previous, const struct attempt *attempt, struct instant now, struct event_list *events) {
        struct event *event = event_list_add(events, d, EVENT_STATE, now);

        event->previous = previous;
        event->by_attempt = attempt;
        event->repeated = d->repeated;
        d->repeated = 0;
}

void verdict_tell_generation(struct database *d, uint64_t before, const struct attempt *attempt, struct instant now, struct event_list *events) {
        bool told = events->n > 0 && events->list[events->n - 1].generation == d->counts.generation;

        if (d->counts.generation != before && !told)
                verdict_tell_state(d, d->state, attempt, now, events);
}

static void verdict_tell_wake(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        struct event *event = event_list_add(events, d, EVENT_WAKE, now);

        event->by_attempt = true;
        event->latency_usec = d->counts.last_wake.latency_usec;
        event->cause = d->counts.last_wake.cause;
        event->cold = d->counts.last_wake.cold;
        event->attempts = d->wake.attempts + 1;
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++)
                event->phase_usec[phase] = (uint32_t)MIN(attempt->phase_usec[phase], (uint64_t)UINT32_MAX);
}

/* The reason of a database that is asleep or unknown: a spent budget, if that is what keeps us from waking it. */
static enum reason reason_under_budget(const struct database *d, enum state state, enum reason reason) {
        bool asleep = state == STATE_ASLEEP, unknown = state == STATE_UNKNOWN;

        if (!d->budget_spent || !(asleep || (unknown && (reason == REASON_STALE || reason == REASON_NOT_CHECKED))))
                return reason;
        return REASON_BUDGET_SPENT;
}

void verdict_budget(struct database *d, bool spent, struct instant now, struct event_list *events) {
        enum reason before = d->reason;

        d->budget_spent = spent;
        if (!spent && before == REASON_BUDGET_SPENT)
                d->reason = d->state == STATE_ASLEEP ? evidence_cut(&d->evidence) : REASON_STALE;
        else
                d->reason = reason_under_budget(d, d->state, before);
        if (d->reason != before)
                verdict_tell_state(d, d->state, NULL, now, events);
        event_list_add(events, d, EVENT_BUDGET, now)->reason = spent ? REASON_BUDGET_SPENT : REASON_NONE;
}

static bool login_is_past_slow(const struct database *d, struct instant now) {
        bool logs_in = d->in_flight.id && d->in_flight.check == CHECK_LOGIN && !d->session_held;

        return logs_in && usec_add(d->in_flight.began_boot_usec, d->config->slow_usec) <= now.boot_usec;
}

void verdict_step(struct database *d, enum machine_event event, struct verdict_cause cause, struct instant now, struct event_list *events) {
        const struct machine_row *row = machine_step(d->state, event);
        enum state previous = d->state, next = row->to == MACHINE_STAYS ? d->state : (enum state)row->to;
        enum reason previous_reason = d->reason;
        bool was_awake = state_is_awake(previous), woke = false;

        if (row->actions & ACTION_GENERATION)
                d->counts.generation++;
        if (row->actions & ACTION_WAKE_BEGINS)
                wake_begin(d, cause.attempt ? cause.attempt->started_boot_usec : d->in_flight.began_boot_usec,
                           previous == STATE_ASLEEP || event == MACHINE_STARTING);
        if (row->actions & ACTION_WAKE_ENDS && cause.attempt)
                woke = wake_end(d, cause.attempt, was_awake, now);
        /* A wake that timed out but still looks like one is late, not over: its latency, when it is answered at last, is the whole time. */
        if (row->actions & ACTION_WAKE_FAILS && cause.reason != REASON_WAKE_TIMEOUT && !wake_goes_on(d, cause.reason))
                wake_fail(d);
        cause.reason = reason_under_budget(d, next, cause.reason);
        if (row->actions & ACTION_REASON || next != previous) {
                /* The same reason without detail keeps the detail that is there. */
                if (cause.reason != previous_reason || cause.detail)
                        set_detail(d, &cause);
                d->reason = cause.reason;
        }
        if (next != previous) {
                d->state = next;
                d->since_real_usec = now.real_usec;
                d->since_boot_usec = now.boot_usec;
        }
        if (row->actions & ACTION_RENEW)
                d->renewed_boot_usec = now.boot_usec;
        /* While the database was known to be awake a slow login meant nothing: now it does. */
        if (next != previous && next == STATE_UNKNOWN && login_is_past_slow(d, now))
                d->in_flight.slow_due_boot_usec = now.boot_usec;
        if (next != previous || d->reason != previous_reason)
                verdict_tell_state(d, previous, cause.attempt, now, events);
        else if (row->to != MACHINE_STAYS)
                d->repeated++; /* a row that only stays confirms nothing */
        if (woke)
                verdict_tell_wake(d, cause.attempt, now, events);
}
