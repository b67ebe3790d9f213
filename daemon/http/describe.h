/* The description of one database in answers. Ages are relative to NOW. Pure. */
#pragma once

#include "api/database.h"
#include "health/database.h"

/* The slug, or NULL if there is nothing to explain. */
const char *describe_reason(enum reason reason);

/* The members that verdict_fields write, and no others. Texts are constants or the configuration's. */
struct database_status describe_verdict(const struct database *database, struct instant now);
/* Usec since the last evidence; USEC_INFINITY: there was none. */
uint64_t describe_age_usec(const struct database *database, struct instant now);
/* The end of its pause, 0 without one: to the millisecond, since two clocks read one after the other differ slightly each time. */
uint64_t describe_pause_end(const struct database *database, struct instant now);
struct lease_status describe_lease(const struct lease_record *lease);
/* Writes the whole object of /status. DETAIL: with the raw texts of failures. */
void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail);
