/* Parses pg_service.conf here, because libpq would resolve the host found in it on our thread. */
#pragma once

#include "config/conninfo.h"

struct service_catalog;

/* The files are read once, when the first service is needed; ENVIRONMENT must outlive the catalog. */
int service_catalog_new(const struct config_environment *environment, struct service_catalog **ret_catalog);
/* Returns NULL; takes NULL. */
struct service_catalog *service_catalog_free(struct service_catalog *catalog);

/*
 * Puts the settings of section NAME into DRAFT, unless given already, as libpq does: from $PGSERVICEFILE or else ~/.pg_service.conf, then
 * from the system's pg_service.conf. Complains at PLACE, or about a line of a section at that line. Returns 0; -EINVAL; -ENOMEM.
 */
int service_apply(struct service_catalog *catalog, const char *name, struct conninfo_draft *draft, const struct complaint_place *place);

static inline void service_catalog_freep(struct service_catalog **catalog) {
        service_catalog_free(*catalog);
}
