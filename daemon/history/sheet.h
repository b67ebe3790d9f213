/* Rows as JSON objects or as lines of CSV (RFC 4180), written by the same calls: in CSV a group's name is part of its columns' names. */
#pragma once

#include "base/json.h"

enum sheet_form {
        SHEET_JSON,
        SHEET_CSV,
        SHEET_HEADER, /* of CSV: the names of what is written, whatever its values */
};

struct sheet {
        struct buffer *buffer;
        enum sheet_form form;
        struct json_writer json; /* on the same buffer */
        bool comma;
        char prefix[64];
};

void sheet_begin_row(struct sheet *sheet);
void sheet_end_row(struct sheet *sheet);
void sheet_begin_group(struct sheet *sheet, const char *name);
void sheet_end_group(struct sheet *sheet);
/* NULL, 0 (time) and USEC_INFINITY (seconds) are null in JSON and nothing in CSV. */
void sheet_text(struct sheet *sheet, const char *key, const char *text);
void sheet_time(struct sheet *sheet, const char *key, uint64_t real_usec);
void sheet_seconds(struct sheet *sheet, const char *key, uint64_t usec);
void sheet_bool(struct sheet *sheet, const char *key, bool value);
void sheet_number(struct sheet *sheet, const char *key, uint64_t number);
/* The same, but what was not counted stands only in CSV. */
void sheet_count(struct sheet *sheet, const char *key, uint64_t number);
