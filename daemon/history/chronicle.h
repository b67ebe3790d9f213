/* What happened, as rows: states, outages, wakes, hours, runs. What the rows mean stands in history/schema.h. Inside a transaction. */
#pragma once

#include "history/happening.h"
#include "history/hour.h"
#include "history/sqlite.h"

struct chronicle;

/* SQLITE must outlive it. */
int chronicle_new(struct sqlite *sqlite, struct chronicle **ret_chronicle);
/* Takes NULL. */
struct chronicle *chronicle_free(struct chronicle *chronicle);

/*
 * A state change begins and ends outages as well. What is told stands behind what was told before: after a clock that was ahead is set back,
 * the states and outages that are still to come by the clock are dropped. Of a database that has no row yet one is made, of which little is
 * known.
 */
int chronicle_tell(struct chronicle *chronicle, const struct happening *happening);
/* Adds HOUR to what is there of it. DATABASE is the row of its database. */
int chronicle_add_hour(struct chronicle *chronicle, uint64_t database, const struct hour *hour);
/* The daemon that began to watch at BEGAN, not later than NOW, does so still at NOW. */
int chronicle_run_on(struct chronicle *chronicle, uint64_t began_real_usec, uint64_t now_real_usec);
