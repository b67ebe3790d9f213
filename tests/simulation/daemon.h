/*
 * The daemon's life in a world: its engine is started, reloaded, stopped and killed, and what the history keeps of it goes on into the
 * next one, as notify/recorder.c would keep it.
 */
#pragma once

#include "plan.h"
#include "view.h"

#include "scheduler/engine.h"

/* PLAN stays the caller's; what reloads change is changed in it. */
void daemon_begin(struct plan_of_world *plan);
void daemon_end(void);

void daemon_start(void);
/* A crash loses what was not written yet. */
void daemon_stop(bool crash);
void daemon_reload(void);
void daemon_set_present(unsigned database, bool present);

/* How many attempts it makes at a time. */
unsigned daemon_places(void);
/* NULL while it does not run. */
struct engine *daemon_engine(void);
/* For asking the engine something: it looks at the clock first, as it does for everybody. NULL: not configured, or not running. */
struct database *daemon_find(unsigned database);
/* For looking at it without being noticed. */
const struct database *daemon_database(unsigned database);
/* The databases that may have changed since the last call, as bits. */
unsigned daemon_take_touched(void);
