/*
 * One process per processor; each takes the next seed from a shared counter, so that none waits for another. The result of a world does not
 * depend on the process that ran it, and neither does the sum.
 */
#include "seeds.h"

#include "base/duration.h"
#include "clocks.h"
#include "generate.h"
#include "scenario.h"
#include "shrink.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct totals {
        _Atomic uint64_t next;  /* the next world that no process has taken */
        _Atomic bool stops;     /* one broke its invariant, and that is enough */
        _Atomic uint64_t worlds, broken, steps, simulated_usec, digest;
        _Atomic uint64_t broken_by[_INVARIANT_MAX];
        double began, busy_before;
};

/* The only place that reads the machine's own clocks: how long a run took, and how much processor time. */
static double seconds_now(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Includes processes that ended before, even those of the program that executed this one. */
static double seconds_busy(void) {
        struct rusage usage;

        (void)getrusage(RUSAGE_CHILDREN, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool is_over(const struct seeds_options *options, const struct totals *totals) {
        return totals->stops || (options->seconds && seconds_now() - totals->began >= (double)options->seconds);
}

/* One write for everything, since other processes write too. */
static void tell_breach(const struct plan_of_world *plan, const struct breach *found) {
        struct buffer text = {0};

        buffer_printf(&text, "\n# seed %llu\nBROKEN %s at ", (unsigned long long)plan->seed, invariant_name(found->invariant));
        scenario_print_time(found->at_usec, &text);
        buffer_printf(&text, ": %s\n  %s\n", found->text, invariant_sentence(found->invariant));
        scenario_print(plan, &text);
        (void)fputs(text.data ? text.data : "", stdout);
        (void)fflush(stdout);
        buffer_deinit(&text);
}

static void explain(const struct seeds_options *options, struct plan_of_world *plan, struct breach found) {
        struct outcome outcome = {.breach = found};

        if (options->shrinks) {
                shrink_world(plan, &found);
                world_run(plan, options->trace, &outcome);
        }
        tell_breach(plan, outcome.breach.broken ? &outcome.breach : &found);
}

/* Returns whether it is among the first of its kind. */
static bool count(const struct seeds_options *options, struct totals *totals, const struct plan_of_world *plan, const struct outcome *outcome) {
        totals->worlds++;
        totals->steps += outcome->steps;
        totals->digest ^= outcome->digest * (2 * plan->seed + 1);
        totals->simulated_usec += outcome->breach.broken ? outcome->breach.at_usec : plan->length_usec;
        totals->broken += outcome->breach.broken;
        return outcome->breach.broken && totals->broken_by[outcome->breach.invariant]++ < options->each;
}

static void run_seed(const struct seeds_options *options, uint64_t seed, struct totals *totals) {
        struct plan_of_world plan;
        struct outcome outcome;

        generate_world(seed, options->days * USEC_PER_DAY, &plan);
        world_run(&plan, options->trace && !options->shrinks, &outcome);
        if (outcome.breach.broken && !options->goes_on && atomic_exchange(&totals->stops, true)) {
                plan_deinit(&plan);
                return; /* another one was first */
        }
        if (count(options, totals, &plan, &outcome))
                explain(options, &plan, outcome.breach);
        plan_deinit(&plan);
}

static void run_job(const struct seeds_options *options, struct totals *totals) {
        while (!is_over(options, totals)) {
                uint64_t world = totals->next++;

                if (world >= options->worlds)
                        return;
                run_seed(options, options->seed + world, totals);
        }
}

/* Returns how many jobs failed. */
static unsigned run_jobs(const struct seeds_options *options, struct totals *totals) {
        unsigned failed = 0;
        int status;

        (void)fflush(NULL);
        for (unsigned i = 0; i < options->jobs; i++) {
                pid_t pid = fork();

                failed += pid < 0;
                if (pid != 0)
                        continue;
                run_job(options, totals);
                (void)fflush(NULL);
                _exit(EXIT_SUCCESS);
        }
        while (wait(&status) > 0)
                failed += status != 0;
        return failed;
}

static void tell_totals(const struct seeds_options *options, const struct totals *totals) {
        double days = (double)totals->simulated_usec / (double)USEC_PER_DAY, busy = seconds_busy() - totals->busy_before;

        for (unsigned i = 0; i < _INVARIANT_MAX; i++)
                if (totals->broken_by[i] > 0)
                        (void)printf("%8llu worlds break %s: %s\n", (unsigned long long)totals->broken_by[i], invariant_name(i),
                                     invariant_sentence(i));
        (void)printf("%llu worlds from seed %llu, %.0f days in %.1f s (%.2f ms of CPU a day, %.2f million steps a second), %llu broken, "
                     "digest %016llx\n",
                     (unsigned long long)totals->worlds, (unsigned long long)options->seed, days, seconds_now() - totals->began,
                     1000 * busy / days, (double)totals->steps / busy / 1e6, (unsigned long long)totals->broken,
                     (unsigned long long)totals->digest);
}

int seeds_run(const struct seeds_options *options) {
        struct totals *totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        unsigned failed;

        if (totals == MAP_FAILED)
                abort();
        totals->began = seconds_now();
        totals->busy_before = seconds_busy();
        (void)printf("seeds from %llu, %llu days each, %u at a time\n", (unsigned long long)options->seed, (unsigned long long)options->days,
                     options->jobs);
        failed = run_jobs(options, totals);
        tell_totals(options, totals);
        if (failed > 0)
                (void)printf("%u of the processes did not end well\n", failed);
        return totals->broken > 0 || failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
