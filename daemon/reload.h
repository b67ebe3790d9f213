/* A new configuration while the old one is in force: all of it, or nothing of it. */
#pragma once

#include "conf/config.h"
#include "engine/engine.h"

struct notify;
struct store;

struct reload {
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
};

/*
 * Reads the configuration again. A bad one changes nothing, and every complaint is said in the log; a good one is in force when this
 * returns. One that leaves no database is a bad one unless REMOVE_ALL. ANSWER, unless NULL, gets the JSON for POST /reload. Answers its
 * HTTP status: 200, 422 for a bad configuration, or 500.
 */
unsigned reload_now(struct reload *reload, bool remove_all, struct buffer *answer);
/* Frees the configuration too. */
void reload_deinit(struct reload *reload);
