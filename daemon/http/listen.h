/* Listening sockets: non-blocking, and UNIX ones put into place whole. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* What a UNIX socket's path led to when it was made, so that only our own is removed. */
struct socket_identity {
        dev_t device;
        ino_t inode;
};

/*
 * A UNIX socket at PATH with MODE and GROUP ((gid_t)-1: as it comes). It is made under a temporary name beside it and renamed, so that
 * nobody sees it half made, and one that a dead daemon left is replaced. The folder is made (0755) when missing.
 * Answers 0; -EADDRINUSE when somebody listens there; -ENOTSOCK when something else has the name; -ENAMETOOLONG; another errno.
 */
int listen_unix(const char *path, mode_t mode, gid_t group, int *ret_fd, struct socket_identity *ret_identity);
/* Removes PATH if it is still what was made. */
void listen_unix_remove(const char *path, const struct socket_identity *identity);

/* Whether FD listens on TCP; RET_LOOPBACK tells whether only this machine reaches it. */
bool listen_is_tcp(int fd, bool *ret_loopback);

/* ADDRESS as config/address.h takes it. Answers 0, -EINVAL for text that is no address, or another errno. */
int listen_tcp(const char *address, int *ret_fd);
