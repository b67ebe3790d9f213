/*
 * What an attempt means: counting rise and fall, telling a wake from a failure, and what a login found from what a ping may clear. The
 * answer is one event for the machine.
 */
#include "health/judge.h"

#include "base/backoff.h"
#include "base/macro.h"
#include "health/account.h"
#include "health/verdict.h"
#include "health/wake.h"

#define THROTTLED_CEILING_USEC (5 * USEC_PER_MINUTE)
/* What a server's clock and ours may differ by. */
#define CLOCKS_APART_USEC USEC_PER_MINUTE

/*
 * What a standby says is the age of the last transaction that it replayed. The moment new WAL arrives after a quiet hour that is an hour,
 * and means nothing: it cannot be further behind than the time since it was seen to have replayed everything.
 */
static uint64_t true_lag_usec(const struct target *t, const struct server_info *server, struct instant now) {
        return t->caught_up_boot_usec ? MIN(server->lag_usec, usec_sub(now.boot_usec, t->caught_up_boot_usec)) : server->lag_usec;
}

static enum reason expectation_failed(const struct target *t, const struct server_info *server, struct instant now) {
        const struct expect *expect = &t->config->expect;

        if (expect->has_primary && expect->primary == server->in_recovery)
                return REASON_EXPECT_PRIMARY;
        if (expect->has_read_only && expect->read_only != server->read_only)
                return REASON_EXPECT_READ_ONLY;
        if (expect->max_lag_usec && server->in_recovery && true_lag_usec(t, server, now) > expect->max_lag_usec)
                return REASON_EXPECT_LAG;
        return REASON_NONE;
}

/* A wake was given up, and what came since looks like that wake still. */
static bool is_late(const struct target *t, enum reason reason) {
        return t->state == STATE_DOWN && t->reason == REASON_WAKE_TIMEOUT && wake_may_look_like(t, reason);
}

/* Whether a login failure is part of a wake, and so not yet a failure. After wake_timeout it is one: down until it answers. */
static bool is_part_of_wake(const struct target *t, enum reason reason) {
        if (is_late(t, reason))
                return false;
        return wake_is_said(reason) || ((t->state == STATE_WAKING || t->state == STATE_ASLEEP) && wake_may_look_like(t, reason));
}

static void count(struct target *t, const struct attempt *attempt, enum reason reason) {
        enum reason_class class = reason_class(reason);

        t->attempts[attempt->check][class]++;
        t->wake_attempts += t->wake_began_boot_usec > 0 && attempt->check == CHECK_LOGIN;
        if (reason == REASON_NONE) {
                if (attempt->check != CHECK_DOOR)
                        t->last_success_real_usec = attempt->started_real_usec + attempt->total_usec;
                return;
        }
        t->failures_total++;
        t->failures_by_reason[reason]++;
}

/* Inside a wake: it was turned away at once, where others hang until the server is there. A server that starts says so itself. */
static bool is_refusal(enum reason reason) {
        return !wake_is_said(reason) && reason != REASON_AUTH_TIMEOUT && reason != REASON_TCP_TIMEOUT;
}

/* The distance to the next try by what the last one met, before jitter. */
static uint64_t retry_delay(const struct target *t, enum reason reason) {
        const struct database_config *config = t->config;
        uint64_t floor = config->retry_interval_usec, ceiling = config->down_interval_usec;

        switch (reason_class(reason)) {
        case CLASS_BLOCKED:
                return config->blocked_interval_usec;
        case CLASS_THROTTLED:
                return backoff_usec(t->unanswered_in_row, floor, THROTTLED_CEILING_USEC);
        case CLASS_TRANSIENT:
                if (t->state != STATE_WAKING)
                        return backoff_usec(t->unanswered_in_row, floor, ceiling);
                return is_refusal(reason) ? backoff_usec(t->wake_attempts, floor, ceiling) : floor;
        case CLASS_FULL:
        case CLASS_OURS:
                return backoff_usec(t->failures_in_row, floor, ceiling);
        case CLASS_OK:
        case CLASS_CUT:
        case CLASS_DEGRADED:
        case _REASON_CLASS_MAX:
                break;
        }
        return floor;
}

/* What a login was told not to do, a door's answer does not hurry; being throttled slows both. */
static void plan_retry(struct target *t, enum check check, enum reason reason) {
        uint64_t delay = backoff_jitter(retry_delay(t, reason), t->config->jitter_permille, &t->random);

        if (check != CHECK_DOOR || !findings_needs_login(&t->findings))
                t->retry_delay_usec = delay;
        else if (reason_class(reason) == CLASS_THROTTLED)
                t->retry_delay_usec = MAX(t->retry_delay_usec, delay);
}

void judge_plan_retry(struct target *t) {
        if (policy_was_throttled(t))
                return;
        if (findings_needs_login(&t->findings))
                plan_retry(t, CHECK_LOGIN, t->findings.last[FOUND_BY_LOGIN].reason);
        else
                plan_retry(t, t->last_attempt.check, t->last_attempt.reason);
}

/* A failure that tells what the database is (or that it is about us) begins the count of those that do not anew. */
static enum machine_event judge_telling_failure(struct target *t, enum machine_event event) {
        t->failures_in_row++;
        t->unanswered_in_row = 0;
        return event;
}

static enum machine_event judge_failure(struct target *t, enum reason reason) {
        t->successes_in_row = 0;
        switch (reason_class(reason)) {
        case CLASS_FULL:
                return judge_telling_failure(t, MACHINE_FULL);
        case CLASS_BLOCKED:
                return judge_telling_failure(t, MACHINE_BLOCKED);
        case CLASS_DEGRADED:
                t->failures_in_row = t->unanswered_in_row = 0;
                return MACHINE_UNMET;
        case CLASS_OURS:
                if (reason == REASON_HOST_NETWORK)
                        return judge_telling_failure(t, MACHINE_NO_NETWORK);
                t->failures_in_row++;
                return MACHINE_NO_MEANS;
        case CLASS_OK:
        case CLASS_TRANSIENT:
        case CLASS_THROTTLED:
        case CLASS_CUT:
        case _REASON_CLASS_MAX:
                break;
        }
        if (is_part_of_wake(t, reason)) {
                t->unanswered_in_row = 0;
                return MACHINE_STARTING;
        }
        t->failures_in_row++;
        t->unanswered_in_row++;
        return t->unanswered_in_row >= t->config->fall ? MACHINE_FAILED : MACHINE_FAILING;
}

static enum machine_event judge_answer(struct target *t) {
        bool after_failures = t->failures_in_row > 0 || t->successes_in_row > 0;

        t->failures_in_row = t->unanswered_in_row = 0;
        t->successes_in_row++;
        if (t->state != STATE_AWAKE && after_failures && t->successes_in_row < t->config->rise)
                return MACHINE_RISING;
        t->successes_in_row = 0;
        return MACHINE_ANSWERED;
}

/*
 * Behind one name there may be several servers: only a start that is newer than all that were seen ended sessions. One that is kept from
 * before a restart of ours, and lies ahead of our clock, was told by a clock that was wrong, and would hide every start to come.
 */
static void note_start(struct target *t, uint64_t started_real_usec, struct instant now) {
        uint64_t known = t->server_started_real_usec;
        bool first = t->server.started_real_usec == 0;
        bool wrong = first && known > usec_add(now.real_usec, CLOCKS_APART_USEC) && known != started_real_usec;

        t->generation += known && (known < started_real_usec || wrong);
        t->server_started_real_usec = wrong ? started_real_usec : MAX(known, started_real_usec);
}

static void note_server(struct target *t, const struct attempt *attempt, struct instant now) {
        if (attempt->server.lag_usec == 0)
                t->caught_up_boot_usec = now.boot_usec;
        note_start(t, attempt->server.started_real_usec, now);
        t->server = attempt->server;
}

static bool was_answered(const struct attempt *attempt) {
        return attempt->check != CHECK_DOOR && (attempt->reason == REASON_NONE || reason_class(attempt->reason) == CLASS_DEGRADED);
}

/* The provider's idle time runs from the query, and the answer was on its way for a while: so the moment that counts is the sending. */
static uint64_t query_sent_boot_usec(const struct attempt *attempt, struct instant now) {
        return usec_sub(MIN(attempt->ended_boot_usec, now.boot_usec), attempt->phase_usec[PHASE_QUERY]);
}

static void note_session(struct target *t, const struct attempt *attempt, struct instant now) {
        bool answered = was_answered(attempt);

        if (attempt->session_held) {
                if (!t->session_held || (answered && attempt->check == CHECK_LOGIN))
                        t->session_since_real_usec = now.real_usec;
                if (answered)
                        t->session_query_boot_usec = query_sent_boot_usec(attempt, now);
        }
        t->session_held = attempt->session_held;
}

/* The session's end was told already: a ping that was asked before that was known is the same event. */
static bool repeats_end(const struct target *t, const struct attempt *attempt) {
        return attempt->check == CHECK_PING && !t->session_held && reason_class(attempt->reason) == CLASS_CUT;
}

/* Demand that was there to get it awake becomes its linger; leases hold theirs apart. */
static void start_linger(struct target *t, struct instant now) {
        uint64_t lingers = usec_add(now.boot_usec, t->config->linger_usec);

        if (t->demand_until_boot_usec <= lingers || !(t->state == STATE_AWAKE || t->state == STATE_DEGRADED))
                return;
        if (t->presumed_until_boot_usec > lingers) {
                lingers = t->presumed_until_boot_usec;
                t->demand_cause = WAKE_LEASE;
        }
        t->demand_until_boot_usec = MIN(t->demand_until_boot_usec, lingers);
}

/* The server can be reached, and what a login found there stands: that it was not reached before is over. */
static void reach_blocked(struct target *t, struct instant now, struct edges *edges) {
        verdict_step(t, MACHINE_BLOCKED, (struct evidence_brought){.reason = findings_blocked(&t->findings)}, now, edges);
}

static void door_failed(struct target *t, const struct attempt *attempt, struct instant now, struct edges *edges) {
        enum machine_event event = judge_failure(t, attempt->reason);

        if (event == MACHINE_FULL && findings_blocked(&t->findings)) {
                reach_blocked(t, now, edges);
                return;
        }
        /* A wake that others began is seen through the door of a plain server; it is none of ours. */
        if (event == MACHINE_STARTING)
                event = MACHINE_FAILING;
        verdict_step(t, event, (struct evidence_brought){attempt->reason, attempt->sqlstate, attempt->detail, attempt}, now, edges);
        /* A door that is good at the next try still tells that it sleeps; one that comes back after the database was down does not. */
        t->findings.cut_like_suspend &= t->state != STATE_DOWN;
}

/* What stays unknown behind a good door stays so for its reason, unless the door itself disproves that. */
static enum reason reason_behind_door(const struct target *t) {
        enum reason_class class = reason_class(t->reason);
        bool stands = class == CLASS_CUT || (class == CLASS_OURS && !verdict_is_host_trouble(t->reason));

        return t->state == STATE_UNKNOWN && stands ? t->reason : REASON_STALE;
}

static void finish_door(struct target *t, const struct attempt *attempt, struct instant now, struct edges *edges) {
        enum reason reason = reason_behind_door(t);
        bool slept;

        t->findings.door_lets_in |= attempt->door_let_in;
        if (attempt->reason != REASON_NONE) {
                door_failed(t, attempt, now, edges);
                return;
        }
        if ((t->state == STATE_DOWN || t->state == STATE_UNKNOWN) && findings_blocked(&t->findings))
                reach_blocked(t, now, edges);
        if (findings_needs_login(&t->findings) && !verdict_is_host_trouble(t->reason))
                return;
        slept = t->state != STATE_ASLEEP && findings_slept(&t->findings) && !t->findings.door_lets_in;
        t->failures_in_row = t->unanswered_in_row = 0;
        if (slept && reason_class(reason) != CLASS_CUT)
                reason = REASON_SESSION_CUT;
        verdict_step(t, slept ? MACHINE_SLEPT : MACHINE_DOOR_GOOD, (struct evidence_brought){.reason = reason, .attempt = attempt}, now,
                     edges);
}

/*
 * A session that went is followed by the next check in the same instant. A login, though, that was cut no later than it would have been
 * tried again says nothing new the second time: who lets in and cuts is asked in the rhythm of retries, not thousands of times a second.
 */
static void ask_after_cut(struct target *t, struct instant now) {
        bool cut_young = now.boot_usec < usec_add(t->finished_boot_usec[CHECK_LOGIN], t->retry_delay_usec);

        t->successes_in_row = 0;
        t->wanted_boot_usec = policy_asks(t) && cut_young && t->cut_young ? 0 : now.boot_usec;
        t->cut_young = cut_young;
}

static void finish_lost_session(struct target *t, const struct attempt *attempt, struct instant now, struct edges *edges) {
        ask_after_cut(t, now);
        findings_session_ended(&t->findings, attempt->reason, false, now.boot_usec);
        verdict_step(t, MACHINE_CUT, (struct evidence_brought){attempt->reason, attempt->sqlstate, attempt->detail, attempt}, now, edges);
}

/*
 * A login that failed as a wake may look is the begin of one, should it turn out to be a wake, and so is one that found no place; one that
 * failed in another way shows that none was under way. One that was answered, but not `rise` times, and now fails, wakes anew.
 */
static void note_wake(struct target *t, const struct attempt *attempt, enum reason reason) {
        if (attempt->check != CHECK_LOGIN)
                return;
        if (wake_goes_on(t, reason) || t->state == STATE_WAKING)
                wake_begin(t, attempt->started_boot_usec, false);
        else
                wake_fail(t);
}

static void finish_query(struct target *t, const struct attempt *attempt, enum reason reason, struct instant now, struct edges *edges) {
        struct evidence_brought evidence = {reason, attempt->sqlstate, attempt->detail, attempt};
        enum machine_event event;

        if (was_answered(attempt)) {
                note_server(t, attempt, now);
                t->wanted_boot_usec = 0;
        }
        if (reason == REASON_NONE) {
                /* After a password change the held session goes on answering while logins fail: a ping cannot clear what a login found. */
                if (attempt->check == CHECK_PING && findings_needs_login(&t->findings))
                        return;
                event = judge_answer(t);
        } else
                event = judge_failure(t, reason);
        if (event == MACHINE_RISING)
                evidence.reason = REASON_SERVER_STARTING;
        else if (is_late(t, reason))
                evidence.reason = REASON_WAKE_TIMEOUT;
        verdict_step(t, event, evidence, now, edges);
        if (!was_answered(attempt))
                note_wake(t, attempt, reason);
        start_linger(t, now);
}

/* What the attempt says of the database, by its source. What is about us says nothing. */
static void note_evidence(struct target *t, const struct attempt *attempt, enum reason reason, struct instant now) {
        static const enum found_by sources[_CHECK_MAX] = {
                [CHECK_DOOR] = FOUND_BY_DOOR,
                [CHECK_LOGIN] = FOUND_BY_LOGIN,
                [CHECK_PING] = FOUND_BY_SESSION,
        };

        if (reason_class(reason) == CLASS_OURS)
                return;
        findings_note(&t->findings, sources[attempt->check], reason, now.boot_usec);
        t->blocked_before &= attempt->check != CHECK_LOGIN;
        if (attempt->session_held && attempt->check == CHECK_LOGIN && was_answered(attempt))
                findings_note(&t->findings, FOUND_BY_SESSION, reason, now.boot_usec);
}

static void judge_outcome(struct target *t, const struct attempt *attempt, enum reason reason, bool lost, struct instant now,
                          struct edges *edges) {
        if (reason_class(reason) == CLASS_OURS)
                verdict_step(t, judge_failure(t, reason), (struct evidence_brought){reason, NULL, attempt->detail, attempt}, now, edges);
        else if (attempt->check == CHECK_DOOR)
                finish_door(t, attempt, now, edges);
        else if (lost)
                finish_lost_session(t, attempt, now, edges);
        else
                finish_query(t, attempt, reason, now, edges);
}

/* From here on the answer keeps the database awake. */
static void account_answer(struct target *t, const struct attempt *attempt, struct instant now) {
        if (!was_answered(attempt))
                return;
        t->asked_boot_usec = query_sent_boot_usec(attempt, now);
        account_begin(t, attempt->server.uptime_usec, now);
}

static void note_attempt(struct target *t, const struct attempt *attempt, struct instant now) {
        t->last_attempt = *attempt;
        t->last_duration_usec[attempt->check] = attempt->total_usec;
        t->finished_boot_usec[attempt->check] = now.boot_usec;
        note_session(t, attempt, now);
        target_plan_interval(t, attempt->check);
}

void judge_attempt(struct target *t, const struct attempt *attempt, bool own_network, struct instant now, struct edges *edges) {
        enum reason reason = own_network ? REASON_HOST_NETWORK : attempt->reason;
        bool lost = t->session_held && attempt->session_ended;

        if (reason == REASON_NONE && attempt->check != CHECK_DOOR)
                reason = expectation_failed(t, &attempt->server, now);
        t->in_flight = false;
        if (repeats_end(t, attempt)) {
                t->finished_boot_usec[CHECK_PING] = now.boot_usec;
                return;
        }
        note_attempt(t, attempt, now);
        note_evidence(t, attempt, reason, now);
        judge_outcome(t, attempt, reason, lost, now, edges);
        /* After the verdict: what caused a wake depends on whether there was an answer before this one. */
        count(t, attempt, reason);
        plan_retry(t, attempt->check, reason);
        account_answer(t, attempt, now);
}

static bool looks_like_suspend(const struct target *t, const struct attempt *end, bool bare_eof, struct instant now) {
        uint64_t after = target_suspend_after_usec(t);
        uint64_t idle = usec_sub(now.boot_usec, t->session_query_boot_usec);
        bool signature = bare_eof ? t->cut_signature & CUT_BARE_EOF
                                  : t->cut_signature & CUT_ADMIN_SHUTDOWN && streq(end->sqlstate, "57P01");

        /* Two clocks count the same time: a hundredth is theirs. */
        return t->provider->suspends && signature && usec_add(idle, after / 100) >= after;
}

void judge_session_end(struct target *t, const struct attempt *end, bool bare_eof, struct instant now, struct edges *edges) {
        bool like_suspend = looks_like_suspend(t, end, bare_eof, now);

        if (!t->session_held)
                return;
        t->session_held = false;
        findings_session_ended(&t->findings, end->reason, like_suspend, now.boot_usec);
        ask_after_cut(t, now);
        /* To fall asleep is no failure; when it was none of that, what comes next is counted. */
        if (!like_suspend) {
                t->failures_total++;
                t->failures_by_reason[end->reason]++;
        }
        verdict_step(t, MACHINE_CUT, (struct evidence_brought){end->reason, end->sqlstate, end->detail, NULL}, now, edges);
}

/* What is down because logins were taken and not answered is down still when the next one is not answered either. */
static bool repeats_verdict(const struct target *t) {
        return t->state == STATE_DOWN && (t->reason == REASON_AUTH_TIMEOUT || t->reason == REASON_QUERY_TIMEOUT ||
                                          t->reason == REASON_WAKE_TIMEOUT || t->reason == REASON_PROVIDER_TRANSIENT);
}

void judge_slow(struct target *t, enum phase phase, struct instant now, struct edges *edges) {
        /* The wake lies behind the last message of the login (behind the connect for a provider that wakes on that). */
        enum phase first = t->provider->connect_hangs_in_wake ? PHASE_CONNECT : PHASE_AUTH;

        if (phase > PHASE_AUTH || repeats_verdict(t)) {
                t->slow_due_boot_usec = USEC_INFINITY;
                return;
        }
        /* The first look after one that came too early may find the login just begun: it is given its own time. */
        if (phase < first || t->slow_look_was_early) {
                t->slow_look_was_early = phase < first;
                t->slow_due_boot_usec = usec_add(now.boot_usec, t->config->slow_usec);
                return;
        }
        t->slow_due_boot_usec = USEC_INFINITY;
        if (t->provider->suspends)
                verdict_step(t, MACHINE_SLOW, (struct evidence_brought){.reason = REASON_SERVER_STARTING}, now, edges);
        else if (reason_class(t->reason) == CLASS_OURS) /* what a check found says more */
                verdict_step(t, MACHINE_LATE, (struct evidence_brought){.reason = REASON_SERVER_SLOW}, now, edges);
}
