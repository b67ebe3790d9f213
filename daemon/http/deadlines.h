/*
 * Deadlines: members in classes of one constant time each, so that a class stays in the order of its deadlines by appending, and
 * giving a member a new deadline costs neither a search nor (mostly) a system call. One timer for all.
 */
#pragma once

#include "base/timer.h"

#include <sys/queue.h>

#define DEADLINE_CLASSES_MAX 8

struct deadline {
        unsigned class;
        uint64_t since_usec;
        TAILQ_ENTRY(deadline) link;
};

struct deadlines {
        sd_event *event;
        struct timer timer;
        uint64_t now_usec;   /* of this turn of the loop */
        const uint64_t *class_usec;
        unsigned n_classes;
        size_t n_members;
        TAILQ_HEAD(deadline_list, deadline) members[DEADLINE_CLASSES_MAX]; /* oldest first */
        void (*expired)(struct deadline *deadline);
};

/* CLASS_USEC are N constants, USEC_INFINITY for a class without end. A member of which EXPIRED was told has its class's time again. */
int deadlines_init(struct deadlines *deadlines, sd_event *event, const uint64_t *class_usec, unsigned n,
                   void (*expired)(struct deadline *deadline));
void deadlines_deinit(struct deadlines *deadlines);

/* Takes the time from the loop; what follows in this turn counts from it. */
void deadlines_update_now(struct deadlines *deadlines);
void deadlines_join(struct deadlines *deadlines, struct deadline *deadline, unsigned class);
/* The timer stands still when the last one leaves. */
void deadlines_leave(struct deadlines *deadlines, struct deadline *deadline);
/* A new class, or a new start in the same. */
void deadlines_change(struct deadlines *deadlines, struct deadline *deadline, unsigned class);
