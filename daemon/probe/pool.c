/*
 * One timer of the main loop watches the probers. It runs only while attempts are in flight, and is put off as long as they end quickly: it
 * is set to 100 ms after the start of the oldest. An attempt that is still unanswered then is usually just waiting for its server. So the
 * timer looks at the probers themselves, and only one that is stuck inside a single call of libpq is detached (probe/workers.c). Each
 * further look for the same attempt waits twice as long, up to a second: a prober that gets stuck late may go unnoticed for that time,
 * unless another attempt waits for it as well.
 *
 * A worker whose prober was replaced ends its attempts in time by itself. One second after an attempt's deadline the pool ends it, as
 * trouble of our own: its worker has no thread (none could be started) or gets no processor. The worker's own report is dropped if it comes
 * later.
 */
#include "probe/pool.h"

#include "base/error.h"
#include "base/macro.h"
#include "base/timer.h"
#include "probe/workers.h"

#include <sys/epoll.h>

#define OVERDUE_USEC USEC_PER_SEC
#define LOOK_ACCURACY_USEC (10 * USEC_PER_MSEC)
#define LOOK_MAX_USEC USEC_PER_SEC
#define REPORTS_MAX 64
#define GIVE_UP_USEC (500 * USEC_PER_MSEC)

struct pool_database {
        uint64_t id;
        struct in_flight *in_flight; /* NULL: nothing runs */
};

struct probe_pool {
        sd_event *event;
        probe_report_handler handler;
        void *userdata;

        struct queue *reports; /* of struct probe_report */
        sd_event_source *reports_source;
        struct timer look;

        struct resolver *resolver;
        struct workers *workers;
        struct id_map databases;
        TAILQ_HEAD(, in_flight) in_flight; /* in the order of their starts */
};

/* Watching the probers. */

static void end_in_flight(struct probe_pool *pool, struct pool_database *database) {
        struct in_flight *in_flight = steal_pointer(&database->in_flight);

        TAILQ_REMOVE(&pool->in_flight, in_flight, link);
        in_flight_unref(in_flight);
        /* Detached probers are watched until they are logged or back. */
        if (TAILQ_EMPTY(&pool->in_flight) && !workers_has_detached(pool->workers))
                timer_set(&pool->look, USEC_INFINITY);
}

static uint64_t queued_of(const struct in_flight *in_flight) {
        return atomic_load_explicit(&in_flight->queued_usec, memory_order_relaxed);
}

static uint64_t in_flight_deadline(const struct in_flight *in_flight) {
        return usec_add(usec_add(in_flight->started_usec, queued_of(in_flight)), in_flight->timeout_usec);
}

static enum phase in_flight_phase(const struct in_flight *in_flight) {
        return (enum phase)atomic_load_explicit(&in_flight->phase, memory_order_relaxed);
}

/* Its worker did not end it: it has no thread, or no processor, which is not the database's fault. */
static void end_overdue(struct probe_pool *pool, const struct in_flight *in_flight) {
        enum phase phase = in_flight_phase(in_flight);
        struct probe_report report = {
                .kind = PROBE_REPORT_ATTEMPT,
                .database = in_flight->database,
                .attempt = {
                        .id = in_flight->attempt,
                        .check = in_flight->check,
                        .started_boot_usec = in_flight->started_boot_usec,
                        .started_real_usec = in_flight->started_real_usec,
                        .ended_boot_usec = clock_boot_usec(),
                        .total_usec = 1,
                        .last_phase = phase,
                        .reason = REASON_HOST_RESOURCES,
                        .detail = "no prober came to it in time",
                },
        };

        end_in_flight(pool, id_map_get(&pool->databases, in_flight->database));
        pool->handler(pool->userdata, &report);
}

/* The handler may start and forget attempts: the search restarts after each. */
static void end_all_overdue(struct probe_pool *pool, uint64_t now_usec) {
        const struct in_flight *in_flight = TAILQ_FIRST(&pool->in_flight);

        while (in_flight)
                if (usec_add(in_flight_deadline(in_flight), OVERDUE_USEC) <= now_usec) {
                        end_overdue(pool, in_flight);
                        in_flight = TAILQ_FIRST(&pool->in_flight);
                } else
                        in_flight = TAILQ_NEXT(in_flight, link);
}

static uint64_t next_look(struct probe_pool *pool, uint64_t now_usec) {
        uint64_t next = USEC_INFINITY;
        struct in_flight *in_flight;

        TAILQ_FOREACH(in_flight, &pool->in_flight, link) {
                if (in_flight->look_usec <= now_usec)
                        in_flight->look_usec = now_usec + MIN(MAX(usec_sub(now_usec, in_flight->started_usec), PROBER_STUCK_USEC), LOOK_MAX_USEC);
                next = MIN(next, in_flight->look_usec);
                next = MIN(next, usec_add(in_flight_deadline(in_flight), OVERDUE_USEC));
        }
        return next;
}

static void on_look(void *userdata) {
        struct probe_pool *pool = userdata;
        uint64_t now_usec = clock_monotonic_usec(), next;

        next = workers_look(pool->workers);
        end_all_overdue(pool, now_usec);
        timer_set(&pool->look, MIN(next, next_look(pool, now_usec)));
}

/* Reports. */

static void deliver(struct probe_pool *pool, const struct probe_report *report) {
        struct pool_database *database = id_map_get(&pool->databases, report->database);

        if (!database)
                return; /* forgotten meanwhile */
        if (report->kind == PROBE_REPORT_ATTEMPT) {
                if (!database->in_flight || database->in_flight->attempt != report->attempt.id)
                        return; /* the pool has ended it already */
                end_in_flight(pool, database);
        }
        pool->handler(pool->userdata, report);
}

static int on_reports(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct probe_pool *pool = userdata;
        struct probe_report report;

        (void)source;
        (void)fd;
        (void)revents;
        for (unsigned i = 0; i < REPORTS_MAX && queue_pop(pool->reports, &report) > 0; i++)
                deliver(pool, &report);
        return 0;
}

/* Requests. */

static int pool_add_database(struct probe_pool *pool, uint64_t id, struct pool_database **ret_database) {
        struct pool_database *database = id_map_get(&pool->databases, id);
        int r;

        if (!database) {
                database = calloc(1, sizeof(*database));
                if (!database)
                        return -ENOMEM;
                database->id = id;
                r = id_map_put(&pool->databases, id, database);
                if (r < 0) {
                        free(database);
                        return r;
                }
        }
        *ret_database = database;
        return 0;
}

static int make_in_flight(const struct probe_request *request, struct in_flight **ret_in_flight) {
        struct in_flight *in_flight = in_flight_new();

        if (!in_flight)
                return -ENOMEM;
        in_flight->database = request->database;
        in_flight->attempt = request->attempt;
        in_flight->check = request->check;
        in_flight->started_usec = clock_monotonic_usec();
        in_flight->started_boot_usec = clock_boot_usec();
        in_flight->started_real_usec = clock_real_usec();
        in_flight->timeout_usec = request->timeout_usec;
        in_flight->look_usec = in_flight->started_usec + PROBER_STUCK_USEC;
        *ret_in_flight = in_flight;
        return 0;
}

static int copy_string(const char *text, char **ret_copy) {
        char *copy = text ? strdup(text) : NULL;

        if (text && !copy)
                return -ENOMEM;
        *ret_copy = copy;
        return 0;
}

/* Takes one of IN_FLIGHT's references in any case. */
static int make_attempt_request(const struct probe_request *request, struct in_flight *in_flight, struct attempt_request *ret_request) {
        *ret_request = (struct attempt_request){
                .attempt = request->attempt,
                .check = request->check,
                .conninfo = conninfo_ref(request->conninfo),
                .provider = request->provider,
                .timeout_usec = request->timeout_usec,
                .want_lag = request->want_lag,
                .hold_session = request->hold_session,
                .in_flight = in_flight,
        };
        if (copy_string(request->expect_query, &ret_request->expect_query) < 0 ||
            copy_string(request->expect_value, &ret_request->expect_value) < 0)
                return -ENOMEM;
        return 0;
}

int probe_pool_check(struct probe_pool *pool, const struct probe_request *request) {
        struct worker_message message = { .kind = WORKER_CHECK, .database = request->database };
        struct pool_database *database;
        struct in_flight *in_flight;
        int r;

        if (request->database == 0)
                return -EINVAL;
        r = pool_add_database(pool, request->database, &database);
        if (r < 0)
                return r;
        if (database->in_flight)
                return -EBUSY;
        r = make_in_flight(request, &in_flight);
        if (r < 0)
                return r;
        r = make_attempt_request(request, in_flight, &message.request);
        if (r == 0)
                r = workers_push(pool->workers, &message);
        if (r < 0) {
                attempt_request_deinit(&message.request);
                in_flight_unref(in_flight);
                return r;
        }
        database->in_flight = in_flight;
        TAILQ_INSERT_TAIL(&pool->in_flight, in_flight, link);
        if (pool->look.usec > in_flight->look_usec)
                timer_set(&pool->look, in_flight->look_usec);
        return 0;
}

bool probe_pool_phase(struct probe_pool *pool, uint64_t id, enum phase *ret_phase) {
        const struct pool_database *database = id_map_get(&pool->databases, id);

        if (!database || !database->in_flight)
                return false;
        *ret_phase = in_flight_phase(database->in_flight);
        return true;
}

void probe_pool_drop_session(struct probe_pool *pool, uint64_t database) {
        const struct worker_message message = { .kind = WORKER_DROP_SESSION, .database = database };

        if (id_map_get(&pool->databases, database))
                (void)workers_push(pool->workers, &message);
}

void probe_pool_forget(struct probe_pool *pool, uint64_t id) {
        const struct worker_message message = { .kind = WORKER_FORGET, .database = id };
        struct pool_database *database = id_map_take(&pool->databases, id);

        if (!database)
                return;
        if (database->in_flight)
                end_in_flight(pool, database);
        free(database);
        (void)workers_push(pool->workers, &message);
}

void probe_pool_stats(struct probe_pool *pool, struct probe_pool_stats *ret_stats) {
        uint64_t now_usec = clock_monotonic_usec();
        const struct in_flight *in_flight;
        struct probe_pool_stats stats = {
                .probers = workers_size(pool->workers),
                .replaced = workers_replaced(pool->workers),
                .resolver_threads = resolver_threads(pool->resolver),
                .names_waiting = resolver_waiting(pool->resolver),
        };

        TAILQ_FOREACH(in_flight, &pool->in_flight, link)
                stats.overdue_usec = MAX(stats.overdue_usec, usec_sub(now_usec, in_flight_deadline(in_flight)));
        *ret_stats = stats;
}

/* Beginning and end. */

static int pool_add_sources(struct probe_pool *pool) {
        int r;

        r = sd_event_add_io(pool->event, &pool->reports_source, queue_fd(pool->reports), EPOLLIN, on_reports, pool);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(pool->reports_source, "probe-reports");
        return timer_init(&pool->look, pool->event, CLOCK_MONOTONIC, LOOK_ACCURACY_USEC, "probe-look", on_look, pool);
}

static int pool_start(struct probe_pool *pool, unsigned n_probers) {
        int r;

        r = queue_new(sizeof(struct probe_report), &pool->reports);
        if (r < 0)
                return r;
        r = pool_add_sources(pool);
        if (r < 0)
                return r;
        r = resolver_new(worker_deliver, &pool->resolver);
        if (r < 0)
                return r;
        return workers_new(n_probers, pool->reports, pool->resolver, &pool->workers);
}

int probe_pool_new(sd_event *event, unsigned n_probers, probe_report_handler handler, void *userdata, struct probe_pool **ret_pool) {
        struct probe_pool *pool = calloc(1, sizeof(*pool));
        int r;

        if (!pool)
                return -ENOMEM;
        TAILQ_INIT(&pool->in_flight);
        pool->event = sd_event_ref(event);
        pool->handler = handler;
        pool->userdata = userdata;
        r = pool_start(pool, n_probers);
        if (r < 0) {
                probe_pool_free(pool, GIVE_UP_USEC);
                return r;
        }
        *ret_pool = pool;
        return 0;
}

static void free_databases(struct probe_pool *pool) {
        struct pool_database *database;
        size_t position = 0;

        while ((database = id_map_next(&pool->databases, &position))) {
                in_flight_unref(database->in_flight);
                free(database);
        }
        id_map_deinit(&pool->databases);
}

void probe_pool_stop(struct probe_pool *pool) {
        workers_say_goodbye(pool->workers);
}

struct probe_pool *probe_pool_free(struct probe_pool *pool, uint64_t timeout_usec) {
        if (!pool)
                return NULL;
        sd_event_source_disable_unref(pool->reports_source);
        timer_deinit(&pool->look);
        if (pool->workers)
                workers_stop(pool->workers, timeout_usec);
        /* Before the workers: the resolver delivers to them. */
        resolver_free(pool->resolver);
        if (workers_free(pool->workers))
                queue_free(pool->reports);
        free_databases(pool);
        sd_event_unref(pool->event);
        free(pool);
        return NULL;
}
