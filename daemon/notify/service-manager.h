/*
 * What the service manager is told (sd_notify(3)), by a thread: its socket is full while the manager hangs, and then a send waits.
 *
 * There is one manager, so there is one of these. Without $NOTIFY_SOCKET nothing is told and there is no thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
