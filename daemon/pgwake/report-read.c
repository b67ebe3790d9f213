#include "pgwake/report.h"

#include "base/clock.h"

#include <errno.h>

#define AT(member) offsetof(struct report, member)

static const struct field report_fields[] = {
        {"name", FIELD_TEXT, true, AT(name)},
        {"since", FIELD_TEXT, true, AT(since)},
        {"until", FIELD_TEXT, true, AT(until)},
        {"report.seconds", FIELD_SECONDS, true, AT(known_usec)},
        {"report.availability", FIELD_ANY, false, AT(availability)},
        {"report.states_seconds", FIELD_OBJECT, false, AT(states)},
        {"report.awake_seconds", FIELD_SECONDS, false, AT(awake_usec)},
        {"report.awake_on_our_demand_seconds", FIELD_SECONDS, false, AT(awake_on_demand_usec)},
        {"report.wakes.count", FIELD_COUNT, true, AT(wakes.count)},
        {"report.wakes.cold", FIELD_COUNT, false, AT(cold)},
        {"report.wakes.by_cause", FIELD_OBJECT, false, AT(causes)},
        {"report.wakes.p50_seconds", FIELD_SECONDS, false, AT(wakes.p50_usec)},
        {"report.wakes.p95_seconds", FIELD_SECONDS, false, AT(wakes.p95_usec)},
        {"report.wakes.p99_seconds", FIELD_SECONDS, false, AT(wakes.p99_usec)},
        {"report.wakes.max_seconds", FIELD_SECONDS, false, AT(wakes.max_usec)},
        {"report.failures", FIELD_OBJECT, false, AT(failures)},
};

struct report_arrays {
        json_t *outages, *distribution, *timeline, *phases;
};

static const struct field report_array_fields[] = {
        {"report.outages", FIELD_ARRAY, true, offsetof(struct report_arrays, outages)},
        {"report.wakes.distribution", FIELD_ARRAY, true, offsetof(struct report_arrays, distribution)},
        {"report.timeline", FIELD_ARRAY, true, offsetof(struct report_arrays, timeline)},
        {"report.phases", FIELD_OBJECT, true, offsetof(struct report_arrays, phases)},
};

static const struct report_spread spread_unknown = {0, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY, USEC_INFINITY};

/* Whether each member of OBJECT is a number that is not negative: of whole ones, or of seconds. */
static bool report_holds_numbers(json_t *object, bool whole) {
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value)
                if (!(whole ? json_is_integer(value) : json_is_number(value)) || !(json_number_value(value) >= 0))
                        return false;
        return true;
}

static int report_read_outages(json_t *array, struct report *report, const char **ret_wrong) {
        static const struct field row[] = {
                {"reason", FIELD_TEXT, false, offsetof(struct report_outage, reason)},
                {"count", FIELD_COUNT, true, offsetof(struct report_outage, count)},
                {"seconds", FIELD_SECONDS, true, offsetof(struct report_outage, usec)},
        };
        json_t *each;
        size_t i;

        report->outages = calloc(json_array_size(array) + 1, sizeof(*report->outages));
        if (!report->outages)
                return -ENOMEM;
        json_array_foreach(array, i, each) {
                struct report_outage *outage = &report->outages[report->n_outages++];

                outage->reason = "-";
                if (decode_fields(each, row, ARRAY_LENGTH(row), outage, ret_wrong) < 0)
                        return -EBADMSG;
        }
        return 0;
}

/* Bounds rise; the last may be open. */
static int report_read_distribution(json_t *array, struct report *report, const char **ret_wrong) {
        static const struct field row[] = {
                {"up_to_seconds", FIELD_SECONDS, false, offsetof(struct bars_entry, up_to_usec)},
                {"count", FIELD_COUNT, true, offsetof(struct bars_entry, count)},
        };
        uint64_t before = 0;
        json_t *each;
        size_t i;

        report->distribution = calloc(json_array_size(array) + 1, sizeof(*report->distribution));
        if (!report->distribution)
                return -ENOMEM;
        json_array_foreach(array, i, each) {
                struct bars_entry *entry = &report->distribution[report->n_distribution++];

                entry->up_to_usec = USEC_INFINITY;
                if (decode_fields(each, row, ARRAY_LENGTH(row), entry, ret_wrong) < 0)
                        return -EBADMSG;
                *ret_wrong = "report.wakes.distribution";
                if (entry->up_to_usec < before)
                        return -EBADMSG;
                before = entry->up_to_usec;
        }
        return 0;
}

/* A state that a newer daemon knows and this program does not is none that can be told: unknown. */
static int report_read_timeline(json_t *array, struct report *report, const char **ret_wrong) {
        struct moment {
                const char *from, *state;
        } moment = {0};
        const struct field row[] = {
                {"from", FIELD_TEXT, true, offsetof(struct moment, from)},
                {"state", FIELD_TEXT, true, offsetof(struct moment, state)},
        };
        uint64_t before = 1;
        json_t *each;
        size_t i;

        report->timeline = calloc(json_array_size(array) + 1, sizeof(*report->timeline));
        if (!report->timeline)
                return -ENOMEM;
        json_array_foreach(array, i, each) {
                struct timeline_entry *entry = &report->timeline[report->n_timeline++];

                if (decode_fields(each, row, ARRAY_LENGTH(row), &moment, ret_wrong) < 0)
                        return -EBADMSG;
                *ret_wrong = "report.timeline";
                entry->from_usec = decode_time(moment.from);
                if (entry->from_usec < before)
                        return -EBADMSG;
                before = entry->from_usec;
                if (state_from_name(moment.state, &entry->state) < 0)
                        entry->state = STATE_UNKNOWN;
        }
        return 0;
}

static int report_read_phases(json_t *object, struct report *report, const char **ret_wrong) {
        static const struct field row[] = {
                {"count", FIELD_COUNT, true, offsetof(struct report_spread, count)},
                {"p50_seconds", FIELD_SECONDS, false, offsetof(struct report_spread, p50_usec)},
                {"p95_seconds", FIELD_SECONDS, false, offsetof(struct report_spread, p95_usec)},
                {"p99_seconds", FIELD_SECONDS, false, offsetof(struct report_spread, p99_usec)},
        };

        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                json_t *each = json_object_get(object, phase_name(phase));

                report->phases[phase] = spread_unknown;
                if (each && !json_is_null(each) && decode_fields(each, row, ARRAY_LENGTH(row), &report->phases[phase], ret_wrong) < 0)
                        return -EBADMSG;
        }
        return 0;
}

static bool report_is_share(json_t *value) {
        return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) <= 1;
}

/* What the tables cannot say: times that are times, shares that are shares, objects of numbers. */
static int report_check(struct report *report, const char **ret_wrong) {
        report->since_usec = decode_time(report->since);
        report->until_usec = decode_time(report->until);
        if (!report->since_usec || report->until_usec < report->since_usec)
                *ret_wrong = "since\" or \"until";
        else if (report->availability && !report_is_share(report->availability))
                *ret_wrong = "report.availability";
        else if (!report_holds_numbers(report->states, false))
                *ret_wrong = "report.states_seconds";
        else if (!report_holds_numbers(report->causes, true))
                *ret_wrong = "report.wakes.by_cause";
        else if (!report_holds_numbers(report->failures, true))
                *ret_wrong = "report.failures";
        else
                return 0;
        return -EBADMSG;
}

int report_read(json_t *answer, struct report *ret, const char **ret_wrong) {
        struct report_arrays arrays = {0};
        int r;

        *ret = (struct report){
                .awake_usec = USEC_INFINITY,
                .awake_on_demand_usec = USEC_INFINITY,
                .wakes = spread_unknown,
        };
        r = decode_fields(answer, report_fields, ARRAY_LENGTH(report_fields), ret, ret_wrong);
        if (r == 0)
                r = decode_fields(answer, report_array_fields, ARRAY_LENGTH(report_array_fields), &arrays, ret_wrong);
        if (r == 0)
                r = report_check(ret, ret_wrong);
        if (r == 0)
                r = report_read_outages(arrays.outages, ret, ret_wrong);
        if (r == 0)
                r = report_read_distribution(arrays.distribution, ret, ret_wrong);
        if (r == 0)
                r = report_read_timeline(arrays.timeline, ret, ret_wrong);
        return r == 0 ? report_read_phases(arrays.phases, ret, ret_wrong) : r;
}

void report_deinit(struct report *report) {
        free(report->outages);
        free(report->distribution);
        free(report->timeline);
        *report = (struct report){0};
}
