#include "config/keyword.h"

#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <limits.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

static const char *const sslmodes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full", NULL};
static const char *const channel_bindings[] = {"disable", "prefer", "require", NULL};
static const char *const tls_versions[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL};

/* In the order in which they are shown. Keywords that libpq 15 lacks take force if the libpq in use knows them. */
static const struct keyword own_rows[] = {
        {.name = "host"},
        {.name = "hostaddr", .check = KEYWORD_ADDRESS},
        {.name = "port", .check = KEYWORD_PORT},
        {.name = "dbname"},
        {.name = "user"},
        {.name = "password", .use = KEYWORD_PASSWORD},
        {.name = "passfile"},
        {.name = "service", .use = KEYWORD_SERVICE},
        {.name = "options"},
        {.name = "channel_binding", .check = KEYWORD_WORD, .words = channel_bindings},
        {.name = "sslmode", .check = KEYWORD_WORD, .words = sslmodes},
        {.name = "sslcompression"},
        {.name = "sslcert"},
        {.name = "sslkey"},
        {.name = "sslpassword", .use = KEYWORD_SECRET},
        {.name = "sslrootcert"},
        {.name = "sslcrl"},
        {.name = "sslcrldir"},
        {.name = "sslsni"},
        {.name = "ssl_min_protocol_version", .check = KEYWORD_WORD, .words = tls_versions},
        {.name = "ssl_max_protocol_version", .check = KEYWORD_WORD, .words = tls_versions},
        {.name = "requirepeer"},
        {.name = "krbsrvname"},
        {.name = "gsslib"},
        {.name = "keepalives", .check = KEYWORD_INTEGER},
        {.name = "keepalives_idle", .check = KEYWORD_INTEGER},
        {.name = "keepalives_interval", .check = KEYWORD_INTEGER},
        {.name = "keepalives_count", .check = KEYWORD_INTEGER},
        {.name = "tcp_user_timeout", .check = KEYWORD_INTEGER},

        {.name = "application_name", .use = KEYWORD_IGNORED, .advice = "it is always \"pgwaked\"", .harmless = "pgwaked"},
        {.name = "fallback_application_name",
         .use = KEYWORD_IGNORED,
         .advice = "the application is always called \"pgwaked\"",
         .harmless = "pgwaked"},
        {.name = "client_encoding", .use = KEYWORD_IGNORED, .advice = "it is always UTF8", .harmless = "UTF8"},
        {.name = "connect_timeout", .use = KEYWORD_IGNORED, .advice = "the key attempt_timeout bounds the whole attempt"},
        {.name = "gssencmode", .use = KEYWORD_IGNORED, .advice = "it is always disable", .harmless = "disable"},
        {.name = "replication", .use = KEYWORD_IGNORED, .advice = "the probe query needs an ordinary session", .harmless = "false"},
        {.name = "target_session_attrs",
         .use = KEYWORD_IGNORED,
         .advice = "ask for it with expect = { primary = true; }",
         .harmless = "any"},

        {.name = "load_balance_hosts", .use = KEYWORD_IGNORED, .advice = "a database has one host here", .harmless = "disable"},
        {.name = "gssdelegation", .use = KEYWORD_IGNORED, .advice = "nothing is delegated to what is probed", .harmless = "0"},
        {.name = "sslnegotiation", .advice = "TLS is negotiated after the server's consent", .harmless = "postgres"},
        {.name = "require_auth", .advice = "channel_binding = require asks for SCRAM over TLS"},
        {.name = "sslcertmode", .advice = "a client certificate is sent where sslcert names one", .harmless = "allow"},
        {.name = "min_protocol_version", .advice = "it speaks protocol 3.0", .harmless = "3.0"},
        {.name = "max_protocol_version", .advice = "it speaks protocol 3.0", .harmless = "3.0"},
        {.name = "sslkeylogfile"},
        {.name = "scram_client_key", .use = KEYWORD_SECRET, .advice = "give the password itself"},
        {.name = "scram_server_key", .use = KEYWORD_SECRET, .advice = "give the password itself"},
        {.name = "oauth_issuer"},
        {.name = "oauth_client_id"},
        {.name = "oauth_client_secret", .use = KEYWORD_SECRET},
        {.name = "oauth_scope"},
};

_Static_assert(ARRAY_LENGTH(own_rows) <= KEYWORDS_MAX, "a draft has room for every keyword");

static struct keyword keywords[KEYWORDS_MAX];
static size_t n_keywords;

static int keyword_find_known(const char *name) {
        for (size_t i = 0; i < n_keywords; i++)
                if (streq(keywords[i].name, name))
                        return (int)i;
        return -1;
}

/* For each keyword of libpq's list: marks one of ours as known, and adds one that is new to us. */
static int take_keyword(void *userdata, const char *name, const char *value, bool is_secret) {
        bool *known = userdata;
        int i = keyword_find_known(name);
        char *copy;

        (void)value;
        if (i >= 0)
                known[i] = true;
        if (i >= 0 || n_keywords == KEYWORDS_MAX)
                return 0;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        known[n_keywords] = true;
        keywords[n_keywords++] = (struct keyword){.name = copy, .use = is_secret ? KEYWORD_SECRET : KEYWORD_KEPT};
        return 0;
}

/* Done once. If memory runs out the built-in list stands, and the next call tries again. */
static void learn(void) {
        static bool learnt;
        bool known[KEYWORDS_MAX] = {0};

        if (learnt)
                return;
        if (n_keywords == 0) {
                memcpy(keywords, own_rows, sizeof(own_rows));
                n_keywords = ARRAY_LENGTH(own_rows);
        }
        if (libpq_parse("", take_keyword, known) != 1)
                return;
        learnt = true;
        for (size_t i = 0; i < ARRAY_LENGTH(own_rows); i++)
                if (!known[i] && keywords[i].use != KEYWORD_IGNORED)
                        keywords[i].use = KEYWORD_NEWER;
}

const struct keyword *keyword_at(size_t i) {
        learn();
        return i < n_keywords ? &keywords[i] : NULL;
}

int keyword_find(const char *name) {
        learn();
        return keyword_find_known(name);
}

const char *keyword_nearest(const char *name) {
        const char *names[KEYWORDS_MAX];
        size_t n = 0;

        learn();
        for (size_t i = 0; i < n_keywords; i++)
                if (keywords[i].use != KEYWORD_NEWER)
                        names[n++] = keywords[i].name;
        return text_nearest(name, names, n);
}

/* Like libpq's parse_int_param: white space around it is allowed. */
static bool parse_integer(const char *text, long *ret_value) {
        char *end;
        long value;

        errno = 0;
        value = strtol(text, &end, 10);
        if (errno || end == text || value < INT_MIN || value > INT_MAX)
                return false;
        while (isspace((unsigned char)*end))
                end++;
        *ret_value = value;
        return !*end;
}

static bool is_address(const char *text) {
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;

        if (getaddrinfo(text, NULL, &hints, &found) != 0)
                return false;
        freeaddrinfo(found);
        return true;
}

static int check_word(const struct keyword *keyword, const char *value, const struct complaint_place *place) {
        bool any_case = keyword->words == tls_versions;
        struct buffer list = {0};
        const char *nearest;
        size_t n = 0;

        /* To libpq an empty TLS version means no bound. */
        if (any_case && !*value)
                return 0;
        for (; keyword->words[n]; n++)
                if (any_case ? strcasecmp(keyword->words[n], value) == 0 : streq(keyword->words[n], value))
                        return 0;
        for (size_t i = 0; i < n; i++)
                buffer_printf(&list, "%s%s", i ? ", " : "", keyword->words[i]);
        nearest = text_nearest(value, keyword->words, n);
        if (nearest)
                place_error(place, "%s has a value that libpq does not know, did you mean %s? expected one of %s", keyword->name, nearest,
                            list.data ? list.data : "");
        else
                place_error(place, "%s has a value that libpq does not know; expected one of %s", keyword->name,
                            list.data ? list.data : "");
        buffer_deinit(&list);
        return -EINVAL;
}

static int check_value(const struct keyword *keyword, const char *value, const struct complaint_place *place) {
        long number = 0;

        switch (keyword->check) {
        case KEYWORD_ANY:
                return 0;
        case KEYWORD_INTEGER:
                if (parse_integer(value, &number))
                        return 0;
                place_error(place, "%s is no number; expected a whole number", keyword->name);
                return -EINVAL;
        case KEYWORD_PORT:
                if (parse_integer(value, &number) && number >= 1 && number <= 65535)
                        return 0;
                place_error(place, "%s is no port; expected a whole number from 1 to 65535", keyword->name);
                return -EINVAL;
        case KEYWORD_ADDRESS:
                if (is_address(value))
                        return 0;
                place_error(place, "%s is no numeric address; expected one like 192.0.2.1 or 2001:db8::1 (a name belongs into host)",
                            keyword->name);
                return -EINVAL;
        case KEYWORD_WORD:
                return check_word(keyword, value, place);
        }
        return 0;
}

int keyword_check(const struct keyword *keyword, const char *value, const struct complaint_place *place) {
        switch (keyword->use) {
        case KEYWORD_IGNORED:
                if (!keyword->harmless || strcasecmp(keyword->harmless, value) != 0)
                        place_warning(place, "%s is ignored: %s", keyword->name, keyword->advice);
                return 0;
        case KEYWORD_NEWER:
                if (keyword->harmless && streq(keyword->harmless, value))
                        return 0;
                place_error(place, "libpq %u does not know %s; leave it out%s%s", libpq_major_version(), keyword->name,
                            keyword->advice ? ": " : "", keyword->advice ? keyword->advice : "");
                return -EINVAL;
        case KEYWORD_KEPT:
        case KEYWORD_SECRET:
        case KEYWORD_PASSWORD:
        case KEYWORD_SERVICE:
                break;
        }
        return check_value(keyword, value, place);
}

/* -- libpq's own list of keywords ------------------------------------------------------------------------------------------------------ */

int libpq_parse(const char *text, libpq_keyword function, void *userdata) {
        PQconninfoOption *options = PQconninfoParse(text, NULL);
        int r = options ? 1 : 0;

        for (const PQconninfoOption *o = options; o && o->keyword; o++) {
                int answer = r == 1 ? function(userdata, o->keyword, o->val, strchr(o->dispchar, '*')) : 0;

                r = answer < 0 ? answer : r;
                if (o->val)
                        explicit_bzero(o->val, strlen(o->val));
        }
        PQconninfoFree(options);
        return r;
}

unsigned libpq_major_version(void) {
        return (unsigned)PQlibVersion() / 10000;
}
