#include "conf/environment.h"

#include "base/error.h"

#include <pwd.h>
#include <unistd.h>

extern char **environ;

static int take(const char *name, char **ret_value) {
        const char *value = getenv(name);

        /* libpq counts an empty variable as none here. */
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

/* PGWAKE_SOCKET and its like are ours, libpq knows none of them. */
static bool is_libpq_variable(const char *assignment) {
        return starts_with(assignment, "PG") && !starts_with(assignment, "PGWAKE");
}

static int unset_libpq_variables(void) {
        char **variable = environ;

        while (variable && *variable) {
                _cleanup_free_ char *name = NULL;

                if (!is_libpq_variable(*variable)) {
                        variable++;
                        continue;
                }
                name = strndup(*variable, strcspn(*variable, "="));
                if (!name)
                        return -ENOMEM;
                if (unsetenv(name) < 0)
                        return error_from_errno();
                /* unsetenv() moved the rest down: the walk begins again, a few dozen entries at most. */
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
                r = take(wanted[i].name, wanted[i].value);
                if (r < 0)
                        return r;
        }
        r = take_user(environment);
        if (r < 0)
                return r;
        return unset_libpq_variables();
}

void config_environment_deinit(struct config_environment *environment) {
        free(environment->credentials_directory);
        free(environment->pgservicefile);
        free(environment->pgpassfile);
        free(environment->pgsysconfdir);
        free(environment->home);
        free(environment->user);
        *environment = (struct config_environment){0};
}
