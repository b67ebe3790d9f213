/* What a configuration takes from the process's environment, taken once at start, and what the command line adds to it. */
#pragma once

#include "base/macro.h"

/* What an application is told about its database. */
enum env_field {
        ENV_URL,
        ENV_USER,
        ENV_PASSWORD,
        ENV_HOST,
        ENV_PORT,
        ENV_DATABASE,
        _ENV_FIELD_MAX,
};

/* Its usual name: "DATABASE_URL", "POSTGRES_USER", ... */
const char *env_field_name(enum env_field field);

struct config_environment {
        char *credentials_directory; /* $CREDENTIALS_DIRECTORY; NULL when there is none */
        char *pgservicefile;
        char *pgpassfile;
        char *pgsysconfdir;
        char *home; /* $HOME, else the user's own */
        char *user; /* the name of the effective user, or NULL when it has none */
        /* A person runs --check-config outside the unit: without a credentials directory a credential is a warning, not an error. */
        bool credentials_may_lack;
        /* --from-env: the environment, and no file, says what the one database is. Set before config_environment_take(). */
        bool from_env;
        char *settings[_ENV_FIELD_MAX]; /* by field; NULL: not set. Only with from_env */
        /* --listen: further TCP addresses, each as address_parse() takes it. Not owned. */
        const char *const *listen;
        size_t n_listen;
};

/*
 * Takes what is wanted, then unsets every variable that libpq reads (all that begin with "PG", but not our own PGWAKE...): they would leak
 * into every connection. With from_env it takes the settings of an application too, and unsets them. The bytes of everything that is unset
 * are overwritten, so that /proc/PID/environ does not show them either. Call it once, before the first thread.
 * Answers 0 or -ENOMEM.
 */
int config_environment_take(struct config_environment *environment);
void config_environment_deinit(struct config_environment *environment);
