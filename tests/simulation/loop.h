/*
 * The event loop, and time itself: it jumps from one event to the next. The daemon's timers are sd_event's; this file implements the few
 * functions that the engine calls. The world has timers of its own, `struct world_timer`: those of the world continue while the host is
 * suspended, those of the host (for attempts, for the history) stand still with its monotonic clock.
 */
#pragma once

#include "base/heap.h"

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct world_timer {
        struct heap_item item;
        struct heap *heap;
        void (*fire)(void *userdata);
        void *userdata;
};

void loop_begin(void);
void loop_end(void);
/* The engine's. */
sd_event *loop_event(void);

/* At BOOT_USEC, whether or not the host is suspended. Moves a timer that is set already. */
void timer_set_world(struct world_timer *timer, uint64_t boot_usec);
/* When the monotonic clock shows MONOTONIC_USEC: not while the host is suspended. */
void timer_set_host(struct world_timer *timer, uint64_t monotonic_usec);
void timer_stop(struct world_timer *timer);

void loop_suspend_host(bool suspended);
bool loop_host_is_suspended(void);
/* When it last resumed (boot clock); 0: it was never suspended. */
uint64_t loop_host_resumed_usec(void);

/*
 * Lets time pass until the next event and dispatches it. Returns false if there is none up to UNTIL_USEC (boot clock), which is then the
 * present time.
 */
bool loop_turn(uint64_t until_usec);
/* Whether the daemon has a timer armed. */
bool loop_daemon_is_armed(void);
