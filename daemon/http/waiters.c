#include "http/waiters.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "base/timer.h"
#include "http/answer.h"

#include <assert.h>

/*
 * A good door makes an unknown database acceptable to ?accept=asleep, but causes no event. Requests that wait for that are also checked at
 * this interval.
 */
#define ASLEEP_LOOK_USEC USEC_PER_SEC
/* Thousands may wait for the same: this is how long they are checked and answered before everything else has its turn. */
#define TURN_USEC (2 * USEC_PER_MSEC)

struct waiters {
        struct server *server;
        TAILQ_HEAD(waiter_list, waiter) all;
        size_t n_to_look_at; /* the first ones, at most this many, were not checked since a database changed */
        struct heap due;
        uint64_t spread; /* the position of the next release in its spread time, as a fraction of 2^64 */
        struct timer timer;
};

/* Called after each step. A time in the past continues with those that are left, after everything else had a turn. */
static void waiters_set_timer(struct waiters *waiters) {
        struct heap_item *first = heap_first(&waiters->due);

        timer_set(&waiters->timer, !first ? USEC_INFINITY : waiters->n_to_look_at > 0 ? 0 : first->key);
}

static void remove_waiter(struct waiter *waiter) {
        struct waiters *waiters = waiter->server->waiters;

        TAILQ_REMOVE(&waiters->all, waiter, link);
        heap_remove(&waiters->due, &waiter->due);
        free(waiter);
}

/* After a reload that changed its settings, a database has another id under the same name: its waiters go on waiting. */
static const struct database *waiter_find_database(struct waiter *waiter) {
        const struct registry *registry = engine_registry(waiter->server->engine);
        const struct database *database;

        if (!waiter->database_id)
                return NULL;
        database = registry_by_id(registry, waiter->database_id);
        if (!database) {
                database = registry_by_name(registry, waiter->name);
                if (database)
                        waiter->database_id = database->id;
        }
        return database;
}

/* When to check the waiter again if no database changes. */
static uint64_t look_again(const struct waiter *waiter, uint64_t now_usec) {
        uint64_t usec = MIN(waiter->deadline_usec, waiter->release_usec);

        return waiter->accept_asleep ? MIN(usec, now_usec + ASLEEP_LOOK_USEC) : usec;
}

/*
 * The next delay within the spread. Steps of the golden ratio divide the time evenly, however many there are, so that the number of waiters
 * need not be known. The first step is random, so that many daemons do not release theirs at the same times.
 */
static uint64_t next_moment(struct waiters *waiters, uint64_t spread_usec) {
        waiters->spread += UINT64_C(0x9e3779b97f4a7c15);
        return (waiters->spread >> 32) * spread_usec >> 32;
}

/* Returns whether the request is to be answered: its condition is met, and its delay has passed. */
static bool waiter_is_due(struct waiter *waiter, const struct database *database, uint64_t now_usec) {
        assert(!database == !waiter->database_id);
        if (waiter->deadline_usec <= now_usec || (waiter->hopeless && waiter->hopeless(waiter, database)))
                return true;
        if (!waiter->met(waiter, database)) {
                waiter->release_usec = USEC_INFINITY;
                return false;
        }
        if (waiter->release_usec == USEC_INFINITY)
                waiter->release_usec = now_usec + next_moment(waiter->server->waiters, waiter->spread_usec);
        return waiter->release_usec <= now_usec;
}

/* Answers it, or sets when to check again. */
static void waiter_look_at(struct waiter *waiter, uint64_t now_usec) {
        const struct database *database = waiter_find_database(waiter);
        int r;

        if (waiter->server->stopping)
                answer_stopping(waiter->server, waiter->exchange);
        else if (waiter->database_id && !database)
                answer_unknown_database(waiter->server, waiter->exchange, waiter->name);
        else if (waiter_is_due(waiter, database, now_usec))
                waiter->answer(waiter, database);
        else {
                r = heap_set(&waiter->server->waiters->due, &waiter->due, look_again(waiter, now_usec));
                assert(r >= 0); /* it has its place already */
                return;
        }
        remove_waiter(waiter);
}

/* Checks the first ones, until UNTIL: those that go on waiting move to the end. */
static void waiters_look_at_first(struct waiters *waiters, uint64_t until_usec) {
        uint64_t now_usec = clock_boot_usec();
        struct waiter *waiter;

        while (waiters->n_to_look_at > 0 && (waiter = TAILQ_FIRST(&waiters->all)) && clock_boot_usec() < until_usec) {
                waiters->n_to_look_at--;
                TAILQ_REMOVE(&waiters->all, waiter, link);
                TAILQ_INSERT_TAIL(&waiters->all, waiter, link);
                waiter_look_at(waiter, now_usec);
        }
        waiters_set_timer(waiters);
}

/* Checks only the waiters whose time has come. */
static void waiters_look_at_due(struct waiters *waiters) {
        uint64_t now_usec = clock_boot_usec();
        struct heap_item *first;

        while ((first = heap_first(&waiters->due)) && first->key <= now_usec && clock_boot_usec() < now_usec + TURN_USEC)
                waiter_look_at(container_of(first, struct waiter, due), now_usec);
        waiters_set_timer(waiters);
}

static void waiters_on_timer(void *userdata) {
        struct waiters *waiters = userdata;

        waiters_look_at_first(waiters, clock_boot_usec() + TURN_USEC);
        waiters_look_at_due(waiters);
}

/* The client left. */
static void waiter_on_left(void *userdata) {
        struct waiter *waiter = userdata;
        struct waiters *waiters = waiter->server->waiters;

        remove_waiter(waiter);
        waiters_set_timer(waiters);
}

/* NULL if memory runs out. */
static struct waiter *waiters_keep(struct waiters *waiters, const struct waiter *waiter, uint64_t wait_usec) {
        struct waiter *copy = malloc(sizeof(*copy));
        uint64_t now_usec = clock_boot_usec();

        if (!copy)
                return NULL;
        *copy = *waiter;
        copy->deadline_usec = usec_add(now_usec, wait_usec);
        copy->release_usec = USEC_INFINITY;
        copy->due = (struct heap_item){0};
        if (heap_set(&waiters->due, &copy->due, look_again(copy, now_usec)) < 0) {
                free(copy);
                return NULL;
        }
        TAILQ_INSERT_TAIL(&waiters->all, copy, link);
        waiters_set_timer(waiters);
        return copy;
}

void waiters_add(struct waiters *waiters, const struct waiter *waiter, uint64_t wait_usec) {
        const struct registry *registry = engine_registry(waiter->server->engine);
        struct waiter *copy = waiters_keep(waiters, waiter, wait_usec);

        if (copy)
                exchange_hold(copy->exchange, waiter_on_left, copy);
        else
                waiter->answer(waiter, waiter->database_id ? registry_by_id(registry, waiter->database_id) : NULL);
}

size_t waiters_count(const struct waiters *waiters) {
        return waiters->due.n; /* each has a deadline */
}

void waiters_notify(struct waiters *waiters) {
        /* More may change in this loop iteration; the waiters are checked after it. */
        waiters->n_to_look_at = waiters_count(waiters);
        waiters_set_timer(waiters);
}

void waiters_stop(struct waiters *waiters) {
        waiters->n_to_look_at = waiters_count(waiters);
        waiters_look_at_first(waiters, USEC_INFINITY);
}

int waiters_new(struct server *server, struct waiters **ret_waiters) {
        struct waiters *waiters = calloc(1, sizeof(*waiters));
        int r;

        if (!waiters)
                return -ENOMEM;
        waiters->server = server;
        TAILQ_INIT(&waiters->all);
        waiters->spread = random_seed();
        r = timer_init(&waiters->timer, server->event, CLOCK_BOOTTIME, USEC_PER_MSEC, "waiters", waiters_on_timer, waiters);
        if (r < 0) {
                waiters_free(waiters);
                return r;
        }
        *ret_waiters = waiters;
        return 0;
}

struct waiters *waiters_free(struct waiters *waiters) {
        if (!waiters)
                return NULL;
        assert(TAILQ_EMPTY(&waiters->all));
        timer_deinit(&waiters->timer);
        heap_deinit(&waiters->due);
        free(waiters);
        return NULL;
}
