#include "serve/query.h"

#include "base/duration.h"
#include "base/text.h"
#include "model/memory.h"

#include <stdarg.h>
#include <stdio.h>

_printf_(2, 3) static bool refuse(struct query *query, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(query->problem, sizeof(query->problem), format, arguments);
        va_end(arguments);
        return false;
}

static bool take_duration(struct query *query, const char *name, const char *value, uint64_t max_usec, uint64_t *ret_usec) {
        char most[DURATION_MAX];
        uint64_t usec;

        if (duration_parse(value, &usec) < 0)
                return refuse(query, "%s=%.40s is no duration; write \"500ms\", \"30s\" or \"2h\"", name, value);
        if (usec > max_usec)
                return refuse(query, "%s=%.40s is too long; at most %s", name, value, duration_format(most, max_usec));
        *ret_usec = usec;
        return true;
}

static bool take_wait(struct query *query, const char *value) {
        return take_duration(query, "wait", value, QUERY_WAIT_MAX_USEC, &query->wait_usec);
}

static bool take_for(struct query *query, const char *value) {
        return take_duration(query, "for", value, QUERY_FOR_MAX_USEC, &query->for_usec);
}

static bool take_spread(struct query *query, const char *value) {
        return take_duration(query, "spread", value, QUERY_SPREAD_MAX_USEC, &query->spread_usec);
}

/* No control characters, no line or paragraph separators, and nothing that turns the direction of what stands beside it. */
static bool is_printable(uint32_t c) {
        return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0x061c && !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
                !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

static bool take_owner(struct query *query, const char *value) {
        size_t size = strlen(value), length;
        uint32_t c;

        if (size < 1 || size > LEASE_OWNER_MAX)
                return refuse(query, "owner= is a text of 1 to %d bytes", LEASE_OWNER_MAX);
        for (const char *p = value; *p; p += length) {
                length = text_decode(p, &c);
                if (length == 0 || !is_printable(c))
                        return refuse(query, "owner= is printable text in UTF-8");
        }
        query->owner = value;
        return true;
}

static bool take_accept(struct query *query, const char *value) {
        query->accept_asleep = streq(value, "asleep");
        return query->accept_asleep || refuse(query, "accept=%.40s is not known; the only one is accept=asleep", value);
}

static bool take_db(struct query *query, const char *value) {
        query->db = value;
        return text_is_name(value) || refuse(query, "db=%.80s is no database's name", value);
}

static bool take_follow(struct query *query, const char *value) {
        query->no_follow = streq(value, "0");
        return query->no_follow || streq(value, "1") || refuse(query, "follow=%.40s is not known; write follow=0 or follow=1", value);
}

static const struct {
        enum argument argument;
        const char *name;
        bool (*take)(struct query *query, const char *value);
} arguments[] = {
        {ARGUMENT_WAIT, "wait", take_wait},
        {ARGUMENT_SPREAD, "spread", take_spread},
        {ARGUMENT_ACCEPT, "accept", take_accept},
        {ARGUMENT_FOR, "for", take_for},
        {ARGUMENT_OWNER, "owner", take_owner},
        {ARGUMENT_DB, "db", take_db},
        {ARGUMENT_FOLLOW, "follow", take_follow},
};

static bool refuse_unknown(struct query *query, const char *name) {
        char known[64] = "";
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++)
                if (query->allowed & arguments[i].argument)
                        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", arguments[i].name);
        return refuse(query, "there is no argument \"%.40s\" here; %s%s", name, n ? "known: " : "this takes none", known);
}

bool query_take(struct query *query, const char *name, const char *value) {
        for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++) {
                if (!(query->allowed & arguments[i].argument) || !streq(arguments[i].name, name))
                        continue;
                if (query->given & arguments[i].argument)
                        return refuse(query, "%s is given twice", name);
                query->given |= arguments[i].argument;
                return value ? arguments[i].take(query, value) : refuse(query, "%s needs a value", name);
        }
        return refuse_unknown(query, name);
}

bool query_is_complete(struct query *query) {
        if (!query->problem[0] && (query->given & ARGUMENT_SPREAD) && !(query->given & ARGUMENT_WAIT))
                return refuse(query, "spread= needs wait=: it spreads those who wait");
        return !query->problem[0];
}
