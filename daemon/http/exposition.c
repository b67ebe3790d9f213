#include "http/exposition.h"

#include "base/clock.h"

/* Ten thousand databases are some hundred thousand samples: printf() alone would take most of their time. */

#define NUMBER_MAX 32
#define FRACTION_DIGITS 6

static const char *const type_names[] = {
        [FAMILY_GAUGE] = "gauge",
        [FAMILY_COUNTER] = "counter",
        [FAMILY_INFO] = "info",
        [FAMILY_HISTOGRAM] = "histogram",
};

const char *family_suffix(const struct family *family) {
        switch (family->type) {
        case FAMILY_COUNTER:
                return "_total";
        case FAMILY_INFO:
                return "_info";
        case FAMILY_GAUGE:
        case FAMILY_HISTOGRAM:
                break;
        }
        return "";
}

static const char *unit_of(const struct family *family) {
        static const char *const units[] = {"seconds", "bytes"};
        size_t length = strlen(family->name);

        for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
                size_t n = strlen(units[i]);

                if (length > n && family->name[length - n - 1] == '_' && streq(family->name + length - n, units[i]))
                        return units[i];
        }
        return NULL;
}

void exposition_begin(struct exposition *exposition, const struct family *family) {
        bool open = exposition->format == EXPOSITION_OPEN_METRICS;
        /* There the lines of a family have its own name, here that of its samples. */
        const char *suffix = open ? "" : family_suffix(family), *unit = unit_of(family);
        const char *type = family->type == FAMILY_INFO && !open ? "gauge" : type_names[family->type];

        exposition->family = family;
        buffer_printf(exposition->text, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, suffix, family->help, family->name, suffix, type);
        if (open && unit)
                buffer_printf(exposition->text, "# UNIT %s %s\n", family->name, unit);
}

void exposition_end(struct exposition *exposition) {
        if (exposition->format == EXPOSITION_OPEN_METRICS)
                buffer_append_string(exposition->text, "# EOF\n");
}

static void append_escaped(struct buffer *text, const char *value) {
        for (;;) {
                size_t n = strcspn(value, "\\\"\n");

                buffer_append(text, value, n);
                value += n;
                if (!*value)
                        return;
                buffer_append_string(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
                value++;
        }
}

/* From the end of BUFFER; answers its first digit. */
static char *write_digits(char *end, uint64_t number) {
        do
                *--end = (char)('0' + number % 10);
        while ((number /= 10) > 0);
        return end;
}

static void append_number(struct buffer *text, uint64_t number) {
        char digits[NUMBER_MAX], *first = write_digits(digits + sizeof(digits), number);

        buffer_append(text, first, (size_t)(digits + sizeof(digits) - first));
}

/* As short as it can be, with at least one digit behind the point. */
static void append_seconds(struct buffer *text, uint64_t usec) {
        char fraction[FRACTION_DIGITS];
        uint64_t rest = usec % USEC_PER_SEC;
        size_t n = FRACTION_DIGITS;

        append_number(text, usec / USEC_PER_SEC);
        buffer_append(text, ".", 1);
        for (size_t i = FRACTION_DIGITS; i-- > 0; rest /= 10)
                fraction[i] = (char)('0' + rest % 10);
        while (n > 1 && fraction[n - 1] == '0')
                n--;
        buffer_append(text, fraction, n);
}

/* The name and the labels, left open for one more when OPEN. */
static void append_labels(struct exposition *exposition, const char *suffix, const char *const *values, bool open) {
        const struct family *family = exposition->family;
        struct buffer *text = exposition->text;

        buffer_append_string(text, family->name);
        buffer_append_string(text, suffix);
        for (size_t i = 0; family->labels[i]; i++) {
                buffer_append(text, i == 0 ? "{" : ",", 1);
                buffer_append_string(text, family->labels[i]);
                buffer_append(text, "=\"", 2);
                append_escaped(text, values[i]);
                buffer_append(text, "\"", 1);
        }
        if (open)
                buffer_append(text, family->labels[0] ? "," : "{", 1);
        else if (family->labels[0])
                buffer_append(text, "} ", 2);
        else
                buffer_append(text, " ", 1);
}

void exposition_number(struct exposition *exposition, const char *const *values, uint64_t number) {
        append_labels(exposition, family_suffix(exposition->family), values, false);
        append_number(exposition->text, number);
        buffer_append(exposition->text, "\n", 1);
}

void exposition_seconds(struct exposition *exposition, const char *const *values, uint64_t usec) {
        append_labels(exposition, family_suffix(exposition->family), values, false);
        append_seconds(exposition->text, usec);
        buffer_append(exposition->text, "\n", 1);
}

void exposition_histogram(struct exposition *exposition, const char *const *values, const uint64_t *bounds_usec, const uint64_t *below,
                          size_t n, uint64_t count, uint64_t sum_usec) {
        struct buffer *text = exposition->text;

        for (size_t i = 0; i < n; i++) {
                append_labels(exposition, "_bucket", values, true);
                buffer_append(text, "le=\"", 4);
                append_seconds(text, bounds_usec[i]);
                buffer_append(text, "\"} ", 3);
                append_number(text, below[i]);
                buffer_append(text, "\n", 1);
        }
        append_labels(exposition, "_bucket", values, true);
        buffer_append_string(text, "le=\"+Inf\"} ");
        append_number(text, count);
        buffer_append(text, "\n", 1);
        append_labels(exposition, "_count", values, false);
        append_number(text, count);
        buffer_append(text, "\n", 1);
        append_labels(exposition, "_sum", values, false);
        append_seconds(text, sum_usec);
        buffer_append(text, "\n", 1);
}
