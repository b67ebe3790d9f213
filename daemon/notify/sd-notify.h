/*
 * What the service manager is told: READY=1 when ready.on is met or ready.timeout is over, until then how it goes and that it may take
 * longer; afterwards STATUS whenever something changes. READY is a latch.
 */
#pragma once

#include "scheduler/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct notify;

/* Observes ENGINE, which must outlive it; of CONFIG ready_on and ready_timeout_usec are taken. Without $NOTIFY_SOCKET nothing is sent. */
int notify_new(sd_event *event, struct engine *engine, const struct config *config, struct notify **ret_notify);
/* Takes NULL. */
struct notify *notify_free(struct notify *notify);

bool notify_is_ready(const struct notify *notify);

/* Around a reload: RELOADING=1, then READY=1. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);
/* STOPPING=1; nothing is said after it. */
void notify_stopping(struct notify *notify);

/*
 * What the service manager is told (sd_notify(3)), by a thread: its socket is full while the manager hangs, and then a send waits.
 *
 * There is one manager, so there is one of these. Without $NOTIFY_SOCKET nothing is told and there is no thread.
 */

/* May be called again. */
int service_manager_start(void);
/* Whether somebody listens. */
bool service_manager_listens(void);
/* Lines as sd_notify() takes them. The order is kept. False where memory is missing: they are not told. */
bool service_manager_tell(const char *text);
/* Whether the manager has not taken yet what it was told: what is only news of the moment can wait. */
bool service_manager_is_behind(void);
/* Waits until all has been taken, but no longer than TIMEOUT_USEC. */
void service_manager_end(uint64_t timeout_usec);
