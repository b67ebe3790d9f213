/* The tables of all JSON answers: pgwake reads every member that the daemon writes by the same table. */
#include "unit.h"

#include "api/answer.h"
#include "api/event.h"
#include "api/history.h"
#include "base/clock.h"
#include "pgwake/decode.h"

#include <errno.h>
#include <stdio.h>

#define ROWS 2
#define VALUE_MAX 4096

static const struct table {
        const char *name;
        const struct field *fields;
        size_t size;
} tables[] = {
        {"database", database_fields, sizeof(struct database_status)},
        {"verdict", verdict_fields, sizeof(struct database_status)},
        {"refusal", refusal_fields, sizeof(struct refusal_answer)},
        {"unknown name", unknown_name_fields, sizeof(struct unknown_name_answer)},
        {"unknown path", unknown_path_fields, sizeof(struct unknown_path_answer)},
        {"status", status_head_fields, sizeof(struct status_head)},
        {"readyz", readyz_head_fields, sizeof(struct readyz_head)},
        {"pause", pause_fields, sizeof(struct pause_answer)},
        {"lease", lease_answer_fields, sizeof(struct lease_answer)},
        {"lease event", lease_event_fields, sizeof(struct lease_answer)},
        {"lease end", lease_end_fields, sizeof(struct lease_end_answer)},
        {"lease deleted", lease_deleted_fields, sizeof(struct lease_deleted_answer)},
        {"reload", reload_fields, sizeof(struct reload_answer)},
        {"reload refused", reload_refused_fields, sizeof(struct reload_refused_answer)},
        {"event", event_fields, sizeof(struct event_status)},
        {"gap", gap_fields, sizeof(struct gap_status)},
        {"report", report_fields, sizeof(struct report_answer)},
        {"rows", rows_head_fields, sizeof(struct rows_head)},
        {"wake", wake_row_fields, sizeof(struct wake_row)},
        {"state", state_row_fields, sizeof(struct state_row)},
        {"outage", outage_row_fields, sizeof(struct outage_row)},
        {"hour", hour_row_fields, sizeof(struct hour_row)},
};

/* Each value is another one, so that two members that were mixed up would be seen. */
static unsigned counted;

static const char *next_text(void) {
        static char texts[256][16];
        char *text = texts[counted % 256];

        (void)snprintf(text, sizeof(texts[0]), "text-%u", counted++);
        return text;
}

static void fill(const struct field *fields, void *value);

static void fill_value(const struct field *field, void *value);

/* A row of FIELD's list. */
static bool next_row(struct field_rows *rows, void *ret_row) {
        if (rows->index++ == ROWS)
                return false;
        if (rows->field->type == FIELD_LIST) {
                fill(rows->field->fields, ret_row);
                return true;
        }
        *(const char **)ret_row = next_text();
        if (rows->field->type == FIELD_MAP)
                fill_value(rows->field->fields, (char *)ret_row + rows->field->fields->offset);
        return true;
}

static void fill_value(const struct field *field, void *value) {
        switch (field->type) {
        case FIELD_TEXT:
                *(const char **)value = next_text();
                break;
        case FIELD_BOOL:
                *(bool *)value = true;
                break;
        case FIELD_TRISTATE:
                *(int *)value = 1;
                break;
        case FIELD_COUNT:
                *(uint64_t *)value = counted++;
                break;
        case FIELD_SECONDS:
                *(uint64_t *)value = counted++ * USEC_PER_SEC + 250 * USEC_PER_MSEC;
                break;
        case FIELD_TIME:
                *(uint64_t *)value = (UINT64_C(1795363200) + counted++) * USEC_PER_SEC;
                break;
        case FIELD_FRACTION:
                *(struct field_fraction *)value = (struct field_fraction){1, 4 + counted++};
                break;
        case FIELD_OPTIONAL:
                *(bool *)value = true;
                fill(field->fields, value);
                break;
        case FIELD_OBJECT:
        case FIELD_INLINE:
                fill(field->fields, value);
                break;
        case FIELD_MAP:
        case FIELD_LIST:
        case FIELD_TEXTS:
                *(struct field_rows *)value = (struct field_rows){.next = next_row, .field = field};
                break;
        case FIELD_END:
                fail();
        }
}

static void fill(const struct field *fields, void *value) {
        for (const struct field *field = fields; field->type != FIELD_END; field++)
                fill_value(field, (char *)value + field->offset);
}

static char *written(const struct field *fields, const void *value, bool privately) {
        struct buffer buffer = {0};
        struct json_writer w = {.buffer = &buffer};

        field_write_object(&w, NULL, fields, value, privately);
        assert_int_equal(buffer_finish(&buffer), 0);
        return buffer_steal(&buffer);
}

/* TEXT read and written again is the same text, byte for byte. */
static void assert_comes_back(const struct table *table, const char *text) {
        _Alignas(max_align_t) static char value[VALUE_MAX];
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        char wrong[DECODE_PATH_MAX];
        char *again;

        assert_non_null(json);
        memset(value, 0xA5, sizeof(value));
        if (decode(json, table->fields, value, wrong) < 0)
                fail_msg("%s: %s is not read back: %s", table->name, wrong, text);
        again = written(table->fields, value, true);
        assert_string_equal(again, text);
        free(again);
        json_decref(json);
}

static void what_is_written_is_read(void **state) {
        _Alignas(max_align_t) static char value[VALUE_MAX];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
                char *text;

                assert_true(tables[i].size <= VALUE_MAX);
                memset(value, 0, sizeof(value));
                fill(tables[i].fields, value);
                text = written(tables[i].fields, value, true);
                assert_comes_back(&tables[i], text);
                free(text);
        }
}

/* Without each member in turn, and with null in its place: an optional member may be missing, for any other its path is reported. */
static void assert_can_do_without(const struct table *table, json_t *whole, json_t *object, const struct field *fields,
                                  const char *prefix) {
        for (const struct field *field = fields; field->type != FIELD_END; field++) {
                _Alignas(max_align_t) static char value[VALUE_MAX];
                char path[DECODE_PATH_MAX], wrong[DECODE_PATH_MAX];
                json_t *member;
                int r;

                if (field->type == FIELD_INLINE) {
                        assert_can_do_without(table, whole, object, field->fields, prefix);
                        continue;
                }
                (void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", field->key);
                member = json_incref(json_object_get(object, field->key));
                if (field->type == FIELD_OBJECT || field->type == FIELD_OPTIONAL)
                        assert_can_do_without(table, whole, member, field->fields, path);
                for (int null = 0; null < 2; null++) {
                        json_object_del(object, field->key);
                        if (null)
                                json_object_set_new(object, field->key, json_null());
                        r = decode(whole, table->fields, value, wrong);
                        assert_int_equal(r, field->rules & FIELD_REQUIRED ? -EBADMSG : 0);
                        if (r < 0)
                                assert_string_equal(wrong, path);
                }
                json_object_set_new(object, field->key, json_pack("{s:i}", "of", 1));
                if (field->type != FIELD_OBJECT && field->type != FIELD_OPTIONAL && field->type != FIELD_MAP) {
                        assert_int_equal(decode(whole, table->fields, value, wrong), -EBADMSG);
                        assert_string_equal(wrong, path);
                }
                json_object_set_new(object, field->key, member);
        }
}

static void what_is_missing_or_of_another_type_is_said(void **state) {
        _Alignas(max_align_t) static char value[VALUE_MAX];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
                char *text;
                json_t *json;

                memset(value, 0, sizeof(value));
                fill(tables[i].fields, value);
                text = written(tables[i].fields, value, true);
                json = json_loads(text, 0, NULL);
                assert_can_do_without(&tables[i], json, json, tables[i].fields, "");
                json_decref(json);
                free(text);
        }
}

static bool has_row(const struct field *fields, const struct field *wanted) {
        for (; fields->type != FIELD_END; fields++)
                if (streq(fields->key, wanted->key))
                        return fields->type == wanted->type && fields->offset == wanted->offset && fields->rules == wanted->rules;
        return false;
}

/* A verdict can be read as a status with all other members unknown. */
static void the_verdict_is_part_of_the_status(void **state) {
        (void)state;
        for (const struct field *field = verdict_fields; field->type != FIELD_END; field++)
                assert_true(has_row(database_fields, field));
}

static void what_is_private_is_told_to_those_who_may_know(void **state) {
        struct database_status status = {
                .name = "main",
                .detail = "FATAL: secret",
                .last_attempt = {.known = true, .detail = "secret too"},
        };
        char *open = written(database_fields, &status, false), *private = written(database_fields, &status, true);

        (void)state;
        assert_null(strstr(open, "secret"));
        assert_null(strstr(open, "detail"));
        assert_non_null(strstr(private, "\"detail\":\"FATAL: secret\""));
        assert_non_null(strstr(private, "\"detail\":\"secret too\""));
        free(open);
        free(private);
}

static void assert_csv(const struct field *fields, const void *value, bool privately, const char *heading, const char *line) {
        struct buffer buffer = {0};

        field_write_csv(&buffer, fields, value, privately, true);
        assert_string_equal(buffer.data, heading);
        buffer_clear(&buffer);
        field_write_csv(&buffer, fields, value, privately, false);
        assert_string_equal(buffer.data, line);
        buffer_deinit(&buffer);
}

static bool next_span(struct field_rows *rows, void *ret_row) {
        static const struct named_span spans[] = {{"tls", 250 * USEC_PER_MSEC}, {"auth", USEC_INFINITY}};

        if (rows->index == ARRAY_LENGTH(spans))
                return false;
        *(struct named_span *)ret_row = spans[rows->index++];
        return true;
}

static void a_row_is_a_line_of_csv(void **state) {
        const struct state_row change = {.at_real_usec = 1, .state = "a,b", .reason = "c \"d\"", .generation = 3, .detail = "e\nf"};
        const struct wake_row wake = {.latency_usec = USEC_PER_SEC, .cold = true, .phases = {.next = next_span}};

        (void)state;
        assert_csv(state_row_fields, &change, false, "at,state,previous,reason,sqlstate,generation\r\n",
                   "1970-01-01T00:00:00.000001Z,\"a,b\",,\"c \"\"d\"\"\",,3\r\n");
        assert_csv(state_row_fields, &change, true, "at,state,previous,reason,sqlstate,generation,detail\r\n",
                   "1970-01-01T00:00:00.000001Z,\"a,b\",,\"c \"\"d\"\"\",,3,\"e\nf\"\r\n");
        assert_csv(wake_row_fields, &wake, false, "at,latency_seconds,cause,cold,attempts,phases.tls,phases.auth\r\n",
                   ",1.000000,,true,0,0.250000,\r\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(what_is_written_is_read),
                UNIT_TEST(what_is_missing_or_of_another_type_is_said),
                UNIT_TEST(the_verdict_is_part_of_the_status),
                UNIT_TEST(what_is_private_is_told_to_those_who_may_know),
                UNIT_TEST(a_row_is_a_line_of_csv),
        };

        return UNIT_RUN(tests);
}
