#include "config/option-value.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/text.h"
#include "config/address.h"

#define SOCKET_PATH_MAX 107

static void *field(const struct option *option, void *base) {
        return (char *)base + option->offset;
}

static const void *const_field(const struct option *option, const void *base) {
        return (const char *)base + option->offset;
}

static bool option_is_list(const struct option *option) {
        return option->type == OPTION_ADDRESSES || option->type == OPTION_HOSTS;
}

static const char *value_type_name(enum option_value_type type) {
        switch (type) {
        case OPTION_VALUE_INTEGER:
                return "a whole number";
        case OPTION_VALUE_FLOAT:
                return "a number with a fraction";
        case OPTION_VALUE_BOOL:
                return "true or false";
        case OPTION_VALUE_TEXT:
                return "a text";
        case OPTION_VALUE_LIST:
                return "a list";
        case OPTION_VALUE_GROUP:
                return "a group";
        }
        return "something";
}

/* Complains "WHAT; expected DESCRIPTION". The value is not repeated: it may be a secret on the wrong line. */
static int option_value_refuse(const struct option *option, const struct complaint_place *place, const char *what) {
        struct buffer expected = {0};

        option_describe(option, &expected);
        place_error(place, "%s; expected %s", what, expected.data ? expected.data : "something else");
        buffer_deinit(&expected);
        return -EINVAL;
}

static int refuse_type(const struct option *option, const struct option_value *value, const struct complaint_place *place) {
        struct buffer what = {0};

        buffer_printf(&what, "this is %s", value_type_name(value->type));
        (void)option_value_refuse(option, place, what.data ? what.data : "this has the wrong type");
        buffer_deinit(&what);
        return -EINVAL;
}

static int store_string(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        char *copy;

        if (!*text && !(option->flags & OPTION_EMPTY))
                return option_value_refuse(option, place, "this is empty");
        if (*text && (option->flags & OPTION_ABSOLUTE) && *text != '/')
                return option_value_refuse(option, place, "this path does not begin with \"/\"");
        /* POSIX leaves its meaning open, and SQLite takes it for another machine. */
        if ((option->flags & OPTION_ABSOLUTE) && starts_with(text, "//"))
                return option_value_refuse(option, place, "this path begins with \"//\"");
        if ((option->flags & OPTION_SOCKET) && strlen(text) > SOCKET_PATH_MAX)
                return option_value_refuse(option, place, "this path is longer than the 107 bytes that a UNIX socket may have");
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        option_clear(option, base);
        *(char **)field(option, base) = copy;
        return 0;
}

/* The listener itself would fail in the middle of the start, and could not name the configuration line. */
static int refuse_collision(char *const *texts, size_t n, const char *text, const struct complaint_place *place) {
        for (size_t i = 0; i < n; i++)
                if (address_collides(texts[i], text)) {
                        place_error(place, address_same(texts[i], text) ? "\"%s\" stands here twice; expected each address once"
                                                                       : "\"%s\" and \"%s\" cannot both be listened on; expected one of them",
                                    texts[i], text);
                        return -EINVAL;
                }
        return 0;
}

static int refuse_address(const struct option *option, const char *text, const struct complaint_place *place) {
        if (!starts_with(text, "*:"))
                return option_value_refuse(option, place, "this is no numeric address with a port from 1 to 65535");
        return option_value_refuse(option, place, "\"*\" is no numeric address; write 0.0.0.0 for all IPv4 addresses of this machine, [::] for all IPv6 ones");
}

/* Checks TEXT as an addition to a list of N TEXTS. */
static int check_item(const struct option *option, char *const *texts, size_t n, const char *text, const struct complaint_place *place) {
        struct sockaddr_storage address;
        socklen_t length;

        if (option->type == OPTION_HOSTS)
                return address_is_host_name(text) ? 0 : option_value_refuse(option, place, "this is no host name");
        if (address_parse(text, &address, &length) < 0)
                return refuse_address(option, text, place);
        return refuse_collision(texts, n, text, place);
}

static int store_list(const struct option *option, const struct option_value *value, void *base, const struct complaint_place *place) {
        _cleanup_free_ char **texts = calloc(value->n + 1, sizeof(*texts));
        int r = texts ? 0 : -ENOMEM;

        if (r == 0 && option->maximum && value->n > option->maximum)
                r = option_value_refuse(option, place, "these are too many");
        for (size_t i = 0; r == 0 && i < value->n; i++) {
                if (value->items[i].type != OPTION_VALUE_TEXT)
                        r = refuse_type(option, &value->items[i], place);
                else if ((r = check_item(option, texts, i, value->items[i].text, place)) == 0 && !(texts[i] = strdup(value->items[i].text)))
                        r = -ENOMEM;
        }
        if (r < 0) {
                for (size_t i = 0; texts && i < value->n; i++)
                        free(texts[i]);
                return r;
        }
        option_clear(option, base);
        *(size_t *)((char *)field(option, base) + sizeof(char **)) = value->n;
        *(char ***)field(option, base) = steal_pointer(&texts);
        return 0;
}

static int store_duration(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        uint64_t usec;
        int r;

        if ((option->flags & OPTION_AUTO) && streq(text, "auto")) {
                *(uint64_t *)field(option, base) = 0;
                return 0;
        }
        r = duration_parse(text, &usec);
        if (r == -EINVAL)
                return option_value_refuse(option, place,
                              *text && strspn(text, "0123456789.") == strlen(text) ? "this duration has no unit" : "this is no duration");
        if (r < 0 || !((usec == USEC_INFINITY && (option->flags & OPTION_INFINITY)) || (usec == 0 && (option->flags & OPTION_ZERO)) ||
                       (usec >= option->minimum && usec <= option->maximum)))
                return option_value_refuse(option, place, "this duration is out of range");
        *(uint64_t *)field(option, base) = usec;
        return 0;
}

static int store_size(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        uint64_t bytes;
        int r;

        r = size_parse(text, &bytes);
        if (r == -EINVAL)
                return option_value_refuse(option, place, "this is no size");
        if (r < 0 || bytes < option->minimum || bytes > option->maximum)
                return option_value_refuse(option, place, "this size is out of range");
        *(uint64_t *)field(option, base) = bytes;
        return 0;
}

/* "12%", "2.5%". */
static int store_percent(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        size_t digits = strspn(text, "0123456789"), fraction = text[digits] == '.' ? strspn(text + digits + 1, "0123456789") : 0;
        const char *end = text + digits + (text[digits] == '.' ? fraction + 1 : 0);
        unsigned permille;

        if (digits == 0 || (text[digits] == '.' && fraction != 1) || !streq(end, "%"))
                return option_value_refuse(option, place, "this is no share with a percent sign");
        if (digits > 3)
                return option_value_refuse(option, place, "this share is out of range");
        permille = (unsigned)atoi(text) * 10 + (fraction ? (unsigned)(text[digits + 1] - '0') : 0);
        if (permille < option->minimum || permille > option->maximum)
                return option_value_refuse(option, place, "this share is out of range");
        *(unsigned *)field(option, base) = permille;
        return 0;
}

static int store_choice(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        const char *words[32], *word, *nearest;
        size_t n = 0;

        for (size_t i = 0; (word = option_word(option, i)); i++) {
                if (streq(word, text)) {
                        if (option->type == OPTION_WORD)
                                *(const char **)field(option, base) = word;
                        else
                                *(int *)field(option, base) = option->choices[i].value;
                        return 0;
                }
                if (n < ARRAY_LENGTH(words))
                        words[n++] = word;
        }
        nearest = text_nearest(text, words, n);
        if (nearest) {
                struct buffer what = {0};

                buffer_printf(&what, "this word is not known, did you mean \"%s\"?", nearest);
                (void)option_value_refuse(option, place, what.data ? what.data : "this word is not known");
                buffer_deinit(&what);
                return -EINVAL;
        }
        return option_value_refuse(option, place, "this word is not known");
}

static int store_text(const struct option *option, const char *text, void *base, const struct complaint_place *place) {
        switch (option->type) {
        case OPTION_STRING:
                return store_string(option, text, base, place);
        case OPTION_DURATION:
                return store_duration(option, text, base, place);
        case OPTION_SIZE:
                return store_size(option, text, base, place);
        case OPTION_PERCENT:
                return store_percent(option, text, base, place);
        case OPTION_CHOICE:
        case OPTION_WORD:
                return store_choice(option, text, base, place);
        case OPTION_ADDRESSES:
        case OPTION_HOSTS:
        case OPTION_BOOL:
        case OPTION_UNSIGNED:
        case OPTION_HOURS:
                break;
        }
        return option_value_refuse(option, place, "this is a text");
}

static int store_integer(const struct option *option, int64_t integer, void *base, const struct complaint_place *place) {
        if (integer < (int64_t)option->minimum || integer > (int64_t)option->maximum)
                return option_value_refuse(option, place, "this number is out of range");
        if (option->type == OPTION_HOURS)
                *(uint64_t *)field(option, base) = (uint64_t)integer * USEC_PER_HOUR;
        else
                *(unsigned *)field(option, base) = (unsigned)integer;
        return 0;
}

static int store_float(const struct option *option, double real, void *base, const struct complaint_place *place) {
        /* Written this way, NaN is out of range too. */
        if (!(real >= (double)option->minimum && real <= (double)option->maximum))
                return option_value_refuse(option, place, "this number is out of range");
        /* Thousandths of an hour can be written back exactly. */
        *(uint64_t *)field(option, base) = (uint64_t)(real * 1000 + 0.5) * (USEC_PER_HOUR / 1000);
        return 0;
}

int option_store(const struct option *option, const struct option_value *value, void *base, const struct complaint_place *place) {
        int r;

        if (value->type == OPTION_VALUE_TEXT)
                r = store_text(option, value->text, base, place);
        else if (value->type == OPTION_VALUE_INTEGER && (option->type == OPTION_UNSIGNED || option->type == OPTION_HOURS))
                r = store_integer(option, value->integer, base, place);
        else if (value->type == OPTION_VALUE_FLOAT && option->type == OPTION_HOURS)
                r = store_float(option, value->real, base, place);
        else if (value->type == OPTION_VALUE_LIST && option_is_list(option))
                r = store_list(option, value, base, place);
        else if (value->type == OPTION_VALUE_BOOL && option->type == OPTION_BOOL) {
                *(bool *)field(option, base) = value->truth;
                r = 0;
        } else
                r = refuse_type(option, value, place);
        if (r == 0 && option->present_offset)
                *(bool *)((char *)base + option->present_offset) = true;
        return r;
}

int option_store_default(const struct option *option, void *base) {
        const struct complaint_place nowhere = {.complaints = &(struct complaints){0}, .file = "default"};
        struct option_value value = {.type = OPTION_VALUE_TEXT, .text = option->default_text};
        int r;

        if (!option->default_text)
                return 0;
        if (option->type == OPTION_BOOL)
                value = (struct option_value){.type = OPTION_VALUE_BOOL, .truth = streq(option->default_text, "true")};
        else if (option->type == OPTION_UNSIGNED || option->type == OPTION_HOURS)
                value = (struct option_value){.type = OPTION_VALUE_INTEGER, .integer = atoi(option->default_text)};
        r = option_store(option, &value, base, &nowhere);
        complaints_deinit(nowhere.complaints);
        return r;
}

static size_t field_size(const struct option *option) {
        switch (option->type) {
        case OPTION_BOOL:
                return sizeof(bool);
        case OPTION_UNSIGNED:
        case OPTION_PERCENT:
                return sizeof(unsigned);
        case OPTION_CHOICE:
                return sizeof(int);
        case OPTION_DURATION:
        case OPTION_SIZE:
        case OPTION_HOURS:
                return sizeof(uint64_t);
        case OPTION_WORD:
        case OPTION_STRING:
        case OPTION_ADDRESSES:
        case OPTION_HOSTS:
                return sizeof(char *);
        }
        return 0;
}

int option_copy(const struct option *option, const void *from, void *to) {
        if (option->type == OPTION_STRING) {
                const char *text = *(char *const *)const_field(option, from);
                char *copy = text ? strdup(text) : NULL;

                if (text && !copy)
                        return -ENOMEM;
                option_clear(option, to);
                *(char **)field(option, to) = copy;
                return 0;
        }
        memcpy(field(option, to), const_field(option, from), field_size(option));
        if (option->present_offset)
                *((bool *)((char *)to + option->present_offset)) = *((const bool *)((const char *)from + option->present_offset));
        return 0;
}

static bool string_equal(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

bool option_equal(const struct option *option, const void *a, const void *b) {
        if (option->type == OPTION_STRING)
                return string_equal(*(char *const *)const_field(option, a), *(char *const *)const_field(option, b));
        if (option_is_set(option, a) != option_is_set(option, b))
                return false;
        return memcmp(const_field(option, a), const_field(option, b), field_size(option)) == 0;
}

void option_clear(const struct option *option, void *base) {
        if (option->type == OPTION_STRING) {
                char **text = field(option, base);

                if (*text)
                        explicit_bzero(*text, strlen(*text));
                free(*text);
                *text = NULL;
        } else if (option_is_list(option)) {
                char ***texts = field(option, base);
                size_t *n = (size_t *)(texts + 1);

                for (size_t i = 0; i < *n; i++)
                        free((*texts)[i]);
                free(*texts);
                *texts = NULL;
                *n = 0;
        } else
                memset(field(option, base), 0, field_size(option));
        if (option->present_offset)
                *(bool *)((char *)base + option->present_offset) = false;
}

bool option_is_set(const struct option *option, const void *base) {
        if (option->present_offset)
                return *(const bool *)((const char *)base + option->present_offset);
        if (option->type == OPTION_STRING || option->type == OPTION_WORD)
                return *(char *const *)const_field(option, base) != NULL;
        if (option->default_text || option_is_list(option))
                return true;
        /* Only durations have neither a default nor a flag: 0 is "not checked". */
        return *(const uint64_t *)const_field(option, base) != 0;
}
