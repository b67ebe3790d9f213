/*
 * A new configuration while the old one is in force: all of it, or nothing of it. It is read and checked in a thread, and takes force in
 * pieces between which the loop serves others (engine_reload_step()). One goes on at a time; who asks meanwhile gets one of their own,
 * for it may be about a later file.
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
        char *at_start[CONFIG_GLOBAL_OPTIONS]; /* what was in force at start of what needs a restart; since the first reload */
        bool remembers;
        bool failed; /* the last one was refused or broken off */
        uint64_t loaded_real_usec; /* when that which is in force was taken */
        struct engine *engine;
        struct store *store;
        struct notify *notify; /* NULL before it is there */

        struct reload_call *waiting, *answered; /* those that wait for the next one, and for the one that goes on */
        struct reload_call hangups[2];          /* SIGHUP's: one that goes on, one that waits; free without a DONE */
        struct config_thread *thread;           /* that reads */
        struct config_thread *discarding;       /* that frees the one before */
        struct config *next;                    /* that is about to take force */
        struct complaints complaints;           /* about it */
        struct timer step;
};

/* All but EVENT, PATH, ENVIRONMENT and CONFIG may come later. 0 or a negative errno. */
int reload_init(struct reload *reload);
/*
 * CALL asks for one: the configuration is read again. A bad one changes nothing, and every complaint is said in the log. One that leaves no
 * database is a bad one unless CALL says that it is meant.
 */
void reload_begin(struct reload *reload, struct reload_call *call);
/* The same for SIGHUP, which nobody answers. */
void reload_on_hangup(struct reload *reload);
/* Nothing begins any more, who waits is told so, and what has taken force is brought to its end. While the engine and the server stand. */
void reload_stop(struct reload *reload);
/* Frees the configuration too. A thread that reads gets TIMEOUT_USEC. */
void reload_deinit(struct reload *reload, uint64_t timeout_usec);
