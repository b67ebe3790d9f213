/*
 * ./dev simulate: worlds from seeds, or scenarios from files, until one breaks an invariant. The breach is printed as a scenario that is as
 * small as possible.
 */
#include "base/log.h"
#include "base/random.h"
#include "rows.h"
#include "scenario.h"
#include "seeds.h"
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* One test, in TAP; returns whether it passes. */
static bool run_scenario(unsigned number, const char *path, bool trace) {
        struct plan_of_world plan;
        struct outcome outcome = {0};
        int r = scenario_read(path, &plan);

        if (r == 0)
                world_run(&plan, trace, &outcome);
        plan_deinit(&plan);
        (void)printf("%s %u - %s\n", r == 0 && !outcome.breach.broken ? "ok" : "not ok", number, base_name(path));
        if (outcome.breach.broken)
                (void)printf("# line %u, %s: %s\n", outcome.breach.line, invariant_name(outcome.breach.invariant), outcome.breach.text);
        return r == 0 && !outcome.breach.broken;
}

/* The scenarios together use every row of the state table. */
static bool run_rows(unsigned number) {
        struct buffer missing = {0};
        unsigned n = rows_print_missing(&missing);

        (void)printf("%s %u - every row of the state table is walked\n%s", n == 0 ? "ok" : "not ok", number, missing.data ? missing.data : "");
        buffer_deinit(&missing);
        return n == 0;
}

static int run_scenarios(bool trace, bool rows, char *const *paths, unsigned n) {
        bool good = true;

        (void)printf("1..%u\n", n + rows);
        for (unsigned i = 0; i < n; i++)
                good &= run_scenario(i + 1, paths[i], trace);
        if (rows)
                good &= run_rows(n + 1);
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void help(FILE *stream) {
        (void)fprintf(stream, "simulate [--seed N] [--days D] [--worlds W] [--seconds S] [--jobs N] [--go-on]\n"
                              "         [--each N] [--trace] [--whole] [--without INVARIANT] [--only INVARIANT] [SCENARIO...]\n\n"
                              "Runs W worlds of D days from seed N on (a new seed each time by default), for S seconds at most, on N processors\n"
                              "(all by default), until one breaks an invariant (--go-on: all, the first of each kind explained, or --each so\n"
                              "many). Scenarios are run instead if some are named, and with --rows must walk every row of the state table. --trace tells every change; --whole explains a breach with all\n"
                              "of its world. Invariants:\n");
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
static int read_options(int argc, char **argv, struct seeds_options *options) {
        static const struct option rows[] = {
                {"seed", required_argument, NULL, 's'},    {"days", required_argument, NULL, 'd'},
                {"worlds", required_argument, NULL, 'w'},  {"seconds", required_argument, NULL, 't'},
                {"jobs", required_argument, NULL, 'j'},    {"each", required_argument, NULL, 'e'},
                {"go-on", no_argument, NULL, 'g'},         {"trace", no_argument, NULL, 'v'},
                {"whole", no_argument, NULL, 'f'},         {"without", required_argument, NULL, 'x'},
                {"rows", no_argument, NULL, 'r'},
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
                else if (c == 'j')
                        options->jobs = (unsigned)strtoul(optarg, NULL, 10);
                else if (c == 'e')
                        options->each = (unsigned)strtoul(optarg, NULL, 10);
                else if (c == 'g')
                        options->goes_on = true;
                else if (c == 'v')
                        options->trace = true;
                else if (c == 'r')
                        options->rows = true;
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
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        struct seeds_options options = {.seed = random_seed() % 1000000,
                                        .days = 30,
                                        .worlds = 100,
                                        .each = 1,
                                        .jobs = processors > 0 ? (unsigned)processors : 1,
                                        .shrinks = true};
        int r = read_options(argc, argv, &options);

        if (r > 0)
                return r - 1;
        /* The daemon's own log is not needed: everything important is asserted. */
        log_open(LOG_FORMAT_LOGFMT, LOG_EMERG);
        if (optind < argc)
                return run_scenarios(options.trace, options.rows, argv + optind, (unsigned)(argc - optind));
        return seeds_run(&options);
}
