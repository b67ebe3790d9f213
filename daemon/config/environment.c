#include "config/environment.h"

#include "base/error.h"

#include <pwd.h>
#include <unistd.h>

extern char **environ;

const char *env_field_name(enum env_field field) {
        static const char *const names[_ENV_FIELD_MAX] = {
                [ENV_URL] = "DATABASE_URL",   [ENV_USER] = "POSTGRES_USER", [ENV_PASSWORD] = "POSTGRES_PASSWORD",
                [ENV_HOST] = "POSTGRES_HOST", [ENV_PORT] = "POSTGRES_PORT", [ENV_DATABASE] = "POSTGRES_DATABASE_NAME",
        };

        return names[field];
}

static int environment_take(const char *name, char **ret_value) {
        const char *value = getenv(name);

        /* libpq treats an empty variable here as unset. */
        if (!value || !*value)
                return 0;
        *ret_value = strdup(value);
        return *ret_value ? 0 : -ENOMEM;
}

static int take_user(struct config_environment *environment) {
        struct passwd entry, *found = NULL;
        char space[16384];

        if (getpwuid_r(geteuid(), &entry, space, sizeof(space), &found) != 0 || !found)
                return 0;
        environment->user = strdup(entry.pw_name);
        if (!environment->user)
                return -ENOMEM;
        if (environment->home || !entry.pw_dir || !*entry.pw_dir)
                return 0;
        environment->home = strdup(entry.pw_dir);
        return environment->home ? 0 : -ENOMEM;
}

/* These bytes are the process's own, where the kernel put them: overwriting them removes them from /proc/PID/environ. */
static int environment_forget(const char *name) {
        char *value = getenv(name);

        if (value)
                explicit_bzero(value, strlen(value));
        return unsetenv(name) < 0 ? error_from_errno() : 0;
}

static int take_settings(struct config_environment *environment) {
        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                const char *name = env_field_name((enum env_field)i), *value = getenv(name);
                int r;

                if (!value)
                        continue;
                /* Unlike in libpq's variables, an empty value has a meaning: a password was left out on purpose. */
                environment->settings[i] = strdup(value);
                if (!environment->settings[i])
                        return -ENOMEM;
                r = environment_forget(name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* PGWAKE_SOCKET and similar ones are ours: libpq knows none of them. */
static bool is_libpq_variable(const char *assignment) {
        return starts_with(assignment, "PG") && !starts_with(assignment, "PGWAKE");
}

static int unset_libpq_variables(void) {
        char **variable = environ;

        while (variable && *variable) {
                _cleanup_free_ char *name = NULL;
                int r;

                if (!is_libpq_variable(*variable)) {
                        variable++;
                        continue;
                }
                name = strndup(*variable, strcspn(*variable, "="));
                if (!name)
                        return -ENOMEM;
                r = environment_forget(name);
                if (r < 0)
                        return r;
                /* unsetenv() moved the rest down, so the walk restarts: there are a few dozen entries at most. */
                variable = environ;
        }
        return 0;
}

int config_environment_take(struct config_environment *environment) {
        const struct {
                const char *name;
                char **value;
        } wanted[] = {
                {"CREDENTIALS_DIRECTORY", &environment->credentials_directory},
                {"PGSERVICEFILE", &environment->pgservicefile},
                {"PGPASSFILE", &environment->pgpassfile},
                {"PGSYSCONFDIR", &environment->pgsysconfdir},
                {"HOME", &environment->home},
        };
        int r;

        for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
                r = environment_take(wanted[i].name, wanted[i].value);
                if (r < 0)
                        return r;
        }
        r = take_user(environment);
        if (r == 0 && environment->from_env)
                r = take_settings(environment);
        return r < 0 ? r : unset_libpq_variables();
}

void config_environment_deinit(struct config_environment *environment) {
        free(environment->credentials_directory);
        free(environment->pgservicefile);
        free(environment->pgpassfile);
        free(environment->pgsysconfdir);
        free(environment->home);
        free(environment->user);
        for (int i = 0; i < _ENV_FIELD_MAX; i++) {
                char *value = environment->settings[i];

                if (value)
                        explicit_bzero(value, strlen(value));
                free(value);
        }
        *environment = (struct config_environment){0};
}
