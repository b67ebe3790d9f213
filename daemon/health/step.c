#include "health/step.h"

#include "base/macro.h"
#include "health/account.h"
#include "health/evaluate.h"
#include "health/policy.h"
#include "health/verdict.h"
#include "health/wake.h"

#include <assert.h>

/* One change that time brings can make another due at once (a pause ends, and its demand too). No chain takes more rounds. */
#define ROUNDS_MAX 4

/*
 * TCP keepalives (probe/connection.c) find a dead session within 60 s. An idle session that lives this long after the last doubt proves its
 * server.
 */
#define SURVIVAL_USEC USEC_PER_MINUTE

/* No demand, and no check in flight: the caller that wanted a wake is gone, and the remaining evidence decides. */
static bool is_left_alone(const struct database *d, enum state state) {
        return d->state == state && !d->in_flight.id && !d->paused_until_boot_usec && !policy_asks(d);
}

/* A blocked verdict does not expire: only a login can clear it, and none is planned. */
static bool is_blocked_still(const struct database *d) {
        bool unasked = d->reason == REASON_STALE || d->reason == REASON_BUDGET_SPENT;

        return is_left_alone(d, STATE_UNKNOWN) && unasked && evidence_blocked(&d->evidence) != REASON_NONE;
}

/* A login has cleared what blocked the database, but there is no demand for a check that would decide its state. */
static bool is_blocked_no_more(const struct database *d) {
        bool by_door = reason_class(d->evidence.last[FOUND_BY_DOOR].reason) == CLASS_BLOCKED;

        return is_left_alone(d, STATE_BLOCKED) && !by_door && evidence_blocked(&d->evidence) == REASON_NONE;
}

/*
 * When the finding was made that stands if no check follows: on the session if one is held, else by a login. 0: there is none under the
 * present expectations. The end of an earlier session says nothing about this one.
 */
static uint64_t last_word_boot_usec(const struct database *d) {
        const struct finding *word = &d->evidence.last[d->session_held ? FOUND_BY_SESSION : FOUND_BY_LOGIN];

        return reason_class(word->reason) == CLASS_CUT ? 0 : word->boot_usec;
}

/* Whether logins are proven to be refused, and not only failed once by chance. A live session does not disprove that. */
static bool logins_are_refused(const struct database *d) {
        enum reason_class class = reason_class(d->evidence.last[FOUND_BY_LOGIN].reason);

        return evidence_needs_login(&d->evidence) &&
               (evidence_blocked(&d->evidence) != REASON_NONE || class == CLASS_FULL || d->unanswered_in_row >= d->config->fall);
}

/* Since when nothing has cast doubt on what is known. */
static uint64_t doubted_boot_usec(const struct database *d) {
        return MAX(MAX(d->since_boot_usec, d->wanted_boot_usec), evidence_newest(&d->evidence).boot_usec);
}

/* When a session that survives proves its server awake, whatever the verdict: the account, which stopped in doubt, goes on. */
static uint64_t account_survival_due(const struct database *d) {
        bool stands = d->session_held && !d->account_runs && is_left_alone(d, d->state);

        return stands ? usec_add(doubted_boot_usec(d), SURVIVAL_USEC) : USEC_INFINITY;
}

/* When survival proves the server awake; USEC_INFINITY: it cannot. */
static uint64_t survival_due(const struct database *d) {
        if (!is_left_alone(d, STATE_UNKNOWN) || logins_are_refused(d) || last_word_boot_usec(d) == 0)
                return USEC_INFINITY;
        if (d->session_held)
                return usec_add(doubted_boot_usec(d), SURVIVAL_USEC);
        /* It answered fewer than `rise` times, and no check will follow without demand: the last answer decides. */
        return d->answers_needed > 0 && d->answers_needed < d->config->rise ? last_word_boot_usec(d) : USEC_INFINITY;
}

static uint64_t time_due(const struct database *d) {
        uint64_t due = MIN(MIN(database_fresh_until(d), wake_deadline(d)), account_due(d));

        if (d->paused_until_boot_usec)
                return MIN(due, d->paused_until_boot_usec);
        if (is_left_alone(d, STATE_WAKING) || is_blocked_still(d) || is_blocked_no_more(d))
                return 0;
        return MIN(MIN(due, demand_due(d)), MIN(survival_due(d), account_survival_due(d)));
}

uint64_t database_due(const struct database *d) {
        return d->in_flight.id ? MIN(time_due(d), d->in_flight.slow_due_boot_usec) : time_due(d);
}

bool database_is_slow(const struct database *d, struct instant now) {
        return d->in_flight.id && d->in_flight.slow_due_boot_usec <= now.boot_usec;
}

/* The server is awake, and degraded if its last answer on the session was. */
static void survive(struct database *d, struct instant now, struct event_list *events) {
        struct verdict_cause evidence = {.reason = evidence_unmet(&d->evidence)};
        uint64_t proven = d->session_held ? now.boot_usec : last_word_boot_usec(d);

        if (verdict_is_old(d, proven, now)) {
                evaluate_rise_anew(d);
                return;
        }
        /* The delays of one that throttles us go on growing. */
        if (!policy_was_throttled(d))
                d->failures_in_row = d->unanswered_in_row = 0;
        d->answers_needed = 0;
        d->wanted_boot_usec = 0;
        verdict_step(d, evidence.reason == REASON_NONE ? MACHINE_SURVIVED : MACHINE_UNMET, evidence, now, events);
        d->renewed_boot_usec = proven;
}

static void step_resume(struct database *d, struct instant now, struct event_list *events) {
        if (!d->paused_until_boot_usec)
                return;
        d->paused_until_boot_usec = 0;
        d->wanted_boot_usec = now.boot_usec;
        verdict_step(d, MACHINE_RESUMED, (struct verdict_cause){.reason = REASON_STALE}, now, events);
}

/* One round of the changes that are due by now, in this order. */
static void follow_time_once(struct database *d, struct instant now, struct event_list *events) {
        if (d->paused_until_boot_usec && d->paused_until_boot_usec <= now.boot_usec)
                step_resume(d, now, events);
        /* Demand that ended unnoticed is over: it must not wake the database. */
        if (demand_due(d) <= now.boot_usec)
                d->demand_until_boot_usec = 0;
        if (wake_deadline(d) <= now.boot_usec)
                verdict_step(d, MACHINE_WAKE_TIMEOUT, (struct verdict_cause){.reason = REASON_WAKE_TIMEOUT}, now, events);
        if (is_left_alone(d, STATE_WAKING) || is_blocked_no_more(d) || database_fresh_until(d) <= now.boot_usec)
                verdict_step(d, MACHINE_EXPIRED, (struct verdict_cause){.reason = REASON_STALE}, now, events);
        if (is_blocked_still(d)) {
                verdict_step(d, MACHINE_BLOCKED, (struct verdict_cause){.reason = evidence_blocked(&d->evidence)}, now, events);
                d->renewed_boot_usec = d->evidence.last[FOUND_BY_LOGIN].boot_usec;
        }
        if (account_survival_due(d) <= now.boot_usec)
                account_begin(d, USEC_INFINITY, now);
        if (survival_due(d) <= now.boot_usec)
                survive(d, now, events);
        /* The next answer that demand brings belongs to another wake. */
        if (!policy_asks(d) && !d->in_flight.id)
                wake_fail(d);
        account_settle(d, now);
        account_check_budget(d, now, events);
}

static void follow_time(struct database *d, struct instant now, struct event_list *events) {
        for (unsigned round = 0; round == 0 || time_due(d) <= now.boot_usec; round++) {
                assert(round < ROUNDS_MAX);
                follow_time_once(d, now, events);
        }
}

static void step_begin(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)step;
        assert(!d->in_flight.id);
        d->in_flight = (struct check_in_flight){
                .id = input->attempt_id,
                .check = input->check,
                .began_boot_usec = now.boot_usec,
                .wanted_boot_usec = d->wanted_boot_usec ? MAX(d->wanted_boot_usec, d->asking_since_boot_usec) : now.boot_usec,
                .slow_due_boot_usec = input->check == CHECK_LOGIN ? usec_add(now.boot_usec, d->config->slow_usec) : USEC_INFINITY,
        };
        d->wanted_boot_usec = 0; /* later changes ask for the next check */
        if (input->check == CHECK_LOGIN && !d->wake.began_boot_usec)
                d->wake.cause = demand_wake_cause(d); /* in case this login turns out to be a wake */
}

static void step_not_begun(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)step;
        d->in_flight.id = 0;
        d->wanted_boot_usec = 0;
        d->checks[input->check].finished_boot_usec = now.boot_usec;
}

static void step_drop_session(struct database *d) {
        d->session_held = false;
        d->evidence.cut_like_suspend = false;
}

static void step_pause(struct database *d, const struct input *input, struct instant now, struct step *step) {
        if (input->for_usec == 0) {
                step_resume(d, now, &step->events);
                return;
        }
        d->paused_until_boot_usec = usec_add(now.boot_usec, input->for_usec);
        d->in_flight.id = 0;
        step_drop_session(d);
        d->failures_in_row = d->unanswered_in_row = d->answers_needed = 0;
        d->retry_delay_usec = d->config->retry_interval_usec;
        evidence_forget_door(&d->evidence);
        verdict_step(d, MACHINE_PAUSED, (struct verdict_cause){.reason = REASON_PAUSED}, now, &step->events);
}

static void step_host_suspended(struct database *d, const struct input *input, struct instant now, struct step *step) {
        (void)input;
        if (d->paused_until_boot_usec)
                return;
        d->wanted_boot_usec = now.boot_usec;
        d->evidence.cut_like_suspend = false;
        evaluate_rise_anew(d);
        d->failures_in_row = d->unanswered_in_row = 0;
        d->retry_delay_usec = d->config->retry_interval_usec;
        evidence_forget_door(&d->evidence);
        wake_fail(d);
        if (d->in_flight.id) {
                /* The host was suspended for part of that time: the login was not slow. */
                d->in_flight.began_boot_usec = d->in_flight.wanted_boot_usec = now.boot_usec;
                if (d->in_flight.slow_due_boot_usec != USEC_INFINITY)
                        d->in_flight.slow_due_boot_usec = usec_add(now.boot_usec, d->config->slow_usec);
        }
        /* A blocked verdict does not expire: only a login can clear it. */
        if (d->state != STATE_BLOCKED && d->state != STATE_UNKNOWN)
                verdict_step(d, MACHINE_EXPIRED, (struct verdict_cause){.reason = REASON_STALE}, now, &step->events);
}

/* New settings are no demand. Unless the expectations changed they cast no doubt on what is known: only the schedule changes. */
static void step_reconfigure(struct database *d, const struct input *input, struct instant now, struct step *step) {
        bool expects_same = database_config_same_expectations(d->config, input->config), rises_same = d->config->rise == input->config->rise;

        d->config = input->config;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                database_plan_interval(d, check);
        evaluate_plan_retry(d);
        if (!expects_same || !rises_same)
                evaluate_rise_anew(d);
        if (expects_same)
                return;
        /* No answer so far was judged by the new expectations. */
        evidence_forget_answers(&d->evidence);
        d->in_flight.asked_otherwise = true;
        d->wanted_boot_usec = now.boot_usec;
        if (d->state == STATE_AWAKE || d->state == STATE_DEGRADED)
                verdict_step(d, MACHINE_EXPIRED, (struct verdict_cause){.reason = REASON_STALE}, now, &step->events);
}

static void step_finish(struct database *d, const struct input *input, struct instant now, struct step *step) {
        if (!d->in_flight.id || input->attempt->id != d->in_flight.id)
                return;
        evaluate_attempt(d, input->attempt, input->own_network, now, &step->events);
        /* A smart shutdown waits for the last session to end, and ours is of no use. */
        if (input->attempt->reason == REASON_SERVER_STOPPING && d->session_held) {
                step_drop_session(d);
                step->drop_session = true;
        }
}

static const struct {
        const char *name;
        void (*take)(struct database *d, const struct input *input, struct instant now, struct step *step); /* NULL: only time acts */
} inputs[] = {
        [INPUT_TIME] = {"time", NULL},
        [INPUT_BEGUN] = {"check begun", step_begin},
        [INPUT_NOT_BEGUN] = {"check not begun", step_not_begun},
        [INPUT_ATTEMPT] = {"attempt", step_finish},
        [INPUT_SESSION_ENDED] = {"session ended", evaluate_session_end},
        [INPUT_HOST_SUSPENDED] = {"host suspended", step_host_suspended},
        [INPUT_PAUSE] = {"pause", step_pause},
        [INPUT_RECONFIGURED] = {"reconfigured", step_reconfigure},
        [INPUT_RECALLED] = {"recalled", database_restore_late},
        [INPUT_START] = {"start", demand_start},
        [INPUT_WAKE] = {"wake", demand_wake},
        [INPUT_LEASE] = {"lease", demand_lease},
        [INPUT_LEASE_AGAIN] = {"lease again", demand_lease_again},
        [INPUT_LEASE_END] = {"lease ended", demand_lease_end},
        [INPUT_PRESUME] = {"presumed lease", demand_presume},
};

const char *input_name(enum input_kind kind) {
        return inputs[kind].name;
}

/* A login overtakes a door check, which may hang until its timeout. */
static bool overtake_door(struct database *d) {
        if (!d->in_flight.id || d->in_flight.check != CHECK_DOOR || !policy_asks(d))
                return false;
        d->in_flight.id = 0;
        return true;
}

void database_step(struct database *d, const struct input *input, struct instant now, struct step *ret_step) {
        const struct attempt *attempt = input->kind == INPUT_ATTEMPT ? input->attempt : NULL;
        uint64_t generation = d->counts.generation;
        bool asked;

        /* The array of events is not cleared: most steps have none. */
        ret_step->events.n = 0;
        ret_step->refusal = REASON_NONE;
        ret_step->drop_session = ret_step->forget_attempt = false;
        /* Time until now is accounted for as it was known until now, and a request is answered by what is spent by now. */
        account_settle(d, now);
        account_check_budget(d, now, &ret_step->events);
        asked = policy_asks(d);
        if (inputs[input->kind].take)
                inputs[input->kind].take(d, input, now, ret_step);
        if (!asked && policy_asks(d))
                d->asking_since_boot_usec = now.boot_usec;
        follow_time(d, now, &ret_step->events);
        if (input->kind == INPUT_TIME && database_is_slow(d, now)) {
                evaluate_slow(d, input->phase, now, &ret_step->events);
                follow_time(d, now, &ret_step->events);
        }
        verdict_tell_generation(d, generation, attempt, now, &ret_step->events);
        ret_step->forget_attempt = overtake_door(d);
}
