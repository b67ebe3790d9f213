/* Each invariant is one function with its sentence; its tolerances are derived from the configuration. */
#include "invariant.h"

#include "breach.h"
#include "clocks.h"
#include "daemon.h"
#include "history.h"
#include "told.h"
#include "witness.h"

#include <string.h>

/* Timers fire in their own loop iteration, and checks due within 2 ms are sent together. */
#define SLACK_USEC (5 * USEC_PER_MSEC)
/* The TCP keepalives of a session find a dead peer in this time (probe/connection.c). */
#define SURVIVAL_USEC USEC_PER_MINUTE
/* The difference allowed for two clocks and the delay of a message, where seconds are counted. */
#define ACCOUNT_SLACK_USEC USEC_PER_SEC
#define THROTTLED_CEILING_USEC (5 * USEC_PER_MINUTE)

/* A counter that only grows: after a crash, at least its written value must be known. */
struct counted {
        uint64_t value, written;
        uint64_t grew_usec;
};

static struct {
        bool restarted;
        uint64_t written_usec;   /* when the last record was written */
        struct counted wakes, failures, awake, ours;
} restarts[DATABASES_MAX];

void invariants_begin(void) {
        memset(restarts, 0, sizeof(restarts));
}

void invariants_expect_restart(unsigned database) {
        restarts[database].restarted = true;
        restarts[database].written_usec = history_written_usec(database);
}

static void count(struct counted *counted, uint64_t value, uint64_t written_usec) {
        if (value == counted->value)
                return;
        if (written_usec > counted->grew_usec)
                counted->written = counted->value;
        counted->value = value;
        counted->grew_usec = clock_boot_usec();
}

/* Keeps VALUE; returns by how much it is below its minimum. Growth since the last record is lost in a crash, or reported later. */
static uint64_t keep(unsigned database, struct counted *counted, uint64_t value) {
        uint64_t written = restarts[database].written_usec;
        uint64_t least = restarts[database].restarted && written <= counted->grew_usec ? counted->written : counted->value;

        count(counted, value, history_written_usec(database));
        return usec_sub(least, value);
}

#define NAME (w->config->name)
#define SAYS state_name(now->state), reason_slug(now->reason)

/* -- Invariants of a moment ------------------------------------------------------------------------------------------------------------ */

static bool is_blocked_by_login(const struct witness *w) {
        return w->blocked != REASON_NONE;
}

/* A login's finding is proof: a live session does not clear it. */
static bool is_proven_by_login(const struct witness *w) {
        return is_blocked_by_login(w) || (w->login_stands && reason_class(w->login_reason) == CLASS_FULL);
}

/* Failures in a row are proof too, except those that were part of a wake. */
static bool may_be_refused_by_logins(const struct witness *w) {
        return is_proven_by_login(w) || (w->login_failure != REASON_NONE && w->unanswered >= w->config->fall);
}

/* An idle session has lived long enough without demand. */
static bool has_survived(const struct witness *w) {
        return w->undoubted_usec + SLACK_USEC >= SURVIVAL_USEC;
}

/*
 * A suspend that is seen is newer evidence than a login's finding, and so is a session that lives on; but neither clears a blocked login.
 */
static void note_clearance(struct witness *w, const struct view *before, const struct view *now) {
        bool answers = now->state == STATE_AWAKE || now->state == STATE_DEGRADED;

        if (now->state == STATE_ASLEEP || (answers && before->state == STATE_UNKNOWN && !is_proven_by_login(w) && has_survived(w)))
                w->login_stands = false;
}

/* A login has waited longer than `slow` for its answer, with a provider that suspends (or one that does not). */
static bool is_slow(const struct witness *w, bool suspends) {
        bool late = clock_boot_usec() + SLACK_USEC >= w->in_flight_usec + w->in_flight_slow_usec;

        return w->in_flight && w->in_flight_check == CHECK_LOGIN && late && server_suspends(routes[w - witnesses].server) == suspends;
}

/* Without a planned login nothing could clear a blocked verdict: only a pause, or newer evidence of the door, may be reported instead. */
static bool may_hide_block(const struct witness *w, const struct view *now) {
        if (now->state == STATE_ASLEEP || now->state == STATE_FULL || w->paused || w->unanswered >= w->config->fall)
                return true;
        if (now->state == STATE_WAKING)
                return is_slow(w, true) || (w->told && now->reason == w->told_reason);
        if (now->state == STATE_DOWN)
                return true; /* assert_down() checks whether it may be */
        if (now->state != STATE_UNKNOWN)
                return false;
        if (now->reason == REASON_HOST_NETWORK || (now->reason == REASON_HOST_RESOURCES && w->lacked_means))
                return true;
        if (w->told && w->told_check == CHECK_DOOR && now->reason == w->told_reason)
                return true;
        return (now->asks || now->in_flight) && (now->reason == REASON_STALE || now->reason == w->told_reason ||
                             (now->reason == REASON_SERVER_SLOW && is_slow(w, false)));
}

/* A finding that only a login clears is cleared by a login, a suspend that was seen, or a session that lives on. */
static void assert_cleared(struct witness *w, const struct view *before, const struct view *now) {
        bool expired = before->fresh_until_usec <= clock_boot_usec();
        bool door_told = w->told && w->told_check == CHECK_DOOR && !w->lacked_means && w->told_usec == clock_boot_usec();
        /* A suspend of the host during the door check is noticed with its answer at the latest, and expires earlier evidence. */
        bool slept = loop_host_resumed_usec() > w->told_asked_usec;
        bool by_door = door_told && w->told_reason == REASON_NONE && !expired && !slept;

        note_clearance(w, before, now);
        if (w->login_stands && by_door && (before->state == STATE_DOWN || before->state == STATE_FULL) && now->state == STATE_UNKNOWN)
                breach_note(INVARIANT_CLEARED, "%s is %s %s, and a door cleared %s", NAME, SAYS, reason_slug(w->login_reason));
        else if (w->login_stands && (now->state == STATE_AWAKE || now->state == STATE_DEGRADED))
                breach_note(INVARIANT_CLEARED, "%s is %s, and no login cleared %s", NAME, state_name(now->state), reason_slug(w->login_reason));
        else if (is_blocked_by_login(w) && now->state != STATE_BLOCKED && !may_hide_block(w, now))
                breach_note(INVARIANT_CLEARED, "%s is %s %s, and no login cleared %s", NAME, SAYS, reason_slug(w->blocked));
}

/* accept=asleep never accepts a database on which a person must act. */
static void assert_accepted(struct witness *w, const struct view *now) {
        if (is_blocked_by_login(w) && now->ready_or_asleep)
                breach_note(INVARIANT_ACCEPTED, "%s (%s %s) is accepted as asleep after %s", NAME, SAYS, reason_slug(w->blocked));
        else if (w->blocked_before && now->ready_or_asleep)
                breach_note(INVARIANT_ACCEPTED, "%s (%s %s) is accepted as asleep, and was blocked before the restart", NAME, SAYS);
}

/* No check can tell whether it is asleep without waking it. */
static bool has_no_door(const struct witness *w, const struct server *server) {
        return w->config->door_interval_usec == 0 || server->kind == SERVER_AURORA;
}

/* accept=asleep accepts a sleeping database whose last check was good, and whose last answer was as expected. */
static void assert_accepts_rest(const struct witness *w, const struct view *now, const struct server *server) {
        bool good = !w->told || w->told_reason == REASON_NONE || reason_class(w->told_reason) == CLASS_CUT;
        bool was_good = good && w->login_failure == REASON_NONE && w->login_reason == REASON_NONE && w->blocked == REASON_NONE &&
                        w->unmet_reason == REASON_NONE && !w->lacked_means && !w->blocked_before;
        bool left_alone = w->policy == POLICY_ON_DEMAND && !now->asks && !now->in_flight && !w->paused && !now->budget_spent;

        if (server->phase == SERVER_ASLEEP && has_no_door(w, server) && was_good && left_alone && now->state == STATE_UNKNOWN && !now->ready_or_asleep)
                breach_note(INVARIANT_ACCEPTED, "%s (%s %s) sleeps, its last check was good, and it is not accepted as asleep", NAME, SAYS);
}

/* Reasons that are not evidence: time, people or the wake itself cause them. */
static bool is_brought_by_time(const struct witness *w, const struct view *now) {
        /* It was down, and has answered fewer than `rise` times since: what made it down stands. */
        if (now->state == STATE_DOWN && reason_class(w->told_reason) == CLASS_CUT)
                return true;
        if (now->reason == REASON_WAKE_TIMEOUT)
                return now->state == STATE_DOWN;
        if (now->reason == REASON_SERVER_STARTING)
                /* A slow login was answered, and another one follows. */
                return now->state == STATE_WAKING && (is_slow(w, true) || w->unasked || w->told_unsure);
        if (now->reason == REASON_SERVER_SLOW)
                return now->state == STATE_UNKNOWN && is_slow(w, false);
        if (now->reason == REASON_HOST_NETWORK)
                return w->told_own_network;
        if (now->reason == REASON_HOST_RESOURCES)
                return now->state == STATE_UNKNOWN && w->lacked_means;
        /* A session that lives on keeps its last answer. */
        if (now->state == STATE_DEGRADED)
                return w->session && now->reason == w->unmet_reason;
        /* One failure does not disprove a blocked verdict. */
        if (now->state == STATE_BLOCKED)
                return is_blocked_by_login(w) || w->unanswered <= w->config->fall || w->starts_between;
        return now->state == STATE_UNKNOWN && (now->reason == REASON_STALE || now->reason == REASON_NOT_CHECKED ||
                                               now->reason == REASON_PAUSED || now->reason == REASON_BUDGET_SPENT);
}

/* A verdict that is not ready has the reason of the newest evidence. */
static void assert_reason(struct witness *w, const struct view *now) {
        bool stands = w->login_failure != REASON_NONE && now->reason == w->login_failure;

        if (now->state == STATE_ASLEEP && now->reason != w->cut_reason && now->reason != REASON_BUDGET_SPENT)
                breach_note(INVARIANT_REASON, "%s is %s %s, and its session ended by %s", NAME, SAYS, reason_slug(w->cut_reason));
        if (now->state == STATE_AWAKE || now->state == STATE_ASLEEP || !w->told || w->told_reason == REASON_NONE || w->told_check == CHECK_DOOR)
                return;
        /* The check may have begun before the reload of the same moment, and says nothing about the new expectations. */
        if (w->told_unsure && reason_class(w->told_reason) == CLASS_DEGRADED)
                return;
        if (now->reason != w->told_reason && !stands && !is_brought_by_time(w, now))
                breach_note(INVARIANT_REASON, "%s is %s %s, and the newest evidence is %s", NAME, SAYS, reason_slug(w->told_reason));
}

/* -- Invariants of a step -------------------------------------------------------------------------------------------------------------- */

/* The generation grows exactly when a session of that server died or a newer start was seen. */
static void assert_generation(struct witness *w, const struct view *before, const struct view *now) {
        uint64_t grown = now->generation - before->generation;

        if (now->generation < before->generation)
                breach_note(INVARIANT_GENERATION, "the generation of %s went back from %llu to %llu", NAME,
                            (unsigned long long)before->generation, (unsigned long long)now->generation);
        else if (grown > w->generation_may)
                breach_note(INVARIANT_GENERATION, "the generation of %s grew, and neither did a session die nor was a newer start seen", NAME);
        else if (grown == 0 && w->generation_must > 0)
                breach_note(INVARIANT_GENERATION, "the generation of %s did not grow", NAME);
        w->generation_may = w->generation_must = 0;
}

/* Down needs `fall` failures in a row, or a wake with demand that lasts longer than wake_timeout. */
static void assert_down(struct witness *w, const struct view *before, const struct view *now) {
        uint64_t began = w->failing_since_usec ? w->failing_since_usec : w->in_flight ? w->in_flight_usec : clock_boot_usec();
        bool late = clock_boot_usec() + SLACK_USEC >= began + w->config->wake_timeout_usec;

        if (now->state != STATE_DOWN || before->state == STATE_DOWN || w->unanswered >= w->config->fall)
                return;
        if (now->reason == REASON_WAKE_TIMEOUT && late && (w->policy == POLICY_KEEP_AWAKE || witness_needs(w)))
                return;
        breach_note(INVARIANT_DOWN, "%s is down (%s) after %u failures%s", NAME, reason_slug(now->reason), w->failures,
                    late ? ", and nobody waits for it" : "");
}

/* The possible true causes of a wake, as bits: only one, if it is clear. */
static unsigned true_causes(const struct witness *w) {
        unsigned others = 1u << WAKE_OTHER;

        if (w->wake_shared)
                return w->wake_causes | others;
        return w->wakes_of_others ? others : w->wake_causes;
}

static void assert_cause(const struct witness *w, const struct view *before, const struct view *now) {
        enum wake_cause cause = now->last_wake.cause;
        unsigned causes = true_causes(w);

        if (now->wakes_by_cause[cause] == before->wakes_by_cause[cause])
                breach_note(INVARIANT_CAUSE, "the last wake of %s is told to be caused by %s, and another is counted", NAME,
                            wake_cause_name(cause));
        else if (!(causes & 1u << cause))
                breach_note(INVARIANT_CAUSE, "a wake of %s that %s caused is counted as caused by %s", NAME,
                            wake_cause_name((enum wake_cause)__builtin_ctz(causes)), wake_cause_name(cause));
}

/* Each wake is counted once. */
static void assert_wakes(struct witness *w, const struct view *before, const struct view *now) {
        uint64_t grown = now->wakes - before->wakes;
        bool suspends = w->stretch.server && server_suspends(w->stretch.server);
        bool risen = now->state == STATE_AWAKE || now->state == STATE_DEGRADED;

        if (suspends && (grown > w->wakes_most || (risen && grown < w->wakes_least)))
                breach_note(INVARIANT_WAKES, "%llu wakes of %s were counted, and there was %u", (unsigned long long)grown, NAME,
                            w->wakes_most);
        else if (suspends && grown > 0)
                assert_cause(w, before, now);
        /* After failures, `rise` answers in a row must come first. */
        if (grown > 0 || risen)
                w->wakes_least = w->wakes_most = w->wakes_of_others = 0;
}

/* A wake's latency is the true one within 20 ms or 5 %. */
static void assert_latency(struct witness *w, const struct view *before, const struct view *now) {
        uint64_t latency = now->last_wake.latency_usec, slack, most;

        if (now->wakes == before->wakes || latency == USEC_INFINITY || w->wake_most_usec == 0)
                return;
        most = w->wake_most_usec + clock_boot_usec() - w->wake_answered_usec;
        slack = MAX(20 * USEC_PER_MSEC, most / 20);
        if ((latency + slack < w->wake_least_usec && !w->wake_shared) || latency > most + slack)
                breach_note(INVARIANT_LATENCY, "the wake of %s took %llu ms and is told as %llu ms", NAME,
                            (unsigned long long)w->wake_least_usec / 1000, (unsigned long long)latency / 1000);
        w->wake_most_usec = 0;
}

/* Counters and accounts never go back by more than a crash loses: the part that was not written. */
static void assert_backwards(unsigned database, const struct witness *w, const struct view *now) {
        uint64_t awake = keep(database, &restarts[database].awake, now->account.awake_usec);
        uint64_t ours = keep(database, &restarts[database].ours, now->account.ours_usec);

        if (MAX(awake, ours) > SLACK_USEC)
                breach_note(INVARIANT_BACKWARDS, "the account of %s went back by %llu ms", NAME, (unsigned long long)MAX(awake, ours) / 1000);
        if (keep(database, &restarts[database].wakes, now->wakes) || keep(database, &restarts[database].failures, now->failures))
                breach_note(INVARIANT_BACKWARDS, "the counters of %s went back", NAME);
        if (now->account.ours_usec > now->account.awake_usec)
                breach_note(INVARIANT_BACKWARDS, "more of the time of %s is ours than there was", NAME);
}

/* Awake seconds are the true ones within 2 %, and never more than the time that has passed. */
static void assert_account(const struct witness *w, const struct view *now) {
        const struct stretch *s = &w->stretch;
        uint64_t least = w->awake_least_usec, most = w->awake_most_usec, counted = now->account.awake_usec;

        if (s->server) {
                least += usec_sub(s->known_usec, s->from_usec);
                most += usec_sub(stretch_counts_until(w), s->from_usec);
        }
        least = usec_sub(least, w->unsure_least_usec);
        most += w->unsure_most_usec;
        /* After a restart, the first answer counts the part back that was not written. */
        if (w->answered_usec && counted + ACCOUNT_SLACK_USEC < least - least / 50)
                breach_note(INVARIANT_ACCOUNT, "%s was awake for at least %llu s, and %llu s are counted", NAME,
                            (unsigned long long)(least / USEC_PER_SEC), (unsigned long long)(counted / USEC_PER_SEC));
        if (counted > most + most / 50 + ACCOUNT_SLACK_USEC)
                breach_note(INVARIANT_ACCOUNT, "%s was awake for at most %llu s, and %llu s are counted", NAME,
                            (unsigned long long)(most / USEC_PER_SEC), (unsigned long long)(counted / USEC_PER_SEC));
}

void invariants_assert(unsigned database, const struct view *before, const struct view *now) {
        struct witness *w = &witnesses[database];

        /* If our own network was gone, earlier failures say nothing. */
        if (now->reason == REASON_HOST_NETWORK)
                w->unanswered = 0;
        if (now->state == STATE_AWAKE || now->state == STATE_DEGRADED)
                witness_risen(database);
        if (now->budget_spent && !before->budget_spent && w->watch_began_usec < clock_boot_usec())
                witness_budget_spent(w);
        w->waits_in_rhythm |= (before->state == STATE_AWAKE || before->state == STATE_DEGRADED) && now->reason == REASON_STALE;
        /* Until the daemon has read the history, its counters begin anew. */
        if (!w->past_unread)
                assert_backwards(database, w, now);
        if (w->past_unread || restarts[database].restarted) {
                restarts[database].restarted = w->past_unread;
                w->generation_may = w->generation_must = w->wakes_least = w->wakes_most = w->wakes_of_others = 0;
        } else {
                assert_generation(w, before, now);
                assert_down(w, before, now);
                assert_wakes(w, before, now);
                assert_latency(w, before, now);
        }
        told_assert(database, now);
        if (now->ready)
                told_assert_ready(database, now->asks);
        assert_cleared(w, before, now);
        assert_accepted(w, now);
        assert_accepts_rest(w, now, routes[database].server);
        assert_reason(w, now);
        if (!w->past_unread)
                assert_account(w, now);
}

/* -- Invariants of time ---------------------------------------------------------------------------------------------------------------- */

static uint64_t jittered(const struct witness *w, uint64_t usec) {
        return usec + usec / 1000 * w->config->jitter_permille;
}

/* The longest delay between two tries, by the last result. */
static uint64_t longest_wait(const struct witness *w) {
        uint64_t wait = w->config->down_interval_usec;

        if (w->login_stands && reason_class(w->login_reason) == CLASS_BLOCKED)
                wait = MAX(wait, w->config->blocked_interval_usec);
        /* A suspend of the host, which would end the delay, is noticed when the delay is over. */
        if (w->throttled > 0 || (w->throttled_usec && w->throttled_usec + THROTTLED_CEILING_USEC > clock_boot_usec()))
                wait = MAX(wait, THROTTLED_CEILING_USEC);
        return jittered(w, MAX(wait, w->config->retry_interval_usec));
}

/* The longest wake from now on, whose duration may have been changed meanwhile. */
static uint64_t longest_wake(const struct server *server) {
        uint64_t rest = server->phase == SERVER_STARTING ? usec_sub(server->ready_usec, clock_boot_usec()) : 0;

        return MAX(rest, server->wake_usec);
}

/* Two servers behind one name answer in turn: `rise` answers in a row may take both. */
static uint64_t longest_wake_of(const struct route *route) {
        return MAX(longest_wake(route->server), route->other ? longest_wake(route->other) : 0);
}

/* An earlier attempt may still hang; those of other databases may occupy the slot that this one needs. */
static uint64_t longest_attempts(const struct witness *w) {
        uint64_t longest = w->config->attempt_timeout_usec;
        unsigned n = 0;

        for (unsigned i = 0; i < DATABASES_MAX; i++)
                if (witnesses[i].watched) {
                        longest = MAX(longest, witnesses[i].config->attempt_timeout_usec);
                        n++;
                }
        return (3 + n / daemon_places()) * longest;
}

static uint64_t awake_within(const struct witness *w) {
        uint64_t attempts = longest_attempts(w);
        uint64_t rises = w->config->rise * (jittered(w, w->config->retry_interval_usec) + 3 * USEC_PER_SEC);

        return w->wait_usec + attempts + rises + USEC_PER_SEC;
}

static bool may_ask(const struct witness *w, const struct view *view) {
        return w->watched && !w->paused && !view->budget_spent && !loop_host_is_suspended();
}

static bool is_well(const struct server *server) {
        uint64_t unnamed_until = MAX(network.resolver_fails_until_usec, network.resolver_hangs_until_usec);
        uint64_t lacks_until = MAX(MAX(network.away_until_usec, unnamed_until), network.lacks_descriptors_until_usec);
        bool reached = lacks_until <= clock_boot_usec();

        return reached && server_is_healthy(server) && server->phase != SERVER_STOPPED;
}

/* Keeps SINCE, the time since when CONDITION holds; 0: it does not. */
static void hold(uint64_t *since, bool condition) {
        *since = condition ? (*since ? *since : clock_boot_usec()) : 0;
}

/* How long it has held; below the delay that every check may have, nothing else is examined. */
static uint64_t held_for(const struct witness *w, uint64_t since_usec) {
        uint64_t usec = since_usec ? clock_boot_usec() - since_usec : 0;

        return usec > 2 * w->config->attempt_timeout_usec ? usec : 0;
}

/*
 * A delay that was planned before goes on even when its cause is gone, and another one follows each attempt that was given up while the
 * server woke.
 */
static uint64_t longest_waits(const struct witness *w, uint64_t wake_usec) {
        return (1 + wake_usec / w->config->attempt_timeout_usec) * longest_wait(w) + 2 * wake_usec;
}

/* A database with demand and a healthy server is awake in bounded time. */
static void assert_bounded(struct witness *w, const struct view *view, const struct route *route) {
        bool answers = view->state == STATE_AWAKE || view->state == STATE_DEGRADED;
        uint64_t held;

        hold(&w->well_since_usec, w->needed_since_usec && !answers && is_well(route->server) && (!route->other || is_well(route->other)));
        held = held_for(w, w->well_since_usec);
        w->wait_usec = w->well_since_usec ? MAX(w->wait_usec, longest_waits(w, longest_wake_of(route))) : 0;
        if (held && held > awake_within(w))
                breach_note(INVARIANT_BOUNDED, "%s is needed, its server is well, and it is %s %s after %llu s", NAME, state_name(view->state),
                            reason_slug(view->reason), (unsigned long long)(held / USEC_PER_SEC));
}

static uint64_t asked_within(const struct witness *w) {
        uint64_t interval = jittered(w, MAX(w->config->login_interval_usec, w->config->ping_interval_usec));

        return MAX(longest_wait(w), interval) + longest_attempts(w);
}

/* A check is due, unless none may be sent. */
static void assert_due(struct witness *w, const struct view *view) {
        uint64_t held;

        hold(&w->due_since_usec, w->needed_since_usec && !w->in_flight);
        held = held_for(w, w->due_since_usec);
        if (held && held > asked_within(w))
                breach_note(INVARIANT_DUE, "%s (%s %s) is needed and was not asked for %llu s", NAME, state_name(view->state),
                            reason_slug(view->reason), (unsigned long long)(held / USEC_PER_SEC));
}

/* A pause ends on time. */
static void assert_pause_ends(struct witness *w, const struct view *view) {
        uint64_t until = usec_add(MAX(w->paused_latest_usec, loop_host_resumed_usec()), SLACK_USEC);

        if (w->paused && clock_boot_usec() > until && view->reason == REASON_PAUSED)
                breach_note(INVARIANT_PAUSED, "%s is paused still, and its time is over", NAME);
        if (w->paused && clock_boot_usec() > w->paused_until_usec)
                w->paused = view->reason == REASON_PAUSED;
}

/* A session that lives on this long after the last doubt has proven its server (health/step.c). */
static void assert_sentinel(struct witness *w, const struct view *view) {
        bool lives = w->session && view->state == STATE_UNKNOWN && !view->asks && !view->in_flight && !may_be_refused_by_logins(w) && !w->unasked;
        uint64_t doubted = MAX(MAX(w->unknown_since_usec, w->doubted_usec), loop_host_resumed_usec());

        w->undoubted_usec = w->session && w->unknown_since_usec ? clock_boot_usec() - doubted : 0;
        hold(&w->unknown_since_usec, view->state == STATE_UNKNOWN);
        hold(&w->lives_since_usec, lives && !w->paused && !loop_host_is_suspended());
        /* A suspend of the host is noticed only when survival would have been proven. */
        uint64_t longest = loop_host_resumed_usec() > w->unknown_since_usec ? 2 * SURVIVAL_USEC : SURVIVAL_USEC;

        if (w->lives_since_usec && clock_boot_usec() > w->lives_since_usec + longest + SLACK_USEC)
                breach_note(INVARIANT_SENTINEL, "%s is unknown %s, and its session lives on", NAME, reason_slug(view->reason));
}

void invariants_assert_time(const struct view *views, unsigned n_databases) {
        for (unsigned i = 0; i < n_databases; i++) {
                struct witness *w = &witnesses[i];
                bool needs;

                if (!w->watched)
                        continue;
                if (!loop_host_is_suspended())
                        assert_pause_ends(w, &views[i]);
                needs = witness_surely_needs(w) || w->policy == POLICY_KEEP_AWAKE;
                needs &= may_ask(w, &views[i]);
                /* A pause ended at its own time, not at the next happening. */
                if (needs && !w->needed_since_usec && w->paused_until_usec + USEC_PER_SEC > clock_boot_usec())
                        w->needed_since_usec = MIN(w->paused_until_usec, clock_boot_usec());
                hold(&w->needed_since_usec, needs);
                if (w->needed_since_usec)
                        w->need_began_usec = w->needed_since_usec;
                hold(&w->asked_for_since_usec, views[i].asks);
                hold(&w->waits_since_usec, w->needed_since_usec && views[i].state != STATE_AWAKE && views[i].state != STATE_DEGRADED);
                assert_bounded(w, &views[i], &routes[i]);
                assert_due(w, &views[i]);
                assert_sentinel(w, &views[i]);
        }
}
