#include "listeners.h"

#include "base/error.h"
#include "base/log.h"

#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

/* The service manager's names for them (FileDescriptorName=). */
#define NAME_STATUS "status"
#define NAME_CONTROL "control"

struct listeners {
        struct server *server;
        const struct config *config;
        bool has_status, has_control; /* passed, so not made here */
};

static int listeners_refused(const char *where, int r) {
        log_error("Cannot listen on %s: %s", where, strerror(-r));
        return r;
}

/* Passed sockets. */

static void complain_of_another_path(const char *key, const char *configured, int fd) {
        struct sockaddr_un address = {0};
        socklen_t length = sizeof(address) - 1;

        if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 && length > offsetof(struct sockaddr_un, sun_path) &&
            !streq(address.sun_path, configured))
                log_warning("%s is %s, but the service manager listens on %s for us: that is used", key, configured, address.sun_path);
}

static enum permission permission_of(struct listeners *listeners, int fd, const char *name) {
        bool is_unix = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0;

        if (streq(name, NAME_CONTROL) && !is_unix) {
                log_warning("A socket that is no UNIX socket was passed as " NAME_CONTROL ": it only reads");
                return PERMISSION_STATUS;
        }
        if (streq(name, NAME_CONTROL)) {
                listeners->has_control = true;
                complain_of_another_path("status.control", listeners->config->control_socket, fd);
                return PERMISSION_CONTROL;
        }
        if (streq(name, NAME_STATUS) && is_unix) {
                listeners->has_status = true;
                complain_of_another_path("status.socket", listeners->config->status_socket, fd);
        }
        return PERMISSION_STATUS;
}

/* Takes over FD, even on failure. */
static int add_passed(struct listeners *listeners, int fd, const char *name) {
        int r;

        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
                log_warning("What was passed as %s is no listening socket, ignoring", name);
                close_fd(&fd);
                return 0;
        }
        r = server_add_fd(listeners->server, fd, permission_of(listeners, fd, name));
        return r < 0 ? listeners_refused(name, r) : 0;
}

static int add_all_passed(struct listeners *listeners) {
        char **names = NULL;
        int n, r = 0;

        n = sd_listen_fds_with_names(true, &names);
        if (n < 0)
                return listeners_refused("what the service manager passed", n);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (r == 0)
                        r = add_passed(listeners, fd, names[i]);
                else
                        close_fd(&fd);
                free(names[i]);
        }
        free(names);
        return r;
}

/* Our own. */

/*
 * The group that may use the control socket, from the file into which sysusers.d writes it: looking up a missing name makes the C library
 * ask every name service of the machine, over the network if need be, before anything is served. (gid_t)-1: there is none.
 */
static gid_t control_group(void) {
        FILE *file = fopen("/etc/group", "re");
        const struct group *group = NULL;
        gid_t gid;

        if (!file)
                return (gid_t)-1;
        do
                group = fgetgrent(file);
        while (group && !streq(group->gr_name, "pgwake"));
        gid = group ? group->gr_gid : (gid_t)-1;
        (void)fclose(file);
        return gid;
}

static int add_own_unix(const struct listeners *listeners, const char *path, mode_t mode, gid_t group, enum permission permission) {
        const struct config *config = listeners->config;
        int r;

        r = server_add_unix(listeners->server, path, mode, group, permission);
        if (r >= 0 || !config->sockets_optional || r == -ENOMEM)
                return r < 0 ? listeners_refused(path, r) : 0;
        log_message(config->n_listen ? LOG_INFO : LOG_WARNING, "Goes on without the socket %s: %s%s", path, strerror(-r),
                    config->n_listen ? "" : "; there is no --listen either, so that nobody can ask");
        return 0;
}

static int add_own_tcp(const struct listeners *listeners) {
        const struct config *config = listeners->config;
        int r;

        for (size_t i = 0; i < config->n_listen; i++) {
                r = server_add_tcp(listeners->server, config->listen[i]);
                if (r < 0)
                        return listeners_refused(config->listen[i], r);
        }
        for (size_t i = 0; i < config->n_agent_listen; i++) {
                r = server_add_agent(listeners->server, config->agent_listen[i], config->agent_ramp_usec);
                if (r < 0)
                        return listeners_refused(config->agent_listen[i], r);
        }
        return 0;
}

static int add_own(const struct listeners *listeners) {
        const struct config *config = listeners->config;
        int r = 0;

        if (!listeners->has_status)
                r = add_own_unix(listeners, config->status_socket, 0666, (gid_t)-1, PERMISSION_STATUS);
        if (r >= 0 && !listeners->has_control)
                r = add_own_unix(listeners, config->control_socket, 0660, control_group(), PERMISSION_CONTROL);
        return r < 0 ? r : add_own_tcp(listeners);
}

int listeners_open(struct server *server, const struct config *config) {
        struct listeners listeners = {.server = server, .config = config};
        int r;

        r = server_allow_hosts(server, config->allowed_hosts, config->n_allowed_hosts);
        if (r >= 0)
                r = add_all_passed(&listeners);
        return r < 0 ? r : add_own(&listeners);
}
