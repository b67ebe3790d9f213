/*
 * Listening sockets: non-blocking, and UNIX sockets appear atomically. And accepting from all of our listeners: never more clients than
 * allowed, and without a busy loop if descriptors run out. A listening socket with a client in its queue stays readable until somebody
 * accepts, so it is not polled meanwhile.
 */
#pragma once

#include "base/descriptor.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

/* The identity of a UNIX socket that we made, so that no other is removed. */
struct socket_identity {
        dev_t device;
        ino_t inode;
};

/*
 * A UNIX socket at PATH with MODE and GROUP ((gid_t)-1: the default). It is made under a temporary name beside PATH and renamed, so that
 * nobody sees it incomplete, and so that it replaces one left by a dead daemon. The folder is made (0755) if missing. Returns 0;
 * -EADDRINUSE if another process listens there; -ENOTSOCK if the name is not a socket's; -ENAMETOOLONG; another errno.
 */
int listen_unix(const char *path, mode_t mode, gid_t group, int *ret_fd, struct socket_identity *ret_identity);
/* Removes PATH if it is still the socket that we made. */
void listen_unix_remove(const char *path, const struct socket_identity *identity);

/* Returns whether FD listens on TCP; RET_LOOPBACK tells whether only this machine can reach it. */
bool listen_is_tcp(int fd, bool *ret_loopback);

/* ADDRESS as in config/address.h. Returns 0, -EINVAL if it is no address, or another errno. */
int listen_tcp(const char *address, int *ret_fd);

/* All acceptors: they share the descriptors. */
struct acceptors;
/* One listening socket. */
struct acceptor;

struct acceptor_handler {
        /* Takes over FD, even on failure. ADDRESS is the client's. */
        void (*take)(void *userdata, int fd, const struct sockaddr *address, socklen_t length);
        void *userdata;
};

int acceptors_new(sd_event *event, struct acceptors **ret_acceptors);
/* Call after freeing each acceptor. Takes NULL. */
struct acceptors *acceptors_free(struct acceptors *acceptors);

/*
 * Takes over LISTEN_FD (non-blocking), even on failure. USE decides how many descriptors are left to others: DESCRIPTOR_CLIENT shares the
 * clients' descriptors with all others of that use, DESCRIPTOR_CONTROL has as many for itself. At most CLIENTS_MAX clients at a time in any
 * case; more wait in the kernel's queue.
 */
int acceptor_new(struct acceptors *acceptors, int listen_fd, enum descriptor_use use, unsigned clients_max,
                 const struct acceptor_handler *handler, struct acceptor **ret_acceptor);
/* The handler calls these for each client that it took: it has joined; its descriptor is about to be closed. */
void acceptor_joined(struct acceptor *acceptor);
void acceptor_left(struct acceptor *acceptor);
/* Every client that the handler took has joined by now, or was refused. */
void acceptor_settled(struct acceptor *acceptor);
unsigned acceptor_clients(const struct acceptor *acceptor);
/* Accepts the clients that wait in the queue now, within the limits. */
void acceptor_take_waiting(struct acceptor *acceptor);
/* Accepts no further client: those in the queue are left to the other process that listens on the socket. */
void acceptor_stop(struct acceptor *acceptor);
/* Takes NULL. */
struct acceptor *acceptor_free(struct acceptor *acceptor);
