#include "notify/changes.h"

#include "base/error.h"
#include "base/macro.h"

#define CHANGES_MIN 64

void changes_deinit(struct changes *changes) {
        free(changes->list);
        free(changes->slots);
        free(changes->timings);
        *changes = (struct changes){0};
}

size_t changes_count(const struct changes *changes) {
        return changes->n - changes->first;
}

/* Fibonacci hashing: ids are consecutive numbers. */
static size_t home_of(const struct changes *changes, uint64_t id) {
        return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (changes->n_slots - 1);
}

static uint64_t id_in(const struct changes *changes, size_t slot) {
        return changes->list[changes->slots[slot] - 1].id;
}

/* The slot of ID, or the free one where it belongs. */
static size_t slot_of(const struct changes *changes, uint64_t id) {
        size_t i = home_of(changes, id);

        while (changes->slots[i] != 0 && id_in(changes, i) != id)
                i = (i + 1) & (changes->n_slots - 1);
        return i;
}

/* What stands behind it is moved up, so that a search never ends too early. */
static void take_out(struct changes *changes, uint64_t id) {
        size_t mask = changes->n_slots - 1, hole = slot_of(changes, id);

        for (size_t i = (hole + 1) & mask; changes->slots[i] != 0; i = (i + 1) & mask) {
                size_t away = (i - home_of(changes, id_in(changes, i))) & mask;

                if (away >= ((i - hole) & mask)) {
                        changes->slots[hole] = changes->slots[i];
                        hole = i;
                }
        }
        changes->slots[hole] = 0;
}

static int grow(struct changes *changes) {
        size_t allocated = changes->allocated ? 2 * changes->allocated : CHANGES_MIN;
        struct change *list;
        size_t *slots;

        list = reallocarray(changes->list, allocated, sizeof(*list));
        if (!list)
                return -ENOMEM;
        changes->list = list;
        slots = calloc(2 * allocated, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        free(changes->slots);
        changes->slots = slots;
        changes->n_slots = 2 * allocated;
        changes->allocated = allocated;
        for (size_t i = changes->first; i < changes->n; i++)
                slots[slot_of(changes, list[i].id)] = i + 1;
        return 0;
}

/* The change of ID, made when it is not there. NULL: no memory. */
static struct change *change_of(struct changes *changes, uint64_t id) {
        size_t slot = changes->n_slots > 0 ? slot_of(changes, id) : 0;

        if (changes->n_slots > 0 && changes->slots[slot] != 0)
                return &changes->list[changes->slots[slot] - 1];
        if (changes->n == changes->allocated && grow(changes) < 0)
                return NULL;
        changes->list[changes->n] = (struct change){.id = id};
        changes->slots[slot_of(changes, id)] = changes->n + 1;
        return &changes->list[changes->n++];
}

int changes_note(struct changes *changes, uint64_t id) {
        return change_of(changes, id) ? 0 : -ENOMEM;
}

int changes_note_timing(struct changes *changes, uint64_t id, const struct timing *timing) {
        struct change *change = change_of(changes, id);

        if (!change)
                return -ENOMEM;
        if (changes->n_timings == changes->allocated_timings) {
                size_t allocated = changes->allocated_timings ? 2 * changes->allocated_timings : CHANGES_MIN;
                struct change_timing *timings = reallocarray(changes->timings, allocated, sizeof(*timings));

                if (!timings)
                        return -ENOMEM;
                changes->timings = timings;
                changes->allocated_timings = allocated;
        }
        changes->timings[changes->n_timings++] = (struct change_timing){.before = change->last, .timing = *timing};
        change->last = changes->n_timings;
        change->n_timings++;
        return 0;
}

bool changes_take(struct changes *changes, struct change *ret_change) {
        if (changes->first == changes->n)
                return false;
        *ret_change = changes->list[changes->first];
        take_out(changes, ret_change->id);
        changes->first++;
        return true;
}

void changes_timings(const struct changes *changes, const struct change *change, struct timing *timings) {
        for (size_t i = change->last; i > 0; i = changes->timings[i - 1].before)
                *timings++ = changes->timings[i - 1].timing;
}

void changes_forget(struct changes *changes) {
        if (changes->first == changes->n)
                changes_deinit(changes);
}
