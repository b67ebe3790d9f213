/* How values of options are written: in the dump, in complaints, in the sample. */
#include "config/option-value.h"

#include "base/clock.h"
#include "base/duration.h"

#include <inttypes.h>

void option_quote(const char *text, struct buffer *buffer) {
        buffer_append_string(buffer, "\"");
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        buffer_printf(buffer, "\\%c", *p);
                else if ((unsigned char)*p < ' ' || *p == 0x7f)
                        buffer_printf(buffer, "\\x%02X", (unsigned char)*p);
                else
                        buffer_append(buffer, p, 1);
        }
        buffer_append_string(buffer, "\"");
}

const char *option_choice_word(const struct option_choice *choices, int value) {
        for (; choices->word; choices++)
                if (choices->value == value)
                        return choices->word;
        return "?";
}

static void format_duration(uint64_t usec, struct buffer *buffer) {
        char text[DURATION_MAX];

        buffer_printf(buffer, "\"%s\"", duration_format(text, usec));
}

static void format_size(uint64_t bytes, struct buffer *buffer) {
        static const struct {
                const char *unit;
                uint64_t factor;
        } units[] = {
                {"GiB", UINT64_C(1) << 30},
                {"MiB", UINT64_C(1) << 20},
                {"GB", UINT64_C(1000000000)},
                {"MB", UINT64_C(1000000)},
                {"KiB", UINT64_C(1) << 10},
                {"kB", UINT64_C(1000)},
                {"B", 1},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(units); i++)
                if (bytes % units[i].factor == 0) {
                        buffer_printf(buffer, "\"%" PRIu64 "%s\"", bytes / units[i].factor, units[i].unit);
                        return;
                }
}

static void format_permille(unsigned permille, struct buffer *buffer) {
        if (permille % 10)
                buffer_printf(buffer, "\"%u.%u%%\"", permille / 10, permille % 10);
        else
                buffer_printf(buffer, "\"%u%%\"", permille / 10);
}

/* Thousandths of an hour are exact enough: 3.6 seconds. */
static void format_hours(uint64_t usec, struct buffer *buffer) {
        uint64_t rest = usec % USEC_PER_HOUR / (USEC_PER_HOUR / 1000);

        buffer_printf(buffer, "%" PRIu64, usec / USEC_PER_HOUR);
        if (rest)
                buffer_printf(buffer, ".%03" PRIu64, rest);
}

static void format_list(char *const *texts, size_t n, struct buffer *buffer) {
        buffer_append_string(buffer, "[ ");
        for (size_t i = 0; i < n; i++) {
                option_quote(texts[i], buffer);
                buffer_append_string(buffer, i + 1 < n ? ", " : " ");
        }
        buffer_append_string(buffer, "]");
}

static void format_value(const struct option *option, const void *base, struct buffer *buffer) {
        const void *field = (const char *)base + option->offset;
        uint64_t usec;

        switch (option->type) {
        case OPTION_STRING:
        case OPTION_WORD:
                option_quote(*(char *const *)field, buffer);
                return;
        case OPTION_ADDRESSES:
        case OPTION_HOSTS:
                format_list(*(char **const *)field, *(const size_t *)((char **const *)field + 1), buffer);
                return;
        case OPTION_BOOL:
                buffer_append_string(buffer, *(const bool *)field ? "true" : "false");
                return;
        case OPTION_UNSIGNED:
                buffer_printf(buffer, "%u", *(const unsigned *)field);
                return;
        case OPTION_DURATION:
                usec = *(const uint64_t *)field;
                if (usec == 0 && (option->flags & OPTION_AUTO))
                        buffer_append_string(buffer, "\"auto\"");
                else
                        format_duration(usec, buffer);
                return;
        case OPTION_SIZE:
                format_size(*(const uint64_t *)field, buffer);
                return;
        case OPTION_PERCENT:
                format_permille(*(const unsigned *)field, buffer);
                return;
        case OPTION_HOURS:
                format_hours(*(const uint64_t *)field, buffer);
                return;
        case OPTION_CHOICE:
                buffer_printf(buffer, "\"%s\"", option_choice_word(option->choices, *(const int *)field));
                return;
        }
}

bool option_format(const struct option *option, const void *base, struct buffer *buffer) {
        if (!option_is_set(option, base))
                return false;
        format_value(option, base, buffer);
        return true;
}

static void describe_words(const struct option *option, struct buffer *buffer) {
        buffer_append_string(buffer, "one of");
        for (const struct option_choice *choice = option->choices; choice->word; choice++)
                buffer_printf(buffer, "%s \"%s\"", choice == option->choices ? "" : ",", choice->word);
}

static void describe_duration(const struct option *option, struct buffer *buffer) {
        const char *example = option->default_text ? option->default_text : option->example;

        buffer_append_string(buffer, "a duration from ");
        format_duration(option->minimum, buffer);
        buffer_append_string(buffer, " to ");
        format_duration(option->maximum, buffer);
        if (option->flags & OPTION_ZERO)
                buffer_append_string(buffer, ", or \"0s\"");
        if (option->flags & OPTION_INFINITY)
                buffer_append_string(buffer, ", or \"infinity\"");
        if (option->flags & OPTION_AUTO)
                buffer_append_string(buffer, ", or \"auto\"");
        else
                buffer_printf(buffer, ", as in \"%s\"", example);
}

void option_describe(const struct option *option, struct buffer *buffer) {
        switch (option->type) {
        case OPTION_STRING:
                buffer_append_string(buffer, option->flags & OPTION_ABSOLUTE ? "an absolute path in quotes" : "a text in quotes");
                if (option->flags & OPTION_EMPTY)
                        buffer_append_string(buffer, ", or \"\"");
                return;
        case OPTION_ADDRESSES:
                buffer_append_string(buffer, "a list of ");
                if (option->maximum)
                        buffer_printf(buffer, "at most %" PRIu64 " ", option->maximum);
                buffer_printf(buffer, "numeric addresses with port, as in %s", option->example);
                return;
        case OPTION_HOSTS:
                buffer_printf(buffer, "a list of host names without a port, as in %s", option->example);
                return;
        case OPTION_BOOL:
                buffer_append_string(buffer, "true or false");
                return;
        case OPTION_UNSIGNED:
                buffer_printf(buffer, "a whole number from %" PRIu64 " to %" PRIu64, option->minimum, option->maximum);
                return;
        case OPTION_DURATION:
                describe_duration(option, buffer);
                return;
        case OPTION_SIZE:
                buffer_append_string(buffer, "a size from ");
                format_size(option->minimum, buffer);
                buffer_append_string(buffer, " to ");
                format_size(option->maximum, buffer);
                buffer_printf(buffer, ", as in \"%s\"", option->default_text);
                return;
        case OPTION_PERCENT:
                buffer_append_string(buffer, "a share from ");
                format_permille((unsigned)option->minimum, buffer);
                buffer_append_string(buffer, " to ");
                format_permille((unsigned)option->maximum, buffer);
                buffer_printf(buffer, ", as in \"%s\"", option->default_text);
                return;
        case OPTION_HOURS:
                buffer_printf(buffer, "a number of hours from %" PRIu64 " to %" PRIu64, option->minimum, option->maximum);
                return;
        case OPTION_CHOICE:
        case OPTION_WORD:
                describe_words(option, buffer);
                return;
        }
}
