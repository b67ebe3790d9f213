/*
 * Parses conninfo strings. libpq parses whatever it accepts, except for an "@" where only an unencoded password can put one. A text that it
 * refuses is parsed here, by the rules of its conninfo_parse() and conninfo_uri_parse(): to explain the mistake without repeating a secret,
 * or because the text is meant for other libraries too. A URI's scheme may name a driver ("postgresql+psycopg2://"), and a text may have
 * keywords of a newer libpq or of drivers.
 *
 * No part of the text is ever repeated: after a slip in quoting, a piece of the password can look like anything else. A keyword that
 * resembles a known one is answered with the known one.
 */
#include "config/conninfo.h"

#include "base/error.h"
#include "config/keyword.h"

#include <ctype.h>

struct reader {
        struct conninfo_draft *draft;
        const struct complaint_place *place;
        char *text;      /* a copy, cut into pieces */
        bool has_driver; /* from a scheme like postgresql+asyncpg */
        bool of_application;
};

static int put_unknown(const struct reader *reader, const char *keyword, size_t position) {
        const char *nearest = keyword_nearest(keyword);

        if (nearest)
                place_error(reader->place, "unknown keyword at character %zu, did you mean %s?", position, nearest);
        else
                place_error(reader->place,
                            "unknown keyword at character %zu; expected one of libpq's (a value with spaces needs quotes, and "
                            "in a URI special characters are written %%XX)",
                            position);
        return -EINVAL;
}

/*
 * Parameters of asyncpg and its SQLAlchemy dialect, psycopg, pg8000, Prisma, JDBC, pgx and node-postgres, and settings that these pass on
 * to the server.
 */
static const char *const driver_parameters[] = {
        "ApplicationName", "async_creator_fn", "async_fallback", "command_timeout", "connection_limit", "currentSchema",
        "default_query_exec_mode", "direct_tls", "executemany_mode", "idle_in_transaction_session_timeout", "jit", "lock_timeout",
        "loginTimeout", "max_cacheable_statement_size", "max_cached_statement_lifetime", "max_overflow", "pgbouncer", "plan_cache_mode",
        "pool", "pool_max_conns", "pool_min_conns", "pool_pre_ping", "pool_recycle", "pool_size", "pool_timeout", "preferQueryMode",
        "prepareThreshold", "prepare_threshold", "prepared_statement_cache_size", "prepared_statement_name_func", "prepared_statements",
        "reWriteBatchedInserts", "schema", "search_path", "server_settings", "socketTimeout", "socket_timeout", "ssl_context",
        "sslaccept", "statement_cache_capacity", "statement_cache_size", "statement_timeout", "tcpKeepAlive", "timeout", "timezone",
        "unix_sock", "use_native_hstore", "uselibpqcompat", "work_mem",
};

/* A parameter that libpq does not know gets a warning if a driver knows it. Only names of our own list are repeated. */
static int put_driver_parameter(const struct reader *reader, const char *parameter, size_t position) {
        for (size_t i = 0; i < ARRAY_LENGTH(driver_parameters); i++)
                if (streq(driver_parameters[i], parameter)) {
                        place_warning(reader->place, "the parameter %s is ignored: it is a driver's, and libpq does not know it",
                                      driver_parameters[i]);
                        return 0;
                }
        if (!reader->of_application || keyword_nearest(parameter))
                return put_unknown(reader, parameter, position);
        place_warning(reader->place, "the parameter at character %zu is ignored: libpq does not know it", position);
        return 0;
}

/* asyncpg takes the values of sslmode, other drivers a boolean. */
static const char *ssl_mode(const char *ssl) {
        static const char *const truths[] = {"true", "True", "1", "on"}, *const lies[] = {"false", "False", "0", "off"};

        for (size_t i = 0; i < ARRAY_LENGTH(truths); i++) {
                if (streq(ssl, truths[i]))
                        return "require";
                if (streq(ssl, lies[i]))
                        return "disable";
        }
        return ssl;
}

/* Translates to sslmode what libpq accepts for old clients and for JDBC, and what other languages' drivers call it. */
static void translate(const struct reader *reader, const char **keyword, const char **value) {
        if (streq(*keyword, "requiressl")) {
                *keyword = "sslmode";
                *value = **value == '1' ? "require" : "prefer";
        } else if (streq(*keyword, "ssl") && streq(*value, "true")) {
                *keyword = "sslmode";
                *value = "require";
        } else if (streq(*keyword, "ssl") && (reader->has_driver || reader->of_application)) {
                *keyword = "sslmode";
                *value = ssl_mode(*value);
        }
}

static int conninfo_parse_put(const struct reader *reader, const char *keyword, const char *value, size_t position, bool is_uri_parameter) {
        int i;

        if (is_uri_parameter || streq(keyword, "requiressl"))
                translate(reader, &keyword, &value);
        i = keyword_find(keyword);
        if (i < 0 && is_uri_parameter && (reader->has_driver || reader->of_application))
                return put_driver_parameter(reader, keyword, position);
        if (i < 0)
                return put_unknown(reader, keyword, position);
        return conninfo_draft_set(reader->draft, keyword, value, NULL);
}

static char *conninfo_parse_skip_space(char *p) {
        while (isspace((unsigned char)*p))
                p++;
        return p;
}

/* Reads a bare or quoted value in place; returns its end, or NULL if a quote is not closed. */
static char *conninfo_parse_read_value(char *p, char **ret_value) {
        bool quoted = *p == '\'';
        char *out;

        *ret_value = out = p;
        if (quoted)
                p++;
        for (;;) {
                if (!*p && quoted)
                        return NULL;
                if (!*p || (!quoted && isspace((unsigned char)*p)) || (quoted && *p == '\'')) {
                        char *next = *p ? p + 1 : p;

                        *out = '\0';
                        return next;
                }
                if (*p == '\\') {
                        p++;
                        if (!*p)
                                continue;
                }
                *out++ = *p++;
        }
}

static int parse_pairs(const struct reader *reader) {
        char *p = conninfo_parse_skip_space(reader->text);

        /* A shell or a dotenv parser strips these quotes; `docker --env-file` and a manifest keep them. */
        if (*p == '"' || *p == '\'') {
                place_error(reader->place,
                            "the value begins with a quote character, which is a part of it here; expected it without quotes around it");
                return -EINVAL;
        }
        for (; *p; p = conninfo_parse_skip_space(p)) {
                char *keyword = p, *value, *end;
                int r;

                while (*p && *p != '=' && !isspace((unsigned char)*p))
                        p++;
                end = p;
                p = conninfo_parse_skip_space(p);
                if (*p != '=') {
                        place_error(reader->place,
                                    "\"=\" is missing at character %zu; expected keyword=value pairs or a URI (a value with "
                                    "spaces needs quotes)",
                                    (size_t)(end - reader->text) + 1);
                        return -EINVAL;
                }
                *end = '\0';
                p = conninfo_parse_read_value(conninfo_parse_skip_space(p + 1), &value);
                if (!p) {
                        place_error(reader->place, "a quote is not closed; expected a second ' behind the value");
                        return -EINVAL;
                }
                r = conninfo_parse_put(reader, keyword, value, (size_t)(keyword - reader->text) + 1, false);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* Decodes %XX, in place. */
static int decode(const struct reader *reader, char *text) {
        char *out = text;

        for (const char *p = text; *p;) {
                int high, low;

                if (*p != '%') {
                        *out++ = *p++;
                        continue;
                }
                high = hex_digit(p[1]);
                low = high < 0 ? -1 : hex_digit(p[2]);
                if (low < 0 || high * 16 + low == 0) {
                        place_error(reader->place,
                                    "a %% is not followed by two hexadecimal digits (and not 00); expected %%25 for a percent "
                                    "sign");
                        return -EINVAL;
                }
                *out++ = (char)(high * 16 + low);
                p += 3;
        }
        *out = '\0';
        return 0;
}

/* An empty piece of a URI counts as not given. */
static int put_piece(const struct reader *reader, const char *keyword, char *value) {
        int r;

        if (!*value)
                return 0;
        r = decode(reader, value);
        if (r < 0)
                return r;
        return conninfo_parse_put(reader, keyword, value, 0, false);
}

/* Cuts at the first of STOPS; returns the character there and moves *P past it (or to the end). */
static char cut(char **p, const char *stops) {
        char *end = *p + strcspn(*p, stops), stop = *end;

        *end = '\0';
        *p = stop ? end + 1 : end;
        return stop;
}

static int parse_credentials(const struct reader *reader, char **p) {
        char *end = *p + strcspn(*p, "@/"), *user = *p, *password;
        int r;

        if (*end != '@')
                return 0;
        *end = '\0';
        *p = end + 1;
        password = strchr(user, ':');
        if (password)
                *password++ = '\0';
        r = put_piece(reader, "user", user);
        if (r < 0 || !password)
                return r;
        return put_piece(reader, "password", password);
}

static int refuse_encoding(const struct reader *reader) {
        place_error(reader->place, "an \"@\" stands behind the host; inside user and password write @ as %%40, / as %%2F and : as %%3A");
        return -EINVAL;
}

/* Reads the host and moves past it; STOP is the character that ended it. */
static int parse_host(const struct reader *reader, char **p, char **ret_host, char *ret_stop) {
        if (**p == '[') {
                char *host = *p + 1, *end = strchr(host, ']');

                if (!end || end == host) {
                        place_error(reader->place, "a \"[\" begins no IPv6 address; expected one like [2001:db8::1]");
                        return -EINVAL;
                }
                *end = '\0';
                *p = end + 1;
                if (**p && !strchr(":/?,", **p)) {
                        place_error(reader->place,
                                    "something stands behind the \"]\" of the IPv6 address; expected \":\" and a port, \"/\" or "
                                    "\"?\"");
                        return -EINVAL;
                }
                *ret_host = host;
                *ret_stop = cut(p, ":/?,");
                return 0;
        }
        *ret_host = *p;
        *ret_stop = cut(p, ":/?,");
        if (strchr(*ret_host, '@'))
                return refuse_encoding(reader);
        return 0;
}

static int refuse_hosts(const struct reader *reader) {
        place_error(reader->place, "host names more than one; give each host a database of its own, with its own name");
        return -EINVAL;
}

static int parse_authority(const struct reader *reader, char **p, char *ret_stop) {
        char *host, *port = NULL;
        int r;

        r = parse_host(reader, p, &host, ret_stop);
        if (r < 0)
                return r;
        if (*ret_stop == ':') {
                port = *p;
                *ret_stop = cut(p, "/?,");
        }
        if (*ret_stop == ',')
                return refuse_hosts(reader);
        r = put_piece(reader, "host", host);
        if (r < 0 || !port)
                return r;
        return put_piece(reader, "port", port);
}

static int parse_parameter(const struct reader *reader, char *parameter) {
        size_t position = (size_t)(parameter - reader->text) + 1;
        char *value = strchr(parameter, '=');
        int r;

        if (!value || strchr(value + 1, '=')) {
                place_error(reader->place,
                            "the parameter at character %zu of the URI has not exactly one \"=\"; expected keyword=value, a "
                            "further = written %%3D",
                            position);
                return -EINVAL;
        }
        *value++ = '\0';
        r = decode(reader, parameter);
        if (r < 0)
                return r;
        r = decode(reader, value);
        if (r < 0)
                return r;
        return conninfo_parse_put(reader, parameter, value, position, true);
}

static int parse_uri(const struct reader *reader, char *p) {
        char stop;
        int r;

        r = parse_credentials(reader, &p);
        if (r < 0)
                return r;
        r = parse_authority(reader, &p, &stop);
        if (r < 0)
                return r;
        if (stop == '/') {
                char *dbname = p;

                stop = cut(&p, "?");
                if (strchr(dbname, '@'))
                        return refuse_encoding(reader);
                r = put_piece(reader, "dbname", dbname);
                if (r < 0)
                        return r;
        }
        while (*p) {
                char *parameter = p;

                (void)cut(&p, "&");
                r = parse_parameter(reader, parameter);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The start of the authority, or NULL if this is no URI of PostgreSQL. */
static char *skip_scheme(char *text, bool *ret_has_driver) {
        size_t length = starts_with(text, "postgresql");
        char *p;

        if (!length)
                length = starts_with(text, "postgres");
        if (!length)
                return NULL;
        p = text + length;
        *ret_has_driver = *p == '+';
        if (*p == '+') {
                size_t driver = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789_-");

                if (!driver)
                        return NULL;
                p += 1 + driver;
        }
        return starts_with(p, "://") ? p + 3 : NULL;
}

static bool is_other_scheme(const char *text) {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

        return length > 0 && starts_with(text + length, "://");
}

/* Whether an "@" stands after the credentials of a URI, where it has no meaning. AUTHORITY is NULL for key=value. */
static bool has_stray_at(const char *authority) {
        const char *p;

        if (!authority)
                return false;
        p = authority + strcspn(authority, "@/");
        p = *p == '@' ? p + 1 : authority;
        return p[strcspn(p, "@?")] == '@';
}

static int conninfo_parse_take_value(void *userdata, const char *keyword, const char *value, bool is_secret) {
        struct conninfo_draft *draft = userdata;

        (void)is_secret;
        return value && keyword_find(keyword) >= 0 ? conninfo_draft_set(draft, keyword, value, NULL) : 0;
}

/* Returns 1 if libpq accepted it; 0 if it refused it; -EINVAL; -ENOMEM. */
static int parse_by_libpq(struct conninfo_draft *draft, const char *text, const struct complaint_place *place) {
        _cleanup_free_ char *copy = strdup(text);
        struct reader reader = {.place = place};
        bool is_stray;

        if (!copy)
                return -ENOMEM;
        is_stray = has_stray_at(skip_scheme(copy, &reader.has_driver));
        explicit_bzero(copy, strlen(copy));
        return is_stray ? refuse_encoding(&reader) : libpq_parse(text, conninfo_parse_take_value, draft);
}

static int conninfo_parse_parse(struct conninfo_draft *draft, const char *text, bool of_application, const struct complaint_place *place) {
        struct reader reader = {.draft = draft, .place = place, .text = strdup(text), .of_application = of_application};
        size_t length = strlen(text);
        char *authority;
        int r;

        r = parse_by_libpq(draft, text, place);
        if (r != 0) {
                secret_free(reader.text);
                return r < 0 ? r : 0;
        }
        if (!reader.text)
                return -ENOMEM;
        authority = skip_scheme(reader.text, &reader.has_driver);
        if (authority)
                r = parse_uri(&reader, authority);
        else if (is_other_scheme(text)) {
                place_error(place, "this is no URI of PostgreSQL; expected postgresql://USER@HOST:PORT/DATABASE");
                r = -EINVAL;
        } else
                r = parse_pairs(&reader);
        /* It was cut into pieces, so strlen() would stop too early. */
        explicit_bzero(reader.text, length);
        free(reader.text);
        return r;
}

int conninfo_draft_parse(struct conninfo_draft *draft, const char *text, const struct complaint_place *place) {
        return conninfo_parse_parse(draft, text, false, place);
}

int conninfo_draft_parse_of_application(struct conninfo_draft *draft, const char *text, const struct complaint_place *place) {
        return conninfo_parse_parse(draft, text, true, place);
}
