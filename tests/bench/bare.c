/*
 * The floor that pgwaked is measured against: the least program that does the same with the same libraries, synchronously.
 *
 *   bare login N CONNINFO [1 [EVERY]]
 *                           N times: connect, ask, close
 *   bare ping N CONNINFO [CONNECTIONS [EVERY]]
 *                           connect so often, ask N times, each connection in its turn: one database is asked in a tight loop with
 *                           everything in the caches, many are as a daemon that watches many has to
 *                           EVERY so many microseconds once (0: as fast as it goes): who sleeps in between finds the caches cold, and is
 *                           woken, as a daemon is
 *   bare memory CONNINFO FILE
 *                           connect, ask, write one row into an SQLite database in FILE, and say how much memory that took
 *
 * Prints one line of JSON: how often it was answered, the seconds of CPU that it took (and of them, for asking alone), or the memory in kB.
 */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* What pgwaked asks, as its own text has it (daemon/probe/query.c); any probe would ask for as much. */
static const char *query;

static void fail(PGconn *connection) {
        fprintf(stderr, "bare: %s", PQerrorMessage(connection));
        exit(1);
}

static PGconn *log_in(const char *conninfo) {
        const char *keywords[] = {"dbname", "application_name", "client_encoding", "gssencmode", NULL};
        const char *values[] = {conninfo, "pgwaked", "UTF8", "disable", NULL};
        PGconn *connection = PQconnectdbParams(keywords, values, 1);

        if (PQstatus(connection) != CONNECTION_OK)
                fail(connection);
        return connection;
}

static void ask(PGconn *connection) {
        PGresult *result = PQexec(connection, query);

        if (PQresultStatus(result) != PGRES_TUPLES_OK)
                fail(connection);
        PQclear(result);
}

static double cpu_seconds(void) {
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* When each is due: late ones are not caught up with. */
static void wait_for_next(struct timespec *next, long every_usec) {
        struct timespec now;

        if (every_usec == 0)
                return;
        clock_gettime(CLOCK_MONOTONIC, &now);
        next->tv_nsec += every_usec % 1000000 * 1000;
        next->tv_sec += every_usec / 1000000 + next->tv_nsec / 1000000000;
        next->tv_nsec %= 1000000000;
        if (next->tv_sec < now.tv_sec || (next->tv_sec == now.tv_sec && next->tv_nsec < now.tv_nsec))
                *next = now;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static void ask_in_turn(const char *conninfo, long n, long n_connections, long every_usec) {
        PGconn **connections = calloc((size_t)n_connections, sizeof(*connections));
        struct timespec next = {0};
        double before;

        if (!connections)
                exit(1);
        for (long i = 0; i < n_connections; i++)
                connections[i] = log_in(conninfo);
        before = cpu_seconds();
        for (long i = 0; i < n; i++) {
                wait_for_next(&next, every_usec);
                ask(connections[i % n_connections]);
        }
        printf("{\"answered\": %ld, \"asking_cpu_seconds\": %.6f, ", n, cpu_seconds() - before);
        for (long i = 0; i < n_connections; i++)
                PQfinish(connections[i]);
        free(connections);
}

static void log_in_and_out(const char *conninfo, long n, long every_usec) {
        struct timespec next = {0};

        for (long i = 0; i < n; i++) {
                PGconn *connection;

                wait_for_next(&next, every_usec);
                connection = log_in(conninfo);
                ask(connection);
                PQfinish(connection);
        }
        printf("{\"answered\": %ld, \"asking_cpu_seconds\": %.6f, ", n, cpu_seconds());
}

static unsigned long memory_kb(const char *field) {
        FILE *file = fopen("/proc/self/status", "re");
        unsigned long value = 0;
        char line[256];

        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, field, strlen(field)) == 0)
                        value = strtoul(line + strlen(field), NULL, 10);
        if (file)
                fclose(file);
        return value;
}

/* What was found is kept, in a file that outlives a crash. */
static sqlite3 *write_row(const char *path) {
        static const char row[] = "PRAGMA journal_mode = WAL; CREATE TABLE answer (at INTEGER, text TEXT); INSERT INTO answer VALUES (1, 'ok')";
        sqlite3 *history = NULL;

        if (sqlite3_open(path, &history) == SQLITE_OK && sqlite3_exec(history, row, NULL, NULL, NULL) == SQLITE_OK)
                return history;
        fprintf(stderr, "bare: %s: %s\n", path, sqlite3_errmsg(history));
        exit(1);
}

static int measure_memory(const char *conninfo, const char *path) {
        PGconn *connection = log_in(conninfo);
        sqlite3 *history = write_row(path);

        ask(connection);
        printf("{\"rss_kb\": %lu, \"anon_kb\": %lu}\n", memory_kb("VmRSS:"), memory_kb("RssAnon:"));
        PQfinish(connection);
        sqlite3_close(history);
        return 0;
}

static int usage(void) {
        fputs("usage: bare login|ping N CONNINFO [CONNECTIONS [EVERY]] | memory CONNINFO FILE ($PROBE_QUERY: what to ask)\n", stderr);
        return 64;
}

int main(int argc, char **argv) {
        const char *environment = getenv("PROBE_QUERY");
        long n, n_connections, every_usec;

        query = environment ? environment : "SELECT 1";
        if (argc == 4 && strcmp(argv[1], "memory") == 0)
                return measure_memory(argv[2], argv[3]);
        if (argc < 4 || argc > 6)
                return usage();
        n = strtol(argv[2], NULL, 10);
        n_connections = argc >= 5 ? strtol(argv[4], NULL, 10) : 1;
        every_usec = argc == 6 ? strtol(argv[5], NULL, 10) : 0;
        if (n_connections < 1 || every_usec < 0)
                return usage();
        if (strcmp(argv[1], "login") == 0)
                log_in_and_out(argv[3], n, every_usec);
        else if (strcmp(argv[1], "ping") == 0)
                ask_in_turn(argv[3], n, n_connections, every_usec);
        else
                return usage();
        printf("\"cpu_seconds\": %.6f}\n", cpu_seconds());
        return 0;
}
