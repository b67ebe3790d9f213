/*
 * The engine on a real sd_event, over a pool of probers that is a script: it takes checks, and a test says how each ends. Included once by
 * a test; it stands in for probe/.
 */
#pragma once

#include "scene.h"

#include "probe/pool.h"
#include "scheduler/engine.h"

#include <errno.h>
#include <stdio.h>

#define DATABASES_MAX 64

/* -- the pool that is a script ---------------------------------------------------------------------------------------------------- */

struct probe_pool {
        probe_report_handler handler;
        void *userdata;
        struct probe_request running[DATABASES_MAX];
        unsigned n_running;
        uint64_t started[1000]; /* the databases, in the order in which their checks were started */
        unsigned n_started;
        unsigned forgotten;
        int error; /* of the next checks */
        enum phase phase;
};

static struct probe_pool *pool;

int probe_pool_new(sd_event *event, unsigned n_probers, probe_report_handler handler, void *userdata, struct probe_pool **ret_pool) {
        assert_non_null(event);
        assert_in_range(n_probers, 1, 4);
        assert_null(pool);
        pool = calloc(1, sizeof(*pool));
        pool->handler = handler;
        pool->userdata = userdata;
        pool->phase = PHASE_AUTH;
        *ret_pool = pool;
        return 0;
}

void probe_pool_stop(struct probe_pool *p) {
        (void)p;
}

struct probe_pool *probe_pool_free(struct probe_pool *p, uint64_t timeout_usec) {
        (void)timeout_usec;
        assert_ptr_equal(p, pool);
        free(p);
        pool = NULL;
        return NULL;
}

static inline struct probe_request *running(uint64_t database) {
        for (unsigned i = 0; i < pool->n_running; i++)
                if (pool->running[i].database == database)
                        return &pool->running[i];
        return NULL;
}

/* At most one a database, under whatever id: those of a name are on one host. */
static inline void assert_one_at_once(const struct probe_request *request) {
        const char *host = conninfo_get(request->conninfo, "host");

        for (unsigned i = 0; i < pool->n_running; i++)
                if (streq(conninfo_get(pool->running[i].conninfo, "host"), host))
                        fail_msg("%s is asked twice at once", host);
}

int probe_pool_check(struct probe_pool *p, const struct probe_request *request) {
        if (p->error)
                return p->error;
        assert_one_at_once(request);
        assert_true(p->n_running < DATABASES_MAX && p->n_started < ARRAY_LENGTH(p->started));
        p->running[p->n_running++] = *request;
        p->started[p->n_started++] = request->database;
        return 0;
}

bool probe_pool_phase(struct probe_pool *p, uint64_t database, enum phase *ret_phase) {
        *ret_phase = p->phase;
        return running(database) != NULL;
}

void probe_pool_drop_session(struct probe_pool *p, uint64_t database) {
        (void)p;
        (void)database;
}

static inline void stop_running(uint64_t database) {
        struct probe_request *request = running(database);

        if (request)
                *request = pool->running[--pool->n_running];
}

void probe_pool_forget(struct probe_pool *p, uint64_t database) {
        p->forgotten++;
        stop_running(database);
}

void probe_pool_stats(struct probe_pool *p, struct probe_pool_stats *ret_stats) {
        (void)p;
        *ret_stats = (struct probe_pool_stats){.probers = 1};
}

/* -- the stage -------------------------------------------------------------------------------------------------------------------- */

struct stage {
        sd_event *event;
        struct engine *engine;
        struct config config;
        struct database_config databases[DATABASES_MAX];
        struct database_config *by_name[DATABASES_MAX];
        struct unit_conninfo conninfos[DATABASES_MAX];
        char names[DATABASES_MAX][24];
};

static inline int compare(const void *a, const void *b) {
        return strcmp((*(struct database_config *const *)a)->name, (*(struct database_config *const *)b)->name);
}

/* A configuration of N databases db00, db01, ... on hosts of their own. */
static inline void stage_config(struct stage *s, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char *host = s->names[i]; /* any name will do; it only must be another */

                (void)snprintf(s->names[i], sizeof(s->names[i]), "db%02zu", i);
                s->databases[i] = unit_config(s->names[i], unit_conninfo(&s->conninfos[i], host));
                s->by_name[i] = &s->databases[i];
        }
        qsort(s->by_name, n, sizeof(s->by_name[0]), compare);
        s->config = (struct config){.attempts_in_flight = 64, .databases = s->databases, .n_databases = n, .by_name = s->by_name};
}

static inline struct stage *stage_new(size_t n) {
        struct stage *s = calloc(1, sizeof(*s));

        pool = NULL; /* a test that failed left its own */
        assert_int_equal(sd_event_new(&s->event), 0);
        stage_config(s, n);
        return s;
}

static inline void stage_begin(struct stage *s) {
        assert_int_equal(engine_new(s->event, &s->config, NULL, &s->engine), 0);
}

static inline void stage_end(struct stage *s) {
        s->engine = engine_free(s->engine, 0);
        assert_null(pool);
        s->event = sd_event_unref(s->event);
        free(s);
}

/* One loop iteration, waiting at most WAIT_USEC; returns whether something happened. */
static inline bool turn(struct stage *s, uint64_t wait_usec) {
        int r = sd_event_run(s->event, wait_usec);

        assert_true(r >= 0);
        return r > 0;
}

static inline struct database *database_named(struct stage *s, const char *name) {
        struct database *t = registry_by_name(engine_registry(s->engine), name);

        assert_non_null(t);
        return t;
}

static inline struct probe_report report_of(const struct database *t, enum reason reason) {
        uint64_t now = clock_boot_usec();

        return (struct probe_report){
                .kind = PROBE_REPORT_ATTEMPT,
                .database = t->id,
                .attempt = {
                        .id = t->in_flight.id,
                        .check = t->in_flight.check,
                        .started_boot_usec = t->in_flight.began_boot_usec,
                        .started_real_usec = clock_real_usec(),
                        .ended_boot_usec = now,
                        .total_usec = now - t->in_flight.began_boot_usec,
                        .reason = reason,
                        .session_held = reason == REASON_NONE && t->in_flight.check != CHECK_DOOR,
                        .server = {.uptime_usec = USEC_PER_DAY, .started_real_usec = 1},
                },
        };
}

static inline void report(struct stage *s, const struct database *t, enum reason reason) {
        struct probe_report r = report_of(t, reason);

        (void)s;
        assert_non_null(running(t->id));
        stop_running(t->id);
        pool->handler(pool->userdata, &r);
}

static inline void cut_session(const struct database *t) {
        const struct probe_report r = {
                .kind = PROBE_REPORT_SESSION,
                .database = t->id,
                .attempt = {.reason = REASON_SESSION_CUT, .sqlstate = "57P01"},
        };

        pool->handler(pool->userdata, &r);
}

static inline struct engine_stats stats(struct stage *s) {
        struct engine_stats answer;
        unsigned pings = 0;

        engine_stats(s->engine, &answer);
        for (unsigned i = 0; i < pool->n_running; i++)
                pings += pool->running[i].check == CHECK_PING;
        assert_int_equal(answer.in_flight + pings, pool->n_running);
        return answer;
}

/* Whether the process sleeps: no event within a while. */
static inline void nothing_happens(struct stage *s) {
        assert_false(turn(s, 30 * MSEC));
}
