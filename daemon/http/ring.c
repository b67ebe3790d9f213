#include "http/ring.h"

#include "api/event.h"
#include "base/clock.h"
#include "base/error.h"
#include "http/describe.h"

#include <inttypes.h>

size_t ring_size_for(size_t n_databases) {
        return RING_SIZE_MIN + 2 * n_databases;
}

int ring_init(struct ring *ring, uint64_t newest, size_t size) {
        /* Pages that no event has reached cost nothing. */
        struct ring_entry *entries = calloc(size, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        *ring = (struct ring){.oldest = newest + 1, .newest = newest, .entries = entries, .size = size, .limit = size};
        return 0;
}

void ring_deinit(struct ring *ring) {
        free(ring->entries);
        *ring = (struct ring){0};
}

static bool ring_is_full(const struct ring *ring) {
        return ring->newest - ring->oldest + 1 >= ring->size;
}

static void ring_grow(struct ring *ring) {
        struct ring_entry *entries = calloc(ring->limit, sizeof(*entries));

        if (!entries)
                return;
        for (uint64_t i = ring->oldest; i <= ring->newest; i++)
                entries[i % ring->limit] = ring->entries[i % ring->size];
        free(ring->entries);
        ring->entries = entries;
        ring->size = ring->limit;
}

void ring_push(struct ring *ring, const struct event *event) {
        struct ring_entry *entry;

        if (event->sequence != ring->newest + 1)
                ring->oldest = event->sequence;
        else if (ring_is_full(ring) && ring->size < ring->limit)
                ring_grow(ring);
        ring->newest = event->sequence;
        if (ring->newest - ring->oldest >= ring->size)
                ring->oldest = ring->newest - ring->size + 1;
        entry = &ring->entries[event->sequence % ring->size];
        *entry = (struct ring_entry){
                .sequence = event->sequence,
                .real_usec = event->real_usec,
                .generation = event->generation,
                .latency_usec = event->latency_usec,
                .kind = event->kind,
                .state = event->state,
                .previous = event->previous,
                .reason = event->reason,
                .cause = event->cause,
                .ready = event->ready,
                .cold = event->cold,
        };
        (void)text_copy(entry->database, sizeof(entry->database), event->database);
}

const struct ring_entry *ring_at(const struct ring *ring, uint64_t sequence) {
        return sequence >= ring->oldest && sequence <= ring->newest ? &ring->entries[sequence % ring->size] : NULL;
}


void ring_entry_format(const struct ring_entry *entry, struct buffer *buffer) {
        bool wake = entry->kind == EVENT_WAKE;
        struct json_writer w = {.buffer = buffer};
        struct event_status event = {
                .sequence = entry->sequence,
                .kind = event_kind_name(entry->kind),
                .at_real_usec = entry->real_usec,
                .database = entry->database,
                .state = state_name(entry->state),
                .previous = state_name(entry->previous),
                .reason = describe_reason(entry->reason),
                .message = state_explain(entry->state, entry->reason),
                .ready = entry->ready,
                .generation = entry->generation,
                .latency_usec = wake ? entry->latency_usec : USEC_INFINITY,
                .cause = wake ? wake_cause_name(entry->cause) : NULL,
                .cold = wake ? entry->cold : -1,
        };

        buffer_printf(buffer, "id: %" PRIu64 "\nevent: %s\ndata: ", event.sequence, event.kind);
        field_write_object(&w, NULL, event_fields, &event, false);
        buffer_append_string(buffer, "\n\n");
}
