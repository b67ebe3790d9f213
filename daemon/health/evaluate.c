/*
 * Evaluates attempts: counts rise and fall, tells a wake from a failure, and keeps a ping from clearing what a login found. The result is
 * one event for the state machine.
 */
#include "health/evaluate.h"

#include "base/macro.h"
#include "base/random.h"
#include "health/account.h"
#include "health/verdict.h"
#include "health/wake.h"

#define THROTTLED_CEILING_USEC (5 * USEC_PER_MINUTE)

/* Whether SERVER is the one that answered last, in the same role: one name may lead to several servers. */
static bool answered_last(const struct database *d, const struct server_info *server) {
        return server->started_real_usec == d->server.started_real_usec && server->in_recovery == d->server.in_recovery;
}

/*
 * A standby reports the age of the last transaction it replayed. After a quiet hour, the first new WAL shows an age of one hour although
 * nothing lags. The true lag is at most the time since this standby was last seen fully caught up; another server's state says nothing
 * about it.
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

/* Whether a wake timed out, and REASON still looks like that wake. */
static bool is_late(const struct database *d, enum reason reason) {
        return d->state == STATE_DOWN && d->reason == REASON_WAKE_TIMEOUT && wake_may_look_like(d, reason);
}

/*
 * Whether a login failure is part of a wake, and so not yet a failure. After wake_timeout it is one: the database stays down until it
 * answers.
 */
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

/*
 * Inside a wake: whether the login was refused at once instead of hanging until the server is up. A server that says it is starting does
 * not refuse.
 */
static bool is_refusal(enum reason reason) {
        return !wake_is_said(reason) && reason != REASON_AUTH_TIMEOUT && reason != REASON_TCP_TIMEOUT;
}

/* The delay to the next retry after REASON, before jitter. */
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

/* A door check does not shorten the delay that a failed login set; throttling can lengthen it. */
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
        /* An attempt that tells something about the database, or about us, restarts the count of unanswered ones. */
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

/* One name may lead to several servers: only a start newer than all seen before ended sessions. */
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

/* Once the database is awake, demand to wake it shrinks to `linger`. Leases are demand of their own. */
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

/* The server can be reached again, and what the last login found there still holds. */
static void reach_blocked(struct database *d, struct instant now, struct event_list *events) {
        verdict_step(d, MACHINE_BLOCKED, (struct verdict_cause){.reason = evidence_blocked(&d->evidence)}, now, events);
}

static void door_failed(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        enum machine_event event = evaluate_failure(d, attempt->reason);

        if (event == MACHINE_FULL && evidence_blocked(&d->evidence)) {
                reach_blocked(d, now, events);
                return;
        }
        /* On a plain server a door check can see a start that others caused: it is not our wake. */
        if (event == MACHINE_STARTING)
                event = MACHINE_FAILING;
        verdict_step(d, event, (struct verdict_cause){attempt->reason, attempt->sqlstate, attempt->detail, attempt}, now, events);
        /* A later good door still means asleep, unless the database was down in between. */
        d->evidence.cut_like_suspend &= d->state != STATE_DOWN;
}

/* The reason of a verdict that stays unknown behind a good door: the present one, unless the good door disproves it. */
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
 * When a session ends, the next check is due at once. Only after two sessions in a row that ended before a retry would have been due is it
 * left to the retry schedule: a server that admits and cuts must not be asked thousands of times a second. END says how the session ended;
 * ATTEMPT is the one that saw it, or NULL.
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
 * A failed login may be the beginning of a wake if it looks like one or found no free slot, or if the database is waking: there, after
 * answers short of `rise`, it begins another wake. Any other failed login shows that no wake is under way.
 */
static void note_wake(struct database *d, const struct attempt *attempt, enum reason reason, bool was_awake) {
        bool nobody_waits = was_awake && (!d->wake.began_boot_usec || d->wake.wanted_boot_usec == USEC_INFINITY);

        if (attempt->check != CHECK_LOGIN)
                return;
        if (wake_goes_on(d, reason) || d->state == STATE_WAKING)
                wake_begin(d, attempt->started_boot_usec, false);
        else
                wake_fail(d);
        /* A server without a free slot is awake: what it is asked from now on may wake it, but nobody waits for that yet. */
        if (nobody_waits && reason_class(reason) == CLASS_FULL)
                d->wake.wanted_boot_usec = USEC_INFINITY;
}

static void finish_query(struct database *d, const struct attempt *attempt, enum reason reason, struct instant now, struct event_list *events) {
        struct verdict_cause evidence = {reason, attempt->sqlstate, attempt->detail, attempt};
        bool was_awake = state_is_awake(d->state);
        enum machine_event event;

        if (was_answered(attempt)) {
                note_server(d, &attempt->server, now);
                d->wanted_boot_usec = 0;
        }
        if (reason == REASON_NONE) {
                /* After a password change the held session still answers while logins fail: a ping cannot clear what a login found. */
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
                note_wake(d, attempt, reason, was_awake);
        start_linger(d, now);
}

/* Notes the attempt as evidence of its source. Trouble of our own is no evidence. */
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
        /* The provider's idle time starts with the query, so count from when it was sent, not from when its answer came. */
        d->asked_boot_usec = usec_sub(MIN(attempt->ended_boot_usec, now.boot_usec), attempt->phase_usec[PHASE_QUERY]);
        account_begin(d, attempt->server.uptime_usec, now);
}

/* Whether the expectations changed under way and matter for this result: for an answer or a failed query, not for other failures. */
static bool is_asked_otherwise(const struct database *d, const struct attempt *attempt) {
        return d->in_flight.asked_otherwise && (was_answered(attempt) || attempt->reason == REASON_QUERY_FAILED);
}

/* An answer shows that the server is awake, and ends its wake. The next answer decides the state. */
static void finish_asked_otherwise(struct database *d, const struct attempt *attempt, struct instant now, struct event_list *events) {
        evaluate_count(d, attempt, attempt->reason);
        if (was_answered(attempt)) {
                note_server(d, &attempt->server, now);
                d->failures_in_row = d->unanswered_in_row = 0;
                if (attempt->check == CHECK_LOGIN)
                        evidence_forget_login(&d->evidence);
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
        /* The session's end is already reported: this ping was sent before that was known, and met the same end. */
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

        /* The provider's clock and ours measure the same time: allow for one percent. */
        return d->provider->suspends && fits && usec_add(idle, after / 100) >= after;
}

void evaluate_session_end(struct database *d, const struct input *input, struct instant now, struct step *step) {
        const struct attempt *end = input->attempt;
        bool like_suspend = looks_like_suspend(d, end, input->bare_eof, now);

        if (!d->session_held)
                return;
        d->session_held = false;
        /* A suspend is no failure; any other end is. */
        d->counts.failures_by_reason[end->reason] += !like_suspend;
        finish_session(d, end, like_suspend, NULL, now, &step->events);
}

/* Whether the database is down because logins hung or met provider trouble: a slow login then says nothing new. */
static bool repeats_verdict(const struct database *d) {
        return d->state == STATE_DOWN && (d->reason == REASON_AUTH_TIMEOUT || d->reason == REASON_QUERY_TIMEOUT ||
                                          d->reason == REASON_WAKE_TIMEOUT || d->reason == REASON_PROVIDER_TRANSIENT);
}

void evaluate_slow(struct database *d, enum phase phase, struct instant now, struct event_list *events) {
        /* A wake delays the reply to the login's last message; with a provider that wakes on connect it delays the connect. */
        enum phase first = d->provider->connect_hangs_in_wake ? PHASE_CONNECT : PHASE_AUTH;

        if (phase > PHASE_AUTH || repeats_verdict(d)) {
                d->in_flight.slow_due_boot_usec = USEC_INFINITY;
                return;
        }
        /* After a look that came too early, the login may just have begun: give it its full time. */
        if (phase < first || d->in_flight.slow_look_was_early) {
                d->in_flight.slow_look_was_early = phase < first;
                d->in_flight.slow_due_boot_usec = usec_add(now.boot_usec, d->config->slow_usec);
                return;
        }
        d->in_flight.slow_due_boot_usec = USEC_INFINITY;
        if (d->provider->suspends)
                verdict_step(d, MACHINE_SLOW, (struct verdict_cause){.reason = REASON_SERVER_STARTING}, now, events);
        else if (reason_class(d->reason) == CLASS_OURS) /* a check's finding says more */
                verdict_step(d, MACHINE_LATE, (struct verdict_cause){.reason = REASON_SERVER_SLOW}, now, events);
}
