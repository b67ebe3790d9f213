#include "pgwake/decode.h"

#include "base/clock.h"
#include "base/macro.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

/* Microseconds since 1970 of an RFC 3339 time in UTC; 0 if it is invalid. */
static uint64_t decode_time(const char *text) {
        struct tm tm = {0};
        unsigned millionths = 0, scale = 100000;
        const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        time_t seconds;

        if (!rest)
                return 0;
        if (*rest == '.')
                for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
                        millionths += (unsigned)(*rest - '0') * scale;
        seconds = timegm(&tm);
        if (!streq(rest, "Z") || seconds <= 0)
                return 0;
        return (uint64_t)seconds * USEC_PER_SEC + millionths;
}

/* The path of a member is built from the inside out: each enclosing object prepends its key. */
static int decode_fail(char wrong[DECODE_PATH_MAX], const char *key) {
        char path[DECODE_PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s%s%s", key, *wrong ? "." : "", wrong);
        (void)text_copy(wrong, DECODE_PATH_MAX, path);
        return -EBADMSG;
}

static int decode_seconds(const json_t *value, uint64_t *ret_usec) {
        double seconds = json_number_value(value);

        if (!json_is_number(value) || !(seconds >= 0))
                return -EBADMSG;
        /* Some 30,000 years; above that the conversion is undefined. */
        *ret_usec = seconds >= 1e12 ? USEC_INFINITY : (uint64_t)(seconds * 1e6 + 0.5);
        return 0;
}

static int decode_fraction(const json_t *value, struct field_fraction *ret_fraction) {
        double share = json_number_value(value);

        if (!json_is_number(value) || !(share >= 0 && share <= 1))
                return -EBADMSG;
        /* As many places as the daemon writes. */
        *ret_fraction = (struct field_fraction){(uint64_t)(share * 1e8 + 0.5), 100000000};
        return 0;
}

static int decode_count(const json_t *value, uint64_t *ret_count) {
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return -EBADMSG;
        *ret_count = (uint64_t)json_integer_value(value);
        return 0;
}

/* An invalid time counts as unknown, unless the member is required. */
static int decode_moment(const json_t *value, bool required, uint64_t *ret_usec) {
        *ret_usec = json_is_string(value) ? decode_time(json_string_value(value)) : 0;
        return json_is_string(value) && (*ret_usec || !required) ? 0 : -EBADMSG;
}

static int decode_scalar(json_t *value, const struct field *field, void *ret) {
        switch (field->type) {
        case FIELD_TEXT:
                *(const char **)ret = json_string_value(value);
                return json_is_string(value) ? 0 : -EBADMSG;
        case FIELD_BOOL:
                *(bool *)ret = json_is_true(value);
                return json_is_boolean(value) ? 0 : -EBADMSG;
        case FIELD_TRISTATE:
                *(int *)ret = json_is_true(value);
                return json_is_boolean(value) ? 0 : -EBADMSG;
        case FIELD_COUNT:
                return decode_count(value, ret);
        case FIELD_SECONDS:
                return decode_seconds(value, ret);
        case FIELD_TIME:
                return decode_moment(value, field->rules & FIELD_REQUIRED, ret);
        case FIELD_FRACTION:
                return decode_fraction(value, ret);
        case FIELD_END:
        case FIELD_OBJECT:
        case FIELD_INLINE:
        case FIELD_OPTIONAL:
        case FIELD_MAP:
        case FIELD_LIST:
        case FIELD_TEXTS:
                break;
        }
        assert(false);
        return -EBADMSG;
}

/* The JSON behind rows is only read. */
static json_t *rows_json(const struct field_rows *rows) {
        return (json_t *)(uintptr_t)rows->of;
}

static int decode_value(json_t *value, const struct field *field, void *ret, char wrong[DECODE_PATH_MAX]);

static int decode_row(const struct field *field, json_t *value, void *ret_row, char wrong[DECODE_PATH_MAX]) {
        static const struct field text = {NULL, FIELD_TEXT, 0, 0, NULL};

        return field->type == FIELD_TEXTS ? decode_value(value, &text, ret_row, wrong) : decode(value, field->fields, ret_row, wrong);
}

static bool next_of_list(struct field_rows *rows, void *ret_row) {
        json_t *value = json_array_get(rows_json(rows), rows->index++);
        char wrong[DECODE_PATH_MAX] = "";

        return value && decode_row(rows->field, value, ret_row, wrong) == 0;
}

static int decode_entry(const struct field *element, const char *key, json_t *value, void *ret_row, char wrong[DECODE_PATH_MAX]) {
        *(const char **)ret_row = key;
        return decode_value(value, element, (char *)ret_row + element->offset, wrong);
}

static bool next_of_map(struct field_rows *rows, void *ret_row) {
        void *entry = (void *)(uintptr_t)rows->at;
        char wrong[DECODE_PATH_MAX] = "";

        if (!entry)
                return false;
        rows->at = json_object_iter_next(rows_json(rows), entry);
        return decode_entry(rows->field->fields, json_object_iter_key(entry), json_object_iter_value(entry), ret_row, wrong) == 0;
}

/* Checks every row before any is used: one that is invalid makes the whole answer wrong. */
static int decode_list(json_t *array, const struct field *field, struct field_rows *ret_rows, char wrong[DECODE_PATH_MAX]) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        json_t *value;
        size_t i;

        if (!json_is_array(array))
                return -EBADMSG;
        json_array_foreach(array, i, value)
                if (decode_row(field, value, row, wrong) < 0)
                        return -EBADMSG;
        *ret_rows = (struct field_rows){.next = next_of_list, .of = array, .field = field};
        return 0;
}

static int decode_map(json_t *object, const struct field *field, struct field_rows *ret_rows, char wrong[DECODE_PATH_MAX]) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        const char *key;
        json_t *value;

        if (!json_is_object(object))
                return -EBADMSG;
        json_object_foreach(object, key, value)
                if (decode_entry(field->fields, key, value, row, wrong) < 0)
                        return decode_fail(wrong, key);
        *ret_rows = (struct field_rows){.next = next_of_map, .of = object, .at = json_object_iter(object), .field = field};
        return 0;
}

/* Sets the value that stands for unknown. */
static void decode_nothing(const struct field *field, void *ret) {
        switch (field->type) {
        case FIELD_TEXT:
                *(const char **)ret = NULL;
                break;
        case FIELD_BOOL:
        case FIELD_OPTIONAL:
                *(bool *)ret = false;
                break;
        case FIELD_TRISTATE:
                *(int *)ret = -1;
                break;
        case FIELD_COUNT:
        case FIELD_TIME:
                *(uint64_t *)ret = 0;
                break;
        case FIELD_SECONDS:
                *(uint64_t *)ret = USEC_INFINITY;
                break;
        case FIELD_FRACTION:
                *(struct field_fraction *)ret = (struct field_fraction){0};
                break;
        case FIELD_MAP:
        case FIELD_LIST:
        case FIELD_TEXTS:
                *(struct field_rows *)ret = (struct field_rows){0};
                break;
        case FIELD_OBJECT:
        case FIELD_INLINE:
        case FIELD_END:
                break;
        }
        if (field->type == FIELD_OBJECT || field->type == FIELD_OPTIONAL || field->type == FIELD_INLINE)
                for (const struct field *each = field->fields; each->type != FIELD_END; each++)
                        decode_nothing(each, (char *)ret + each->offset);
}

/* NULL and null become the value for unknown. */
static int decode_value(json_t *value, const struct field *field, void *ret, char wrong[DECODE_PATH_MAX]) {
        if (!value || json_is_null(value)) {
                decode_nothing(field, ret);
                return field->rules & FIELD_REQUIRED ? -EBADMSG : 0;
        }
        switch (field->type) {
        case FIELD_OPTIONAL:
                *(bool *)ret = true;
                return decode(value, field->fields, ret, wrong);
        case FIELD_OBJECT:
        case FIELD_INLINE:
                return decode(value, field->fields, ret, wrong);
        case FIELD_MAP:
                return decode_map(value, field, ret, wrong);
        case FIELD_LIST:
        case FIELD_TEXTS:
                return decode_list(value, field, ret, wrong);
        case FIELD_TEXT:
        case FIELD_BOOL:
        case FIELD_TRISTATE:
        case FIELD_COUNT:
        case FIELD_SECONDS:
        case FIELD_TIME:
        case FIELD_FRACTION:
        case FIELD_END:
                break;
        }
        return decode_scalar(value, field, ret);
}

int decode(json_t *object, const struct field *fields, void *ret, char wrong[DECODE_PATH_MAX]) {
        *wrong = '\0';
        if (!json_is_object(object))
                return -EBADMSG;
        for (const struct field *field = fields; field->type != FIELD_END; field++) {
                bool inside = field->type == FIELD_INLINE;
                json_t *value = inside ? object : json_object_get(object, field->key);

                if (decode_value(value, field, (char *)ret + field->offset, wrong) < 0)
                        return inside ? -EBADMSG : decode_fail(wrong, field->key);
        }
        return 0;
}
