#include "http/url.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "config/address.h"
#include "model/memory.h"

#include <assert.h>
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* A name in the DNS has at most 253 bytes. */
#define HOST_MAX 256

/* The form. */

static int hex_value(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that "%XX" at P encodes, or -1. */
static int percent_value(const char *p) {
        int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);

        return low < 0 ? -1 : high * 16 + low;
}

bool url_is_plain(const char *url) {
        bool in_query = false;

        for (const char *p = url; *p; p++) {
                int value;

                if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
                        return false;
                in_query = in_query || *p == '?';
                if (*p != '%')
                        continue;
                value = percent_value(p);
                if (value < 0x20 || value == 0x7f || (value > 0x7f && !in_query))
                        return false;
        }
        return true;
}

size_t url_path_offset(const char *url) {
        size_t scheme = strlen(URL_SCHEME), authority;

        if (strncasecmp(url, URL_SCHEME, scheme) != 0)
                return 0;
        authority = strcspn(url + scheme, "/?#%@");
        return authority == 0 || (url[scheme + authority] && strchr("#%@", url[scheme + authority])) ? 0 : scheme + authority;
}

/* The host. */

/* Copies the part before the port; false if HOST is no host. For "[::1]:80" it is "::1", and RET_BRACKETS is set. */
static bool cut_port(const char *host, size_t length, char ret_name[HOST_MAX], bool *ret_brackets) {
        bool brackets = length > 0 && *host == '[';
        const char *name = host + brackets, *end = memchr(name, brackets ? ']' : ':', length - brackets), *port;
        size_t size;

        if (brackets && !end)
                return false;
        end = end ? end : host + length;
        port = end + brackets;
        size = (size_t)(end - name);
        if (size == 0 || size >= HOST_MAX)
                return false;
        if (port < host + length && (*port != ':' || strspn(port + 1, "0123456789") < (size_t)(host + length - port) - 1))
                return false;
        memcpy(ret_name, name, size);
        ret_name[size] = '\0';
        *ret_brackets = brackets;
        return true;
}

static bool host_is_loopback(const char *name, bool brackets) {
        struct in6_addr in6;
        struct in_addr in;

        if (brackets)
                return inet_pton(AF_INET6, name, &in6) == 1 && address_is_loopback6(&in6);
        return inet_pton(AF_INET, name, &in) == 1 && ntohl(in.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

static bool host_is_named(char *name, char *const *names, size_t n) {
        size_t length = strlen(name);

        if (name[length - 1] == '.')
                name[length - 1] = '\0';
        for (size_t i = 0; i < n; i++)
                if (strcasecmp(name, names[i]) == 0)
                        return true;
        return strcasecmp(name, "localhost") == 0;
}

bool host_is_served(const char *host, size_t length, char *const *names, size_t n) {
        char name[HOST_MAX];
        bool brackets;

        if (!cut_port(host, length, name, &brackets))
                return false;
        return host_is_loopback(name, brackets) || (!brackets && host_is_named(name, names, n));
}

/* The arguments. */

_printf_(2, 3) static bool query_refuse(struct query *query, const char *format, ...) {
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
                return query_refuse(query, "%s=%.40s is no duration; write \"500ms\", \"30s\" or \"2h\"", name, value);
        if (usec > max_usec)
                return query_refuse(query, "%s=%.40s is too long; at most %s", name, value, duration_format(most, max_usec));
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

/* No control characters, no line or paragraph separators, and nothing that changes the direction of the text around it. */
static bool is_printable(uint32_t c) {
        return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0x061c && !(c >= 0x200e && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
                !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

static bool take_owner(struct query *query, const char *value) {
        size_t size = strlen(value), length;
        uint32_t c;

        if (size < 1 || size > LEASE_OWNER_MAX)
                return query_refuse(query, "owner= is a text of 1 to %d bytes", LEASE_OWNER_MAX);
        for (const char *p = value; *p; p += length) {
                length = text_decode(p, &c);
                if (length == 0 || !is_printable(c))
                        return query_refuse(query, "owner= is printable text in UTF-8");
        }
        query->owner = value;
        return true;
}

static bool take_accept(struct query *query, const char *value) {
        query->accept_asleep = streq(value, "asleep");
        return query->accept_asleep || query_refuse(query, "accept=%.40s is not known; the only one is accept=asleep", value);
}

static bool take_db(struct query *query, const char *value) {
        query->db = value;
        return text_is_name(value) || query_refuse(query, "db=%.80s is no database's name", value);
}

static bool take_follow(struct query *query, const char *value) {
        query->no_follow = streq(value, "0");
        return query->no_follow || streq(value, "1") || query_refuse(query, "follow=%.40s is not known; write follow=0 or follow=1", value);
}

static bool take_kind(struct query *query, const char *value) {
        return query_kind_from_name(value, &query->kind) >= 0 ||
               query_refuse(query, "kind=%.40s is not known; write wakes, states, outages, hours or report", value);
}

/* Reads N digits and moves TEXT past them; returns false if they are missing. */
static bool take_digits(const char **text, unsigned n, unsigned *ret_value) {
        unsigned value = 0;

        for (; n > 0; n--, (*text)++) {
                if (**text < '0' || **text > '9')
                        return false;
                value = value * 10 + (unsigned)(**text - '0');
        }
        *ret_value = value;
        return true;
}

static bool take_character(const char **text, char c) {
        if (**text != c)
                return false;
        (*text)++;
        return true;
}

/* Reads ".25": fractions of a second, of any precision. */
static bool take_fraction(const char **text, uint64_t *ret_usec) {
        uint64_t unit = 100000, usec = 0;

        if (!take_character(text, '.'))
                return true;
        if (**text < '0' || **text > '9')
                return false;
        for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
                usec += unit * (uint64_t)(**text - '0');
        *ret_usec = usec;
        return true;
}

/* Reads "Z" or "+01:00" as seconds east. A "+" that was not escaped in the URL has become a space. */
static bool take_offset(const char **text, int64_t *ret_seconds) {
        bool west = **text == '-';
        unsigned hours, minutes;

        *ret_seconds = 0;
        if (take_character(text, 'Z') || take_character(text, 'z'))
                return true;
        if (!take_character(text, '+') && !take_character(text, '-') && !take_character(text, ' '))
                return false;
        if (!take_digits(text, 2, &hours) || !take_character(text, ':') || !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret_seconds = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
        return true;
}

/* Parses a time of RFC 3339 after 1970. */
static bool parse_time(const char *text, uint64_t *ret_usec) {
        unsigned year, month, day, hour, minute, second;
        uint64_t usec = 0;
        int64_t offset, seconds;
        struct tm tm, normal;

        if (!take_digits(&text, 4, &year) || !take_character(&text, '-') || !take_digits(&text, 2, &month) || !take_character(&text, '-') ||
            !take_digits(&text, 2, &day) || (!take_character(&text, 'T') && !take_character(&text, 't')))
                return false;
        if (!take_digits(&text, 2, &hour) || !take_character(&text, ':') || !take_digits(&text, 2, &minute) ||
            !take_character(&text, ':') || !take_digits(&text, 2, &second) || !take_fraction(&text, &usec) ||
            !take_offset(&text, &offset) || *text)
                return false;
        if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60)
                return false;
        normal = tm = (struct tm){.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day,
                                  .tm_hour = (int)hour, .tm_min = (int)minute, .tm_sec = (int)second};
        seconds = (int64_t)timegm(&normal) - offset;
        /* There is no 31st of February. */
        if (normal.tm_mon != tm.tm_mon && second < 60)
                return false;
        if (seconds <= 0)
                return false;
        *ret_usec = (uint64_t)seconds * USEC_PER_SEC + usec;
        return true;
}

static bool take_time(struct query *query, const char *name, const char *value, struct query_time *ret_time) {
        struct query_time time = {0};

        if (duration_parse(value, &time.usec) >= 0)
                time.is_ago = true;
        else if (!parse_time(value, &time.usec))
                return query_refuse(query, "%s=%.40s is no time; write \"7d\" for so long ago, or \"2026-11-22T16:00:00Z\"", name, value);
        *ret_time = time;
        return true;
}

static bool take_since(struct query *query, const char *value) {
        return take_time(query, "since", value, &query->since);
}

static bool take_until(struct query *query, const char *value) {
        return take_time(query, "until", value, &query->until);
}

static bool take_limit(struct query *query, const char *value) {
        size_t n = strspn(value, "0123456789");

        query->limit = n > 0 && n < 8 && !value[n] ? (size_t)strtoul(value, NULL, 10) : 0;
        return (query->limit >= 1 && query->limit <= QUERY_LIMIT_MAX) ||
               query_refuse(query, "limit=%.40s is no number from 1 to %d", value, QUERY_LIMIT_MAX);
}

static bool take_format(struct query *query, const char *value) {
        query->csv = streq(value, "csv");
        return query->csv || streq(value, "json") ||
               query_refuse(query, "format=%.40s is not known; write format=json or format=csv", value);
}

static bool take_remove(struct query *query, const char *value) {
        query->remove_all = streq(value, "all");
        return query->remove_all || query_refuse(query, "remove=%.40s is not known; the only one is remove=all", value);
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
        {ARGUMENT_KIND, "kind", take_kind},
        {ARGUMENT_SINCE, "since", take_since},
        {ARGUMENT_UNTIL, "until", take_until},
        {ARGUMENT_LIMIT, "limit", take_limit},
        {ARGUMENT_FORMAT, "format", take_format},
        {ARGUMENT_REMOVE, "remove", take_remove},
};

static bool query_refuse_unknown(struct query *query, const char *name) {
        char known[64] = "";
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++)
                if (query->allowed & arguments[i].argument)
                        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", arguments[i].name);
        assert(n < sizeof(known));
        return query_refuse(query, "there is no argument \"%.40s\" here; %s%s", name, n ? "known: " : "this takes none", known);
}

bool query_take(struct query *query, const char *name, const char *value) {
        for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++) {
                if (!(query->allowed & arguments[i].argument) || !streq(arguments[i].name, name))
                        continue;
                if (query->given & arguments[i].argument)
                        return query_refuse(query, "%s is given twice", name);
                query->given |= arguments[i].argument;
                return value ? arguments[i].take(query, value) : query_refuse(query, "%s needs a value", name);
        }
        return query_refuse_unknown(query, name);
}

bool query_is_complete(struct query *query) {
        if (!query->problem[0] && (query->given & ARGUMENT_SPREAD) && !(query->given & ARGUMENT_WAIT))
                return query_refuse(query, "spread= needs wait=: it spreads those who wait");
        if (!query->problem[0] && (query->allowed & ARGUMENT_KIND) && !(query->given & ARGUMENT_KIND))
                return query_refuse(query, "kind= is missing: wakes, states, outages, hours or report");
        if (!query->problem[0] && query->csv && query->kind == QUERY_REPORT)
                return query_refuse(query, "a report is no table: format=csv is for the other kinds");
        return !query->problem[0];
}
