/*
 * What an attempt means: counting rise and fall, telling a wake from a failure, and what a login found from what a ping may clear. The
 * answer is one event for the machine.
 */
#include "health/evaluate.h"

#include "base/macro.h"
#include "base/random.h"
#include "health/account.h"
#include "health/verdict.h"
#include "health/wake.h"

#define THROTTLED_CEILING_USEC (5 * USEC_PER_MINUTE)

/* Behind one name there may be several: whether it was this one that answered last, and as what it is now. */
static bool answered_last(const struct database *d, const struct server_info *server) {
        return server->started_real_usec == d->server.started_real_usec && server->in_recovery == d->server.in_recovery;
}

/*
 * What a standby says is the age of the last transaction that it replayed. The moment new WAL arrives after a quiet hour that is an hour,
 * and means nothing: it cannot be further behind than the time since it was seen to have replayed everything. What another had replayed
 * says nothing of it.
 */
static uint64_t true_lag_usec(const struct database *d, const struct server_info *server, struct instant now) {
        bool known = d->caught_up_boot_usec && answered_last(d, server);

        return known ? MIN(server->lag_usec, usec_sub(now.boot_usec, d->caught_up_boot_usec)) : server->lag_usec;
}

static enum reason expectation_failed(const struct database *d, const struct server_info *server, struct instant now) {
        const struct expect *expect = &d->config->expect;

        if (expect->has_primary && expect->primary == server->in_recovery)
                return REASON_EXPECT_PRIMARY;
        if (expect->has_read_only && expect->read_only != server->read_only)
                return REASON_EXPECT_READ_ONLY;
        if (expect->max_lag_usec && server->in_recovery && true_lag_usec(d, server, now) > expect->max_lag_usec)
                return REASON_EXPECT_LAG;
        return REASON_NONE;
}

/* A wake was given up, and what came since looks like that wake still. */
static bool is_late(const struct database *d, enum reason reason) {
        return d->state == STATE_DOWN && d->reason == REASON_WAKE_TIMEOUT && wake_may_look_like(d, reason);
}

/* Whether a login failure is part of a wake, and so not yet a failure. After wake_timeout it is one: down until it answers. */
static bool is_part_of_wake(const struct database *d, enum reason reason) {
        if (is_late(d, reason))
                return false;
        return wake_is_said(reason) || ((d->state == STATE_WAKING || d->state == STATE_ASLEEP) && wake_may_look_like(d, reason));
}

static void evaluate_count(struct database *d, const struct attempt *attempt, enum reason reason) {
        d->counts.attempts[attempt->check][reason_class(reason)]++;
        d->wake.attempts += d->wake.began_boot_usec > 0 && attempt->check == CHECK_LOGIN;
        if (reason != REASON_NONE)
                d->counts.failures_by_reason[reason]++;
        else if (attempt->check != CHECK_DOOR)
                d->counts.last_success_real_usec = attempt->started_real_usec + attempt->total_usec;
}

/* Inside a wake: it was turned away at once, where others hang until the server is there. A server that starts says so itself. */
static bool is_refusal(enum reason reason) {
        return !wake_is_said(reason) && reason != REASON_AUTH_TIMEOUT && reason != REASON_TCP_TIMEOUT;
}

/* The distance to the next try by what the last one met, before jitter. */
static uint64_t retry_delay(const struct database *d, enum reason reason) {
        const struct database_config *config = d->config;
        uint64_t floor = config->retry_interval_usec, ceiling = config->down_interval_usec;
        enum reason_class class = reason_class(reason);

        if (class == CLASS_BLOCKED)
                return config->blocked_interval_usec;
        if (class == CLASS_THROTTLED)
                return backoff_usec(d->unanswered_in_row, floor, THROTTLED_CEILING_USEC);
        if (class == CLASS_FULL || class == CLASS_OURS)
                return backoff_usec(d->failures_in_row, floor, ceiling);
        if (class == CLASS_TRANSIENT && d->state != STATE_WAKING)
                return backoff_usec(d->unanswered_in_row, floor, ceiling);
        if (class == CLASS_TRANSIENT && is_refusal(reason))
                return backoff_usec(d->wake.attempts, floor, ceiling);
        return floor;
}

/* What a login was told not to do, a door's answer does not hurry; being throttled slows both. */
static void plan_retry(struct database *d, enum check check, enum reason reason) {
        uint64_t delay = backoff_jitter(retry_delay(d, reason), d->config->jitter_permille, &d->random);

        if (check != CHECK_DOOR || !evidence_needs_login(&d->evidence))
                d->retry_delay_usec = delay;
        else if (reason_class(reason) == CLASS_THROTTLED)
                d->retry_delay_usec = MAX(d->retry_delay_usec, delay);
}

void evaluate_rise_anew(struct database *d) {
        if (d->answers_needed > 0)
                d->answers_needed = d->config->rise;
}

void evaluate_plan_retry(struct database *d) {
        if (policy_was_throttled(d))
                return;
        if (evidence_needs_login(&d->evidence))
                plan_retry(d, CHECK_LOGIN, d->evidence.last[FOUND_BY_LOGIN].reason);
        else
                plan_retry(d, d->last_attempt.check, d->last_attempt.reason);
}

static enum machine_event evaluate_failure(struct database *d, enum reason reason) {
        enum reason_class class = reason_class(reason);
        bool wakes = is_part_of_wake(d, reason);

        if (class == CLASS_DEGRADED) {
                d->failures_in_row = d->unanswered_in_row = d->answers_needed = 0;
                return MACHINE_UNMET;
        }
        d->failures_in_row += !wakes;
        if (wakes)
                evaluate_rise_anew(d);
        else
                d->answers_needed = d->config->rise;
        if (class == CLASS_OURS && reason != REASON_HOST_NETWORK)
                return MACHINE_NO_MEANS;
        if (!wakes && class != CLASS_FULL && class != CLASS_BLOCKED && class != CLASS_OURS)
                return ++d->unanswered_in_row >= d->config->fall ? MACHINE_FAILED : MACHINE_FAILING;
        /* What tells of the database (or that it is about us) begins the count of what does not anew. */
        d->unanswered_in_row = 0;
        if (wakes)
                return MACHINE_STARTING;
        if (class == CLASS_OURS)
                return MACHINE_NO_NETWORK;
        return class == CLASS_FULL ? MACHINE_FULL : MACHINE_BLOCKED;
}

static enum machine_event evaluate_answer(struct database *d) {
        d->failures_in_row = d->unanswered_in_row = 0;
        if (d->state != STATE_AWAKE && d->answers_needed > 1) {
                d->answers_needed--;
                return MACHINE_RISING;
        }
        d->answers_needed = 0;
        return MACHINE_ANSWERED;
}

/* Behind one name there may be several servers: only a start that is newer than all that were seen ended sessions. */
static void note_start(struct database *d, uint64_t started_real_usec, struct instant now) {
        uint64_t known = d->counts.server_started_real_usec;
        bool kept = d->server.started_real_usec == 0, newer;

        newer = kept ? memory_is_newer_start(known, started_real_usec, now.real_usec) : known < started_real_usec;
        d->counts.generation += known && newer;
        if (newer)
                d->counts.server_started_real_usec = started_real_usec;
}

static void note_server(struct database *d, const struct server_info *server, struct instant now) {
        note_start(d, server->started_real_usec, now);
        if (server->lag_usec == 0 || !answered_last(d, server))
                d->caught_up_boot_usec = server->lag_usec == 0 ? now.boot_usec : 0;
        d->server = *server;
}

static bool was_answered(const struct attempt *attempt) {
        return attempt->check != CHECK_DOOR && (attempt->reason == REASON_NONE || reason_class(attempt->reason) == CLASS_DEGRADED);
}

/* Demand that was there to get it awake becomes its linger; leases hold theirs apart. */
static void start_linger(struct database *d, struct instant now) {
        uint64_t lingers = usec_add(now.boot_usec, d->config->linger_usec);

        if (d->demand_until_boot_usec <= lingers || !(d->state == STATE_AWAKE || d->state == STATE_DEGRADED))
                return;
        if (d->presumed_until_boot_usec > lingers) {
                lingers = d->presumed_until_boot_usec;
                d->demand_cause = WAKE_LEASE;
        }
        d->demand_until_boot_usec = MIN(d->demand_until_boot_usec, lingers);
}

/* The server can be reached, and what a login found there stands: that it was not reached before is over. */
static void reach_blocked(struct database *d, struct instant now, struct event_list *events) {
        verdict_step(d, MACHINE_BLOCKED, (struct verdict_cause){.reason = evidence_blocked(&d->evidence)}, now, events);
}

static void door_failed(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        enum machine_event event = evaluate_failure(d, attempt->reason);

        if (event == MACHINE_FULL && evidence_blocked(&d->evidence)) {
                reach_blocked(d, now, events);
                return;
        }
        /* A wake that others began is seen through the door of a plain server; it is none of ours. */
        if (event == MACHINE_STARTING)
                event = MACHINE_FAILING;
        verdict_step(d, event, (struct verdict_cause){attempt->reason, attempt->sqlstate, attempt->detail, attempt}, now, events);
        /* A door that is good at the next try still tells that it sleeps; one that comes back after the database was down does not. */
        d->evidence.cut_like_suspend &= d->state != STATE_DOWN;
}

/* What stays unknown behind a good door stays so for its reason, unless the door itself disproves that. */
static enum reason reason_behind_door(const struct database *d) {
        enum reason_class class = reason_class(d->reason);
        bool stands = class == CLASS_CUT || (class == CLASS_OURS && !verdict_is_host_trouble(d->reason));

        return d->state == STATE_UNKNOWN && stands ? d->reason : REASON_STALE;
}

static void finish_door(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        enum reason reason = reason_behind_door(d);
        bool slept;

        d->evidence.door_lets_in |= attempt->door_let_in;
        if (attempt->reason != REASON_NONE) {
                door_failed(d, attempt, now, events);
                return;
        }
        if ((d->state == STATE_DOWN || d->state == STATE_UNKNOWN) && evidence_blocked(&d->evidence))
                reach_blocked(d, now, events);
        if (evidence_needs_login(&d->evidence) && !verdict_is_host_trouble(d->reason))
                return;
        slept = d->state != STATE_ASLEEP && evidence_slept(&d->evidence) && !d->evidence.door_lets_in;
        d->failures_in_row = d->unanswered_in_row = d->answers_needed = 0;
        if (slept)
                reason = evidence_cut(&d->evidence);
        verdict_step(d, slept ? MACHINE_SLEPT : MACHINE_DOOR_GOOD, (struct verdict_cause){.reason = reason, .attempt = attempt}, now,
                     events);
}

/*
 * A session that went is followed by the next check in the same instant. A login, though, that was cut no later than it would have been
 * tried again says nothing new the second time: who lets in and cuts is asked in the rhythm of retries, not thousands of times a second.
 * END tells how it went; ATTEMPT is the one that met that, or NULL.
 */
static void finish_session(struct database *d, const struct attempt *end, bool like_suspend, const struct attempt *attempt, struct instant now,
                           struct event_list *events) {
        bool cut_young = now.boot_usec < usec_add(d->checks[CHECK_LOGIN].finished_boot_usec, d->retry_delay_usec);

        evaluate_rise_anew(d);
        d->wanted_boot_usec = policy_asks(d) && cut_young && d->cut_young ? 0 : now.boot_usec;
        d->cut_young = cut_young;
        evidence_session_ended(&d->evidence, end->reason, like_suspend, now.boot_usec);
        verdict_step(d, MACHINE_CUT, (struct verdict_cause){end->reason, end->sqlstate, end->detail, attempt}, now, events);
}

/*
 * A login that failed as a wake may look is the begin of one, should it turn out to be a wake, and so is one that found no place; one that
 * failed in another way shows that none was under way. One that was answered, but not `rise` times, and now fails, wakes anew.
 */
static void note_wake(struct database *d, const struct attempt *attempt, enum reason reason) {
        if (attempt->check != CHECK_LOGIN)
                return;
        if (wake_goes_on(d, reason) || d->state == STATE_WAKING)
                wake_begin(d, attempt->started_boot_usec, false);
        else
                wake_fail(d);
}

static void finish_query(struct database *d, const struct attempt *attempt, enum reason reason, struct instant now, struct event_list *events) {
        struct verdict_cause evidence = {reason, attempt->sqlstate, attempt->detail, attempt};
        enum machine_event event;

        if (was_answered(attempt)) {
                note_server(d, &attempt->server, now);
                d->wanted_boot_usec = 0;
        }
        if (reason == REASON_NONE) {
                /* After a password change the held session goes on answering while logins fail: a ping cannot clear what a login found. */
                if (attempt->check == CHECK_PING && evidence_needs_login(&d->evidence))
                        return;
                event = evaluate_answer(d);
        } else
                event = evaluate_failure(d, reason);
        if (event == MACHINE_RISING)
                evidence.reason = REASON_SERVER_STARTING;
        else if (is_late(d, reason))
                evidence.reason = REASON_WAKE_TIMEOUT;
        verdict_step(d, event, evidence, now, events);
        if (!was_answered(attempt))
                note_wake(d, attempt, reason);
        start_linger(d, now);
}

/* What the attempt says of the database, by its source. What is about us says nothing. */
static void note_evidence(struct database *d, const struct attempt *attempt, enum reason reason, struct instant now) {
        if (reason_class(reason) == CLASS_OURS)
                return;
        evidence_note(&d->evidence, (enum found_by)attempt->check, reason, now.boot_usec);
        d->blocked_before &= attempt->check != CHECK_LOGIN;
        if (attempt->session_held && attempt->check == CHECK_LOGIN && was_answered(attempt))
                evidence_note(&d->evidence, FOUND_BY_SESSION, reason, now.boot_usec);
}

static void note_attempt(struct database *d, const struct attempt *attempt, struct instant now) {
        bool answered = was_answered(attempt);

        d->last_attempt = *attempt;
        d->checks[attempt->check].duration_usec = attempt->total_usec;
        d->checks[attempt->check].finished_boot_usec = now.boot_usec;
        if (attempt->session_held && (!d->session_held || (answered && attempt->check == CHECK_LOGIN)))
                d->session_since_real_usec = now.real_usec;
        d->session_held = attempt->session_held;
        database_plan_interval(d, attempt->check);
        if (!answered)
                return;
        /* The provider's idle time runs from the query, and the answer was on its way for a while: so the moment that counts is the sending. */
        d->asked_boot_usec = usec_sub(MIN(attempt->ended_boot_usec, now.boot_usec), attempt->phase_usec[PHASE_QUERY]);
        account_begin(d, attempt->server.uptime_usec, now);
}

/* What it was answered, or that its query failed, says nothing of what is expected now; how else it failed does. */
static bool is_asked_otherwise(const struct database *d, const struct attempt *attempt) {
        return d->in_flight.asked_otherwise && (was_answered(attempt) || attempt->reason == REASON_QUERY_FAILED);
}

/* Its server is awake, and the wake is over, if there was one; what it is found to be the next answer tells. */
static void finish_asked_otherwise(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        evaluate_count(d, attempt, attempt->reason);
        if (was_answered(attempt)) {
                note_server(d, &attempt->server, now);
                verdict_step(d, MACHINE_RISING, (struct verdict_cause){.reason = REASON_SERVER_STARTING, .attempt = attempt}, now, events);
        } else if (attempt->check == CHECK_LOGIN)
                wake_begin(d, attempt->started_boot_usec, false);
}

void evaluate_attempt(struct database *d, const struct attempt *attempt, bool own_network, struct instant now, struct event_list *events) {
        enum reason reason = own_network ? REASON_HOST_NETWORK : attempt->reason;
        bool lost = d->session_held && attempt->session_ended;

        if (reason == REASON_NONE && attempt->check != CHECK_DOOR)
                reason = expectation_failed(d, &attempt->server, now);
        d->in_flight.id = 0;
        /* The session's end was told already: a ping that was asked before that was known is the same event. */
        if (attempt->check == CHECK_PING && !d->session_held && reason_class(attempt->reason) == CLASS_CUT) {
                d->checks[CHECK_PING].finished_boot_usec = now.boot_usec;
                return;
        }
        note_attempt(d, attempt, now);
        if (is_asked_otherwise(d, attempt)) {
                finish_asked_otherwise(d, attempt, now, events);
                return;
        }
        note_evidence(d, attempt, reason, now);
        if (reason_class(reason) == CLASS_OURS)
                verdict_step(d, evaluate_failure(d, reason), (struct verdict_cause){reason, NULL, attempt->detail, attempt}, now, events);
        else if (attempt->check == CHECK_DOOR)
                finish_door(d, attempt, now, events);
        else if (lost)
                finish_session(d, attempt, false, attempt, now, events);
        else
                finish_query(d, attempt, reason, now, events);
        evaluate_count(d, attempt, reason);
        plan_retry(d, attempt->check, reason);
}

static bool looks_like_suspend(const struct database *d, const struct attempt *end, bool bare_eof, struct instant now) {
        uint64_t after = database_suspend_after_usec(d);
        uint64_t idle = usec_sub(now.boot_usec, d->asked_boot_usec);
        unsigned signature = provider_cut_signature(d->provider, conninfo_get(d->config->conninfo, "host"));
        bool fits = bare_eof ? signature & CUT_BARE_EOF : signature & CUT_ADMIN_SHUTDOWN && streq(end->sqlstate, "57P01");

        /* Two clocks count the same time: a hundredth is theirs. */
        return d->provider->suspends && fits && usec_add(idle, after / 100) >= after;
}

void evaluate_session_end(struct database *d, const struct input *input, struct instant now, struct step *step) {
        const struct attempt *end = input->attempt;
        bool like_suspend = looks_like_suspend(d, end, input->bare_eof, now);

        if (!d->session_held)
                return;
        d->session_held = false;
        /* To fall asleep is no failure; when it was none of that, what comes next is counted. */
        d->counts.failures_by_reason[end->reason] += !like_suspend;
        finish_session(d, end, like_suspend, NULL, now, &step->events);
}

/* What is down because logins were taken and not answered is down still when the next one is not answered either. */
static bool repeats_verdict(const struct database *d) {
        return d->state == STATE_DOWN && (d->reason == REASON_AUTH_TIMEOUT || d->reason == REASON_QUERY_TIMEOUT ||
                                          d->reason == REASON_WAKE_TIMEOUT || d->reason == REASON_PROVIDER_TRANSIENT);
}

void evaluate_slow(struct database *d, enum phase phase, struct instant now, struct event_list *events) {
        /* The wake lies behind the last message of the login (behind the connect for a provider that wakes on that). */
        enum phase first = d->provider->connect_hangs_in_wake ? PHASE_CONNECT : PHASE_AUTH;

        if (phase > PHASE_AUTH || repeats_verdict(d)) {
                d->in_flight.slow_due_boot_usec = USEC_INFINITY;
                return;
        }
        /* The first look after one that came too early may find the login just begun: it is given its own time. */
        if (phase < first || d->in_flight.slow_look_was_early) {
                d->in_flight.slow_look_was_early = phase < first;
                d->in_flight.slow_due_boot_usec = usec_add(now.boot_usec, d->config->slow_usec);
                return;
        }
        d->in_flight.slow_due_boot_usec = USEC_INFINITY;
        if (d->provider->suspends)
                verdict_step(d, MACHINE_SLOW, (struct verdict_cause){.reason = REASON_SERVER_STARTING}, now, events);
        else if (reason_class(d->reason) == CLASS_OURS) /* what a check found says more */
                verdict_step(d, MACHINE_LATE, (struct verdict_cause){.reason = REASON_SERVER_SLOW}, now, events);
}
