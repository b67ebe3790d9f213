/* The service manager's watchdog, fed only by progress: a loop that turns while its work lies overdue is not alive. */
#pragma once

#include "scheduler/engine.h"

struct watchdog;

/* Whether the daemon makes progress: nothing that is due is overdue by 5 s. */
bool watchdog_engine_moves(struct engine *engine);

/* Feeds at half of $WATCHDOG_USEC. Without one RET_WATCHDOG is NULL, and nothing wakes up for it. */
int watchdog_new(sd_event *event, struct engine *engine, struct watchdog **ret_watchdog);
/* Takes NULL. */
struct watchdog *watchdog_free(struct watchdog *watchdog);
