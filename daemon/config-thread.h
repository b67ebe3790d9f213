/*
 * What takes long with a configuration of thousands of databases, or on a disk that hangs, in a thread of its own: reading and checking one,
 * and freeing one. Main thread only.
 */
#pragma once

#include "config/config.h"

#include <systemd/sd-event.h>

struct config_thread;

/* Takes what it wants of it; the rest is freed behind it. */
struct config_found {
        int result; /* of config_load() */
        struct config *config;
        struct complaints complaints; /* advice included */
};

/* FOUND is called from EVENT's loop, and the thread is gone then. PATH and ENVIRONMENT must outlive it. 0 or a negative errno. */
int config_thread_load(sd_event *event, const char *path, const struct config_environment *environment,
                       void (*found)(void *userdata, struct config_found *found), void *userdata, struct config_thread **ret_thread);
/* Frees CONFIG, and then calls GONE, with nothing, as FOUND above. Where no thread can be had it is done at once, and NULL is answered. */
struct config_thread *config_thread_discard(sd_event *event, struct config *config, void (*gone)(void *userdata, struct config_found *found),
                                            void *userdata);
/*
 * Waits for the end of it, at most for TIMEOUT_USEC, and nothing is found. A thread that hangs goes on, and the process ends without exit
 * handlers. Takes NULL, answers NULL.
 */
struct config_thread *config_thread_end(struct config_thread *thread, uint64_t timeout_usec);
