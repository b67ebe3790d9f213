/*
 * The program that `pgwake hold` runs, and the signals meant for it. It starts with the signal mask, the dispositions and the descriptors
 * with which pgwake itself was started, in the same process group, and pgwake ends as it ends.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
        pid_t pid;      /* 0: not started */
        int signals;    /* watched for POLLIN; -1 before child_init() */
        int status;     /* as from wait(2), after CHILD_ENDED */
        sigset_t mask;  /* with which pgwake was started */
        void (*on_sigpipe)(int number);
        struct sigaction on_sigchld;
};

enum {
        CHILD_NOTHING,
        CHILD_ENDED,
        CHILD_SIGNAL, /* there is no program to pass this signal to: it is pgwake's own */
        CHILD_RESIZED,
};

/*
 * Takes over the signals: with RUNS all that a program may receive, else those that end a hold. Ignored signals stay ignored. ON_SIGPIPE is
 * the disposition of SIGPIPE with which pgwake was started.
 */
int child_init(struct child *child, bool runs, void (*on_sigpipe)(int number));
void child_deinit(struct child *child);
/* Starts ARGV, found as a shell finds it. Returns 0 or a negative errno: -ENOENT if there is no such program. */
int child_start(struct child *child, char **argv);
/* Takes one signal, and passes it on. Returns one of the above; sets RET_NUMBER for CHILD_SIGNAL. */
int child_take_signal(struct child *child, int *ret_number);
/* The exit code for a program that ended with STATUS; if a signal ended it, the same signal ends pgwake here. */
int child_exit_as(int status);
/* Ends pgwake by the signal NUMBER; returns an exit code only if that fails. */
int child_die_of(int number);
