/* One database as JSON. Ages count at NOW. Pure. */
#pragma once

#include "base/json.h"
#include "health/database.h"

/* The slug, or NULL where nothing is to be explained. */
const char *describe_reason(enum reason reason);

/* Writes the verdict as members of an object that is open, as /readyz and /wake do. */
void describe_verdict(struct json_writer *w, const struct database *database, struct instant now);
/* Usec since the last evidence; USEC_INFINITY when there was none. */
uint64_t describe_age_usec(const struct database *database, struct instant now);
/* Writes when its pause ends: to the millisecond, because two clocks that are read one after the other differ a little each time. */
void describe_pause(struct json_writer *w, const struct database *database, struct instant now);
/* Writes a lease as members of an object that is open. */
void describe_lease(struct json_writer *w, const struct lease_record *lease);
/* Writes the whole object of /status. With DETAIL the raw texts of failures as well. */
void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail);
