/* One database as JSON. Ages count at NOW. Pure. */
#pragma once

#include "base/json.h"
#include "health/database.h"

/* The slug, or NULL where nothing is to be explained. */
const char *describe_reason(enum reason reason);

/* In short, as members of an object that is open: what /readyz and /wake say of a database. */
void describe_verdict(struct json_writer *w, const struct database *database, struct instant now);
/* Usec since the last evidence; USEC_INFINITY when there was none. */
uint64_t describe_age_usec(const struct database *database, struct instant now);
/* When its pause ends: to the millisecond, for two clocks that are read one after the other say something else each time. */
void describe_pause(struct json_writer *w, const struct database *database, struct instant now);
/* As members of an object that is open. */
void describe_lease(struct json_writer *w, const struct lease_record *lease);
/* As a whole object: /status. With DETAIL the raw texts of failures as well. */
void describe_status(struct json_writer *w, const struct database *database, struct instant now, bool detail);
