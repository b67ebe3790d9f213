/* The last events, by their sequence numbers, and how each reads on an event stream. Shared by all streams. */
#pragma once

#include "base/buffer.h"
#include "base/text.h"
#include "model/event.h"

#define RING_SIZE 4096

struct ring_entry {
        uint64_t sequence;
        uint64_t real_usec;
        uint64_t generation;
        uint64_t latency_usec;
        enum event_kind kind;
        enum state state;
        enum state previous;
        enum reason reason;
        enum wake_cause cause;
        bool ready;
        bool cold;
        char database[TEXT_NAME_MAX + 1];
};

struct ring {
        uint64_t oldest; /* the oldest that is held: newest + 1 when there is none */
        uint64_t newest;
        struct ring_entry *entries; /* of SEQUENCE at SEQUENCE % RING_SIZE */
};

/* NEWEST is the number of the last event that went by before. */
int ring_init(struct ring *ring, uint64_t newest);
void ring_deinit(struct ring *ring);
/* The oldest is forgotten when it is full; all are when a number is missing before EVENT's. */
void ring_push(struct ring *ring, const struct event *event);
/* NULL when it is not held. */
const struct ring_entry *ring_at(const struct ring *ring, uint64_t sequence);

/* "id: ...\nevent: ...\ndata: {...}\n\n" */
void ring_entry_format(const struct ring_entry *entry, struct buffer *buffer);
