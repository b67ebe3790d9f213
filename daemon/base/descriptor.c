#include "base/descriptor.h"

#include "base/error.h"
#include "base/macro.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MIN UINT64_C(1)
/* For all together: each takes memory, and clients may be strangers. */
#define CLIENTS_MAX UINT64_C(2048)

/* The number of descriptors left free: at most `most`, and at most 1/`part` of all. */
static const struct {
        uint64_t most;
        uint64_t part;
} reserves[_DESCRIPTOR_USE_MAX] = {
        [DESCRIPTOR_ESSENTIAL] = { 0, 1 },
        [DESCRIPTOR_CONTROL] = { 8, 32 },
        [DESCRIPTOR_LOOKUP] = { 16, 16 },
        [DESCRIPTOR_CONNECTION] = { 96, 4 },
        [DESCRIPTOR_CLIENT] = { 160, 3 },
        [DESCRIPTOR_SESSION] = { 224, 2 },
};

uint64_t descriptor_reserve(enum descriptor_use use, uint64_t limit) {
        return MIN(reserves[use].most, limit / reserves[use].part);
}

uint64_t descriptor_clients(uint64_t limit, unsigned n_sockets) {
        return MAX(MIN(limit / 4, CLIENTS_MAX) / n_sockets, CLIENTS_MIN);
}

int descriptor_check(enum descriptor_use use) {
        _cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC);

        if (fd < 0)
                return error_from_errno();
        return descriptor_leaves_reserve(fd, use) ? 0 : -EMFILE;
}

bool descriptor_leaves_reserve(int fd, enum descriptor_use use) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
                return true;
        return (uint64_t)fd < limit.rlim_cur - descriptor_reserve(use, limit.rlim_cur);
}

int descriptor_fill_standard(void) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) /* returns the lowest free number */
                        return error_from_errno();
        return 0;
}

int descriptor_parse_ready(const char *text, int *ret_fd) {
        size_t n = strspn(text, "0123456789");
        socklen_t length = sizeof(int);
        int fd, flags, listens = 0;

        fd = n > 0 && n < 8 && !text[n] ? (int)strtol(text, NULL, 10) : -1;
        if (fd <= STDERR_FILENO)
                return -EINVAL;
        flags = fcntl(fd, F_GETFL);
        /* What came with exec() has no FD_CLOEXEC, unlike what we and our libraries have opened. */
        if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || fcntl(fd, F_GETFD) != 0)
                return -EBADF;
        /* One of the sockets that a service manager passes: it must not be closed. */
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens)
                return -EBADF;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return error_from_errno();
        *ret_fd = fd;
        return 0;
}

int descriptor_tell_ready(int fd) {
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        int r = 0;

        if (fd < 0)
                return 0;
        /* One byte does not block where poll() sees room for it. */
        if (poll(&writable, 1, 0) != 1)
                r = -EAGAIN;
        else if (write(fd, "\n", 1) != 1)
                r = error_from_errno();
        (void)close(fd);
        return r;
}

void descriptor_raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

uint64_t descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
                return UINT64_MAX;
        return limit.rlim_max;
}
