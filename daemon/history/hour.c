#include "history/hour.h"

#include "base/error.h"
#include "base/macro.h"

#include <inttypes.h>

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
