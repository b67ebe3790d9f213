#include "http/deadlines.h"

#include "base/clock.h"

#include <assert.h>

static void deadlines_set_timer(struct deadlines *deadlines, uint64_t usec) {
        deadlines->timer_usec = usec;
        if (usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(deadlines->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(deadlines->timer, usec);
        (void)sd_event_source_set_enabled(deadlines->timer, SD_EVENT_ONESHOT);
}

static uint64_t due(const struct deadlines *deadlines, const struct deadline *deadline) {
        return usec_add(deadline->since_usec, deadlines->class_usec[deadline->class]);
}

static int deadlines_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct deadlines *deadlines = userdata;
        uint64_t next = USEC_INFINITY;

        (void)source;
        (void)usec;
        deadlines_update_now(deadlines);
        for (unsigned class = 0; class < deadlines->n_classes; class++) {
                struct deadline *first;

                while ((first = TAILQ_FIRST(&deadlines->members[class])) && due(deadlines, first) <= deadlines->now_usec) {
                        deadlines_change(deadlines, first, class);
                        deadlines->expired(first);
                }
                if (first)
                        next = MIN(next, due(deadlines, first));
        }
        deadlines_set_timer(deadlines, next);
        return 0;
}

int deadlines_init(struct deadlines *deadlines, sd_event *event, const uint64_t *class_usec, unsigned n,
                   void (*expired)(struct deadline *deadline)) {
        int r;

        assert(n <= DEADLINE_CLASSES_MAX);
        *deadlines = (struct deadlines){.timer_usec = USEC_INFINITY, .class_usec = class_usec, .n_classes = n, .expired = expired};
        for (unsigned class = 0; class < n; class++)
                TAILQ_INIT(&deadlines->members[class]);
        r = sd_event_add_time(event, &deadlines->timer, CLOCK_BOOTTIME, USEC_INFINITY, 100 * USEC_PER_MSEC, deadlines_on_timer, deadlines);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(deadlines->timer, "deadlines");
        return sd_event_source_set_enabled(deadlines->timer, SD_EVENT_OFF);
}

void deadlines_deinit(struct deadlines *deadlines) {
        deadlines->timer = sd_event_source_disable_unref(deadlines->timer);
}

void deadlines_update_now(struct deadlines *deadlines) {
        if (sd_event_now(sd_event_source_get_event(deadlines->timer), CLOCK_BOOTTIME, &deadlines->now_usec) < 0)
                deadlines->now_usec = clock_boot_usec();
}

static void deadlines_append(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        assert(class < deadlines->n_classes);
        *deadline = (struct deadline){.class = class, .since_usec = deadlines->now_usec};
        TAILQ_INSERT_TAIL(&deadlines->members[class], deadline, link);
        /* A timer that is early stays so: it finds nothing due and is set anew. Most changes need no system call. */
        if (due(deadlines, deadline) < deadlines->timer_usec)
                deadlines_set_timer(deadlines, due(deadlines, deadline));
}

void deadlines_join(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        deadlines->n_members++;
        deadlines_append(deadlines, deadline, class);
}

void deadlines_leave(struct deadlines *deadlines, struct deadline *deadline) {
        TAILQ_REMOVE(&deadlines->members[deadline->class], deadline, link);
        assert(deadlines->n_members > 0);
        if (--deadlines->n_members == 0)
                deadlines_set_timer(deadlines, USEC_INFINITY);
}

void deadlines_change(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        TAILQ_REMOVE(&deadlines->members[deadline->class], deadline, link);
        deadlines_append(deadlines, deadline, class);
}
