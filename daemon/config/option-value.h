/* Values of options: parsed from the file into the struct, compared, copied and freed, each by the option's row of the table. */
#pragma once

#include "config/option.h"

/* A value in a file, independent of the library that read it. */
enum option_value_type {
        OPTION_VALUE_INTEGER,
        OPTION_VALUE_FLOAT,
        OPTION_VALUE_BOOL,
        OPTION_VALUE_TEXT,
        OPTION_VALUE_LIST,
        OPTION_VALUE_GROUP,
};

struct option_value {
        enum option_value_type type;
        union {
                int64_t integer; /* clamped to the range */
                double real;
                bool truth;
                const char *text;
                const struct option_value *items; /* N of a list */
        };
        size_t n;
};

/* Checks VALUE and puts it into the struct at BASE. Returns 0; -EINVAL after a complaint at PLACE; -ENOMEM. */
int option_store(const struct option *option, const struct option_value *value, void *base, const struct complaint_place *place);
/* The same with the table's default, if there is one. Returns 0 or -ENOMEM. */
int option_store_default(const struct option *option, void *base);

/* Overwrites the value in TO. Returns 0 or -ENOMEM. */
int option_copy(const struct option *option, const void *from, void *to);
bool option_equal(const struct option *option, const void *a, const void *b);
/* Frees the value, which is then not set. Wipes texts, which may be secret. */
void option_clear(const struct option *option, void *base);
/* Whether it has a value. */
bool option_is_set(const struct option *option, const void *base);
