/* Delta debugging (Zeller, Hildebrandt 2002) on happenings, then settings, databases and servers one by one. */
#include "shrink.h"

#include "base/text.h"
#include "clocks.h"

#include <time.h>

/* Happenings after the breach do not matter. */
#define AFTERMATH_USEC USEC_PER_SEC

/* The runs and the time spent on one world: minutes would not make it much smaller. */
#define RUNS_MAX 500
#define SECONDS_MAX 20
static unsigned runs_left;
static time_t ends;

static bool breaks_still(const struct plan_of_world *plan, enum invariant invariant) {
        struct outcome outcome;

        if (runs_left == 0 || time(NULL) > ends)
                return false;
        runs_left--;
        world_run(plan, false, &outcome);
        return outcome.breach.broken && outcome.breach.invariant == invariant;
}

/* CANDIDATE replaces PLAN if it breaks the same invariant; it is freed in any case. */
static bool take_if_broken(struct plan_of_world *plan, struct plan_of_world *candidate, enum invariant invariant) {
        if (breaks_still(candidate, invariant)) {
                plan_deinit(plan);
                *plan = *candidate;
                return true;
        }
        plan_deinit(candidate);
        return false;
}

static void cut_end(struct plan_of_world *plan, uint64_t at_usec) {
        plan->length_usec = MIN(plan->length_usec, at_usec + AFTERMATH_USEC);
        while (plan->n_happenings > 0 && plan->happenings[plan->n_happenings - 1].at_usec > plan->length_usec)
                plan->n_happenings--;
}

static bool drop_happenings(struct plan_of_world *plan, size_t from, size_t n, enum invariant invariant) {
        struct plan_of_world candidate;

        plan_copy(plan, &candidate);
        memmove(candidate.happenings + from, candidate.happenings + from + n,
                (candidate.n_happenings - from - n) * sizeof(*candidate.happenings));
        candidate.n_happenings -= n;
        return take_if_broken(plan, &candidate, invariant);
}

static void shrink_happenings(struct plan_of_world *plan, enum invariant invariant) {
        for (size_t n = plan->n_happenings; n > 0; n /= 2)
                for (size_t end = plan->n_happenings; end >= n;) {
                        size_t from = end - n;

                        (void)drop_happenings(plan, from, n, invariant);
                        end = MIN(from, plan->n_happenings);
                }
}

static void shrink_settings(struct plan_of_world *plan, enum invariant invariant) {
        for (unsigned d = 0; d < plan->n_databases; d++)
                for (unsigned s = plan->databases[d].n_settings; s-- > 0;) {
                        struct plan_of_world candidate;
                        struct planned_database *database = &candidate.databases[d];

                        plan_copy(plan, &candidate);
                        database->n_settings--;
                        memmove(database->settings + s, database->settings + s + 1,
                                (database->n_settings - s) * sizeof(*database->settings));
                        (void)take_if_broken(plan, &candidate, invariant);
                }
}

/* Drops all mentions of NAME too. */
static void drop_mentions(struct plan_of_world *plan, const char *name) {
        size_t kept = 0;

        for (size_t i = 0; i < plan->n_happenings; i++)
                if (!streq(plan->happenings[i].database, name) && !streq(plan->happenings[i].server, name))
                        plan->happenings[kept++] = plan->happenings[i];
        plan->n_happenings = kept;
}

static void shrink_databases(struct plan_of_world *plan, enum invariant invariant) {
        for (unsigned d = plan->n_databases; d-- > 0;) {
                struct plan_of_world candidate;

                plan_copy(plan, &candidate);
                drop_mentions(&candidate, plan->databases[d].name);
                candidate.n_databases--;
                memmove(candidate.databases + d, candidate.databases + d + 1, (candidate.n_databases - d) * sizeof(*candidate.databases));
                (void)take_if_broken(plan, &candidate, invariant);
        }
}

static bool is_used(const struct plan_of_world *plan, unsigned server) {
        for (unsigned d = 0; d < plan->n_databases; d++)
                if (plan->databases[d].server == server || plan->databases[d].other == server)
                        return true;
        return false;
}

static void close_gap(unsigned *server, unsigned gone) {
        if (*server > gone && *server < SERVERS_MAX)
                (*server)--;
}

static void shrink_servers(struct plan_of_world *plan, enum invariant invariant) {
        for (unsigned s = plan->n_servers; s-- > 0;) {
                struct plan_of_world candidate;

                if (is_used(plan, s))
                        continue;
                plan_copy(plan, &candidate);
                drop_mentions(&candidate, plan->servers[s].name);
                candidate.n_servers--;
                memmove(candidate.servers + s, candidate.servers + s + 1, (candidate.n_servers - s) * sizeof(*candidate.servers));
                for (unsigned d = 0; d < candidate.n_databases; d++) {
                        close_gap(&candidate.databases[d].server, s);
                        close_gap(&candidate.databases[d].other, s);
                }
                (void)take_if_broken(plan, &candidate, invariant);
        }
}

/* Rounds times to the minute or second, for the reader, if the same invariant still breaks. */
static void round_times(struct plan_of_world *plan, uint64_t unit_usec, enum invariant invariant) {
        for (size_t i = 0; i < plan->n_happenings; i++) {
                struct plan_of_world candidate;
                struct happening *happening;

                plan_copy(plan, &candidate);
                happening = &candidate.happenings[i];
                happening->at_usec -= happening->at_usec % unit_usec;
                if (happening->usec > unit_usec)
                        happening->usec -= happening->usec % unit_usec;
                plan_sort(&candidate);
                (void)take_if_broken(plan, &candidate, invariant);
        }
}

static void round_length(struct plan_of_world *plan, enum invariant invariant) {
        struct outcome outcome;

        world_run(plan, false, &outcome);
        if (outcome.breach.broken && outcome.breach.invariant == invariant)
                plan->length_usec = (outcome.breach.at_usec / USEC_PER_SEC + 1) * USEC_PER_SEC;
}

void shrink_world(struct plan_of_world *plan, const struct breach *found) {
        struct plan_of_world candidate;

        runs_left = RUNS_MAX;
        ends = time(NULL) + SECONDS_MAX;
        plan_copy(plan, &candidate);
        cut_end(&candidate, found->at_usec);
        (void)take_if_broken(plan, &candidate, found->invariant);
        /* Databases first: each one dropped makes every later run cheaper. */
        for (unsigned round = 0; round < 2; round++) {
                shrink_databases(plan, found->invariant);
                shrink_servers(plan, found->invariant);
                shrink_happenings(plan, found->invariant);
                shrink_settings(plan, found->invariant);
        }
        round_times(plan, USEC_PER_SEC, found->invariant);
        round_times(plan, USEC_PER_MINUTE, found->invariant);
        round_length(plan, found->invariant);
}
