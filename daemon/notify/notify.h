/*
 * What the service manager is told: READY=1 when ready.on is met or ready.timeout is over, until then how it goes and that it may take
 * longer; afterwards STATUS whenever something changes. READY is a latch.
 */
#pragma once

#include "scheduler/engine.h"

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
