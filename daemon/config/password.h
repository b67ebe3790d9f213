/* Passwords from files. No text about them ever holds one. */
#pragma once

#include "config/complaint.h"
#include "config/environment.h"

/*
 * The content of NAME in the credentials directory, one newline at its end cut off; NULL where it may lack.
 * Answers 0; -EINVAL when it complained at PLACE; -ENOMEM.
 */
int password_read_credential(const char *name, const struct config_environment *environment, const struct complaint_place *place,
                             char **ret_password);
/* The same for the file at PATH, which others must not be able to read. */
int password_read_file(const char *path, const struct complaint_place *place, char **ret_password);
