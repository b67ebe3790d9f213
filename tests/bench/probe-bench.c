/*
 * The floor of the measures: what a check costs in our probers, against the barest use of libpq that asks the same.
 *
 *     probe-bench login|ping N CONNINFO [DATABASES]    N checks through probe_pool, of DATABASES at a time (64)
 *     bare-bench  login|ping N CONNINFO [DATABASES]    connect, ask, close; or ask on DATABASES connections in turn (1): N times, blocking
 *
 * One program under two names. Prints one line: the CPU time of this process (user and system, all threads) for one check in microseconds,
 * and the time that passed. The start, and for ping the logins before it, are not counted.
 */
#include "base/clock.h"
#include "base/macro.h"
#include "probe/pool.h"
#include "probe/query.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <sys/resource.h>

#define DATABASES_DEFAULT 64
#define N_PROBERS 2
#define TIMEOUT_USEC (60 * USEC_PER_SEC)

struct bench {
        sd_event *event;
        struct probe_pool *pool;
        struct conninfo *conninfo;
        enum check check;
        bool hold;
        unsigned long wanted, started, ended;
        uint64_t attempt;
};

struct measure {
        uint64_t cpu_usec, at_usec;
};

static _Noreturn void die(const char *what, const char *detail) {
        (void)fprintf(stderr, "%s: %s\n", what, detail);
        exit(1);
}

static struct measure measure(void) {
        struct rusage usage;

        (void)getrusage(RUSAGE_SELF, &usage);
        return (struct measure){
                .cpu_usec = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
                            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
                .at_usec = clock_monotonic_usec(),
        };
}

static void print(const char *what, const char *check, unsigned long n, struct measure begin) {
        struct measure end = measure();

        (void)printf("%s %s: %lu checks, %.2f us CPU each, %.2f us each\n", what, check, n,
                     (double)(end.cpu_usec - begin.cpu_usec) / (double)n, (double)(end.at_usec - begin.at_usec) / (double)n);
}

static void bare_ask(PGconn *pg) {
        PGresult *result = PQexec(pg, query_text(false));

        if (PQresultStatus(result) != PGRES_TUPLES_OK)
                die("query", PQerrorMessage(pg));
        PQclear(result);
}

static PGconn *bare_login(const char *conninfo) {
        PGconn *pg = PQconnectdb(conninfo);

        if (PQstatus(pg) != CONNECTION_OK)
                die("login", PQerrorMessage(pg));
        return pg;
}

static void bare_logins(unsigned long n, const char *conninfo) {
        struct measure begin = measure();

        for (unsigned long i = 0; i < n; i++) {
                PGconn *pg = bare_login(conninfo);

                bare_ask(pg);
                PQfinish(pg);
        }
        print("bare", "login", n, begin);
}

/* One connection alone has everything in the caches; many are what a prober has to do with. */
static void bare_pings(unsigned long n, const char *conninfo, unsigned long databases) {
        PGconn **connections = calloc(databases, sizeof(*connections));
        struct measure begin;

        if (!connections)
                die("memory", "exhausted");
        for (unsigned long i = 0; i < databases; i++)
                connections[i] = bare_login(conninfo);
        begin = measure();
        for (unsigned long i = 0; i < n; i++)
                bare_ask(connections[i % databases]);
        print("bare", "ping", n, begin);
        for (unsigned long i = 0; i < databases; i++)
                PQfinish(connections[i]);
        free(connections);
}

/* As the loader makes it, but without its rules: what is measured comes behind. */
static struct conninfo *read_conninfo(const char *text) {
        PQconninfoOption *options = PQconninfoParse(text, NULL);
        struct conninfo *conninfo = calloc(1, sizeof(*conninfo));
        size_t n = 1;

        if (!options || !conninfo)
                die("conninfo", text);
        for (const PQconninfoOption *option = options; option->keyword; option++)
                n++;
        conninfo->keywords = calloc(n, sizeof(*conninfo->keywords));
        conninfo->values = calloc(n, sizeof(*conninfo->values));
        conninfo->notes = calloc(n, sizeof(*conninfo->notes));
        atomic_init(&conninfo->references, 1);
        for (PQconninfoOption *option = options; option->keyword; option++) {
                if (!option->val)
                        continue;
                if (streq(option->keyword, "password")) {
                        conninfo->password = steal_pointer(&option->val);
                        continue;
                }
                conninfo->keywords[conninfo->n] = option->keyword;
                conninfo->values[conninfo->n++] = steal_pointer(&option->val);
        }
        return conninfo; /* the keywords' names stay with `options` */
}

static void start_check(struct bench *bench, uint64_t database) {
        const struct probe_request request = {
                .database = database,
                .attempt = ++bench->attempt,
                .check = bench->check,
                .conninfo = bench->conninfo,
                .provider = provider_by_name("postgres"),
                .timeout_usec = TIMEOUT_USEC,
                .hold_session = bench->hold,
        };

        if (probe_pool_check(bench->pool, &request) < 0)
                die("check", "could not be started");
        bench->started++;
}

/* Each database that answered is asked again, until all checks are asked. */
static void on_report(void *userdata, const struct probe_report *report) {
        struct bench *bench = userdata;

        if (report->attempt.reason != REASON_NONE)
                die(reason_slug(report->attempt.reason), report->attempt.detail);
        bench->ended++;
        if (bench->started < bench->wanted)
                start_check(bench, report->database);
}

static void run(struct bench *bench, enum check check, unsigned long n, unsigned long databases) {
        bench->check = check;
        bench->wanted = n;
        bench->started = bench->ended = 0;
        for (uint64_t database = 1; database <= databases && bench->started < n; database++)
                start_check(bench, database);
        while (bench->ended < n)
                if (sd_event_run(bench->event, UINT64_MAX) < 0)
                        die("loop", "failed");
}

static void probe_run(enum check check, unsigned long n, const char *conninfo, unsigned long databases) {
        struct bench bench = { .hold = check == CHECK_PING, .conninfo = read_conninfo(conninfo) };
        struct measure begin;

        if (sd_event_new(&bench.event) < 0 || probe_pool_new(bench.event, N_PROBERS, on_report, &bench, &bench.pool) < 0)
                die("pool", "could not be made");
        run(&bench, CHECK_LOGIN, databases, databases);
        begin = measure();
        run(&bench, check, n, databases);
        print("probe", check_name(check), n, begin);
        bench.pool = probe_pool_free(bench.pool, USEC_PER_SEC);
        (void)sd_event_unref(bench.event);
        (void)conninfo_unref(bench.conninfo);
}

int main(int argc, char **argv) {
        bool bare = strstr(argv[0], "bare-bench");
        unsigned long n = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
        unsigned long databases = argc > 4 ? strtoul(argv[4], NULL, 10) : bare ? 1 : DATABASES_DEFAULT;

        if (argc < 4 || argc > 5 || n == 0 || databases == 0 || !(streq(argv[1], "login") || streq(argv[1], "ping"))) {
                (void)fprintf(stderr, "usage: %s login|ping N CONNINFO [DATABASES]\n", argv[0]);
                return 64;
        }
        if (!bare)
                probe_run(streq(argv[1], "login") ? CHECK_LOGIN : CHECK_PING, n, argv[3], databases);
        else if (streq(argv[1], "login"))
                bare_logins(n, argv[3]);
        else
                bare_pings(n, argv[3], databases);
        return 0;
}
