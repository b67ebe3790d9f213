/* One database as the answers tell it. Ages count at NOW. Pure. */
#pragma once

#include "api/database.h"
#include "health/database.h"

/* The slug, or NULL where nothing is to be explained. */
const char *describe_reason(enum reason reason);

/* What verdict_fields write; no more of it is filled in. Its texts are constants or the configuration's. */
struct database_status describe_verdict(const struct database *database, struct instant now);
/* Usec since the last evidence; USEC_INFINITY when there was none. */
uint64_t describe_age_usec(const struct database *database, struct instant now);
/* When its pause ends, 0 without one: to the millisecond, because two clocks that are read one after the other differ a little each time. */
uint64_t describe_pause_end(const struct database *database, struct instant now);
struct lease_status describe_lease(const struct lease_record *lease);
/* Writes the whole object of /status. With DETAIL the raw texts of failures as well. */
void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail);
