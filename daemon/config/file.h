/* Reading a whole small file at once: configuration, services, passwords. */
#pragma once

#include "config/complaint.h"
#include "config/environment.h"

#include <stddef.h>
#include <sys/types.h>

struct file {
        char *text; /* NUL-terminated behind SIZE bytes; may hold NULs of its own */
        size_t size;
        mode_t mode;
};

/*
 * Answers 0; -EISDIR; -ENOTSUP for what is neither a file nor a folder; -EFBIG above MAX_BYTES; or what open() and read() say.
 */
int file_read(const char *path, size_t max_bytes, struct file *ret_file);
/* Wipes and frees. */
void file_deinit(struct file *file);
/*
 * A sentence for what file_read() answers, in BUFFER or elsewhere. It names who was not allowed: --check-config often runs as somebody else
 * than the daemon.
 */
#define FILE_ERROR_MAX 128
const char *file_error(int r, char buffer[FILE_ERROR_MAX]);

/* What to do about a file that others can read or write, in complaints. */
#define FILE_PRIVATE "mode 0600, or 0640 and a group of the user that pgwaked runs as (chgrp pgwaked)"

/* Passwords from files. No text about them ever holds one. */

/*
 * The content of NAME in the credentials directory, one newline at its end cut off; NULL where it may lack.
 * Answers 0; -EINVAL when it complained at PLACE; -ENOMEM.
 */
int password_read_credential(const char *name, const struct config_environment *environment, const struct complaint_place *place,
                             char **ret_password);
/* The same for the file at PATH, which others must not be able to read. */
int password_read_file(const char *path, const struct complaint_place *place, char **ret_password);
