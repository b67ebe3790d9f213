#include "history/keeper.h"

#include "base/random.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/message-id.h"
#include "base/text.h"
#include "history/health.h"
#include "history/history.h"
#include "history/shelf.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

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
/* Who reads is done with that soon. */
#define BUSY_RETRY_USEC (50 * USEC_PER_MSEC)

struct keeper {
        char *path;
        uint64_t began_real_usec;
        struct history *history;
        struct shelf shelf;
        bool known;             /* what is in the file, to the shelf and to the main thread */
        struct snapshot *past, *learnt; /* what was read of it, for the main thread; and for the shelf when that has it */
        bool in_doubt;
        bool linked;            /* the file has a second name, and that was said */
        bool over;              /* nothing but a restart, or a person and a restart, can change it */
        bool grew;              /* something was written since what is old was dropped */
        bool prune_goes_on;
        bool all_recalled;      /* it is known which databases are watched */
        unsigned failures;
        unsigned set_aside;
        uint64_t limit_in_force;
        uint64_t retry_boot_usec;
        uint64_t prune_boot_usec; /* when to go on with it */

        /* Any thread's. */
        _Atomic uint64_t max_bytes;
        _Atomic uint64_t keep_usec;
        pthread_mutex_t lock;   /* of what follows */
        enum store_health health;
        char sentence[256];
};

/* Each change is said, none is repeated. */
static void note(struct keeper *keeper, int r) {
        enum store_health health = health_of(r), previous = keeper->health; /* this thread alone sets it */
        char sentence[sizeof(keeper->sentence)];

        health_describe(sentence, sizeof(sentence), keeper->path, health, r);
        if (health != STORE_GOOD && health != previous)
                log_entry(LOG_WARNING, MESSAGE_ID_HISTORY_OFF, NULL, 0, "The history is off: %s. The watching goes on", sentence);
        else if (health == STORE_GOOD && previous != STORE_GOOD && previous != STORE_NONE)
                log_entry(LOG_INFO, MESSAGE_ID_HISTORY_ON, NULL, 0, "The history is kept again in %s", keeper->path);
        (void)pthread_mutex_lock(&keeper->lock);
        keeper->health = health;
        memcpy(keeper->sentence, sentence, sizeof(sentence));
        (void)pthread_mutex_unlock(&keeper->lock);
}

/* Answers whether the way is free for a new file. */
static bool set_aside(struct keeper *keeper) {
        _cleanup_free_ char *aside = NULL;
        int r;

        if (keeper->set_aside >= SET_ASIDE_MAX)
                return false;
        r = history_set_aside(keeper->path, clock_real_usec(), &aside);
        if (r < 0)
                return false;
        keeper->set_aside++;
        log_entry(LOG_WARNING, MESSAGE_ID_HISTORY_SET_ASIDE, NULL, 0, "The history in %s is damaged; it is now %s, and a new one begins",
                  keeper->path, aside);
        return true;
}

/* PAST is in the file. Until the main thread has it too nothing is written: who reads it from the file finds all of it. */
static void learn(struct keeper *keeper, struct snapshot *past) {
        if (keeper->known)
                shelf_compare(&keeper->shelf, past); /* it may be another file than the last */
        if (keeper->known || keeper->learnt) {
                snapshot_list_free(past);
                return;
        }
        for (const struct snapshot *each = past; each; each = each->next) {
                struct snapshot *copy = snapshot_copy(each);

                if (!copy)
                        continue;
                copy->next = keeper->learnt;
                keeper->learnt = copy;
        }
        keeper->past = past;
        keeper->known = !keeper->learnt;
}

static int open_file(struct keeper *keeper) {
        uint64_t max_bytes = atomic_load(&keeper->max_bytes);
        int r;

        r = history_open(keeper->path, max_bytes, &keeper->history);
        if (r == HISTORY_DAMAGED && set_aside(keeper))
                r = history_open(keeper->path, max_bytes, &keeper->history);
        keeper->limit_in_force = max_bytes;
        return r;
}

/* HISTORY_GOOD, or why there is no file that could be written; what is in it is read all the same, if it can be. */
static int take_file(struct keeper *keeper) {
        struct snapshot *past = NULL;
        int r, k;

        r = open_file(keeper);
        if (r > HISTORY_NEW || r == -EBUSY || (r < 0 && (keeper->known || keeper->learnt)))
                return r;
        k = r < 0 ? history_read_only(keeper->path, &past) : history_read(keeper->history, &past);
        if (k == HISTORY_GOOD)
                learn(keeper, past);
        return r < 0 ? r : k;
}

static void follow_limit(struct keeper *keeper) {
        uint64_t max_bytes = atomic_load(&keeper->max_bytes);

        if (keeper->history && max_bytes != keeper->limit_in_force && history_limit(keeper->history, max_bytes) >= 0)
                keeper->limit_in_force = max_bytes;
}

static int write_next(struct keeper *keeper) {
        uint64_t now = clock_real_usec();

        /* By a clock that was set back the watching began no later than now. */
        keeper->began_real_usec = MIN(keeper->began_real_usec, now);
        return history_write(keeper->history, &keeper->shelf, keeper->began_real_usec);
}

/* What is written to a file that has no name, or another one, nobody finds. */
static void look_at_name(struct keeper *keeper) {
        bool linked = history_has_links(keeper->history);

        if (history_is_elsewhere(keeper->history, keeper->path)) {
                log_warning("The history is not in %s any more: somebody removed, moved or replaced it; it is begun anew with what is known",
                            keeper->path);
                keeper->history = history_leave(keeper->history);
        } else if (history_lost_its_log(keeper->history, keeper->path)) {
                log_warning("The history's log %s-wal was removed or replaced: what it had is written into the history itself", keeper->path);
                keeper->history = history_leave(keeper->history);
        } else if (linked && !keeper->linked)
                log_warning("The history %s has a second name (a hard link), under which it is not whole while pgwaked runs; make a copy with "
                            "sqlite3's .backup instead",
                            keeper->path);
        keeper->linked = linked;
}

static int write_all(struct keeper *keeper) {
        int r = HISTORY_GOOD;

        if (keeper->history)
                look_at_name(keeper);
        if (!keeper->history)
                r = take_file(keeper);
        follow_limit(keeper);
        while (r == HISTORY_GOOD && keeper->known && shelf_waits(&keeper->shelf)) {
                r = write_next(keeper);
                keeper->grew = keeper->grew || r == HISTORY_GOOD;
        }
        return r;
}

/* With a full disk it is better kept open: opening takes space. And while somebody reads there is nothing wrong with it. */
static void let_go(struct keeper *keeper, int r) {
        if (health_of(r) != STORE_FULL && r != HISTORY_HELD)
                keeper->history = history_close(keeper->history);
}

/* What waits for what will never come only takes memory. */
static void see_the_end(struct keeper *keeper, int r) {
        keeper->over = health_is_final(r);
        if (keeper->over)
                shelf_deinit(&keeper->shelf);
}

/* Of one that was good when it was opened. */
static int write_to_a_new_one(struct keeper *keeper) {
        keeper->history = history_close(keeper->history);
        return set_aside(keeper) ? write_all(keeper) : HISTORY_DAMAGED;
}

/* R became of a try with the file. */
static void conclude(struct keeper *keeper, int r) {
        if (r == HISTORY_DAMAGED && keeper->history)
                r = write_to_a_new_one(keeper);
        if (r == HISTORY_BUSY) {
                keeper->retry_boot_usec = usec_add(clock_boot_usec(), BUSY_RETRY_USEC);
                return;
        }
        note(keeper, r);
        if (r == HISTORY_GOOD) {
                keeper->failures = 0;
                return;
        }
        let_go(keeper, r);
        see_the_end(keeper, r);
        keeper->failures++;
        keeper->retry_boot_usec = usec_add(clock_boot_usec(), backoff_usec(keeper->failures, RETRY_MIN_USEC, RETRY_MAX_USEC));
}

struct snapshot *keeper_read(struct keeper *keeper) {
        uint64_t until = usec_add(clock_boot_usec(), LOCKED_AT_START_USEC);
        int r;

        while ((r = take_file(keeper)) == -EBUSY && clock_boot_usec() < until)
                (void)poll(NULL, 0, LOCKED_AT_START_MSEC);
        conclude(keeper, r);
        return keeper_past(keeper);
}

struct snapshot *keeper_past(struct keeper *keeper) {
        return steal_pointer(&keeper->past);
}

void keeper_past_taken(struct keeper *keeper) {
        while (keeper->learnt) {
                struct snapshot *past = keeper->learnt;

                keeper->learnt = past->next;
                past->next = NULL;
                if (shelf_learn(&keeper->shelf, past) < 0)
                        free(past);
        }
        keeper->known = true;
        keeper->all_recalled = false;
}

void keeper_put(struct keeper *keeper, struct snapshot *snapshot) {
        if (snapshot->is_recalled)
                shelf_watch(&keeper->shelf, snapshot->name);
        if (keeper->over || snapshot->is_recalled || shelf_put(&keeper->shelf, snapshot, true) < 0)
                free(snapshot);
}

void keeper_tell(struct keeper *keeper, struct happening *happening) {
        if (keeper->over)
                free(happening);
        else
                shelf_tell(&keeper->shelf, happening);
}

void keeper_all_recalled(struct keeper *keeper) {
        keeper->all_recalled = true;
}

void keeper_doubt(struct keeper *keeper) {
        keeper->in_doubt = true;
}

bool keeper_is_behind(const struct keeper *keeper) {
        return keeper->over || shelf_waits(&keeper->shelf);
}

/* Whether something is to be written, or the file was never read; not while the main thread is still to take what was read. */
static bool is_to_try(const struct keeper *keeper) {
        return !keeper->over && (keeper->known ? shelf_waits(&keeper->shelf) : !keeper->learnt);
}

int keeper_wait_msec(const struct keeper *keeper) {
        uint64_t due;

        /* Nothing wakes up for what is old alone: while nothing is written nothing grows. */
        if (!is_to_try(keeper) && !keeper->prune_goes_on)
                return -1;
        due = is_to_try(keeper) ? keeper->retry_boot_usec : keeper->prune_boot_usec;
        return (int)((usec_sub(due, clock_boot_usec()) + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

/* Who reads met something that cannot be, or no file. Where there is one that is not ours, another is begun though nothing waits. */
static void look_for_damage(struct keeper *keeper) {
        bool was_open = keeper->history;

        keeper->in_doubt = false;
        if (was_open)
                look_at_name(keeper);
        if (was_open && !keeper->history)
                conclude(keeper, write_all(keeper));
        else if (was_open && history_check(keeper->history) == HISTORY_DAMAGED)
                note(keeper, write_to_a_new_one(keeper));
}

void keeper_write(struct keeper *keeper, bool last) {
        if (keeper->in_doubt)
                look_for_damage(keeper);
        if (last && keeper->history)
                history_hurry(keeper->history);
        if (is_to_try(keeper) && (last || clock_boot_usec() >= keeper->retry_boot_usec))
                conclude(keeper, write_all(keeper));
        /* Nobody takes it any more, and nothing follows what was put without it. */
        if (last && keeper->learnt) {
                keeper_past_taken(keeper);
                conclude(keeper, write_all(keeper));
        }
}

void keeper_prune(struct keeper *keeper) {
        uint64_t now = clock_boot_usec(), real = clock_real_usec(), keep = atomic_load(&keeper->keep_usec);
        int r;

        if (!keeper->history || !keeper->all_recalled || keep == USEC_INFINITY) {
                keeper->prune_goes_on = false;
                return;
        }
        if (now < keeper->prune_boot_usec || !(keeper->grew || keeper->prune_goes_on))
                return;
        keeper->grew = false;
        r = history_prune(keeper->history, &keeper->shelf, usec_sub(real, keep), usec_sub(real, MAX(keep, HISTORY_GONE_USEC)));
        /* What goes wrong with that goes wrong with writing too, and is told then. */
        keeper->prune_goes_on = r == HISTORY_NEW || r == HISTORY_BUSY || r == HISTORY_HELD;
        keeper->prune_boot_usec = usec_add(now, r == HISTORY_HELD ? RETRY_MAX_USEC : keeper->prune_goes_on ? PRUNE_PAUSE_USEC : PRUNE_EVERY_USEC);
}

void keeper_close(struct keeper *keeper) {
        if (keeper->history && keeper->known && !shelf_waits(&keeper->shelf))
                (void)write_next(keeper);
        keeper->history = history_close(keeper->history);
}

int keeper_new(const char *path, const struct store_bounds *bounds, struct keeper **ret_keeper) {
        struct keeper *keeper = calloc(1, sizeof(*keeper));

        if (!keeper)
                return -ENOMEM;
        keeper->path = strdup(path);
        if (!keeper->path)
                return free(keeper), -ENOMEM;
        keeper->began_real_usec = clock_real_usec();
        keeper_limit(keeper, bounds);
        (void)pthread_mutex_init(&keeper->lock, NULL);
        *ret_keeper = keeper;
        return 0;
}

struct keeper *keeper_free(struct keeper *keeper) {
        if (!keeper)
                return NULL;
        keeper->history = history_close(keeper->history);
        snapshot_list_free(keeper->past);
        snapshot_list_free(keeper->learnt);
        shelf_deinit(&keeper->shelf);
        (void)pthread_mutex_destroy(&keeper->lock);
        free(keeper->path);
        free(keeper);
        return NULL;
}

void keeper_limit(struct keeper *keeper, const struct store_bounds *bounds) {
        atomic_store(&keeper->max_bytes, bounds->max_bytes);
        atomic_store(&keeper->keep_usec, bounds->keep_usec);
}

enum store_health keeper_health(struct keeper *keeper, char *ret_sentence, size_t size) {
        enum store_health health;

        (void)pthread_mutex_lock(&keeper->lock);
        health = keeper->health;
        (void)text_copy(ret_sentence, size, keeper->sentence);
        (void)pthread_mutex_unlock(&keeper->lock);
        return health;
}
