/* Threads that do one thing and are never bothered by a signal. */
#pragma once

#include <pthread.h>
#include <stddef.h>

/* With the terminating zero: what the kernel keeps. */
#define THREAD_NAME_MAX 16

/*
 * Starts one with all signals blocked, a stack of STACK_BYTES (of which only what is used costs memory) and NAME for those who look at
 * the process. 0 or a negative errno.
 */
int thread_start(const char *name, size_t stack_bytes, void *(*function)(void *), void *userdata, pthread_t *ret_thread);
