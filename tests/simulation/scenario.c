#include "scenario.h"

#include "base/duration.h"
#include "base/text.h"
#include "clocks.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define WORDS_MAX 24
/* A world goes on for a while after its last line. */
#define AFTERMATH_USEC USEC_PER_SEC

struct reader {
        struct plan_of_world *plan;
        const char *path;
        unsigned line;
        uint64_t at_usec; /* the time of the previous line */
        struct planned_database *database; /* the settings that follow are its */
};

static int complain(const struct reader *reader, const char *text) {
        (void)fprintf(stderr, "%s:%u: %s\n", reader->path, reader->line, text);
        return -EINVAL;
}

/* -- time -------------------------------------------------------------------------------------------------------------------------------- */

/* Parses "10:00" or "10:00:05.25": the time since midnight. */
static bool read_clock(const char *word, uint64_t *ret_usec) {
        unsigned hours, minutes;
        double seconds = 0;
        int n = sscanf(word, "%u:%u:%lf", &hours, &minutes, &seconds);

        if (n < 2 || minutes > 59 || seconds < 0 || seconds >= 60)
                return false;
        *ret_usec = (hours * 60 + minutes) * USEC_PER_MINUTE + (uint64_t)(seconds * 1e6 + 0.5);
        return true;
}

void scenario_print_time(uint64_t usec, struct buffer *buffer) {
        uint64_t day = usec / USEC_PER_DAY, rest = usec % USEC_PER_DAY;

        if (day > 0)
                buffer_printf(buffer, "day %llu ", (unsigned long long)day + 1);
        buffer_printf(buffer, "%02llu:%02llu:%02llu", (unsigned long long)(rest / USEC_PER_HOUR),
                      (unsigned long long)(rest / USEC_PER_MINUTE % 60), (unsigned long long)(rest / USEC_PER_SEC % 60));
        if (rest % USEC_PER_SEC)
                buffer_printf(buffer, ".%06llu", (unsigned long long)(rest % USEC_PER_SEC));
}

/* -- words ------------------------------------------------------------------------------------------------------------------------------- */

static unsigned split(char *line, char *words[WORDS_MAX]) {
        unsigned n = 0;

        for (char *word = strtok(line, " \t\r\n"); word && n < WORDS_MAX; word = strtok(NULL, " \t\r\n"))
                words[n++] = word;
        return n;
}

static bool read_time(char *const *words, unsigned n, uint64_t *ret_usec) {
        return n == 1 && duration_parse(words[0], ret_usec) == 0;
}

/* "asleep", "up 3d", "wakes in 600ms", "suspends after 5min", "answers in 3ms" */
static bool read_property(struct planned_server *server, char *const *words, unsigned n, unsigned *ret_taken) {
        *ret_taken = 1;
        if (streq(words[0], "asleep") || streq(words[0], "stopped")) {
                server->age_usec = 0;
                return true;
        }
        *ret_taken = 2;
        if (streq(words[0], "up"))
                return n > 1 && read_time(words + 1, 1, &server->age_usec);
        *ret_taken = 3;
        if (n < 3)
                return false;
        if (streq(words[0], "wakes"))
                return read_time(words + 2, 1, &server->wake_usec);
        if (streq(words[0], "suspends"))
                return read_time(words + 2, 1, &server->suspend_after_usec);
        return streq(words[0], "answers") && read_time(words + 2, 1, &server->latency_usec);
}

/* "server NAME KIND PROPERTY..." */
static int read_server(struct reader *reader, char *const *words, unsigned n) {
        enum server_kind kind = n > 2 ? server_kind_from_name(words[2]) : _SERVER_KIND_MAX;
        struct planned_server *server;

        if (kind == _SERVER_KIND_MAX || reader->plan->n_servers == SERVERS_MAX)
                return complain(reader, "expected: server NAME plain|standby|neon|neon-pooled|aurora|supabase");
        server = plan_add_server(reader->plan, words[1], kind);
        for (unsigned i = 3, taken; i < n; i += taken)
                if (!read_property(server, words + i, n - i, &taken))
                        return complain(reader, "a property of this server is not understood");
        return 0;
}

/* "database NAME on SERVER", "... on SERVER and SERVER", "... later" */
static int read_database(struct reader *reader, char *const *words, unsigned n) {
        unsigned server = n > 3 && streq(words[2], "on") ? plan_server(reader->plan, words[3]) : SERVERS_MAX;

        if (server == SERVERS_MAX || reader->plan->n_databases == DATABASES_MAX)
                return complain(reader, "expected: database NAME on SERVER");
        reader->database = plan_add_database(reader->plan, words[1], server);
        if (n > 5 && streq(words[4], "and"))
                reader->database->other = plan_server(reader->plan, words[5]);
        reader->database->later = streq(words[n - 1], "later");
        return 0;
}

/* A setting is indented below its database. */
static int read_setting(struct reader *reader, char *const *words, unsigned n) {
        if (!reader->database || n != 2 || !settings_accept(words[0], words[1]))
                return complain(reader, "expected: a setting of the database above and its value");
        plan_set(reader->database, words[0], words[1]);
        return 0;
}

/* "world begins 2026-11-30 23:00" */
static int read_world(struct reader *reader, char *const *words, unsigned n) {
        struct tm tm = {0};
        uint64_t usec;

        if (n == 4 && streq(words[1], "begins") && strptime(words[2], "%Y-%m-%d", &tm) && read_clock(words[3], &usec)) {
                reader->plan->begins_real_usec = (uint64_t)timegm(&tm) * USEC_PER_SEC + usec;
                return 0;
        }
        if (n == 3 && streq(words[1], "lasts") && duration_parse(words[2], &reader->plan->length_usec) == 0)
                return 0;
        return complain(reader, "expected: world begins DATE TIME, or: world lasts TIME");
}

static int read_happening(struct reader *reader, char *const *words, unsigned n) {
        struct happening happening = {.at_usec = reader->at_usec, .line = reader->line};
        struct buffer text = {0};
        bool understood;

        for (unsigned i = 0; i < n; i++)
                buffer_printf(&text, "%s%s", i > 0 ? " " : "", words[i]);
        understood = happening_parse(text.data ? text.data : "", &happening);
        buffer_deinit(&text);
        if (!understood)
                return complain(reader, "nothing happens that is said so");
        if ((*happening.database && plan_database(reader->plan, happening.database) == DATABASES_MAX) ||
            (*happening.server && plan_server(reader->plan, happening.server) == SERVERS_MAX))
                return complain(reader, "there is no database or server of this name");
        (void)plan_add(reader->plan, &happening);
        return 0;
}

/* "at [day 2] 10:00 ...", "after 5s ...", "time passes 3h" */
static int read_timed(struct reader *reader, char *const *words, unsigned n) {
        uint64_t day = 1, usec;
        unsigned taken = 1;

        if (streq(words[0], "time") && n == 3 && streq(words[1], "passes") && duration_parse(words[2], &usec) == 0) {
                reader->at_usec += usec;
                return 0;
        }
        if (streq(words[0], "after") && n > 2 && duration_parse(words[1], &usec) == 0) {
                reader->at_usec += usec;
                return read_happening(reader, words + 2, n - 2);
        }
        if (!streq(words[0], "at"))
                return read_happening(reader, words, n);
        if (n > 3 && streq(words[1], "day")) {
                day = strtoull(words[2], NULL, 10);
                taken = 3;
        }
        if (n <= taken + 1 || day == 0 || !read_clock(words[taken], &usec))
                return complain(reader, "expected: at [day N] HH:MM[:SS] and what happens then");
        reader->at_usec = (day - 1) * USEC_PER_DAY + usec;
        return read_happening(reader, words + taken + 1, n - taken - 1);
}

static int read_line(struct reader *reader, char *line) {
        bool indented = *line == ' ' || *line == '\t';
        char *words[WORDS_MAX];
        unsigned n;

        line[strcspn(line, "#")] = '\0';
        n = split(line, words);
        if (n == 0)
                return 0;
        if (indented)
                return read_setting(reader, words, n);
        if (streq(words[0], "world"))
                return read_world(reader, words, n);
        if (streq(words[0], "attempts_in_flight") && n == 2) {
                reader->plan->attempts_in_flight = (unsigned)strtoul(words[1], NULL, 10);
                return 0;
        }
        if (streq(words[0], "history_read_after") && n == 2 && duration_parse(words[1], &reader->plan->history_late_usec) == 0)
                return 0;
        /* Happenings of a server begin with the same word. */
        if (streq(words[0], "server") && n > 2 && server_kind_from_name(words[2]) != _SERVER_KIND_MAX)
                return read_server(reader, words, n);
        if (streq(words[0], "database"))
                return read_database(reader, words, n);
        return read_timed(reader, words, n);
}

int scenario_read(const char *path, struct plan_of_world *ret_plan) {
        struct reader reader = {.plan = ret_plan, .path = path};
        FILE *file = fopen(path, "re");
        char line[512];
        int r = 0;

        plan_init(ret_plan);
        if (!file)
                return complain(&reader, "cannot be read");
        while (r == 0 && fgets(line, sizeof(line), file)) {
                reader.line++;
                r = read_line(&reader, line);
        }
        (void)fclose(file);
        plan_sort(ret_plan);
        ret_plan->length_usec = MAX(ret_plan->length_usec, reader.at_usec + AFTERMATH_USEC);
        return r;
}

/* -- the other way ------------------------------------------------------------------------------------------------------------------------- */

static void print_server(const struct planned_server *server, struct buffer *buffer) {
        char time[DURATION_MAX];

        buffer_printf(buffer, "server %s %s", server->name, server_kind_name(server->kind));
        if (server->age_usec == 0)
                buffer_append_string(buffer, server->suspend_after_usec ? " asleep" : " stopped");
        else
                buffer_printf(buffer, " up %s", duration_format(time, server->age_usec));
        if (server->wake_usec)
                buffer_printf(buffer, " wakes in %s", duration_format(time, server->wake_usec));
        if (server->suspend_after_usec)
                buffer_printf(buffer, " suspends after %s", duration_format(time, server->suspend_after_usec));
        buffer_printf(buffer, " answers in %s\n", duration_format(time, server->latency_usec));
}

static void print_database(const struct plan_of_world *plan, const struct planned_database *database, struct buffer *buffer) {
        buffer_printf(buffer, "database %s on %s", database->name, plan->servers[database->server].name);
        if (database->other < SERVERS_MAX)
                buffer_printf(buffer, " and %s", plan->servers[database->other].name);
        buffer_append_string(buffer, database->later ? " later\n" : "\n");
        for (unsigned i = 0; i < database->n_settings; i++)
                buffer_printf(buffer, "  %s %s\n", database->settings[i].key, database->settings[i].value);
}

static void print_world(const struct plan_of_world *plan, struct buffer *buffer) {
        time_t seconds = (time_t)(plan->begins_real_usec / USEC_PER_SEC);
        char begins[32], lasts[DURATION_MAX];
        struct tm tm;

        (void)gmtime_r(&seconds, &tm);
        (void)strftime(begins, sizeof(begins), "%Y-%m-%d %H:%M:%S", &tm);
        buffer_printf(buffer, "world begins %s\nworld lasts %s\nattempts_in_flight %u\n", begins, duration_format(lasts, plan->length_usec),
                      plan->attempts_in_flight);
        if (plan->history_late_usec)
                buffer_printf(buffer, "history_read_after %s\n", duration_format(lasts, plan->history_late_usec));
}

void scenario_print(const struct plan_of_world *plan, struct buffer *buffer) {
        print_world(plan, buffer);
        for (unsigned i = 0; i < plan->n_servers; i++)
                print_server(&plan->servers[i], buffer);
        for (unsigned i = 0; i < plan->n_databases; i++)
                print_database(plan, &plan->databases[i], buffer);
        for (size_t i = 0; i < plan->n_happenings; i++) {
                buffer_append_string(buffer, "at ");
                scenario_print_time(plan->happenings[i].at_usec, buffer);
                buffer_append_string(buffer, " ");
                happening_print(&plan->happenings[i], buffer);
                buffer_append_string(buffer, "\n");
        }
}
