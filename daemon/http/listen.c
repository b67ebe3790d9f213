#include "http/listen.h"

#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "config/address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

/* The length of sun_path; one byte of it is for the terminating NUL. */
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

static int listen_set_path(struct sockaddr_un *address, const char *path) {
        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (strlen(path) >= SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address->sun_path, path, strlen(path) + 1);
        return 0;
}

/* The folder of PATH and those above it. */
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

/* 0 when PATH is free or held by the socket of a dead daemon. */
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
        /* The group first: chown() may clear bits of the mode. Who may not give the group is no less safe without it. */
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
