/* The part of the process's environment that the configuration uses, read once at start, and additions from the command line. */
#pragma once

#include "base/macro.h"

/* An application's settings for its database. */
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
        char *credentials_directory; /* $CREDENTIALS_DIRECTORY; NULL if unset */
        char *pgservicefile;
        char *pgpassfile;
        char *pgsysconfdir;
        char *home; /* $HOME, else the user's own */
        char *user; /* the name of the effective user, or NULL if it has none */
        /* --check-config is run outside the unit: without a credentials directory, a credential is a warning instead of an error. */
        bool credentials_may_lack;
        /* --from-env: the environment configures the one database, and no file does. Set before config_environment_take(). */
        bool from_env;
        char *settings[_ENV_FIELD_MAX]; /* by field; NULL: not set. Only with from_env */
        /* --listen: further TCP addresses, each as address_parse() takes it. Not owned. */
        const char *const *listen;
        size_t n_listen;
};

/*
 * Reads the variables it needs, then unsets every variable that libpq reads (all that begin with "PG", except our own PGWAKE...): they
 * would leak into every connection. With from_env it also reads and unsets an application's settings. All values that are unset are
 * overwritten, so that /proc/PID/environ does not show them either. Call it once, before the first thread. Returns 0 or -ENOMEM.
 */
int config_environment_take(struct config_environment *environment);
void config_environment_deinit(struct config_environment *environment);
