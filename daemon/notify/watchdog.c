#include "notify/watchdog.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/timer.h"
#include "notify/sd-notify.h"

#include <systemd/sd-daemon.h>

#define OVERDUE_MAX_USEC (5 * USEC_PER_SEC)

struct watchdog {
        struct engine *engine;
        struct timer timer;
        uint64_t interval_usec;
};

bool watchdog_engine_moves(struct engine *engine) {
        return engine_overdue_usec(engine) < OVERDUE_MAX_USEC;
}

static void watchdog_on_timer(void *userdata) {
        struct watchdog *watchdog = userdata;

        if (watchdog_engine_moves(watchdog->engine) && !service_manager_is_behind())
                (void)service_manager_tell("WATCHDOG=1");
        timer_set_after(&watchdog->timer, watchdog->interval_usec);
}

int watchdog_new(sd_event *event, struct engine *engine, struct watchdog **ret_watchdog) {
        struct watchdog *watchdog;
        uint64_t usec;
        int r;

        r = sd_watchdog_enabled(false, &usec);
        if (r <= 0) {
                *ret_watchdog = NULL;
                return r;
        }
        r = service_manager_start();
        if (r < 0)
                return r;
        watchdog = calloc(1, sizeof(*watchdog));
        if (!watchdog)
                return -ENOMEM;
        watchdog->engine = engine;
        watchdog->interval_usec = usec / 2;
        /* The manager counts in CLOCK_MONOTONIC. The first message is sent at once. */
        r = timer_init(&watchdog->timer, event, CLOCK_MONOTONIC, usec / 10, "watchdog", watchdog_on_timer, watchdog);
        if (r < 0)
                return watchdog_free(watchdog), r;
        timer_set_after(&watchdog->timer, 0);
        *ret_watchdog = watchdog;
        return 0;
}

struct watchdog *watchdog_free(struct watchdog *watchdog) {
        if (!watchdog)
                return NULL;
        timer_deinit(&watchdog->timer);
        free(watchdog);
        return NULL;
}
