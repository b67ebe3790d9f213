/*
 * A stage for one database: time is a number, the server is a script, so that whole days run in microseconds. A step that is not due
 * fails the test at once.
 */
#pragma once

#include "unit.h"

#include "base/clock.h"
#include "base/text.h"
#include "health/step.h"

#define SEC USEC_PER_SEC
#define MIN_ USEC_PER_MINUTE
#define MSEC USEC_PER_MSEC

#define SCENE_LOG_MAX 256

/* A connection's settings as config/ makes them, for HOST. */
struct unit_conninfo {
        struct conninfo conninfo;
        const char *keywords[5];
        char *values[5];
};

static inline struct conninfo *unit_conninfo(struct unit_conninfo *c, const char *host) {
        static char port[] = "5432", user[] = "app", dbname[] = "app";

        *c = (struct unit_conninfo){
                .keywords = {"host", "port", "user", "dbname", NULL},
                .values = {(char *)host, port, user, dbname, NULL},
        };
        c->conninfo.n = 4;
        c->conninfo.keywords = c->keywords;
        c->conninfo.values = c->values;
        c->conninfo.references = 1;
        return &c->conninfo;
}

/* The defaults of design.md, without jitter so that times are exact. */
static inline struct database_config unit_config(const char *name, struct conninfo *conninfo) {
        return (struct database_config){
                .name = (char *)name,
                .conninfo = conninfo,
                .provider = "auto",
                .policy = POLICY_AUTO,
                .ping_interval_usec = 10 * SEC,
                .login_interval_usec = 60 * SEC,
                .door_interval_usec = 30 * SEC,
                .retry_interval_usec = 1 * SEC,
                .down_interval_usec = 15 * SEC,
                .blocked_interval_usec = 5 * MIN_,
                .attempt_timeout_usec = 30 * SEC,
                .slow_usec = 500 * MSEC,
                .wake_timeout_usec = 3 * MIN_,
                .rise = 1,
                .fall = 3,
                .linger_usec = 60 * SEC,
                .wake_at_start = true,
                .required = true,
        };
}

struct scene_edge {
        struct event event;
        struct attempt attempt;
};

struct scene {
        struct unit_conninfo conninfo;
        struct database_config config;
        struct database *t;
        struct instant now;
        struct scene_edge log[SCENE_LOG_MAX];
        unsigned logged, read;
        uint64_t next_attempt;
        enum phase phase;           /* where an attempt in flight is seen when it is slow */
        bool never_holds;           /* the prober holds no session */
        uint64_t server_started_at; /* boot_usec; as a login reads it */
        struct server_info server;  /* the rest of a login's answer */
};

static inline void scene_note(struct scene *s, const struct event_list *events) {
        for (unsigned i = 0; i < events->n; i++) {
                const struct event *e = &events->list[i];

                assert_true(s->logged < SCENE_LOG_MAX);
                assert_string_equal(e->database, s->config.name);
                assert_int_equal(e->boot_usec, s->now.boot_usec);
                assert_int_equal(e->ready, e->state == STATE_AWAKE);
                s->log[s->logged++].event = *e;
        }
}

/* One step, as in the engine. Returns the reason for a refusal. */
static inline enum reason scene_step(struct scene *s, const struct input *input) {
        struct step step;

        database_step(s->t, input, s->now, &step);
        scene_note(s, &step.events);
        return step.refusal;
}

static inline enum reason scene_input(struct scene *s, enum input_kind kind) {
        return scene_step(s, &(struct input){.kind = kind});
}

static inline enum reason scene_wake(struct scene *s, enum wake_cause cause) {
        return scene_step(s, &(struct input){.kind = INPUT_WAKE, .cause = cause});
}

static inline struct scene scene(const char *host) {
        struct scene s = {
                /* Not at 0: that is "never". */
                .now = {.boot_usec = 1000 * SEC, .real_usec = UINT64_C(1800000000) * SEC, .suspended_usec = 5},
                .phase = PHASE_AUTH,
                .server = {.version = 150018},
        };

        (void)unit_conninfo(&s.conninfo, host);
        s.config = unit_config("main", NULL);
        return s;
}

static inline void scene_begin(struct scene *s) {
        s->config.conninfo = &s->conninfo.conninfo;
        s->conninfo.conninfo.keywords = s->conninfo.keywords;
        s->conninfo.conninfo.values = s->conninfo.values;
        assert_int_equal(database_new(7, &s->config, s->now, &s->t), 0);
        (void)scene_input(s, INPUT_START);
}

static inline void scene_end(struct scene *s) {
        s->t = database_free(s->t);
}

/* The next unread event. */
static inline const struct event *edge(struct scene *s) {
        if (s->read == s->logged)
                fail_msg("no event was told, but one was expected");
        return &s->log[s->read++].event;
}

static inline void no_edge(struct scene *s) {
        if (s->read < s->logged)
                fail_msg("an event too many: %s %s (%s)", event_kind_name(s->log[s->read].event.kind),
                         state_name(s->log[s->read].event.state), reason_slug(s->log[s->read].event.reason));
}

static inline void became(struct scene *s, enum state state, enum reason reason) {
        const struct event *e = edge(s);

        if (e->kind != EVENT_STATE || e->state != state || e->reason != reason)
                fail_msg("expected %s (%s), was told %s %s (%s)", state_name(state), reason_slug(reason),
                         event_kind_name(e->kind), state_name(e->state), reason_slug(e->reason));
}

/* The event of a wake that is not ours. */
static inline void others_woke(struct scene *s) {
        const struct event *e = edge(s);

        assert_int_equal(e->kind, EVENT_WAKE);
        assert_int_equal(e->cause, WAKE_OTHER);
        assert_int_equal(e->latency_usec, USEC_INFINITY);
        assert_false(e->cold);
}

static inline void is(struct scene *s, enum state state, enum reason reason) {
        if (s->t->state != state || s->t->reason != reason)
                fail_msg("expected %s (%s), is %s (%s)", state_name(state), reason_slug(reason), state_name(s->t->state),
                         reason_slug(s->t->reason));
        no_edge(s);
}

/* Does everything that is due by now. */
static inline void scene_tick(struct scene *s) {
        (void)scene_step(s, &(struct input){.kind = INPUT_TIME, .phase = s->phase});
        assert_true(database_due(s->t) > s->now.boot_usec);
}

static inline void scene_jump(struct scene *s, uint64_t boot_usec) {
        s->now.real_usec += boot_usec - s->now.boot_usec;
        s->now.boot_usec = boot_usec;
}

/* Lets USEC pass; whatever is due of time itself happens in its moment. */
static inline void pass(struct scene *s, uint64_t usec) {
        uint64_t goal = s->now.boot_usec + usec;

        while (database_due(s->t) <= goal) {
                scene_jump(s, MAX(s->now.boot_usec, database_due(s->t)));
                scene_tick(s);
        }
        scene_jump(s, goal);
}

/* Usec until the next check; USEC_INFINITY: none. */
static inline uint64_t next_in(const struct scene *s) {
        return usec_sub(policy_next(s->t).due_boot_usec, s->now.boot_usec);
}

static inline void next_is(const struct scene *s, enum check check, uint64_t in_usec) {
        struct plan plan = policy_next(s->t);

        if (plan.due_boot_usec == USEC_INFINITY)
                fail_msg("nothing is planned, expected a %s in %llu usec", check_name(check), (unsigned long long)in_usec);
        if (plan.check != check || next_in(s) != in_usec)
                fail_msg("expected a %s in %llu usec, planned is a %s in %llu usec", check_name(check), (unsigned long long)in_usec,
                         check_name(plan.check), (unsigned long long)next_in(s));
}

static inline void nothing_planned(const struct scene *s) {
        struct plan plan = policy_next(s->t);

        if (plan.due_boot_usec != USEC_INFINITY)
                fail_msg("a %s is planned in %llu usec", check_name(plan.check), (unsigned long long)next_in(s));
}

static inline void scene_begun(struct scene *s, enum check check) {
        (void)scene_step(s, &(struct input){.kind = INPUT_BEGUN, .check = check, .attempt_id = ++s->next_attempt});
}

static inline void scene_not_begun(struct scene *s, enum check check) {
        (void)scene_step(s, &(struct input){.kind = INPUT_NOT_BEGUN, .check = check});
}

/* Starts the check that is due now. */
static inline void start(struct scene *s, enum check check) {
        next_is(s, check, 0);
        scene_begun(s, check);
        nothing_planned(s);
}

/* A ping without a timely or valid answer ends the session too, but we close it. */
static inline bool scene_other_side_ended(enum reason reason) {
        enum reason_class class = reason_class(reason);

        return reason != REASON_QUERY_TIMEOUT && reason != REASON_PROTOCOL_GARBAGE && (class == CLASS_CUT || class == CLASS_TRANSIENT);
}

/* How the one in flight reads when it ends now. */
static inline struct attempt scene_attempt(const struct scene *s, enum reason reason) {
        struct attempt a = {
                .id = s->t->in_flight.id,
                .check = s->t->in_flight.check,
                .started_boot_usec = s->t->in_flight.began_boot_usec,
                .started_real_usec = s->now.real_usec - (s->now.boot_usec - s->t->in_flight.began_boot_usec),
                .ended_boot_usec = s->now.boot_usec,
                .total_usec = s->now.boot_usec - s->t->in_flight.began_boot_usec,
                .last_phase = PHASE_QUERY,
                .reason = reason,
        };

        if (reason == REASON_NONE && a.check != CHECK_DOOR) {
                a.server = s->server;
                a.server.uptime_usec = s->now.boot_usec - s->server_started_at;
                a.server.started_real_usec = s->now.real_usec - a.server.uptime_usec;
        }
        /* Like the prober: a good login replaces the session, a failed one leaves it, a failed ping ends it. */
        if (a.check == CHECK_LOGIN && reason == REASON_NONE)
                a.session_held = !s->never_holds && !s->t->provider->session_keeps_awake;
        else
                a.session_held = s->t->session_held && (a.check != CHECK_PING || reason == REASON_NONE);
        a.session_ended = a.check == CHECK_PING && s->t->session_held && !a.session_held && scene_other_side_ended(reason);
        if (reason != REASON_NONE)
                (void)text_copy(a.detail, sizeof(a.detail), reason_slug(reason));
        return a;
}

static inline void finish_as(struct scene *s, struct attempt attempt, bool own_network) {
        unsigned first = s->logged;

        (void)scene_step(s, &(struct input){.kind = INPUT_ATTEMPT, .attempt = &attempt, .own_network = own_network});
        for (unsigned i = first; i < s->logged; i++)
                s->log[i].attempt = attempt;
}

/* The one in flight takes TOOK and ends with REASON. */
static inline void ends(struct scene *s, uint64_t took, enum reason reason) {
        pass(s, took);
        assert_true(s->t->in_flight.id);
        finish_as(s, scene_attempt(s, reason), false);
}

/* Waits for the next check, which must be a CHECK after WAIT, and lets it end. */
static inline void check_after_wait(struct scene *s, uint64_t wait, enum check check, uint64_t took, enum reason reason) {
        next_is(s, check, wait);
        pass(s, wait);
        start(s, check);
        ends(s, took, reason);
}

static inline void session_ends(struct scene *s, enum reason reason, const char *sqlstate, bool bare_eof) {
        struct attempt end = {.reason = reason};

        (void)text_copy(end.sqlstate, sizeof(end.sqlstate), sqlstate);
        (void)scene_step(s, &(struct input){.kind = INPUT_SESSION_ENDED, .attempt = &end, .bare_eof = bare_eof});
}

static inline void pause_for(struct scene *s, uint64_t usec) {
        (void)scene_step(s, &(struct input){.kind = INPUT_PAUSE, .for_usec = usec});
}

static inline void host_sleeps(struct scene *s, uint64_t usec) {
        s->now.suspended_usec += usec;
        scene_jump(s, s->now.boot_usec + usec);
        (void)scene_input(s, INPUT_HOST_SUSPENDED);
        scene_tick(s);
}

/* The server starts now. */
static inline void server_starts(struct scene *s) {
        s->server_started_at = s->now.boot_usec;
}

/* A database on a plain server that runs for long, found awake by the first login. */
static inline void scene_awake(struct scene *s) {
        scene_begin(s);
        start(s, CHECK_LOGIN);
        ends(s, 20 * MSEC, REASON_NONE);
        became(s, STATE_AWAKE, REASON_NONE);
        no_edge(s);
}

/* A Neon database after start-up's wake and its linger: awake, only the sentinel watches. */
static inline void scene_sentinel(struct scene *s) {
        scene_begin(s);
        assert_int_equal(policy_of(s->t), POLICY_ON_DEMAND);
        start(s, CHECK_LOGIN);
        server_starts(s);
        ends(s, 300 * MSEC, REASON_NONE);
        became(s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(edge(s)->cause, WAKE_START);
        while (next_in(s) != USEC_INFINITY)
                if (database_due(s->t) <= policy_next(s->t).due_boot_usec)
                        pass(s, database_due(s->t) - s->now.boot_usec);
                else
                        check_after_wait(s, next_in(s), CHECK_PING, MSEC, REASON_NONE);
        is(s, STATE_AWAKE, REASON_NONE);
        assert_int_equal(s->t->demand_until_boot_usec, 0);
        assert_true(s->t->session_held);
}

static inline void sums_agree(const struct database *t) {
        uint64_t by_reason = 0, failed = 0, by_cause = 0;

        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                by_reason += t->counts.failures_by_reason[reason];
        for (unsigned check = 0; check < _CHECK_MAX; check++)
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        if (class != CLASS_OK)
                                failed += t->counts.attempts[check][class];
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                by_cause += t->counts.wakes_by_cause[cause];
        assert_int_equal(database_failures(t), by_reason);
        assert_int_equal(t->counts.failures_by_reason[REASON_NONE], 0);
        assert_true(failed <= database_failures(t)); /* the ends of sessions are no attempts */
        assert_int_equal(database_wakes(t), by_cause);
        /* How long those of others took is not known. */
        assert_int_equal(t->wake_latency ? t->wake_latency->count : 0, database_wakes(t) - t->counts.wakes_by_cause[WAKE_OTHER]);
}
