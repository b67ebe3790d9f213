/* The table of metric families. Internal to http/. */
#pragma once

#include "base/process.h"
#include "http/exposition.h"
#include "http/server-private.h"

/* Facts that are read once per answer. */
struct metrics_facts {
        const struct server *server;
        struct engine_stats engine;
        struct process_usage process;
        struct server_facts daemon;
};

struct metric {
        struct family family;
        /* One of the two is set. A database's samples of one family are written at one moment. */
        void (*daemon)(struct exposition *exposition, const struct metrics_facts *facts);
        void (*database)(struct exposition *exposition, const struct database *database, struct instant now);
};

/* Row I, those of databases before those of the daemon; NULL past the end. */
const struct metric *metrics_at(size_t i);
