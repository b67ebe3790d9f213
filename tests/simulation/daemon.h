/*
 * The daemon's life in a world: its engine is started, reloaded, stopped and killed. The next engine continues from the history, as
 * notify/recorder.c would have written it.
 */
#pragma once

#include "plan.h"
#include "view.h"

#include "scheduler/engine.h"

/* PLAN stays the caller's; reloads change it. */
void daemon_begin(struct plan_of_world *plan);
void daemon_end(void);

void daemon_start(void);
/* A crash loses everything that was not written yet. */
void daemon_stop(bool crash);
void daemon_reload(void);
void daemon_set_present(unsigned database, bool present);

/* How many attempts the daemon makes at a time. */
unsigned daemon_places(void);
/* NULL while the daemon is not running. */
struct engine *daemon_engine(void);
/* For a request to the engine, which checks the clock first, as always. NULL: not configured, or not running. */
struct database *daemon_find(unsigned database);
/* For reading without any effect. */
const struct database *daemon_database(unsigned database);
/* Whether the history was read since its start. */
bool daemon_knows_past(void);
/* The databases that may have changed since the last call, as bits. */
unsigned daemon_take_touched(void);
