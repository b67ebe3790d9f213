/*
 * ./dev simulate: worlds from seeds, or scenarios from files, until one breaks an invariant. What breaks is printed as a scenario, as small
 * as it could be made.
 */
#include "base/duration.h"
#include "base/log.h"
#include "base/random.h"
#include "clocks.h"
#include "generate.h"
#include "scenario.h"
#include "shrink.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct options {
        uint64_t seed;
        uint64_t days, worlds;
        uint64_t seconds; /* 0: as long as it takes */
        unsigned each; /* so many breaches of an invariant are explained */
        bool goes_on, trace, shrinks;
};

struct totals {
        uint64_t worlds, broken, steps, simulated_usec, digest;
        uint64_t broken_by[_INVARIANT_MAX];
};

/* The one place that looks at the machine's own clocks: for how long a run took, and how much of a processor. */
static double seconds_on(clockid_t clock) {
        struct timespec ts;

        (void)clock_gettime(clock, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void tell_breach(const struct plan_of_world *plan, const struct breach *found) {
        struct buffer text = {0};

        scenario_print_time(found->at_usec, &text);
        (void)printf("BROKEN %s at %s: %s\n", invariant_name(found->invariant), text.data, found->text);
        (void)printf("  %s\n", invariant_sentence(found->invariant));
        buffer_clear(&text);
        scenario_print(plan, &text);
        (void)printf("%s", text.data);
        buffer_deinit(&text);
}

static void explain(const struct options *options, struct plan_of_world *plan, struct breach found) {
        struct outcome outcome = {.breach = found};

        if (options->shrinks) {
                shrink_world(plan, &found);
                world_run(plan, options->trace, &outcome);
        }
        tell_breach(plan, &outcome.breach);
}

static void count(struct totals *totals, const struct plan_of_world *plan, const struct outcome *outcome) {
        totals->worlds++;
        totals->steps += outcome->steps;
        totals->digest = totals->digest * UINT64_C(0x100000001b3) ^ outcome->digest;
        totals->simulated_usec += outcome->breach.broken ? outcome->breach.at_usec : plan->length_usec;
        totals->broken += outcome->breach.broken;
        totals->broken_by[outcome->breach.invariant] += outcome->breach.broken;
}

static void run_seed(const struct options *options, uint64_t seed, struct totals *totals) {
        struct plan_of_world plan;
        struct outcome outcome;
        bool first;

        generate_world(seed, options->days * USEC_PER_DAY, &plan);
        world_run(&plan, options->trace && !options->shrinks, &outcome);
        first = outcome.breach.broken && totals->broken_by[outcome.breach.invariant] < options->each;
        count(totals, &plan, &outcome);
        if (first) {
                (void)printf("\n# seed %llu\n", (unsigned long long)seed);
                explain(options, &plan, outcome.breach);
                (void)fflush(stdout);
        }
        plan_deinit(&plan);
}

static void tell_totals(const struct options *options, const struct totals *totals, double took) {
        double days = (double)totals->simulated_usec / (double)USEC_PER_DAY, busy = seconds_on(CLOCK_PROCESS_CPUTIME_ID);

        for (unsigned i = 0; i < _INVARIANT_MAX; i++)
                if (totals->broken_by[i] > 0)
                        (void)printf("%8llu worlds break %s: %s\n", (unsigned long long)totals->broken_by[i], invariant_name(i),
                                     invariant_sentence(i));
        (void)printf("%llu worlds from seed %llu, %.0f days in %.1f s (%.2f ms of CPU a day, %.2f million steps a second), %llu broken, "
                     "digest %016llx\n",
                     (unsigned long long)totals->worlds, (unsigned long long)options->seed, days, took, 1000 * busy / days,
                     (double)totals->steps / busy / 1e6, (unsigned long long)totals->broken, (unsigned long long)totals->digest);
}

static int run_seeds(const struct options *options) {
        struct totals totals = {0};
        double began = seconds_on(CLOCK_MONOTONIC);

        for (uint64_t i = 0; i < options->worlds; i++) {
                if (options->seconds && seconds_on(CLOCK_MONOTONIC) - began >= (double)options->seconds)
                        break;
                run_seed(options, options->seed + i, &totals);
                if (totals.broken > 0 && !options->goes_on)
                        break;
        }
        tell_totals(options, &totals, seconds_on(CLOCK_MONOTONIC) - began);
        return totals.broken > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* TAP, one test a file. */
static int run_scenarios(const struct options *options, char *const *paths, int n) {
        int failed = 0;

        (void)printf("1..%d\n", n);
        for (int i = 0; i < n; i++) {
                struct plan_of_world plan;
                struct outcome outcome = {0};
                const char *slash = strrchr(paths[i], '/'), *name = slash ? slash + 1 : paths[i];
                int r = scenario_read(paths[i], &plan);

                if (r == 0)
                        world_run(&plan, options->trace, &outcome);
                plan_deinit(&plan);
                if (r == 0 && !outcome.breach.broken) {
                        (void)printf("ok %d - %s\n", i + 1, name);
                        continue;
                }
                failed++;
                (void)printf("not ok %d - %s\n", i + 1, name);
                if (r == 0)
                        (void)printf("# line %u, %s: %s\n", outcome.breach.line, invariant_name(outcome.breach.invariant),
                                     outcome.breach.text);
        }
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void help(FILE *stream) {
        (void)fprintf(stream, "simulate [--seed N] [--days D] [--worlds W] [--seconds S] [--go-on] [--trace] [--whole]\n"
                              "         [--without INVARIANT] [--only INVARIANT] [SCENARIO...]\n\n"
                              "Runs W worlds of D days from seed N on (a new seed each time by default), for S seconds at most, until one\n"
                              "breaks an invariant (--go-on: all, the first of each kind explained). Scenarios are run instead if some are\n"
                              "named. --trace tells every change; --whole explains a breach with all of its world. Invariants:\n");
        for (unsigned i = 0; i < _INVARIANT_MAX; i++)
                (void)fprintf(stream, "  %-12s %s\n", invariant_name(i), invariant_sentence(i));
}

static bool choose_invariant(const char *name, bool only) {
        static bool chosen;
        enum invariant invariant = invariant_from_name(name);

        if (invariant == _INVARIANT_MAX) {
                (void)fprintf(stderr, "there is no invariant '%s'\n", name);
                return false;
        }
        if (!only)
                invariants_asserted &= ~(1u << invariant);
        else if (chosen)
                invariants_asserted |= 1u << invariant;
        else
                invariants_asserted = 1u << invariant;
        chosen = true;
        return true;
}

/* 0, or the exit code + 1. */
static int read_options(int argc, char **argv, struct options *options) {
        static const struct option rows[] = {
                {"seed", required_argument, NULL, 's'},    {"days", required_argument, NULL, 'd'},
                {"worlds", required_argument, NULL, 'w'},  {"seconds", required_argument, NULL, 't'},
                {"go-on", no_argument, NULL, 'g'}, {"each", required_argument, NULL, 'e'},{"trace", no_argument, NULL, 'v'},
                {"whole", no_argument, NULL, 'f'},         {"without", required_argument, NULL, 'x'},
                {"only", required_argument, NULL, 'o'},    {"help", no_argument, NULL, 'h'},
                {0},
        };

        for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) >= 0;) {
                if (c == 's')
                        options->seed = strtoull(optarg, NULL, 10);
                else if (c == 'd')
                        options->days = strtoull(optarg, NULL, 10);
                else if (c == 'w')
                        options->worlds = strtoull(optarg, NULL, 10);
                else if (c == 't')
                        options->seconds = strtoull(optarg, NULL, 10);
                else if (c == 'e')
                        options->each = (unsigned)strtoul(optarg, NULL, 10);
                else if (c == 'g')
                        options->goes_on = true;
                else if (c == 'v')
                        options->trace = true;
                else if (c == 'f')
                        options->shrinks = false;
                else if ((c == 'x' || c == 'o') && choose_invariant(optarg, c == 'o'))
                        continue;
                else {
                        help(c == 'h' ? stdout : stderr);
                        return 1 + (c == 'h' ? EXIT_SUCCESS : 64);
                }
        }
        return 0;
}

int main(int argc, char **argv) {
        struct options options = {.seed = random_seed() % 1000000, .days = 30, .worlds = 100, .each = 1, .shrinks = true};
        int r = read_options(argc, argv, &options);

        if (r > 0)
                return r - 1;
        /* The daemon's own log says nothing here: what matters is asserted. */
        log_open(LOG_FORMAT_LOGFMT, LOG_EMERG);
        if (optind < argc)
                return run_scenarios(&options, argv + optind, argc - optind);
        return run_seeds(&options);
}
