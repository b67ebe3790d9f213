/* A timer of the event loop that expires once and is set again for the next time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

/* A zeroed timer never expires and may be deinitialized. */
struct timer {
        sd_event_source *source;
        clockid_t clock;
        uint64_t usec; /* when it is due; USEC_INFINITY: off */
        void (*expired)(void *userdata);
        void *userdata;
};

/* The timer is off at first and may be late by ACCURACY_USEC (0: sd-event's default). NAME is for debugging. Returns 0 or a negative errno. */
int timer_init(struct timer *timer, sd_event *event, clockid_t clock, uint64_t accuracy_usec, const char *name, void (*expired)(void *userdata),
               void *userdata);
void timer_deinit(struct timer *timer);
/*
 * Sets it to USEC of its clock; USEC_INFINITY turns it off. A time in the past expires after everything that is already pending. Setting the
 * same time again makes no system call.
 */
void timer_set(struct timer *timer, uint64_t usec);
/* Sets it to USEC from now. Not for CLOCK_REALTIME. */
void timer_set_after(struct timer *timer, uint64_t usec);
bool timer_is_set(const struct timer *timer);
