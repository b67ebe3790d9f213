#include "witness.h"

#include "breach.h"
#include "clocks.h"
#include "history.h"

#include <string.h>

struct witness witnesses[DATABASES_MAX];

#define THROTTLED_CEILING_USEC (5 * USEC_PER_MINUTE)

void witness_begin(void) {
        memset(witnesses, 0, sizeof(witnesses));
}

void witness_pause(unsigned database, uint64_t for_usec) {
        struct witness *w = &witnesses[database];

        w->paused = for_usec > 0;
        /* Nobody resumes what is not paused; the history, when it is read, pauses it. */
        if (w->past_unread && w->was_paused && !w->paused)
                return;
        w->paused_usec = clock_boot_usec();
        w->paused_until_usec = w->paused_latest_usec = usec_add(clock_boot_usec(), for_usec);
        if (!w->paused)
                return;
        w->wake_shared = true; /* a wake in progress is given up */
        w->session = w->in_flight = false;
        w->was_paused = false;
        w->failures = w->unanswered = w->throttled = 0;
        w->failing_since_usec = w->logins_fail_since_usec = 0;
}

/* What the session reported until now is known; all other findings are old when the host resumes. */
void witness_host_suspends(void) {
        for (unsigned i = 0; i < DATABASES_MAX; i++) {
                witnesses[i].throttled = 0;
                if (witnesses[i].session && !stretch_is_in_doubt(&witnesses[i].stretch))
                        witnesses[i].stretch.known_usec = witnesses[i].stretch.floor_usec = clock_boot_usec();
        }
}

/* -- the daemon comes and goes -------------------------------------------------------------------------------------------------------- */

/* Earlier reports do not count any more. */
static void forget_evidence(struct witness *w) {
        w->told = w->login_stands = w->session = w->cut = w->in_flight = false;
        w->login_reason = w->login_failure = w->unmet_reason = w->blocked = REASON_NONE;
        w->caught_up_usec = 0;
        w->answered_by = NULL;
        w->waits_since_usec = w->answered_usec = w->failing_since_usec = w->logins_fail_since_usec = w->asked_usec = 0;
        w->failures = w->unanswered = w->throttled = 0;
        w->generation_may = w->generation_must = 0;
        w->needed_since_usec = w->well_since_usec = w->due_since_usec = w->lives_since_usec = 0;
        w->wakes_least = w->wakes_most = w->wakes_of_others = 0;
        w->wake_began_usec = 0;
}

/*
 * After a restart the wall clock determines the rest of a pause, and it may have been set: at most the rest at the time of saving, and at
 * least the true rest or the one by that clock.
 */
static void restore_pause(struct witness *w, unsigned database) {
        uint64_t now = clock_boot_usec(), written = history_written_usec(database);
        uint64_t passed = usec_sub(clock_real_usec(), history_written_real_usec(database));
        uint64_t least = usec_sub(w->paused_until_usec, written), most = usec_sub(w->paused_latest_usec, written);

        w->paused_until_usec = MIN(w->paused_until_usec, usec_add(now, usec_sub(least, passed)));
        w->paused_latest_usec = MAX(w->paused_latest_usec, usec_add(now, usec_sub(most, passed)));
}

/* It is paused, or is not, as the daemon says. */
static void pause_for_unknown_time(struct witness *w) {
        w->paused = true;
        w->paused_until_usec = 0;
        w->paused_latest_usec = USEC_INFINITY;
}

/* What the daemon will know only when it has read the history. */
static void forget_past(struct witness *w) {
        w->past_unread = w->newest_start_unsure = w->met_unsure = true;
        w->was_blocked = w->blocked_before;
        w->was_paused = w->paused;
        w->blocked_before = w->paused = false;
}

static void remember_past(struct witness *w) {
        if (!w->past_unread)
                return;
        w->past_unread = false;
        w->newest_start_unsure = w->met_unsure = true;
        w->blocked_before |= w->was_blocked;
        w->paused |= w->was_paused;
}

void witness_recall(unsigned database, bool held) {
        struct witness *w = &witnesses[database];

        remember_past(w);
        if (w->was_paused)
                restore_pause(w, database);
        w->was_paused = false;
        if (held)
                w->grace_until_usec = usec_add(clock_boot_usec(), w->config->lease_grace_usec);
}

void witness_watch(unsigned database, const struct database_config *config, enum policy policy, bool held, bool past_read) {
        struct witness *w = &witnesses[database];
        uint64_t now = clock_boot_usec();

        w->config = config;
        w->policy = policy;
        if (w->watched)
                return;
        w->watched = w->first = true;
        /* If nothing was ever written, nothing is known after a restart. */
        if (history_written_usec(database) == 0)
                w->watched_since_usec = w->stretch.from_usec = now;
        if (config->wake_at_start && policy == POLICY_ON_DEMAND)
                w->start_until_usec = witness_wake_end(w);
        w->watch_began_usec = now;
        w->login_asked_usec = 0;
        if (policy == POLICY_KEEP_AWAKE)
                w->requested_usec = now;
        if (held)
                w->grace_until_usec = usec_add(now, config->lease_grace_usec);
        if (w->paused && w->paused_until_usec)
                restore_pause(w, database);
        if (history_written_usec(database))
                stretch_restore(w);
        w->blocked_before |= history_of(database)->known && history_of(database)->memory.state == STATE_BLOCKED;
        if (!past_read)
                forget_past(w);
}

/*
 * A reload changed the connection or provider: sessions are dropped, and earlier reports do not count. What was in flight, since when it
 * counts and which start was met are undefined.
 */
static void begin_anew(struct witness *w) {
        stretch_begin_anew(w);
        forget_evidence(w);
        w->blocked_before = false;
        w->generation_may = w->generation_must = 1;
        w->first = w->met_unsure = w->wake_shared = w->newest_start_unsure = true;
        w->wake_causes = ALL_CAUSES;
}

void witness_reconfigure(unsigned database, const struct database_config *config, enum policy policy) {
        struct witness *w = &witnesses[database];

        if (database_config_equal(w->config, config))
                return;
        if (!database_config_same_server(w->config, config))
                begin_anew(w);
        else if (w->stretch.server)
                w->stretch.believed_usec = stretch_counts_until(w); /* by the configuration until now */
        w->reconfigured_usec = clock_boot_usec();
        w->slow_before_usec = w->config->slow_usec;
        if (config->linger_usec < w->config->linger_usec)
                w->lingers_unsure_until_usec = usec_add(clock_boot_usec(), w->config->linger_usec);
        if (!database_config_same_expectations(w->config, config))
                w->unasked = w->in_flight_unasked = true;
        w->config = config;
        /* A database that is to be kept awake from now on is checked on schedule. */
        w->waits_in_rhythm |= w->policy != policy;
        if (w->policy == POLICY_KEEP_AWAKE)
                w->kept_awake_usec = clock_boot_usec();
        w->policy = policy;
}

void witness_unwatch(unsigned database, bool crash) {
        struct witness *w = &witnesses[database];

        if (!w->watched)
                return;
        w->watched = false;
        /* What it has counted since its start and what the history says are two spans: the time between them is not counted. */
        if (w->past_unread && w->answered_usec && w->stretch.server)
                w->unsure_least_usec += usec_sub(w->watch_began_usec, w->stretch.from_usec);
        remember_past(w);
        if (w->stretch.server)
                w->stretch.believed_usec = stretch_counts_until(w);
        w->blocked_before |= w->blocked != REASON_NONE && (!crash || history_written_usec(database) > w->told_usec);
        if (crash) {
                w->unsure_least_usec += stretch_unkept_usec(&w->stretch, history_written_usec(database));
                stretch_forget_unwritten(&w->stretch, history_written_usec(database));
        }
        forget_evidence(w);
        w->leases = 0;
        w->restored_until_real_usec = w->lease_until_usec = w->call_until_usec = w->start_until_usec = w->grace_until_usec = 0;
        /* A request at the last moment is not saved: neither a pause nor its end. */
        if (crash && history_written_usec(database) <= w->paused_usec)
                pause_for_unknown_time(w);
        w->newest_start_unsure |= crash;
        w->met_unsure |= crash;
}

/* -- servers -------------------------------------------------------------------------------------------------------------------------- */


/*
 * OURS: our attempt was first. An attempt in flight, or one that failed a moment ago, waits for the same start: that may or may not be
 * ours.
 */
static void note_wake(struct witness *w, bool ours) {
        bool fails = w->needed_since_usec && w->logins_fail_since_usec >= w->needed_since_usec;
        bool tries = (w->in_flight && w->in_flight_check == CHECK_LOGIN) || fails;

        w->wake_shared = !ours && tries;
        w->wake_met_full = false;
        w->wake_began_usec = ours || tries ? w->in_flight_usec : 0;
        w->wake_wanted_usec = w->in_flight_wanted_usec;
        w->wake_waited_usec = w->in_flight_waited_usec;
        w->wake_began_monotonic_usec = clock_monotonic_usec() - (clock_boot_usec() - w->in_flight_usec);
        w->wake_causes = ours || tries ? w->in_flight_causes | (fails ? w->failing_causes : 0) : 0;
}

void witness_server_changed(const struct server *server, bool started) {
        for (unsigned i = 0; i < DATABASES_MAX; i++) {
                struct witness *w = &witnesses[i];

                if (started && routes[i].server == server)
                        note_wake(w, server->woken_by == i + 1);
                if (!started && w->stretch.server == server && w->stretch.ended_usec == 0)
                        w->stretch.ended_usec = clock_boot_usec();
        }
}

/* -- checks ----------------------------------------------------------------------------------------------------------------------------- */

static void count_check(struct witness *w, enum check check) {
        w->logins += check == CHECK_LOGIN;
        w->doors += check == CHECK_DOOR;
        w->pings += check == CHECK_PING;
}

/* Each refusal lengthens the minimum delay, by the configuration at that time. */
static uint64_t throttled_least(const struct witness *w) {
        uint64_t delay = w->config->retry_interval_usec;

        for (unsigned i = 1; i < w->throttled && delay < THROTTLED_CEILING_USEC; i++)
                delay *= 2;
        delay = MIN(delay, MAX(THROTTLED_CEILING_USEC, w->config->retry_interval_usec));
        return delay - delay / 1000 * w->config->jitter_permille;
}

static void assert_throttled(const struct witness *w, enum check check, const char *name) {
        if (w->throttled == 0 || check == CHECK_PING)
                return;
        if (clock_boot_usec() + TOGETHER_USEC < w->throttled_usec + w->throttled_least_usec)
                breach_note(INVARIANT_THROTTLED, "%s was throttled %u times in a row and is asked (%s) after %llu ms", name, w->throttled,
                            check_name(check), (unsigned long long)(clock_boot_usec() - w->throttled_usec) / 1000);
}

/* A check that a reload finds due as the host resumes is from before it. */
static bool keeps_awake(const struct witness *w) {
        return w->policy == POLICY_KEEP_AWAKE || (w->kept_awake_usec && w->kept_awake_usec + TOGETHER_USEC > clock_boot_usec());
}

/* A session that is cut as soon as it is answered is retried on the retry schedule, and waits for no slot meanwhile. */
static bool cut_young(const struct witness *w) {
        return w->session_ended_usec >= w->attempt_told_usec &&
               w->session_ended_usec < w->attempt_told_usec + 2 * MAX(w->config->down_interval_usec, w->config->retry_interval_usec);
}

/*
 * Whether the database was found not awake, with demand, since the last login: another login follows. While the host resumes nothing new is
 * found.
 */
static bool waits_anew(const struct witness *w) {
        uint64_t before = MAX(MAX(w->login_asked_usec, w->attempt_told_usec), loop_host_resumed_usec() + TOGETHER_USEC);

        return w->waits_since_usec > before && !w->waits_in_rhythm && !cut_young(w);
}

void witness_asked(unsigned database, const struct probe_request *request) {
        struct witness *w = &witnesses[database];
        const char *name = w->watched ? w->config->name : "a database";
        uint64_t now = clock_boot_usec();

        if (w->in_flight)
                breach_note(INVARIANT_ONE_ATTEMPT, "a %s to %s while a %s runs", check_name(request->check), name,
                            check_name(w->in_flight_check));
        w->in_flight = true;
        w->in_flight_unasked = false;
        w->in_flight_slow_usec = w->watched ? w->config->slow_usec : 0;
        /* A check that begins at the moment of a reload may be from before it. */
        if (w->reconfigured_usec == now)
                w->in_flight_slow_usec = MIN(w->in_flight_slow_usec, w->slow_before_usec);
        w->in_flight_check = request->check;
        w->in_flight_usec = w->in_flight_wanted_usec = w->in_flight_waited_usec = w->asked_usec = now;
        if (request->check == CHECK_LOGIN && w->needed_since_usec && MAX(w->needed_since_usec, w->session_ended_usec) > w->login_asked_usec)
                w->in_flight_wanted_usec = MAX(w->needed_since_usec, w->session_ended_usec);
        /*
         * A request for a database that is already under a lease waits from then on, and so does a database that is kept awake, from the
         * end of a pause.
         */
        if (request->check == CHECK_LOGIN && w->requested_usec > w->login_asked_usec)
                w->in_flight_wanted_usec = MIN(w->in_flight_wanted_usec, w->requested_usec);
        if (request->check == CHECK_LOGIN && w->paused_until_usec && w->paused_until_usec >= w->login_asked_usec)
                w->in_flight_wanted_usec = MIN(w->in_flight_wanted_usec, w->paused_until_usec);
        if (request->check == CHECK_LOGIN && waits_anew(w))
                w->in_flight_waited_usec = w->waits_since_usec;
        if (request->check == CHECK_LOGIN) {
                w->waits_in_rhythm = false;
                w->login_asked_usec = now;
                w->in_flight_causes = witness_causes_now(w);
        }
        count_check(w, request->check);
        if (!w->watched)
                return; /* the engine is starting, and its demand is not recorded yet */
        if (w->paused && now < w->paused_until_usec)
                breach_note(INVARIANT_PAUSED, "a %s to %s, which is paused", check_name(request->check), name);
        if (request->check != CHECK_DOOR && !keeps_awake(w) && !witness_needs(w))
                breach_note(INVARIANT_DEMAND, "a %s to %s, which nobody needs", check_name(request->check), name);
        assert_throttled(w, request->check, name);
}

/* -- what the daemon is told ----------------------------------------------------------------------------------------------------------- */

/* Only the newest start counts: an older one, of another server behind the same name, changes no generation. */
static void note_start(struct witness *w, const struct server_info *server) {
        uint64_t started = server->started_real_usec;
        bool newer;

        /* A start from before a restart that lies ahead of the wall clock is not believed any more: another one may pass for newer. */
        if (w->first && w->newest_start_usec > clock_real_usec() + USEC_PER_MINUTE) {
                w->newest_start_usec = 0;
                w->newest_start_unsure = true;
        }
        w->first = false;
        newer = w->newest_start_usec && started > w->newest_start_usec;
        w->generation_may += newer || w->newest_start_unsure;
        w->generation_must += newer && !w->newest_start_unsure;
        w->newest_start_unsure &= started < w->newest_start_usec;
        w->newest_start_usec = MAX(w->newest_start_usec, started);
}

/*
 * A provider may hand out a compute that was started a moment before the request: a start that is slightly older than our attempt passes
 * for ours (health/wake.c).
 */
#define COLD_SLACK_USEC (2 * USEC_PER_SEC)

/* Others caused it, or we did and the daemon does not remember, since it was restarted meanwhile. */
static void note_unknown_wake(struct witness *w, const struct server *server) {
        bool forgotten = server->woken_by == (unsigned)(w - witnesses) + 1;
        uint64_t tries_since = w->logins_fail_since_usec ? w->failing_login_usec : w->in_flight_usec;

        /* Since when it was needed is also uncertain if that depends on a `linger` that changed. */
        w->wake_shared = forgotten || server->started_usec + COLD_SLACK_USEC > tries_since || w->lingers_unsure_until_usec > server->started_usec;
        w->wake_causes = forgotten ? ALL_CAUSES : w->in_flight_causes | (w->logins_fail_since_usec ? w->failing_causes : 0);
}

/* The first login that meets a start of a suspending server ends a wake: ours, or somebody else's. */
static void note_wake_end(struct witness *w, const struct server *server) {
        uint64_t now = clock_boot_usec();
        bool known = w->met == server && w->met_start == server->starts, ours = w->wake_began_usec;

        if (!server_suspends(server))
                return;
        if (!known && !ours)
                note_unknown_wake(w, server);
        if (!known) {
                w->wakes_least += !w->met_unsure;
                w->wakes_most++;
                w->wakes_of_others += !ours;
        } else if (w->met_unsure) {
                w->wakes_most++;
                w->wake_shared = true;
                w->wake_causes = ALL_CAUSES;
        }
        /* If the host was suspended meanwhile, or there was no demand for a while, it may not have been one wake. */
        if (!known && ours && MAX(MAX(loop_host_resumed_usec(), w->need_began_usec), w->lingers_unsure_until_usec) > w->wake_wanted_usec)
                w->wake_shared = true;
        else if (!known && ours) {
                w->wake_answered_usec = now;
                w->wake_least_usec = clock_monotonic_usec() - w->wake_began_monotonic_usec + (w->wake_began_usec - w->wake_waited_usec);
                if (w->wake_met_full)
                        w->wake_least_usec = now - w->in_flight_usec;
                w->wake_most_usec = now - (w->failing_since_usec ? MIN(w->failing_wanted_usec, w->wake_wanted_usec) : w->wake_wanted_usec);
        }
        if (w->wake_shared)
                w->wake_causes |= w->in_flight_causes | w->failing_causes;
        w->met = server;
        w->met_start = server->starts;
        w->met_unsure = false;
        w->wake_began_usec = 0;
}

/* The part of an answer about its server, whatever the expectations. */
static void note_answered_by(struct witness *w, const struct attempt *attempt, const struct server *server) {
        note_start(w, &attempt->server);
        witness_note_replayed(w, &attempt->server, server);
        if (attempt->check == CHECK_LOGIN)
                note_wake_end(w, server);
        stretch_see(w, server, server->started_usec);
}

/* How a login ended. One that did not get as far, or was not answered, says nothing of what blocked the one before it. */
static void note_login(struct witness *w, enum reason reason) {
        enum reason_class class = reason_class(reason);
        bool starts = reason == REASON_SERVER_STARTING || reason == REASON_SERVER_RECOVERING;

        w->login_stands = reason != REASON_NONE;
        w->login_reason = reason;
        if (class == CLASS_BLOCKED)
                w->blocked = reason;
        else if (class == CLASS_OK || class == CLASS_DEGRADED || starts)
                w->blocked = REASON_NONE;
}

static void note_answer(struct witness *w, const struct attempt *attempt, const struct server *server) {
        note_answered_by(w, attempt, server);
        if (attempt->check == CHECK_LOGIN)
                note_login(w, REASON_NONE);
        w->answered_usec = clock_boot_usec();
        w->cut = w->unasked = false;
        w->failures = w->unanswered = 0;
        w->failing_since_usec = w->logins_fail_since_usec = 0;
}

/* It counts as awake: waiting calls need it for `linger` from now. */
void witness_risen(unsigned database) {
        struct witness *w = &witnesses[database];
        uint64_t lingers = usec_add(clock_boot_usec(), w->config->linger_usec);

        if (w->answered_usec != clock_boot_usec())
                return;
        w->login_failure = REASON_NONE;
        w->call_until_usec = MIN(w->call_until_usec, lingers);
        w->start_until_usec = MIN(w->start_until_usec, lingers);
}

static bool looks_like_wake(const struct server *server, enum reason reason) {
        return reason == REASON_SERVER_STARTING || reason == REASON_AUTH_TIMEOUT || reason == REASON_PROVIDER_TRANSIENT ||
               (reason == REASON_TCP_TIMEOUT && server->kind == SERVER_AURORA) || (reason_class(reason) == CLASS_FULL && server_suspends(server));
}

static void note_failure(struct witness *w, const struct attempt *attempt, const struct server *server) {
        enum reason_class class = reason_class(attempt->reason);

        if (w->failures++ == 0) {
                w->failing_since_usec = attempt->started_boot_usec;
                w->failing_wanted_usec = MIN(w->failing_since_usec, w->in_flight_wanted_usec);
        }
        if (attempt->check == CHECK_LOGIN && (w->logins_fail_since_usec == 0 || w->logins_fail_since_usec < w->needed_since_usec)) {
                /* A login in flight when the demand began continues from the logins before it. */
                if (w->logins_fail_since_usec == 0 || attempt->started_boot_usec >= w->needed_since_usec) {
                        w->failing_login_usec = attempt->started_boot_usec;
                        /* Nor did that need surely begin: it may be the one before it, which a reload let linger or not. */
                        if (w->logins_fail_since_usec == 0 || w->lingers_unsure_until_usec < w->logins_fail_since_usec)
                                w->failing_causes = 0;
                }
                w->logins_fail_since_usec = MAX(attempt->started_boot_usec, w->needed_since_usec);
        }
        if (attempt->check == CHECK_LOGIN)
                w->failing_causes |= w->in_flight_causes;
        w->wake_met_full |= class == CLASS_FULL;
        w->unanswered = class == CLASS_TRANSIENT || class == CLASS_THROTTLED || class == CLASS_CUT ? w->unanswered + 1 : 0;
        w->starts_between = (w->starts_between && w->unanswered > 1) || attempt->reason == REASON_SERVER_STARTING;
        if (attempt->check == CHECK_LOGIN || (attempt->check == CHECK_PING && class == CLASS_TRANSIENT))
                w->login_failure = attempt->reason;
        /* A wake whose login failed differently is given up; a later answer may be counted for any cause. */
        if (w->wake_began_usec && !looks_like_wake(server, attempt->reason))
                w->wake_shared = true, w->wake_causes = ALL_CAUSES;
        /* If our own network may have failed the login, nothing is claimed. */
        if (attempt->check == CHECK_LOGIN) {
                if (!attempt->own_network_suspect)
                        note_login(w, attempt->reason);
                else {
                        w->login_stands = false;
                        w->login_reason = REASON_NONE;
                }
        }
}

static void note_death(struct witness *w, enum reason reason, bool seen) {
        w->cut_reason = reason;
        w->generation_may++;
        w->generation_must += seen;
        w->cut = true;
        w->session_ended_usec = clock_boot_usec();
        stretch_note_death(&w->stretch);
}

/* Lack of our own resources says nothing about the database. */
static bool note_means(struct witness *w, const struct attempt *attempt) {
        w->lacked_means = attempt->reason == REASON_HOST_RESOURCES;
        if (w->lacked_means)
                w->lives_since_usec = 0;
        return !w->lacked_means;
}

/* It answers a check with the old expectations: that tells about the server, and is not judged. */
static bool note_unasked(struct witness *w, const struct attempt *attempt, const struct server *server) {
        bool answered = attempt->reason == REASON_NONE || attempt->reason == REASON_QUERY_FAILED;

        if (!w->in_flight_unasked || attempt->check == CHECK_DOOR || !answered)
                return false;
        if (attempt->reason == REASON_NONE) {
                note_answered_by(w, attempt, server);
                w->failures = w->unanswered = 0;
                if (attempt->check == CHECK_LOGIN)
                        note_login(w, REASON_NONE);
        }
        w->session = attempt->session_held;
        return true;
}

static void told_attempt(struct witness *w, const struct attempt *attempt, const struct server *server, bool died) {
        enum reason reason = attempt->reason;

        w->in_flight = false;
        w->attempt_told_usec = clock_boot_usec();
        if (!note_means(w, attempt) || note_unasked(w, attempt, server))
                return;
        if (reason == REASON_NONE && attempt->check != CHECK_DOOR)
                reason = witness_judge(w, &attempt->server, server);
        w->told = true;
        w->told_check = attempt->check;
        w->told_asked_usec = w->asked_usec;
        w->told_reason = reason;
        w->told_own_network = attempt->own_network_suspect;
        w->told_unsure = w->in_flight_usec == w->reconfigured_usec;
        if (attempt->check == CHECK_LOGIN)
                w->blocked_before = w->was_blocked = false;
        w->lives_since_usec = 0;
        w->throttled = reason == REASON_PROVIDER_THROTTLED ? w->throttled + 1 : 0;
        if (w->throttled > 0) {
                w->throttled_usec = clock_boot_usec();
                w->throttled_least_usec = throttled_least(w);
        }
        if (died && w->session)
                note_death(w, attempt->reason, attempt->session_ended);
        if (attempt->reason != REASON_NONE)
                note_failure(w, attempt, server);
        else if (attempt->check == CHECK_DOOR)
                w->unanswered = w->login_failure == REASON_NONE ? 0 : w->unanswered; /* no door check clears a login's finding */
        else {
                note_answer(w, attempt, server);
                w->unmet_reason = reason;
        }
        w->session = attempt->session_held;
}

void witness_told(unsigned database, const struct probe_report *report, const struct server *server, bool died) {
        struct witness *w = &witnesses[database];

        w->told_usec = clock_boot_usec();
        if (report->attempt.reason != REASON_HOST_RESOURCES)
                w->doubted_usec = w->told_usec;
        if (report->kind == PROBE_REPORT_ATTEMPT) {
                told_attempt(w, &report->attempt, server, died);
                return;
        }
        if (!w->session)
                return;
        w->session = false;
        w->told = true;
        w->told_check = CHECK_PING;
        w->told_reason = report->attempt.reason;
        w->told_own_network = false;
        note_death(w, report->attempt.reason, true);
}

void witness_dropped_session(unsigned database) {
        witnesses[database].session = false;
}

void witness_forgot(unsigned database) {
        witnesses[database].session = witnesses[database].in_flight = false;
}
