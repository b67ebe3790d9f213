#include "notify/recorder.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/id-map.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/text.h"
#include "base/timer.h"
#include "history/store.h"
#include "scheduler/lease.h"

/* Together with the writer's commit, a second. */
#define FLUSH_USEC (900 * USEC_PER_MSEC)
#define ACCURACY_USEC (50 * USEC_PER_MSEC)
/* Per loop iteration: ten thousand at once would keep everything else waiting. */
#define FLUSH_MAX 128

/* -- the databases that changed -------------------------------------------------------------------------------------------------------- */

struct dirty_database {
        uint64_t id;
        size_t n_timings; /* its timings, in `timings` */
        size_t last;      /* its newest timing, plus 1; 0: none */
};

/*
 * The databases that changed since they were last taken, each once, in order of arrival; and the durations of their attempts' phases since
 * then. Its memory grows by doubling, and is freed when everything is taken.
 */
struct dirty_set {
        struct dirty_database *list;
        size_t n, first, allocated; /* those before `first` are taken */
        struct id_map places;       /* in the list, plus 1 */
        struct dirty_timing {
                size_t before; /* the previous timing of the same database, plus 1; 0: none */
                struct timing timing;
        } *timings;
        size_t n_timings, allocated_timings;
};

static void dirty_set_deinit(struct dirty_set *set) {
        free(set->list);
        id_map_deinit(&set->places);
        free(set->timings);
        *set = (struct dirty_set){0};
}

static size_t dirty_set_count(const struct dirty_set *set) {
        return set->n - set->first;
}

/* The entry of ID, added if it is missing. NULL: out of memory. */
static struct dirty_database *dirty_set_of(struct dirty_set *set, uint64_t id) {
        size_t place = (size_t)(uintptr_t)id_map_get(&set->places, id);

        if (place > 0)
                return &set->list[place - 1];
        if (array_reserve((void **)&set->list, set->n, &set->allocated, sizeof(*set->list)) < 0 ||
            id_map_put(&set->places, id, (void *)(uintptr_t)(set->n + 1)) < 0)
                return NULL;
        set->list[set->n] = (struct dirty_database){.id = id};
        return &set->list[set->n++];
}

/* ID changed. 0 or -ENOMEM. */
static int dirty_set_note(struct dirty_set *set, uint64_t id) {
        return dirty_set_of(set, id) ? 0 : -ENOMEM;
}

/* ID changed by an attempt. */
static int dirty_set_note_timing(struct dirty_set *set, uint64_t id, const struct timing *timing) {
        struct dirty_database *dirty = dirty_set_of(set, id);

        if (!dirty || array_reserve((void **)&set->timings, set->n_timings, &set->allocated_timings, sizeof(*set->timings)) < 0)
                return -ENOMEM;
        set->timings[set->n_timings++] = (struct dirty_timing){.before = dirty->last, .timing = *timing};
        dirty->last = set->n_timings;
        dirty->n_timings++;
        return 0;
}

/* Takes the oldest; later changes add it again. Returns false if there is none. */
static bool dirty_set_take(struct dirty_set *set, struct dirty_database *ret_dirty) {
        if (set->first == set->n)
                return false;
        *ret_dirty = set->list[set->first++];
        (void)id_map_take(&set->places, ret_dirty->id);
        return true;
}

/* Copies DIRTY's timings, newest first, to TIMINGS, which has room for them. Before dirty_set_forget(). */
static void dirty_set_timings(const struct dirty_set *set, const struct dirty_database *dirty, struct timing *timings) {
        for (size_t i = dirty->last; i > 0; i = set->timings[i - 1].before)
                *timings++ = set->timings[i - 1].timing;
}

/* Frees the memory if everything was taken. */
static void dirty_set_forget(struct dirty_set *set) {
        if (set->first == set->n)
                dirty_set_deinit(set);
}

/* -- what of it goes into the history, and when ---------------------------------------------------------------------------------------- */

struct recorder {
        struct engine *engine;
        struct store *store;
        struct observer observer;
        struct timer timer;
        bool told; /* the lack of memory was logged */
        struct dirty_set dirty;
};

/* Logged once until it works again. */
static void recorder_tell(struct recorder *recorder, int error) {
        if (error < 0 && !recorder->told)
                log_error("cannot keep the history: %s; going on without", strerror(-error));
        recorder->told = error < 0;
}

static void note(struct recorder *recorder, int r) {
        if (r < 0)
                recorder_tell(recorder, r);
        else if (!timer_is_set(&recorder->timer))
                timer_set_after(&recorder->timer, FLUSH_USEC);
}

static void recorder_on_touched(void *userdata, const struct database *database) {
        struct recorder *recorder = userdata;

        note(recorder, dirty_set_note(&recorder->dirty, database->id));
}

/* The durations of the phases that were completed: the one in which an attempt failed was not. */
static struct timing timing_of(const struct attempt *attempt) {
        struct timing timing = {0};

        for (unsigned phase = 0; phase < _PHASE_MAX; phase++)
                if (phase < attempt->last_phase || attempt->reason == REASON_NONE || reason_class(attempt->reason) == CLASS_DEGRADED)
                        timing.phase_usec[phase] = (uint32_t)MIN(attempt->phase_usec[phase], (uint64_t)UINT32_MAX);
        return timing;
}

static void on_attempted(void *userdata, const struct database *database, const struct attempt *attempt) {
        struct recorder *recorder = userdata;
        struct timing timing = timing_of(attempt);

        /* A store that is behind gets only the fact of a change, which takes no more memory over time; timings would. */
        if (store_is_behind(recorder->store))
                note(recorder, dirty_set_note(&recorder->dirty, database->id));
        else
                note(recorder, dirty_set_note_timing(&recorder->dirty, database->id, &timing));
}

/* Leases that end with a connection end with this daemon. */
static size_t timed_leases(const struct database *database, struct lease_record *records) {
        const struct lease *lease;
        size_t n = 0;

        TAILQ_FOREACH(lease, &database->leases, link)
                if (lease->record.until_real_usec > 0) {
                        if (records)
                                records[n] = lease->record;
                        n++;
                }
        return n;
}

static int recorder_record(struct recorder *recorder, const struct database *database, const struct dirty_database *dirty) {
        size_t n = timed_leases(database, NULL);
        _cleanup_free_ struct lease_record *leases = n > 0 ? calloc(n, sizeof(*leases)) : NULL;
        _cleanup_free_ struct timing *timings = dirty->n_timings > 0 ? calloc(dirty->n_timings, sizeof(*timings)) : NULL;
        struct memory memory;

        if ((n > 0 && !leases) || (dirty->n_timings > 0 && !timings))
                return -ENOMEM;
        (void)timed_leases(database, leases);
        dirty_set_timings(&recorder->dirty, dirty, timings);
        database_remember(database, clock_now(), &memory);
        return store_put(recorder->store, database->config->name, &memory, leases, n, timings, dirty->n_timings);
}

/* Gives the store the first N that changed. A database that is gone by now was put away when it went. */
static void recorder_flush(struct recorder *recorder, size_t n) {
        const struct registry *registry = engine_registry(recorder->engine);
        struct dirty_database dirty;

        for (; n > 0 && dirty_set_take(&recorder->dirty, &dirty); n--) {
                const struct database *database = registry_by_id(registry, dirty.id);

                if (database)
                        recorder_tell(recorder, recorder_record(recorder, database, &dirty));
        }
        dirty_set_forget(&recorder->dirty);
}

static void recorder_on_timer(void *userdata) {
        struct recorder *recorder = userdata;

        if (store_is_behind(recorder->store)) {
                timer_set_after(&recorder->timer, FLUSH_USEC);
                return;
        }
        recorder_flush(recorder, FLUSH_MAX);
        if (dirty_set_count(&recorder->dirty) > 0)
                timer_set_after(&recorder->timer, 0);
}

static void put_away(struct recorder *recorder, const struct database *database) {
        struct memory memory;

        database_remember(database, clock_now(), &memory);
        recorder_tell(recorder, store_put_away(recorder->store, database->config->name, &memory));
}

static int recorder_tell_event(struct recorder *recorder, const struct event *event, const char *detail) {
        size_t size = detail ? strlen(detail) + 1 : 1;
        struct event_record *record = calloc(1, sizeof(*record) + size);

        if (!record)
                return -ENOMEM;
        record->event = *event;
        (void)text_copy(record->detail, size, detail);
        return store_tell(recorder->store, record);
}

/* From here on nothing is known of the database. */
static int tell_removed(struct recorder *recorder, const struct event *event) {
        struct event gone = *event;

        gone.kind = EVENT_STATE;
        gone.previous = event->state;
        gone.state = STATE_UNKNOWN;
        gone.reason = REASON_NOT_CHECKED;
        *gone.sqlstate = '\0';
        return recorder_tell_event(recorder, &gone, NULL);
}

static void recorder_on_event(void *userdata, const struct event *event, const struct database *database) {
        struct recorder *recorder = userdata;

        if (!database)
                return;
        switch (event->kind) {
        case EVENT_STATE:
                recorder_tell(recorder, recorder_tell_event(recorder, event, database->detail));
                break;
        case EVENT_WAKE:
                recorder_tell(recorder, recorder_tell_event(recorder, event, NULL));
                break;
        case EVENT_REMOVED:
                put_away(recorder, database);
                recorder_tell(recorder, tell_removed(recorder, event));
                return;
        case EVENT_ADDED:
        case EVENT_BUDGET:
                break;
        }
        recorder_on_touched(recorder, database);
}

int recorder_new(sd_event *event, struct engine *engine, struct store *store, struct recorder **ret_recorder) {
        struct recorder *recorder = calloc(1, sizeof(*recorder));
        int r;

        if (!recorder)
                return -ENOMEM;
        recorder->engine = engine;
        recorder->store = store;
        r = timer_init(&recorder->timer, event, CLOCK_MONOTONIC, ACCURACY_USEC, "recorder-flush", recorder_on_timer, recorder);
        if (r < 0) {
                free(recorder);
                return r;
        }
        recorder->observer = (struct observer){
                .notify = recorder_on_event,
                .touched = recorder_on_touched,
                .attempted = on_attempted,
                .userdata = recorder,
        };
        engine_observe(engine, &recorder->observer);
        *ret_recorder = recorder;
        return 0;
}

/* Brings the accounts of awake databases up to date, even if nothing happened to them. */
static void note_awake(struct recorder *recorder) {
        const struct registry *registry = engine_registry(recorder->engine);
        const struct database *database;

        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                if (database->account_runs)
                        recorder_on_touched(recorder, database);
}

struct recorder *recorder_free(struct recorder *recorder) {
        if (!recorder)
                return NULL;
        note_awake(recorder);
        engine_unobserve(recorder->engine, &recorder->observer);
        recorder_flush(recorder, SIZE_MAX);
        timer_deinit(&recorder->timer);
        dirty_set_deinit(&recorder->dirty);
        free(recorder);
        return NULL;
}
