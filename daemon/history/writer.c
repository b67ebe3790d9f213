#include "history/writer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/queue.h"
#include "base/process.h"
#include "history/keeper.h"

#include <poll.h>

#define STACK_BYTES (256 * 1024)

/* More than one snapshot of each of the most databases that there can be. */
#define BEHIND 16384

/* One of them, or the end. */
struct message {
        struct snapshot *snapshot;
        struct happening *happening;
        bool doubt; /* whether the file is whole */
        bool all_recalled, past_taken;
};

struct writer {
        pthread_t thread;
        struct queue *queue, *pasts; /* of messages, and of what was read */
        struct keeper *keeper;
        char *path;
        uint64_t put; /* the main thread's count of messages */

        /* Both threads'. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t settled;       /* so many messages are in the file */
        bool ended;

        /* The thread's. */
        uint64_t taken;
        bool ending;
};

/* There is always room for it: it is read once, and the first time that it could not be is told as well. */
static void hand_over(struct writer *writer, struct snapshot *past) {
        (void)queue_push(writer->pasts, &past);
}

static void take_messages(struct writer *writer) {
        struct message message;

        while (queue_pop(writer->queue, &message) > 0) {
                writer->taken += message.happening || message.snapshot;
                if (message.happening)
                        keeper_tell(writer->keeper, message.happening);
                else if (message.snapshot)
                        keeper_put(writer->keeper, message.snapshot);
                else if (message.doubt)
                        keeper_doubt(writer->keeper);
                else if (message.all_recalled)
                        keeper_all_recalled(writer->keeper);
                else if (message.past_taken)
                        keeper_past_taken(writer->keeper);
                else
                        writer->ending = true;
        }
}

static void settle(struct writer *writer) {
        (void)pthread_mutex_lock(&writer->lock);
        writer->settled = writer->taken;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
}

static void *work(void *userdata) {
        struct writer *writer = userdata;
        struct snapshot *past;

        hand_over(writer, keeper_read(writer->keeper));
        while (!writer->ending) {
                struct pollfd fd = {.fd = queue_fd(writer->queue), .events = POLLIN};

                (void)poll(&fd, 1, keeper_wait_msec(writer->keeper));
                take_messages(writer);
                keeper_write(writer->keeper, writer->ending);
                if ((past = keeper_past(writer->keeper)))
                        hand_over(writer, past);
                if (!keeper_is_behind(writer->keeper))
                        settle(writer);
                if (!writer->ending)
                        keeper_prune(writer->keeper);
        }
        keeper_close(writer->keeper);
        (void)pthread_mutex_lock(&writer->lock);
        writer->ended = true;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
        return NULL;
}

static void destroy(struct writer *writer) {
        struct message message;
        struct snapshot *past;

        while (writer->queue && queue_pop(writer->queue, &message) > 0) {
                free(message.snapshot);
                free(message.happening);
        }
        while (writer->pasts && queue_pop(writer->pasts, &past) > 0)
                snapshot_list_free(past);
        writer->queue = queue_free(writer->queue);
        writer->pasts = queue_free(writer->pasts);
        writer->keeper = keeper_free(writer->keeper);
        (void)pthread_cond_destroy(&writer->changed);
        (void)pthread_mutex_destroy(&writer->lock);
        free(writer->path);
        free(writer);
}

static void make_lock(struct writer *writer) {
        pthread_condattr_t attributes;

        (void)pthread_mutex_init(&writer->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&writer->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
}

int writer_new(const char *path, const struct store_bounds *bounds, struct writer **ret_writer) {
        struct writer *writer = calloc(1, sizeof(*writer));
        int r;

        if (!writer)
                return -ENOMEM;
        make_lock(writer);
        writer->path = strdup(path);
        r = writer->path ? keeper_new(path, bounds, &writer->keeper) : -ENOMEM;
        if (r >= 0)
                r = queue_new(sizeof(struct message), &writer->queue);
        if (r >= 0)
                r = queue_new(sizeof(struct snapshot *), &writer->pasts);
        if (r >= 0)
                r = thread_start("history", STACK_BYTES, work, writer, &writer->thread);
        if (r < 0)
                return destroy(writer), r;
        *ret_writer = writer;
        return 0;
}

/* With the lock held: waits until MET, or for TIMEOUT_USEC. Answers whether it is so. */
static bool wait_for(struct writer *writer, bool (*met)(const struct writer *writer), uint64_t timeout_usec) {
        uint64_t at = usec_add(clock_monotonic_usec(), timeout_usec);
        struct timespec deadline = {.tv_sec = (time_t)(at / USEC_PER_SEC), .tv_nsec = (long)(at % USEC_PER_SEC) * 1000};
        int error = 0;

        while (!met(writer) && error == 0)
                error = pthread_cond_timedwait(&writer->changed, &writer->lock, &deadline);
        return met(writer);
}

static bool has_ended(const struct writer *writer) {
        return writer->ended;
}

static bool wait_for_end(struct writer *writer, uint64_t timeout_usec) {
        bool ended;

        (void)pthread_mutex_lock(&writer->lock);
        ended = wait_for(writer, has_ended, timeout_usec);
        (void)pthread_mutex_unlock(&writer->lock);
        return ended;
}

struct writer *writer_free(struct writer *writer, uint64_t timeout_usec) {
        struct message end = {0};

        if (!writer)
                return NULL;
        if (queue_push(writer->queue, &end) < 0 || !wait_for_end(writer, timeout_usec)) {
                /* It hangs in the disk, and has all that it needs; the process ends without it. */
                log_error("The history in %s could not be written to its end in time", writer->path);
                (void)pthread_detach(writer->thread);
                return NULL;
        }
        (void)pthread_join(writer->thread, NULL);
        destroy(writer);
        return NULL;
}

int writer_past_fd(const struct writer *writer) {
        return queue_fd(writer->pasts);
}

bool writer_past(struct writer *writer, struct snapshot **ret_past) {
        if (queue_pop(writer->pasts, ret_past) <= 0)
                return false;
        /* In the order of what is put. */
        if (*ret_past)
                (void)queue_push(writer->queue, &(struct message){.past_taken = true});
        return true;
}

static int push(struct writer *writer, const struct message *message) {
        int r;

        r = queue_push(writer->queue, message);
        if (r >= 0)
                writer->put++;
        return r;
}

bool writer_is_behind(struct writer *writer) {
        return queue_length(writer->queue) >= BEHIND;
}

int writer_put(struct writer *writer, struct snapshot *snapshot) {
        int r;

        r = push(writer, &(struct message){.snapshot = snapshot});
        if (r < 0)
                free(snapshot);
        return r;
}

int writer_tell(struct writer *writer, struct happening *happening) {
        int r;

        r = push(writer, &(struct message){.happening = happening});
        if (r < 0)
                free(happening);
        return r;
}

void writer_doubt(struct writer *writer) {
        /* Not counted: that is the main thread's. */
        (void)queue_push(writer->queue, &(struct message){.doubt = true});
}

void writer_all_recalled(struct writer *writer) {
        (void)queue_push(writer->queue, &(struct message){.all_recalled = true});
}

void writer_limit(struct writer *writer, const struct store_bounds *bounds) {
        keeper_limit(writer->keeper, bounds);
}

static bool is_settled(const struct writer *writer) {
        return writer->settled >= writer->put;
}

int writer_flush(struct writer *writer, uint64_t timeout_usec) {
        bool settled;

        (void)pthread_mutex_lock(&writer->lock);
        settled = wait_for(writer, is_settled, timeout_usec);
        (void)pthread_mutex_unlock(&writer->lock);
        return settled ? 0 : -ETIMEDOUT;
}

enum store_health writer_health(struct writer *writer, char *ret_sentence, size_t size) {
        return keeper_health(writer->keeper, ret_sentence, size);
}
