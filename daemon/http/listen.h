/*
 * Listening sockets: non-blocking, and UNIX ones put into place whole. And accepting from them, for every one of ours: never more clients
 * than may be, and in peace where there are no descriptors left. A listening socket with somebody in its queue is readable for as long as
 * nobody accepts, so it is not looked at meanwhile.
 */
#pragma once

#include "base/descriptor.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

/* The identity of a UNIX socket that we made, so that only our own is removed. */
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

/* Answers whether FD listens on TCP; RET_LOOPBACK tells whether only this machine reaches it. */
bool listen_is_tcp(int fd, bool *ret_loopback);

/* ADDRESS as config/address.h takes it. Answers 0, -EINVAL for text that is no address, or another errno. */
int listen_tcp(const char *address, int *ret_fd);

/* All of them: they share the descriptors. */
struct acceptors;
/* One listening socket. */
struct acceptor;

struct acceptor_handler {
        /* Takes FD, also when it fails. ADDRESS is the client's. */
        void (*take)(void *userdata, int fd, const struct sockaddr *address, socklen_t length);
        void *userdata;
};

int acceptors_new(sd_event *event, struct acceptors **ret_acceptors);
/* After each acceptor. Takes NULL. */
struct acceptors *acceptors_free(struct acceptors *acceptors);

/*
 * Takes LISTEN_FD (non-blocking), also when it fails. USE tells how many descriptors are left to others: DESCRIPTOR_CLIENT shares what
 * there is for clients with all others of that use, DESCRIPTOR_CONTROL has as much for itself. At most CLIENTS_MAX clients at a time in any
 * case; more wait in the kernel's queue.
 */
int acceptor_new(struct acceptors *acceptors, int listen_fd, enum descriptor_use use, unsigned clients_max,
                 const struct acceptor_handler *handler, struct acceptor **ret_acceptor);
/* Told by the handler for each client that it took: it is there; its descriptor is about to be closed. */
void acceptor_joined(struct acceptor *acceptor);
void acceptor_left(struct acceptor *acceptor);
unsigned acceptor_clients(const struct acceptor *acceptor);
/* Accepts the clients that wait in the queue by now, as far as the limits allow. */
void acceptor_take_waiting(struct acceptor *acceptor);
/* Takes no further client: those in the queue are left to whoever else listens on the socket. */
void acceptor_stop(struct acceptor *acceptor);
/* Takes NULL. */
struct acceptor *acceptor_free(struct acceptor *acceptor);
