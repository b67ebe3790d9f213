/*
 * Gives the store every event at once, and every changed database within a second; at the end, everything. It looks at changed databases
 * only, and without changes nothing wakes up.
 */
#pragma once

#include "history/event-record.h"
#include "scheduler/engine.h"

struct recorder;
struct store;

/* Observes ENGINE; it and STORE must outlive the recorder. */
int recorder_new(sd_event *event, struct engine *engine, struct store *store, struct recorder **ret_recorder);
/* Gives the store everything that is left, in its present state. Takes NULL. */
struct recorder *recorder_free(struct recorder *recorder);
