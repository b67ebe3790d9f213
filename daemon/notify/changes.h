/*
 * The databases that changed since somebody looked, each once, in the order of their coming; and how long the phases of their attempts
 * took meanwhile. Its memory grows by doubling and goes when all is taken.
 */
#pragma once

#include "history/happening.h"

#include <stddef.h>

struct change {
        uint64_t id;      /* of the database */
        size_t n_timings; /* of it, in `timings` */
        size_t last;      /* its newest timing, plus 1; 0: none */
};

struct changes {
        struct change *list;
        size_t n, first, allocated; /* those before `first` are taken */
        size_t *slots;              /* a set of them by id: place in the list plus 1 (open addressing; 0: a free slot) */
        size_t n_slots;             /* a power of 2, at least twice as many as are allocated */
        struct change_timing {
                size_t before; /* the timing of the same database before it, plus 1; 0: none */
                struct timing timing;
        } *timings;
        size_t n_timings, allocated_timings;
};

void changes_deinit(struct changes *changes);
size_t changes_count(const struct changes *changes);
/* ID changed. 0 or -ENOMEM. */
int changes_note(struct changes *changes, uint64_t id);
/* The same, by an attempt. */
int changes_note_timing(struct changes *changes, uint64_t id, const struct timing *timing);
/* The oldest; it may change anew from here on. Answers false when there is none. */
bool changes_take(struct changes *changes, struct change *ret_change);
/* CHANGE's timings, newest first, into TIMINGS, which has room for them. Before changes_forget(). */
void changes_timings(const struct changes *changes, const struct change *change, struct timing *timings);
/* Gives the memory back when everything was taken. */
void changes_forget(struct changes *changes);
