#include "pgwake/child.h"

#include "base/error.h"
#include "base/macro.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* Not the signals that stop and continue a process group: the shell sends those to the whole group. */
static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPWR, SIGWINCH};
static const int ending[] = {SIGHUP, SIGINT, SIGTERM, SIGWINCH};

/* A signal that is ignored, as under nohup or after `&`, stays ignored in the program too. */
static void child_add_unless_ignored(sigset_t *set, int number) {
        struct sigaction action;

        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
                (void)sigaddset(set, number);
}

int child_init(struct child *child, bool runs, void (*on_sigpipe)(int number)) {
        const int *numbers = runs ? passed_on : ending;
        size_t n = runs ? ARRAY_LENGTH(passed_on) : ARRAY_LENGTH(ending);
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t set;

        *child = (struct child){.signals = -1, .on_sigpipe = on_sigpipe};
        (void)sigemptyset(&set);
        for (size_t i = 0; i < n; i++)
                child_add_unless_ignored(&set, numbers[i]);
        for (int number = SIGRTMIN; runs && number <= SIGRTMAX; number++)
                child_add_unless_ignored(&set, number);
        /* A process that ignores SIGCHLD never learns how a child ended. */
        (void)sigaddset(&set, SIGCHLD);
        if (sigaction(SIGCHLD, &action, &child->on_sigchld) < 0 || sigprocmask(SIG_BLOCK, &set, &child->mask) < 0)
                return error_from_errno();
        child->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return child->signals < 0 ? error_from_errno() : 0;
}

void child_deinit(struct child *child) {
        close_fd(&child->signals);
}

/* Runs in the new process. A successful exec closes REPORT without anything written. */
static void child_run(const struct child *child, char **argv, int report) {
        int error;

        (void)signal(SIGPIPE, child->on_sigpipe);
        (void)sigaction(SIGCHLD, &child->on_sigchld, NULL);
        (void)sigprocmask(SIG_SETMASK, &child->mask, NULL);
        (void)execvp(argv[0], argv);
        error = errno;
        while (write(report, &error, sizeof(error)) < 0 && errno == EINTR)
                ;
        _exit(127);
}

int child_start(struct child *child, char **argv) {
        _cleanup_close_ int reading = -1, writing = -1;
        int fds[2], error = 0;
        ssize_t n;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_from_errno();
        reading = fds[0];
        writing = fds[1];
        pid = fork();
        if (pid < 0)
                return error_from_errno();
        if (pid == 0)
                child_run(child, argv, writing);
        close_fd(&writing);
        while ((n = read(reading, &error, sizeof(error))) < 0 && errno == EINTR)
                ;
        if (n == (ssize_t)sizeof(error)) {
                (void)waitpid(pid, NULL, 0);
                return error > 0 ? -error : -EIO;
        }
        child->pid = pid;
        return 0;
}

/*
 * The terminal sends its signals to the whole foreground process group: a program in our group has them already. A hangup of the line is
 * sent only to the leader of the session.
 */
static bool child_has_it_already(const struct child *child, const struct signalfd_siginfo *info) {
        int number = (int)info->ssi_signo;
        bool to_group = number == SIGINT || number == SIGQUIT || number == SIGWINCH || (number == SIGHUP && getsid(0) != getpid());

        return to_group && info->ssi_code == SI_KERNEL && getpgid(child->pid) == getpgrp();
}

int child_take_signal(struct child *child, int *ret_number) {
        struct signalfd_siginfo info;
        int number;

        if (read(child->signals, &info, sizeof(info)) != sizeof(info))
                return CHILD_NOTHING;
        number = (int)info.ssi_signo;
        if (number == SIGCHLD)
                return child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid ? CHILD_ENDED : CHILD_NOTHING;
        if (child->pid) {
                if (!child_has_it_already(child, &info))
                        (void)kill(child->pid, number);
                return CHILD_NOTHING;
        }
        if (number == SIGWINCH)
                return CHILD_RESIZED;
        *ret_number = number;
        return CHILD_SIGNAL;
}

int child_exit_as(int status) {
        return WIFSIGNALED(status) ? child_die_of(WTERMSIG(status)) : WEXITSTATUS(status);
}

int child_die_of(int number) {
        sigset_t set;

        /* The core that matters is the program's. */
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)signal(number, SIG_DFL);
        (void)sigemptyset(&set);
        (void)sigaddset(&set, number);
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
        (void)raise(number);
        return 128 + number;
}
