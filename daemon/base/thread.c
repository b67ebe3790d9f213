#include "base/thread.h"

#include "base/error.h"

#include <signal.h>

int thread_start(const char *name, size_t stack_bytes, void *(*function)(void *), void *userdata, pthread_t *ret_thread) {
        sigset_t all, before;
        pthread_attr_t attributes;
        pthread_t thread;
        int error;

        (void)sigfillset(&all);
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setstacksize(&attributes, stack_bytes);
        /* A thread inherits the mask, so no signal can slip in between its start and its blocking them. */
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
