#include "history/strip.h"

#include "base/macro.h"

static const unsigned char badness[_STATE_MAX] = {
        [STATE_ASLEEP] = 0,
        [STATE_AWAKE] = 1,
        [STATE_UNKNOWN] = 2,
        [STATE_WAKING] = 3,
        [STATE_DEGRADED] = 4,
        [STATE_FULL] = 5,
        [STATE_DOWN] = 6,
        [STATE_BLOCKED] = 7,
};

struct strip *strip_new(uint64_t since_real_usec, uint64_t until_real_usec) {
        struct strip *strip = calloc(1, sizeof(*strip));

        if (strip) {
                strip->since = since_real_usec;
                strip->until = until_real_usec;
        }
        return strip;
}

static uint64_t slot_width(const struct strip *strip) {
        return (strip->until - strip->since + STRIP_MAX - 1) / STRIP_MAX;
}

static void worsen(struct strip_slot *slot, enum state state, enum reason reason) {
        if (slot->any && badness[slot->state] >= badness[state])
                return;
        *slot = (struct strip_slot){.any = true, .state = state, .reason = reason};
}

void strip_add(struct strip *strip, uint64_t from, uint64_t to, enum state state, enum reason reason) {
        const struct strip_entry *last = strip->n > 0 ? &strip->entries[strip->n - 1] : NULL;

        if (from >= to)
                return;
        for (uint64_t i = (from - strip->since) / slot_width(strip); i <= (to - 1 - strip->since) / slot_width(strip); i++)
                worsen(&strip->slots[i], state, reason);
        if (last && last->state == state && last->reason == reason)
                return;
        if (strip->n == STRIP_MAX)
                strip->overflowed = true;
        else
                strip->entries[strip->n++] = (struct strip_entry){from, state, reason};
}

static void write_entry(struct json_writer *w, uint64_t from, enum state state, enum reason reason) {
        json_begin_object(w, NULL);
        json_time(w, "from", from);
        json_text(w, "state", state_name(state));
        json_text(w, "reason", reason == REASON_NONE ? NULL : reason_slug(reason));
        json_end_object(w);
}

static void write_slots(const struct strip *strip, struct json_writer *w) {
        const struct strip_slot *last = NULL;

        for (size_t i = 0; i < STRIP_MAX; i++) {
                const struct strip_slot *slot = &strip->slots[i];

                if (!slot->any || (last && last->state == slot->state && last->reason == slot->reason))
                        continue;
                write_entry(w, strip->since + i * slot_width(strip), slot->state, slot->reason);
                last = slot;
        }
}

void strip_write(const struct strip *strip, struct json_writer *w, const char *key) {
        json_begin_array(w, key);
        if (strip->overflowed)
                write_slots(strip, w);
        else
                for (size_t i = 0; i < strip->n; i++)
                        write_entry(w, strip->entries[i].from_real_usec, strip->entries[i].state, strip->entries[i].reason);
        json_end_array(w);
}
