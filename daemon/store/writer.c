#include "store/writer.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/message-id.h"
#include "base/queue.h"
#include "base/text.h"
#include "base/thread.h"
#include "store/health.h"
#include "store/history.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#define STACK_BYTES (256 * 1024)
#define RETRY_MIN_USEC (500 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * USEC_PER_SEC)
/* The daemon before us may still be on its way out. */
#define LOCKED_AT_START_USEC USEC_PER_SEC
#define LOCKED_AT_START_MSEC 20
/* A disk that damages every file that it is given shall not be filled with them. */
#define SET_ASIDE_MAX 3
/* How often what is old is dropped, and how long between two slices of it those who write have for themselves. */
#define PRUNE_EVERY_USEC USEC_PER_HOUR
#define PRUNE_PAUSE_USEC (20 * USEC_PER_MSEC)
#define GIVE_WAY_MSEC 10
#define GIVE_WAY_MAX 50

/* More than one snapshot of each of the most databases that there can be. */
#define BEHIND 16384

/* One of them, or the end. */
struct message {
        struct snapshot *snapshot;
        struct happening *happening;
        bool doubt; /* whether the file is whole */
};

struct writer {
        pthread_t thread;
        struct queue *queue;
        char *path;
        _Atomic uint64_t max_bytes;
        _Atomic uint64_t keep_usec;
        atomic_bool read_by_others, waits_for_readers;
        uint64_t began_real_usec;
        uint64_t put; /* the main thread's count of messages */

        /* Both threads'. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool read;              /* the file was read, or could not be */
        bool given_up;          /* nobody waits for what is in it any more */
        struct snapshot *past;
        uint64_t settled;       /* so many messages are in the file */
        bool ended;
        enum store_health health;
        char sentence[256];

        /* The thread's. */
        struct shelf shelf;
        uint64_t taken;
        bool ending;
        struct history *history;
        bool knows;             /* what is in the file */
        uint64_t limit_in_force;
        unsigned failures;
        uint64_t retry_boot_usec;
        uint64_t prune_boot_usec; /* when to go on with it */
        unsigned set_aside;
        bool prune_goes_on;
        bool in_doubt;
        bool over;              /* nothing but a restart, or a person and a restart, can change it */
};

/* Said at the edges between good and not good: why it is not may change with every try. */
static void note(struct writer *writer, int r) {
        enum store_health health = health_of(r), previous;
        char sentence[sizeof(writer->sentence)];

        health_describe(sentence, sizeof(sentence), writer->path, health, r);
        (void)pthread_mutex_lock(&writer->lock);
        previous = writer->health;
        writer->health = health;
        memcpy(writer->sentence, sentence, sizeof(sentence));
        (void)pthread_mutex_unlock(&writer->lock);
        if (health != STORE_GOOD && (previous == STORE_GOOD || previous == STORE_NONE))
                log_entry(LOG_WARNING, MESSAGE_ID_HISTORY_OFF, NULL, 0, "The history is off: %s. The watching goes on", sentence);
        else if (health == STORE_GOOD && previous != STORE_GOOD && previous != STORE_NONE)
                log_entry(LOG_INFO, MESSAGE_ID_HISTORY_ON, NULL, 0, "The history is kept again in %s", writer->path);
}

/* Answers whether the way is free for a new file. */
static bool set_aside(struct writer *writer) {
        _cleanup_free_ char *aside = NULL;
        int r;

        if (writer->set_aside >= SET_ASIDE_MAX)
                return false;
        r = history_set_aside(writer->path, clock_real_usec(), &aside);
        if (r < 0)
                return false;
        writer->set_aside++;
        log_entry(LOG_WARNING, MESSAGE_ID_HISTORY_SET_ASIDE, NULL, 0, "The history in %s is damaged; it is now %s, and a new one begins",
                  writer->path, aside);
        return true;
}

/* HISTORY_GOOD, or why there is no file that could be written. */
static int take_file(struct writer *writer) {
        uint64_t max_bytes = atomic_load(&writer->max_bytes);
        struct history *history = NULL;
        int r;

        r = history_open(writer->path, max_bytes, &history);
        if (r == HISTORY_DAMAGED && set_aside(writer))
                r = history_open(writer->path, max_bytes, &history);
        if (r == HISTORY_GOOD && !writer->knows && writer->read) {
                (void)history_close(history);
                return HEALTH_ANSWER_UNREAD;
        }
        if (r != HISTORY_GOOD && r != HISTORY_NEW)
                return r;
        /* Whatever it has now: it may be another one than the last. */
        if (writer->read)
                shelf_all_wait(&writer->shelf);
        writer->knows = writer->knows || r == HISTORY_NEW;
        writer->limit_in_force = max_bytes;
        writer->history = history;
        return HISTORY_GOOD;
}

static void follow_limit(struct writer *writer) {
        uint64_t max_bytes = atomic_load(&writer->max_bytes);

        if (writer->history && max_bytes != writer->limit_in_force && history_limit(writer->history, max_bytes) >= 0)
                writer->limit_in_force = max_bytes;
}

/* Who reads does so for some seconds at most; else what is beside the file would grow for as long. */
static void wait_for_readers(struct writer *writer) {
        while (atomic_load(&writer->read_by_others) && history_log_is_full(writer->history)) {
                atomic_store(&writer->waits_for_readers, true);
                (void)poll(NULL, 0, GIVE_WAY_MSEC);
        }
}

static void let_readers_go_on(struct writer *writer) {
        atomic_store(&writer->waits_for_readers, false);
}

static int write_all(struct writer *writer) {
        int r = HISTORY_GOOD;

        if (writer->history && history_is_gone(writer->history))
                writer->history = history_close(writer->history);
        if (!writer->history)
                r = take_file(writer);
        follow_limit(writer);
        while (r == HISTORY_GOOD && shelf_waits(&writer->shelf)) {
                wait_for_readers(writer);
                r = history_write(writer->history, &writer->shelf, writer->began_real_usec);
                let_readers_go_on(writer);
        }
        return r;
}

/* With a full disk it is better kept open: opening takes space. */
static void let_go(struct writer *writer, int r) {
        if (health_of(r) != STORE_FULL)
                writer->history = history_close(writer->history);
}

/* Of one that was good when it was opened. */
static int write_to_a_new_one(struct writer *writer) {
        writer->history = history_close(writer->history);
        return set_aside(writer) ? write_all(writer) : HISTORY_DAMAGED;
}

static void try_to_write(struct writer *writer) {
        int r;

        r = write_all(writer);
        if (r == HISTORY_DAMAGED && writer->history)
                r = write_to_a_new_one(writer);
        note(writer, r);
        if (r == HISTORY_GOOD) {
                writer->failures = 0;
                return;
        }
        let_go(writer, r);
        writer->over = health_is_final(r);
        writer->failures++;
        writer->retry_boot_usec = usec_add(clock_boot_usec(), backoff_usec(writer->failures, RETRY_MIN_USEC, RETRY_MAX_USEC));
}

/* The list is for the main thread; the shelf has the same, for a file that must be made anew. */
static void learn(struct writer *writer, struct snapshot *past) {
        for (const struct snapshot *each = past; each; each = each->next) {
                struct memory memory;
                struct snapshot *copy;

                snapshot_expand(each, &memory);
                copy = snapshot_new(each->name, &memory, each->leases, each->n_leases, NULL, 0);
                if (copy)
                        snapshot_mark(copy, false);
                if (copy && shelf_put(&writer->shelf, copy, false) < 0)
                        free(copy);
        }
        writer->knows = true;
}

static int take_file_at_start(struct writer *writer) {
        uint64_t until = usec_add(clock_boot_usec(), LOCKED_AT_START_USEC);
        int r;

        while ((r = take_file(writer)) == -EBUSY && clock_boot_usec() < until)
                (void)poll(NULL, 0, LOCKED_AT_START_MSEC);
        return r;
}

static int read_file(struct writer *writer, struct snapshot **ret_past) {
        int r, k;

        r = take_file_at_start(writer);
        if (r > 0 || r == -EBUSY)
                return r;
        k = r < 0 ? history_read_only(writer->path, ret_past) : history_read(writer->history, ret_past);
        if (k == HISTORY_GOOD)
                learn(writer, *ret_past);
        return r < 0 ? r : k;
}

/* Answers false when nobody waits for it any more: then it is as if it could not be read. */
static bool hand_over(struct writer *writer, struct snapshot *past) {
        bool wanted;

        (void)pthread_mutex_lock(&writer->lock);
        wanted = !writer->given_up;
        writer->read = true;
        if (wanted)
                writer->past = past;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
        return wanted;
}

static void read_past(struct writer *writer) {
        struct snapshot *past = NULL;
        int r;

        r = read_file(writer, &past);
        if (r == HISTORY_DAMAGED && writer->history) {
                writer->history = history_close(writer->history);
                if (set_aside(writer))
                        r = read_file(writer, &past);
        }
        note(writer, r);
        if (r != HISTORY_GOOD)
                let_go(writer, r);
        writer->over = health_is_final(r);
        if (!hand_over(writer, past)) {
                snapshot_list_free(past);
                shelf_deinit(&writer->shelf);
                writer->history = history_close(writer->history);
                writer->knows = false;
        }
}

/* -1: nothing to wait for but the queue. */
static int wait_msec(const struct writer *writer) {
        uint64_t due;

        if (writer->over)
                return -1;
        /* Nothing wakes up for what is old alone: while nothing is written nothing grows. */
        if (!shelf_waits(&writer->shelf) && !writer->prune_goes_on)
                return -1;
        due = shelf_waits(&writer->shelf) ? writer->retry_boot_usec : writer->prune_boot_usec;
        return (int)((usec_sub(due, clock_boot_usec()) + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

static void take_messages(struct writer *writer) {
        struct message message;

        while (queue_pop(writer->queue, &message) > 0) {
                writer->taken += !message.doubt;
                if (message.happening)
                        shelf_tell(&writer->shelf, message.happening);
                else if (message.snapshot && shelf_put(&writer->shelf, message.snapshot, true) < 0)
                        free(message.snapshot);
                else if (message.doubt)
                        writer->in_doubt = true;
                else if (!message.snapshot)
                        writer->ending = true;
        }
}

static void settle(struct writer *writer) {
        (void)pthread_mutex_lock(&writer->lock);
        writer->settled = writer->taken;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
}

/* Who reads met something that cannot be. */
static void look_for_damage(struct writer *writer) {
        writer->in_doubt = false;
        if (writer->history && history_check(writer->history) == HISTORY_DAMAGED)
                note(writer, write_to_a_new_one(writer));
}

static void prune(struct writer *writer) {
        uint64_t now = clock_boot_usec(), keep = atomic_load(&writer->keep_usec);
        int r;

        if (!writer->history || keep == USEC_INFINITY || now < writer->prune_boot_usec)
                return;
        r = history_prune(writer->history, usec_sub(clock_real_usec(), keep));
        /* What goes wrong with that goes wrong with writing too, and is told then. */
        writer->prune_goes_on = r == HISTORY_NEW;
        writer->prune_boot_usec = usec_add(now, writer->prune_goes_on ? PRUNE_PAUSE_USEC : PRUNE_EVERY_USEC);
}

/* Until now it was watched. */
static void say_goodbye(struct writer *writer) {
        if (writer->history && !shelf_waits(&writer->shelf))
                (void)history_write(writer->history, &writer->shelf, writer->began_real_usec);
        writer->history = history_close(writer->history);
}

static void *work(void *userdata) {
        struct writer *writer = userdata;

        read_past(writer);
        while (!writer->ending) {
                struct pollfd fd = {.fd = queue_fd(writer->queue), .events = POLLIN};

                (void)poll(&fd, 1, wait_msec(writer));
                take_messages(writer);
                if (writer->in_doubt)
                        look_for_damage(writer);
                if (shelf_waits(&writer->shelf) && !writer->over && (writer->ending || clock_boot_usec() >= writer->retry_boot_usec))
                        try_to_write(writer);
                if (!shelf_waits(&writer->shelf))
                        settle(writer);
                if (!writer->ending)
                        prune(writer);
        }
        say_goodbye(writer);
        (void)pthread_mutex_lock(&writer->lock);
        writer->ended = true;
        (void)pthread_cond_broadcast(&writer->changed);
        (void)pthread_mutex_unlock(&writer->lock);
        return NULL;
}

static void destroy(struct writer *writer) {
        struct message message;

        while (writer->queue && queue_pop(writer->queue, &message) > 0) {
                free(message.snapshot);
                free(message.happening);
        }
        writer->queue = queue_free(writer->queue);
        shelf_deinit(&writer->shelf);
        snapshot_list_free(writer->past);
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
        atomic_init(&writer->max_bytes, bounds->max_bytes);
        atomic_init(&writer->keep_usec, bounds->keep_usec);
        writer->began_real_usec = clock_real_usec();
        writer->path = strdup(path);
        r = writer->path ? queue_new(sizeof(struct message), &writer->queue) : -ENOMEM;
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

static bool was_read(const struct writer *writer) {
        return writer->read;
}

struct snapshot *writer_past(struct writer *writer, uint64_t timeout_usec) {
        struct snapshot *past;

        (void)pthread_mutex_lock(&writer->lock);
        (void)wait_for(writer, was_read, timeout_usec);
        writer->given_up = true;
        past = steal_pointer(&writer->past);
        (void)pthread_mutex_unlock(&writer->lock);
        return past;
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

void writer_give_way(struct writer *writer, bool begins) {
        /* Who answers question after question lets the writer come between. */
        for (unsigned i = 0; begins && i < GIVE_WAY_MAX && atomic_load(&writer->waits_for_readers); i++)
                (void)poll(NULL, 0, GIVE_WAY_MSEC);
        atomic_store(&writer->read_by_others, begins);
}

void writer_limit(struct writer *writer, const struct store_bounds *bounds) {
        atomic_store(&writer->max_bytes, bounds->max_bytes);
        atomic_store(&writer->keep_usec, bounds->keep_usec);
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
        enum store_health health;

        (void)pthread_mutex_lock(&writer->lock);
        health = writer->health;
        (void)text_copy(ret_sentence, size, writer->sentence);
        (void)pthread_mutex_unlock(&writer->lock);
        return health;
}
