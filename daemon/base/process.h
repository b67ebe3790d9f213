/* The kernel's data on this process, and its end. */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* 0: unknown. */
struct process_usage {
        uint64_t cpu_usec; /* user and system, all threads */
        uint64_t resident_bytes;
        uint64_t virtual_bytes;
        uint64_t open_fds;
        uint64_t max_fds;
};

void process_usage(struct process_usage *ret_usage);
/* When it was started, in the kernel's hundredths of a second. */
uint64_t process_started_real_usec(void);
/*
 * A thread is still inside a library, or in a file on a disk that hangs: the process will end with its own exit status, but before the
 * libraries' exit handlers free what that thread uses.
 */
void process_exit_without_handlers(void);

/* Threads that do one thing and receive no signal. */

/* With the terminating NUL: the kernel's limit. */
#define THREAD_NAME_MAX 16

/*
 * Starts a thread with all signals blocked, a stack of STACK_BYTES (only the part that is used costs memory) and a NAME for ps and the
 * like. 0 or a negative errno.
 */
int thread_start(const char *name, size_t stack_bytes, void *(*function)(void *), void *userdata, pthread_t *ret_thread);
