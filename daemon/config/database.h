/* One entry of `databases` after its file was read: its connection made, its keys held against each other. */
#pragma once

#include "config/loader.h"
#include "config/service.h"

struct database_finish {
        const struct loader *loader;
        const struct config_environment *environment;
        struct service_catalog *services;
};

/* Complains about what is wrong or missing. Answers 0 (complaints or not) or -ENOMEM. */
int database_config_finish(struct database_config *database, const struct database_finish *with);
void database_config_deinit(struct database_config *database);
