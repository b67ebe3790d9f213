/* Completes one entry of `databases` after its file was read: makes its connection, and checks its keys against each other. */
#pragma once

#include "config/loader.h"
#include "config/service.h"

struct database_finish {
        const struct loader *loader;
        const struct config_environment *environment;
        struct service_catalog *services;
};

/* Complains about anything wrong or missing. Returns 0 (even after complaints) or -ENOMEM. */
int database_config_finish(struct database_config *database, const struct database_finish *with);
void database_config_deinit(struct database_config *database);
