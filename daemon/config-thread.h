/*
 * Slow work on a configuration of thousands of databases, or on a disk that hangs, in a thread of its own: loading and checking one, and
 * freeing one. Main thread only.
 */
#pragma once

#include "config/config.h"

#include <systemd/sd-event.h>

struct config_thread;

/* The receiver takes what it needs; the rest is freed afterwards. */
struct config_found {
        int result; /* of config_load() */
        struct config *config;
        struct complaints complaints; /* advice included */
};

/* Calls FOUND from EVENT's loop; the thread is gone by then. PATH and ENVIRONMENT must outlive it. 0 or a negative errno. */
int config_thread_load(sd_event *event, const char *path, const struct config_environment *environment,
                       void (*found)(void *userdata, struct config_found *found), void *userdata, struct config_thread **ret_thread);
/* Frees CONFIG, and then calls GONE like FOUND above, with nothing found. Without a thread it is freed at once, and NULL is returned. */
struct config_thread *config_thread_discard(sd_event *event, struct config *config, void (*gone)(void *userdata, struct config_found *found),
                                            void *userdata);
/*
 * Waits for its end, at most TIMEOUT_USEC; no callback follows. A thread that hangs goes on, and the process ends without exit handlers.
 * Takes NULL, returns NULL.
 */
struct config_thread *config_thread_end(struct config_thread *thread, uint64_t timeout_usec);
