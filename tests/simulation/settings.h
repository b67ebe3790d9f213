/* The daemon's configuration in a world: the real option table, filled from the plan's words. */
#pragma once

#include "plan.h"

#include "config/config.h"

struct settings;

/* For the databases of PLAN that are PRESENT. */
struct settings *settings_make(const struct plan_of_world *plan, const bool present[DATABASES_MAX]);
struct settings *settings_free(struct settings *settings);
const struct config *settings_config(const struct settings *settings);
const struct database_config *settings_database(const struct settings *settings, const char *name);

/* "ep-main.eu-central-1.aws.neon.tech": the name by which the daemon reaches a database on a server of KIND, and knows its provider. */
void settings_host(const char *name, enum server_kind kind, char ret_host[ROUTE_HOST_MAX]);
/* Complains on stderr about a key or a value that the option table does not take; answers whether it does. */
bool settings_accept(const char *key, const char *value);
