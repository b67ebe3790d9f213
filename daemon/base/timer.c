#include "base/timer.h"

#include "base/clock.h"

#include <assert.h>

static int timer_on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct timer *timer = userdata;

        (void)source;
        (void)usec;
        timer->usec = USEC_INFINITY;
        timer->expired(timer->userdata);
        return 0;
}

int timer_init(struct timer *timer, sd_event *event, clockid_t clock, uint64_t accuracy_usec, const char *name, void (*expired)(void *userdata),
               void *userdata) {
        int r;

        *timer = (struct timer){.clock = clock, .usec = USEC_INFINITY, .expired = expired, .userdata = userdata};
        r = sd_event_add_time(event, &timer->source, clock, USEC_INFINITY, accuracy_usec, timer_on_time, timer);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(timer->source, name);
        return sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
}

void timer_deinit(struct timer *timer) {
        timer->source = sd_event_source_disable_unref(timer->source);
        timer->usec = USEC_INFINITY;
}

void timer_set(struct timer *timer, uint64_t usec) {
        if (usec == timer->usec || !timer->source)
                return;
        timer->usec = usec;
        if (usec == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(timer->source, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(timer->source, usec);
        (void)sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}

void timer_set_after(struct timer *timer, uint64_t usec) {
        assert(timer->clock != CLOCK_REALTIME || !timer->source);
        timer_set(timer, usec_add(timer->clock == CLOCK_BOOTTIME ? clock_boot_usec() : clock_monotonic_usec(), usec));
}

bool timer_is_set(const struct timer *timer) {
        return timer->source && timer->usec != USEC_INFINITY;
}
