/* pg_service.conf, read by ourselves: libpq would resolve what it finds there on our thread. */
#pragma once

#include "config/conninfo.h"

struct service_catalog;

/* The files are read when the first service is asked for, once; ENVIRONMENT must outlive the catalog. */
int service_catalog_new(const struct config_environment *environment, struct service_catalog **ret_catalog);
/* Answers NULL; takes NULL. */
struct service_catalog *service_catalog_free(struct service_catalog *catalog);

/*
 * Puts what the section NAME says into DRAFT, where nothing is given yet, as libpq does: $PGSERVICEFILE or else ~/.pg_service.conf, then
 * the system's pg_service.conf. Complains at PLACE, about a line of a section at that line. Answers 0; -EINVAL; -ENOMEM.
 */
int service_apply(struct service_catalog *catalog, const char *name, struct conninfo_draft *draft, const struct complaint_place *place);

static inline void service_catalog_freep(struct service_catalog **catalog) {
        service_catalog_free(*catalog);
}
