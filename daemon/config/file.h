/* Reading a whole small file at once: configuration, services, passwords. */
#pragma once

#include "config/complaint.h"
#include "config/environment.h"

#include <stddef.h>
#include <sys/types.h>

struct file {
        char *text; /* NUL-terminated after SIZE bytes; may contain NULs */
        size_t size;
        mode_t mode;
};

/* Returns 0; -EISDIR; -ENOTSUP for neither a file nor a folder; -EFBIG above MAX_BYTES; or the error of open() or read(). */
int file_read(const char *path, size_t max_bytes, struct file *ret_file);
/* Wipes and frees. */
void file_deinit(struct file *file);
/*
 * A sentence for an error of file_read(), in BUFFER or a constant. It names the user that was refused access: --check-config often runs as
 * another user than the daemon.
 */
#define FILE_ERROR_MAX 128
const char *file_error(int r, char buffer[FILE_ERROR_MAX]);

/* Advice, in complaints, for a file that others can read or write. */
#define FILE_PRIVATE "mode 0600, or 0640 and a group of the user that pgwaked runs as (chgrp pgwaked)"

/* Passwords from files. No message about them ever contains one. */

/*
 * Reads NAME in the credentials directory, without one trailing newline; NULL if it may be missing. Returns 0; -EINVAL after a complaint at
 * PLACE; -ENOMEM.
 */
int password_read_credential(const char *name, const struct config_environment *environment, const struct complaint_place *place,
                             char **ret_password);
/* The same for the file at PATH, which others must not be able to read. */
int password_read_file(const char *path, const struct complaint_place *place, char **ret_password);
