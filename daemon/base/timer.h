/* One moment of a clock at which the loop calls, once; it is set anew for the next. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

/* Zeroed, it may be ended and is never due. */
struct timer {
        sd_event_source *source;
        clockid_t clock;
        uint64_t usec; /* what it is set to; USEC_INFINITY: off */
        void (*expired)(void *userdata);
        void *userdata;
};

/* Off at first. It comes up to ACCURACY_USEC late (0: sd-event's own); NAME is for debugging. 0 or a negative errno. */
int timer_init(struct timer *timer, sd_event *event, clockid_t clock, uint64_t accuracy_usec, const char *name, void (*expired)(void *userdata),
               void *userdata);
void timer_deinit(struct timer *timer);
/* At USEC of its clock; at once, but after what is pending already, when that is over; USEC_INFINITY: never. The same again costs nothing. */
void timer_set(struct timer *timer, uint64_t usec);
/* In USEC from now. Not by CLOCK_REALTIME. */
void timer_set_after(struct timer *timer, uint64_t usec);
bool timer_is_set(const struct timer *timer);
