/* The service manager's watchdog. Only progress feeds it: a loop that runs while its work is overdue is not alive. */
#pragma once

#include "scheduler/engine.h"

struct watchdog;

/* Whether the daemon makes progress: no work is overdue by 5 s. */
bool watchdog_engine_moves(struct engine *engine);

/* Feeds the watchdog at half of $WATCHDOG_USEC. If that is unset, RET_WATCHDOG is NULL and nothing wakes up for it. */
int watchdog_new(sd_event *event, struct engine *engine, struct watchdog **ret_watchdog);
/* Takes NULL. */
struct watchdog *watchdog_free(struct watchdog *watchdog);
