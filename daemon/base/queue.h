/*
 * A queue of plain values between two threads, with an eventfd that is readable while there is something in it.
 *
 * Any thread may push; one thread pops. The eventfd is written only when the queue was empty, so that a burst costs one wake-up. Where a value is
 * popped before its pusher has written, the eventfd is readable once more though there is nothing. A pusher touches the queue until it returns.
 */
#pragma once

#include <stddef.h>

/* Room for so many is there from the start: a queue that never has more never fails. */
#define QUEUE_MIN 16

struct queue;

/* Values are VALUE_SIZE bytes, copied in and out; what they point at changes its owner with them. */
int queue_new(size_t value_size, struct queue **ret_queue);
struct queue *queue_free(struct queue *queue);

/* 0, or -ENOMEM (the value was not taken). */
int queue_push(struct queue *queue, const void *value);
/* 1 and the oldest value, or 0 when it is empty. Clears the eventfd when none is left. */
int queue_pop(struct queue *queue, void *ret_value);
size_t queue_length(struct queue *queue);
/* For EPOLLIN; owned by the queue. */
int queue_fd(const struct queue *queue);
