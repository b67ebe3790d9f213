/*
 * File descriptors under RLIMIT_NOFILE: what may be had in any number leaves some for what must go on.
 *
 * The kernel always gives the lowest free number. So whoever takes only numbers below a mark leaves those above it to others, and nobody
 * has to count: neither the sessions nor the sockets that libraries open by themselves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum descriptor_use {
        DESCRIPTOR_ESSENTIAL,  /* the history, a new prober, the files of a moment: all there are */
        DESCRIPTOR_CONTROL,    /* a client of the control socket */
        DESCRIPTOR_LOOKUP,     /* a resolver's sockets */
        DESCRIPTOR_CONNECTION, /* a connection to a database, as long as an attempt */
        DESCRIPTOR_CLIENT,     /* any other client */
        DESCRIPTOR_SESSION,    /* one that is kept */
        _DESCRIPTOR_USE_MAX,
};

/* How many USE leaves to others when the limit is LIMIT. */
uint64_t descriptor_reserve(enum descriptor_use use, uint64_t limit);
/* How many clients may be connected to one of N_SOCKETS listening sockets that share what there is for clients: one at least. */
uint64_t descriptor_clients(uint64_t limit, unsigned n_sockets);
/* Whether a descriptor for USE may be had now: 0, or a negative errno (-EMFILE also when only the reserve is left). */
int descriptor_check(enum descriptor_use use);
/* Whether FD, which is open, may be used as USE. */
bool descriptor_leaves_reserve(int fd, enum descriptor_use use);
/*
 * Opens /dev/null as standard input, output and error where they are closed: the next file that is opened would be one of them, and what is
 * said there be written into it. Before anything is opened. Answers 0 or a negative errno.
 */
int descriptor_fill_standard(void);
/* Raises the soft limit to the hard one. */
void descriptor_raise_limit(void);
/* What the soft limit is, or can be raised to. UINT64_MAX: there is none. */
uint64_t descriptor_limit(void);
