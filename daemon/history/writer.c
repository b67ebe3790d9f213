#include "history/writer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/message-id.h"
#include "base/random.h"
#include "base/text.h"
#include "history/history.h"
#include "history/pending.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define RETRY_MIN_USEC (500 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (10 * USEC_PER_SEC)
/* The previous daemon may still be about to exit. */
#define LOCKED_AT_START_USEC USEC_PER_SEC
#define LOCKED_AT_START_MSEC 20
/* A disk that damages every file must not be filled with damaged files. */
#define SET_ASIDE_MAX 3
/* The interval of dropping old rows, and the time that snapshots have the file to themselves between two slices. */
#define PRUNE_EVERY_USEC USEC_PER_HOUR
#define PRUNE_PAUSE_USEC (20 * USEC_PER_MSEC)
/* A reader is soon done. */
#define BUSY_RETRY_USEC (50 * USEC_PER_MSEC)

struct writer {
        char *path;
        uint64_t began_real_usec;
        struct history *history;
        struct pending pending;
        bool known;             /* the file's contents are, to `pending` and to the main thread */
        struct snapshot *past, *learnt; /* what was read: for the main thread, and then for `pending` */
        bool in_doubt;
        bool linked;            /* the file has a second name, and that was logged */
        bool over;              /* only a restart, or a person and a restart, can change the situation */
        bool grew;              /* something was written since old rows were last dropped */
        bool prune_goes_on;
        bool all_recalled;      /* it is known which databases are watched */
        bool ends;              /* this is the last try */
        unsigned failures;
        unsigned set_aside;
        uint64_t limit_in_force;
        uint64_t retry_boot_usec;
        uint64_t prune_boot_usec; /* when pruning is due again */

        /* For any thread. */
        _Atomic uint64_t max_bytes;
        _Atomic uint64_t keep_usec;
        _Atomic uint64_t end_boot_usec; /* USEC_INFINITY: not yet */
        pthread_mutex_t lock;   /* guards the rest */
        enum store_health health;
        char sentence[256];
};

/* The health after an operation on the file returned R. */
static enum store_health health_of(int r) {
        switch (r) {
        case HISTORY_GOOD:
        case HISTORY_NEW:
                return STORE_GOOD;
        case HISTORY_NEWER:
                return STORE_NEWER;
        case HISTORY_FOREIGN:
                return STORE_FOREIGN;
        case -ENOSPC:
        case -EDQUOT:
        case -EFBIG:
                return STORE_FULL;
        case -EROFS:
        case -EACCES:
        case -EPERM:
                return STORE_READ_ONLY;
        case -EBUSY:
        case HISTORY_BUSY:
        case HISTORY_HELD:
                return STORE_LOCKED;
        case -ENOENT:
        case -ENOTDIR:
                return STORE_UNREACHABLE;
        default:
                return STORE_FAILED;
        }
}

/* Whether only a restart, or a person and a restart, can change R. */
static bool is_final(int r) {
        return r == HISTORY_NEWER || r == HISTORY_FOREIGN;
}

/* Writes one sentence for people about the file PATH; "" if there is nothing to say. HEALTH is R's. */
static void describe_health(char *ret_sentence, size_t size, const char *path, enum store_health health, int r) {
        static const char *const sentences[_STORE_HEALTH_MAX] = {
                [STORE_NONE] = "",
                [STORE_GOOD] = "",
                [STORE_FULL] = "the disk is full, or history.max_size is reached",
                [STORE_READ_ONLY] = "the file or its folder cannot be written",
                [STORE_LOCKED] = "another process holds the file",
                [STORE_UNREACHABLE] = "there is no such folder",
                [STORE_FOREIGN] = "the file belongs to another program, and is left alone; change history.path",
                [STORE_NEWER] = "the file was made by a newer version of pgwaked, and is left alone",
        };

        if (r == HISTORY_HELD)
                (void)snprintf(ret_sentence, size, "%s: another process reads the file for so long that history.max_size is reached", path);
        else if (health == STORE_GOOD || health == STORE_NONE)
                (void)text_copy(ret_sentence, size, "");
        else if (health == STORE_FAILED)
                (void)snprintf(ret_sentence, size, "%s: %s", path, r > 0 ? "the file is damaged" : strerror(-r));
        else
                (void)snprintf(ret_sentence, size, "%s: %s", path, sentences[health]);
}

/* Logs each change once. */
static void writer_note_health(struct writer *writer, int r) {
        enum store_health health = health_of(r), previous = writer->health; /* only this thread sets it */
        char sentence[sizeof(writer->sentence)];

        describe_health(sentence, sizeof(sentence), writer->path, health, r);
        if (health != STORE_GOOD && health != previous)
                log_entry(LOG_WARNING, MESSAGE_ID_HISTORY_OFF, NULL, 0, "The history is off: %s. The watching goes on", sentence);
        else if (health == STORE_GOOD && previous != STORE_GOOD && previous != STORE_NONE)
                log_entry(LOG_INFO, MESSAGE_ID_HISTORY_ON, NULL, 0, "The history is kept again in %s", writer->path);
        (void)pthread_mutex_lock(&writer->lock);
        writer->health = health;
        memcpy(writer->sentence, sentence, sizeof(sentence));
        (void)pthread_mutex_unlock(&writer->lock);
}

/* Returns whether a new file can be made. */
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

/* PAST is in the file. Nothing is written until the main thread has it too, so that a reader of the file finds everything. */
static void writer_learn(struct writer *writer, struct snapshot *past) {
        if (writer->known)
                pending_compare(&writer->pending, past); /* the file may be another one */
        if (writer->known || writer->learnt) {
                snapshot_list_free(past);
                return;
        }
        for (const struct snapshot *each = past; each; each = each->next) {
                struct snapshot *copy = snapshot_copy(each);

                if (!copy)
                        continue;
                copy->next = writer->learnt;
                writer->learnt = copy;
        }
        writer->past = past;
        writer->known = !writer->learnt;
}

static bool is_to_break_off(void *userdata) {
        struct writer *writer = userdata;
        uint64_t end = atomic_load(&writer->end_boot_usec);

        return end != USEC_INFINITY && (!writer->ends || clock_boot_usec() >= end);
}

static int open_file(struct writer *writer) {
        uint64_t max_bytes = atomic_load(&writer->max_bytes);
        int r;

        r = history_open(writer->path, max_bytes, is_to_break_off, writer, &writer->history);
        if (r == HISTORY_DAMAGED && set_aside(writer))
                r = history_open(writer->path, max_bytes, is_to_break_off, writer, &writer->history);
        writer->limit_in_force = max_bytes;
        return r;
}

/* HISTORY_GOOD, or why there is no file that can be written; its contents are read all the same, if possible. */
static int take_file(struct writer *writer) {
        struct snapshot *past = NULL;
        int r, k;

        r = open_file(writer);
        if (r > HISTORY_NEW || r == -EBUSY || r == -EINTR || (r < 0 && (writer->known || writer->learnt)))
                return r;
        k = r < 0 ? history_read_only(writer->path, &past) : history_read(writer->history, &past);
        if (k == HISTORY_GOOD)
                writer_learn(writer, past);
        return r < 0 ? r : k;
}

static void follow_limit(struct writer *writer) {
        uint64_t max_bytes = atomic_load(&writer->max_bytes);

        if (writer->history && max_bytes != writer->limit_in_force && history_limit(writer->history, max_bytes) >= 0)
                writer->limit_in_force = max_bytes;
}

static int write_next(struct writer *writer) {
        uint64_t now = clock_real_usec();

        /* The watching began no later than now, even if the clock was set back. */
        writer->began_real_usec = MIN(writer->began_real_usec, now);
        return history_write(writer->history, &writer->pending, writer->began_real_usec);
}

/* Checks the file's name: whatever is written to a file without a name, or with another one, is lost to readers. */
static void look_at_name(struct writer *writer) {
        bool linked = history_has_links(writer->history);

        if (history_is_elsewhere(writer->history, writer->path)) {
                log_warning("The history is not in %s any more: somebody removed, moved or replaced it; it is begun anew with what is "
                            "known",
                            writer->path);
                writer->history = history_leave(writer->history);
        } else if (history_lost_its_log(writer->history, writer->path)) {
                log_warning("The history's log %s-wal was removed or replaced: what it had is written into the history itself",
                            writer->path);
                writer->history = history_leave(writer->history);
        } else if (linked && !writer->linked)
                log_warning("The history %s has a second name (a hard link), under which it is not whole while pgwaked runs; make a copy "
                            "with sqlite3's .backup instead",
                            writer->path);
        writer->linked = linked;
}

static int writer_write_all(struct writer *writer) {
        int r = HISTORY_GOOD;

        if (writer->history)
                look_at_name(writer);
        if (!writer->history)
                r = take_file(writer);
        follow_limit(writer);
        while (r == HISTORY_GOOD && writer->known && pending_waits(&writer->pending)) {
                r = is_to_break_off(writer) ? -EINTR : write_next(writer);
                writer->grew = writer->grew || r == HISTORY_GOOD;
        }
        return r;
}

/* A file on a full disk stays open, since opening takes space. A reader that takes long is nothing wrong with the file. */
static void let_go(struct writer *writer, int r) {
        if (health_of(r) != STORE_FULL && r != HISTORY_HELD)
                writer->history = history_close(writer->history);
}

/* Snapshots that wait for a file that will never come only take memory. */
static void see_the_end(struct writer *writer, int r) {
        writer->over = is_final(r);
        if (writer->over)
                pending_deinit(&writer->pending);
}

/* The file was good when it was opened and is damaged now: a new one is made. */
static int write_to_a_new_one(struct writer *writer) {
        writer->history = history_close(writer->history);
        return set_aside(writer) ? writer_write_all(writer) : HISTORY_DAMAGED;
}

/* Acts on R, the result of an operation on the file. */
static void conclude(struct writer *writer, int r) {
        if (r == HISTORY_DAMAGED && writer->history)
                r = write_to_a_new_one(writer);
        if (r == HISTORY_BUSY || r == -EINTR) {
                writer->retry_boot_usec = usec_add(clock_boot_usec(), BUSY_RETRY_USEC);
                return;
        }
        writer_note_health(writer, r);
        if (r == HISTORY_GOOD) {
                writer->failures = 0;
                return;
        }
        let_go(writer, r);
        see_the_end(writer, r);
        writer->failures++;
        writer->retry_boot_usec = usec_add(clock_boot_usec(), backoff_usec(writer->failures, RETRY_MIN_USEC, RETRY_MAX_USEC));
}

struct snapshot *writer_read(struct writer *writer) {
        uint64_t until = usec_add(clock_boot_usec(), LOCKED_AT_START_USEC);
        int r;

        while ((r = take_file(writer)) == -EBUSY && clock_boot_usec() < until)
                (void)poll(NULL, 0, LOCKED_AT_START_MSEC);
        conclude(writer, r);
        return writer_past(writer);
}

struct snapshot *writer_past(struct writer *writer) {
        return steal_pointer(&writer->past);
}

bool writer_past_is_to_come(const struct writer *writer) {
        return !writer->known && !writer->learnt && !writer->over;
}

void writer_past_taken(struct writer *writer) {
        while (writer->learnt) {
                struct snapshot *past = writer->learnt;

                writer->learnt = past->next;
                past->next = NULL;
                if (pending_learn(&writer->pending, past) < 0)
                        free(past);
        }
        writer->known = true;
        writer->all_recalled = false;
}

void writer_put(struct writer *writer, struct snapshot *snapshot) {
        if (snapshot->is_recalled)
                pending_watch(&writer->pending, snapshot->name);
        if (writer->over || snapshot->is_recalled || pending_put(&writer->pending, snapshot, true) < 0)
                free(snapshot);
}

void writer_tell(struct writer *writer, struct event_record *record) {
        if (writer->over)
                free(record);
        else
                pending_tell(&writer->pending, record);
}

void writer_all_recalled(struct writer *writer) {
        writer->all_recalled = true;
}

void writer_doubt(struct writer *writer) {
        writer->in_doubt = true;
}

bool writer_is_behind(const struct writer *writer) {
        return writer->over || pending_waits(&writer->pending);
}

/* Whether something is to be written, or the file was never read; but not while the main thread has yet to take what was read. */
static bool is_to_try(const struct writer *writer) {
        return !writer->over && (writer->known ? pending_waits(&writer->pending) : !writer->learnt);
}

int writer_wait_msec(const struct writer *writer) {
        uint64_t due;

        /* Old rows alone are no reason to wake up: while nothing is written nothing grows. */
        if (!is_to_try(writer) && !writer->prune_goes_on)
                return -1;
        due = is_to_try(writer) ? writer->retry_boot_usec : writer->prune_boot_usec;
        return (int)((usec_sub(due, clock_boot_usec()) + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

/* The reader found something impossible, or no file. If the file is not ours any more a new one is made, even if nothing waits. */
static void look_for_damage(struct writer *writer) {
        bool was_open = writer->history;

        writer->in_doubt = false;
        if (was_open)
                look_at_name(writer);
        if (was_open && !writer->history)
                conclude(writer, writer_write_all(writer));
        else if (was_open && history_check(writer->history) == HISTORY_DAMAGED)
                conclude(writer, write_to_a_new_one(writer));
}

void writer_write(struct writer *writer, bool last) {
        writer->ends = last;
        if (writer->in_doubt && !last)
                look_for_damage(writer);
        if (last && writer->history)
                history_hurry(writer->history);
        if (is_to_try(writer) && (last || clock_boot_usec() >= writer->retry_boot_usec))
                conclude(writer, writer_write_all(writer));
        /* The main thread takes no past any more, and nothing that it puts will follow from it. */
        if (last && writer->learnt) {
                writer_past_taken(writer);
                conclude(writer, writer_write_all(writer));
        }
        /* The check takes the time that is left. */
        if (writer->in_doubt && last)
                look_for_damage(writer);
}

void writer_prune(struct writer *writer) {
        uint64_t now = clock_boot_usec(), real = clock_real_usec(), keep = atomic_load(&writer->keep_usec), pause;
        int r;

        if (!writer->history || !writer->all_recalled || keep == USEC_INFINITY) {
                writer->prune_goes_on = false;
                return;
        }
        if (now < writer->prune_boot_usec || !(writer->grew || writer->prune_goes_on))
                return;
        writer->grew = false;
        r = history_prune(writer->history, &writer->pending, usec_sub(real, keep), usec_sub(real, MAX(keep, HISTORY_GONE_USEC)));
        /* If pruning fails, writing fails too, and reports it. */
        writer->prune_goes_on = r == HISTORY_NEW || r == HISTORY_BUSY || r == HISTORY_HELD;
        pause = r == HISTORY_HELD ? RETRY_MAX_USEC : writer->prune_goes_on ? PRUNE_PAUSE_USEC : PRUNE_EVERY_USEC;
        writer->prune_boot_usec = usec_add(now, pause);
}

void writer_close(struct writer *writer) {
        if (pending_waits(&writer->pending) && is_to_break_off(writer))
                log_error("The history in %s could not be written to its end in time", writer->path);
        if (writer->history && writer->known && !pending_waits(&writer->pending))
                (void)write_next(writer);
        writer->history = history_close(writer->history);
}

int writer_new(const char *path, const struct store_bounds *bounds, struct writer **ret_writer) {
        struct writer *writer = calloc(1, sizeof(*writer));

        if (!writer)
                return -ENOMEM;
        writer->path = strdup(path);
        if (!writer->path)
                return free(writer), -ENOMEM;
        pending_init(&writer->pending);
        writer->began_real_usec = clock_real_usec();
        writer_end_by(writer, USEC_INFINITY);
        writer_limit(writer, bounds);
        (void)pthread_mutex_init(&writer->lock, NULL);
        *ret_writer = writer;
        return 0;
}

struct writer *writer_free(struct writer *writer) {
        if (!writer)
                return NULL;
        writer->history = history_close(writer->history);
        snapshot_list_free(writer->past);
        snapshot_list_free(writer->learnt);
        pending_deinit(&writer->pending);
        (void)pthread_mutex_destroy(&writer->lock);
        free(writer->path);
        free(writer);
        return NULL;
}

void writer_end_by(struct writer *writer, uint64_t boot_usec) {
        atomic_store(&writer->end_boot_usec, boot_usec);
}

void writer_limit(struct writer *writer, const struct store_bounds *bounds) {
        atomic_store(&writer->max_bytes, bounds->max_bytes);
        atomic_store(&writer->keep_usec, bounds->keep_usec);
}

enum store_health writer_health(struct writer *writer, char *ret_sentence, size_t size) {
        enum store_health health;

        (void)pthread_mutex_lock(&writer->lock);
        health = writer->health;
        (void)text_copy(ret_sentence, size, writer->sentence);
        (void)pthread_mutex_unlock(&writer->lock);
        return health;
}
