/* The files that exist exactly while a database is awake. */
#include "engine-stub.h"

#include "notify/awake-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char top[64], folder[96];
static sd_event *event;
static struct engine *engine;
static struct awake_files *files;

static int begin(void **state) {
        (void)state;
        (void)snprintf(top, sizeof(top), "/tmp/pgwaked-awake-XXXXXX");
        assert_non_null(mkdtemp(top));
        (void)snprintf(folder, sizeof(folder), "%s/run/awake", top);
        assert_int_equal(sd_event_new(&event), 0);
        engine = stub_new();
        return 0;
}

static int end(void **state) {
        char command[128];

        (void)state;
        files = awake_files_free(files);
        engine = stub_free(engine);
        event = sd_event_unref(event);
        (void)snprintf(command, sizeof(command), "rm -rf %s", top);
        return system(command);
}

static const char *path_of(const char *name) {
        static char path[160];

        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static bool exists(const char *name) {
        return access(path_of(name), F_OK) == 0;
}

static void touch(const char *name) {
        int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close_fd(&fd);
}

static void a_file_is_there_exactly_while_awake(void **state) {
        struct database *a = stub_add(engine, "a");
        char line[64] = "";
        struct stat st;
        int fd;

        (void)state;
        assert_int_equal(awake_files_new(event, engine, folder, &files), 0);
        assert_false(exists("a"));
        stub_slow(engine, a);
        assert_false(exists("a"));
        stub_check(engine, a, REASON_NONE);
        assert_true(exists("a"));
        assert_int_equal(stat(path_of("a"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        fd = open(path_of("a"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, line, sizeof(line) - 1), strlen("2026-11-22T16:02:09.123456Z\n"));
        close_fd(&fd);
        assert_string_equal(line + strlen(line) - 2, "Z\n");
        stub_check(engine, a, REASON_SERVER_FULL);
        assert_false(exists("a"));
        stub_check(engine, a, REASON_NONE);
        assert_true(exists("a"));
        stub_remove(engine, a);
        assert_false(exists("a"));
}

static void what_an_earlier_daemon_left_is_removed(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        stub_check(engine, a, REASON_NONE);
        assert_int_equal(awake_files_new(event, engine, folder, &files), 0);
        assert_true(exists("a")); /* awake already */
        touch("b");
        touch(".new-c");
        touch("README.txt");
        files = awake_files_free(files);
        assert_false(exists("a"));
        assert_false(exists("b"));
        assert_false(exists(".new-c"));
        assert_true(exists("README.txt"));
        assert_int_equal(awake_files_new(event, engine, folder, &files), 0);
        assert_true(exists("a"));
}

static void nothing_stops_when_it_cannot_be_written(void **state) {
        struct database *a = stub_add(engine, "a");

        (void)state;
        (void)snprintf(folder, sizeof(folder), "/dev/null/awake");
        assert_int_equal(awake_files_new(event, engine, folder, &files), 0);
        stub_check(engine, a, REASON_NONE);
        stub_check(engine, a, REASON_TCP_REFUSED);
        assert_int_equal(a->state, STATE_DOWN);
}

static void without_a_folder_there_is_nothing(void **state) {
        (void)state;
        assert_int_equal(awake_files_new(event, engine, "", &files), 0);
        assert_null(files);
}

#define AWAKE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        static const struct CMUnitTest tests[] = {
                AWAKE_TEST(a_file_is_there_exactly_while_awake),
                AWAKE_TEST(what_an_earlier_daemon_left_is_removed),
                AWAKE_TEST(nothing_stops_when_it_cannot_be_written),
                AWAKE_TEST(without_a_folder_there_is_nothing),
        };

        return UNIT_RUN(tests);
}
