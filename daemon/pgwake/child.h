/*
 * The program that hold runs, and the signals that are meant for it: it is started with the mask, the dispositions and the descriptors that
 * pgwake itself was started with, in the same process group, and its end becomes pgwake's.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
        pid_t pid;      /* 0: not started */
        int signals;    /* to be watched for POLLIN; -1 before child_init() */
        int status;     /* as wait(2) tells it, after CHILD_ENDED */
        sigset_t mask;  /* what pgwake was started with */
        void (*on_sigpipe)(int number);
        struct sigaction on_sigchld;
};

enum {
        CHILD_NOTHING,
        CHILD_ENDED,
        CHILD_SIGNAL, /* there is nobody to pass this signal on to: it is pgwake's own */
        CHILD_RESIZED,
};

/*
 * Takes over the signals: with RUNS all that a program may be sent, else those that end a hold. What was ignored stays ignored. ON_SIGPIPE
 * is what SIGPIPE did when pgwake was started.
 */
int child_init(struct child *child, bool runs, void (*on_sigpipe)(int number));
void child_deinit(struct child *child);
/* Starts ARGV, found as a shell finds it. Answers 0 or a negative errno: -ENOENT when there is no such program. */
int child_start(struct child *child, char **argv);
/* Takes one signal, and passes it on. Answers one of the above; RET_NUMBER is set for CHILD_SIGNAL. */
int child_take_signal(struct child *child, int *ret_number);
/* The exit code of a program that ended with STATUS; where a signal ended it, the same signal ends pgwake here. */
int child_exit_as(int status);
/* Ends pgwake by the signal NUMBER; answers an exit code only when that does not work. */
int child_die_of(int number);
