/* Listening sockets that appear whole and replace only the dead. */
#include "unit.h"

#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static char folder[64], path[96];

static int make_folder(void **state) {
        (void)state;
        (void)snprintf(folder, sizeof(folder), "/tmp/pgwaked-listen-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/a/b/test.sock", folder);
        return 0;
}

static int remove_folder(void **state) {
        char command[128];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
        return system(command);
}

static int client(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        memcpy(address.sun_path, path, strlen(path) + 1);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                int error = errno;

                close_fd(&fd);
                return -error;
        }
        return fd;
}

static void a_socket_is_made_with_its_folders_and_mode(void **state) {
        struct socket_identity identity;
        int fd = -1, peer;
        struct stat st;

        (void)state;
        assert_int_equal(listen_unix(path, 0660, (gid_t)-1, &fd, &identity), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0660);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        peer = client();
        assert_true(peer >= 0);
        close_fd(&peer);
        listen_unix_remove(path, &identity);
        assert_int_equal(stat(path, &st), -1);
        close_fd(&fd);
}

static void a_living_one_is_left_alone(void **state) {
        struct socket_identity identity, other;
        int fd = -1, second = -1;

        (void)state;
        assert_int_equal(listen_unix(path, 0666, (gid_t)-1, &fd, &identity), 0);
        assert_int_equal(listen_unix(path, 0666, (gid_t)-1, &second, &other), -EADDRINUSE);
        assert_int_equal(second, -1);
        listen_unix_remove(path, &identity);
        close_fd(&fd);
}

static void a_dead_one_is_replaced_and_only_our_own_is_removed(void **state) {
        struct socket_identity dead, ours;
        int fd = -1, peer;

        (void)state;
        assert_int_equal(listen_unix(path, 0666, (gid_t)-1, &fd, &dead), 0);
        close_fd(&fd);
        assert_int_equal(client(), -ECONNREFUSED);
        assert_int_equal(listen_unix(path, 0666, (gid_t)-1, &fd, &ours), 0);
        listen_unix_remove(path, &dead);
        peer = client();
        assert_true(peer >= 0);
        close_fd(&peer);
        listen_unix_remove(path, &ours);
        assert_int_equal(client(), -ENOENT);
        close_fd(&fd);
}

static void something_else_of_that_name_is_left_alone(void **state) {
        struct socket_identity identity;
        int fd = -1, file;
        struct stat st;

        (void)state;
        file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(file >= 0);
        close_fd(&file);
        assert_int_equal(listen_unix(path, 0666, (gid_t)-1, &fd, &identity), -ENOTSOCK);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(unlink(path), 0);
}

static void a_path_that_is_too_long_is_told(void **state) {
        struct socket_identity identity;
        char longer[160];
        int fd = -1;

        (void)state;
        memset(longer, 'x', sizeof(longer) - 1);
        longer[0] = '/';
        longer[sizeof(longer) - 1] = '\0';
        assert_int_equal(listen_unix(longer, 0666, (gid_t)-1, &fd, &identity), -ENAMETOOLONG);
}

static void tcp_takes_addresses_only(void **state) {
        static const char *const bad[] = {"", "9817", "localhost:9817", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "::1:9817"};
        int fd = -1;

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                assert_int_equal(listen_tcp(bad[i], &fd), -EINVAL);
        assert_int_equal(fd, -1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(a_socket_is_made_with_its_folders_and_mode),
                UNIT_TEST(a_living_one_is_left_alone),
                UNIT_TEST(a_dead_one_is_replaced_and_only_our_own_is_removed),
                UNIT_TEST(something_else_of_that_name_is_left_alone),
                UNIT_TEST(a_path_that_is_too_long_is_told),
                UNIT_TEST(tcp_takes_addresses_only),
        };

        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
