/* State that outlives the daemon, in a real file, whatever happens to that file. */
#include "unit.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "history/event-rows.h"
#include "history/pending.h"
#include "history/prune.h"
#include "history/reader.h"
#include "history/schema.h"
#include "history/sqlite.h"
#include "history/store.h"
#include "history/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_BYTES UINT64_C(256000000)
/* For events that must happen; normally none takes that long. */
#define PATIENCE_USEC (5 * USEC_PER_MINUTE)

static char top[64], path[192], log_path[96];
static struct store *store;
static int saved_stderr = -1;

/*
 * A disk that hangs for the threads whose names begin so ("": for all but the main thread), where they lock the file or look at its name.
 * These two functions are ours, because a program's own comes before the C library's.
 */
static _Atomic(const char *) hanging_threads;
static atomic_bool is_hanging;

static void hang(void) {
        const char *hanging;
        char name[16] = "";

        if (gettid() == getpid())
                return;
        (void)pthread_getname_np(pthread_self(), name, sizeof(name));
        while ((hanging = atomic_load(&hanging_threads)) && strncmp(name, hanging, strlen(hanging)) == 0) {
                atomic_store(&is_hanging, true);
                (void)poll(NULL, 0, 2);
        }
}

int flock(int fd, int operation) {
        hang();
        return (int)syscall(SYS_flock, fd, operation);
}

int stat(const char *restrict file_name, struct stat *restrict ret_stat) {
        hang();
        return fstatat(AT_FDCWD, file_name, ret_stat, 0);
}

static void let_hang(const char *threads) {
        atomic_store(&is_hanging, false);
        atomic_store(&hanging_threads, threads);
}

static void wait_for_hanging(void) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (!atomic_load(&is_hanging)) {
                assert_true(clock_monotonic_usec() < until);
                (void)poll(NULL, 0, 2);
        }
}

static int begin(void **state) {
        int fd;

        (void)state;
        (void)snprintf(top, sizeof(top), "/tmp/pgwaked-store-XXXXXX");
        assert_non_null(mkdtemp(top));
        (void)snprintf(path, sizeof(path), "%s/history.db", top);
        (void)snprintf(log_path, sizeof(log_path), "%s/log", top);
        saved_stderr = dup(STDERR_FILENO);
        fd = open(log_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
        assert_true(saved_stderr >= 0 && fd >= 0);
        assert_true(dup2(fd, STDERR_FILENO) >= 0);
        close_fd(&fd);
        log_open(LOG_FORMAT_LOGFMT, LOG_DEBUG);
        return 0;
}

static int end(void **state) {
        char command[128];

        (void)state;
        let_hang(NULL);
        store = store_close(store, PATIENCE_USEC);
        assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
        close_fd(&saved_stderr);
        (void)snprintf(command, sizeof(command), "rm -rf %s", top);
        return system(command);
}

/* How many bytes this process has read from files, whether from a disk or not; 0 where the kernel does not say. */
static uint64_t bytes_read(void) {
        FILE *file = fopen("/proc/self/io", "re");
        unsigned long long n = 0;

        if (file && fscanf(file, "rchar: %llu", &n) != 1)
                n = 0;
        if (file)
                fclose(file);
        return n;
}

/* How often TEXT is in the log. */
static unsigned said(const char *text) {
        FILE *file = fopen(log_path, "re");
        char line[1024];
        unsigned n = 0;

        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                n += strstr(line, text) != NULL;
        fclose(file);
        return n;
}

static void open_store(void) {
        assert_null(store);
        assert_int_equal(store_open(path, &(struct store_bounds){MAX_BYTES, USEC_INFINITY}, &store), 0);
}

static void close_store(void) {
        store = store_close(store, PATIENCE_USEC);
        assert_int_equal(said("could not be written to its end"), 0);
}

static enum store_health health(void) {
        char sentence[256];
        enum store_health answer = store_health(store, sentence, sizeof(sentence));

        assert_true((answer == STORE_GOOD || answer == STORE_NONE) == !*sentence);
        return answer;
}

static void wait_for_health(enum store_health wanted) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (health() != wanted) {
                assert_true(clock_monotonic_usec() < until);
                (void)poll(NULL, 0, 2);
        }
}

static void flush(void) {
        assert_int_equal(store_flush(store, PATIENCE_USEC), 0);
}

/* All of it known. What counts grows with SEED, as it does in a database. */
static struct memory some_memory(uint64_t seed) {
        uint64_t random = 1, grown = seed % 10000000 * 100;
        struct memory memory;

        memset(&memory, 0, sizeof(memory));
        memory.saved_real_usec = seed;
        memory.held = true;
        memory.state = STATE_DEGRADED;
        memory.reason = REASON_EXPECT_LAG;
        memory.since_real_usec = seed + 1;
        memory.counts.generation = seed + 2;
        memory.counts.server_started_real_usec = seed + 3;
        memory.counts.last_success_real_usec = seed + 4;
        memory.paused_until_real_usec = seed + 13;
        memory.counts.last_wake = (struct wake_record){
                .at_real_usec = seed + 5, .latency_usec = seed + 6, .cause = WAKE_INTERVAL, .cold = true,
        };
        memory.account = (struct account){.awake_usec = seed + 7, .ours_usec = seed + 8, .month = 682, .month_awake_usec = seed + 9};
        for (unsigned check = 0; check < _CHECK_MAX; check++)
                for (unsigned class = 0; class < _REASON_CLASS_MAX; class++)
                        memory.counts.attempts[check][class] = 1 + grown + random_next(&random) % 1000000;
        for (unsigned reason = 0; reason < _REASON_MAX; reason++)
                memory.counts.failures_by_reason[reason] = 1 + grown + random_next(&random) % 1000000;
        for (unsigned cause = 0; cause < _WAKE_CAUSE_MAX; cause++)
                memory.counts.wakes_by_cause[cause] = 1 + grown + random_next(&random) % 1000000;
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
                memory.wake_latency.buckets[i] = 1 + (uint32_t)(grown + random_next(&random) % 1000000);
        memory.wake_latency.count = seed + 10;
        memory.wake_latency.sum_usec = seed + 11;
        memory.wake_latency.max_usec = seed + 12;
        return memory;
}

/* A database about which little is known. */
static struct memory little_memory(uint64_t generation) {
        return (struct memory){
                .saved_real_usec = 1,
                .state = STATE_AWAKE,
                .counts = {.generation = generation, .attempts[CHECK_LOGIN][CLASS_OK] = generation},
        };
}

static void assert_same_memory(const struct memory *a, const struct memory *b) {
        assert_int_equal(a->saved_real_usec, b->saved_real_usec);
        assert_int_equal(a->held, b->held);
        assert_int_equal(a->state, b->state);
        assert_int_equal(a->reason, b->reason);
        assert_int_equal(a->since_real_usec, b->since_real_usec);
        assert_int_equal(a->counts.generation, b->counts.generation);
        assert_int_equal(a->counts.server_started_real_usec, b->counts.server_started_real_usec);
        assert_int_equal(a->counts.last_success_real_usec, b->counts.last_success_real_usec);
        assert_int_equal(a->paused_until_real_usec, b->paused_until_real_usec);
        assert_int_equal(a->counts.last_wake.at_real_usec, b->counts.last_wake.at_real_usec);
        assert_int_equal(a->counts.last_wake.latency_usec, b->counts.last_wake.latency_usec);
        assert_int_equal(a->counts.last_wake.cause, b->counts.last_wake.cause);
        assert_int_equal(a->counts.last_wake.cold, b->counts.last_wake.cold);
        assert_int_equal(a->account.awake_usec, b->account.awake_usec);
        assert_int_equal(a->account.ours_usec, b->account.ours_usec);
        assert_int_equal(a->account.month, b->account.month);
        assert_int_equal(a->account.month_awake_usec, b->account.month_awake_usec);
        assert_memory_equal(a->counts.attempts, b->counts.attempts, sizeof(a->counts.attempts));
        assert_memory_equal(a->counts.failures_by_reason, b->counts.failures_by_reason, sizeof(a->counts.failures_by_reason));
        assert_memory_equal(a->counts.wakes_by_cause, b->counts.wakes_by_cause, sizeof(a->counts.wakes_by_cause));
        assert_memory_equal(&a->wake_latency, &b->wake_latency, sizeof(a->wake_latency));
}

static void put(const char *name, const struct memory *memory) {
        assert_int_equal(store_put(store, name, memory, NULL, 0, NULL, 0), 0);
}

static void assert_recalled(const char *name, const struct memory *wanted) {
        struct memory memory;

        assert_true(store_recall(store, name, &memory));
        assert_same_memory(&memory, wanted);
}

/* The generation that is known of NAME, 0 for none. */
static uint64_t recalled(const char *name) {
        struct memory memory;

        return store_recall(store, name, &memory) ? memory.counts.generation : 0;
}

/* Waits until the past that could not be read at the start has been read. */
static void wait_for_past(void) {
        struct pollfd fd = {.fd = store_past_fd(store), .events = POLLIN};

        assert_int_equal(poll(&fd, 1, (int)(PATIENCE_USEC / USEC_PER_MSEC)), 1);
        assert_true(store_take_past(store));
}

static void every_field_comes_back(void **state) {
        struct memory full = some_memory(UINT64_C(1795374245000000)), little = little_memory(3), empty = {0}, unknown = little_memory(4);

        (void)state;
        unknown.counts.last_wake = (struct wake_record){.at_real_usec = 7, .latency_usec = USEC_INFINITY, .cause = WAKE_OTHER};
        open_store();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(recalled("full"), 0);
        put("full", &full);
        put("little", &little);
        put("empty", &empty);
        put("unknown", &unknown);
        close_store();
        open_store();
        assert_recalled("full", &full);
        assert_recalled("little", &little);
        assert_recalled("empty", &empty);
        assert_recalled("unknown", &unknown);
        assert_int_equal(recalled("none"), 0);
        /* Overwriting with a snapshot that differs in one number must not lose the rest. */
        full.counts.failures_by_reason[REASON_TCP_REFUSED]++;
        full.wake_latency.buckets[200]++;
        put("full", &full);
        close_store();
        open_store();
        assert_recalled("full", &full);
        assert_int_equal(said("history"), 0);
}

static int ignore_lease(void *userdata, const struct lease_record *lease) {
        (void)userdata;
        (void)lease;
        return 0;
}

static int collect_lease(void *userdata, const struct lease_record *lease) {
        struct lease_record **next = userdata;

        *(*next)++ = *lease;
        return 0;
}

static void leases_come_back_and_go(void **state) {
        static const struct lease_record leases[] = {
                {.id = 1795374245000001, .database = "a", .owner = "über \"alles\"; '; DROP TABLE lease", .since_real_usec = 5, .until_real_usec = 1000},
                {.id = 1795374245000002, .database = "a", .owner = "", .since_real_usec = 6, .until_real_usec = 1001},
        };
        struct lease_record found[4], *last = found;
        struct memory memory = little_memory(1);

        (void)state;
        open_store();
        assert_int_equal(store_put(store, "a", &memory, leases, 2, NULL, 0), 0);
        assert_int_equal(store_put(store, "b", &memory, NULL, 0, NULL, 0), 0);
        close_store();
        open_store();
        /* Like the daemon: databases are recalled first. */
        assert_int_equal(recalled("a"), 1);
        assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
        assert_int_equal(last - found, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(found[i].id, leases[i].id);
                assert_string_equal(found[i].database, "a");
                assert_string_equal(found[i].owner, leases[i].owner);
                assert_int_equal(found[i].since_real_usec, leases[i].since_real_usec);
                assert_int_equal(found[i].until_real_usec, leases[i].until_real_usec);
        }
        assert_int_equal(store_put(store, "a", &memory, leases + 1, 1, NULL, 0), 0);
        close_store();
        open_store();
        last = found;
        assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
        assert_int_equal(last - found, 1);
        assert_int_equal(found[0].id, leases[1].id);
        assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
        assert_int_equal(last - found, 1);
}

static void the_newest_counts_and_is_recalled_once(void **state) {
        struct memory memory;

        (void)state;
        open_store();
        for (uint64_t i = 1; i <= 1000; i++) {
                memory = little_memory(i);
                put("a", &memory);
        }
        close_store();
        open_store();
        assert_int_equal(recalled("a"), 1000);
        assert_int_equal(recalled("a"), 0);
        /* A reload takes it away, and another one brings it back. */
        memory = little_memory(1001);
        assert_int_equal(store_put_away(store, "a", &memory), 0);
        assert_int_equal(recalled("a"), 1001);
        assert_int_equal(recalled("a"), 0);
        close_store();
        open_store();
        assert_int_equal(recalled("a"), 1001);
}

static void without_a_path_nothing_is_kept(void **state) {
        struct memory memory = little_memory(1);

        (void)state;
        path[0] = '\0';
        open_store();
        assert_int_equal(health(), STORE_NONE);
        put("a", &memory);
        flush();
        assert_int_equal(store_put_away(store, "a", &memory), 0);
        assert_int_equal(recalled("a"), 1);
}

static mode_t mode_of(const char *suffix) {
        char name[208];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
        assert_int_equal(stat(name, &st), 0);
        return st.st_mode & 07777;
}

static void nobody_else_can_read_it(void **state) {
        struct memory memory = little_memory(1);
        mode_t mask = umask(0);

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                open_store();
                put("a", &memory);
                flush();
                assert_int_equal(mode_of(""), 0600);
                assert_int_equal(mode_of("-wal"), 0600);
                assert_int_equal(mode_of("-shm"), 0600);
                close_store();
                /* Somebody made it readable for others. */
                assert_int_equal(chmod(path, 0666), 0);
        }
        (void)umask(mask);
}

/* Puts, and says each number that is surely in the file. */
static void put_until_killed(int fd) {
        if (store_open(path, &(struct store_bounds){MAX_BYTES, USEC_INFINITY}, &store) < 0)
                _exit(1);
        for (uint64_t i = recalled("a") + 1;; i++) {
                struct memory memory = little_memory(i);

                if (store_put(store, "a", &memory, NULL, 0, NULL, 0) < 0 || store_put(store, "b", &memory, NULL, 0, NULL, 0) < 0 ||
                    store_flush(store, PATIENCE_USEC) < 0 || write(fd, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static void assert_whole(void) {
        struct sqlite *sqlite;

        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        assert_int_equal(sqlite_says(sqlite, "PRAGMA integrity_check", "ok"), 1);
        assert_null(sqlite_close(sqlite));
}

static void a_kill_loses_nothing_that_was_flushed(void **state) {
        uint64_t acknowledged = 0, number, random = 7;

        (void)state;
        for (unsigned round = 0; round < 20; round++) {
                struct memory memory;
                int pipe_fds[2], status;
                pid_t child;

                assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
                child = fork();
                assert_true(child >= 0);
                if (child == 0)
                        put_until_killed(pipe_fds[1]);
                close_fd(&pipe_fds[1]);
                /* It has begun; then at any moment. */
                assert_int_equal(read(pipe_fds[0], &number, sizeof(number)), sizeof(number));
                assert_int_equal(usleep((useconds_t)(random_next(&random) % 20000)), 0);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFSIGNALED(status));
                do
                        acknowledged = number;
                while (read(pipe_fds[0], &number, sizeof(number)) == sizeof(number));
                close_fd(&pipe_fds[0]);
                assert_whole();
                open_store();
                assert_true(store_recall(store, "a", &memory));
                /* The one after it may have been on its way. */
                assert_in_range(memory.counts.generation, acknowledged, acknowledged + 1);
                assert_int_equal(memory.counts.attempts[CHECK_LOGIN][CLASS_OK], memory.counts.generation);
                assert_in_range(recalled("b"), acknowledged, acknowledged + 1);
                close_store();
        }
}

/* The files of the folder whose names begin so; the last of them is RET_NAME. */
static unsigned files_like(const char *prefix, char *ret_name, size_t size) {
        struct dirent *entry;
        DIR *folder = opendir(top);
        unsigned n = 0;

        assert_non_null(folder);
        while ((entry = readdir(folder)))
                if (starts_with(entry->d_name, prefix)) {
                        (void)snprintf(ret_name, size, "%s/%s", top, entry->d_name);
                        n++;
                }
        closedir(folder);
        return n;
}

static void fill_a_file(unsigned n) {
        char name[64];

        open_store();
        for (unsigned i = 0; i < n; i++) {
                struct memory memory = some_memory(i + 1);

                (void)snprintf(name, sizeof(name), "db-%u", i);
                put(name, &memory);
        }
        close_store();
}

static void overwrite(off_t at, size_t n) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        char garbage[4096];

        assert_true(fd >= 0);
        memset(garbage, 0xa5, sizeof(garbage));
        for (; n > 0; n -= MIN(n, sizeof(garbage)), at += sizeof(garbage))
                assert_true(pwrite(fd, garbage, MIN(n, sizeof(garbage)), at) > 0);
        close_fd(&fd);
}

static off_t size_of(const char *name) {
        struct stat st;

        return stat(name, &st) == 0 ? st.st_size : 0;
}

/* Opens a damaged file: it is set aside beside the new one, which works. */
static void assert_set_aside(off_t size) {
        struct memory memory = little_memory(1);
        char aside[384] = "";

        open_store();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(recalled("db-0"), 0);
        put("a", &memory);
        close_store();
        assert_int_equal(files_like("history.db.corrupt-", aside, sizeof(aside)), 1);
        assert_int_equal(size_of(aside), size);
        assert_int_equal(said("is damaged; it is now"), 1);
        assert_int_equal(said("MESSAGE_ID"), said("is damaged; it is now"));
        open_store();
        assert_int_equal(recalled("a"), 1);
}

static void damaged_pages_are_set_aside(void **state) {
        off_t size;

        (void)state;
        fill_a_file(20);
        size = size_of(path);
        overwrite(4096, (size_t)size / 2);
        assert_set_aside(size);
}

static void a_truncated_file_is_set_aside(void **state) {
        (void)state;
        fill_a_file(20);
        assert_int_equal(truncate(path, 3 * 4096 + 100), 0);
        assert_set_aside(3 * 4096 + 100);
}

static void what_is_no_database_is_set_aside(void **state) {
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(dprintf(fd, "%1000s\n", "these are somebody's notes"), 1001);
        close_fd(&fd);
        assert_set_aside(1001);
}

static void no_file_is_ever_overwritten_by_one_that_is_set_aside(void **state) {
        char aside[384];

        (void)state;
        /* More than fit into one second's name. */
        for (unsigned i = 1; i <= 5; i++) {
                fill_a_file(1);
                overwrite(0, 4096);
                open_store();
                assert_int_equal(health(), STORE_GOOD);
                close_store();
                assert_int_equal(files_like("history.db.corrupt-", aside, sizeof(aside)), i);
        }
}

static void an_empty_file_is_made_use_of(void **state) {
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        char aside[384];

        (void)state;
        close_fd(&fd);
        fill_a_file(1);
        open_store();
        assert_int_not_equal(recalled("db-0"), 0);
        assert_int_equal(files_like("history.db.corrupt-", aside, sizeof(aside)), 0);
}

static void run_sql(const char *sql) {
        struct sqlite *sqlite;

        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        assert_int_equal(sqlite_run(sqlite, sql), 0);
        assert_null(sqlite_close(sqlite));
}

static void read_whole(char *content, size_t size, off_t *ret_size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        *ret_size = read(fd, content, size);
        close_fd(&fd);
}

/* The history is off, which is logged once, and the file is unchanged. */
static void assert_left_alone(enum store_health wanted) {
        static char before[1 << 20], after[1 << 20];
        struct memory memory = little_memory(9);
        off_t n, m;

        read_whole(before, sizeof(before), &n);
        open_store();
        assert_int_equal(health(), wanted);
        put("a", &memory);
        assert_int_equal(store_flush(store, 50 * USEC_PER_MSEC), -ETIMEDOUT);
        assert_int_equal(health(), wanted);
        close_store();
        read_whole(after, sizeof(after), &m);
        assert_int_equal(n, m);
        assert_memory_equal(before, after, (size_t)n);
        assert_int_equal(said("The history is off"), 1);
        assert_int_equal(said("MESSAGE_ID"), 1);
}

static void the_file_of_another_program_is_left_alone(void **state) {
        (void)state;
        run_sql("PRAGMA application_id = 7; CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('x')");
        assert_left_alone(STORE_FOREIGN);
        run_sql("PRAGMA application_id = 0");
        open_store();
        assert_int_equal(health(), STORE_FOREIGN);
}

static void the_file_of_a_newer_version_is_left_alone(void **state) {
        (void)state;
        fill_a_file(3);
        run_sql("PRAGMA user_version = 999");
        assert_left_alone(STORE_NEWER);
}

static void words_of_another_version_are_passed_over(void **state) {
        struct memory memory = little_memory(5), found;

        (void)state;
        memory.counts.failures_by_reason[REASON_TCP_REFUSED] = 4;
        open_store();
        put("a", &memory);
        close_store();
        run_sql("INSERT INTO counter SELECT id, 'failures.moon.phase', 1 FROM database;"
                "INSERT INTO counter SELECT id, 'attempts.telepathy.ok', 1 FROM database;"
                "INSERT INTO counter SELECT id, 'attempts.login.sublime', 1 FROM database;"
                "INSERT INTO counter SELECT id, 'wakes.alarm', 1 FROM database;"
                "INSERT INTO counter SELECT id, 'dreams', 1 FROM database;"
                "INSERT INTO database (name, saved_at, held, state, reason, since, generation, last_wake_at, last_wake_cause, wakes_timed,"
                " wakes_sum_usec, wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec)"
                " VALUES ('b', 1, 0, 'dreaming', 'moon.phase', 1, 6, 1, 'alarm', 0, 0, 0, 0, 0, 0, 0);"
                "INSERT INTO database SELECT id + 7, 'No/Name', saved_at, held, state, reason, since, generation, NULL, NULL, NULL, NULL, NULL,"
                " NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL FROM database WHERE name = 'a';");
        open_store();
        assert_int_equal(health(), STORE_GOOD);
        assert_recalled("a", &memory);
        assert_true(store_recall(store, "b", &found));
        assert_int_equal(found.counts.generation, 6);
        assert_int_equal(found.state, STATE_UNKNOWN);
        assert_int_equal(found.reason, REASON_UNCLASSIFIED);
        assert_int_equal(found.counts.last_wake.cause, WAKE_OTHER);
        assert_int_equal(recalled("No/Name"), 0);
}

static void a_folder_that_comes_later_is_taken_then(void **state) {
        struct memory memory = little_memory(5);

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        open_store();
        assert_int_equal(health(), STORE_UNREACHABLE);
        put("a", &memory);
        assert_int_equal(store_flush(store, 50 * USEC_PER_MSEC), -ETIMEDOUT);
        (void)snprintf(path, sizeof(path), "%s/lib", top);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        wait_for_health(STORE_GOOD);
        assert_int_equal(said("The history is off"), 1);
        assert_int_equal(said("The history is kept again"), 1);
        close_store();
        open_store();
        assert_int_equal(recalled("a"), 5);
}

static void a_second_daemon_does_not_get_it(void **state) {
        struct store *second = NULL;
        struct memory memory = little_memory(5);
        char sentence[256];

        (void)state;
        open_store();
        put("a", &memory);
        flush();
        assert_int_equal(store_open(path, &(struct store_bounds){MAX_BYTES, USEC_INFINITY}, &second), 0);
        assert_int_equal(store_health(second, sentence, sizeof(sentence)), STORE_LOCKED);
        assert_int_equal(said("The history is off"), 1);
        memory.counts.generation = 6;
        put("a", &memory);
        /* It does not know the file's contents yet, and what it puts must not count less when it does. */
        memory = little_memory(2);
        assert_int_equal(store_put(second, "a", &memory, NULL, 0, NULL, 0), 0);
        close_store();
        store = second;
        wait_for_past();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(said("The history is kept again"), 1);
        assert_int_equal(recalled("a"), 6);
        close_store();
        open_store();
        assert_true(store_recall(store, "a", &memory));
        assert_int_equal(memory.counts.generation, 8);
        assert_int_equal(memory.counts.attempts[CHECK_LOGIN][CLASS_OK], 7);
}

static void a_file_that_was_removed_is_made_anew_with_all_that_is_known(void **state) {
        struct memory memory = little_memory(5), more = little_memory(6), full = some_memory(77);

        (void)state;
        open_store();
        put("a", &memory);
        put("full", &full);
        close_store();
        open_store();
        put("b", &memory);
        flush();
        assert_int_equal(unlink(path), 0);
        put("c", &more);
        close_store();
        open_store();
        assert_int_equal(recalled("a"), 5);
        assert_int_equal(recalled("b"), 5);
        assert_int_equal(recalled("c"), 6);
        assert_recalled("full", &full);
}

static void damage_that_is_found_while_writing_loses_nothing(void **state) {
        char name[64], aside[384];

        (void)state;
        fill_a_file(100);
        open_store();
        overwrite(4096, (size_t)size_of(path) - 4096);
        for (unsigned i = 0; i < 100; i += 2) {
                struct memory memory = some_memory(i + 2);

                (void)snprintf(name, sizeof(name), "db-%u", i);
                put(name, &memory);
        }
        flush();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(said("is damaged; it is now"), 1);
        assert_true(files_like("history.db.corrupt-", aside, sizeof(aside)) >= 1);
        close_store();
        assert_whole();
        open_store();
        for (unsigned i = 0; i < 100; i++) {
                struct memory memory = some_memory(i + (i % 2 == 0 ? 2 : 1));

                (void)snprintf(name, sizeof(name), "db-%u", i);
                assert_recalled(name, &memory);
        }
}

/* A mount namespace of our own, for as long as the process lives. False where that is not allowed. */
static bool may_mount(void) {
        static int answer = -1;

        if (answer < 0)
                answer = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        if (!answer)
                print_message("# needs the right to mount: not tested here\n");
        return answer;
}

static void a_read_only_folder_is_read_and_not_written(void **state) {
        struct memory memory = little_memory(5), more = little_memory(6);

        (void)state;
        if (!may_mount())
                return;
        open_store();
        put("a", &memory);
        close_store();
        assert_int_equal(mount(top, top, NULL, MS_BIND, NULL), 0);
        assert_int_equal(mount(NULL, top, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
        open_store();
        assert_int_equal(health(), STORE_READ_ONLY);
        assert_int_equal(said("The history is off"), 1);
        assert_int_equal(recalled("a"), 5);
        put("a", &more);
        assert_int_equal(store_flush(store, 50 * USEC_PER_MSEC), -ETIMEDOUT);
        assert_int_equal(mount(NULL, top, NULL, MS_BIND | MS_REMOUNT, NULL), 0);
        wait_for_health(STORE_GOOD);
        close_store();
        assert_int_equal(umount2(top, MNT_DETACH), 0);
        open_store();
        assert_int_equal(recalled("a"), 6);
        assert_int_equal(said("The history is off"), 1);
}

static void fill_the_disk(const char *ballast) {
        int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        char block[4096];

        assert_true(fd >= 0);
        memset(block, 1, sizeof(block));
        while (write(fd, block, sizeof(block)) > 0)
                ;
        assert_int_equal(errno, ENOSPC);
        close_fd(&fd);
}

/* Each call has other numbers, all of them different from the last. */
static void put_much(uint64_t seed) {
        char name[64];

        for (unsigned i = 0; i < 40; i++) {
                struct memory memory = some_memory(seed + i);

                (void)snprintf(name, sizeof(name), "db-%u", i);
                put(name, &memory);
        }
}

static void assert_much(uint64_t seed) {
        char name[64];

        for (unsigned i = 0; i < 40; i++) {
                struct memory memory = some_memory(seed + i);

                (void)snprintf(name, sizeof(name), "db-%u", i);
                assert_recalled(name, &memory);
        }
}

/* A small disk for the file, and the name of a file that can fill it. */
static void mount_disk(const char *options, char disk[static 96], char ballast[static 128]) {
        (void)snprintf(disk, 96, "%s/disk", top);
        (void)snprintf(path, sizeof(path), "%s/history.db", disk);
        (void)snprintf(ballast, 128, "%s/ballast", disk);
        assert_int_equal(mkdir(disk, 0700), 0);
        assert_int_equal(mount("none", disk, "tmpfs", 0, options), 0);
}

static void a_full_disk_turns_it_off_until_there_is_space(void **state) {
        char ballast[128], disk[96];

        (void)state;
        if (!may_mount())
                return;
        mount_disk("size=4m,mode=0700", disk, ballast);
        open_store();
        put_much(1);
        flush();
        fill_the_disk(ballast);
        for (uint64_t seed = 1000; health() == STORE_GOOD; seed += 100) {
                put_much(seed);
                (void)store_flush(store, 100 * USEC_PER_MSEC);
        }
        assert_int_equal(health(), STORE_FULL);
        put_much(500000);
        assert_int_equal(store_flush(store, 100 * USEC_PER_MSEC), -ETIMEDOUT);
        assert_int_equal(said("The history is off"), 1);
        assert_int_equal(unlink(ballast), 0);
        flush();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(said("The history is kept again"), 1);
        close_store();
        assert_whole();
        /* At the start it is read all the same, and written when there is space. */
        fill_the_disk(ballast);
        open_store();
        assert_much(500000);
        put_much(600000);
        (void)store_flush(store, 100 * USEC_PER_MSEC);
        assert_int_equal(unlink(ballast), 0);
        flush();
        close_store();
        open_store();
        assert_much(600000);
        close_store();
        assert_int_equal(umount2(disk, MNT_DETACH), 0);
}

static uint64_t number_in_file(const char *sql) {
        struct sqlite *sqlite;
        uint64_t number = 0;

        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        assert_int_equal(sqlite_read_number(sqlite, sql, &number), 0);
        assert_null(sqlite_close(sqlite));
        return number;
}

/* The holder of the lock: another pgwaked, or a process with SQLite's own lock. */
struct holder {
        int fd;
        struct sqlite *sqlite;
};

static void hold_file(struct holder *holder, bool as_daemon) {
        *holder = (struct holder){.fd = -1};
        if (as_daemon) {
                holder->fd = open(path, O_RDWR | O_CLOEXEC);
                assert_true(holder->fd >= 0);
                assert_int_equal(flock(holder->fd, LOCK_EX | LOCK_NB), 0);
                return;
        }
        assert_int_equal(sqlite_open(path, SQLITE_ALONE, &holder->sqlite), 0);
        assert_int_equal(sqlite_run(holder->sqlite, "BEGIN EXCLUSIVE"), 0);
}

static void let_go_of_file(struct holder *holder) {
        close_fd(&holder->fd);
        holder->sqlite = sqlite_close(holder->sqlite);
}

static const struct lease_record some_lease = {.id = 7, .database = "a", .owner = "x", .since_real_usec = 5, .until_real_usec = 1000};

/* A file of "a" with a lease and the memory that is returned. */
static struct memory fill_with_a_lease(void) {
        struct memory memory = some_memory(1000);

        open_store();
        assert_int_equal(store_put(store, "a", &memory, &some_lease, 1, NULL, 0), 0);
        put("c", &memory);
        close_store();
        return memory;
}

static void what_is_read_late_is_what_goes_on(void **state) {
        struct memory past = fill_with_a_lease(), untouched = past, ours = some_memory(2000), sum = ours, little = little_memory(3);
        struct lease_record found[2], *last = found;
        struct holder holder;

        (void)state;
        memory_add(&sum, &past);
        for (unsigned round = 0; round < 2; round++) {
                off_t size = size_of(path);

                hold_file(&holder, round == 0);
                open_store();
                assert_int_equal(health(), STORE_LOCKED);
                assert_int_equal(said("The history is off"), round + 1);
                assert_int_equal(recalled("a"), 0);
                put("a", &ours);
                put("b", &little);
                assert_int_equal(store_flush(store, 1200 * USEC_PER_MSEC), -ETIMEDOUT);
                let_go_of_file(&holder);
                wait_for_past();
                /* Nothing is written before writer_past_taken(). */
                assert_int_equal(size_of(path), size);
                assert_recalled("a", &past);
                assert_recalled("c", &untouched);
                assert_int_equal(recalled("b"), round == 0 ? 0 : 3);
                assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
                assert_int_equal(last - found, 1);
                assert_int_equal(found[0].id, some_lease.id);
                flush();
                assert_int_equal(health(), STORE_GOOD);
                assert_int_equal(said("The history is kept again"), round + 1);
                /* A kill at this point: the lease is still there, although nobody put it. */
                assert_int_equal(number_in_file("SELECT count(*) FROM lease"), 1);
                assert_int_equal(number_in_file("SELECT paused_until FROM database WHERE name = 'a'"), sum.paused_until_real_usec);
                sum.counts.attempts[CHECK_LOGIN][CLASS_OK]++;
                assert_int_equal(store_put(store, "a", &sum, &some_lease, 1, NULL, 0), 0);
                close_store();
                open_store();
                assert_recalled("a", &sum);
                assert_recalled("c", &untouched);
                assert_int_equal(recalled("b"), 3 * (round + 1));
                last = found;
                assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
                assert_int_equal(last - found, 1);
                last = found;
                close_store();
                past = sum;
                sum = ours;
                memory_add(&sum, &past);
        }
}

static void what_is_read_at_the_end_alone_is_added_too(void **state) {
        struct memory past = fill_with_a_lease(), ours = some_memory(2000);
        struct holder holder;

        (void)state;
        hold_file(&holder, true);
        open_store();
        put("a", &ours);
        assert_int_equal(store_flush(store, 0), -ETIMEDOUT);
        let_go_of_file(&holder);
        close_store();
        memory_add(&ours, &past);
        open_store();
        assert_recalled("a", &ours);
}

/* Puts its own counters, then those together with what it read. */
static void put_late_until_killed(int fd) {
        struct pollfd ready = {.events = POLLIN};
        struct memory before, memory = {.saved_real_usec = 1};

        if (store_open(path, &(struct store_bounds){MAX_BYTES, USEC_INFINITY}, &store) < 0)
                _exit(1);
        ready.fd = store_past_fd(store);
        for (bool known = false;; memory.counts.attempts[CHECK_LOGIN][CLASS_OK]++) {
                /* On a busy machine it may have been read at the start. */
                if (!known && store_recall(store, "a", &before)) {
                        known = true;
                        memory_add(&memory, &before);
                }
                if (store_put(store, "a", &memory, NULL, 0, NULL, 0) < 0 || (known && store_flush(store, PATIENCE_USEC) < 0) ||
                    (known && write(fd, &memory.counts.attempts[CHECK_LOGIN][CLASS_OK], sizeof(uint64_t)) != sizeof(uint64_t)))
                        _exit(1);
                if (!known && poll(&ready, 1, 1) > 0)
                        (void)store_take_past(store);
        }
}

static void a_kill_around_a_late_read_loses_nothing(void **state) {
        uint64_t random = 5, number, last = 1000;
        struct memory memory = little_memory(last);
        struct holder holder;

        (void)state;
        open_store();
        put("a", &memory);
        close_store();
        for (unsigned round = 0; round < 6; round++) {
                int pipe_fds[2], status;
                pid_t child;

                hold_file(&holder, true);
                assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        close_fd(&holder.fd); /* the lock is the parent's too */
                        put_late_until_killed(pipe_fds[1]);
                }
                close_fd(&pipe_fds[1]);
                (void)poll(NULL, 0, 1100);
                let_go_of_file(&holder);
                if (round % 2 == 0)
                        assert_int_equal(read(pipe_fds[0], &number, sizeof(number)), sizeof(number));
                assert_int_equal(usleep((useconds_t)(random_next(&random) % 20000)), 0);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, &status, 0), child);
                while (read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
                        last = MAX(last, number);
                close_fd(&pipe_fds[0]);
                assert_whole();
                number = number_in_file("SELECT value FROM counter WHERE name = 'attempts.login.ok'");
                assert_true(number >= last);
                assert_int_equal(number_in_file("SELECT generation FROM database"), 1000);
                last = number;
        }
}

/* A file of the first version; or of the second, which had events and pauses. */
static void make_older(unsigned version) {
        if (version == 1)
                run_sql("DROP TABLE run; DROP TABLE state; DROP TABLE wake; DROP TABLE outage; DROP TABLE hour;"
                        "ALTER TABLE database DROP COLUMN paused_until");
        run_sql("ALTER TABLE database DROP COLUMN awake_counted_until");
        run_sql(version == 1 ? "PRAGMA user_version = 1" : "PRAGMA user_version = 2");
}

static void an_older_file_on_a_full_disk_is_read_and_brought_up_later(void **state) {
        char ballast[128], disk[96];

        (void)state;
        if (!may_mount())
                return;
        mount_disk("size=2m,mode=0700", disk, ballast);
        for (unsigned version = 1; version <= 2; version++) {
                struct memory past = fill_with_a_lease(), more;
                struct lease_record found[2], *last = found;

                make_older(version);
                fill_the_disk(ballast);
                open_store();
                assert_int_equal(health(), STORE_FULL);
                if (version == 1)
                        past.paused_until_real_usec = 0;
                assert_recalled("a", &past);
                assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
                assert_int_equal(last - found, 1);
                more = past;
                more.counts.attempts[CHECK_LOGIN][CLASS_OK] += 5;
                put("a", &more);
                assert_int_equal(store_flush(store, 50 * USEC_PER_MSEC), -ETIMEDOUT);
                assert_int_equal(unlink(ballast), 0);
                flush();
                assert_int_equal(health(), STORE_GOOD);
                close_store();
                assert_whole();
                open_store();
                assert_recalled("a", &more);
                close_store();
                assert_int_equal(unlink(path), 0);
        }
        assert_int_equal(umount2(disk, MNT_DETACH), 0);
}

/* Whole where it is now, and begun anew where it was. */
static void a_file_that_was_moved_is_noticed(void **state) {
        struct memory memory = little_memory(5), more = little_memory(6);
        char elsewhere[208], original[192];

        (void)state;
        (void)snprintf(elsewhere, sizeof(elsewhere), "%s.moved", path);
        open_store();
        put("a", &memory);
        put("b", &memory);
        flush();
        assert_int_equal(rename(path, elsewhere), 0);
        put("a", &more);
        flush();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(said("somebody removed, moved or replaced it"), 1);
        close_store();
        assert_whole();
        open_store();
        assert_int_equal(recalled("a"), 6);
        assert_int_equal(recalled("b"), 5);
        close_store();
        (void)text_copy(original, sizeof(original), path);
        (void)text_copy(path, sizeof(path), elsewhere);
        assert_whole();
        open_store();
        assert_int_equal(recalled("a"), 5);
        assert_int_equal(recalled("b"), 5);
        close_store();
        (void)text_copy(path, sizeof(path), original);
}

/* Its log must not be taken for the other's. */
static void a_file_that_was_replaced_by_another_is_noticed(void **state) {
        struct memory memory = little_memory(5), more = little_memory(6);
        char command[600];

        (void)state;
        open_store();
        put("a", &memory);
        close_store();
        (void)snprintf(command, sizeof(command), "cp %s %s.backup", path, path);
        assert_int_equal(system(command), 0);
        open_store();
        put_much(1);
        flush();
        (void)snprintf(command, sizeof(command), "mv %s.backup %s", path, path);
        assert_int_equal(system(command), 0);
        put("a", &more);
        flush();
        assert_int_equal(said("somebody removed, moved or replaced it"), 1);
        close_store();
        assert_whole();
        open_store();
        assert_int_equal(recalled("a"), 6);
        assert_much(1);
}

static void a_second_name_is_said_once(void **state) {
        struct memory memory = little_memory(5);
        char other[208];

        (void)state;
        (void)snprintf(other, sizeof(other), "%s.link", path);
        open_store();
        put("a", &memory);
        flush();
        assert_int_equal(said("second name"), 0);
        assert_int_equal(link(path, other), 0);
        for (uint64_t i = 6; i < 9; i++) {
                memory = little_memory(i);
                put("a", &memory);
                flush();
        }
        assert_int_equal(said("second name"), 1);
        assert_int_equal(health(), STORE_GOOD);
}

/* Not only that it is off: why it is off changes too. */
static void each_change_of_health_is_said(void **state) {
        struct memory memory = little_memory(5);
        char folder[96];

        (void)state;
        (void)snprintf(folder, sizeof(folder), "%s/lib", top);
        (void)snprintf(path, sizeof(path), "%s/history.db", folder);
        open_store();
        put("a", &memory);
        wait_for_health(STORE_UNREACHABLE);
        assert_int_equal(said("there is no such folder"), 1);
        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        wait_for_health(STORE_FAILED);
        assert_int_equal(said("The history is off"), 2);
        assert_int_equal(said("there is no such folder"), 1);
        assert_int_equal(rmdir(path), 0);
        wait_for_health(STORE_GOOD);
        assert_int_equal(said("The history is off"), 2);
        assert_int_equal(said("The history is kept again"), 1);
}

static off_t size_with_its_log(void) {
        char wal[208];

        (void)snprintf(wal, sizeof(wal), "%s-wal", path);
        return size_of(path) + size_of(wal);
}

static void it_never_grows_past_its_size(void **state) {
        uint64_t n = 0;
        char name[64];

        (void)state;
        assert_int_equal(store_open(path, &(struct store_bounds){1000000, USEC_INFINITY}, &store), 0);
        while (health() == STORE_GOOD) {
                for (unsigned i = 0; i < 10; i++) {
                        struct memory memory = some_memory(++n);

                        (void)snprintf(name, sizeof(name), "db-%u", (unsigned)n);
                        put(name, &memory);
                }
                (void)store_flush(store, 200 * USEC_PER_MSEC);
                assert_in_range(size_with_its_log(), 0, 1000000);
        }
        assert_int_equal(health(), STORE_FULL);
        assert_true(size_with_its_log() > 500000);
        assert_int_equal(said("The history is off"), 1);
        /* A reload allows more. */
        store_limit(store, &(struct store_bounds){4 * n * 20000, USEC_INFINITY});
        flush();
        assert_int_equal(health(), STORE_GOOD);
        close_store();
        open_store();
        for (uint64_t i = 1; i <= n; i++) {
                struct memory memory = some_memory(i);

                (void)snprintf(name, sizeof(name), "db-%u", (unsigned)i);
                assert_recalled(name, &memory);
        }
}

static struct event_record *record_of(enum event_kind kind, const char *name, uint64_t at) {
        struct event_record *record = calloc(1, sizeof(*record) + 1);

        assert_non_null(record);
        record->event.kind = kind;
        (void)text_copy(record->event.database, sizeof(record->event.database), name);
        record->event.real_usec = at;
        return record;
}

static void tell_state(const char *name, uint64_t at, enum state previous, enum state state, enum reason reason) {
        struct event_record *record = record_of(EVENT_STATE, name, at);

        record->event.previous = previous;
        record->event.state = state;
        record->event.reason = reason;
        /* It takes no more from writers that are faster than the disk. */
        while (store_is_behind(store))
                (void)poll(NULL, 0, 1);
        assert_int_equal(store_tell(store, record), 0);
}

static void outages_begin_and_end_with_states(void **state) {
        (void)state;
        open_store();
        /* Of a database without a snapshot so far. */
        tell_state("a", 1000, STATE_UNKNOWN, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", 2000, STATE_DOWN, STATE_BLOCKED, REASON_AUTH_PASSWORD);
        tell_state("a", 3000, STATE_BLOCKED, STATE_WAKING, REASON_SERVER_STARTING);
        tell_state("a", 4000, STATE_WAKING, STATE_AWAKE, REASON_NONE);
        tell_state("a", 5000, STATE_AWAKE, STATE_DEGRADED, REASON_EXPECT_LAG);
        tell_state("a", 6000, STATE_DEGRADED, STATE_UNKNOWN, REASON_PAUSED);
        tell_state("a", 7000, STATE_UNKNOWN, STATE_FULL, REASON_SERVER_FULL);
        tell_state("b", 7000, STATE_UNKNOWN, STATE_ASLEEP, REASON_SESSION_CUT);
        close_store();
        open_store();
        /* After a restart: not known yet, then known as before, then not. */
        tell_state("a", 8000, STATE_UNKNOWN, STATE_UNKNOWN, REASON_TCP_TIMEOUT);
        tell_state("a", 8500, STATE_UNKNOWN, STATE_DOWN, REASON_TCP_TIMEOUT);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM outage"), 3);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE began = 1000 AND ended = 3000 AND reason = 'tcp.refused' AND state = 'down'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE began = 5000 AND ended = 6000 AND state = 'degraded'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE began = 7000 AND ended IS NULL AND reason = 'server.full'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM state"), 10);
        assert_int_equal(number_in_file("SELECT count(*) FROM run"), 2);
        open_store();
        /* With an older reading of the clock than the previous event's. */
        tell_state("a", 6500, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE at = 8500"), 2);
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE at = 8500 AND place = 1 AND state = 'awake'"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE began = 7000 AND ended = 8500"), 1);
}

static void states_of_one_moment_are_all_kept(void **state) {
        (void)state;
        open_store();
        for (unsigned i = 0; i < 3; i++)
                tell_state("a", 1000, STATE_AWAKE, STATE_ASLEEP, REASON_SESSION_CUT);
        close_store();
        assert_int_equal(number_in_file("SELECT sum(place) FROM state WHERE at = 1000"), 3);
}

#define AN_HOUR (UINT64_C(496000) * USEC_PER_HOUR)

static void an_hour_has_what_was_counted_in_it_and_one_without_has_no_row(void **state) {
        struct memory memory = {.saved_real_usec = AN_HOUR + 60 * USEC_PER_SEC, .counts.attempts[CHECK_LOGIN][CLASS_OK] = 5};
        static const struct timing timings[] = {{{[PHASE_AUTH] = 1024, [PHASE_QUERY] = 7}}, {{[PHASE_AUTH] = 1030}}};

        (void)state;
        open_store();
        memory.account.awake_usec = 30 * USEC_PER_SEC;
        assert_int_equal(store_put(store, "a", &memory, NULL, 0, timings, 2), 0);
        flush();
        memory.counts.attempts[CHECK_LOGIN][CLASS_OK] = 7;
        memory.counts.failures_by_reason[REASON_TCP_REFUSED] = 1;
        memory.counts.wakes_by_cause[WAKE_LEASE] = 1;
        put("a", &memory);
        flush();
        /* Nothing but that time went by. */
        memory.saved_real_usec += 3 * USEC_PER_HOUR;
        put("a", &memory);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE hour = 1785600000000000 AND awake_usec = 30000000 AND counts ="
                                        " 'attempts.login.ok=7 failures.tcp.refused=1 wakes.lease=1 phases.auth=1024:2 phases.query=7:1'"), 1);
        open_store();
        /* The daemon after it goes on from there. Of two hours and a half awake each hour has its part. */
        memory.saved_real_usec = AN_HOUR + 5 * USEC_PER_HOUR + 30 * USEC_PER_MINUTE;
        memory.counts.attempts[CHECK_LOGIN][CLASS_OK] = 8;
        memory.account.awake_usec += 150 * USEC_PER_MINUTE;
        put("a", &memory);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 4);
        assert_int_equal(number_in_file("SELECT sum(awake_usec) FROM hour"), 9030000000);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE awake_usec = 3600000000 AND counts = ''"), 2);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour WHERE awake_usec = 1800000000 AND counts = 'attempts.login.ok=1'"), 1);
}

static void words_of_an_hour_that_are_not_known_are_passed_over(void **state) {
        struct memory memory = {.saved_real_usec = AN_HOUR + 1, .counts.attempts[CHECK_LOGIN][CLASS_OK] = 1};

        (void)state;
        open_store();
        put("a", &memory);
        close_store();
        run_sql("UPDATE hour SET counts = 'attempts.login.ok=1 dreams=7 phases.dream=1:2 phases.auth=64:x attempts.login.ok wakes.lease=2  ='");
        open_store();
        memory.counts.attempts[CHECK_LOGIN][CLASS_OK] = 3;
        put("a", &memory);
        close_store();
        assert_int_equal(number_in_file("SELECT counts = 'attempts.login.ok=3 wakes.lease=2 phases.auth=64:0' FROM hour"), 1);
}

static void what_cannot_be_written_waits_and_the_oldest_is_lost_first(void **state) {
        (void)state;
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        open_store();
        for (uint64_t i = 1; i <= 20000; i++)
                tell_state("a", i, STATE_AWAKE, STATE_ASLEEP, REASON_SESSION_CUT);
        assert_int_equal(store_flush(store, 50 * USEC_PER_MSEC), -ETIMEDOUT);
        (void)snprintf(path, sizeof(path), "%s/lib", top);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        wait_for_health(STORE_GOOD);
        flush();
        close_store();
        assert_in_range(number_in_file("SELECT count(*) FROM state"), 16000, 17000);
        assert_int_equal(number_in_file("SELECT max(at) FROM state"), 20000);
}

#define LONG_HOURS 24
#define LONG_TIMINGS 60

/* The counters of database NAME in hour number HOUR, with durations of all lengths. */
static struct snapshot *an_hour_of(const char *name, uint64_t first_real_usec, unsigned hour) {
        struct memory memory = {.saved_real_usec = first_real_usec + hour * USEC_PER_HOUR, .state = STATE_AWAKE};
        struct timing timings[LONG_TIMINGS];
        struct snapshot *snapshot;
        uint64_t random = hour + 1;

        memory.counts.attempts[CHECK_PING][CLASS_OK] = (hour + 1) * LONG_TIMINGS;
        for (unsigned i = 0; i < LONG_TIMINGS; i++)
                for (unsigned phase = 0; phase < _PHASE_MAX; phase++)
                        timings[i].phase_usec[phase] = 1 + (uint32_t)(random_next(&random) % (UINT64_C(1) << (8 + i % 16)));
        snapshot = snapshot_new(name, &memory, NULL, 0, timings, LONG_TIMINGS);
        assert_non_null(snapshot);
        return snapshot;
}

static struct writer *writer_of(uint64_t max_bytes) {
        struct writer *writer;

        assert_int_equal(writer_new(path, &(struct store_bounds){max_bytes, USEC_INFINITY}, &writer), 0);
        snapshot_list_free(writer_read(writer));
        return writer;
}

static void put_hours(struct writer *writer, unsigned databases, unsigned from, unsigned to) {
        uint64_t first = clock_real_usec() - LONG_HOURS * USEC_PER_HOUR;
        char name[64];

        for (unsigned hour = from; hour < to; hour++)
                for (unsigned i = 0; i < databases; i++) {
                        (void)snprintf(name, sizeof(name), "db-%u", i);
                        writer_put(writer, an_hour_of(name, first, hour));
                }
}

/* A day without a file leaves more of each database than has room in a small file's transactions. */
static void after_a_day_without_a_file_it_is_kept_again(void **state) {
        uint64_t until = clock_monotonic_usec() + USEC_PER_MINUTE;
        struct writer *writer;
        char sentence[256];

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        writer = writer_of(1000000);
        put_hours(writer, 40, 0, LONG_HOURS);
        writer_write(writer, true);
        assert_int_equal(writer_health(writer, sentence, sizeof(sentence)), STORE_UNREACHABLE);
        (void)snprintf(path, sizeof(path), "%s/lib", top);
        assert_int_equal(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        while (writer_is_behind(writer)) {
                assert_true(clock_monotonic_usec() < until);
                writer_write(writer, true);
        }
        assert_int_equal(writer_health(writer, sentence, sizeof(sentence)), STORE_GOOD);
        assert_true(size_with_its_log() <= 1000000);
        writer_close(writer);
        assert_null(writer_free(writer));
        assert_int_equal(number_in_file("SELECT count(*) FROM database"), 40);
        /* The newest hours are left. */
        assert_in_range(number_in_file("SELECT count(*) FROM hour"), 40, 40 * LONG_HOURS);
        assert_int_equal(number_in_file("SELECT max(hour) = (SELECT max(hour) FROM hour h WHERE h.database = hour.database) FROM hour"), 1);
        assert_whole();
}

static void tell_wakes(struct writer *writer, const char *name, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                writer_tell(writer, record_of(EVENT_WAKE, name, clock_real_usec()));
}

/* Much may be waiting; the last try begins with the most important part. */
static void near_the_end_a_try_is_broken_off_for_the_last_one(void **state) {
        struct memory memory = little_memory(1);
        struct writer *writer = writer_of(MAX_BYTES);

        (void)state;
        tell_wakes(writer, "a", 1000);
        writer_end_by(writer, usec_add(clock_boot_usec(), PATIENCE_USEC));
        writer_write(writer, false);
        assert_true(writer_is_behind(writer));
        assert_int_equal(number_in_file("SELECT count(*) FROM wake"), 0);
        assert_in_range(writer_wait_msec(writer), 1, 1000);
        writer_put(writer, snapshot_new("a", &memory, NULL, 0, NULL, 0));
        writer_write(writer, true);
        assert_false(writer_is_behind(writer));
        writer_close(writer);
        assert_null(writer_free(writer));
        assert_int_equal(number_in_file("SELECT count(*) FROM wake"), 1000);
        assert_int_equal(number_in_file("SELECT count(*) FROM database"), 1);
        assert_int_equal(said("could not be written"), 0);
        assert_int_equal(said("The history is off"), 0);
}

static void what_there_is_no_time_for_is_said_and_the_file_is_whole(void **state) {
        struct writer *writer = writer_of(MAX_BYTES);

        (void)state;
        tell_wakes(writer, "a", 1000);
        writer_write(writer, false);
        tell_wakes(writer, "a", 1000);
        writer_end_by(writer, clock_boot_usec());
        writer_write(writer, true);
        assert_true(writer_is_behind(writer));
        writer_close(writer);
        assert_null(writer_free(writer));
        assert_int_equal(said("could not be written to its end in time"), 1);
        assert_int_equal(said("The history is off"), 0);
        assert_int_equal(number_in_file("SELECT count(*) FROM wake"), 1000);
        assert_whole();
}

static void what_is_known_is_written_before_what_happened(void **state) {
        struct memory memory = little_memory(1);
        struct pending pending;

        (void)state;
        pending_init(&pending);
        for (unsigned i = 0; i < 1000; i++)
                pending_tell(&pending, calloc(1, sizeof(struct event_record)));
        assert_int_equal(pending_put(&pending, snapshot_new("a", &memory, NULL, 0, NULL, 0), true), 0);
        assert_int_equal(pending_choose(&pending, 1).n, 1);
        assert_int_equal(pending_choose(&pending, 1).n_events, 0);
        pending_deinit(&pending);
}

#define MANY_DATABASES 2000

/* In bytes; 0 under a sanitizer, whose allocator does not tell. */
static size_t used_memory(void) {
        return mallinfo2().uordblks;
}

/* Counters of hours take the most memory: with many databases, fewer hours of each may wait. */
static void what_waits_for_a_file_is_bounded_however_many_databases_there_are(void **state) {
        struct writer *writer;
        size_t before, part, all;

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/lib/history.db", top);
        writer = writer_of(MAX_BYTES);
        before = used_memory();
        put_hours(writer, MANY_DATABASES, 0, 8);
        part = used_memory() - before;
        put_hours(writer, MANY_DATABASES, 8, LONG_HOURS);
        all = used_memory() - before;
        print_message("%zu MB wait after 8 hours, %zu MB after %d\n", part / 1000000, all / 1000000, LONG_HOURS);
        assert_true(all <= part + part / 4);
        assert_null(writer_free(writer));
}

static void where_nothing_will_ever_be_written_nothing_waits(void **state) {
        struct writer *writer;
        size_t before;

        (void)state;
        run_sql("PRAGMA application_id = 7; CREATE TABLE bookmark (url TEXT)");
        writer = writer_of(MAX_BYTES);
        before = used_memory();
        put_hours(writer, MANY_DATABASES, 0, 2);
        writer_tell(writer, calloc(1, sizeof(struct event_record)));
        assert_true(used_memory() <= before + 4096);
        /* It is not reported as written. */
        assert_true(writer_is_behind(writer));
        assert_null(writer_free(writer));
}

static void the_oldest_makes_room_in_a_file_that_is_full(void **state) {
        uint64_t now = clock_real_usec(), n;

        (void)state;
        assert_int_equal(store_open(path, &(struct store_bounds){1000000, USEC_INFINITY}, &store), 0);
        for (uint64_t i = 0; i < 60000; i++) {
                tell_state("a", now - (60000 - i) * USEC_PER_SEC, STATE_AWAKE, STATE_ASLEEP, REASON_SESSION_CUT);
                if (i % 500 == 0) {
                        flush();
                        assert_true(size_with_its_log() <= 1000000);
                }
        }
        flush();
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(said("The history is off"), 0);
        close_store();
        n = number_in_file("SELECT count(*) FROM state");
        assert_in_range(n, 2000, 50000);
        /* The newest events are left. */
        assert_int_equal(number_in_file("SELECT max(at) FROM state"), now - USEC_PER_SEC);
        assert_in_range(number_in_file("SELECT min(at) FROM state"), now - (n + 1) * USEC_PER_SEC, now - (n - 1) * USEC_PER_SEC);
        assert_whole();
}

struct answered {
        unsigned n;
        enum query_result result;
        bool csv;
};

static void on_answered(void *userdata, struct query_answer *answer) {
        struct answered *answered = userdata;

        answered->n++;
        answered->result = answer->result;
        answered->csv = answer->content.data && answer->content.data[0] != '{';
}

static void wait_for_answers(const struct answered *answered, unsigned n) {
        struct pollfd fd = {.fd = reader_fd(store_reader(store)), .events = POLLIN};

        while (answered->n < n) {
                assert_int_equal(poll(&fd, 1, (int)(PATIENCE_USEC / USEC_PER_MSEC)), 1);
                reader_take_answers(store_reader(store));
        }
}

static void questions_are_answered_and_cancelled_ones_are_not(void **state) {
        struct history_query query = {.name = "a", .kind = QUERY_STATES, .until_real_usec = 10000, .now_real_usec = 10000, .limit = 10};
        struct answered answered = {0}, never = {0};
        struct question *question;

        (void)state;
        open_store();
        tell_state("a", 1000, STATE_UNKNOWN, STATE_DOWN, REASON_TCP_REFUSED);
        flush();
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &answered, &question), 0);
        wait_for_answers(&answered, 1);
        assert_int_equal(answered.result, QUERY_ANSWERED);
        for (unsigned kind = 0; kind < _QUERY_KIND_MAX; kind++) {
                query.kind = (enum query_kind)kind;
                query.csv = kind != QUERY_REPORT;
                assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &answered, &question), 0);
                wait_for_answers(&answered, kind + 2);
                assert_int_equal(answered.result, QUERY_ANSWERED);
                assert_int_equal(answered.csv, query.csv);
        }
        (void)text_copy(query.name, sizeof(query.name), "b");
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), 0);
        reader_cancel(question);
        answered.n = 0;
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &answered, &question), 0);
        wait_for_answers(&answered, 1);
        assert_int_equal(answered.result, QUERY_UNKNOWN);
        assert_int_equal(never.n, 0);
        /* Not taken, so many are too many, fewer of those that are not urgent; and they go with the store. */
        for (unsigned i = 0; i < 12; i++)
                assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), 0);
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), -EBUSY);
        query.urgent = true;
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), 0);
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), -EBUSY);
        close_store();
        assert_int_equal(never.n, 0);
}

static void on_told(void *userdata, struct query_answer *answer) {
        assert_int_equal(answer->result, QUERY_ANSWERED);
        assert_true(answer->content.size < 65536);
        memcpy(userdata, answer->content.data, answer->content.size + 1);
}

/* The answer to QUERY. */
static const char *answer_to(const struct history_query *query) {
        static char text[65536];
        struct question *question;

        text[0] = '\0';
        assert_int_equal(reader_ask(store_reader(store), query, on_told, text, &question), 0);
        while (!*text) {
                struct pollfd fd = {.fd = reader_fd(store_reader(store)), .events = POLLIN};

                assert_int_equal(poll(&fd, 1, (int)(PATIENCE_USEC / USEC_PER_MSEC)), 1);
                reader_take_answers(store_reader(store));
        }
        return text;
}

/* The report on "a" over that time has TEXT. */
static void assert_reported(uint64_t since, uint64_t until, const char *text) {
        struct history_query query = {
                .name = "a", .kind = QUERY_REPORT, .since_real_usec = since, .until_real_usec = until, .now_real_usec = until, .watched = true,
        };
        const char *answer = answer_to(&query);

        if (!strstr(answer, text))
                fail_msg("%s is not in %s", text, answer);
}

static void a_clock_that_is_set_back_leaves_no_future_behind(void **state) {
        const uint64_t hour = USEC_PER_HOUR, minute = USEC_PER_MINUTE;

        (void)state;
        open_store();
        tell_state("a", AN_HOUR - hour, STATE_UNKNOWN, STATE_AWAKE, REASON_NONE);
        tell_state("b", AN_HOUR + 2 * hour, STATE_AWAKE, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + 2 * hour, STATE_AWAKE, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + minute, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        tell_state("a", AN_HOUR + 30 * minute, STATE_AWAKE, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + 40 * minute, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        flush();
        assert_reported(AN_HOUR, AN_HOUR + 6 * hour, "\"states_seconds\":{\"awake\":21000.000000,\"down\":600.000000}");
        assert_reported(AN_HOUR, AN_HOUR + 6 * hour, "\"outages\":[{\"reason\":\"tcp.refused\",\"count\":1,\"seconds\":600.000000}]");
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE database = 1"), 4);
        /* That is another database's. */
        assert_int_equal(number_in_file("SELECT count(*) FROM state WHERE database = 2"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE database = 2"), 1);
        /* Ahead while it was down: when that ended is not later than now. */
        tell_state("a", AN_HOUR + 50 * minute, STATE_AWAKE, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + 5 * hour, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        tell_state("a", AN_HOUR + 60 * minute, STATE_AWAKE, STATE_ASLEEP, REASON_SESSION_CUT);
        flush();
        assert_reported(AN_HOUR, AN_HOUR + 6 * hour, "\"states_seconds\":{\"asleep\":18000.000000,\"awake\":2400.000000,\"down\":1200.000000}");
        assert_reported(AN_HOUR, AN_HOUR + 6 * hour, "\"count\":2,\"seconds\":1200.000000}]");
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE database = 1 AND ended IS NULL"), 0);
}

static void a_clock_that_is_far_behind_costs_no_history(void **state) {
        (void)state;
        open_store();
        tell_state("a", AN_HOUR, STATE_UNKNOWN, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + USEC_PER_MINUTE, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        close_store();
        open_store();
        /* Until the time is reported to it. */
        tell_state("a", USEC_PER_MINUTE, STATE_UNKNOWN, STATE_UNKNOWN, REASON_NOT_CHECKED);
        tell_state("a", 2 * USEC_PER_MINUTE, STATE_UNKNOWN, STATE_AWAKE, REASON_NONE);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM state"), 4);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE ended - began = 60000000"), 1);
}

static void a_run_that_is_still_to_come_is_none(void **state) {
        struct event_rows *event_rows;
        struct sqlite *sqlite;

        (void)state;
        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        assert_int_equal(schema_bring_up(sqlite), 0);
        assert_int_equal(event_rows_new(sqlite, &event_rows), 0);
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR, AN_HOUR + USEC_PER_MINUTE), 0);
        /* Ahead, and back again before it ends. */
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR, AN_HOUR + 2 * USEC_PER_HOUR), 0);
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR, AN_HOUR + 2 * USEC_PER_MINUTE), 0);
        assert_int_equal(number_in_file("SELECT count(*) FROM run WHERE ended - began = 120000000"), 1);
        /* Ahead when it ended, and at the start of the next one, which sees the clock set back. */
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR, AN_HOUR + 2 * USEC_PER_HOUR), 0);
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR + 3 * USEC_PER_HOUR, AN_HOUR + 3 * USEC_PER_HOUR), 0);
        assert_int_equal(event_rows_run_on(event_rows, AN_HOUR + 5 * USEC_PER_MINUTE, AN_HOUR + 5 * USEC_PER_MINUTE), 0);
        assert_int_equal(number_in_file("SELECT count(*) FROM run"), 2);
        assert_int_equal(number_in_file("SELECT ended - began FROM run WHERE began = (SELECT min(began) FROM run)"), 5 * USEC_PER_MINUTE);
        assert_int_equal(number_in_file("SELECT ended - began FROM run WHERE began = (SELECT max(began) FROM run)"), 0);
        assert_null(event_rows_free(event_rows));
        assert_null(sqlite_close(sqlite));
}

static void a_report_has_no_more_time_awake_than_was_asked_for(void **state) {
        struct memory memory = {.saved_real_usec = AN_HOUR + 119 * USEC_PER_MINUTE, .counts.failures_by_reason[REASON_TCP_REFUSED] = 3};
        const uint64_t minute = USEC_PER_MINUTE;

        (void)state;
        open_store();
        memory.account = (struct account){.awake_usec = 119 * minute, .ours_usec = 65 * minute};
        put("a", &memory);
        flush();
        assert_reported(AN_HOUR, AN_HOUR + 119 * minute, "\"awake_seconds\":7140.000000,\"awake_on_our_demand_seconds\":3900.000000");
        assert_reported(AN_HOUR + 109 * minute, AN_HOUR + 119 * minute, "\"awake_seconds\":600.000000,\"awake_on_our_demand_seconds\":600.000000");
        /* In the first hour we caused six minutes, in any part of it. */
        assert_reported(AN_HOUR + 20 * minute, AN_HOUR + 30 * minute, "\"awake_seconds\":600.000000,\"awake_on_our_demand_seconds\":360.000000");
        assert_reported(AN_HOUR + 50 * minute, AN_HOUR + 65 * minute, "\"awake_seconds\":900.000000,\"awake_on_our_demand_seconds\":660.000000");
        /* Failures are counted by hour. */
        assert_reported(AN_HOUR + 61 * minute, AN_HOUR + 62 * minute, "\"failures\":{\"tcp.refused\":3}");
        close_store();
        /* An hour of a clock that was set back is counted twice. */
        run_sql("UPDATE hour SET awake_usec = 5000000000");
        open_store();
        assert_reported(AN_HOUR, AN_HOUR + 119 * minute, "\"awake_seconds\":7140.000000");
}

/* No daemon ran from Friday to Monday. */
static void what_is_dropped_does_not_make_a_gap_known(void **state) {
        uint64_t now = clock_real_usec(), friday = now - 64 * USEC_PER_HOUR;
        char sql[160];

        (void)state;
        open_store();
        tell_state("a", friday - 2 * USEC_PER_HOUR, STATE_UNKNOWN, STATE_AWAKE, REASON_NONE);
        close_store();
        (void)snprintf(sql, sizeof(sql), "DELETE FROM run; INSERT INTO run VALUES (%llu, %llu), (%llu, %llu)",
                       (unsigned long long)(friday - 9 * USEC_PER_HOUR), (unsigned long long)(friday - 3 * USEC_PER_HOUR),
                       (unsigned long long)(friday - 2 * USEC_PER_HOUR), (unsigned long long)friday);
        run_sql(sql);
        assert_int_equal(store_open(path, &(struct store_bounds){MAX_BYTES, USEC_PER_DAY}, &store), 0);
        assert_int_equal(store_each_lease(store, ignore_lease, NULL), 0);
        tell_state("a", now, STATE_UNKNOWN, STATE_AWAKE, REASON_NONE);
        flush();
        close_store();
        open_store();
        assert_reported(now - 20 * USEC_PER_HOUR, now + USEC_PER_HOUR, "\"states_seconds\":{\"unknown\":72000.000000,\"awake\":3600.000000}");
        close_store();
        /* Runs that ended before are of no use. */
        assert_int_equal(number_in_file("SELECT count(*) FROM run"), 3);
}

static void what_could_not_be_committed_is_there_once(void **state) {
        (void)state;
        open_store();
        tell_state("a", AN_HOUR + USEC_PER_HOUR, STATE_UNKNOWN, STATE_DOWN, REASON_TCP_REFUSED);
        flush();
        /* After all else was written. */
        run_sql("CREATE TRIGGER refuse BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'not now'); END");
        tell_state("a", AN_HOUR, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        tell_state("a", AN_HOUR, STATE_AWAKE, STATE_DOWN, REASON_TCP_REFUSED);
        tell_state("a", AN_HOUR + 1, STATE_DOWN, STATE_AWAKE, REASON_NONE);
        wait_for_health(STORE_FAILED);
        run_sql("DROP TRIGGER refuse");
        flush();
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM state"), 3);
        assert_int_equal(number_in_file("SELECT sum(place) FROM state"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage WHERE ended - began = 1"), 1);
        assert_int_equal(number_in_file("SELECT count(*) FROM outage"), 1);
}

/* A long read keeps the log from beginning anew. */
static void who_reads_for_long_does_not_let_it_grow(void **state) {
        struct history_query query = {.name = "a", .kind = QUERY_REPORT, .since_real_usec = 1, .until_real_usec = 400000, .now_real_usec = 400000};
        uint64_t now = clock_real_usec(), end;
        struct answered answered = {0};
        struct question *question;
        unsigned asked = 0;
        char wal[208];

        (void)state;
        (void)snprintf(wal, sizeof(wal), "%s-wal", path);
        open_store();
        tell_state("a", 1, STATE_UNKNOWN, STATE_AWAKE, REASON_NONE);
        close_store();
        run_sql("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
                " INSERT INTO state SELECT 1, i, 0, 'awake', 'down', 'ok', NULL, NULL, i FROM n");
        open_store();
        end = clock_monotonic_usec() + 2 * USEC_PER_SEC;
        while (clock_monotonic_usec() < end || answered.n <= 2) {
                while (asked - answered.n < 3 && reader_ask(store_reader(store), &query, on_answered, &answered, &question) == 0)
                        asked++;
                for (unsigned i = 0; i < 500; i++)
                        tell_state("a", now++, STATE_AWAKE, STATE_ASLEEP, REASON_SESSION_CUT);
                (void)poll(NULL, 0, 5);
                reader_take_answers(store_reader(store));
                /* Twice the maximum length. */
                assert_true(size_of(wal) <= 2 * 1000 * (4096 + 24) + 65536);
        }
        flush();
}

#define HELD_SIZES 6

struct held {
        char path[192];
        uint64_t max_bytes, told;
        struct writer *writer;
        struct sqlite *reader;
};

static uint64_t size_of_held(const struct held *held) {
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        uint64_t size = 0;
        char name[208];

        for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
                (void)snprintf(name, sizeof(name), "%s%s", held->path, suffixes[i]);
                size += (uint64_t)size_of(name);
        }
        return size;
}

static enum store_health health_of_held(const struct held *held) {
        char sentence[256];

        return writer_health(held->writer, sentence, sizeof(sentence));
}

static void open_held(struct held *held) {
        assert_int_equal(writer_new(held->path, &(struct store_bounds){held->max_bytes, USEC_INFINITY}, &held->writer), 0);
        snapshot_list_free(writer_read(held->writer));
        writer_past_taken(held->writer);
}

static void tell_held(struct held *held) {
        for (unsigned i = 0; i < 50; i++) {
                struct event_record *record = record_of(EVENT_STATE, "a", clock_real_usec());

                record->event.state = i % 2 ? STATE_AWAKE : STATE_ASLEEP;
                record->event.generation = ++held->told;
                writer_tell(held->writer, record);
        }
}

/* Until each of them says that it is held. */
static void fill_held(struct held *all) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;
        unsigned n = 0;

        while (n < HELD_SIZES) {
                n = 0;
                for (struct held *held = all; held < all + HELD_SIZES; held++) {
                        if (!writer_is_behind(held->writer))
                                tell_held(held);
                        writer_write(held->writer, false);
                        assert_in_range(size_of_held(held), 0, held->max_bytes + 32768);
                        n += health_of_held(held) == STORE_LOCKED;
                }
                (void)poll(NULL, 0, n == HELD_SIZES ? 0 : 1);
                assert_true(clock_monotonic_usec() < until);
        }
}

/* Another process begins to read and does not end: the size limit holds, and the state is reported. */
static void who_reads_for_ever_makes_it_no_larger_than_it_may_be(void **state) {
        static const uint64_t sizes[HELD_SIZES] = {1000000, 1100000, 1900000, 3000000, 4000000, 9000000};
        struct held all[HELD_SIZES] = {0};
        uint64_t number = 0;

        (void)state;
        for (size_t i = 0; i < HELD_SIZES; i++) {
                (void)snprintf(all[i].path, sizeof(all[i].path), "%s/held-%zu.db", top, i);
                all[i].max_bytes = sizes[i];
                open_held(&all[i]);
                tell_held(&all[i]);
                writer_write(all[i].writer, false);
                assert_int_equal(sqlite_open(all[i].path, SQLITE_READER, &all[i].reader), 0);
                assert_int_equal(sqlite_run(all[i].reader, "BEGIN"), 0);
                assert_int_equal(sqlite_read_number(all[i].reader, "SELECT count(*) FROM state", &number), 0);
        }
        fill_held(all);
        assert_int_equal(said("another process reads the file for so long"), HELD_SIZES);
        for (struct held *held = all; held < all + HELD_SIZES; held++) {
                uint64_t waits = held->told;

                assert_true(size_of_held(held) > held->max_bytes / 2);
                /* As after a kill: the log keeps its length, and everything that waited comes once more. */
                held->writer = writer_free(held->writer);
                open_held(held);
                for (unsigned i = 0; i < 10; i++) {
                        tell_held(held);
                        writer_write(held->writer, false);
                        assert_in_range(size_of_held(held), 0, held->max_bytes + 32768);
                }
                held->reader = sqlite_close(held->reader);
                writer_write(held->writer, true);
                assert_false(writer_is_behind(held->writer));
                assert_int_equal(health_of_held(held), STORE_GOOD);
                assert_in_range(size_of_held(held), 0, held->max_bytes + 32768);
                writer_close(held->writer);
                held->writer = writer_free(held->writer);
                (void)text_copy(path, sizeof(path), held->path);
                assert_whole();
                assert_int_equal(number_in_file("SELECT max(generation) FROM state"), held->told);
                assert_true(held->told > waits);
        }
}

/* As much as the store accepts while nothing is written. */
#define BEHIND 16384

static void a_writer_that_hangs_is_known_to_be_behind(void **state) {
        struct memory memory = little_memory(1);
        unsigned n = 0;
        char name[64];

        (void)state;
        open_store();
        put("a", &memory);
        flush();
        assert_false(store_is_behind(store));
        let_hang("history");
        put("a", &memory);
        wait_for_hanging();
        for (; !store_is_behind(store) && n <= BEHIND; n++) {
                (void)snprintf(name, sizeof(name), "db-%u", n % 100);
                memory.counts.generation = n + 1;
                put(name, &memory);
        }
        assert_int_equal(n, BEHIND);
        assert_int_equal(store_tell(store, record_of(EVENT_STATE, "a", clock_real_usec())), -ENOBUFS);
        assert_int_equal(store_flush(store, 0), -ETIMEDOUT);
        let_hang(NULL);
        flush();
        assert_false(store_is_behind(store));
        assert_int_equal(health(), STORE_GOOD);
        assert_int_equal(number_in_file("SELECT count(*) FROM database"), 101);
        assert_int_equal(number_in_file("SELECT max(generation) FROM database"), BEHIND);
}

/* How often the thread of that name was woken up; ULONG_MAX: it is not there. */
static unsigned long turns_of(const char *name) {
        DIR *tasks = opendir("/proc/self/task");
        struct dirent *entry;
        unsigned long value = ULONG_MAX;

        assert_non_null(tasks);
        while ((entry = readdir(tasks))) {
                char file_name[300], line[128];
                bool ours = false;
                FILE *file;

                (void)snprintf(file_name, sizeof(file_name), "/proc/self/task/%s/status", entry->d_name);
                file = fopen(file_name, "re");
                while (file && fgets(line, sizeof(line), file)) {
                        ours = ours || (starts_with(line, "Name:\t") && strncmp(line + 6, name, strlen(name)) == 0 && line[6 + strlen(name)] == '\n');
                        if (ours && starts_with(line, "voluntary_ctxt_switches:"))
                                value = strtoul(line + strlen("voluntary_ctxt_switches:"), NULL, 10);
                }
                if (file)
                        fclose(file);
        }
        closedir(tasks);
        return value;
}

static void a_disk_that_hangs_at_the_start_is_not_waited_for(void **state) {
        struct memory past = fill_with_a_lease(), ours = some_memory(2000);
        struct lease_record found[2], *last = found;

        (void)state;
        let_hang(""); /* it has no name of its own yet */
        open_store();
        assert_int_equal(said("takes long to be read"), 1);
        assert_int_equal(recalled("a"), 0);
        put("a", &ours);
        assert_int_equal(store_flush(store, 0), -ETIMEDOUT);
        let_hang(NULL);
        wait_for_past();
        assert_recalled("a", &past);
        assert_recalled("c", &past);
        assert_int_equal(store_each_lease(store, collect_lease, &last), 0);
        assert_int_equal(last - found, 1);
        close_store();
        memory_add(&ours, &past);
        open_store();
        assert_recalled("a", &ours);
}

static unsigned long turns(void) {
        return turns_of("history");
}

static void wait_for_the_end_of(const char *thread) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (turns_of(thread) != ULONG_MAX) {
                assert_true(clock_monotonic_usec() < until);
                (void)poll(NULL, 0, 2);
        }
}

/* Memory kept by threads that hung: nothing else refers to it, but it is no leak. */
static struct store *volatile abandoned[3];
static size_t n_abandoned;

static void abandon_store(uint64_t timeout_usec) {
        abandoned[n_abandoned++] = store;
        store = store_close(store, timeout_usec);
}

static void a_disk_that_hangs_at_the_end_is_not_waited_for(void **state) {
        struct memory memory = little_memory(5);

        (void)state;
        open_store();
        put("a", &memory);
        flush();
        let_hang("history");
        put("b", &memory);
        wait_for_hanging();
        abandon_store(50 * USEC_PER_MSEC);
        assert_int_equal(said("could not be written to its end in time"), 1);
        /* A process that is still there when it moves again has all of it in the file. */
        let_hang(NULL);
        wait_for_the_end_of("history");
        assert_whole();
        open_store();
        assert_int_equal(recalled("a"), 5);
        assert_int_equal(recalled("b"), 5);
}

static void wait_for_databases(uint64_t n) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC, found = 0;

        while (found != n) {
                struct sqlite *sqlite = NULL;

                if (sqlite_open(path, SQLITE_READER, &sqlite) < 0 ||
                    sqlite_read_number(sqlite, "SELECT count(*) FROM database", &found) < 0)
                        found = 0;
                assert_null(sqlite_close(sqlite));
                assert_true(clock_monotonic_usec() < until);
                (void)poll(NULL, 0, 2);
        }
}

static void close_with_a_reader_that_hangs(const char *threads, uint64_t timeout_usec) {
        struct history_query query = {.name = "a", .kind = QUERY_STATES, .until_real_usec = 10000, .now_real_usec = 10000, .limit = 10};
        struct answered answered = {0}, never = {0};
        struct memory memory = little_memory(5);
        struct question *question;

        open_store();
        put("a", &memory);
        flush();
        /* Its thread is there then, and has its name. */
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &answered, &question), 0);
        wait_for_answers(&answered, 1);
        let_hang(threads);
        assert_int_equal(reader_ask(store_reader(store), &query, on_answered, &never, &question), 0);
        wait_for_hanging();
        put("b", &memory);
        abandon_store(timeout_usec);
        assert_int_equal(never.n, 0);
}

static void a_reader_that_hangs_at_the_end_is_not_waited_for_and_may_still_complain(void **state) {
        (void)state;
        close_with_a_reader_that_hangs("history-reader", PATIENCE_USEC);
        assert_int_equal(said("could not be written to its end in time"), 0);
        assert_int_equal(number_in_file("SELECT count(*) FROM database"), 2);
        /* It then finds no file, and its report has no reader any more. */
        assert_int_equal(unlink(path), 0);
        let_hang(NULL);
        wait_for_the_end_of("history-reader");
}

static void where_both_hang_at_the_end_it_is_said_that_not_all_is_written(void **state) {
        (void)state;
        close_with_a_reader_that_hangs("history", 50 * USEC_PER_MSEC);
        assert_int_equal(said("could not be written to its end in time"), 1);
        let_hang(NULL);
        wait_for_databases(2);
        wait_for_the_end_of("history");
        wait_for_the_end_of("history-reader");
}

static void nothing_wakes_up_while_nothing_is_to_be_written(void **state) {
        struct memory memory = little_memory(1);
        unsigned long before;

        (void)state;
        open_store();
        put("a", &memory);
        flush();
        /* It says that it is done before it sleeps. */
        (void)poll(NULL, 0, 100);
        before = turns();
        assert_int_not_equal(before, ULONG_MAX);
        (void)poll(NULL, 0, 1500);
        assert_int_equal(turns(), before);
}

/* With so many old rows that it takes several slices. */
static struct writer *writer_that_prunes(void) {
        uint64_t yesterday = clock_real_usec() - USEC_PER_DAY;
        struct writer *writer;

        assert_int_equal(writer_new(path, &(struct store_bounds){1000000, USEC_PER_HOUR}, &writer), 0);
        assert_null(writer_read(writer));
        writer_all_recalled(writer);
        for (unsigned i = 0; i < 100; i++) {
                struct event_record *record = record_of(EVENT_STATE, "a", yesterday + i * USEC_PER_SEC);

                record->event.state = STATE_AWAKE;
                writer_tell(writer, record);
        }
        writer_write(writer, true);
        assert_false(writer_is_behind(writer));
        assert_int_equal(writer_wait_msec(writer), -1);
        writer_prune(writer);
        assert_in_range(writer_wait_msec(writer), 0, 1000);
        return writer;
}

static void pruning_that_shall_not_go_on_is_not_waited_for(void **state) {
        struct writer *writer = writer_that_prunes();

        (void)state;
        /* Not yet due, it is; then a reload says that all is kept. */
        writer_prune(writer);
        assert_int_not_equal(writer_wait_msec(writer), -1);
        writer_limit(writer, &(struct store_bounds){1000000, USEC_INFINITY});
        writer_prune(writer);
        assert_int_equal(writer_wait_msec(writer), -1);
        assert_null(writer_free(writer));
        assert_int_equal(unlink(path), 0);
        /* And there is nothing to drop where there is no file. */
        writer = writer_that_prunes();
        writer_close(writer);
        writer_prune(writer);
        assert_int_equal(writer_wait_msec(writer), -1);
        assert_null(writer_free(writer));
}

static bool nobody_is_watched(void *userdata, const char *name) {
        (void)userdata;
        (void)name;
        return false;
}

static void prune_before(uint64_t before) {
        struct prune_terms terms = {.before_real_usec = before, .rows_max = 100, .is_watched = nobody_is_watched};
        struct prune prune = {0};
        struct sqlite *sqlite;
        int r;

        assert_int_equal(sqlite_open(path, SQLITE_SHARED, &sqlite), 0);
        while ((r = prune_slice(sqlite, &prune, &terms)) > 0)
                ;
        assert_int_equal(r, 0);
        assert_null(sqlite_close(sqlite));
}

static void an_hour_goes_when_all_of_it_is_old(void **state) {
        static const uint64_t inside[] = {0, 1, 30 * USEC_PER_MINUTE, USEC_PER_HOUR - 1};
        struct memory memory = {.saved_real_usec = AN_HOUR + 1};

        (void)state;
        open_store();
        for (unsigned i = 1; i <= 3; i++) {
                memory.counts.attempts[CHECK_LOGIN][CLASS_OK] = i;
                put("a", &memory);
                flush();
                memory.saved_real_usec += USEC_PER_HOUR;
        }
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 3);
        for (size_t i = 0; i < ARRAY_LENGTH(inside); i++) {
                prune_before(AN_HOUR + inside[i]);
                assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 3);
                prune_before(AN_HOUR + USEC_PER_HOUR + inside[i]);
                assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 2);
                run_sql("INSERT INTO hour SELECT database, min(hour) - 3600000000, awake_usec, awake_ours_usec, counts FROM hour");
        }
        prune_before(AN_HOUR + 3 * USEC_PER_HOUR);
        assert_int_equal(number_in_file("SELECT count(*) FROM hour"), 0);
}

/* N databases, each with counters, an expired lease and a last state, saved AGE ago. */
static void fill_with_names(unsigned n, uint64_t age_usec) {
        char sql[1000];

        open_store();
        close_store();
        (void)snprintf(sql, sizeof(sql),
                       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
                       " INSERT INTO database (id, name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
                       " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec)"
                       " SELECT i, 'db-' || i, %llu, 0, 'down', 'tcp.refused', 1, i, 0, 0, 0, 0, 0, 0, 0 FROM n WHERE %u > 0;"
                       "INSERT INTO counter SELECT id, 'failures.tcp.refused', 7 FROM database;"
                       "INSERT INTO wake_latency SELECT id, 64, 7 FROM database;"
                       "INSERT INTO lease SELECT id, 1, 'x', 1, 2 FROM database;"
                       "INSERT INTO outage SELECT id, 3, NULL, 'down', 'tcp.refused' FROM database;"
                       "INSERT INTO state SELECT id, saved_at, 0, 'down', 'awake', 'tcp.refused', NULL, NULL, 1 FROM database;",
                       n, (unsigned long long)(clock_real_usec() - age_usec), n);
        run_sql(sql);
}

#define ORPHANS(table) "SELECT (SELECT count(*) FROM " table " WHERE database NOT IN (SELECT id FROM database))"

static void assert_no_orphans(void) {
        static const char *const queries[] = {ORPHANS("counter"), ORPHANS("wake_latency"), ORPHANS("lease"), ORPHANS("state"), ORPHANS("outage")};

        for (size_t i = 0; i < ARRAY_LENGTH(queries); i++)
                assert_int_equal(number_in_file(queries[i]), 0);
}

static void open_store_that_keeps(uint64_t keep_usec) {
        assert_int_equal(store_open(path, &(struct store_bounds){MAX_BYTES, keep_usec}, &store), 0);
}

/* Until N databases are left. */
static void wait_for_names(uint64_t n) {
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (number_in_file("SELECT count(*) FROM database") != n) {
                assert_true(clock_monotonic_usec() < until);
                (void)poll(NULL, 0, 5);
        }
}

static void names_that_nobody_watches_any_more_are_forgotten(void **state) {
        static const unsigned sizes[] = {0, 1, 2, 99, 100, 101, 250};
        struct memory memory = little_memory(1);

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
                fill_with_names(sizes[i], 60 * USEC_PER_DAY);
                open_store_that_keeps(30 * USEC_PER_DAY);
                /* Every third is configured, though nothing happens to it. */
                for (unsigned k = 3; k <= sizes[i]; k += 3) {
                        char name[64];

                        (void)snprintf(name, sizeof(name), "db-%u", k);
                        assert_int_equal(recalled(name), k);
                }
                assert_int_equal(store_each_lease(store, ignore_lease, NULL), 0);
                memory.saved_real_usec = clock_real_usec();
                put("new", &memory);
                flush();
                wait_for_names(sizes[i] / 3 + 1);
                /* A database that comes back begins anew, and is kept. */
                memory = little_memory(40);
                put("db-1", &memory);
                flush();
                close_store();
                assert_int_equal(number_in_file("SELECT count(*) FROM counter WHERE name = 'failures.tcp.refused' AND value = 7"), sizes[i] / 3);
                assert_no_orphans();
                assert_whole();
                open_store();
                assert_int_equal(recalled("db-1"), 40);
                assert_int_equal(recalled("db-2"), 0);
                close_store();
                assert_int_equal(unlink(path), 0);
        }
}

static void names_of_which_something_is_left_are_kept(void **state) {
        struct memory memory = little_memory(1);

        (void)state;
        fill_with_names(8, 60 * USEC_PER_DAY);
        run_sql("UPDATE database SET saved_at = (SELECT max(saved_at) FROM database) + 40 * 86400000000 WHERE id = 1;"
                "INSERT INTO wake SELECT 2, at + 40 * 86400000000, 0, 1, 'start', 0, 1, 1, 1, 1, 1, 1 FROM state WHERE database = 2;"
                "INSERT INTO hour SELECT 3, at + 40 * 86400000000, 1, 1, '' FROM state WHERE database = 3;"
                "UPDATE outage SET ended = (SELECT max(at) FROM state) + 40 * 86400000000 WHERE database = 4;"
                "UPDATE state SET at = at + 40 * 86400000000 WHERE database = 5;"
                "UPDATE lease SET until = (SELECT max(at) FROM state) + 400 * 86400000000 WHERE database = 6;");
        open_store_that_keeps(30 * USEC_PER_DAY);
        put("new", &memory);
        flush();
        /* The watched databases are not known before that. */
        assert_int_equal(recalled("db-7"), 7);
        assert_int_equal(number_in_file("SELECT count(*) FROM database"), 9);
        close_store();
        open_store_that_keeps(30 * USEC_PER_DAY);
        assert_int_equal(recalled("db-7"), 7);
        assert_int_equal(store_each_lease(store, ignore_lease, NULL), 0);
        put("new", &memory);
        wait_for_names(8);
        close_store();
        assert_int_equal(number_in_file("SELECT count(*) FROM database WHERE name = 'db-8'"), 0);
        assert_no_orphans();
}

static void forget_until_killed(int fd) {
        struct memory memory = little_memory(1);

        if (store_open(path, &(struct store_bounds){MAX_BYTES, 30 * USEC_PER_DAY}, &store) < 0 ||
            store_each_lease(store, ignore_lease, NULL) < 0 || store_put(store, "new", &memory, NULL, 0, NULL, 0) < 0 ||
            write(fd, "x", 1) != 1)
                _exit(1);
        for (;;)
                (void)poll(NULL, 0, 1000);
}

static void names_are_forgotten_whole_whenever_it_ends(void **state) {
        uint64_t random = 11, left = 0;
        char byte;

        (void)state;
        for (unsigned round = 0; round < 4; round++) {
                int pipe_fds[2], status;
                pid_t child;

                fill_with_names(600, 60 * USEC_PER_DAY);
                assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
                child = fork();
                assert_true(child >= 0);
                if (child == 0)
                        forget_until_killed(pipe_fds[1]);
                close_fd(&pipe_fds[1]);
                assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
                close_fd(&pipe_fds[0]);
                assert_int_equal(usleep((useconds_t)(random_next(&random) % 150000)), 0);
                assert_int_equal(kill(child, SIGKILL), 0);
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_whole();
                assert_no_orphans();
                left += number_in_file("SELECT count(*) FROM counter WHERE name = 'failures.tcp.refused'");
                /* The next one goes on. */
                open_store_that_keeps(30 * USEC_PER_DAY);
                assert_int_equal(store_each_lease(store, ignore_lease, NULL), 0);
                put("new", &(struct memory){.saved_real_usec = clock_real_usec()});
                wait_for_names(1);
                close_store();
                assert_no_orphans();
                assert_int_equal(unlink(path), 0);
        }
        print_message("killed with %llu of 2400 names left\n", (unsigned long long)left);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

#define MANY 5000

static void put_many(unsigned step) {
        struct memory memory = {.state = STATE_AWAKE};

        for (unsigned i = 0; i < MANY; i++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "d%u", i * step % MANY);
                memory.counts.attempts[CHECK_PING][CLASS_OK]++;
                memory.saved_real_usec = clock_real_usec();
                assert_int_equal(store_put(store, name, &memory, NULL, 0, NULL, 0), 0);
        }
        flush();
}

/* Thousands change in any order: a page that was read is still cached when the next of its databases comes. */
static void many_databases_do_not_read_their_file_again_and_again(void **state) {
        uint64_t before, all, file_bytes;
        struct stat st;

        (void)state;
        open_store();
        put_many(1);
        before = bytes_read();
        put_many(1237);
        all = bytes_read() - before;
        close_store();
        assert_int_equal(stat(path, &st), 0);
        file_bytes = (uint64_t)st.st_size;
        print_message("a file of %llu kB: %llu kB were read to write all again\n", (unsigned long long)file_bytes >> 10,
                      (unsigned long long)all >> 10);
        assert_true(all < 8 * file_bytes);
}

static void *open_links(void *userdata) {
        static const enum sqlite_mode modes[] = {SQLITE_SHARED, SQLITE_ALONE, SQLITE_READER, SQLITE_IMMUTABLE};
        int *answers = userdata;

        for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
                struct sqlite *sqlite = NULL;

                answers[i] = sqlite_open(path, modes[i], &sqlite);
                (void)sqlite_close(sqlite);
        }
        return NULL;
}

/* A frame of it is larger than the page that guards a stack: so much more of nothing is before this one. */
#define GUARD_BYTES ((size_t)8 * 1024 * 1024)

/* An earlier look at the path may have seen something else. */
static void links_without_an_end_are_an_error_on_the_stack_of_a_thread_that_opens_them(void **state) {
        char *memory = mmap(NULL, GUARD_BYTES + SQLITE_STACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int answers[4] = {0};
        pthread_attr_t attributes;
        pthread_t thread;

        (void)state;
        assert_true(memory != MAP_FAILED);
        assert_int_equal(mprotect(memory + GUARD_BYTES, SQLITE_STACK_BYTES, PROT_READ | PROT_WRITE), 0);
        assert_int_equal(symlink(path, path), 0);
        assert_int_equal(pthread_attr_init(&attributes), 0);
        assert_int_equal(pthread_attr_setstack(&attributes, memory + GUARD_BYTES, SQLITE_STACK_BYTES), 0);
        assert_int_equal(pthread_create(&thread, &attributes, open_links, answers), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(answers); i++)
                assert_true(answers[i] < 0);
        (void)pthread_attr_destroy(&attributes);
        assert_int_equal(munmap(memory, GUARD_BYTES + SQLITE_STACK_BYTES), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                STORE_TEST(every_field_comes_back),
                STORE_TEST(leases_come_back_and_go),
                STORE_TEST(the_newest_counts_and_is_recalled_once),
                STORE_TEST(without_a_path_nothing_is_kept),
                STORE_TEST(nobody_else_can_read_it),
                STORE_TEST(a_kill_loses_nothing_that_was_flushed),
                STORE_TEST(damaged_pages_are_set_aside),
                STORE_TEST(a_truncated_file_is_set_aside),
                STORE_TEST(what_is_no_database_is_set_aside),
                STORE_TEST(no_file_is_ever_overwritten_by_one_that_is_set_aside),
                STORE_TEST(an_empty_file_is_made_use_of),
                STORE_TEST(the_file_of_another_program_is_left_alone),
                STORE_TEST(the_file_of_a_newer_version_is_left_alone),
                STORE_TEST(words_of_another_version_are_passed_over),
                STORE_TEST(a_folder_that_comes_later_is_taken_then),
                STORE_TEST(a_second_daemon_does_not_get_it),
                STORE_TEST(a_file_that_was_removed_is_made_anew_with_all_that_is_known),
                STORE_TEST(what_is_read_late_is_what_goes_on),
                STORE_TEST(what_is_read_at_the_end_alone_is_added_too),
                STORE_TEST(a_kill_around_a_late_read_loses_nothing),
                STORE_TEST(an_older_file_on_a_full_disk_is_read_and_brought_up_later),
                STORE_TEST(a_file_that_was_moved_is_noticed),
                STORE_TEST(a_file_that_was_replaced_by_another_is_noticed),
                STORE_TEST(a_second_name_is_said_once),
                STORE_TEST(links_without_an_end_are_an_error_on_the_stack_of_a_thread_that_opens_them),
                STORE_TEST(each_change_of_health_is_said),
                STORE_TEST(damage_that_is_found_while_writing_loses_nothing),
                STORE_TEST(a_read_only_folder_is_read_and_not_written),
                STORE_TEST(a_full_disk_turns_it_off_until_there_is_space),
                STORE_TEST(it_never_grows_past_its_size),
                STORE_TEST(outages_begin_and_end_with_states),
                STORE_TEST(states_of_one_moment_are_all_kept),
                STORE_TEST(an_hour_has_what_was_counted_in_it_and_one_without_has_no_row),
                STORE_TEST(words_of_an_hour_that_are_not_known_are_passed_over),
                STORE_TEST(what_cannot_be_written_waits_and_the_oldest_is_lost_first),
                STORE_TEST(after_a_day_without_a_file_it_is_kept_again),
                STORE_TEST(near_the_end_a_try_is_broken_off_for_the_last_one),
                STORE_TEST(what_there_is_no_time_for_is_said_and_the_file_is_whole),
                STORE_TEST(what_is_known_is_written_before_what_happened),
                STORE_TEST(what_waits_for_a_file_is_bounded_however_many_databases_there_are),
                STORE_TEST(where_nothing_will_ever_be_written_nothing_waits),
                STORE_TEST(the_oldest_makes_room_in_a_file_that_is_full),
                STORE_TEST(questions_are_answered_and_cancelled_ones_are_not),
                STORE_TEST(a_clock_that_is_set_back_leaves_no_future_behind),
                STORE_TEST(a_clock_that_is_far_behind_costs_no_history),
                STORE_TEST(a_run_that_is_still_to_come_is_none),
                STORE_TEST(a_report_has_no_more_time_awake_than_was_asked_for),
                STORE_TEST(what_is_dropped_does_not_make_a_gap_known),
                STORE_TEST(what_could_not_be_committed_is_there_once),
                STORE_TEST(who_reads_for_long_does_not_let_it_grow),
                STORE_TEST(who_reads_for_ever_makes_it_no_larger_than_it_may_be),
                STORE_TEST(a_writer_that_hangs_is_known_to_be_behind),
                STORE_TEST(a_disk_that_hangs_at_the_start_is_not_waited_for),
                STORE_TEST(a_disk_that_hangs_at_the_end_is_not_waited_for),
                STORE_TEST(nothing_wakes_up_while_nothing_is_to_be_written),
                STORE_TEST(pruning_that_shall_not_go_on_is_not_waited_for),
                STORE_TEST(many_databases_do_not_read_their_file_again_and_again),
                STORE_TEST(an_hour_goes_when_all_of_it_is_old),
                STORE_TEST(names_that_nobody_watches_any_more_are_forgotten),
                STORE_TEST(names_of_which_something_is_left_are_kept),
                STORE_TEST(names_are_forgotten_whole_whenever_it_ends),
                STORE_TEST(a_reader_that_hangs_at_the_end_is_not_waited_for_and_may_still_complain),
                STORE_TEST(where_both_hang_at_the_end_it_is_said_that_not_all_is_written),
        };

        return UNIT_RUN(tests);
}
