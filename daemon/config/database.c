#include "config/database.h"

#include "base/error.h"
#include "base/text.h"
#include "config/env-file.h"
#include "config/file.h"
#include "config/option-value.h"

static struct config_source source_of(const struct database_config *database, const char *path) {
        return database->sources[option_find(OPTION_DATABASE, path)];
}

static bool is_given(const struct database_config *database, const char *path) {
        return source_of(database, path).file != 0;
}

/* Whether the entry inherits it from `defaults`. */
static bool is_inherited(const struct database_config *database, const struct database_finish *with, const char *path) {
        struct config_source own = source_of(database, path), other = source_of(&with->loader->defaults, path);

        return own.file && own.file == other.file && own.line == other.line;
}

static struct complaint_place place_at(const struct database_finish *with, struct config_source source, const char *key) {
        return (struct complaint_place){
                .complaints = with->loader->complaints,
                .file = config_source_file(with->loader->config, source),
                .line = source.line,
                .key = key,
        };
}

static struct complaint_place config_database_place_of(const struct database_config *database, const struct database_finish *with, const char *path) {
        return place_at(with, source_of(database, path), path);
}

static void config_database_forget(struct database_config *database, const char *path) {
        int row = option_find(OPTION_DATABASE, path);

        option_clear(option_at(OPTION_DATABASE, (size_t)row), database);
        database->sources[row] = (struct config_source){0};
}

static void check_name(struct database_config *database, const struct database_finish *with) {
        struct complaint_place place = config_database_place_of(database, with, "name");

        if (!is_given(database, "name")) {
                place = place_at(with, database->source, NULL);
                place_error(&place, "this database has no name; expected name = \"...\"");
        } else if (database->name && !text_is_name(database->name)) {
                place_error(&place, "this is no name; expected 1 to %d of a-z, 0-9, _ and -, beginning with a letter or digit",
                            TEXT_NAME_MAX);
                option_clear(option_at(OPTION_DATABASE, (size_t)option_find(OPTION_DATABASE, "name")), database);
        }
}

/* The key that configures the connection, or NULL after a complaint about it. */
static const char *connection_key(const struct database_config *database, const struct database_finish *with) {
        struct complaint_place place = config_database_place_of(database, with, "service");

        if (database->from_environment)
                return "conninfo";
        if (is_given(database, "env_file")) {
                const char *other = is_given(database, "conninfo") ? "conninfo" : is_given(database, "service") ? "service" : NULL;

                place = config_database_place_of(database, with, "env_file");
                if (!other)
                        return database->env_file ? "env_file" : NULL;
                place_error(&place, "%s stands beside it; expected one of the two", other);
                return NULL;
        }
        if (is_given(database, "conninfo") && is_given(database, "service")) {
                place_error(&place, "conninfo stands beside it; expected one of the two (a conninfo may hold service=NAME)");
                return NULL;
        }
        if (is_given(database, "conninfo"))
                return database->conninfo_text ? "conninfo" : NULL;
        if (is_given(database, "service"))
                return database->service ? "service" : NULL;
        place = place_at(with, database->source, NULL);
        place_error(&place, "this database has no connection; expected conninfo = \"postgresql://...\", service = \"...\" or env_file = \"...\"");
        return NULL;
}

/* If another file configures the connection, PLACE becomes the line there. */
static int read_draft(const struct database_config *database, const struct database_finish *with, struct conninfo_draft *draft,
                      struct complaint_place *place) {
        bool needs_password = !is_given(database, "password_credential") && !is_given(database, "password_file");
        const struct complaint_place file = {.complaints = place->complaints, .file = place->file};
        const char *service;
        int r;

        if (database->conninfo_text)
                r = conninfo_draft_parse(draft, database->conninfo_text, place);
        else if (database->env_file)
                r = env_file_apply(database->env_file, &database->env_names, needs_password, draft, place, place);
        else if (database->from_environment)
                r = env_process_apply(with->environment, needs_password, draft, &file, place);
        else
                r = conninfo_draft_set(draft, "service", database->service, NULL);
        if (r < 0)
                return r;
        service = conninfo_draft_get(draft, "service");
        return service ? service_apply(with->services, service, draft, place) : 0;
}

/* Refuses a secret in the text of a configuration file that others can read. */
static int check_exposure(const struct database_config *database, const struct database_finish *with, const struct conninfo_draft *draft,
                          const struct complaint_place *place) {
        static const char *const secrets[] = {"password", "sslpassword"};

        if (!database->conninfo_text)
                return 0;
        for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++) {
                if (!conninfo_draft_get(draft, secrets[i]) || draft->notes[keyword_find(secrets[i])])
                        continue;
                if (!with->loader->exposed[source_of(database, "conninfo").file - 1])
                        continue;
                place_error(place,
                            "a password stands in it, and everybody on the machine can read this file; expected password_credential, "
                            "password_file, or a file of " FILE_PRIVATE);
                return -EINVAL;
        }
        return 0;
}

/* Refuses more than one source for the password, except one inherited from `defaults`. */
static int choose_password(struct database_config *database, const struct database_finish *with, const struct conninfo_draft *draft,
                           const struct complaint_place *place) {
        static const char *const keys[] = {"password_credential", "password_file"};
        const char *first = NULL;

        if (conninfo_draft_get(draft, "password"))
                first = "a password";
        else if (conninfo_draft_get(draft, "passfile"))
                first = "a passfile";
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
                struct complaint_place here = config_database_place_of(database, with, keys[i]);

                if (!is_given(database, keys[i]))
                        continue;
                if (first && is_inherited(database, with, keys[i])) {
                        config_database_forget(database, keys[i]);
                        continue;
                }
                if (!first) {
                        first = keys[i];
                        continue;
                }
                if (i == 1 && streq(first, keys[0]))
                        place_error(&here, "password_credential stands beside it; expected one of the two");
                else
                        place_error(&here, "%s already has %s; expected one of the two", place->key, first);
                return -EINVAL;
        }
        return 0;
}

static enum conninfo_password_source source_of_draft(const struct database_config *database, const struct conninfo_draft *draft) {
        if (draft->notes[keyword_find("password")])
                return CONNINFO_PASSWORD_SERVICE;
        if (database->env_file)
                return CONNINFO_PASSWORD_ENV_FILE;
        return database->from_environment ? CONNINFO_PASSWORD_ENVIRONMENT : CONNINFO_PASSWORD_INLINE;
}

static int config_database_read_password(const struct database_config *database, const struct database_finish *with, struct conninfo_draft *draft,
                         char **ret_password, enum conninfo_password_source *ret_source) {
        int row = keyword_find("password");
        struct complaint_place place;

        *ret_source = CONNINFO_PASSWORD_NONE;
        if (database->password_credential) {
                place = config_database_place_of(database, with, "password_credential");
                *ret_source = CONNINFO_PASSWORD_CREDENTIAL;
                return password_read_credential(database->password_credential, with->environment, &place, ret_password);
        }
        if (database->password_file) {
                place = config_database_place_of(database, with, "password_file");
                *ret_source = CONNINFO_PASSWORD_FILE;
                return password_read_file(database->password_file, &place, ret_password);
        }
        if (draft->values[row]) {
                *ret_source = source_of_draft(database, draft);
                *ret_password = steal_pointer(&draft->values[row]);
        }
        return 0;
}

static int connect_draft(struct database_config *database, const struct database_finish *with, struct conninfo_draft *draft,
                         const struct complaint_place *place) {
        enum conninfo_password_source source;
        char *password = NULL;
        int r, problem;

        problem = check_exposure(database, with, draft, place);
        r = choose_password(database, with, draft, place);
        if (r < 0)
                return r;
        r = conninfo_draft_complete(draft, with->environment,
                                    database->password_credential || database->password_file || conninfo_draft_get(draft, "password"),
                                    place);
        if (r == -ENOMEM)
                return r;
        problem = r < 0 ? r : problem;
        /* Read in any case, so that its complaints are reported too. */
        r = config_database_read_password(database, with, draft, &password, &source);
        if (r < 0 || problem < 0) {
                secret_free(password);
                return r < 0 ? r : problem;
        }
        return conninfo_new(draft, password, source, &database->conninfo);
}

static int finish_connection(struct database_config *database, const struct database_finish *with) {
        _cleanup_(conninfo_draft_deinit) struct conninfo_draft draft = {0};
        const char *key = connection_key(database, with);
        struct complaint_place place;
        int r;

        if (!key)
                return 0;
        place = config_database_place_of(database, with, key);
        r = read_draft(database, with, &draft, &place);
        if (r == 0)
                r = connect_draft(database, with, &draft, &place);
        option_clear(option_at(OPTION_DATABASE, (size_t)option_find(OPTION_DATABASE, "conninfo")), database);
        return r == -EINVAL ? 0 : r;
}

static void check_keys(const struct database_config *database, const struct database_finish *with) {
        struct complaint_place place;

        if (database->expect.value && !is_given(database, "expect.query")) {
                place = config_database_place_of(database, with, "expect.value");
                place_error(&place, "nothing is asked whose answer it could be; expected expect.query beside it");
        }
        if (database->fresh_for_usec && database->fresh_for_usec < database->ping_interval_usec) {
                place = config_database_place_of(database, with, "fresh_for");
                place_warning(&place, "it is shorter than ping_interval: the verdict is stale most of the time");
        }
        if (database->down_interval_usec < database->retry_interval_usec) {
                place = config_database_place_of(database, with, is_given(database, "down_interval") ? "down_interval" : "retry_interval");
                place_warning(&place, "down_interval is shorter than retry_interval, which then counts for both");
        }
}

/* Names are repeated in complaints, so a value that does not look like a name is refused and never looked up. */
static bool check_env_names(const struct database_config *database, const struct database_finish *with) {
        size_t n_errors = with->loader->complaints->n_errors;
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

        for (size_t i = 0; i < option_count(OPTION_DATABASE); i++) {
                const struct option *option = option_at(OPTION_DATABASE, i);
                const char *name = starts_with(option->path, "env_names.") ? *(char *const *)((const char *)database + option->offset) : NULL;
                struct complaint_place place;

                if (!name)
                        continue;
                place = config_database_place_of(database, with, option->path);
                if (strspn(name, letters) != strlen(name))
                        place_error(&place, "this is no name of a variable; expected letters, digits and _");
                if (!is_given(database, "env_file") && !is_inherited(database, with, option->path))
                        place_error(&place, "nothing is read by this name; expected env_file beside it");
        }
        return with->loader->complaints->n_errors == n_errors;
}

int database_config_finish(struct database_config *database, const struct database_finish *with) {
        check_name(database, with);
        check_keys(database, with);
        return check_env_names(database, with) ? finish_connection(database, with) : 0;
}

void database_config_deinit(struct database_config *database) {
        database->conninfo = conninfo_unref(database->conninfo);
        for (size_t i = 0; i < option_count(OPTION_DATABASE); i++)
                option_clear(option_at(OPTION_DATABASE, i), database);
}
