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
        /* Pages without events cost nothing. */
        struct event *entries = calloc(size, sizeof(*entries));

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
        struct event *entries = calloc(ring->limit, sizeof(*entries));

        if (!entries)
                return;
        for (uint64_t i = ring->oldest; i <= ring->newest; i++)
                entries[i % ring->limit] = ring->entries[i % ring->size];
        free(ring->entries);
        ring->entries = entries;
        ring->size = ring->limit;
}

void ring_push(struct ring *ring, const struct event *event) {
        if (event->sequence != ring->newest + 1)
                ring->oldest = event->sequence;
        else if (ring_is_full(ring) && ring->size < ring->limit)
                ring_grow(ring);
        ring->newest = event->sequence;
        if (ring->newest - ring->oldest >= ring->size)
                ring->oldest = ring->newest - ring->size + 1;
        ring->entries[event->sequence % ring->size] = *event;
}

const struct event *ring_at(const struct ring *ring, uint64_t sequence) {
        return sequence >= ring->oldest && sequence <= ring->newest ? &ring->entries[sequence % ring->size] : NULL;
}

void event_format(const struct event *event, struct buffer *buffer) {
        bool wake = event->kind == EVENT_WAKE;
        struct json_writer w = {.buffer = buffer};
        struct event_status status = {
                .sequence = event->sequence,
                .kind = event_kind_name(event->kind),
                .at_real_usec = event->real_usec,
                .database = event->database,
                .state = state_name(event->state),
                .previous = state_name(event->previous),
                .reason = describe_reason(event->reason),
                .message = state_explain(event->state, event->reason),
                .ready = event->ready,
                .generation = event->generation,
                .latency_usec = wake ? event->latency_usec : USEC_INFINITY,
                .cause = wake ? wake_cause_name(event->cause) : NULL,
                .cold = wake ? event->cold : -1,
        };

        buffer_printf(buffer, "id: %" PRIu64 "\nevent: %s\ndata: ", status.sequence, status.kind);
        field_write_object(&w, NULL, event_fields, &status, false);
        buffer_append_string(buffer, "\n\n");
}
