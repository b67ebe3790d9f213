#include "probe/prober.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <sys/resource.h>

#define STACK_BYTES (512 * 1024)
#define NICE_ASIDE 10

struct prober {
        struct guard guard;
        pthread_t thread;
        _Atomic pid_t thread_id;
        struct lane *lane;
};

static void *serve(void *userdata) {
        struct prober *prober = userdata;
        struct lane *lane = prober->lane;

        atomic_store(&prober->thread_id, gettid());
        lane_resume(lane);
        while (!lane_is_over(lane))
                if (!lane_turn(lane))
                        break; /* it is somebody else's now */
        return NULL;
}

int prober_start(struct lane *lane, struct line *away, const char *name, struct prober **ret_prober) {
        struct prober *prober = calloc(1, sizeof(*prober));
        int r;

        if (!prober)
                return -ENOMEM;
        prober->lane = lane;
        r = lane_open(lane, &prober->guard, away);
        if (r == 0)
                r = thread_start(name, STACK_BYTES, serve, prober, &prober->thread);
        if (r < 0) {
                free(prober);
                return r;
        }
        *ret_prober = prober;
        return 0;
}

uint64_t prober_busy_usec(const struct prober *prober, uint64_t now_usec) {
        return guard_busy_usec(&prober->guard, now_usec);
}

uint64_t prober_computed_usec(const struct prober *prober) {
        struct timespec cpu;
        clockid_t clock;

        if (pthread_getcpuclockid(prober->thread, &clock) != 0 || clock_gettime(clock, &cpu) < 0)
                return 0;
        return guard_computed_usec(&prober->guard, (uint64_t)cpu.tv_sec * USEC_PER_SEC + (uint64_t)cpu.tv_nsec / 1000);
}

void prober_slow_down(const struct prober *prober) {
        (void)setpriority(PRIO_PROCESS, (id_t)atomic_load(&prober->thread_id), NICE_ASIDE);
}

bool prober_set_aside(struct prober *prober, uint64_t now_usec, uint64_t limit_usec, struct line **ret_away) {
        void *line;

        if (!guard_abandon(&prober->guard, now_usec, limit_usec, &line))
                return false;
        *ret_away = line;
        return true;
}

/* Asked only where the process ends, or where it has probably ended long ago: so a look every millisecond will do. */
bool prober_join(struct prober *prober, uint64_t timeout_usec) {
        uint64_t until = usec_add(clock_monotonic_usec(), timeout_usec);

        while (pthread_tryjoin_np(prober->thread, NULL) != 0) {
                if (clock_monotonic_usec() >= until)
                        return false;
                (void)usleep(USEC_PER_MSEC);
        }
        free(prober);
        return true;
}

void prober_abandon(struct prober *prober) {
        (void)pthread_detach(prober->thread);
}
