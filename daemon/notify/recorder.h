/*
 * Gives the store what happened, at once, and what has changed: at most a second after it did, and all of it at the end. What nobody
 * touched is not looked at, and while nothing changes nothing wakes up.
 */
#pragma once

#include "history/event-record.h"
#include "scheduler/engine.h"

struct recorder;
struct store;

/* Observes ENGINE; it and STORE must outlive the recorder. */
int recorder_new(sd_event *event, struct engine *engine, struct store *store, struct recorder **ret_recorder);
/* Gives the store what is left, as it is now. Takes NULL. */
struct recorder *recorder_free(struct recorder *recorder);
