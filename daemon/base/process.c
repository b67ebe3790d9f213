#include "base/process.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static uint64_t usec_from_timeval(const struct timeval *tv) {
        return (uint64_t)tv->tv_sec * USEC_PER_SEC + (uint64_t)tv->tv_usec;
}

/* "." and ".." are listed, and so is the descriptor that reads the folder: three too many. */
static uint64_t count_fds(void) {
        DIR *folder = opendir("/proc/self/fd");
        uint64_t n = 0;

        if (!folder)
                return 0;
        while (readdir(folder))
                n++;
        (void)closedir(folder);
        return n > 3 ? n - 3 : 0;
}

/* Since 6.2 Linux reports it as the folder's size; before, they must be listed. */
static uint64_t open_fds(void) {
        struct stat st;

        return stat("/proc/self/fd", &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : count_fds();
}

static void read_memory(struct process_usage *usage) {
        FILE *file = fopen("/proc/self/statm", "re");
        uint64_t size, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);

        if (!file)
                return;
        if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) == 2) {
                usage->virtual_bytes = size * page;
                usage->resident_bytes = resident * page;
        }
        (void)fclose(file);
}

void process_usage(struct process_usage *ret_usage) {
        struct process_usage usage = {.open_fds = open_fds()};
        struct rusage used;
        struct rlimit limit;

        if (getrusage(RUSAGE_SELF, &used) == 0)
                usage.cpu_usec = usec_from_timeval(&used.ru_utime) + usec_from_timeval(&used.ru_stime);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
                usage.max_fds = limit.rlim_cur;
        read_memory(&usage);
        *ret_usage = usage;
}

uint64_t process_started_real_usec(void) {
        FILE *file = fopen("/proc/self/stat", "re");
        struct instant now = clock_now();
        char line[1024];
        uint64_t ticks = 0, hertz = (uint64_t)sysconf(_SC_CLK_TCK);
        const char *field;

        if (!file)
                return 0;
        /* The program's name may contain spaces and parentheses; fields are counted from its end, where the third one begins. */
        field = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
        (void)fclose(file);
        for (unsigned i = 3; field && i <= 22; i++) {
                field = strchr(field, ' ');
                field = field ? field + 1 : NULL;
        }
        if (!field || hertz == 0 || sscanf(field, "%" SCNu64, &ticks) != 1)
                return 0;
        return usec_sub(now.real_usec, usec_sub(now.boot_usec, ticks * USEC_PER_SEC / hertz));
}

/*
 * Exit handlers run in reverse order: this one, registered last, runs before all others. Only stdout is flushed: the thread may be waiting
 * in a stream of its own, whose lock it holds.
 */
static void exit_at_once(int status, void *userdata) {
        (void)userdata;
        (void)fflush(stdout);
        _exit(status);
}

void process_exit_without_handlers(void) {
        (void)on_exit(exit_at_once, NULL);
}

/* -- Threads --------------------------------------------------------------------------------------------------------------------------- */

int thread_start(const char *name, size_t stack_bytes, void *(*function)(void *), void *userdata, pthread_t *ret_thread) {
        sigset_t all, before;
        pthread_attr_t attributes;
        pthread_t thread;
        int error;

        (void)sigfillset(&all);
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setstacksize(&attributes, stack_bytes);
        /* A thread inherits the mask, so no signal can arrive before the thread blocks it. */
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&thread, &attributes, function, userdata);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
        if (error != 0)
                return -error;
        (void)pthread_setname_np(thread, name);
        *ret_thread = thread;
        return 0;
}
