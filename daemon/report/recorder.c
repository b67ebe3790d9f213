#include "report/recorder.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/lease.h"
#include "store/store.h"

/* With the time that the writer takes to commit it is a second. */
#define FLUSH_USEC (900 * USEC_PER_MSEC)
#define ACCURACY_USEC (50 * USEC_PER_MSEC)
/* In one turn of the loop: ten thousand at once would keep everybody else waiting. */
#define FLUSH_MAX 128

struct recorder {
        struct engine *engine;
        struct store *store;
        struct observer observer;
        sd_event_source *timer;
        bool armed;
        bool told; /* that memory is short */

        /* The ids of the targets that changed: in the order of their coming, and as a set (open addressing; 0: a free slot). */
        uint64_t *dirty;
        size_t n_dirty, first, allocated; /* those before `first` are done */
        uint64_t *slots;
        size_t n_slots; /* a power of 2, at least twice as many as are allocated */
};

#define DIRTY_MIN 64

/* Fibonacci hashing: ids are consecutive numbers. */
static size_t home_of(const struct recorder *recorder, uint64_t id) {
        return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (recorder->n_slots - 1);
}

/* The slot of ID, or the free one where it belongs. */
static size_t slot_of(const struct recorder *recorder, uint64_t id) {
        size_t i = home_of(recorder, id);

        while (recorder->slots[i] != 0 && recorder->slots[i] != id)
                i = (i + 1) & (recorder->n_slots - 1);
        return i;
}

/* What stands behind it is moved up, so that a search never ends too early. */
static void take_out(struct recorder *recorder, uint64_t id) {
        size_t mask = recorder->n_slots - 1, hole = slot_of(recorder, id);

        for (size_t i = (hole + 1) & mask; recorder->slots[i] != 0; i = (i + 1) & mask) {
                size_t away = (i - home_of(recorder, recorder->slots[i])) & mask;

                if (away >= ((i - hole) & mask)) {
                        recorder->slots[hole] = recorder->slots[i];
                        hole = i;
                }
        }
        recorder->slots[hole] = 0;
}

static int grow(struct recorder *recorder) {
        size_t allocated = recorder->allocated ? 2 * recorder->allocated : DIRTY_MIN;
        uint64_t *dirty, *slots;

        dirty = reallocarray(recorder->dirty, allocated, sizeof(*dirty));
        if (!dirty)
                return -ENOMEM;
        recorder->dirty = dirty;
        slots = calloc(2 * allocated, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        free(recorder->slots);
        recorder->slots = slots;
        recorder->n_slots = 2 * allocated;
        recorder->allocated = allocated;
        for (size_t i = recorder->first; i < recorder->n_dirty; i++)
                slots[slot_of(recorder, dirty[i])] = dirty[i];
        return 0;
}

static void forget_all(struct recorder *recorder) {
        free(recorder->dirty);
        free(recorder->slots);
        recorder->dirty = recorder->slots = NULL;
        recorder->n_dirty = recorder->first = recorder->allocated = recorder->n_slots = 0;
}

/* Once until it works again. */
static void tell(struct recorder *recorder, int error) {
        if (error < 0 && !recorder->told)
                log_error("cannot keep the history: %s; going on without", strerror(-error));
        recorder->told = error < 0;
}

static void arm(struct recorder *recorder, uint64_t usec) {
        (void)sd_event_source_set_time_relative(recorder->timer, usec);
        (void)sd_event_source_set_enabled(recorder->timer, SD_EVENT_ONESHOT);
        recorder->armed = true;
}

static void on_touched(void *userdata, const struct target *target) {
        struct recorder *recorder = userdata;

        if (recorder->n_slots > 0 && recorder->slots[slot_of(recorder, target->id)] == target->id)
                return;
        if (recorder->n_dirty == recorder->allocated && grow(recorder) < 0) {
                tell(recorder, -ENOMEM);
                return;
        }
        recorder->slots[slot_of(recorder, target->id)] = recorder->dirty[recorder->n_dirty++] = target->id;
        if (!recorder->armed)
                arm(recorder, FLUSH_USEC);
}

/* Those that end with a connection are over when we are. */
static size_t timed_leases(const struct target *target, struct lease_record *records) {
        size_t n = 0;

        for (const struct lease *lease = lease_first(target); lease; lease = lease->next)
                if (lease->record.until_real_usec > 0) {
                        if (records)
                                records[n] = lease->record;
                        n++;
                }
        return n;
}

static int record(struct recorder *recorder, const struct target *target) {
        size_t n = timed_leases(target, NULL);
        _cleanup_free_ struct lease_record *leases = n > 0 ? calloc(n, sizeof(*leases)) : NULL;
        struct memory memory;

        if (n > 0 && !leases)
                return -ENOMEM;
        (void)timed_leases(target, leases);
        target_remember(target, clock_now(), &memory);
        return store_put(recorder->store, target->config->name, &memory, leases, n);
}

/* The first N that changed. Whoever is gone meanwhile was put away when it went. */
static void flush(struct recorder *recorder, size_t n) {
        const struct registry *registry = engine_registry(recorder->engine);

        for (; n > 0 && recorder->first < recorder->n_dirty; n--) {
                uint64_t id = recorder->dirty[recorder->first++];
                const struct target *target = registry_by_id(registry, id);

                /* From here on it may change anew. */
                take_out(recorder, id);
                if (target)
                        tell(recorder, record(recorder, target));
        }
        if (recorder->first == recorder->n_dirty)
                forget_all(recorder);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct recorder *recorder = userdata;

        (void)source;
        (void)usec;
        recorder->armed = false;
        /* What changed is kept in mind here, where it takes no more space the longer it takes. */
        if (store_is_behind(recorder->store)) {
                arm(recorder, FLUSH_USEC);
                return 0;
        }
        flush(recorder, FLUSH_MAX);
        if (recorder->n_dirty > 0)
                arm(recorder, 0);
        return 0;
}

static void put_away(struct recorder *recorder, const struct target *target) {
        struct memory memory;

        target_remember(target, clock_now(), &memory);
        tell(recorder, store_put_away(recorder->store, target->config->name, &memory));
}

static void on_event(void *userdata, const struct event *event, const struct target *target) {
        if (!target)
                return;
        if (event->kind == EVENT_REMOVED)
                put_away(userdata, target);
        else
                on_touched(userdata, target);
}

int recorder_new(sd_event *event, struct engine *engine, struct store *store, struct recorder **ret_recorder) {
        struct recorder *recorder = calloc(1, sizeof(*recorder));
        int r;

        if (!recorder)
                return -ENOMEM;
        recorder->engine = engine;
        recorder->store = store;
        r = sd_event_add_time(event, &recorder->timer, CLOCK_MONOTONIC, USEC_INFINITY, ACCURACY_USEC, on_timer, recorder);
        if (r < 0) {
                free(recorder);
                return r;
        }
        (void)sd_event_source_set_description(recorder->timer, "recorder-flush");
        (void)sd_event_source_set_enabled(recorder->timer, SD_EVENT_OFF);
        recorder->observer = (struct observer){.notify = on_event, .touched = on_touched, .userdata = recorder};
        engine_observe(engine, &recorder->observer);
        *ret_recorder = recorder;
        return 0;
}

struct recorder *recorder_free(struct recorder *recorder) {
        if (!recorder)
                return NULL;
        engine_unobserve(recorder->engine, &recorder->observer);
        flush(recorder, SIZE_MAX);
        sd_event_source_disable_unref(recorder->timer);
        forget_all(recorder);
        free(recorder);
        return NULL;
}
