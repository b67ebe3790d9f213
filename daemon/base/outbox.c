#include "base/outbox.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/process.h"

#include <pthread.h>
#include <time.h>

/* The thread composes a line; libsystemd needs little. */
#define STACK_BYTES ((size_t)128 * 1024)

struct outbox {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t filled;
        pthread_cond_t emptied;
        const struct outbox_hooks *hooks;
        STAILQ_HEAD(, outbox_item) items;
        size_t bytes;
        size_t bytes_max;
        uint64_t dropped; /* since the queue was full, not reported yet */
        bool busy;        /* the thread delivers or reports */
        bool ended;       /* there is no thread any more */
};

static bool is_idle(const struct outbox *outbox) {
        return !outbox->busy && STAILQ_EMPTY(&outbox->items) && outbox->dropped == 0;
}

/* The next value; or NULL and the number of dropped ones; or NULL and 0 at the end. */
static struct outbox_item *outbox_take(struct outbox *outbox, uint64_t *ret_dropped) {
        struct outbox_item *item;

        (void)pthread_mutex_lock(&outbox->lock);
        outbox->busy = false;
        if (is_idle(outbox))
                (void)pthread_cond_broadcast(&outbox->emptied);
        while (is_idle(outbox) && !outbox->ended)
                (void)pthread_cond_wait(&outbox->filled, &outbox->lock);
        outbox->busy = !is_idle(outbox);
        item = STAILQ_FIRST(&outbox->items);
        if (item) {
                STAILQ_REMOVE_HEAD(&outbox->items, link);
                outbox->bytes -= item->bytes;
        } else {
                *ret_dropped = outbox->dropped;
                outbox->dropped = 0;
        }
        (void)pthread_mutex_unlock(&outbox->lock);
        return item;
}

static void *run(void *userdata) {
        struct outbox *outbox = userdata;

        for (;;) {
                uint64_t dropped = 0;
                struct outbox_item *item = outbox_take(outbox, &dropped);

                if (item)
                        outbox->hooks->deliver(item);
                else if (dropped > 0)
                        outbox->hooks->dropped(dropped);
                else
                        return NULL;
                free(item);
        }
}

static void init_locks(struct outbox *outbox) {
        pthread_condattr_t attributes;

        (void)pthread_mutex_init(&outbox->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&outbox->filled, &attributes);
        (void)pthread_cond_init(&outbox->emptied, &attributes);
        (void)pthread_condattr_destroy(&attributes);
}

int outbox_new(const char *name, size_t bytes_max, const struct outbox_hooks *hooks, struct outbox **ret_outbox) {
        struct outbox *outbox = calloc(1, sizeof(*outbox));
        int r;

        if (!outbox)
                return -ENOMEM;
        outbox->hooks = hooks;
        outbox->bytes_max = bytes_max;
        STAILQ_INIT(&outbox->items);
        init_locks(outbox);
        r = thread_start(name, STACK_BYTES, run, outbox, &outbox->thread);
        if (r < 0) {
                free(outbox);
                return r;
        }
        *ret_outbox = outbox;
        return 0;
}

void outbox_put(struct outbox *outbox, struct outbox_item *item) {
        bool fits, ended;

        (void)pthread_mutex_lock(&outbox->lock);
        ended = outbox->ended;
        fits = !ended && item && outbox->dropped == 0 && item->bytes <= outbox->bytes_max - outbox->bytes;
        if (fits) {
                STAILQ_INSERT_TAIL(&outbox->items, item, link);
                outbox->bytes += item->bytes;
        } else if (!ended)
                outbox->dropped++;
        (void)pthread_cond_signal(&outbox->filled);
        (void)pthread_mutex_unlock(&outbox->lock);
        if (ended && item)
                outbox->hooks->deliver(item);
        if (!fits)
                free(item);
}

bool outbox_is_idle(struct outbox *outbox) {
        bool idle;

        (void)pthread_mutex_lock(&outbox->lock);
        idle = is_idle(outbox);
        (void)pthread_mutex_unlock(&outbox->lock);
        return idle;
}

bool outbox_end(struct outbox *outbox, uint64_t timeout_usec) {
        uint64_t until = usec_add(clock_monotonic_usec(), timeout_usec);
        struct timespec at = {.tv_sec = (time_t)(until / USEC_PER_SEC), .tv_nsec = (long)(until % USEC_PER_SEC) * 1000};
        int error = 0;

        (void)pthread_mutex_lock(&outbox->lock);
        while (!is_idle(outbox) && error == 0)
                error = pthread_cond_timedwait(&outbox->emptied, &outbox->lock, &at);
        outbox->ended = is_idle(outbox);
        (void)pthread_cond_signal(&outbox->filled);
        (void)pthread_mutex_unlock(&outbox->lock);
        if (outbox->ended)
                (void)pthread_join(outbox->thread, NULL);
        return outbox->ended;
}
