#include "http/exposition.h"

#include "base/clock.h"

#include <assert.h>
#include <ctype.h>
#include <strings.h>

#define NUMBER_MAX 32
#define FRACTION_DIGITS 6
#define QUALITY_MAX 1000
#define NO_QUALITY (-1)

/* The text. Ten thousand databases make some hundred thousand samples: printf() alone would take most of the time. */

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
        /* In OpenMetrics the lines of a family have its own name, in the text format that of its samples. */
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

static void exposition_append_escaped(struct buffer *text, const char *value) {
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

/* Writes NUMBER backwards from END; returns its first digit. */
static char *write_digits(char *end, uint64_t number) {
        do
                *--end = (char)('0' + number % 10);
        while ((number /= 10) > 0);
        return end;
}

static void exposition_append_number(struct buffer *text, uint64_t number) {
        char digits[NUMBER_MAX], *first = write_digits(digits + sizeof(digits), number);

        buffer_append(text, first, (size_t)(digits + sizeof(digits) - first));
}

/* Writes as few digits as possible, and at least one after the point. */
static void exposition_append_seconds(struct buffer *text, uint64_t usec) {
        char fraction[FRACTION_DIGITS];
        uint64_t rest = usec % USEC_PER_SEC;
        size_t n = FRACTION_DIGITS;

        exposition_append_number(text, usec / USEC_PER_SEC);
        buffer_append(text, ".", 1);
        for (size_t i = FRACTION_DIGITS; i-- > 0; rest /= 10)
                fraction[i] = (char)('0' + rest % 10);
        while (n > 1 && fraction[n - 1] == '0')
                n--;
        buffer_append(text, fraction, n);
}

/* The name and the labels; with OPEN, one more label may follow. */
static void exposition_append_labels(struct exposition *exposition, const char *suffix, const char *const *values, bool open) {
        const struct family *family = exposition->family;
        struct buffer *text = exposition->text;

        assert(values || !family->labels[0]);
        buffer_append_string(text, family->name);
        buffer_append_string(text, suffix);
        for (size_t i = 0; family->labels[i]; i++) {
                buffer_append(text, i == 0 ? "{" : ",", 1);
                buffer_append_string(text, family->labels[i]);
                buffer_append(text, "=\"", 2);
                exposition_append_escaped(text, values[i]);
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
        exposition_append_labels(exposition, family_suffix(exposition->family), values, false);
        exposition_append_number(exposition->text, number);
        buffer_append(exposition->text, "\n", 1);
}

void exposition_seconds(struct exposition *exposition, const char *const *values, uint64_t usec) {
        exposition_append_labels(exposition, family_suffix(exposition->family), values, false);
        exposition_append_seconds(exposition->text, usec);
        buffer_append(exposition->text, "\n", 1);
}

void exposition_histogram(struct exposition *exposition, const char *const *values, const uint64_t *bounds_usec, const uint64_t *below,
                          size_t n, uint64_t count, uint64_t sum_usec) {
        struct buffer *text = exposition->text;

        for (size_t i = 0; i < n; i++) {
                exposition_append_labels(exposition, "_bucket", values, true);
                buffer_append(text, "le=\"", 4);
                exposition_append_seconds(text, bounds_usec[i]);
                buffer_append(text, "\"} ", 3);
                exposition_append_number(text, below[i]);
                buffer_append(text, "\n", 1);
        }
        exposition_append_labels(exposition, "_bucket", values, true);
        buffer_append_string(text, "le=\"+Inf\"} ");
        exposition_append_number(text, count);
        buffer_append(text, "\n", 1);
        exposition_append_labels(exposition, "_count", values, false);
        exposition_append_number(text, count);
        buffer_append(text, "\n", 1);
        exposition_append_labels(exposition, "_sum", values, false);
        exposition_append_seconds(text, sum_usec);
        buffer_append(text, "\n", 1);
}

/* The client's preferred format: RFC 9110, 12.5.1. */

struct media_type {
        const char *type, *subtype;
        const char *version; /* a range with another version is of another type */
        const char *content_type;
};

static const struct media_type media_types[] = {
        [EXPOSITION_TEXT] = {"text", "plain", "0.0.4", "text/plain; version=0.0.4; charset=utf-8"},
        [EXPOSITION_OPEN_METRICS] = {"application", "openmetrics-text", "1.0.0",
                                     "application/openmetrics-text; version=1.0.0; charset=utf-8"},
};

/* A part of the header. */
struct accept_token {
        const char *text;
        size_t length;
};

/* How closely a range matches an offer; the closest one's quality counts. */
enum match {
        MATCH_NONE,
        MATCH_ANY,  /* any type at all */
        MATCH_TYPE, /* type and any subtype */
        MATCH_NAMED,
        MATCH_VERSION,
};

struct media_range {
        struct accept_token type, subtype, version;
        int quality; /* thousandths */
};

static struct accept_token token_trim(struct accept_token token) {
        while (token.length > 0 && strchr(" \t", token.text[0]))
                token = (struct accept_token){token.text + 1, token.length - 1};
        while (token.length > 0 && strchr(" \t", token.text[token.length - 1]))
                token.length--;
        return token;
}

/* Cuts the part before the next SEPARATOR off REST, except inside quotes. Returns false if nothing is left. */
static bool take_token(struct accept_token *rest, char separator, struct accept_token *ret_token) {
        bool quoted = false;
        size_t i;

        if (!rest->text)
                return false;
        for (i = 0; i < rest->length && (quoted || rest->text[i] != separator); i++) {
                if (quoted && rest->text[i] == '\\' && i + 1 < rest->length)
                        i++;
                else if (rest->text[i] == '"')
                        quoted = !quoted;
        }
        *ret_token = token_trim((struct accept_token){rest->text, i});
        *rest = i < rest->length ? (struct accept_token){rest->text + i + 1, rest->length - i - 1} : (struct accept_token){0};
        return true;
}

static bool token_is(struct accept_token token, const char *text) {
        return strlen(text) == token.length && strncasecmp(token.text, text, token.length) == 0;
}

/* Parses "0", "1", "0.5": up to three digits. */
static int parse_quality(struct accept_token token) {
        int quality = 0, digit = QUALITY_MAX;

        if (token.length < 1 || token.length > 5 || (token.length > 1 && token.text[1] != '.'))
                return NO_QUALITY;
        for (size_t i = 0; i < token.length; i++) {
                if (i == 1)
                        continue;
                if (!isdigit((unsigned char)token.text[i]))
                        return NO_QUALITY;
                quality += (token.text[i] - '0') * digit;
                digit /= 10;
        }
        return quality <= QUALITY_MAX ? quality : NO_QUALITY;
}

static struct accept_token unquote(struct accept_token token) {
        if (token.length >= 2 && token.text[0] == '"' && token.text[token.length - 1] == '"')
                return (struct accept_token){token.text + 1, token.length - 2};
        return token;
}

static struct media_range parse_range(struct accept_token text) {
        struct media_range range = {.quality = QUALITY_MAX};
        struct accept_token head, parameter, name;

        if (take_token(&text, ';', &head) && take_token(&head, '/', &range.type))
                range.subtype = token_trim(head);
        while (take_token(&text, ';', &parameter)) {
                if (!take_token(&parameter, '=', &name))
                        continue;
                if (token_is(name, "q"))
                        range.quality = parse_quality(token_trim(parameter));
                else if (token_is(name, "version"))
                        range.version = unquote(token_trim(parameter));
        }
        return range;
}

static enum match match_of(const struct media_range *range, const struct media_type *offer) {
        if (token_is(range->type, "*") && token_is(range->subtype, "*"))
                return MATCH_ANY;
        if (!token_is(range->type, offer->type))
                return MATCH_NONE;
        if (token_is(range->subtype, "*"))
                return MATCH_TYPE;
        if (!token_is(range->subtype, offer->subtype))
                return MATCH_NONE;
        if (!range->version.text)
                return MATCH_NAMED;
        return token_is(range->version, offer->version) ? MATCH_VERSION : MATCH_NONE;
}

/* The client's preference for OFFER, as a number to compare: its quality, and whether it was named. 0: none. */
static int preference_of(const char *accept, const struct media_type *offer) {
        struct accept_token rest = {accept, strlen(accept)}, text;
        enum match best = MATCH_NONE;
        int quality = 0;

        while (take_token(&rest, ',', &text)) {
                struct media_range range = parse_range(text);
                enum match match = match_of(&range, offer);

                if (range.quality == NO_QUALITY || match == MATCH_NONE || match < best)
                        continue;
                quality = match > best ? range.quality : MAX(quality, range.quality);
                best = match;
        }
        return quality == 0 ? 0 : 2 * quality + (best >= MATCH_NAMED);
}

/* If both are equal and named, the later one is chosen: the first is the default for clients that name nothing. */
enum exposition_format exposition_choose(const char *accept) {
        enum exposition_format best = EXPOSITION_TEXT;
        int most;

        if (!accept)
                return best;
        most = preference_of(accept, &media_types[best]);
        for (enum exposition_format format = best + 1; format < _EXPOSITION_FORMAT_MAX; format++) {
                int preference = preference_of(accept, &media_types[format]);
                bool named = preference & 1;

                if (preference > most || (preference == most && named)) {
                        best = format;
                        most = preference;
                }
        }
        return best;
}

const char *exposition_content_type(enum exposition_format format) {
        return media_types[format].content_type;
}
