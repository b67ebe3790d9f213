/* One configuration file into the structs, by the option table. The one caller of libconfig. */
#pragma once

#include "config/config.h"

struct loader {
        struct config *config;
        struct database_config defaults;
        struct complaints *complaints;
        size_t databases_allocated, files_allocated;
        bool *exposed; /* by file, as in struct config: others on the machine can read it */
        bool full;     /* said once that there are too many databases */
};

enum loader_kind {
        LOADER_MAIN,
        LOADER_DATABASES, /* of conf.d: databases and nothing else */
};

/*
 * Reads PATH. What is wrong with it is told in the complaints, and the rest is read all the same.
 * Answers 0; -ENOMEM.
 */
int loader_read(struct loader *loader, const char *path, enum loader_kind kind);

/* Instead of files: one database, main, that the environment says all about, and what suits a container. Answers 0; -ENOMEM. */
int loader_from_environment(struct loader *loader);
/* Further addresses from the command line, but for those that are there already. Answers 0; -ENOMEM. */
int loader_listen(struct loader *loader, const char *const *addresses, size_t n);
