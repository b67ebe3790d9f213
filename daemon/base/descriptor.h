/*
 * File descriptors under RLIMIT_NOFILE: uses without a natural bound leave some for essential ones.
 *
 * The kernel always returns the lowest free number. A use that accepts only numbers below a mark therefore leaves those above it to others,
 * and nothing has to be counted: neither sessions nor the sockets that libraries open by themselves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum descriptor_use {
        DESCRIPTOR_ESSENTIAL,  /* the history, a new prober, short-lived files: all there are */
        DESCRIPTOR_CONTROL,    /* a client of the control socket */
        DESCRIPTOR_LOOKUP,     /* a resolver's sockets */
        DESCRIPTOR_CONNECTION, /* a connection to a database, for the duration of an attempt */
        DESCRIPTOR_CLIENT,     /* any other client */
        DESCRIPTOR_SESSION,    /* a connection that is held */
        _DESCRIPTOR_USE_MAX,
};

/* How many descriptors USE leaves to others under LIMIT. */
uint64_t descriptor_reserve(enum descriptor_use use, uint64_t limit);
/* How many clients may connect to each of N_SOCKETS listening sockets that share the clients' descriptors: at least one. */
uint64_t descriptor_clients(uint64_t limit, unsigned n_sockets);
/* Whether a descriptor for USE is available now: 0, or a negative errno (-EMFILE also if only the reserve is left). */
int descriptor_check(enum descriptor_use use);
/* Whether FD, which is open, may be used for USE. */
bool descriptor_leaves_reserve(int fd, enum descriptor_use use);
/*
 * Opens /dev/null for each of standard input, output and error that is closed: otherwise the next file opened would take its place and
 * receive its output. Call before opening anything. Returns 0 or a negative errno.
 */
int descriptor_fill_standard(void);
/*
 * The number in TEXT, of a descriptor that a supervisor has left open to be told of readiness: -EINVAL if it is no number from 3 on, -EBADF
 * if none that came with exec() is open for writing there. It is passed to no other program from now on.
 */
int descriptor_parse_ready(const char *text, int *ret_fd);
/*
 * Tells the reader of FD that we are ready, by a newline and the end of the file (https://skarnet.org/software/s6/notifywhenup.html). Never
 * blocks. FD is closed in any case; -1: nobody wants to know. Returns 0, or a negative errno.
 */
int descriptor_tell_ready(int fd);
/* Raises the soft limit to the hard one. */
void descriptor_raise_limit(void);
/* The soft limit, or what it can be raised to. UINT64_MAX: unlimited. */
uint64_t descriptor_limit(void);
