/*
 * Accepting clients, for every listening socket of ours: never more than may be, and in peace where there are no descriptors left. A
 * listening socket with somebody in its queue is readable for as long as nobody accepts, so it is not looked at meanwhile.
 */
#pragma once

#include "base/descriptor.h"

#include <sys/socket.h>
#include <systemd/sd-event.h>

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
/* Accepts who waits in the queue by now, as far as may be. */
void acceptor_take_waiting(struct acceptor *acceptor);
/* Takes no further client: those in the queue are left to whoever else listens on the socket. */
void acceptor_stop(struct acceptor *acceptor);
/* Takes NULL. */
struct acceptor *acceptor_free(struct acceptor *acceptor);
