/*
 * The error contract of the whole house.
 *
 * A function that can fail answers an int:
 *   < 0   a negative errno: something broke; forward it, or handle it where it can be survived.
 *     0   done.
 *   > 0   an answer that the caller must handle; each function that has any names them in an enum of its header.
 *
 * Outputs are called ret_x and stay untouched unless the answer is 0 (or an answer that says otherwise).
 * A function logs an error or returns it, never both. A result that is dropped on purpose is cast to (void).
 */
#pragma once

#include <errno.h>

/* -errno, never 0: some libraries fail without setting errno. */
static inline int error_from_errno(void) {
        return errno > 0 ? -errno : -EIO;
}
