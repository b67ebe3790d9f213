#include "conf/env-file.h"

#include "base/error.h"
#include "conf/dotenv.h"
#include "conf/file.h"

#include <ctype.h>
#include <sys/stat.h>

/* One of an application's settings. */
struct setting {
        const char *name;  /* NULL: not looked at */
        const char *value; /* NULL: missing */
        const char *other; /* a name that stands there and may have been meant, or NULL */
        unsigned line;
};

static const char *const keywords[_ENV_FIELD_MAX] = {
        [ENV_USER] = "user", [ENV_PASSWORD] = "password", [ENV_HOST] = "host", [ENV_PORT] = "port", [ENV_DATABASE] = "dbname",
};

/* What applications call them as well. */
static const char *const other_names[_ENV_FIELD_MAX][7] = {
        [ENV_URL] = {"DB_URL", "DATABASE_URI", "POSTGRES_URL", "POSTGRESQL_URL", "SQLALCHEMY_DATABASE_URL", "SQLALCHEMY_DATABASE_URI"},
        [ENV_USER] = {"POSTGRES_USERNAME", "DB_USER", "DB_USERNAME", "DATABASE_USER", "PGUSER"},
        [ENV_PASSWORD] = {"POSTGRES_PASS", "DB_PASSWORD", "DB_PASS", "DATABASE_PASSWORD", "PGPASSWORD"},
        [ENV_HOST] = {"POSTGRES_SERVER", "POSTGRES_HOSTNAME", "DB_HOST", "DATABASE_HOST", "PGHOST"},
        [ENV_DATABASE] = {"POSTGRES_DB", "POSTGRES_DATABASE", "DB_NAME", "DB_DATABASE", "DATABASE_NAME", "PGDATABASE"},
};

static bool is_missing(const struct setting *setting) {
        return !setting->name || !setting->value || !*setting->value;
}

static struct complaint_place place_of(const struct complaint_place *file, const struct setting *setting) {
        return (struct complaint_place){file->complaints, file->file, setting->line, setting->name};
}

/* Parts beside a URL are usual, for whoever sets the server up; ones that lead elsewhere deserve a word. */
static void warn_of_contradictions(const struct setting *settings, const struct conninfo_draft *draft, const struct complaint_place *file) {
        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++) {
                const char *value = conninfo_draft_get(draft, keywords[i]);
                struct complaint_place place = place_of(file, &settings[i]);

                if (!is_missing(&settings[i]) && value && !streq(value, settings[i].value))
                        place_warning(&place, "it is not read, and says something else than %s, which is", settings[ENV_URL].name);
        }
}

static int apply_url(const struct setting *settings, struct conninfo_draft *draft, const struct complaint_place *file,
                     struct complaint_place *ret_place) {
        int r;

        *ret_place = place_of(file, &settings[ENV_URL]);
        r = conninfo_draft_parse_of_application(draft, settings[ENV_URL].value, ret_place);
        if (r == 0)
                warn_of_contradictions(settings, draft, file);
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

/* What would be refused later, one at a time and under another name, is told here. */
static int check_part(enum env_field field, const struct setting *setting, const struct complaint_place *file) {
        struct complaint_place place = place_of(file, setting);

        if (field == ENV_HOST && !is_host(setting->value)) {
                place_error(&place, "this is no host; expected one name, one address, or the folder of a UNIX socket");
                return -EINVAL;
        }
        if (field == ENV_PORT)
                return keyword_check(keyword_at((size_t)keyword_find("port")), setting->value, &place);
        return 0;
}

static void append_name(struct buffer *list, const struct setting *setting, const char *separator) {
        buffer_printf(list, "%s%s", list->size ? separator : "", setting->name);
        if (setting->other)
                buffer_printf(list, " (%s stands there)", setting->other);
}

/* An empty password is one that was left out on purpose. */
static bool is_needed(enum env_field field, const struct setting *setting, bool needs_password) {
        if (field == ENV_PORT)
                return false;
        return field != ENV_PASSWORD || (needs_password && !setting->value);
}

static int check_missing(const struct setting *settings, bool needs_password, const struct complaint_place *file) {
        _cleanup_(buffer_deinit) struct buffer list = {0};
        bool is_any = false;
        size_t n = 0;

        for (int i = ENV_USER; i < _ENV_FIELD_MAX; i++) {
                is_any = is_any || !is_missing(&settings[i]);
                if (!is_missing(&settings[i]) || !is_needed((enum env_field)i, &settings[i], needs_password))
                        continue;
                append_name(&list, &settings[i], ", ");
                n++;
        }
        if (n == 0)
                return 0;
        if (buffer_finish(&list) < 0)
                return -ENOMEM;
        if (!is_any && settings[ENV_URL].name) {
                _cleanup_(buffer_deinit) struct buffer url = {0};

                append_name(&url, &settings[ENV_URL], "");
                place_error(file, "%s is %s, and so are %s; expected the URL or these, or other names by env_names", url.data ? url.data : "",
                            settings[ENV_URL].value ? "empty" : "missing", list.data);
        } else
                place_error(file, "%s %s missing or empty; expected %s there, or other names by env_names", list.data, n == 1 ? "is" : "are",
                            n == 1 ? "it" : "them");
        return -EINVAL;
}

static int apply_parts(const struct setting *settings, bool needs_password, struct conninfo_draft *draft,
                       const struct complaint_place *file, struct complaint_place *ret_place) {
        int result;

        *ret_place = place_of(file, &settings[ENV_HOST]);
        result = check_missing(settings, needs_password, file);
        for (int i = ENV_USER; i < _ENV_FIELD_MAX && result != -ENOMEM; i++) {
                int r;

                if (is_missing(&settings[i]))
                        continue;
                r = check_part((enum env_field)i, &settings[i], file);
                if (r == 0)
                        r = conninfo_draft_set(draft, keywords[i], settings[i].value, NULL);
                result = r < 0 ? r : result;
        }
        return result;
}

static int apply(const struct setting *settings, bool needs_password, struct conninfo_draft *draft, const struct complaint_place *file,
                 struct complaint_place *ret_place) {
        if (!is_missing(&settings[ENV_URL]))
                return apply_url(settings, draft, file, ret_place);
        return apply_parts(settings, needs_password, draft, file, ret_place);
}

/* Who names the parts does not want the URL of another database that stands beside them, and the other way round. */
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

static void look_up(const struct dotenv *dotenv, struct setting *settings) {
        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                const struct dotenv_entry *entry = settings[i].name ? dotenv_find(dotenv, settings[i].name) : NULL;

                settings[i].value = entry ? entry->value : NULL;
                settings[i].line = entry ? entry->line : 0;
                for (size_t k = 0; !entry && !settings[i].other && other_names[i][k]; k++)
                        if (dotenv_find(dotenv, other_names[i][k]))
                                settings[i].other = other_names[i][k];
        }
}

/* Who can write the file says where a password of ours is sent; who can read it has the one in it. */
static int check_mode(const struct file *file, const struct conninfo_draft *draft, const struct complaint_place *place) {
        if (file->mode & S_IWOTH) {
                place_error(place, "everybody on the machine can write the file (mode %04o); expected mode 0600, or 0640 for a group",
                            (unsigned)file->mode);
                return -EINVAL;
        }
        if (!(file->mode & S_IROTH) || !(conninfo_draft_get(draft, "password") || conninfo_draft_get(draft, "sslpassword")))
                return 0;
        place_error(place,
                    "a password stands in it, and everybody on the machine can read the file (mode %04o); expected mode 0600, or 0640 with "
                    "a group of which the user of pgwaked is a member",
                    (unsigned)file->mode);
        return -EINVAL;
}

static int apply_file(const struct file *file, const struct env_names *names, bool needs_password, struct conninfo_draft *draft,
                      const struct complaint_place *place, struct complaint_place *ret_place) {
        struct setting settings[_ENV_FIELD_MAX] = {0};
        struct dotenv dotenv = {0};
        int r, problem;

        r = dotenv_parse(&dotenv, file->text, file->size, place);
        if (r == 0) {
                choose_names(names, settings);
                look_up(&dotenv, settings);
                problem = apply(settings, needs_password, draft, place, ret_place);
                r = problem == -ENOMEM ? problem : check_mode(file, draft, place);
                r = r < 0 ? r : problem;
        }
        dotenv_deinit(&dotenv);
        return r;
}

int env_file_apply(const char *path, const struct env_names *names, bool needs_password, struct conninfo_draft *draft,
                   const struct complaint_place *place, struct complaint_place *ret_place) {
        const struct complaint_place here = {.complaints = place->complaints, .file = path};
        _cleanup_(file_deinit) struct file file = {0};
        int r;

        r = file_read(path, DOTENV_BYTES_MAX, &file);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                place_error(place, "the file cannot be read: %s%s", file_error(r),
                            r == -EACCES ? "; expected one that the user of pgwaked may read, by a group of its own" : "");
                return -EINVAL;
        }
        return apply_file(&file, names, needs_password, draft, &here, ret_place);
}

int env_process_apply(const struct config_environment *environment, bool needs_password, struct conninfo_draft *draft,
                      const struct complaint_place *place, struct complaint_place *ret_place) {
        struct setting settings[_ENV_FIELD_MAX] = {0};

        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                settings[i].name = env_field_name((enum env_field)i);
                settings[i].value = environment->settings[i];
        }
        return apply(settings, needs_password, draft, place, ret_place);
}
