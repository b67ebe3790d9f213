#include "health/step.h"

#include "base/macro.h"
#include "health/account.h"
#include "health/demand.h"
#include "health/judge.h"
#include "health/verdict.h"
#include "health/wake.h"

#include <assert.h>

/* What time demands may make something else due at once (a pause ends and its demand is over, too); nothing takes more rounds. */
#define ROUNDS_MAX 4

/*
 * A session that nobody asks anything is proof of its server only in time: its TCP keepalives (probe/connection.c) find one that is dead
 * in 60 s. So long after the last doubt it must have lived.
 */
#define SURVIVAL_USEC USEC_PER_MINUTE

const char *input_name(enum input_kind kind) {
        static const char *const names[] = {
                [INPUT_TIME] = "time",
                [INPUT_BEGUN] = "check begun",
                [INPUT_NOT_BEGUN] = "check not begun",
                [INPUT_ATTEMPT] = "attempt",
                [INPUT_SESSION_ENDED] = "session ended",
                [INPUT_HOST_SUSPENDED] = "host suspended",
                [INPUT_PAUSE] = "pause",
                [INPUT_RECONFIGURED] = "reconfigured",
                [INPUT_RECALLED] = "recalled",
                [INPUT_START] = "start",
                [INPUT_WAKE] = "wake",
                [INPUT_LEASE] = "lease",
                [INPUT_LEASE_AGAIN] = "lease again",
                [INPUT_LEASE_END] = "lease ended",
                [INPUT_PRESUME] = "presumed lease",
        };

        return names[kind];
}

/* Who asked for the wake is gone, and so nobody asks how it goes. */
static bool wakes_for_nobody(const struct target *t) {
        return t->state == STATE_WAKING && !t->in_flight && !t->paused_until_boot_usec && !policy_asks(t);
}

/* Nobody asks, nothing is under way, and nothing is known: what is left of the evidence decides. */
static bool is_left_to_evidence(const struct target *t) {
        return t->state == STATE_UNKNOWN && !t->in_flight && !t->paused_until_boot_usec && !policy_asks(t);
}

/* Only a login clears that, and none is planned: it is no less true for other evidence's age. */
static bool is_blocked_still(const struct target *t) {
        bool unasked = t->reason == REASON_STALE || t->reason == REASON_BUDGET_SPENT;

        return is_left_to_evidence(t) && unasked && findings_blocked(&t->findings) != REASON_NONE;
}

/* When a login or a ping was last answered; 0: the last was not. */
static uint64_t answered_boot_usec(const struct target *t) {
        return MAX(t->findings.last[FOUND_BY_LOGIN].boot_usec, t->findings.last[FOUND_BY_SESSION].boot_usec);
}

/* What logins found is proof that they are refused, and not one failure that may have been chance: that a session lives says nothing else. */
static bool logins_are_refused(const struct target *t) {
        enum reason_class class = reason_class(t->findings.last[FOUND_BY_LOGIN].reason);

        return findings_needs_login(&t->findings) &&
               (class == CLASS_BLOCKED || class == CLASS_FULL || t->unanswered_in_row >= t->config->fall);
}

/* When the session that is held will have proven its server; USEC_INFINITY: it cannot. */
static uint64_t survival_due(const struct target *t) {
        uint64_t doubted = MAX(MAX(t->since_boot_usec, t->wanted_boot_usec), findings_newest(&t->findings).boot_usec);

        if (!is_left_to_evidence(t) || logins_are_refused(t))
                return USEC_INFINITY;
        if (t->session_held)
                return findings_asked(&t->findings) ? usec_add(doubted, SURVIVAL_USEC) : USEC_INFINITY;
        /* It was answered, and nobody will ask again until `rise` is reached: so that is the last word. */
        return t->successes_in_row > 0 ? answered_boot_usec(t) : USEC_INFINITY;
}

static uint64_t time_due(const struct target *t) {
        uint64_t due = MIN(MIN(target_fresh_until(t), wake_deadline(t)), account_due(t));

        if (t->paused_until_boot_usec)
                return MIN(due, t->paused_until_boot_usec);
        if (wakes_for_nobody(t) || is_blocked_still(t))
                return 0;
        return MIN(MIN(due, demand_due(t)), survival_due(t));
}

uint64_t target_due(const struct target *t) {
        return t->in_flight ? MIN(time_due(t), t->slow_due_boot_usec) : time_due(t);
}

bool target_is_slow(const struct target *t, struct instant now) {
        return t->in_flight && t->slow_due_boot_usec <= now.boot_usec;
}

/* What ended while nobody looked is no demand any more: it must not wake anybody. */
static void lapse_if_over(struct target *t, struct instant now) {
        if (demand_due(t) <= now.boot_usec)
                demand_lapse(t);
}

/* The server that answers on the session is awake, as well or as ill as it was when it answered last. */
static void survive(struct target *t, struct instant now, struct edges *edges) {
        struct evidence_brought evidence = {.reason = findings_unmet(&t->findings)};
        uint64_t proven = t->session_held ? now.boot_usec : answered_boot_usec(t);

        if (t->session_held)
                account_begin(t, USEC_INFINITY, now);
        t->wanted_boot_usec = 0;
        t->successes_in_row = 0;
        verdict_step(t, evidence.reason == REASON_NONE ? MACHINE_SURVIVED : MACHINE_UNMET, evidence, now, edges);
        t->renewed_boot_usec = proven;
}

static void resume(struct target *t, struct instant now, struct edges *edges) {
        if (!t->paused_until_boot_usec)
                return;
        t->paused_until_boot_usec = 0;
        lapse_if_over(t, now);
        t->wanted_boot_usec = now.boot_usec;
        verdict_step(t, MACHINE_RESUMED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
}

/* One thing that time demands now, the first in this order. */
static void follow_time_once(struct target *t, struct instant now, struct edges *edges) {
        if (t->paused_until_boot_usec && t->paused_until_boot_usec <= now.boot_usec)
                resume(t, now, edges);
        lapse_if_over(t, now);
        if (wake_deadline(t) <= now.boot_usec)
                verdict_step(t, MACHINE_WAKE_TIMEOUT, (struct evidence_brought){.reason = REASON_WAKE_TIMEOUT}, now, edges);
        if (wakes_for_nobody(t) || target_fresh_until(t) <= now.boot_usec)
                verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
        if (is_blocked_still(t)) {
                verdict_step(t, MACHINE_BLOCKED, (struct evidence_brought){.reason = findings_blocked(&t->findings)}, now, edges);
                t->renewed_boot_usec = t->findings.last[FOUND_BY_LOGIN].boot_usec;
        }
        if (survival_due(t) <= now.boot_usec)
                survive(t, now, edges);
        /* What answers when somebody needs it again is another wake. */
        if (!policy_asks(t) && !t->in_flight)
                wake_fail(t);
        account_settle(t, now);
        account_check_budget(t, now, edges);
}

static void follow_time(struct target *t, struct instant now, struct edges *edges) {
        for (unsigned round = 0; round == 0 || time_due(t) <= now.boot_usec; round++) {
                assert(round < ROUNDS_MAX);
                follow_time_once(t, now, edges);
        }
}

static void begin(struct target *t, enum check check, uint64_t attempt_id, struct instant now) {
        assert(!t->in_flight);
        t->in_flight = true;
        t->in_flight_check = check;
        t->in_flight_id = attempt_id;
        t->in_flight_boot_usec = now.boot_usec;
        t->in_flight_wanted_boot_usec = t->wanted_boot_usec ? MAX(t->wanted_boot_usec, t->asking_since_boot_usec) : now.boot_usec;
        t->wanted_boot_usec = 0; /* this is it; what changes from here on asks for the next */
        if (check == CHECK_LOGIN && !t->wake_began_boot_usec)
                t->wake_cause = demand_wake_cause(t); /* of the wake that this may turn out to be */
        t->slow_look_was_early = false;
        t->slow_due_boot_usec = check == CHECK_LOGIN ? usec_add(now.boot_usec, t->config->slow_usec) : USEC_INFINITY;
}

static void not_begun(struct target *t, enum check check, struct instant now) {
        t->in_flight = false;
        t->wanted_boot_usec = 0;
        t->finished_boot_usec[check] = now.boot_usec;
}

static void drop_session(struct target *t) {
        t->session_held = false;
        t->findings.cut_like_suspend = false;
}

static void pause_or_resume(struct target *t, uint64_t usec, struct instant now, struct edges *edges) {
        if (usec == 0) {
                resume(t, now, edges);
                return;
        }
        t->paused_until_boot_usec = usec_add(now.boot_usec, usec);
        t->in_flight = false;
        drop_session(t);
        t->failures_in_row = t->unanswered_in_row = t->successes_in_row = 0;
        t->retry_delay_usec = t->config->retry_interval_usec;
        verdict_step(t, MACHINE_PAUSED, (struct evidence_brought){.reason = REASON_PAUSED}, now, edges);
}

static void host_suspended(struct target *t, struct instant now, struct edges *edges) {
        if (t->paused_until_boot_usec)
                return;
        lapse_if_over(t, now);
        t->wanted_boot_usec = now.boot_usec;
        t->findings.cut_like_suspend = false;
        t->successes_in_row = 0;
        t->retry_delay_usec = t->config->retry_interval_usec;
        wake_fail(t);
        if (t->in_flight) {
                /* The time that the host slept is not the database's: it was not slow. */
                t->in_flight_boot_usec = t->in_flight_wanted_boot_usec = now.boot_usec;
                if (t->slow_due_boot_usec != USEC_INFINITY)
                        t->slow_due_boot_usec = usec_add(now.boot_usec, t->config->slow_usec);
        }
        /* What only a login clears is no less true for its age, and what is not known is known no less. */
        if (t->state != STATE_BLOCKED && t->state != STATE_UNKNOWN)
                verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
}

/* What is expected is another: no answer was judged by it yet. */
static void doubt_answers(struct target *t, struct instant now, struct edges *edges) {
        findings_forget_answers(&t->findings);
        t->wanted_boot_usec = now.boot_usec;
        if (t->state == STATE_AWAKE || t->state == STATE_DEGRADED)
                verdict_step(t, MACHINE_EXPIRED, (struct evidence_brought){.reason = REASON_STALE}, now, edges);
}

/* A changed configuration is no demand, and no doubt of what is known but for what is expected: only the rhythm is another. */
static void reconfigure(struct target *t, const struct database_config *config, struct instant now, struct edges *edges) {
        bool asked = policy_asks(t), expects_same = database_config_same_expectations(t->config, config);

        t->config = config;
        t->policy = policy_choose(config->policy, t->provider);
        if (!asked && policy_asks(t))
                t->asking_since_boot_usec = now.boot_usec;
        for (enum check check = 0; check < _CHECK_MAX; check++)
                target_plan_interval(t, check);
        judge_plan_retry(t);
        if (!expects_same)
                doubt_answers(t, now, edges);
}

static void finish(struct target *t, const struct input *input, struct instant now, struct step *step) {
        if (!t->in_flight || input->attempt->id != t->in_flight_id)
                return;
        judge_attempt(t, input->attempt, input->own_network, now, &step->edges);
        /* A smart shutdown waits for the last session to go, and ours is of no use to anybody. */
        if (input->attempt->reason == REASON_SERVER_STOPPING && t->session_held) {
                drop_session(t);
                step->drop_session = true;
        }
}

static void apply(struct target *t, const struct input *input, struct instant now, struct step *step) {
        switch (input->kind) {
        case INPUT_TIME:
                break;
        case INPUT_BEGUN:
                begin(t, input->check, input->attempt_id, now);
                break;
        case INPUT_NOT_BEGUN:
                not_begun(t, input->check, now);
                break;
        case INPUT_ATTEMPT:
                finish(t, input, now, step);
                break;
        case INPUT_SESSION_ENDED:
                judge_session_end(t, input->attempt, input->bare_eof, now, &step->edges);
                break;
        case INPUT_HOST_SUSPENDED:
                host_suspended(t, now, &step->edges);
                break;
        case INPUT_PAUSE:
                pause_or_resume(t, input->for_usec, now, &step->edges);
                break;
        case INPUT_RECONFIGURED:
                reconfigure(t, input->config, now, &step->edges);
                break;
        case INPUT_RECALLED:
                target_restore_late(t, input->memory, now);
                break;
        case INPUT_START:
                demand_start(t, now);
                break;
        case INPUT_WAKE:
                step->refusal = demand_wake(t, input->cause, now);
                break;
        case INPUT_LEASE:
                step->refusal = demand_lease(t, now);
                break;
        case INPUT_LEASE_AGAIN:
                demand_lease_again(t, now);
                break;
        case INPUT_LEASE_END:
                demand_lease_end(t, input->for_usec, now);
                break;
        case INPUT_PRESUME:
                demand_presume(t, input->for_usec, now);
                break;
        }
}

/* A login that somebody waits for overtakes a door check, which may hang as long as it may take. */
static bool overtake_door(struct target *t) {
        if (!t->in_flight || t->in_flight_check != CHECK_DOOR || !policy_asks(t))
                return false;
        t->in_flight = false;
        return true;
}

void target_step(struct target *t, const struct input *input, struct instant now, struct step *ret_step) {
        *ret_step = (struct step){.refusal = REASON_NONE};
        /* What was until now was as it was known until now, and who asks is answered by what is spent by now. */
        account_settle(t, now);
        account_check_budget(t, now, &ret_step->edges);
        apply(t, input, now, ret_step);
        follow_time(t, now, &ret_step->edges);
        if (input->kind == INPUT_TIME && target_is_slow(t, now)) {
                judge_slow(t, input->phase, now, &ret_step->edges);
                follow_time(t, now, &ret_step->edges);
        }
        ret_step->forget_attempt = overtake_door(t);
}
