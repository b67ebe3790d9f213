/* Rows of history as tables, by a table: which member makes which column. */
#include "pgwake/history.h"

#include "base/clock.h"
#include "pgwake/sanitize.h"
#include "pgwake/format.h"

#include <errno.h>
#include <inttypes.h>

enum form {
        FORM_TEXT,
        FORM_STATE,
        FORM_TIME,
        FORM_SPAN,
        FORM_COUNT,
        FORM_BOOL,
        FORM_COUNTS, /* {word: n} as "word n, ..." */
        FORM_SUM,    /* {word: {word: n}} as the sum of all */
};

struct cell_source {
        const char *path;
        enum form form;
        bool required;
};

#define COLUMNS_MAX 12

static const struct kind {
        const char *name;
        size_t n;
        struct column columns[COLUMNS_MAX];
        struct cell_source sources[COLUMNS_MAX];
} kinds[] = {
        {
                "wakes", 10,
                {
                        {"AT", false, 0}, {"LATENCY", true, 0}, {"CAUSE", false, 8}, {"COLD", false, 7}, {"ATTEMPTS", true, 6},
                        {"RESOLVE", true, 1}, {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5},
                },
                {
                        {"at", FORM_TIME, true}, {"latency_seconds", FORM_SPAN, false}, {"cause", FORM_TEXT, false},
                        {"cold", FORM_BOOL, false}, {"attempts", FORM_COUNT, false}, {"phases.resolve", FORM_SPAN, false},
                        {"phases.connect", FORM_SPAN, false}, {"phases.tls", FORM_SPAN, false}, {"phases.auth", FORM_SPAN, false},
                        {"phases.query", FORM_SPAN, false},
                },
        },
        {
                "states", 7,
                {
                        {"AT", false, 0}, {"STATE", false, 0}, {"PREVIOUS", false, 3}, {"REASON", false, 5}, {"SQLSTATE", false, 2},
                        {"GENERATION", true, 1}, {"DETAIL", false, 4},
                },
                {
                        {"at", FORM_TIME, true}, {"state", FORM_STATE, true}, {"previous", FORM_STATE, false}, {"reason", FORM_TEXT, false},
                        {"sqlstate", FORM_TEXT, false}, {"generation", FORM_COUNT, false}, {"detail", FORM_TEXT, false},
                },
        },
        {
                "outages", 5,
                {
                        {"FROM", false, 0}, {"TO", false, 1}, {"LASTED", true, 0}, {"STATE", false, 0}, {"REASON", false, 2},
                },
                {
                        {"from", FORM_TIME, true}, {"to", FORM_TIME, false}, {"seconds", FORM_SPAN, false}, {"state", FORM_STATE, true},
                        {"reason", FORM_TEXT, false},
                },
        },
        {
                "hours", 11,
                {
                        {"HOUR", false, 0}, {"ATTEMPTS", true, 6}, {"AWAKE", true, 10}, {"OURS", true, 8}, {"RESOLVE", true, 1},
                        {"CONNECT", true, 3}, {"TLS", true, 2}, {"AUTH", true, 4}, {"QUERY", true, 5}, {"WAKES", false, 7},
                        {"FAILURES", false, 9},
                },
                {
                        {"hour", FORM_TIME, true}, {"attempts", FORM_SUM, false}, {"awake_seconds", FORM_SPAN, false},
                        {"awake_on_our_demand_seconds", FORM_SPAN, false}, {"phases.resolve.p95_seconds", FORM_SPAN, false},
                        {"phases.connect.p95_seconds", FORM_SPAN, false}, {"phases.tls.p95_seconds", FORM_SPAN, false},
                        {"phases.auth.p95_seconds", FORM_SPAN, false}, {"phases.query.p95_seconds", FORM_SPAN, false},
                        {"wakes", FORM_COUNTS, false}, {"failures", FORM_COUNTS, false},
                },
        },
};

const char *const history_kinds[] = {"wakes", "states", "outages", "hours", NULL};

/* Adds what OBJECT counts to the sum, and below it; false for what is no count. */
static bool add_up(json_t *object, bool nested, uint64_t *sum) {
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value) {
                if (nested && json_is_object(value)) {
                        if (!add_up(value, false, sum))
                                return false;
                } else if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return false;
                else
                        *sum += (uint64_t)json_integer_value(value);
        }
        return true;
}

/* "tcp.refused 3, dns.failed 1"; PLAIN: one word, "tcp.refused=3,dns.failed=1". */
static int append_counts(struct buffer *text, json_t *object, bool plain) {
        const char *key, *separator = "";
        json_t *value;

        json_object_foreach(object, key, value) {
                if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return -EBADMSG;
                buffer_printf(text, "%s%s%s%" JSON_INTEGER_FORMAT, separator, key, plain ? "=" : " ", json_integer_value(value));
                separator = plain ? "," : ", ";
        }
        return 0;
}

static int append_time(struct buffer *text, const char *value, bool plain) {
        uint64_t usec = decode_time(value);
        char time[FORMAT_TIME_MAX];

        if (usec == 0)
                return -EBADMSG;
        buffer_append_string(text, plain ? value : format_time(time, usec, false));
        return 0;
}

static void append_span(struct buffer *text, uint64_t usec, bool plain) {
        char span[DURATION_MAX];

        if (plain)
                buffer_printf(text, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
        else
                buffer_append_string(text, format_span(span, usec));
}

static enum field_type type_of(enum form form) {
        switch (form) {
        case FORM_TEXT:
        case FORM_STATE:
        case FORM_TIME:
                return FIELD_TEXT;
        case FORM_SPAN:
                return FIELD_SECONDS;
        case FORM_COUNT:
                return FIELD_COUNT;
        case FORM_BOOL:
                return FIELD_BOOL;
        case FORM_COUNTS:
        case FORM_SUM:
                break;
        }
        return FIELD_OBJECT;
}

/* The text of a cell; nothing for what is not known. */
static int compose(const struct cell_source *source, json_t *row, bool plain, struct buffer *text, const char **ret_wrong) {
        union {
                const char *text;
                uint64_t number;
                bool is;
                json_t *object;
        } value = {0};
        const struct field field = {source->path, type_of(source->form), source->required, 0};
        uint64_t sum = 0;

        /* Nothing that can be read is this: what stays was not there. */
        memset(&value, 0xFF, sizeof(value));
        if (decode_fields(row, &field, 1, &value, ret_wrong) < 0)
                return -EBADMSG;
        *ret_wrong = source->path;
        if (value.number == UINT64_MAX)
                return 0;
        switch (source->form) {
        case FORM_TEXT:
        case FORM_STATE:
                buffer_append_string(text, value.text);
                return 0;
        case FORM_TIME:
                return append_time(text, value.text, plain);
        case FORM_SPAN:
                append_span(text, value.number, plain);
                return 0;
        case FORM_COUNT:
                buffer_printf(text, "%" PRIu64, value.number);
                return 0;
        case FORM_BOOL:
                buffer_append_string(text, value.is ? "yes" : "no");
                return 0;
        case FORM_COUNTS:
                return append_counts(text, value.object, plain);
        case FORM_SUM:
                if (!add_up(value.object, true, &sum))
                        return -EBADMSG;
                buffer_printf(text, "%" PRIu64, sum);
                return 0;
        }
        return -EBADMSG;
}

/* No text or list is wider than LIMIT columns (0: as wide as it is). */
static int add_row(struct table *table, const struct kind *kind, json_t *row, bool plain, size_t limit, struct buffer *text,
                   const char **ret_wrong) {
        for (size_t i = 0; i < kind->n; i++) {
                int r;

                buffer_clear(text);
                r = compose(&kind->sources[i], row, plain, text, ret_wrong);
                if (r < 0)
                        return r;
                if (limit && text->data && (kind->sources[i].form == FORM_TEXT || kind->sources[i].form == FORM_COUNTS))
                        format_cut(text->data, limit);
                table_add(table, kind->sources[i].form == FORM_STATE && text->size ? style_of_state(text->data) : STYLE_PLAIN,
                          text->size ? text->data : NULL);
        }
        return buffer_finish(text);
}

int history_render(const char *name, json_t *rows, bool plain, const struct terminal *terminal, struct buffer *buffer,
                   const char **ret_wrong) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct terminal wide = *terminal;
        /* One long story must not push all other columns out. */
        size_t limit = plain ? 0 : terminal->columns * 2 / 5;
        const struct kind *kind = NULL;
        json_t *row;
        size_t i;
        int r = 0;

        for (i = 0; i < ARRAY_LENGTH(kinds); i++)
                if (streq(kinds[i].name, name))
                        kind = &kinds[i];
        if (!kind)
                return 1;
        struct table table = {.columns = kind->columns, .n_columns = kind->n};

        json_array_foreach(rows, i, row)
                if (r == 0)
                        r = add_row(&table, kind, row, plain, limit, &text, ret_wrong);
        if (plain)
                wide = (struct terminal){.file = terminal->file};
        if (r == 0)
                r = table_render(&table, &wide, buffer);
        table_deinit(&table);
        return r;
}
