/* The latest events by sequence number, and their form on an event stream. Shared by all streams. */
#pragma once

#include "base/buffer.h"
#include "model/event.h"

#define RING_SIZE_MIN 4096

struct ring {
        uint64_t oldest; /* the oldest that is held; newest + 1: there is none */
        uint64_t newest;
        struct event *entries;  /* of SEQUENCE at SEQUENCE % size */
        size_t size;                /* the present capacity */
        size_t limit;               /* the most that it may grow to when it is full */
};

/*
 * The number of events that must be held for N_DATABASES: a reload may tell of each twice in a single loop iteration (all are removed, and
 * as many others are added), and a reader must find them all in its next iteration, beside those that it had not read yet.
 */
size_t ring_size_for(size_t n_databases);
/* NEWEST is the number of the last event before this ring. SIZE is not 0. */
int ring_init(struct ring *ring, uint64_t newest, size_t size);
void ring_deinit(struct ring *ring);
/* Drops the oldest if the ring is full and cannot grow; drops all if a number is missing before EVENT's. */
void ring_push(struct ring *ring, const struct event *event);
/* NULL if it is not held. */
const struct event *ring_at(const struct ring *ring, uint64_t sequence);

/* Writes "id: ...\nevent: ...\ndata: {...}\n\n". */
void event_format(const struct event *event, struct buffer *buffer);
