/*
 * An application's own settings as the way to its database: a URL, or user, password, host, port and database one by one; from a dotenv file
 * (`env_file`) or from the environment of this process (--from-env).
 *
 * A URL that is there is all that is read. What is missing or invalid is told by its name, all of it at once, and never with its value.
 */
#pragma once

#include "config/config.h"
#include "config/conninfo.h"

/*
 * Reads the dotenv file PATH and puts what it says into DRAFT. NAMES are those that are not as usual (a NULL name is as usual). Without
 * NEEDS_PASSWORD it is no fault that there is none. A password in a file that everybody can read is refused, as is a file that everybody can
 * write. Complains about the file at its own lines, and at PLACE, the key `env_file`, when it cannot be read.
 * RET_PLACE is where further complaints about the connection belong; it points into PATH and NAMES.
 * Answers 0; -EINVAL; -ENOMEM.
 */
int env_file_apply(const char *path, const struct env_names *names, bool needs_password, struct conninfo_draft *draft,
                   const struct complaint_place *place, struct complaint_place *ret_place);

/* The same with what config_environment_take() kept. PLACE names the environment as a file. */
int env_process_apply(const struct config_environment *environment, bool needs_password, struct conninfo_draft *draft,
                      const struct complaint_place *place, struct complaint_place *ret_place);
