#include "history/pending.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"

/* As many events may wait while the file cannot be written: some megabytes. */
#define EVENTS_MAX 16384
#define HOURS_MAX 24
/* As many hours may wait over all databases, some 8 kB each at worst; each database keeps at least one. */
#define HOURS_TOTAL_MAX 8192
/* The most pages that one snapshot changes: its rows are in a few pages each of five tables. */
#define PAGES_PER_SNAPSHOT 5
/* An hour is one row; its counters take a bounded number of characters each. */
#define COUNTERS_PER_PAGE 128
/* One transaction writes at most this many: more would only keep the disk busy for longer. */
#define BATCH_MAX 256

static void free_hours(struct hour *hour) {
        while (hour) {
                struct hour *earlier = hour->next;

                free(hour->counters);
                free(hour);
                hour = earlier;
        }
}

/* Drops all but the newest N, and at least one stays. */
static void limit_hours(struct hour *hours, size_t n) {
        for (; hours && n > 1; n--)
                hours = hours->next;
        if (hours)
                free_hours(steal_pointer(&hours->next));
}

static void drop_event(struct pending *pending) {
        struct event_record *record = STAILQ_FIRST(&pending->events);

        STAILQ_REMOVE_HEAD(&pending->events, link);
        pending->n_events--;
        free(record);
}

static void free_entry(struct pending_entry *entry) {
        free(entry->snapshot);
        free_hours(entry->hours);
        free(entry);
}

void pending_init(struct pending *pending) {
        *pending = (struct pending){0};
        STAILQ_INIT(&pending->waiting);
        STAILQ_INIT(&pending->events);
}

void pending_deinit(struct pending *pending) {
        for (size_t i = 0; i < pending->n; i++)
                free_entry(pending->entries[i]);
        while (!STAILQ_EMPTY(&pending->events))
                drop_event(pending);
        free(pending->entries);
        pending_init(pending);
}

static int compare_to_entry(const void *name, const void *element) {
        const struct pending_entry *const *entry = element;

        return strcmp(name, (*entry)->snapshot->name);
}

/* The position of the first entry not below NAME. */
static size_t pending_search(const struct pending *pending, const char *name) {
        /* They mostly arrive in their order. */
        if (pending->n > 0 && compare_to_entry(name, &pending->entries[pending->n - 1]) > 0)
                return pending->n;
        return sorted_place(name, pending->entries, pending->n, sizeof(*pending->entries), compare_to_entry);
}

static bool is_at(const struct pending *pending, size_t i, const char *name) {
        return i < pending->n && streq(pending->entries[i]->snapshot->name, name);
}

static int pending_add_entry(struct pending *pending, size_t i, struct snapshot *snapshot) {
        struct pending_entry *entry;

        if (array_reserve((void **)&pending->entries, pending->n, &pending->allocated, sizeof(struct pending_entry *)) < 0)
                return -ENOMEM;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return -ENOMEM;
        entry->snapshot = snapshot;
        memmove(pending->entries + i + 1, pending->entries + i, (pending->n - i) * sizeof(struct pending_entry *));
        pending->entries[i] = entry;
        pending->n++;
        return 0;
}

static void pending_let_wait(struct pending *pending, struct pending_entry *entry) {
        if (entry->waits)
                return;
        entry->waits = true;
        STAILQ_INSERT_TAIL(&pending->waiting, entry, link);
}

/* The hour of REAL_USEC in the list, added if it is missing. NULL: out of memory. */
static struct hour *hour_of(struct hour **hours, uint64_t real_usec) {
        uint64_t begin = real_usec - real_usec % USEC_PER_HOUR;
        struct hour **place = hours, *hour;

        while (*place && (*place)->begin_real_usec > begin)
                place = &(*place)->next;
        if (*place && (*place)->begin_real_usec == begin)
                return *place;
        hour = calloc(1, sizeof(*hour));
        if (!hour)
                return NULL;
        hour->begin_real_usec = begin;
        hour->next = *place;
        *place = hour;
        return hour;
}

static void count_one(struct hour **hours, uint64_t real_usec, enum counter_kind kind, unsigned index, uint64_t value) {
        struct hour *hour = value > 0 ? hour_of(hours, real_usec) : NULL;

        if (hour)
                (void)hour_add(hour, kind, index, value);
}

static bool is_of_hours(const struct counter *counter) {
        return counter->kind == COUNTER_ATTEMPTS || counter->kind == COUNTER_FAILURES || counter->kind == COUNTER_WAKES;
}

static void count_counters(struct hour **hours, const struct snapshot *old, const struct snapshot *new) {
        size_t k = 0;

        for (size_t i = 0; i < new->n_counters && is_of_hours(&new->counters[i]); i++) {
                const struct counter *counter = &new->counters[i];
                uint64_t before = old ? snapshot_value(old, &k, counter) : 0;

                count_one(hours, new->saved_real_usec, counter->kind, counter->index, usec_sub(counter->value, before));
        }
}

/* A month without events, in which only time passed. */
#define HOURS_AT_ONCE_MAX 744

/* Distributes the time up to UNTIL over its hours, the latest first. */
static void count_time(struct hour **hours, uint64_t until, uint64_t length, bool ours) {
        for (unsigned n = 0; n < HOURS_AT_ONCE_MAX && length > 0 && until > 0; n++) {
                uint64_t begin = (until - 1) - (until - 1) % USEC_PER_HOUR, part = MIN(length, until - begin);
                struct hour *hour = hour_of(hours, begin);

                if (!hour)
                        return;
                *(ours ? &hour->ours_usec : &hour->awake_usec) += part;
                length -= part;
                until = begin;
        }
}

static void count_timings(struct hour **hours, const struct snapshot *new) {
        for (size_t i = 0; i < new->n_timings; i++)
                for (unsigned phase = 0; phase < _PHASE_MAX; phase++) {
                        uint32_t usec = new->timings[i].phase_usec[phase];

                        if (usec > 0)
                                count_one(hours, new->saved_real_usec, COUNTER_PHASES,
                                          phase * HISTOGRAM_BUCKETS + (unsigned)histogram_bucket(usec), 1);
                }
}

/*
 * Adds to HOURS, newest first, the increase from OLD (NULL: from nothing) to NEW, and the timings of NEW. Adds nothing if nothing was
 * counted. If memory runs out, that part is lost.
 */
static void count_hours(struct hour **hours, const struct snapshot *old, const struct snapshot *new) {
        static const struct account none;
        const struct account *before = old ? &old->account : &none;

        count_counters(hours, old, new);
        count_time(hours, new->saved_real_usec, usec_sub(new->account.awake_usec, before->awake_usec), false);
        count_time(hours, new->saved_real_usec, usec_sub(new->account.ours_usec, before->ours_usec), true);
        count_timings(hours, new);
}

static void pending_count(const struct pending *pending, struct pending_entry *entry, const struct snapshot *old) {
        count_hours(&entry->hours, old, entry->snapshot);
        if (entry->waits)
                limit_hours(entry->hours, MIN(MAX(HOURS_TOTAL_MAX / pending->n, (size_t)1), (size_t)HOURS_MAX));
}

int pending_put(struct pending *pending, struct snapshot *snapshot, bool waits) {
        size_t i = pending_search(pending, snapshot->name);
        struct snapshot *old = NULL;

        if (is_at(pending, i, snapshot->name)) {
                old = pending->entries[i]->snapshot;
                snapshot_follow(snapshot, old);
                pending->entries[i]->snapshot = snapshot;
        } else {
                int r = pending_add_entry(pending, i, snapshot);

                if (r < 0)
                        return r;
        }
        if (waits) {
                pending->entries[i]->watched = !snapshot->is_put_away;
                pending_count(pending, pending->entries[i], old);
                pending_let_wait(pending, pending->entries[i]);
        }
        free(old);
        return 0;
}

struct snapshot *pending_take(struct pending *pending, const char *name) {
        size_t i = pending_search(pending, name);
        struct snapshot *snapshot;

        if (!is_at(pending, i, name))
                return NULL;
        snapshot = steal_pointer(&pending->entries[i]->snapshot);
        free_entry(pending->entries[i]);
        pending->n--;
        memmove(pending->entries + i, pending->entries + i + 1, (pending->n - i) * sizeof(struct pending_entry *));
        return snapshot;
}

void pending_drop(struct pending *pending, const char *name) {
        free(pending_take(pending, name));
}

void pending_watch(struct pending *pending, const char *name) {
        size_t i = pending_search(pending, name);

        if (is_at(pending, i, name))
                pending->entries[i]->watched = true;
}

bool pending_is_watched(const struct pending *pending, const char *name) {
        size_t i = pending_search(pending, name);

        return is_at(pending, i, name) && (pending->entries[i]->watched || pending->entries[i]->waits);
}

void pending_drop_before(struct pending *pending, uint64_t since_real_usec) {
        size_t n = 0;

        for (size_t i = 0; i < pending->n; i++)
                if (pending->entries[i]->snapshot->saved_real_usec < since_real_usec)
                        free_entry(pending->entries[i]);
                else
                        pending->entries[n++] = pending->entries[i];
        pending->n = n;
}

int pending_learn(struct pending *pending, struct snapshot *past) {
        size_t i = pending_search(pending, past->name);
        struct snapshot *sum;

        if (!is_at(pending, i, past->name))
                return pending_add_entry(pending, i, past);
        sum = snapshot_add(pending->entries[i]->snapshot, past);
        if (!sum)
                return -ENOMEM;
        free(pending->entries[i]->snapshot);
        free(past);
        pending->entries[i]->snapshot = sum;
        return 0;
}

void pending_compare(struct pending *pending, const struct snapshot *snapshots) {
        for (size_t i = 0; i < pending->n; i++) {
                snapshot_compare(pending->entries[i]->snapshot, NULL);
                pending_let_wait(pending, pending->entries[i]);
        }
        for (; snapshots; snapshots = snapshots->next) {
                size_t i = pending_search(pending, snapshots->name);

                if (is_at(pending, i, snapshots->name))
                        snapshot_compare(pending->entries[i]->snapshot, snapshots);
        }
}

void pending_tell(struct pending *pending, struct event_record *record) {
        STAILQ_INSERT_TAIL(&pending->events, record, link);
        if (++pending->n_events > EVENTS_MAX)
                drop_event(pending);
}

bool pending_waits(const struct pending *pending) {
        return !STAILQ_EMPTY(&pending->waiting) || !STAILQ_EMPTY(&pending->events);
}

/* The most pages that ENTRY changes: after a long time without a file it has many hours. */
static uint64_t pages_of(const struct pending_entry *entry) {
        uint64_t pages = PAGES_PER_SNAPSHOT;

        for (const struct hour *hour = entry->hours; hour; hour = hour->next)
                pages += 1 + hour->n / COUNTERS_PER_PAGE;
        return pages;
}

/* Whether something that changes PAGES fits into BATCH, which may change PAGES_MAX. One thing always does. */
static bool fits(const struct pending_batch *batch, uint64_t pages, uint64_t pages_max) {
        size_t n = batch->n + batch->n_events;

        return n == 0 || (n < BATCH_MAX && batch->pages + pages <= pages_max);
}

struct pending_batch pending_choose(const struct pending *pending, uint64_t pages_max) {
        const struct event_record *record = STAILQ_FIRST(&pending->events);
        const struct pending_entry *entry = STAILQ_FIRST(&pending->waiting);
        struct pending_batch batch = {0};

        for (; entry && fits(&batch, pages_of(entry), pages_max); entry = STAILQ_NEXT(entry, link)) {
                batch.pages += pages_of(entry);
                batch.n++;
        }
        for (; record && fits(&batch, PAGES_PER_SNAPSHOT, pages_max); record = STAILQ_NEXT(record, link)) {
                batch.pages += PAGES_PER_SNAPSHOT;
                batch.n_events++;
        }
        return batch;
}

void pending_written(struct pending *pending, const struct pending_batch *batch) {
        for (size_t i = 0; i < batch->n_events; i++)
                drop_event(pending);
        for (size_t i = 0; i < batch->n; i++) {
                struct pending_entry *entry = STAILQ_FIRST(&pending->waiting);

                snapshot_written(entry->snapshot);
                entry->waits = false;
                free_hours(steal_pointer(&entry->hours));
                STAILQ_REMOVE_HEAD(&pending->waiting, link);
        }
}
