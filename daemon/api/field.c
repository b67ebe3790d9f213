#include "api/field.h"

#include "base/clock.h"
#include "base/macro.h"

#include <assert.h>

bool field_rows_next(struct field_rows *rows, void *ret_row) {
        return rows->next && rows->next(rows, ret_row);
}

size_t field_rows_count(struct field_rows rows) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        size_t n = 0;

        while (field_rows_next(&rows, row))
                n++;
        return n;
}

static void field_write_tristate(struct json_writer *w, const char *key, int value) {
        if (value < 0)
                json_absent(w, key);
        else
                json_bool(w, key, value > 0);
}

static void field_write_fraction(struct json_writer *w, const char *key, const struct field_fraction *fraction) {
        if (fraction->whole == 0)
                json_absent(w, key);
        else
                json_fraction(w, key, fraction->part, fraction->whole);
}

static void field_write_value(struct json_writer *w, const char *key, const struct field *field, const void *value, bool privately);

static void field_write_map(struct json_writer *w, const struct field *field, struct field_rows rows, bool privately) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        const struct field *element = field->fields;

        while (field_rows_next(&rows, row))
                field_write_value(w, *(const char *const *)(const void *)row, element, row + element->offset, privately);
}

static void field_write_list(struct json_writer *w, const struct field *field, struct field_rows rows, bool privately) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];

        while (field_rows_next(&rows, row)) {
                if (field->type == FIELD_TEXTS)
                        json_text(w, NULL, *(const char *const *)(const void *)row);
                else
                        field_write_object(w, NULL, field->fields, row, privately);
        }
}

static void field_write_value(struct json_writer *w, const char *key, const struct field *field, const void *value, bool privately) {
        switch (field->type) {
        case FIELD_TEXT:
                json_text(w, key, *(const char *const *)value);
                break;
        case FIELD_BOOL:
                json_bool(w, key, *(const bool *)value);
                break;
        case FIELD_TRISTATE:
                field_write_tristate(w, key, *(const int *)value);
                break;
        case FIELD_COUNT:
                json_unsigned(w, key, *(const uint64_t *)value);
                break;
        case FIELD_SECONDS:
                json_seconds(w, key, *(const uint64_t *)value);
                break;
        case FIELD_TIME:
                json_time(w, key, *(const uint64_t *)value);
                break;
        case FIELD_FRACTION:
                field_write_fraction(w, key, value);
                break;
        case FIELD_OPTIONAL:
                if (!*(const bool *)value) {
                        json_absent(w, key);
                        break;
                }
                field_write_object(w, key, field->fields, value, privately);
                break;
        case FIELD_OBJECT:
                field_write_object(w, key, field->fields, value, privately);
                break;
        case FIELD_INLINE:
                field_write(w, field->fields, value, privately);
                break;
        case FIELD_MAP:
                json_begin_object(w, key);
                field_write_map(w, field, *(const struct field_rows *)value, privately);
                json_end_object(w);
                break;
        case FIELD_LIST:
        case FIELD_TEXTS:
                json_begin_array(w, key);
                field_write_list(w, field, *(const struct field_rows *)value, privately);
                json_end_array(w);
                break;
        case FIELD_END:
                assert(false);
        }
}

/* Whether an optional member is left out: only texts and times can be. */
static bool field_is_null(const struct field *field, const void *value) {
        assert(field->type == FIELD_TEXT || field->type == FIELD_TIME);
        return field->type == FIELD_TEXT ? !*(const char *const *)value : *(const uint64_t *)value == 0;
}

void field_write(struct json_writer *w, const struct field *fields, const void *value, bool privately) {
        for (const struct field *field = fields; field->type != FIELD_END; field++) {
                const void *member = (const char *)value + field->offset;

                if ((field->rules & FIELD_PRIVATE) && !privately)
                        continue;
                if ((field->rules & FIELD_OMITTED) && field_is_null(field, member))
                        continue;
                field_write_value(w, field->key, field, member, privately);
        }
}

void field_write_object(struct json_writer *w, const char *key, const struct field *fields, const void *value, bool privately) {
        json_begin_object(w, key);
        field_write(w, fields, value, privately);
        json_end_object(w);
}
