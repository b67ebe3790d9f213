/* Log lines: a line on stderr reads back as the original entry, whatever bytes a server sent. */
#include "unit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/message-id.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static char said[8192];
static int real_stderr, catcher;

static void catch_begin(void) {
        char path[] = "/tmp/pgwaked-test-log-XXXXXX";

        catcher = mkstemp(path);
        assert_true(catcher >= 0);
        assert_int_equal(unlink(path), 0);
        real_stderr = dup(STDERR_FILENO);
        assert_true(dup2(catcher, STDERR_FILENO) >= 0);
}

static const char *catch_end(void) {
        ssize_t n;

        assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
        close(real_stderr);
        n = pread(catcher, said, sizeof(said) - 1, 0);
        assert_true(n >= 0);
        said[n] = '\0';
        close(catcher);
        return said;
}

/* The value of NAME in a logfmt line, parsed strictly; returns false if it is missing. */
static bool logfmt_value(const char *line, const char *name, char *value, size_t size) {
        const char *p = line;

        while (*p && *p != '\n') {
                size_t key = strcspn(p, "= \n");
                bool wanted = strlen(name) == key && strncmp(p, name, key) == 0;
                const char *end;

                assert_true(key > 0 && p[key] == '=');
                p += key + 1;
                if (*p == '"') {
                        json_error_t error;
                        json_t *text = json_loads(p, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);

                        assert_non_null(text);
                        if (wanted)
                                (void)snprintf(value, size, "%s", json_string_value(text));
                        json_decref(text);
                        end = p + error.position;
                } else {
                        end = p + strcspn(p, " \n");
                        if (wanted)
                                (void)snprintf(value, size, "%.*s", (int)(end - p), p);
                        for (const char *c = p; c < end; c++)
                                assert_true(*c > ' ' && *c < 0x7f && *c != '"' && *c != '\\' && *c != '=');
                }
                if (wanted)
                        return true;
                p = end + (*end == ' ');
        }
        return false;
}

static const struct log_field fields[] = {
        {"PGWAKE_DATABASE", "main"},
        {"PGWAKE_DETAIL", "FATAL: \"app\"\n= \xff\xc3\xa4 \\ end"},
        {"PGWAKE_EMPTY", ""},
        {"PGWAKE_ABSENT", NULL},
        {"PGWAKE_FORGED", "x\nlevel=emerg"},
};

#define DETAIL_READ "FATAL: \"app\"\n= \xef\xbf\xbd\xc3\xa4 \\ end"

static void a_logfmt_line_reads_back(void **state) {
        char value[200];

        (void)state;
        log_open(LOG_FORMAT_LOGFMT, LOG_INFO);
        catch_begin();
        log_entry(LOG_WARNING, MESSAGE_ID_DATABASE_DOWN, fields, ARRAY_LENGTH(fields), "main is %s", "down");
        catch_end();
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
        assert_true(logfmt_value(said, "level", value, sizeof(value)));
        assert_string_equal(value, "warning");
        assert_true(logfmt_value(said, "message", value, sizeof(value)));
        assert_string_equal(value, "main is down");
        assert_true(logfmt_value(said, "MESSAGE_ID", value, sizeof(value)));
        assert_string_equal(value, MESSAGE_ID_DATABASE_DOWN);
        assert_true(logfmt_value(said, "PGWAKE_DATABASE", value, sizeof(value)));
        assert_string_equal(value, "main");
        assert_true(logfmt_value(said, "PGWAKE_DETAIL", value, sizeof(value)));
        assert_string_equal(value, DETAIL_READ);
        assert_true(logfmt_value(said, "PGWAKE_EMPTY", value, sizeof(value)));
        assert_string_equal(value, "");
        assert_true(logfmt_value(said, "PGWAKE_FORGED", value, sizeof(value)));
        assert_string_equal(value, "x\nlevel=emerg");
        assert_false(logfmt_value(said, "PGWAKE_ABSENT", value, sizeof(value)));
}

static void a_json_line_reads_back(void **state) {
        json_error_t error;
        json_t *root;

        (void)state;
        log_open(LOG_FORMAT_JSON, LOG_INFO);
        catch_begin();
        log_entry(LOG_ERR, MESSAGE_ID_DATABASE_DOWN, fields, ARRAY_LENGTH(fields), "main is %s", "down");
        catch_end();
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
        root = json_loads(said, JSON_REJECT_DUPLICATES, &error);
        assert_non_null(root);
        assert_int_equal(json_object_size(root), 9);
        assert_string_equal(json_string_value(json_object_get(root, "severity")), "ERROR");
        assert_string_equal(json_string_value(json_object_get(root, "level")), "err");
        assert_string_equal(json_string_value(json_object_get(root, "message")), "main is down");
        assert_string_equal(json_string_value(json_object_get(root, "MESSAGE_ID")), MESSAGE_ID_DATABASE_DOWN);
        assert_string_equal(json_string_value(json_object_get(root, "PGWAKE_DETAIL")), DETAIL_READ);
        assert_string_equal(json_string_value(json_object_get(root, "PGWAKE_EMPTY")), "");
        assert_int_equal(strlen(json_string_value(json_object_get(root, "time"))), strlen("2026-01-01T00:00:00.000000Z"));
        json_decref(root);
}

static void less_important_entries_are_not_said(void **state) {
        (void)state;
        log_open(LOG_FORMAT_LOGFMT, LOG_WARNING);
        catch_begin();
        log_info("not this");
        log_debug("nor this");
        log_warning("but this");
        log_error("and this");
        catch_end();
        assert_null(strstr(said, "not this"));
        assert_null(strstr(said, "nor this"));
        assert_non_null(strstr(said, "but this"));
        assert_non_null(strstr(said, "and this"));
}

static void auto_is_logfmt_where_stderr_is_no_journal(void **state) {
        (void)state;
        assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
        log_open(LOG_FORMAT_AUTO, LOG_INFO);
        catch_begin();
        log_info("hello");
        catch_end();
        assert_non_null(strstr(said, "level=info message=hello\n"));
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

#define ENTRIES 2000

static atomic_bool all_said;

static void *change_the_format(void *userdata) {
        for (unsigned i = 0; !atomic_load(&all_said); i++)
                log_open(i % 2 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, LOG_INFO);
        return userdata;
}

/* Whole in one format: begun and ended alike. */
static bool is_whole(const char *line, size_t length) {
        return (line[0] == '{') == (line[length - 1] == '}');
}

static void an_entry_has_one_format_whatever_a_reload_does_meanwhile(void **state) {
        pthread_t thread;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, change_the_format, NULL), 0);
        for (unsigned i = 0; i < ENTRIES; i++) {
                catch_begin();
                log_info("hello");
                catch_end();
                assert_true(is_whole(said, strlen(said) - 1));
        }
        atomic_store(&all_said, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Readers that stall. Each function makes the two ends: stderr, and where it is read. */

static void make_pipe(int ends[2]) {
        int made[2];

        assert_int_equal(pipe2(made, O_CLOEXEC), 0);
        ends[0] = made[1];
        ends[1] = made[0];
}

static void make_shared_nonblocking_pipe(int ends[2]) {
        make_pipe(ends);
        assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void make_stream(int ends[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void make_terminal(int ends[2]) {
        ends[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(ends[1] >= 0 && grantpt(ends[1]) == 0 && unlockpt(ends[1]) == 0);
        ends[0] = open(ptsname(ends[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(ends[0] >= 0);
}

/* Into LINE, without its end; a terminal ends it with two characters. */
static void read_line(FILE *file, char *line, size_t size) {
        assert_non_null(fgets(line, (int)size, file));
        line[strcspn(line, "\r\n")] = '\0';
}

#define STALLED_ENTRIES 40000

/* More entries than any queue holds: the numbers of those that were written are consecutive, and the rest is counted. */
static void expect_nobody_waits(void (*make)(int ends[2])) {
        char line[1024], stuffing[401];
        unsigned said_entries = 0, number, dropped;
        int ends[2], before = dup(STDERR_FILENO);
        const char *at;
        FILE *file;

        memset(stuffing, 'x', sizeof(stuffing) - 1);
        stuffing[sizeof(stuffing) - 1] = '\0';
        make(ends);
        assert_true(dup2(ends[0], STDERR_FILENO) >= 0);
        for (unsigned i = 0; i < STALLED_ENTRIES; i++)
                log_info("number %u of them %s", i, stuffing);
        file = fdopen(ends[1], "r");
        assert_non_null(file);
        for (read_line(file, line, sizeof(line)); (at = strstr(line, "number ")); read_line(file, line, sizeof(line))) {
                assert_int_equal(sscanf(at, "number %u", &number), 1);
                assert_int_equal(number, said_entries++);
                assert_non_null(strstr(at, stuffing));
        }
        at = strstr(line, "message=\"");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "message=\"%u log entries were dropped", &dropped), 1);
        assert_int_equal(said_entries + dropped, STALLED_ENTRIES);
        log_info("and on");
        read_line(file, line, sizeof(line));
        assert_non_null(strstr(line, "and on"));
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        close(before);
        close(ends[0]);
        assert_int_equal(fclose(file), 0);
}

static void nobody_waits_for_a_reader_that_stalls(void **state) {
        int before = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)state;
        (void)alarm(120);
        log_open(LOG_FORMAT_LOGFMT, LOG_INFO);
        /* A file has no reader. */
        assert_true(dup2(null, STDERR_FILENO) >= 0);
        assert_int_equal(log_start(), 0);
        expect_nobody_waits(make_pipe);
        expect_nobody_waits(make_shared_nonblocking_pipe);
        expect_nobody_waits(make_stream);
        expect_nobody_waits(make_terminal);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        close(before);
        close(null);
        (void)alarm(0);
}

static void levels_have_names(void **state) {
        (void)state;
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                assert_int_equal(log_level_from_name(log_level_name(level)), level);
        assert_int_equal(log_level_from_name("error"), LOG_ERR);
        assert_int_equal(log_level_from_name("warn"), LOG_WARNING);
        assert_int_equal(log_level_from_name("loud"), -EINVAL);
        assert_string_equal(log_level_name(99), "info");
        assert_string_equal(log_level_name(-1), "info");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_logfmt_line_reads_back),
                UNIT_TEST(a_json_line_reads_back),
                UNIT_TEST(less_important_entries_are_not_said),
                UNIT_TEST(auto_is_logfmt_where_stderr_is_no_journal),
                UNIT_TEST(an_entry_has_one_format_whatever_a_reload_does_meanwhile),
                UNIT_TEST(levels_have_names),
                /* Last, since from here on a thread writes the entries. */
                UNIT_TEST(nobody_waits_for_a_reader_that_stalls),
        };

        return UNIT_RUN(tests);
}
