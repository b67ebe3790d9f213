/*
 * Replaces the configuration while the daemon runs, entirely or not at all. The new one is read and checked in a thread, and takes force in
 * pieces between which the loop serves others (engine_reload_step()). Only one reload runs at a time; a call that arrives meanwhile gets
 * one of its own, since it may be about a later file.
 */
#pragma once

#include "base/timer.h"
#include "config-thread.h"
#include "http/server.h"
#include "scheduler/engine.h"

struct notify;
struct store;

struct reload {
        sd_event *event;
        const char *path;
        const struct config_environment *environment;
        struct config *config; /* in force */
        char *at_start[CONFIG_GLOBAL_OPTIONS]; /* options that need a restart, as they were at start; set at the first reload */
        bool remembers;
        bool failed; /* the last one was refused or broken off */
        uint64_t loaded_real_usec; /* when the configuration in force was accepted */
        struct engine *engine;
        struct store *store;
        struct notify *notify; /* NULL until it exists */

        struct reload_call *waiting, *answered; /* calls for the next reload, and for the present one */
        struct reload_call hangups[2];          /* SIGHUP's: one in progress, one waiting; free without a `done` */
        struct config_thread *thread;           /* reading */
        struct config_thread *discarding;       /* freeing the previous one */
        struct config *next;                    /* about to take force */
        struct complaints complaints;           /* about `next` */
        struct timer step;
};

/* All but EVENT, PATH, ENVIRONMENT and CONFIG may be set later. 0 or a negative errno. */
int reload_init(struct reload *reload);
/*
 * CALL requests a reload: the configuration is read again. A bad one changes nothing, and every complaint is logged. One without databases
 * is bad, unless CALL intends it.
 */
void reload_begin(struct reload *reload, struct reload_call *call);
/* The same for SIGHUP, which gets no answer. */
void reload_on_hangup(struct reload *reload);
/*
 * Starts no more reloads, tells waiting callers so, and completes a reload that has taken force. Call while the engine and the server
 * exist.
 */
void reload_stop(struct reload *reload);
/* Frees the configuration too. Waits at most TIMEOUT_USEC for a thread that reads. */
void reload_deinit(struct reload *reload, uint64_t timeout_usec);
