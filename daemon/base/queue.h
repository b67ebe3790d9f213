/*
 * A queue of plain values between threads, with an eventfd that is readable while it is not empty.
 *
 * Any thread may push; one thread pops. The eventfd is written only when the queue was empty, so that a burst costs one wake-up. If a value
 * is popped before its pusher has written, the eventfd becomes readable once more although the queue is empty. A pusher uses the queue
 * until it returns.
 */
#pragma once

#include <stddef.h>

/* Room for this many is allocated at the start: a queue that never has more never fails. */
#define QUEUE_MIN 16

struct queue;

/* Values are VALUE_SIZE bytes, copied in and out; ownership of what they point to moves with them. */
int queue_new(size_t value_size, struct queue **ret_queue);
struct queue *queue_free(struct queue *queue);

/* 0, or -ENOMEM: the value was not taken. */
int queue_push(struct queue *queue, const void *value);
/* 1 and the oldest value, or 0 if the queue is empty. Clears the eventfd with the last value. */
int queue_pop(struct queue *queue, void *ret_value);
size_t queue_length(struct queue *queue);
/* For EPOLLIN; owned by the queue. */
int queue_fd(const struct queue *queue);
