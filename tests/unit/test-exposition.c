/* How metrics are written, in both formats, and which of them a client gets. */
#include "engine-stub.h"

#include "base/clock.h"
#include "http/exposition.h"
#include "http/metrics.h"

static const struct family counter = {"x_things", FAMILY_COUNTER, {"database", "kind"}, "Things."};
static const struct family gauge = {"x_age_seconds", FAMILY_GAUGE, {NULL}, "Age."};
static const struct family info = {"x_build", FAMILY_INFO, {"version"}, "Which."};
static const struct family histogram = {"x_wake_seconds", FAMILY_HISTOGRAM, {"database"}, "Wakes."};
static const struct family bare = {"x_wake_seconds", FAMILY_HISTOGRAM, {NULL}, "Wakes."};

static void write_all(struct buffer *text, enum exposition_format format) {
        static const uint64_t bounds[] = {50 * USEC_PER_MSEC, 120 * USEC_PER_SEC}, below[] = {1, 3};
        struct exposition e = {.text = text, .format = format};

        exposition_begin(&e, &counter);
        exposition_number(&e, VALUES("main", "login"), UINT64_MAX);
        exposition_begin(&e, &gauge);
        exposition_seconds(&e, NULL, 1500000);
        exposition_begin(&e, &info);
        exposition_number(&e, VALUES("1.2"), 1);
        exposition_begin(&e, &histogram);
        exposition_histogram(&e, VALUES("main"), bounds, below, 2, 4, 200 * USEC_PER_SEC + 1);
        exposition_end(&e);
}

#define SAMPLES_COUNTER "x_things_total{database=\"main\",kind=\"login\"} 18446744073709551615\n"
#define SAMPLES_GAUGE "x_age_seconds 1.5\n"
#define SAMPLES_INFO "x_build_info{version=\"1.2\"} 1\n"
#define SAMPLES_HISTOGRAM \
        "x_wake_seconds_bucket{database=\"main\",le=\"0.05\"} 1\n" \
        "x_wake_seconds_bucket{database=\"main\",le=\"120.0\"} 3\n" \
        "x_wake_seconds_bucket{database=\"main\",le=\"+Inf\"} 4\n" \
        "x_wake_seconds_count{database=\"main\"} 4\n" \
        "x_wake_seconds_sum{database=\"main\"} 200.000001\n"

static void the_text_format_names_families_as_their_samples(void **state) {
        _cleanup_(buffer_deinit) struct buffer text = {0};

        (void)state;
        write_all(&text, EXPOSITION_TEXT);
        assert_string_equal(text.data,
                            "# HELP x_things_total Things.\n# TYPE x_things_total counter\n" SAMPLES_COUNTER
                            "# HELP x_age_seconds Age.\n# TYPE x_age_seconds gauge\n" SAMPLES_GAUGE
                            "# HELP x_build_info Which.\n# TYPE x_build_info gauge\n" SAMPLES_INFO
                            "# HELP x_wake_seconds Wakes.\n# TYPE x_wake_seconds histogram\n" SAMPLES_HISTOGRAM);
}

static void openmetrics_has_units_and_an_end_and_the_same_samples(void **state) {
        _cleanup_(buffer_deinit) struct buffer text = {0};

        (void)state;
        write_all(&text, EXPOSITION_OPEN_METRICS);
        assert_string_equal(text.data,
                            "# HELP x_things Things.\n# TYPE x_things counter\n" SAMPLES_COUNTER
                            "# HELP x_age_seconds Age.\n# TYPE x_age_seconds gauge\n# UNIT x_age_seconds seconds\n" SAMPLES_GAUGE
                            "# HELP x_build Which.\n# TYPE x_build info\n" SAMPLES_INFO
                            "# HELP x_wake_seconds Wakes.\n# TYPE x_wake_seconds histogram\n# UNIT x_wake_seconds seconds\n"
                            SAMPLES_HISTOGRAM "# EOF\n");
}

static void labels_are_escaped(void **state) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct exposition e = {.text = &text};

        (void)state;
        e.family = &info;
        exposition_number(&e, VALUES("a\\b\"c\nd"), 7);
        exposition_number(&e, VALUES(""), 0);
        exposition_number(&e, VALUES("\""), 0);
        assert_string_equal(text.data, "x_build_info{version=\"a\\\\b\\\"c\\nd\"} 7\nx_build_info{version=\"\"} 0\n"
                                       "x_build_info{version=\"\\\"\"} 0\n");
}

static void a_histogram_without_labels_has_only_its_bound(void **state) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct exposition e = {.text = &text, .family = &bare};

        (void)state;
        exposition_histogram(&e, NULL, (const uint64_t[]){1}, (const uint64_t[]){0}, 1, 0, 0);
        assert_string_equal(text.data, "x_wake_seconds_bucket{le=\"0.000001\"} 0\nx_wake_seconds_bucket{le=\"+Inf\"} 0\n"
                                       "x_wake_seconds_count 0\nx_wake_seconds_sum 0.0\n");
}

static void seconds_are_as_short_as_can_be(void **state) {
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {
                {0, "0.0"}, {1, "0.000001"}, {100, "0.0001"}, {120000, "0.12"},
                {USEC_PER_SEC, "1.0"}, {10 * USEC_PER_SEC, "10.0"},
                {UINT64_C(1764000000123450), "1764000000.12345"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                _cleanup_(buffer_deinit) struct buffer text = {0}, expected = {0};
                struct exposition e = {.text = &text, .family = &gauge};

                exposition_seconds(&e, NULL, cases[i].usec);
                buffer_printf(&expected, "x_age_seconds %s\n", cases[i].text);
                assert_string_equal(text.data, expected.data);
        }
}

/* The table of families. */

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), m = strlen(end);

        return n >= m && streq(text + n - m, end);
}

static void every_family_has_a_name_of_its_own_and_help_on_one_line(void **state) {
        const struct metric *metric, *other;

        (void)state;
        for (size_t i = 0; (metric = metrics_at(i)); i++) {
                const struct family *family = &metric->family;

                assert_true(starts_with(family->name, "pgwake_") || starts_with(family->name, "process_"));
                assert_false(ends_with(family->name, "_total") || ends_with(family->name, "_info"));
                assert_null(strpbrk(family->help, "\\\"\n"));
                assert_true(ends_with(family->help, "."));
                assert_true(!metric->daemon != !metric->database);
                assert_true(metric->daemon || i == 0 || metrics_at(i - 1)->database);
                assert_true(metric->daemon || streq(family->labels[0], "database"));
                for (size_t k = 0; k < i && (other = metrics_at(k)); k++)
                        assert_string_not_equal(family->name, other->family.name);
        }
}

/* Accept. */

static void the_client_says_which_format_it_wants(void **state) {
        enum { TEXT, OPEN };
        static const struct {
                const char *accept;
                size_t expected;
        } cases[] = {
                {NULL, TEXT},
                {"", TEXT},
                {"*/*", TEXT},
                {"text/plain", TEXT},
                {"text/*", TEXT},
                {"application/openmetrics-text", OPEN},
                {"application/*", OPEN},
                {"APPLICATION/OpenMetrics-Text", OPEN},
                {"application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN},
                {"application/openmetrics-text;version=\"1.0.0\"", OPEN},
                {"application/openmetrics-text;version=0.0.1", TEXT},
                {"application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5", TEXT},
                /* Prometheus 2 and 3. */
                {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN},
                {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                 "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN},
                /* A browser. */
                {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT},
                {"text/plain;q=0.5, application/openmetrics-text;q=0.4", TEXT},
                {"text/plain;q=0.4, application/openmetrics-text;q=0.5", OPEN},
                {"text/plain;q=0.499 ,\tapplication/openmetrics-text ; q=0.5", OPEN},
                {"text/plain, application/openmetrics-text", OPEN},
                {"application/openmetrics-text, */*", OPEN},
                {"text/plain, */*", TEXT},
                {"application/openmetrics-text;q=0, */*", TEXT},
                {"application/openmetrics-text;q=0", TEXT},
                {"text/plain;q=0, */*", OPEN},
                {"text/plain;q=0, application/openmetrics-text;q=0.001", OPEN},
                /* The closest range counts, wherever it stands. */
                {"application/openmetrics-text;q=0.2, application/*;q=1, text/plain;q=0.5", TEXT},
                {"application/openmetrics-text;version=1.0.0;q=0.2, application/openmetrics-text;q=1, text/plain;q=0.5", TEXT},
                /* An invalid quality spoils only its own range. */
                {"application/openmetrics-text;q=2", TEXT},
                {"application/openmetrics-text;q=1.001", TEXT},
                {"application/openmetrics-text;q=", TEXT},
                {"application/openmetrics-text;q=-1", TEXT},
                {"application/openmetrics-text;q=0.5000", TEXT},
                {"application/openmetrics-text;q=x, application/openmetrics-text", OPEN},
                {"application/openmetrics-text;q=1.", OPEN},
                {"application/openmetrics-text;q=1.000", OPEN},
                /* Quoted separators separate nothing. */
                {"text/plain;x=\", application/openmetrics-text\";q=0.9", TEXT},
                {"text/plain;x=\"\\\", application/openmetrics-text\"", TEXT},
                {"text/plain;x=\"a;b\";q=0.1, application/openmetrics-text;q=0.2", OPEN},
                {"application/json", TEXT},
                {"openmetrics-text", TEXT},
                {",;,=/;q", TEXT},
                {"/", TEXT},
                {"*", TEXT},
                {"\"", TEXT},
                {"\\", TEXT},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                if (exposition_choose(cases[i].accept) != cases[i].expected)
                        fail_msg("Accept: %s", cases[i].accept);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(the_text_format_names_families_as_their_samples),
                UNIT_TEST(openmetrics_has_units_and_an_end_and_the_same_samples),
                UNIT_TEST(labels_are_escaped),
                UNIT_TEST(a_histogram_without_labels_has_only_its_bound),
                UNIT_TEST(seconds_are_as_short_as_can_be),
                UNIT_TEST(every_family_has_a_name_of_its_own_and_help_on_one_line),
                UNIT_TEST(the_client_says_which_format_it_wants),
        };

        return UNIT_RUN(tests);
}
