#include "http/listen.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/timer.h"
#include "config/address.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/un.h>

/* The size of sun_path, including the terminating NUL. */
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)
/* Clients accepted in one callback, before other sources of the loop get their turn. */
#define BATCH_MAX 16
/*
 * Bytes of answers that a client may leave unread. The kernel uses about twice that for a UNIX socket, so that 2048 clients take some 50
 * MB; over TCP it fills a segment of 54 KiB in any case, and speed needs more in transit.
 */
#define UNREAD_BYTES (8 * 1024)
#define UNREAD_TCP_BYTES (32 * 1024)
/* The delay of the next try if there was no descriptor or memory. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)
#define PAUSE_ACCURACY_USEC (10 * USEC_PER_MSEC)
/* A shortage is logged again after there was none for this long. */
#define QUIET_USEC USEC_PER_MINUTE

/* The sockets. */

static int listen_set_path(struct sockaddr_un *address, const char *path) {
        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (strlen(path) >= SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address->sun_path, path, strlen(path) + 1);
        return 0;
}

/* Makes the folder of PATH and its parents. */
static int listen_make_folder(const char *path) {
        char folder[SOCKET_PATH_MAX];

        (void)snprintf(folder, sizeof(folder), "%s", path);
        for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                        return error_from_errno();
                *slash = '/';
        }
        return 0;
}

/* 0 if PATH is free, or held by the socket of a dead daemon. */
static int listen_check_place(const struct sockaddr_un *address) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : error_from_errno();
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_from_errno();
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
                return -EADDRINUSE;
        return errno == ECONNREFUSED || errno == ENOENT ? 0 : error_from_errno();
}

static int bind_unix(int fd, const char *path, mode_t mode, gid_t group, struct socket_identity *ret_identity) {
        struct sockaddr_un address;
        struct stat st;
        int r;

        r = listen_set_path(&address, path);
        if (r < 0)
                return r;
        if (unlink(path) < 0 && errno != ENOENT)
                return error_from_errno();
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return error_from_errno();
        /* The group first: chown() may clear bits of the mode. If the group cannot be set, the socket is no less safe. */
        if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0)
                log_warning("Cannot give %s to its group, ignoring: %s", path, strerror(errno));
        if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0 ||
            lstat(path, &st) < 0) {
                r = error_from_errno();
                (void)unlink(path);
                return r;
        }
        *ret_identity = (struct socket_identity){.device = st.st_dev, .inode = st.st_ino};
        return 0;
}

int listen_unix(const char *path, mode_t mode, gid_t group, int *ret_fd, struct socket_identity *ret_identity) {
        _cleanup_close_ int fd = -1;
        char temporary[SOCKET_PATH_MAX + 8];
        struct socket_identity identity;
        struct sockaddr_un address;
        int r;

        r = listen_set_path(&address, path);
        if (r < 0)
                return r;
        r = listen_make_folder(path);
        if (r < 0)
                return r;
        r = listen_check_place(&address);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_from_errno();
        (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
        r = bind_unix(fd, temporary, mode, group, &identity);
        if (r < 0)
                return r;
        if (rename(temporary, path) < 0) {
                r = error_from_errno();
                (void)unlink(temporary);
                return r;
        }
        *ret_fd = fd;
        fd = -1;
        *ret_identity = identity;
        return 0;
}

void listen_unix_remove(const char *path, const struct socket_identity *identity) {
        struct stat st;

        if (lstat(path, &st) == 0 && st.st_dev == identity->device && st.st_ino == identity->inode)
                (void)unlink(path);
}

bool listen_is_tcp(int fd, bool *ret_loopback) {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_storage storage;
        } address = {0};
        socklen_t length = sizeof(address);

        *ret_loopback = false;
        if (getsockname(fd, &address.any, &length) < 0)
                return false;
        if (address.any.sa_family == AF_INET)
                *ret_loopback = ntohl(address.in.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
        else if (address.any.sa_family == AF_INET6)
                *ret_loopback = address_is_loopback6(&address.in6.sin6_addr);
        return address.any.sa_family == AF_INET || address.any.sa_family == AF_INET6;
}

int listen_tcp(const char *text, int *ret_fd) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_storage address;
        socklen_t length;
        int one = 1, r;

        r = address_parse(text, &address, &length);
        if (r < 0)
                return r;
        fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_from_errno();
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return error_from_errno();
        if (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
                return error_from_errno();
        if (bind(fd, (const struct sockaddr *)&address, length) < 0 || listen(fd, SOMAXCONN) < 0)
                return error_from_errno();
        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* Accepting. */

struct acceptors {
        sd_event *event;
        uint64_t limit; /* of descriptors */
        unsigned n_sharing;
        uint64_t quiet_until_usec;
};

struct acceptor {
        struct acceptors *all;
        int fd;
        enum descriptor_use use;
        unsigned clients, clients_max;
        unsigned arriving; /* accepted, and not known to have joined yet: libmicrohttpd 1.0 lets them join in its next run */
        struct acceptor_handler handler;
        sd_event_source *io;
        struct timer pause;
        bool paused;
};

int acceptors_new(sd_event *event, struct acceptors **ret_acceptors) {
        struct acceptors *acceptors = calloc(1, sizeof(*acceptors));

        if (!acceptors)
                return -ENOMEM;
        acceptors->event = sd_event_ref(event);
        acceptors->limit = descriptor_limit();
        *ret_acceptors = acceptors;
        return 0;
}

struct acceptors *acceptors_free(struct acceptors *acceptors) {
        if (!acceptors)
                return NULL;
        assert(acceptors->n_sharing == 0);
        sd_event_unref(acceptors->event);
        free(acceptors);
        return NULL;
}

static bool acceptor_has_room(const struct acceptor *acceptor) {
        unsigned sharing = acceptor->use == DESCRIPTOR_CLIENT ? acceptor->all->n_sharing : 1;

        return !acceptor->paused &&
               acceptor->clients + acceptor->arriving < MIN(acceptor->clients_max, descriptor_clients(acceptor->all->limit, sharing));
}

static void acceptor_update_watch(struct acceptor *acceptor) {
        if (acceptor->io)
                (void)sd_event_source_set_enabled(acceptor->io, acceptor_has_room(acceptor) ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void acceptors_warn(struct acceptors *acceptors, int error) {
        uint64_t now = clock_monotonic_usec();

        if (now >= acceptors->quiet_until_usec)
                log_warning("Cannot accept further clients for now, they wait: %s", strerror(error));
        acceptors->quiet_until_usec = now + QUIET_USEC;
}

static void acceptor_pause(struct acceptor *acceptor, int error) {
        acceptors_warn(acceptor->all, error);
        acceptor->paused = true;
        timer_set_after(&acceptor->pause, PAUSE_USEC);
        acceptor_update_watch(acceptor);
}

static void acceptor_on_pause_end(void *userdata) {
        struct acceptor *acceptor = userdata;
        int r = descriptor_check(acceptor->use);

        if (r < 0 && acceptor->clients > 0) {
                acceptor_pause(acceptor, -r);
                return;
        }
        acceptor->paused = false;
        acceptor_update_watch(acceptor);
}

/* The kernel keeps what a client does not read, and charges us for it: by default, megabytes for each. */
static void limit_unread(const struct acceptor *acceptor, int fd, sa_family_t family) {
        int bytes = family == AF_UNIX ? UNREAD_BYTES : UNREAD_TCP_BYTES;

        if (acceptor->use == DESCRIPTOR_CLIENT)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Returns whether there may be another client. */
static bool accept_one(struct acceptor *acceptor) {
        union {
                struct sockaddr any;
                struct sockaddr_storage storage;
        } address;
        socklen_t length = sizeof(address);
        int fd = accept4(acceptor->fd, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        acceptor_pause(acceptor, errno);
                return false;
        }
        limit_unread(acceptor, fd, address.any.sa_family);
        /*
         * If this listener has no client, the others have used up everything but the reserve: one client at a time is served all the same.
         */
        if (acceptor->clients + acceptor->arriving > 0 && !descriptor_leaves_reserve(fd, acceptor->use))
                acceptor_pause(acceptor, EMFILE);
        acceptor->arriving++;
        acceptor->handler.take(acceptor->handler.userdata, fd, &address.any, length);
        return true;
}

void acceptor_take_waiting(struct acceptor *acceptor) {
        while (acceptor_has_room(acceptor) && accept_one(acceptor))
                ;
}

static int acceptor_on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct acceptor *acceptor = userdata;

        (void)source;
        (void)fd;
        (void)events;
        for (unsigned i = 0; i < BATCH_MAX && acceptor_has_room(acceptor) && accept_one(acceptor); i++)
                ;
        return 0;
}

static int acceptor_add_sources(struct acceptor *acceptor) {
        sd_event *event = acceptor->all->event;
        int r;

        r = timer_init(&acceptor->pause, event, CLOCK_MONOTONIC, PAUSE_ACCURACY_USEC, "accept-pause", acceptor_on_pause_end, acceptor);
        if (r >= 0)
                r = sd_event_add_io(event, &acceptor->io, acceptor->fd, EPOLLIN, acceptor_on_readable, acceptor);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(acceptor->io, "accept");
        return 0;
}

int acceptor_new(struct acceptors *acceptors, int listen_fd, enum descriptor_use use, unsigned clients_max,
                 const struct acceptor_handler *handler, struct acceptor **ret_acceptor) {
        struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
        int r;

        if (!acceptor) {
                close_fd(&listen_fd);
                return -ENOMEM;
        }
        *acceptor = (struct acceptor){.all = acceptors, .fd = listen_fd, .use = use, .clients_max = clients_max, .handler = *handler};
        acceptors->n_sharing += use == DESCRIPTOR_CLIENT;
        r = acceptor_add_sources(acceptor);
        if (r < 0) {
                acceptor_free(acceptor);
                return r;
        }
        *ret_acceptor = acceptor;
        return 0;
}

void acceptor_joined(struct acceptor *acceptor) {
        acceptor->arriving -= acceptor->arriving > 0;
        acceptor->clients++;
        acceptor_update_watch(acceptor);
}

void acceptor_left(struct acceptor *acceptor) {
        assert(acceptor->clients > 0);
        acceptor->clients--;
        acceptor_update_watch(acceptor);
}

void acceptor_settled(struct acceptor *acceptor) {
        if (acceptor->arriving == 0)
                return;
        acceptor->arriving = 0;
        acceptor_update_watch(acceptor);
}

unsigned acceptor_clients(const struct acceptor *acceptor) {
        return acceptor->clients;
}

void acceptor_stop(struct acceptor *acceptor) {
        acceptor->io = sd_event_source_disable_unref(acceptor->io);
        timer_deinit(&acceptor->pause);
        acceptor->paused = true;
}

struct acceptor *acceptor_free(struct acceptor *acceptor) {
        if (!acceptor)
                return NULL;
        acceptor_stop(acceptor);
        acceptor->all->n_sharing -= acceptor->use == DESCRIPTOR_CLIENT;
        close_fd(&acceptor->fd);
        free(acceptor);
        return NULL;
}
