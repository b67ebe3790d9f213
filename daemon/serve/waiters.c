#include "serve/waiters.h"

#include "base/clock.h"
#include "base/error.h"
#include "serve/answer.h"

/*
 * A good door makes an unknown database acceptable to ?accept=asleep, but is no edge of its state. Who waits for that is looked at this
 * often as well.
 */
#define ASLEEP_LOOK_USEC USEC_PER_SEC

struct waiters {
        struct site *site;
        struct waiter *first;
        sd_event_source *look_source;
        sd_event_source *timer_source;
        uint64_t timer_usec; /* what it is set to; USEC_INFINITY: off */
};

static void set_timer(struct waiters *waiters, uint64_t usec) {
        if (usec == waiters->timer_usec)
                return;
        waiters->timer_usec = usec;
        if (usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(waiters->timer_source, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(waiters->timer_source, usec);
        (void)sd_event_source_set_enabled(waiters->timer_source, SD_EVENT_ONESHOT);
}

static void remove_waiter(struct waiter *waiter) {
        struct waiters *waiters = waiter->site->waiters;

        *(waiter->previous ? &waiter->previous->next : &waiters->first) = waiter->next;
        if (waiter->next)
                waiter->next->previous = waiter->previous;
        free(waiter);
        if (!waiters->first)
                set_timer(waiters, USEC_INFINITY);
}

/* A database whose settings a reload changed is another target of the same name: who waits goes on waiting. */
static const struct target *find_target(struct waiter *waiter) {
        const struct registry *registry = engine_registry(waiter->site->engine);
        const struct target *target;

        if (!waiter->target_id)
                return NULL;
        target = registry_by_id(registry, waiter->target_id);
        if (!target) {
                target = registry_by_name(registry, waiter->name);
                if (target)
                        waiter->target_id = target->id;
        }
        return target;
}

/* When it must be looked at again though nothing was told. */
static uint64_t look_again(const struct waiter *waiter, uint64_t now_usec) {
        return waiter->accept_asleep ? MIN(waiter->deadline_usec, now_usec + ASLEEP_LOOK_USEC) : waiter->deadline_usec;
}

/* Whether it was answered, and is gone. */
static bool look_at(struct waiter *waiter, uint64_t now_usec) {
        const struct target *target = find_target(waiter);

        if (waiter->site->stopping)
                answer_stopping(waiter->site, waiter->exchange);
        else if (waiter->target_id && !target)
                answer_unknown_database(waiter->site, waiter->exchange, waiter->name);
        else if (waiter->deadline_usec <= now_usec || waiter->met(waiter, target))
                waiter->answer(waiter, target);
        else
                return false;
        remove_waiter(waiter);
        return true;
}

static void look_at_all(struct waiters *waiters) {
        uint64_t now_usec = clock_boot_usec(), earliest = USEC_INFINITY;
        struct waiter *next;

        for (struct waiter *waiter = waiters->first; waiter; waiter = next) {
                next = waiter->next;
                if (!look_at(waiter, now_usec))
                        earliest = MIN(earliest, look_again(waiter, now_usec));
        }
        set_timer(waiters, earliest);
}

static int on_look(sd_event_source *source, void *userdata) {
        (void)source;
        look_at_all(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct waiters *waiters = userdata;

        (void)source;
        (void)usec;
        waiters->timer_usec = USEC_INFINITY;
        look_at_all(waiters);
        return 0;
}

/* The client left. */
static void on_left(void *userdata) {
        remove_waiter(userdata);
}

void waiters_add(struct waiters *waiters, const struct waiter *waiter, uint64_t wait_usec) {
        struct waiter *copy = malloc(sizeof(*copy));
        uint64_t now_usec = clock_boot_usec();

        if (!copy) {
                waiter->answer(waiter, waiter->target_id ? registry_by_id(engine_registry(waiter->site->engine), waiter->target_id) : NULL);
                return;
        }
        *copy = *waiter;
        copy->deadline_usec = usec_add(now_usec, wait_usec);
        copy->previous = NULL;
        copy->next = waiters->first;
        if (copy->next)
                copy->next->previous = copy;
        waiters->first = copy;
        set_timer(waiters, MIN(waiters->timer_usec, look_again(copy, now_usec)));
        exchange_hold(copy->exchange, on_left, copy);
}

void waiters_notify(struct waiters *waiters) {
        /* In this turn of the loop more may change, and the registry counts them all first. */
        if (waiters->first)
                (void)sd_event_source_set_enabled(waiters->look_source, SD_EVENT_ONESHOT);
}

void waiters_stop(struct waiters *waiters) {
        look_at_all(waiters);
}

int waiters_new(struct site *site, struct waiters **ret_waiters) {
        struct waiters *waiters = calloc(1, sizeof(*waiters));
        int r;

        if (!waiters)
                return -ENOMEM;
        waiters->site = site;
        waiters->timer_usec = USEC_INFINITY;
        r = sd_event_add_defer(site->event, &waiters->look_source, on_look, waiters);
        if (r >= 0)
                r = sd_event_source_set_enabled(waiters->look_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(site->event, &waiters->timer_source, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_MSEC, on_timer, waiters);
        if (r >= 0)
                r = sd_event_source_set_enabled(waiters->timer_source, SD_EVENT_OFF);
        if (r < 0) {
                waiters_free(waiters);
                return r;
        }
        (void)sd_event_source_set_description(waiters->look_source, "waiters");
        (void)sd_event_source_set_description(waiters->timer_source, "waiters-deadline");
        *ret_waiters = waiters;
        return 0;
}

struct waiters *waiters_free(struct waiters *waiters) {
        if (!waiters)
                return NULL;
        sd_event_source_disable_unref(waiters->look_source);
        sd_event_source_disable_unref(waiters->timer_source);
        free(waiters);
        return NULL;
}
