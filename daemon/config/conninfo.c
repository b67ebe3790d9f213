#include "config/conninfo.h"

#include "base/error.h"

#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

static struct conninfo *conninfo_free(struct conninfo *conninfo) {
        for (size_t i = 0; i < conninfo->n; i++)
                secret_free(conninfo->values[i]);
        secret_free(conninfo->password);
        free(conninfo->keywords);
        free(conninfo->values);
        free(conninfo->notes);
        free(conninfo);
        return NULL;
}

struct conninfo *conninfo_ref(struct conninfo *conninfo) {
        atomic_fetch_add_explicit(&conninfo->references, 1, memory_order_relaxed);
        return conninfo;
}

struct conninfo *conninfo_unref(struct conninfo *conninfo) {
        if (conninfo && atomic_fetch_sub_explicit(&conninfo->references, 1, memory_order_acq_rel) == 1)
                conninfo_free(conninfo);
        return NULL;
}

static bool is_frozen(const struct conninfo_draft *draft, size_t i) {
        enum keyword_use use = keyword_at(i)->use;

        return draft->values[i] && *draft->values[i] && (use == KEYWORD_KEPT || use == KEYWORD_SECRET);
}

static size_t count_frozen(const struct conninfo_draft *draft) {
        size_t n = 0;

        for (size_t i = 0; keyword_at(i); i++)
                n += is_frozen(draft, i);
        return n;
}

int conninfo_new(struct conninfo_draft *draft, char *password, enum conninfo_password_source source, struct conninfo **ret_conninfo) {
        struct conninfo *conninfo = calloc(1, sizeof(*conninfo));
        size_t n = count_frozen(draft);

        if (!conninfo) {
                secret_free(password);
                return -ENOMEM;
        }
        atomic_init(&conninfo->references, 1);
        conninfo->password = password;
        conninfo->password_source = source;
        conninfo->keywords = calloc(n + 1, sizeof(*conninfo->keywords));
        conninfo->values = calloc(n + 1, sizeof(*conninfo->values));
        conninfo->notes = calloc(n + 1, sizeof(*conninfo->notes));
        if (!conninfo->keywords || !conninfo->values || !conninfo->notes) {
                conninfo_free(conninfo);
                return -ENOMEM;
        }
        for (size_t i = 0; keyword_at(i); i++) {
                if (!is_frozen(draft, i))
                        continue;
                conninfo->keywords[conninfo->n] = keyword_at(i)->name;
                conninfo->values[conninfo->n] = steal_pointer(&draft->values[i]);
                conninfo->notes[conninfo->n++] = draft->notes[i];
        }
        *ret_conninfo = conninfo;
        return 0;
}

const char *conninfo_get(const struct conninfo *conninfo, const char *keyword) {
        for (size_t i = 0; i < conninfo->n; i++)
                if (streq(conninfo->keywords[i], keyword))
                        return conninfo->values[i];
        return NULL;
}

bool conninfo_is_socket(const struct conninfo *conninfo) {
        const char *host = conninfo_get(conninfo, "host");

        return host && (*host == '/' || *host == '@') && !conninfo_get(conninfo, "hostaddr");
}

void conninfo_endpoint(const struct conninfo *conninfo, struct buffer *buffer) {
        const char *host = conninfo_get(conninfo, "host"), *port = conninfo_get(conninfo, "port"),
                   *dbname = conninfo_get(conninfo, "dbname");

        if (!host)
                host = conninfo_get(conninfo, "hostaddr");
        if (!conninfo_is_socket(conninfo) && strchr(host, ':'))
                buffer_printf(buffer, "[%s]:%s/%s", host, port, dbname);
        else
                buffer_printf(buffer, "%s:%s/%s", host, port, dbname);
}

static bool text_equal(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

bool conninfo_equal(const struct conninfo *a, const struct conninfo *b) {
        if (!a || !b)
                return a == b;
        if (a->n != b->n || !text_equal(a->password, b->password))
                return false;
        /* Both are in the table's order. */
        for (size_t i = 0; i < a->n; i++)
                if (!streq(a->keywords[i], b->keywords[i]) || !streq(a->values[i], b->values[i]))
                        return false;
        return true;
}

static void conninfo_format_value(const char *value, struct buffer *buffer) {
        bool plain = *value && !value[strcspn(value, " \t\r\n\f\v'\\")];

        if (plain) {
                buffer_append_string(buffer, value);
                return;
        }
        buffer_append_string(buffer, "'");
        for (const char *p = value; *p; p++) {
                if (*p == '\'' || *p == '\\')
                        buffer_append_string(buffer, "\\");
                buffer_append(buffer, p, 1);
        }
        buffer_append_string(buffer, "'");
}

void conninfo_format(const struct conninfo *conninfo, struct buffer *buffer) {
        const char *separator = "";

        for (size_t i = 0; i < conninfo->n; i++) {
                if (keyword_at((size_t)keyword_find(conninfo->keywords[i]))->use != KEYWORD_KEPT)
                        continue;
                buffer_printf(buffer, "%s%s=", separator, conninfo->keywords[i]);
                conninfo_format_value(conninfo->values[i], buffer);
                separator = " ";
        }
}

const char *conninfo_password_source_name(enum conninfo_password_source source) {
        switch (source) {
        case CONNINFO_PASSWORD_NONE:
                return NULL;
        case CONNINFO_PASSWORD_INLINE:
                return "conninfo";
        case CONNINFO_PASSWORD_SERVICE:
                return "service file";
        case CONNINFO_PASSWORD_CREDENTIAL:
                return "credential";
        case CONNINFO_PASSWORD_FILE:
                return "file";
        case CONNINFO_PASSWORD_ENV_FILE:
                return "env file";
        case CONNINFO_PASSWORD_ENVIRONMENT:
                return "environment";
        }
        return NULL;
}

/* -- Making one, setting by setting ---------------------------------------------------------------------------------------------------- */

#define SYSTEM_CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
/* Debian's DEFAULT_PGSOCKET_DIR and DEF_PGPORT. */
#define DEFAULT_SOCKET_DIR "/var/run/postgresql"
#define DEFAULT_PORT "5432"
/* sizeof(sun_path) without its terminator, less "/.s.PGSQL." */
#define SOCKET_DIR_MAX (107 - 10)

char *secret_free(char *secret) {
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
        return NULL;
}

void conninfo_draft_deinit(struct conninfo_draft *draft) {
        for (size_t i = 0; i < KEYWORDS_MAX; i++)
                secret_free(draft->values[i]);
        *draft = (struct conninfo_draft){0};
}

const char *conninfo_draft_get(const struct conninfo_draft *draft, const char *keyword) {
        const char *value = draft->values[keyword_find(keyword)];

        /* libpq treats an empty value as not given. */
        return value && *value ? value : NULL;
}

int conninfo_draft_set(struct conninfo_draft *draft, const char *keyword, const char *value, const char *note) {
        int i = keyword_find(keyword);
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        secret_free(draft->values[i]);
        draft->values[i] = copy;
        draft->notes[i] = note;
        return 0;
}

static bool is_socket_dir(const char *host) {
        return *host == '/' || *host == '@';
}

static int check_values(const struct conninfo_draft *draft, const struct complaint_place *place) {
        int result = 0;

        for (size_t i = 0; keyword_at(i); i++) {
                const struct keyword *keyword = keyword_at(i);
                int r;

                if (!draft->values[i] || (!*draft->values[i] && keyword->check != KEYWORD_WORD && keyword->use != KEYWORD_PASSWORD))
                        continue;
                if (keyword->use == KEYWORD_PASSWORD && !*draft->values[i]) {
                        place_error(place, "the password is empty; leave it out where none is needed");
                        r = -EINVAL;
                } else
                        r = keyword_check(keyword, draft->values[i], place);
                result = r < 0 ? r : result;
        }
        return result;
}

static int check_single_host(const struct conninfo_draft *draft, const struct complaint_place *place) {
        static const char *const lists[] = {"host", "hostaddr", "port"};

        for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
                const char *value = conninfo_draft_get(draft, lists[i]);

                if (value && strchr(value, ',')) {
                        place_error(place, "%s names more than one; give each host a database of its own, with its own name", lists[i]);
                        return -EINVAL;
                }
        }
        return 0;
}

/* An IPv6 address has at least two colons, a name none. */
bool conninfo_host_has_port(const char *host) {
        const char *colon = is_socket_dir(host) ? NULL : strchr(host, ':');

        return colon && !strchr(colon + 1, ':');
}

static int check_host(const struct conninfo_draft *draft, const struct complaint_place *place) {
        const char *host = conninfo_draft_get(draft, "host"), *port = conninfo_draft_get(draft, "port");

        if (!host)
                return 0;
        if (is_socket_dir(host)) {
                if (strlen(host) + strlen(port) <= SOCKET_DIR_MAX)
                        return 0;
                place_error(place, "the path of the UNIX socket is longer than 107 bytes; expected a shorter folder");
                return -EINVAL;
        }
        if (conninfo_host_has_port(host)) {
                place_error(place, "a port stands in the host; expected port= for it, and nothing but a name or an address in the host");
                return -EINVAL;
        }
        for (const char *p = host; *p; p++)
                if (isspace((unsigned char)*p) || strchr("@/\"", *p) || (unsigned char)*p < ' ') {
                        place_error(place,
                                    "host holds a character that no host name has; in a URI, write @ as %%40, / as %%2F and : as %%3A "
                                    "inside user and password");
                        return -EINVAL;
                }
        return 0;
}

static int complete_user(struct conninfo_draft *draft, const struct config_environment *environment, const struct complaint_place *place) {
        int r = 0;

        if (!conninfo_draft_get(draft, "user")) {
                if (!environment->user) {
                        place_error(place, "no user is given, and the user of this process has no name; expected user=NAME");
                        return -EINVAL;
                }
                r = conninfo_draft_set(draft, "user", environment->user, "the user of this process");
        }
        if (r == 0 && !conninfo_draft_get(draft, "dbname"))
                r = conninfo_draft_set(draft, "dbname", conninfo_draft_get(draft, "user"), "as the user is called");
        return r;
}

static int complete_host(struct conninfo_draft *draft) {
        int r = 0;

        if (!conninfo_draft_get(draft, "port"))
                r = conninfo_draft_set(draft, "port", DEFAULT_PORT, "libpq's default");
        if (r == 0 && !conninfo_draft_get(draft, "host") && !conninfo_draft_get(draft, "hostaddr"))
                r = conninfo_draft_set(draft, "host", DEFAULT_SOCKET_DIR, "libpq's default");
        return r;
}

/* "~/NAME" as libpq would look for it, if it exists. */
static int find_at_home(const struct config_environment *environment, const char *name, char **ret_path) {
        struct buffer path = {0};
        char *text;

        if (!environment->home)
                return 0;
        buffer_printf(&path, "%s/%s", environment->home, name);
        text = buffer_steal(&path);
        if (!text)
                return -ENOMEM;
        if (access(text, F_OK) < 0)
                free(text);
        else
                *ret_path = text;
        return 0;
}

/* libpq ignores a passfile that group or others can access, and says so on stderr at every connection. */
static int check_passfile(const struct conninfo_draft *draft, bool is_given, const struct complaint_place *place) {
        const char *path = conninfo_draft_get(draft, "passfile");
        struct stat st;

        if (stat(path, &st) < 0) {
                if (!is_given)
                        return 0;
                place_error(place, "passfile names a file that cannot be read (%s)", strerror(errno));
                return -EINVAL;
        }
        if (S_ISREG(st.st_mode) && !(st.st_mode & (S_IRWXG | S_IRWXO)))
                return 0;
        /* $PGPASSFILE=/dev/null is a common way to have none. */
        if (!S_ISREG(st.st_mode) && !is_given)
                return 0;
        if (!S_ISREG(st.st_mode)) {
                place_error(place, "passfile names no plain file, so that libpq ignores it; expected one of mode 0600");
                return -EINVAL;
        }
        if (!is_given) {
                place_warning(place, "the passfile %s is ignored by libpq: group or others can access it; expected mode 0600", path);
                return 0;
        }
        place_error(place, "group or others can access the passfile (mode %04o), so that libpq ignores it; expected mode 0600",
                    (unsigned)(st.st_mode & 07777));
        return -EINVAL;
}

static int complete_passfile(struct conninfo_draft *draft, const struct config_environment *environment,
                             const struct complaint_place *place) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (conninfo_draft_get(draft, "passfile"))
                return check_passfile(draft, true, place);
        if (environment->pgpassfile)
                r = conninfo_draft_set(draft, "passfile", environment->pgpassfile, "$PGPASSFILE");
        else {
                r = find_at_home(environment, ".pgpass", &path);
                if (r < 0 || !path)
                        return r;
                r = conninfo_draft_set(draft, "passfile", path, "libpq's default");
        }
        return r < 0 ? r : check_passfile(draft, false, place);
}

static int system_bundle(struct conninfo_draft *draft, const char *note, const struct complaint_place *place) {
        if (access(SYSTEM_CA_BUNDLE, R_OK) < 0) {
                place_error(place, "the system has no CA certificates in " SYSTEM_CA_BUNDLE
                                   "; install ca-certificates, or name a file with sslrootcert");
                return -EINVAL;
        }
        return conninfo_draft_set(draft, "sslrootcert", SYSTEM_CA_BUNDLE, note);
}

/*
 * libpq 15 takes "system" for a file name, and verify-* without a root certificate for an error. A file that is given must be readable if
 * it is needed. If none is given, the one that libpq would look for has precedence over the system's bundle.
 */
static int complete_root_certificate(struct conninfo_draft *draft, const struct config_environment *environment,
                                     const struct complaint_place *place) {
        const char *root = conninfo_draft_get(draft, "sslrootcert"), *mode = conninfo_draft_get(draft, "sslmode");
        const char *host = conninfo_draft_get(draft, "host");
        bool verifies = mode && starts_with(mode, "verify-") && !(host && is_socket_dir(host));
        _cleanup_free_ char *path = NULL;
        int r;

        if (root && streq(root, "system")) {
                if (!verifies) {
                        place_error(place, "sslrootcert=system means nothing without verification; expected sslmode=verify-full beside it");
                        return -EINVAL;
                }
                return system_bundle(draft, "the system's bundle", place);
        }
        if (!verifies)
                return 0;
        if (streq(mode, "verify-full") && !host) {
                place_error(place, "sslmode=verify-full has no name to verify; expected host beside hostaddr");
                return -EINVAL;
        }
        if (root) {
                if (access(root, R_OK) == 0)
                        return 0;
                place_error(place, "sslrootcert names a file that cannot be read (%s); expected a PEM file with CA certificates, or system",
                            strerror(errno));
                return -EINVAL;
        }
        r = find_at_home(environment, ".postgresql/root.crt", &path);
        if (r < 0)
                return r;
        if (path)
                return conninfo_draft_set(draft, "sslrootcert", path, "libpq's default");
        return system_bundle(draft, "the system's bundle, as sslmode verifies and no sslrootcert is given", place);
}

int conninfo_draft_complete(struct conninfo_draft *draft, const struct config_environment *environment, bool has_password,
                            const struct complaint_place *place) {
        int r;

        r = check_single_host(draft, place);
        if (r < 0)
                return r;
        r = check_values(draft, place);
        if (r < 0)
                return r;
        r = complete_user(draft, environment, place);
        if (r < 0)
                return r;
        r = complete_host(draft);
        if (r < 0)
                return r;
        r = check_host(draft, place);
        if (r < 0)
                return r;
        r = complete_root_certificate(draft, environment, place);
        if (r < 0 || has_password)
                return r;
        return complete_passfile(draft, environment, place);
}
