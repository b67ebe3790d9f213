#include "history/store.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/process.h"
#include "base/queue.h"
#include "base/text.h"
#include "history/history.h"
#include "history/pending.h"
#include "history/reader.h"
#include "history/sqlite.h"
#include "history/writer.h"

#include <poll.h>

/* More than one snapshot for each of the largest number of databases. */
#define BEHIND 16384
/* A disk that takes longer than this to read a few rows must not delay the watching. */
#define READ_TIMEOUT_MSEC 5000
/* The reader checks every few microseconds whether to go on. */
#define ANSWER_TIMEOUT_USEC (USEC_PER_SEC / 2)

/* A message from the main thread to the writing one: one of these, or, with none of them, to end. */
struct message {
        struct snapshot *snapshot;
        struct event_record *record;
        bool doubt; /* the file may be damaged */
        bool all_recalled, past_taken;
};

struct store {
        /* The main thread's own. */
        struct pending past; /* of databases that are not watched (yet) */
        bool past_is_to_come;
        struct lease_record *leases;
        size_t n_leases;
        struct reader *reader; /* NULL: no history is kept, and there is no thread */
        uint64_t put;          /* the number of messages so far */
        bool started;
        pthread_t thread;

        char *path;
        struct queue *queue, *pasts; /* messages to the thread; and what it read */
        struct writer *writer;       /* the thread's, unless noted; NULL: no history is kept */

        /* Shared by both threads. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t settled; /* the number of messages that are in the file */
        bool ended;

        /* The thread's own. */
        uint64_t taken;
        bool ending;
};

static const char *const health_names[_STORE_HEALTH_MAX] = {
        [STORE_NONE] = "none",
        [STORE_GOOD] = "ok",
        [STORE_FULL] = "full",
        [STORE_READ_ONLY] = "read_only",
        [STORE_LOCKED] = "locked",
        [STORE_UNREACHABLE] = "unreachable",
        [STORE_FOREIGN] = "foreign",
        [STORE_NEWER] = "newer",
        [STORE_FAILED] = "failed",
};

const char *store_health_name(enum store_health health) {
        return health_names[health];
}

/* The thread. */

/* State that the thread read. */
struct past {
        struct snapshot *first;
        bool is_to_come; /* it could not be read yet */
};

/* The queue always has room: the past is read once, and only the first failure to read it is reported. */
static void hand_over(struct store *store, struct snapshot *first) {
        (void)queue_push(store->pasts, &(struct past){.first = first, .is_to_come = writer_past_is_to_come(store->writer)});
}

static void take_messages(struct store *store) {
        struct message message;

        while (queue_pop(store->queue, &message) > 0) {
                store->taken += message.record || message.snapshot;
                if (message.record)
                        writer_tell(store->writer, message.record);
                else if (message.snapshot)
                        writer_put(store->writer, message.snapshot);
                else if (message.doubt)
                        writer_doubt(store->writer);
                else if (message.all_recalled)
                        writer_all_recalled(store->writer);
                else if (message.past_taken)
                        writer_past_taken(store->writer);
                else
                        store->ending = true;
        }
}

static void store_settle(struct store *store) {
        (void)pthread_mutex_lock(&store->lock);
        store->settled = store->taken;
        (void)pthread_cond_broadcast(&store->changed);
        (void)pthread_mutex_unlock(&store->lock);
}

static void *store_work(void *userdata) {
        struct store *store = userdata;
        struct snapshot *past;

        hand_over(store, writer_read(store->writer));
        while (!store->ending) {
                struct pollfd fd = {.fd = queue_fd(store->queue), .events = POLLIN};

                (void)poll(&fd, 1, writer_wait_msec(store->writer));
                take_messages(store);
                writer_write(store->writer, store->ending);
                if ((past = writer_past(store->writer)))
                        hand_over(store, past);
                if (!writer_is_behind(store->writer))
                        store_settle(store);
                if (!store->ending)
                        writer_prune(store->writer);
        }
        writer_close(store->writer);
        (void)pthread_mutex_lock(&store->lock);
        store->ended = true;
        (void)pthread_cond_broadcast(&store->changed);
        (void)pthread_mutex_unlock(&store->lock);
        return NULL;
}

/* The main thread. */

static int store_push(struct store *store, const struct message *message) {
        int r;

        r = queue_push(store->queue, message);
        if (r >= 0)
                store->put++;
        return r;
}

static int store_push_snapshot(struct store *store, struct snapshot *snapshot) {
        int r;

        r = store_push(store, &(struct message){.snapshot = snapshot});
        if (r < 0)
                free(snapshot);
        return r;
}

/* The later of two snapshots of one name replaces the earlier; if memory runs out it is dropped. */
static void store_keep(struct store *store, struct snapshot *snapshot) {
        if (pending_put(&store->past, snapshot, false) < 0)
                free(snapshot);
}

static void store_keep_leases(struct store *store, const struct snapshot *snapshot) {
        struct lease_record *leases = reallocarray(store->leases, store->n_leases + snapshot->n_leases, sizeof(*leases));

        if (!leases)
                return;
        memcpy(leases + store->n_leases, snapshot->leases, snapshot->n_leases * sizeof(*leases));
        store->leases = leases;
        store->n_leases += snapshot->n_leases;
}

bool store_take_past(struct store *store) {
        struct past past;

        if (queue_pop(store->pasts, &past) <= 0)
                return false;
        store->past_is_to_come = past.is_to_come;
        /* This message is in order with the snapshots that are put. */
        if (past.first)
                (void)queue_push(store->queue, &(struct message){.past_taken = true});
        for (struct snapshot *each = past.first, *next; each; each = next) {
                next = each->next;
                if (each->n_leases > 0)
                        store_keep_leases(store, each);
                store_keep(store, each);
        }
        return true;
}

static void wait_for_past(struct store *store) {
        struct pollfd fd = {.fd = queue_fd(store->pasts), .events = POLLIN};

        (void)poll(&fd, 1, READ_TIMEOUT_MSEC);
        if (!store_take_past(store))
                log_warning("The history in %s takes long to be read; the watching goes on, and from what is in it as soon as that is "
                            "known",
                            store->path);
}

/* The reader, whose thread calls this, suspects damage: the writer will check. */
static void on_damaged(void *userdata) {
        struct store *store = userdata;

        /* Not counted: the count is the main thread's. */
        (void)queue_push(store->queue, &(struct message){.doubt = true});
}

static void store_make_lock(struct store *store) {
        pthread_condattr_t attributes;

        (void)pthread_mutex_init(&store->lock, NULL);
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&store->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
}

static int store_start(struct store *store, const char *path, const struct store_bounds *bounds) {
        int r;

        store->path = strdup(path);
        r = store->path ? writer_new(path, bounds, &store->writer) : -ENOMEM;
        if (r >= 0)
                r = queue_new(sizeof(struct message), &store->queue);
        if (r >= 0)
                r = queue_new(sizeof(struct past), &store->pasts);
        if (r >= 0)
                r = thread_start("history", SQLITE_STACK_BYTES, store_work, store, &store->thread);
        store->started = r >= 0;
        return r < 0 ? r : reader_new(path, on_damaged, store, &store->reader);
}

int store_open(const char *path, const struct store_bounds *bounds, struct store **ret_store) {
        struct store *store = calloc(1, sizeof(*store));
        int r;

        if (!store)
                return -ENOMEM;
        store_make_lock(store);
        pending_init(&store->past);
        if (*path) {
                r = store_start(store, path, bounds);
                if (r < 0)
                        return (void)store_close(store, 0), r;
                store->past_is_to_come = true;
                wait_for_past(store);
        }
        *ret_store = store;
        return 0;
}

/* Waits until MET, at most TIMEOUT_USEC. Returns whether it is met. */
static bool wait_for(struct store *store, bool (*met)(const struct store *store), uint64_t timeout_usec) {
        uint64_t at = usec_add(clock_monotonic_usec(), timeout_usec);
        struct timespec deadline = {.tv_sec = (time_t)(at / USEC_PER_SEC), .tv_nsec = (long)(at % USEC_PER_SEC) * 1000};
        int error = 0;
        bool is_met;

        (void)pthread_mutex_lock(&store->lock);
        while (!met(store) && error == 0)
                error = pthread_cond_timedwait(&store->changed, &store->lock, &deadline);
        is_met = met(store);
        (void)pthread_mutex_unlock(&store->lock);
        return is_met;
}

static bool has_ended(const struct store *store) {
        return store->ended;
}

static bool is_settled(const struct store *store) {
        return store->settled >= store->put;
}

/* Lets the thread write everything that waits, and end. Returns false if it is still there. */
static bool store_end_thread(struct store *store, uint64_t timeout_usec) {
        if (queue_push(store->queue, &(struct message){0}) < 0 || !wait_for(store, has_ended, timeout_usec)) {
                log_error("The history in %s could not be written to its end in time", store->path);
                /* If the disk recovers while the process is still there, everything is written. */
                writer_end_by(store->writer, USEC_INFINITY);
                (void)pthread_detach(store->thread);
                return false;
        }
        (void)pthread_join(store->thread, NULL);
        return true;
}

static void destroy(struct store *store) {
        struct message message;
        struct past past;

        while (store->queue && queue_pop(store->queue, &message) > 0) {
                free(message.snapshot);
                free(message.record);
        }
        while (store->pasts && queue_pop(store->pasts, &past) > 0)
                snapshot_list_free(past.first);
        store->queue = queue_free(store->queue);
        store->pasts = queue_free(store->pasts);
        store->writer = writer_free(store->writer);
        (void)pthread_cond_destroy(&store->changed);
        (void)pthread_mutex_destroy(&store->lock);
        free(store->path);
        free(store);
}

struct store *store_close(struct store *store, uint64_t timeout_usec) {
        uint64_t until = usec_add(clock_monotonic_usec(), timeout_usec);
        bool is_alone; /* no thread is left */

        if (!store)
                return NULL;
        pending_deinit(&store->past);
        free(steal_pointer(&store->leases));
        /* The last third of the time is for closing the file. */
        if (store->started)
                writer_end_by(store->writer, usec_add(clock_boot_usec(), timeout_usec - timeout_usec / 3));
        /* The reader would keep the log from beginning anew. */
        is_alone = reader_free(store->reader, MIN(timeout_usec / 3, ANSWER_TIMEOUT_USEC));
        if (store->started)
                is_alone = store_end_thread(store, usec_sub(until, clock_monotonic_usec())) && is_alone;
        /*
         * A thread that hangs in the disk keeps everything that it needs, including the means to report damage; the process ends without
         * it.
         */
        if (is_alone)
                destroy(store);
        return NULL;
}

int store_past_fd(const struct store *store) {
        return store->writer ? queue_fd(store->pasts) : -1;
}

bool store_past_is_to_come(const struct store *store) {
        return store->past_is_to_come;
}

bool store_recall(void *userdata, const char *name, struct memory *ret_memory) {
        struct store *store = userdata;
        struct snapshot *snapshot = pending_take(&store->past, name);

        if (!snapshot)
                return false;
        snapshot_expand(snapshot, ret_memory);
        snapshot->is_recalled = true;
        if (store->writer)
                (void)store_push_snapshot(store, snapshot);
        else
                free(snapshot);
        return true;
}

int store_each_lease(struct store *store, int (*each)(void *userdata, const struct lease_record *lease), void *userdata) {
        int r = 0;

        for (size_t i = 0; i < store->n_leases && r >= 0; i++)
                r = each(userdata, &store->leases[i]);
        free(steal_pointer(&store->leases));
        store->n_leases = 0;
        if (store->writer)
                (void)queue_push(store->queue, &(struct message){.all_recalled = true});
        return MIN(r, 0);
}

int store_put(struct store *store, const char *name, const struct memory *memory, const struct lease_record *leases, size_t n_leases,
              const struct timing *timings, size_t n_timings) {
        struct snapshot *snapshot;

        if (!store->writer)
                return 0;
        snapshot = snapshot_new(name, memory, leases, n_leases, timings, n_timings);
        return snapshot ? store_push_snapshot(store, snapshot) : -ENOMEM;
}

int store_tell(struct store *store, struct event_record *record) {
        int r = 0;

        if (store->writer)
                r = store_is_behind(store) ? -ENOBUFS : store_push(store, &(struct message){.record = record});
        if (!store->writer || r < 0)
                free(record);
        return r;
}

int store_put_away(struct store *store, const char *name, const struct memory *memory) {
        struct snapshot *snapshot = snapshot_new(name, memory, NULL, 0, NULL, 0);

        if (!snapshot)
                return -ENOMEM;
        store_keep(store, snapshot);
        snapshot = store->writer ? snapshot_new(name, memory, NULL, 0, NULL, 0) : NULL;
        if (!snapshot)
                return store->writer ? -ENOMEM : 0;
        snapshot->is_put_away = true;
        return store_push_snapshot(store, snapshot);
}

bool store_is_behind(struct store *store) {
        return store->writer && queue_length(store->queue) >= BEHIND;
}

void store_limit(struct store *store, const struct store_bounds *bounds) {
        if (store->writer)
                writer_limit(store->writer, bounds);
        /* The writer forgets them too, when it has time for it. */
        pending_drop_before(&store->past, usec_sub(clock_real_usec(), MAX(bounds->keep_usec, HISTORY_GONE_USEC)));
}

int store_flush(struct store *store, uint64_t timeout_usec) {
        return !store->writer || wait_for(store, is_settled, timeout_usec) ? 0 : -ETIMEDOUT;
}

enum store_health store_health(struct store *store, char *ret_sentence, size_t size) {
        if (store->writer)
                return writer_health(store->writer, ret_sentence, size);
        (void)text_copy(ret_sentence, size, "");
        return STORE_NONE;
}

struct reader *store_reader(const struct store *store) {
        return store->reader;
}
