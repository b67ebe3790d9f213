/*
 * Messages to the service manager: READY=1 when ready.on is met or ready.timeout has passed; until then progress, and requests for more
 * time; afterwards STATUS whenever something changes. READY is sent once and never taken back.
 */
#pragma once

#include "scheduler/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct notify;

/*
 * Observes ENGINE, which must outlive it; uses ready_on and ready_timeout_usec of CONFIG. Without $NOTIFY_SOCKET nothing is sent. READY_FD
 * is told too (descriptor_tell_ready()), with or without it; -1: none.
 */
int notify_new(sd_event *event, struct engine *engine, const struct config *config, int ready_fd, struct notify **ret_notify);
/* Takes NULL. */
struct notify *notify_free(struct notify *notify);

bool notify_is_ready(const struct notify *notify);

/* Around a reload: RELOADING=1, then READY=1. */
void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);
/* STOPPING=1; nothing is sent after it. */
void notify_stopping(struct notify *notify);

/*
 * Sends messages to the service manager (sd_notify(3)) from a thread: while the manager hangs its socket is full, and a send blocks.
 *
 * There is one manager, so there is one thread. Without $NOTIFY_SOCKET there is none, and nothing is sent.
 */

/* May be called again. */
int service_manager_start(void);
/* Whether there is a $NOTIFY_SOCKET. */
bool service_manager_listens(void);
/* Sends lines as sd_notify() does, in order. False if memory runs out: they are not sent. */
bool service_manager_tell(const char *text);
/* Whether messages are still waiting for the manager: passing news should be held back. */
bool service_manager_is_behind(void);
/* Waits until all messages are sent, at most TIMEOUT_USEC. */
void service_manager_end(uint64_t timeout_usec);
