#include "http/deadlines.h"

#include "base/clock.h"
#include "base/macro.h"

#include <assert.h>

static uint64_t due(const struct deadlines *deadlines, const struct deadline *deadline) {
        return usec_add(deadline->since_usec, deadlines->class_usec[deadline->class]);
}

static void deadlines_on_timer(void *userdata) {
        struct deadlines *deadlines = userdata;
        uint64_t next = USEC_INFINITY;

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
        timer_set(&deadlines->timer, next);
}

int deadlines_init(struct deadlines *deadlines, sd_event *event, const uint64_t *class_usec, unsigned n,
                   void (*expired)(struct deadline *deadline)) {
        assert(n <= DEADLINE_CLASSES_MAX);
        *deadlines = (struct deadlines){.event = event, .class_usec = class_usec, .n_classes = n, .expired = expired};
        for (unsigned class = 0; class < n; class++)
                TAILQ_INIT(&deadlines->members[class]);
        return timer_init(&deadlines->timer, event, CLOCK_BOOTTIME, 100 * USEC_PER_MSEC, "deadlines", deadlines_on_timer, deadlines);
}

void deadlines_deinit(struct deadlines *deadlines) {
        timer_deinit(&deadlines->timer);
}

void deadlines_update_now(struct deadlines *deadlines) {
        if (sd_event_now(deadlines->event, CLOCK_BOOTTIME, &deadlines->now_usec) < 0)
                deadlines->now_usec = clock_boot_usec();
}

static void deadlines_append(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        assert(class < deadlines->n_classes);
        *deadline = (struct deadline){.class = class, .since_usec = deadlines->now_usec};
        TAILQ_INSERT_TAIL(&deadlines->members[class], deadline, link);
        /* A timer that is early stays as it is: it finds nothing due and is set again. Most changes need no system call. */
        if (due(deadlines, deadline) < deadlines->timer.usec)
                timer_set(&deadlines->timer, due(deadlines, deadline));
}

void deadlines_join(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        deadlines->n_members++;
        deadlines_append(deadlines, deadline, class);
}

void deadlines_leave(struct deadlines *deadlines, struct deadline *deadline) {
        TAILQ_REMOVE(&deadlines->members[deadline->class], deadline, link);
        assert(deadlines->n_members > 0);
        if (--deadlines->n_members == 0)
                timer_set(&deadlines->timer, USEC_INFINITY);
}

void deadlines_change(struct deadlines *deadlines, struct deadline *deadline, unsigned class) {
        TAILQ_REMOVE(&deadlines->members[deadline->class], deadline, link);
        deadlines_append(deadlines, deadline, class);
}
