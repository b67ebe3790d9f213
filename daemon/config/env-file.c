#include "config/env-file.h"

#include "base/error.h"
#include "config/dotenv.h"
#include "config/file.h"

#include <ctype.h>
#include <sys/stat.h>

/* One of an application's settings. */
struct setting {
        const char *name;  /* NULL: not used */
        const char *value; /* NULL: missing */
        const char *other; /* a similar name that is present and may have been meant, or NULL */
        unsigned line;
};

/* All of an application's settings, and their source. */
struct source {
        struct setting settings[_ENV_FIELD_MAX];
        struct complaint_place place; /* the file as a whole */
        const char *advice;           /* follows "expected them there" */
        bool needs_password;
};

static const char *const keywords[_ENV_FIELD_MAX] = {
        [ENV_USER] = "user", [ENV_PASSWORD] = "password", [ENV_HOST] = "host", [ENV_PORT] = "port", [ENV_DATABASE] = "dbname",
};

/* Other names that applications use for these settings. */
static const char *const other_names[_ENV_FIELD_MAX][7] = {
        [ENV_URL] = {"DB_URL", "DATABASE_URI", "POSTGRES_URL", "POSTGRESQL_URL", "SQLALCHEMY_DATABASE_URL", "SQLALCHEMY_DATABASE_URI"},
        [ENV_USER] = {"POSTGRES_USERNAME", "DB_USER", "DB_USERNAME", "DATABASE_USER", "PGUSER"},
        [ENV_PASSWORD] = {"POSTGRES_PASS", "DB_PASSWORD", "DB_PASS", "DATABASE_PASSWORD", "PGPASSWORD"},
        [ENV_HOST] = {"POSTGRES_SERVER", "POSTGRES_HOSTNAME", "DB_HOST", "DATABASE_HOST", "PGHOST"},
        [ENV_DATABASE] = {"POSTGRES_DB", "POSTGRES_DATABASE", "DB_NAME", "DB_DATABASE", "DATABASE_NAME", "PGDATABASE"},
};

static bool env_file_is_missing(const struct setting *setting) {
        return !setting->name || !setting->value || !*setting->value;
}

static struct complaint_place env_file_place_of(const struct source *source, enum env_field field) {
        const struct setting *setting = &source->settings[field];

        return (struct complaint_place){source->place.complaints, source->place.file, setting->line, setting->name};
}

/* Parts beside a URL are common, since the server may be set up from them. Parts that contradict the URL deserve a warning. */
static void warn_of_contradictions(const struct source *source, const struct conninfo_draft *draft) {
        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++) {
                const struct setting *setting = &source->settings[i];
                const char *value = conninfo_draft_get(draft, keywords[i]);
                struct complaint_place place = env_file_place_of(source, (enum env_field)i);

                if (!env_file_is_missing(setting) && value && !streq(value, setting->value))
                        place_warning(&place, "it is not read, and says something else than %s, which is", source->settings[ENV_URL].name);
        }
}

static int apply_url(const struct source *source, struct conninfo_draft *draft, struct complaint_place *ret_place) {
        int r;

        *ret_place = env_file_place_of(source, ENV_URL);
        r = conninfo_draft_parse_of_application(draft, source->settings[ENV_URL].value, ret_place);
        if (r == 0)
                warn_of_contradictions(source, draft);
        return r;
}

static bool is_host(const char *text) {
        if (*text == '/' || *text == '@')
                return true;
        for (; *text; text++)
                if (isspace((unsigned char)*text) || strchr("@/\",", *text) || (unsigned char)*text < ' ')
                        return false;
        return true;
}

/* Refuses values here that would be refused later, one at a time and under another name. */
static int check_part(const struct source *source, enum env_field field) {
        struct complaint_place place = env_file_place_of(source, field);
        const char *value = source->settings[field].value;

        if (field == ENV_HOST && !is_host(value)) {
                place_error(&place, "this is no host; expected one name, one address, or the folder of a UNIX socket");
                return -EINVAL;
        }
        if (field == ENV_HOST && conninfo_host_has_port(value)) {
                const char *port = source->settings[ENV_PORT].name;

                place_error(&place, "a port stands in the host; expected it in %s, and nothing but a name or an address here",
                            port ? port : env_field_name(ENV_PORT));
                return -EINVAL;
        }
        return field == ENV_PORT ? keyword_check(keyword_at((size_t)keyword_find("port")), value, &place) : 0;
}

static void append_name(struct buffer *list, const struct setting *setting) {
        buffer_printf(list, "%s%s", list->size ? ", " : "", setting->name);
        if (setting->other)
                buffer_printf(list, " (%s stands there)", setting->other);
}

static bool is_needed(const struct source *source, enum env_field field) {
        if (field == ENV_PORT)
                return false;
        /* An empty password was left out on purpose. */
        return field != ENV_PASSWORD || (source->needs_password && !source->settings[ENV_PASSWORD].value);
}

/* PARTS lists N names. N is 0 if only the URL is used. */
static int complain_missing(const struct source *source, const char *parts, size_t n) {
        const struct setting *url = &source->settings[ENV_URL];
        _cleanup_(buffer_deinit) struct buffer name = {0};
        bool is_any = false;

        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++)
                is_any = is_any || !env_file_is_missing(&source->settings[i]);
        if (is_any || !url->name || n == 0) {
                place_error(&source->place, "%s %s missing or empty; expected %s there%s", n == 0 ? url->name : parts,
                            n > 1 ? "are" : "is", n > 1 ? "them" : "it", source->advice);
                return -EINVAL;
        }
        append_name(&name, url);
        if (buffer_finish(&name) < 0)
                return -ENOMEM;
        place_error(&source->place, "%s is %s %s%s; expected the one or the others there%s", name.data,
                    url->value ? "empty, and" : "missing, and so are", parts, url->value ? " are missing or empty" : "", source->advice);
        return -EINVAL;
}

static int check_missing(const struct source *source) {
        _cleanup_(buffer_deinit) struct buffer list = {0};
        bool has_parts = true;
        size_t n = 0;

        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++) {
                if (!source->settings[i].name) {
                        has_parts = false;
                        break;
                }
                if (!env_file_is_missing(&source->settings[i]) || !is_needed(source, (enum env_field)i))
                        continue;
                append_name(&list, &source->settings[i]);
                n++;
        }
        if (buffer_finish(&list) < 0)
                return -ENOMEM;
        return n || !has_parts ? complain_missing(source, list.data, n) : 0;
}

static int apply_parts(const struct source *source, struct conninfo_draft *draft, struct complaint_place *ret_place) {
        int result;

        *ret_place = env_file_place_of(source, ENV_HOST);
        result = check_missing(source);
        for (int i = ENV_USER; i < _ENV_FIELD_MAX && result != -ENOMEM; i++) {
                int r;

                if (env_file_is_missing(&source->settings[i]))
                        continue;
                r = check_part(source, (enum env_field)i);
                if (r == 0)
                        r = conninfo_draft_set(draft, keywords[i], source->settings[i].value, NULL);
                result = r < 0 ? r : result;
        }
        return result;
}

static int env_file_apply_source(const struct source *source, struct conninfo_draft *draft, struct complaint_place *ret_place) {
        if (!env_file_is_missing(&source->settings[ENV_URL]))
                return apply_url(source, draft, ret_place);
        return apply_parts(source, draft, ret_place);
}

/* A configuration that names parts does not want a URL beside them, which may be of another database; and the other way round. */
static void choose_names(const struct env_names *names, struct setting *settings) {
        const char *const given[_ENV_FIELD_MAX] = {
                [ENV_URL] = names->url,   [ENV_USER] = names->user, [ENV_PASSWORD] = names->password,
                [ENV_HOST] = names->host, [ENV_PORT] = names->port, [ENV_DATABASE] = names->database,
        };
        bool has_parts = false;

        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++)
                has_parts = has_parts || given[i];
        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                bool is_other = i == ENV_URL ? has_parts && !given[ENV_URL] : given[ENV_URL] && !has_parts;

                settings[i].name = given[i] ? given[i] : is_other ? NULL : env_field_name((enum env_field)i);
        }
}

static void env_file_look_up(const struct dotenv *dotenv, struct setting *settings) {
        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                const struct dotenv_entry *entry = settings[i].name ? dotenv_find(dotenv, settings[i].name) : NULL;

                settings[i].value = entry ? entry->value : NULL;
                settings[i].line = entry ? entry->line : 0;
                for (size_t k = 0; !entry && !settings[i].other && other_names[i][k]; k++)
                        if (dotenv_find(dotenv, other_names[i][k]))
                                settings[i].other = other_names[i][k];
        }
}

/* Write access to the file decides where our password is sent; read access reveals the password in it. */
static int check_mode(const struct file *file, const struct conninfo_draft *draft, const struct complaint_place *place) {
        if (file->mode & S_IWOTH) {
                place_error(place, "everybody on the machine can write the file (mode %04o); expected " FILE_PRIVATE,
                            (unsigned)file->mode);
                return -EINVAL;
        }
        if (!(file->mode & S_IROTH) || !(conninfo_draft_get(draft, "password") || conninfo_draft_get(draft, "sslpassword")))
                return 0;
        place_error(place,
                    "a password stands in it, and everybody on the machine can read the file (mode %04o); expected " FILE_PRIVATE,
                    (unsigned)file->mode);
        return -EINVAL;
}

static int apply_file(const struct file *file, const struct env_names *names, struct source *source, struct conninfo_draft *draft,
                      struct complaint_place *ret_place) {
        struct dotenv dotenv = {0};
        int r, problem;

        r = dotenv_parse(&dotenv, file->text, file->size, &source->place);
        if (r == 0) {
                choose_names(names, source->settings);
                env_file_look_up(&dotenv, source->settings);
                problem = env_file_apply_source(source, draft, ret_place);
                r = problem == -ENOMEM ? problem : check_mode(file, draft, &source->place);
                r = r < 0 ? r : problem;
        }
        dotenv_deinit(&dotenv);
        return r;
}

int env_file_apply(const char *path, const struct env_names *names, bool needs_password, struct conninfo_draft *draft,
                   const struct complaint_place *place, struct complaint_place *ret_place) {
        struct source source = {
                .place = {.complaints = place->complaints, .file = path},
                .advice = ", or other names by env_names",
                .needs_password = needs_password,
        };
        _cleanup_(file_deinit) struct file file = {0};
        char error[FILE_ERROR_MAX];
        int r;

        r = file_read(path, DOTENV_BYTES_MAX, &file);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                place_error(place, "the file cannot be read: %s%s", file_error(r, error),
                            r == -EACCES ? "; expected one that the user of pgwaked may read, by a group of its own" : "");
                return -EINVAL;
        }
        return apply_file(&file, names, &source, draft, ret_place);
}

int env_process_apply(const struct config_environment *environment, bool needs_password, struct conninfo_draft *draft,
                      const struct complaint_place *place, struct complaint_place *ret_place) {
        struct source source = {.place = *place, .advice = "", .needs_password = needs_password};

        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                source.settings[i].name = env_field_name((enum env_field)i);
                source.settings[i].value = environment->settings[i];
        }
        return env_file_apply_source(&source, draft, ret_place);
}
