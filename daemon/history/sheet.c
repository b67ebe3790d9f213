#include "history/sheet.h"

#include "base/clock.h"
#include "base/macro.h"

#include <inttypes.h>
#include <stdio.h>

void sheet_begin_row(struct sheet *sheet) {
        sheet->comma = false;
        if (sheet->form == SHEET_JSON)
                json_begin_object(&sheet->json, NULL);
}

void sheet_end_row(struct sheet *sheet) {
        if (sheet->form == SHEET_JSON)
                json_end_object(&sheet->json);
        else
                buffer_append(sheet->buffer, "\r\n", 2);
}

void sheet_begin_group(struct sheet *sheet, const char *name) {
        size_t n = strlen(sheet->prefix);

        if (sheet->form == SHEET_JSON)
                json_begin_object(&sheet->json, name);
        else
                (void)snprintf(sheet->prefix + n, sizeof(sheet->prefix) - n, "%s.", name);
}

void sheet_end_group(struct sheet *sheet) {
        char *end;

        if (sheet->form == SHEET_JSON) {
                json_end_object(&sheet->json);
                return;
        }
        sheet->prefix[strlen(sheet->prefix) - 1] = '\0';
        end = strrchr(sheet->prefix, '.');
        sheet->prefix[end ? end - sheet->prefix + 1 : 0] = '\0';
}

static void write_cell(struct sheet *sheet, const char *text) {
        if (sheet->comma)
                buffer_append(sheet->buffer, ",", 1);
        sheet->comma = true;
        if (!text[strcspn(text, "\",\r\n")]) {
                buffer_append_string(sheet->buffer, text);
                return;
        }
        buffer_append(sheet->buffer, "\"", 1);
        for (const char *c = text; *c; c++)
                buffer_append(sheet->buffer, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        buffer_append(sheet->buffer, "\"", 1);
}

/* Answers whether that was all: TEXT is the value in CSV. */
static bool write_csv(struct sheet *sheet, const char *key, const char *text) {
        char name[128];

        if (sheet->form == SHEET_JSON)
                return false;
        (void)snprintf(name, sizeof(name), "%s%s", sheet->prefix, key);
        write_cell(sheet, sheet->form == SHEET_HEADER ? name : text ? text : "");
        return true;
}

void sheet_text(struct sheet *sheet, const char *key, const char *text) {
        if (!write_csv(sheet, key, text))
                json_text(&sheet->json, key, text);
}

void sheet_time(struct sheet *sheet, const char *key, uint64_t real_usec) {
        char text[CLOCK_RFC3339_MAX];

        sheet_text(sheet, key, real_usec ? clock_format_rfc3339(text, real_usec) : NULL);
}

void sheet_seconds(struct sheet *sheet, const char *key, uint64_t usec) {
        char text[48] = "";

        if (sheet->form == SHEET_CSV && usec != USEC_INFINITY)
                (void)snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        if (!write_csv(sheet, key, text))
                json_seconds(&sheet->json, key, usec);
}

void sheet_bool(struct sheet *sheet, const char *key, bool value) {
        if (!write_csv(sheet, key, value ? "true" : "false"))
                json_bool(&sheet->json, key, value);
}

void sheet_number(struct sheet *sheet, const char *key, uint64_t number) {
        char text[24] = "";

        if (sheet->form == SHEET_CSV)
                (void)snprintf(text, sizeof(text), "%" PRIu64, number);
        if (!write_csv(sheet, key, text))
                json_unsigned(&sheet->json, key, number);
}

void sheet_count(struct sheet *sheet, const char *key, uint64_t number) {
        if (number > 0 || sheet->form != SHEET_JSON)
                sheet_number(sheet, key, number);
}
