#include "base/queue.h"

#include "base/error.h"
#include "base/macro.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

struct queue {
        pthread_mutex_t lock;
        int fd;
        size_t value_size;
        char *values; /* a ring of `allocated` values */
        size_t allocated;
        size_t first;
        size_t length;
        uint64_t unread; /* writes to the eventfd, done or about to be done, that were not read */
};

static char *value_at(const struct queue *queue, size_t index) {
        return queue->values + (queue->first + index) % queue->allocated * queue->value_size;
}

static int queue_grow(struct queue *queue) {
        size_t allocated = queue->allocated ? 2 * queue->allocated : QUEUE_MIN;
        char *values = malloc(allocated * queue->value_size);

        if (!values)
                return -ENOMEM;
        for (size_t i = 0; i < queue->length; i++)
                memcpy(values + i * queue->value_size, value_at(queue, i), queue->value_size);
        free(queue->values);
        queue->values = values;
        queue->allocated = allocated;
        queue->first = 0;
        return 0;
}

int queue_new(size_t value_size, struct queue **ret_queue) {
        struct queue *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return -ENOMEM;
        queue->value_size = value_size;
        queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (queue->fd < 0) {
                int r = error_from_errno();

                free(queue);
                return r;
        }
        (void)pthread_mutex_init(&queue->lock, NULL);
        if (queue_grow(queue) < 0) {
                (void)queue_free(queue);
                return -ENOMEM;
        }
        *ret_queue = queue;
        return 0;
}

struct queue *queue_free(struct queue *queue) {
        if (!queue)
                return NULL;
        close_fd(&queue->fd);
        (void)pthread_mutex_destroy(&queue->lock);
        free(queue->values);
        free(queue);
        return NULL;
}

int queue_push(struct queue *queue, const void *value) {
        bool tell = false;
        int r = 0;

        (void)pthread_mutex_lock(&queue->lock);
        if (queue->length == queue->allocated)
                r = queue_grow(queue);
        if (r == 0) {
                memcpy(value_at(queue, queue->length), value, queue->value_size);
                tell = queue->length++ == 0;
                queue->unread += tell;
        }
        (void)pthread_mutex_unlock(&queue->lock);
        /* After unlocking: the thread that it wakes would otherwise have to wait for the lock. */
        if (tell)
                (void)eventfd_write(queue->fd, 1);
        return r;
}

/* If a value was pushed and popped before its pusher wrote, that write is read at a wake-up for nothing. */
static void clear(struct queue *queue) {
        eventfd_t n;

        if (queue->length == 0 && queue->unread > 0 && eventfd_read(queue->fd, &n) == 0)
                queue->unread -= n;
}

int queue_pop(struct queue *queue, void *ret_value) {
        int r = 0;

        (void)pthread_mutex_lock(&queue->lock);
        if (queue->length > 0) {
                memcpy(ret_value, value_at(queue, 0), queue->value_size);
                queue->first = (queue->first + 1) % queue->allocated;
                queue->length--;
                r = 1;
        }
        clear(queue);
        (void)pthread_mutex_unlock(&queue->lock);
        return r;
}

size_t queue_length(struct queue *queue) {
        size_t length;

        (void)pthread_mutex_lock(&queue->lock);
        length = queue->length;
        (void)pthread_mutex_unlock(&queue->lock);
        return length;
}

int queue_fd(const struct queue *queue) {
        return queue->fd;
}
