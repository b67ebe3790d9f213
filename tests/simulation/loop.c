#include "loop.h"

#include "base/macro.h"
#include "clocks.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct sd_event {
        uint64_t iteration;
};

struct sd_event_source {
        struct heap_item item;
        struct heap *heap;
        sd_event_time_handler_t handler;
        void *userdata;
        uint64_t usec;
        int enabled;
};

static struct {
        struct sd_event event;
        struct heap world, host;                   /* timers: boot clock, monotonic clock */
        struct heap sources, monotonic, real;      /* the daemon's, by its three clocks */
        bool suspended;
        uint64_t resumed_usec;
} loop;

/* If memory runs out the simulation ends: it does not test that. */
static void place(struct heap *heap, struct heap_item *item, uint64_t key) {
        if (heap_set(heap, item, key) < 0)
                abort();
}

void loop_begin(void) {
        loop.suspended = false;
        loop.resumed_usec = 0;
        loop.event.iteration = 0;
}

void loop_end(void) {
        heap_deinit(&loop.world);
        heap_deinit(&loop.host);
        heap_deinit(&loop.sources);
        heap_deinit(&loop.monotonic);
        heap_deinit(&loop.real);
}

sd_event *loop_event(void) {
        return &loop.event;
}

void timer_stop(struct world_timer *timer) {
        if (timer->heap)
                heap_remove(timer->heap, &timer->item);
        timer->heap = NULL;
}

static void set_timer(struct world_timer *timer, struct heap *heap, uint64_t key) {
        if (timer->heap && timer->heap != heap)
                timer_stop(timer);
        timer->heap = heap;
        place(heap, &timer->item, key);
}

void timer_set_world(struct world_timer *timer, uint64_t boot_usec) {
        set_timer(timer, &loop.world, boot_usec);
}

void timer_set_host(struct world_timer *timer, uint64_t monotonic_usec) {
        set_timer(timer, &loop.host, monotonic_usec);
}

void loop_suspend_host(bool suspended) {
        if (loop.suspended && !suspended)
                loop.resumed_usec = clock_boot_usec();
        loop.suspended = suspended;
}

uint64_t loop_host_resumed_usec(void) {
        return loop.resumed_usec;
}

bool loop_host_is_suspended(void) {
        return loop.suspended;
}

/* The time until the first of HEAP, whose clock shows NOW. */
static uint64_t distance(const struct heap *heap, uint64_t now_usec) {
        const struct heap_item *first = heap_first(heap);

        return first ? usec_sub(first->key, now_usec) : USEC_INFINITY;
}

static void fire_timer(struct heap *heap) {
        struct world_timer *timer = container_of(heap_first(heap), struct world_timer, item);

        timer_stop(timer);
        timer->fire(timer->userdata);
}

static void fire_source(struct heap *heap) {
        struct sd_event_source *source = container_of(heap_first(heap), struct sd_event_source, item);

        heap_remove(heap, &source->item);
        if (source->enabled == SD_EVENT_ONESHOT)
                source->enabled = SD_EVENT_OFF;
        loop.event.iteration++;
        (void)source->handler(source, source->usec, source->userdata);
}

bool loop_turn(uint64_t until_usec) {
        uint64_t world = distance(&loop.world, clock_boot_usec()), host = distance(&loop.host, clock_monotonic_usec());
        uint64_t sources = distance(&loop.sources, clock_boot_usec()), real = distance(&loop.real, clock_real_usec());
        uint64_t monotonic = distance(&loop.monotonic, clock_monotonic_usec()), left = usec_sub(until_usec, clock_boot_usec()), next;

        if (loop.suspended)
                host = sources = real = monotonic = USEC_INFINITY;
        next = MIN(MIN(world, host), MIN(MIN(sources, real), monotonic));
        clocks_pass(MIN(next, left), loop.suspended);
        if (next > left)
                return false;
        if (world == next)
                fire_timer(&loop.world);
        else if (host == next)
                fire_timer(&loop.host);
        else
                fire_source(sources == next ? &loop.sources : real == next ? &loop.real : &loop.monotonic);
        return true;
}

bool loop_daemon_is_armed(void) {
        return heap_first(&loop.sources);
}

/* -- sd_event -------------------------------------------------------------------------------------------------------------------- */

sd_event *sd_event_ref(sd_event *event) {
        return event;
}

sd_event *sd_event_unref(sd_event *event) {
        (void)event;
        return NULL;
}

static struct heap *heap_of(clockid_t clock) {
        switch (clock) {
        case CLOCK_BOOTTIME:
                return &loop.sources;
        case CLOCK_REALTIME:
                return &loop.real;
        default:
                return &loop.monotonic;
        }
}

static void arm(struct sd_event_source *source) {
        if (source->enabled == SD_EVENT_OFF || source->usec == USEC_INFINITY)
                heap_remove(source->heap, &source->item);
        else
                place(source->heap, &source->item, source->usec);
}

int sd_event_add_time(sd_event *event, sd_event_source **ret_source, clockid_t clock, uint64_t usec, uint64_t accuracy,
                      sd_event_time_handler_t handler, void *userdata) {
        struct sd_event_source *source = calloc(1, sizeof(*source));

        (void)event;
        (void)accuracy;
        if (!source)
                return -ENOMEM;
        *source = (struct sd_event_source){
                .heap = heap_of(clock), .handler = handler, .userdata = userdata, .usec = usec, .enabled = SD_EVENT_ONESHOT};
        arm(source);
        *ret_source = source;
        return 0;
}

int sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
        source->usec = usec;
        arm(source);
        return 0;
}

int sd_event_source_get_time(sd_event_source *source, uint64_t *ret_usec) {
        *ret_usec = source->usec;
        return 0;
}

int sd_event_source_set_enabled(sd_event_source *source, int enabled) {
        source->enabled = enabled;
        arm(source);
        return 0;
}

int sd_event_source_get_enabled(sd_event_source *source, int *ret_enabled) {
        if (ret_enabled)
                *ret_enabled = source->enabled;
        return source->enabled != SD_EVENT_OFF;
}

int sd_event_source_set_description(sd_event_source *source, const char *description) {
        (void)source;
        (void)description;
        return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *source) {
        if (source)
                heap_remove(source->heap, &source->item);
        free(source);
        return NULL;
}

int sd_event_get_iteration(sd_event *event, uint64_t *ret_iteration) {
        *ret_iteration = event->iteration;
        return 0;
}
