/* Reads one configuration file into the structs, by the option table. The only caller of libconfig. */
#pragma once

#include "config/config.h"

struct loader {
        struct config *config;
        struct database_config defaults;
        struct complaints *complaints;
        size_t databases_allocated, files_allocated;
        bool *exposed; /* by file, as in struct config: whether others on the machine can read it */
        bool full;     /* the complaint about too many databases was made */
};

enum loader_kind {
        LOADER_MAIN,
        LOADER_DATABASES, /* of conf.d: nothing but databases */
};

/* Reads PATH. Mistakes become complaints, and the rest is read all the same. Returns 0; -ENOMEM. */
int loader_read(struct loader *loader, const char *path, enum loader_kind kind);

/* Instead of files: one database, main, configured by the environment, and defaults for a container. Returns 0; -ENOMEM. */
int loader_from_environment(struct loader *loader);
/* Adds addresses from the command line, except those that are configured already. Returns 0; -ENOMEM. */
int loader_listen(struct loader *loader, const char *const *addresses, size_t n);
