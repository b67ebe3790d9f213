/*
 * Deadlines: members in classes of one constant duration each. So appending keeps a class in the order of its deadlines, and renewing a
 * member's deadline takes neither a search nor (mostly) a system call. One timer for all.
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
        uint64_t now_usec;   /* of this loop iteration */
        const uint64_t *class_usec;
        unsigned n_classes;
        size_t n_members;
        TAILQ_HEAD(deadline_list, deadline) members[DEADLINE_CLASSES_MAX]; /* oldest first */
        void (*expired)(struct deadline *deadline);
};

/*
 * CLASS_USEC are N constants, USEC_INFINITY for a class without a deadline. After EXPIRED was called for a member, its time begins again.
 */
int deadlines_init(struct deadlines *deadlines, sd_event *event, const uint64_t *class_usec, unsigned n,
                   void (*expired)(struct deadline *deadline));
void deadlines_deinit(struct deadlines *deadlines);

/* Reads the time of this loop iteration, which later calls use. */
void deadlines_update_now(struct deadlines *deadlines);
void deadlines_join(struct deadlines *deadlines, struct deadline *deadline, unsigned class);
/* When the last member leaves, the timer stops. */
void deadlines_leave(struct deadlines *deadlines, struct deadline *deadline);
/* Moves it to another class, or restarts its time in the same. */
void deadlines_change(struct deadlines *deadlines, struct deadline *deadline, unsigned class);
