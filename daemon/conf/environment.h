/* What a configuration takes from the process's environment, taken once at start. */
#pragma once

#include "base/macro.h"

struct config_environment {
        char *credentials_directory; /* $CREDENTIALS_DIRECTORY; NULL when there is none */
        char *pgservicefile;
        char *pgpassfile;
        char *pgsysconfdir;
        char *home; /* $HOME, else the user's own */
        char *user; /* the name of the effective user, or NULL when it has none */
        /* A person runs --check-config outside the unit: without a credentials directory a credential is a warning, not an error. */
        bool credentials_may_lack;
};

/*
 * Takes what is wanted, then unsets every variable that libpq reads (all that begin with "PG", but not our own PGWAKE...): they would leak
 * into every connection. Call it once, before the first thread.
 * Answers 0 or -ENOMEM.
 */
int config_environment_take(struct config_environment *environment);
void config_environment_deinit(struct config_environment *environment);
