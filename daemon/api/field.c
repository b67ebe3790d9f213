#include "api/field.h"

#include "base/clock.h"
#include "base/macro.h"

#include <assert.h>
#include <stdio.h>

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

static bool field_is_null(const struct field *field, const void *value) {
        switch (field->type) {
        case FIELD_TEXT:
                return !*(const char *const *)value;
        case FIELD_TRISTATE:
                return *(const int *)value < 0;
        case FIELD_SECONDS:
                return *(const uint64_t *)value == USEC_INFINITY;
        case FIELD_TIME:
                return *(const uint64_t *)value == 0;
        case FIELD_FRACTION:
                return ((const struct field_fraction *)value)->whole == 0;
        case FIELD_OPTIONAL:
                return !*(const bool *)value;
        case FIELD_BOOL:
        case FIELD_COUNT:
        case FIELD_OBJECT:
        case FIELD_INLINE:
        case FIELD_MAP:
        case FIELD_LIST:
        case FIELD_TEXTS:
        case FIELD_END:
                break;
        }
        return false;
}

static void field_write_value(struct json_writer *w, const char *key, const struct field *field, const void *value, bool privately);

static void field_write_map(struct json_writer *w, const char *key, const struct field *field, struct field_rows rows, bool privately) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        const struct field *element = field->fields;

        json_begin_object(w, key);
        while (field_rows_next(&rows, row))
                field_write_value(w, *(const char *const *)(const void *)row, element, row + element->offset, privately);
        json_end_object(w);
}

static void field_write_list(struct json_writer *w, const char *key, const struct field *field, struct field_rows rows, bool privately) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];

        json_begin_array(w, key);
        while (field_rows_next(&rows, row)) {
                if (field->type == FIELD_TEXTS)
                        json_text(w, NULL, *(const char *const *)(const void *)row);
                else
                        field_write_object(w, NULL, field->fields, row, privately);
        }
        json_end_array(w);
}

static void field_write_value(struct json_writer *w, const char *key, const struct field *field, const void *value, bool privately) {
        const struct field_fraction *fraction = value;

        if (field_is_null(field, value)) {
                json_absent(w, key);
                return;
        }
        switch (field->type) {
        case FIELD_TEXT:
                json_text(w, key, *(const char *const *)value);
                break;
        case FIELD_BOOL:
                json_bool(w, key, *(const bool *)value);
                break;
        case FIELD_TRISTATE:
                json_bool(w, key, *(const int *)value > 0);
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
                json_fraction(w, key, fraction->part, fraction->whole);
                break;
        case FIELD_OPTIONAL:
        case FIELD_OBJECT:
                field_write_object(w, key, field->fields, value, privately);
                break;
        case FIELD_INLINE:
                field_write(w, field->fields, value, privately);
                break;
        case FIELD_MAP:
                field_write_map(w, key, field, *(const struct field_rows *)value, privately);
                break;
        case FIELD_LIST:
        case FIELD_TEXTS:
                field_write_list(w, key, field, *(const struct field_rows *)value, privately);
                break;
        case FIELD_END:
                assert(false);
        }
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

/* "phases.resolve.p50_seconds": all are far shorter than this. */
#define CSV_NAME_MAX 128

struct csv_line {
        struct buffer *buffer;
        bool privately, heading;
        bool comma; /* one must precede the next cell */
};

static void csv_append_text(struct buffer *buffer, const char *text) {
        if (!text[strcspn(text, "\",\r\n")]) {
                buffer_append_string(buffer, text);
                return;
        }
        buffer_append(buffer, "\"", 1);
        for (const char *c = text; *c; c++)
                buffer_append(buffer, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        buffer_append(buffer, "\"", 1);
}

/* Numbers and words are those of JSON. */
static void csv_append_value(struct buffer *buffer, const struct field *field, const void *value) {
        char time[CLOCK_RFC3339_MAX];

        if (field_is_null(field, value))
                return;
        if (field->type == FIELD_TEXT)
                csv_append_text(buffer, *(const char *const *)value);
        else if (field->type == FIELD_TIME)
                buffer_append_string(buffer, clock_format_rfc3339(time, *(const uint64_t *)value));
        else
                field_write_value(&(struct json_writer){.buffer = buffer}, NULL, field, value, false);
}

static void csv_write(struct csv_line *line, const char *prefix, const struct field *fields, const void *value);

/* PREFIX is the path of the enclosing objects, with a point after each. */
static void csv_write_value(struct csv_line *line, const char *prefix, const char *key, const struct field *field, const void *value) {
        _Alignas(max_align_t) char row[FIELD_ROW_MAX];
        const struct field *element = field->fields;
        char name[CSV_NAME_MAX] = "";

        if (line->heading)
                (void)snprintf(name, sizeof(name), "%s%s%s", prefix, key, field->fields ? "." : "");
        if (field->type == FIELD_OBJECT)
                csv_write(line, name, field->fields, value);
        else if (field->type == FIELD_MAP)
                for (struct field_rows rows = *(const struct field_rows *)value; field_rows_next(&rows, row);)
                        csv_write_value(line, name, *(const char *const *)(const void *)row, element, row + element->offset);
        else {
                buffer_append(line->buffer, ",", line->comma);
                line->comma = true;
                if (line->heading)
                        buffer_append_string(line->buffer, name);
                else
                        csv_append_value(line->buffer, field, value);
        }
}

static void csv_write(struct csv_line *line, const char *prefix, const struct field *fields, const void *value) {
        for (const struct field *field = fields; field->type != FIELD_END; field++)
                if (line->privately || !(field->rules & FIELD_PRIVATE))
                        csv_write_value(line, prefix, field->key, field, (const char *)value + field->offset);
}

void field_write_csv(struct buffer *buffer, const struct field *fields, const void *value, bool privately, bool heading) {
        csv_write(&(struct csv_line){.buffer = buffer, .privately = privately, .heading = heading}, "", fields, value);
        buffer_append(buffer, "\r\n", 2);
}
