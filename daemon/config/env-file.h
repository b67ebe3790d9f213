/*
 * An application's own settings as the connection to its database: a URL, or user, password, host, port and database one by one; from a
 * dotenv file (`env_file`) or from the environment of this process (--from-env).
 *
 * If there is a URL, only that is used. Complaints list all settings that are missing or invalid by name, and never repeat a value.
 */
#pragma once

#include "config/config.h"
#include "config/conninfo.h"

/*
 * Reads the dotenv file PATH and puts its settings into DRAFT. NAMES are the names that differ from the usual ones (NULL: the usual one).
 * Without NEEDS_PASSWORD the password may be missing. A file that everybody can write is refused, as is one with a password that everybody
 * can read. Complains about the file at its own lines, and at PLACE, the key `env_file`, if it cannot be read. RET_PLACE is the place for
 * further complaints about the connection; it points into PATH and NAMES. Returns 0; -EINVAL; -ENOMEM.
 */
int env_file_apply(const char *path, const struct env_names *names, bool needs_password, struct conninfo_draft *draft,
                   const struct complaint_place *place, struct complaint_place *ret_place);

/* The same with the settings that config_environment_take() kept. PLACE names the environment as a file. */
int env_process_apply(const struct config_environment *environment, bool needs_password, struct conninfo_draft *draft,
                      const struct complaint_place *place, struct complaint_place *ret_place);
