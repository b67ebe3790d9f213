#include "history/hour.h"

#include "base/error.h"
#include "base/macro.h"

#include <inttypes.h>

struct hour *hour_free(struct hour *hour) {
        if (!hour)
                return NULL;
        free(hour->counters);
        free(hour);
        return NULL;
}

struct hour *hours_free(struct hour *hour) {
        while (hour) {
                struct hour *earlier = hour->next;

                hour_free(hour);
                hour = earlier;
        }
        return NULL;
}

void hours_limit(struct hour *hours, size_t n) {
        for (; hours && n > 1; n--)
                hours = hours->next;
        if (hours)
                hours->next = hours_free(hours->next);
}

/* The first counter that is not below KEY. */
static size_t search(const struct hour *hour, uint32_t key) {
        size_t low = 0, high = hour->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (counter_key(&hour->counters[middle]) < key)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int make_room(struct hour *hour) {
        size_t allocated = hour->allocated ? 2 * hour->allocated : 8;
        struct counter *counters;

        if (hour->n < hour->allocated)
                return 0;
        counters = reallocarray(hour->counters, allocated, sizeof(*counters));
        if (!counters)
                return -ENOMEM;
        hour->counters = counters;
        hour->allocated = allocated;
        return 0;
}

int hour_add(struct hour *hour, enum counter_kind kind, unsigned index, uint64_t value) {
        struct counter counter = {.kind = (uint16_t)kind, .index = (uint16_t)index, .value = value};
        size_t i = search(hour, counter_key(&counter));

        if (i < hour->n && counter_key(&hour->counters[i]) == counter_key(&counter)) {
                hour->counters[i].value += value;
                return 0;
        }
        if (make_room(hour) < 0)
                return -ENOMEM;
        memmove(hour->counters + i + 1, hour->counters + i, (hour->n - i) * sizeof(*hour->counters));
        hour->counters[i] = counter;
        hour->n++;
        return 0;
}

uint64_t hour_value(const struct hour *hour, enum counter_kind kind, unsigned index) {
        struct counter counter = {.kind = (uint16_t)kind, .index = (uint16_t)index};
        size_t i = search(hour, counter_key(&counter));

        return i < hour->n && counter_key(&hour->counters[i]) == counter_key(&counter) ? hour->counters[i].value : 0;
}

void hour_add_phase(const struct hour *hour, enum phase phase, struct histogram *histogram) {
        struct counter counter = {.kind = COUNTER_PHASES, .index = (uint16_t)(phase * HISTOGRAM_BUCKETS)};

        for (size_t i = search(hour, counter_key(&counter)); i < hour->n; i++) {
                const struct counter *each = &hour->counters[i];
                size_t bucket = (size_t)each->index - counter.index;
                uint32_t *count;

                if (each->kind != COUNTER_PHASES || bucket >= HISTOGRAM_BUCKETS)
                        return;
                count = &histogram->buckets[bucket];
                *count = (uint32_t)MIN(*count + each->value, (uint64_t)UINT32_MAX);
                histogram->count += each->value;
                histogram->max_usec = MAX(histogram->max_usec, histogram_bucket_from(bucket + (bucket + 1 < HISTOGRAM_BUCKETS)));
        }
}

/* The hour of REAL_USEC in the list, made when it is not there. NULL: no memory. */
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

/* A month in which nothing happened but that time went by. */
#define HOURS_AT_ONCE_MAX 744

/* The time up to UNTIL into the hours that it was in, the latest first. */
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

void hours_count(struct hour **hours, const struct snapshot *old, const struct snapshot *new) {
        static const struct account none;
        const struct account *before = old ? &old->account : &none;

        count_counters(hours, old, new);
        count_time(hours, new->saved_real_usec, usec_sub(new->account.awake_usec, before->awake_usec), false);
        count_time(hours, new->saved_real_usec, usec_sub(new->account.ours_usec, before->ours_usec), true);
        count_timings(hours, new);
}

#define PHASES "phases."

void hour_write_words(const struct hour *hour, struct buffer *buffer) {
        unsigned last_phase = _PHASE_MAX;
        char name[COUNTER_NAME_MAX];

        for (size_t i = 0; i < hour->n; i++) {
                const struct counter *counter = &hour->counters[i];
                const char *space = buffer->size > 0 ? " " : "";

                if (counter->kind == COUNTER_PHASES) {
                        unsigned phase = counter->index / HISTOGRAM_BUCKETS;

                        if (phase == last_phase)
                                buffer_append_string(buffer, ",");
                        else
                                buffer_printf(buffer, "%s" PHASES "%s=", space, phase_name((enum phase)phase));
                        last_phase = phase;
                        buffer_printf(buffer, "%" PRIu64 ":%" PRIu64, histogram_bucket_from(counter->index % HISTOGRAM_BUCKETS), counter->value);
                } else
                        buffer_printf(buffer, "%s%s=%" PRIu64, space, counter_name(name, counter), counter->value);
        }
}

/* "1024:6,1088:1" */
static int read_phase(struct hour *hour, unsigned phase, const char *text) {
        int r = 0;

        while (r >= 0) {
                uint64_t from, value;
                char *end;

                from = strtoull(text, &end, 10);
                if (*end != ':')
                        break;
                value = strtoull(end + 1, &end, 10);
                r = hour_add(hour, COUNTER_PHASES, phase * HISTOGRAM_BUCKETS + (unsigned)histogram_bucket(from), value);
                if (*end != ',')
                        break;
                text = end + 1;
        }
        return r;
}

static int read_word(struct hour *hour, const char *name, const char *value) {
        size_t n = starts_with(name, PHASES);
        struct counter counter;

        if (n == 0)
                return counter_from_name(name, &counter) ? hour_add(hour, counter.kind, counter.index, strtoull(value, NULL, 10)) : 0;
        for (unsigned phase = 0; phase < _PHASE_MAX; phase++)
                if (streq(name + n, phase_name((enum phase)phase)))
                        return read_phase(hour, phase, value);
        return 0;
}

int hour_read_words(struct hour *hour, const char *words) {
        int r = 0;

        while (*words && r >= 0) {
                size_t n = strcspn(words, " ="), length;
                char name[COUNTER_NAME_MAX];

                if (words[n] == '=' && n < sizeof(name)) {
                        memcpy(name, words, n);
                        name[n] = '\0';
                        r = read_word(hour, name, words + n + 1);
                }
                length = strcspn(words, " ");
                words += length + (words[length] == ' ');
        }
        return r;
}
