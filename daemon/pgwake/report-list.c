/* The report without a picture: one fact a line, its key first, all times in seconds. The keys are for ever: people grep for them. */
#include "pgwake/report.h"

#include "base/clock.h"

#include <inttypes.h>

static void append_seconds(struct buffer *buffer, uint64_t usec) {
        if (usec == USEC_INFINITY)
                buffer_append_string(buffer, "-");
        else if (usec % USEC_PER_SEC == 0)
                buffer_printf(buffer, "%" PRIu64, usec / USEC_PER_SEC);
        else
                buffer_printf(buffer, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

static void list_seconds(struct buffer *buffer, const char *key, uint64_t usec) {
        buffer_printf(buffer, "%s ", key);
        append_seconds(buffer, usec);
        buffer_append(buffer, "\n", 1);
}

static void list_count(struct buffer *buffer, const char *key, uint64_t count) {
        buffer_printf(buffer, "%s %" PRIu64 "\n", key, count);
}

/* A key of the daemon's is one word, whatever it holds. */
static void append_word(struct buffer *buffer, const char *word) {
        for (; *word; word++)
                buffer_append(buffer, *word == ' ' ? "_" : word, 1);
}

static void list_counts(struct buffer *buffer, const char *key, json_t *object) {
        const char *word;
        json_t *value;

        json_object_foreach(object, word, value) {
                buffer_printf(buffer, "%s ", key);
                append_word(buffer, word);
                if (json_is_integer(value))
                        buffer_printf(buffer, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
                else
                        buffer_printf(buffer, " %.6f\n", json_real_value(value));
        }
}

static void list_phases(struct buffer *buffer, const struct report *report) {
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                const struct report_spread *spread = &report->phases[phase];

                buffer_printf(buffer, "phase %s count %" PRIu64 " p50_seconds ", phase_name(phase), spread->count);
                append_seconds(buffer, spread->p50_usec);
                buffer_append_string(buffer, " p95_seconds ");
                append_seconds(buffer, spread->p95_usec);
                buffer_append_string(buffer, " p99_seconds ");
                append_seconds(buffer, spread->p99_usec);
                buffer_append(buffer, "\n", 1);
        }
}

static void list_outages(struct buffer *buffer, const struct report *report) {
        for (size_t i = 0; i < report->n_outages; i++) {
                const struct report_outage *outage = &report->outages[i];
                const char *meaning = report_meaning(outage->reason);

                buffer_append_string(buffer, "outages ");
                append_word(buffer, outage->reason);
                buffer_printf(buffer, " count %" PRIu64 " seconds ", outage->count);
                append_seconds(buffer, outage->usec);
                buffer_printf(buffer, "%s%s\n", meaning ? " meaning " : "", meaning ? meaning : "");
        }
}

static void list_distribution(struct buffer *buffer, const struct report *report) {
        for (size_t i = 0; i < report->n_distribution; i++) {
                if (report->distribution[i].count == 0)
                        continue;
                buffer_append_string(buffer, "wakes_up_to_seconds ");
                append_seconds(buffer, report->distribution[i].up_to_usec);
                buffer_printf(buffer, " %" PRIu64 "\n", report->distribution[i].count);
        }
}

void report_list(struct buffer *buffer, const struct report *report) {
        buffer_append_string(buffer, "name ");
        append_word(buffer, report->name);
        buffer_printf(buffer, "\nsince %s\nuntil %s\n", report->since, report->until);
        list_seconds(buffer, "known_seconds", report->known_usec);
        if (report->availability)
                buffer_printf(buffer, "availability %.8f\n", json_number_value(report->availability));
        else
                buffer_append_string(buffer, "availability -\n");
        list_seconds(buffer, "awake_seconds", report->awake_usec);
        list_seconds(buffer, "awake_on_our_demand_seconds", report->awake_on_demand_usec);
        list_counts(buffer, "state_seconds", report->states);
        list_count(buffer, "wakes", report->wakes.count);
        list_count(buffer, "wakes_cold", report->cold);
        list_counts(buffer, "wakes_by_cause", report->causes);
        list_seconds(buffer, "wakes_p50_seconds", report->wakes.p50_usec);
        list_seconds(buffer, "wakes_p95_seconds", report->wakes.p95_usec);
        list_seconds(buffer, "wakes_p99_seconds", report->wakes.p99_usec);
        list_seconds(buffer, "wakes_max_seconds", report->wakes.max_usec);
        list_distribution(buffer, report);
        list_phases(buffer, report);
        list_outages(buffer, report);
        list_counts(buffer, "failures", report->failures);
}
