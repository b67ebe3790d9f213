/* The last events, by their sequence numbers, and how each reads on an event stream. Shared by all streams. */
#pragma once

#include "base/buffer.h"
#include "model/event.h"

#define RING_SIZE_MIN 4096

struct ring {
        uint64_t oldest; /* the oldest that is held: newest + 1 when there is none */
        uint64_t newest;
        struct event *entries;  /* of SEQUENCE at SEQUENCE % size */
        size_t size;                /* how many there is room for */
        size_t limit;               /* how many there may be room for: it grows when it is full */
};

/*
 * The number of events that must be held for N_DATABASES: a reload may tell of each twice in a single turn of the loop (all are removed,
 * and as many others are added), and a reader is to find them all in its next turn, beside what it had not read yet.
 */
size_t ring_size_for(size_t n_databases);
/* NEWEST is the number of the last event that went by before. SIZE is not 0. */
int ring_init(struct ring *ring, uint64_t newest, size_t size);
void ring_deinit(struct ring *ring);
/* The oldest is forgotten when it is full and may not or cannot grow; all are when a number is missing before EVENT's. */
void ring_push(struct ring *ring, const struct event *event);
/* NULL when it is not held. */
const struct event *ring_at(const struct ring *ring, uint64_t sequence);

/* "id: ...\nevent: ...\ndata: {...}\n\n" */
void event_format(const struct event *event, struct buffer *buffer);
