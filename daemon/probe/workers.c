/*
 * libpq computes on the calling thread: a hostile server's count of SCRAM iterations holds it for seconds, and no thread can be made to
 * stop. So the thread is left alone with that one connection, and everything else it had goes to a new one. When it returns, it hands the
 * connection back and ends; nothing is lost, even if the machine was merely busy.
 *
 * A prober is stuck if it has computed for 100 ms, or waited for something for 500 ms. Elapsed time alone is not enough: on a busy machine
 * a login that loads all certificate authorities takes 100 ms for 18 ms of work. Detaching it would start the next such login beside it,
 * which makes both slower, and so on until sixty of them compete with all the rest.
 */
#include "probe/workers.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"
#include "base/process.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#define SURELY_STUCK_USEC (500 * USEC_PER_MSEC)
#define LOOK_AGAIN_USEC (10 * USEC_PER_MSEC)
/* More are not detached at a time: their stacks would use up our memory. */
#define DETACHED_MAX 128
/* Stopping: servers that have been silent for so long, all of them, are not waited for. */
#define STOP_QUIET_USEC (500 * USEC_PER_MSEC)
/* We ask to be woken after a millisecond: any delay beyond this is our own slowness, not a server's silence. */
#define STOP_LATE_USEC (5 * USEC_PER_MSEC)
/* The service manager's clock goes on meanwhile: this many times the timeout is the limit. */
#define STOP_SLOWNESS_MAX 2
#define STACK_BYTES (512 * 1024)
#define NICE_DETACHED 10
#define STOP_SLICE_USEC (20 * USEC_PER_MSEC)

/*
 * A thread that serves a worker, one at a time. If it gets stuck in libpq it is detached, and another one takes its worker. When it returns
 * it hands back its connection, and ends.
 */
struct prober {
        struct stuck_detector detector;
        pthread_t thread;
        _Atomic pid_t thread_id;
        struct worker *worker;
};

static void *prober_serve(void *userdata) {
        struct prober *prober = userdata;
        struct worker *worker = prober->worker;

        atomic_store(&prober->thread_id, gettid());
        worker_resume(worker);
        while (!worker_is_over(worker))
                if (!worker_turn(worker))
                        break; /* the worker belongs to another prober now */
        return NULL;
}

/* Starts one for WORKER. AWAY: the channel with which its predecessor was detached, or NULL. 0 or a negative errno. */
static int prober_start(struct worker *worker, struct channel *away, const char *name, struct prober **ret_prober) {
        struct prober *prober = calloc(1, sizeof(*prober));
        int r;

        if (!prober)
                return -ENOMEM;
        prober->worker = worker;
        r = worker_open(worker, &prober->detector, away);
        if (r == 0)
                r = thread_start(name, STACK_BYTES, prober_serve, prober, &prober->thread);
        if (r < 0) {
                free(prober);
                return r;
        }
        *ret_prober = prober;
        return 0;
}

/* How long it has been in one call of libpq, at NOW_USEC (CLOCK_MONOTONIC). */
static uint64_t prober_busy_usec(const struct prober *prober, uint64_t now_usec) {
        return stuck_detector_busy_usec(&prober->detector, now_usec);
}

/* The CPU time that it has used in that call; 0: unknown. A prober that used little waits, perhaps for a processor. */
static uint64_t prober_computed_usec(const struct prober *prober) {
        struct timespec cpu;
        clockid_t clock;

        if (pthread_getcpuclockid(prober->thread, &clock) != 0 || clock_gettime(clock, &cpu) < 0)
                return 0;
        return stuck_detector_computed_usec(&prober->detector, (uint64_t)cpu.tv_sec * USEC_PER_SEC + (uint64_t)cpu.tv_nsec / 1000);
}

/* Lets it go on computing, but behind all others. */
static void prober_slow_down(const struct prober *prober) {
        (void)setpriority(PRIO_PROCESS, (id_t)atomic_load(&prober->thread_id), NICE_DETACHED);
}

/*
 * Detaches it if it has been in its call for at least LIMIT_USEC. Returns whether it did, and the channel it works on: the worker is the
 * caller's then.
 */
static bool prober_detach(struct prober *prober, uint64_t now_usec, uint64_t limit_usec, struct channel **ret_away) {
        void *channel;

        if (!stuck_detector_detach(&prober->detector, now_usec, limit_usec, &channel))
                return false;
        *ret_away = channel;
        return true;
}

/*
 * Waits at most TIMEOUT_USEC until it has ended, and frees it. Returns whether it has. Called only when the process ends, or for a prober
 * that has probably ended long ago: so a look every millisecond will do.
 */
static bool prober_join(struct prober *prober, uint64_t timeout_usec) {
        uint64_t until = usec_add(clock_monotonic_usec(), timeout_usec);

        while (pthread_tryjoin_np(prober->thread, NULL) != 0) {
                if (clock_monotonic_usec() >= until)
                        return false;
                (void)usleep(USEC_PER_MSEC);
        }
        free(prober);
        return true;
}

/* It will never be joined: it keeps the little that it still needs. */
static void prober_abandon(struct prober *prober) {
        (void)pthread_detach(prober->thread);
}

struct entry {
        struct worker *worker;
        struct prober *prober; /* NULL: the next one could not be started yet */
        struct channel *away;  /* the channel with which the last one was detached */
        bool ended;            /* workers_stop(): all its connections are terminated, its thread is joined */
};

/* A detached prober that is not back yet. */
struct detached {
        struct prober *prober;
        uint64_t since_usec; /* in libpq, CLOCK_MONOTONIC */
        bool logged;
        char address[sizeof(((struct attempt *)NULL)->address)];
};

struct workers {
        struct entry *entries;
        unsigned n_entries;
        struct detached detached[DETACHED_MAX];
        unsigned n_detached;
        unsigned replaced;
        bool stopping;
};

static int start_prober(struct workers *workers, struct entry *entry) {
        char name[THREAD_NAME_MAX];
        int r;

        (void)snprintf(name, sizeof(name), "prober-%u", (unsigned)(entry - workers->entries) & 0xFF);
        r = prober_start(entry->worker, entry->away, name, &entry->prober);
        if (r == 0)
                entry->away = NULL;
        return r;
}

static int start_entries(struct workers *workers, unsigned n, struct queue *reports, struct resolver *resolver) {
        int r;

        workers->entries = calloc(n, sizeof(*workers->entries));
        if (!workers->entries)
                return -ENOMEM;
        for (; workers->n_entries < n; workers->n_entries++) {
                struct entry *entry = &workers->entries[workers->n_entries];

                r = worker_new(reports, resolver, &entry->worker);
                if (r < 0)
                        return r;
                r = start_prober(workers, entry);
                if (r < 0) {
                        worker_free(entry->worker);
                        return r;
                }
        }
        return 0;
}

int workers_new(unsigned n, struct queue *reports, struct resolver *resolver, struct workers **ret_workers) {
        struct workers *workers = calloc(1, sizeof(*workers));
        int r;

        if (!workers)
                return -ENOMEM;
        r = start_entries(workers, n, reports, resolver);
        if (r < 0) {
                workers_stop(workers, STOP_QUIET_USEC);
                (void)workers_free(workers);
                return r;
        }
        *ret_workers = workers;
        return 0;
}

int workers_push(struct workers *workers, const struct worker_message *message) {
        return worker_push(workers->entries[message->database % workers->n_entries].worker, message);
}

bool workers_has_detached(const struct workers *workers) {
        return workers->n_detached > 0;
}

unsigned workers_size(const struct workers *workers) {
        return workers->n_entries;
}

unsigned workers_replaced(const struct workers *workers) {
        return workers->replaced;
}

/* A prober that gets little of the processor is slow, not stuck; but not forever. */
static bool is_stuck(const struct prober *prober, uint64_t now_usec, uint64_t *ret_computed_usec) {
        uint64_t busy_usec = prober_busy_usec(prober, now_usec), computed_usec;

        if (busy_usec < PROBER_STUCK_USEC)
                return false;
        *ret_computed_usec = computed_usec = prober_computed_usec(prober);
        if (computed_usec >= PROBER_STUCK_USEC || busy_usec >= 10 * SURELY_STUCK_USEC)
                return true;
        return busy_usec >= SURELY_STUCK_USEC && computed_usec < PROBER_STUCK_USEC / 10;
}

/* After a detach, the worker is ours until the next prober is started. */
static void detach_if_stuck(struct workers *workers, struct entry *entry, uint64_t now_usec) {
        struct detached *detached = &workers->detached[workers->n_detached];
        const struct slot *slot;
        uint64_t busy_usec, computed_usec = 0;

        if (!entry->prober || workers->n_detached == DETACHED_MAX)
                return;
        busy_usec = prober_busy_usec(entry->prober, now_usec);
        if (!is_stuck(entry->prober, now_usec, &computed_usec) ||
            !prober_detach(entry->prober, now_usec, PROBER_STUCK_USEC, &entry->away))
                return;
        /* It must not take the processor from those that do its work. */
        if (computed_usec >= PROBER_STUCK_USEC)
                prober_slow_down(entry->prober);
        slot = entry->away->slot;
        *detached = (struct detached){ .prober = steal_pointer(&entry->prober), .since_usec = usec_sub(now_usec, busy_usec) };
        (void)text_copy(detached->address, sizeof(detached->address),
                        slot->run.stage != ATTEMPT_IDLE ? slot->run.attempt.address : slot->session_address);
        workers->n_detached++;
        workers->replaced++;
}

static uint64_t look_at_entry(struct workers *workers, struct entry *entry, uint64_t now_usec) {
        uint64_t busy_usec;

        detach_if_stuck(workers, entry, now_usec);
        if (!entry->prober && start_prober(workers, entry) < 0)
                return now_usec + PROBER_STUCK_USEC;
        busy_usec = prober_busy_usec(entry->prober, now_usec);
        if (busy_usec == 0)
                return USEC_INFINITY;
        /* It may be getting stuck. */
        return now_usec + MAX(usec_sub(PROBER_STUCK_USEC, busy_usec), LOOK_AGAIN_USEC);
}

/*
 * Logged once for each, and only when it is certain: on a machine that is merely busy a prober is detached now and then and comes back
 * soon, and no server is to blame.
 */
static void log_stuck(struct detached *detached, uint64_t now_usec) {
        uint64_t busy_usec = usec_sub(now_usec, detached->since_usec);
        char text[DURATION_MAX];

        if (detached->logged || busy_usec < SURELY_STUCK_USEC)
                return;
        detached->logged = true;
        log_entry(LOG_WARNING, MESSAGE_ID_PROBER_REPLACED, NULL, 0,
                  "the server at %s has kept a prober computing for %s; all other databases of this prober go on with a new one",
                  detached->address, duration_format_human(text, busy_usec));
}

static uint64_t look_at_aside(struct workers *workers, uint64_t now_usec) {
        uint64_t next = USEC_INFINITY;
        unsigned n = 0;

        for (unsigned i = 0; i < workers->n_detached; i++) {
                struct detached *detached = &workers->detached[i];

                if (prober_join(detached->prober, 0))
                        continue;
                log_stuck(detached, now_usec);
                if (!detached->logged)
                        next = MIN(next, detached->since_usec + SURELY_STUCK_USEC);
                workers->detached[n++] = *detached;
        }
        workers->n_detached = n;
        return next;
}

uint64_t workers_look(struct workers *workers) {
        uint64_t now_usec = clock_monotonic_usec(), next = USEC_INFINITY;

        for (unsigned i = 0; i < workers->n_entries; i++)
                next = MIN(next, look_at_entry(workers, &workers->entries[i], now_usec));
        return MIN(next, look_at_aside(workers, now_usec));
}

/* Returns whether it has ended. A stuck one is replaced: the worker's other connections can still be terminated cleanly. */
static bool entry_has_ended(struct workers *workers, struct entry *entry) {
        if (!entry->ended && entry->prober && prober_join(entry->prober, 0)) {
                entry->prober = NULL;
                entry->ended = true;
        }
        if (!entry->ended)
                (void)look_at_entry(workers, entry, clock_monotonic_usec());
        return entry->ended;
}

static bool all_have_ended(struct workers *workers) {
        bool all = true;

        for (unsigned i = 0; i < workers->n_entries; i++)
                all = entry_has_ended(workers, &workers->entries[i]) && all;
        return all;
}

static void push_to_all(struct workers *workers, enum worker_message_kind kind) {
        const struct worker_message message = { .kind = kind };

        for (unsigned i = 0; i < workers->n_entries; i++)
                (void)worker_push(workers->entries[i].worker, &message);
}

/* The progress of an end. Durations leave out what exceeds STOP_LATE_USEC between two looks; LAST_USEC does not. */
struct ending {
        unsigned goodbyes, answers; /* of all workers so far */
        uint64_t quiet_usec;        /* since the last of either */
        uint64_t told_usec;         /* since the last goodbye */
        uint64_t seen_usec;         /* the time of the last look */
        uint64_t last_usec;         /* the time at which it is over in any case */
};

static void look_at_ending(struct workers *workers, struct ending *ending, uint64_t timeout_usec) {
        uint64_t now_usec = clock_monotonic_usec(), passed_usec = MIN(usec_sub(now_usec, ending->seen_usec), STOP_LATE_USEC);
        unsigned goodbyes = 0, answers = 0;

        for (unsigned i = 0; i < workers->n_entries; i++) {
                goodbyes += atomic_load_explicit(&workers->entries[i].worker->goodbyes, memory_order_relaxed);
                answers += atomic_load_explicit(&workers->entries[i].worker->answers, memory_order_relaxed);
        }
        ending->quiet_usec += passed_usec;
        ending->told_usec += passed_usec;
        if (goodbyes != ending->goodbyes || answers != ending->answers)
                ending->quiet_usec = 0;
        if (goodbyes != ending->goodbyes) {
                ending->told_usec = 0;
                ending->last_usec = usec_add(now_usec, STOP_SLOWNESS_MAX * timeout_usec);
        }
        ending->goodbyes = goodbyes;
        ending->answers = answers;
        ending->seen_usec = now_usec;
}

void workers_say_goodbye(struct workers *workers) {
        if (!workers->stopping)
                push_to_all(workers, WORKER_STOP);
        workers->stopping = true;
}

void workers_stop(struct workers *workers, uint64_t timeout_usec) {
        struct ending ending = { .seen_usec = clock_monotonic_usec() };
        bool given_up = false;

        ending.last_usec = usec_add(ending.seen_usec, STOP_SLOWNESS_MAX * timeout_usec);
        workers_say_goodbye(workers);
        while (!all_have_ended(workers)) {
                look_at_ending(workers, &ending, timeout_usec);
                if (ending.seen_usec >= usec_add(ending.last_usec, STOP_QUIET_USEC))
                        return; /* those that do not even give up are stuck */
                if (!given_up && (ending.quiet_usec >= STOP_QUIET_USEC || ending.told_usec >= timeout_usec ||
                                  ending.seen_usec >= ending.last_usec)) {
                        push_to_all(workers, WORKER_GIVE_UP);
                        given_up = true;
                }
                (void)usleep(USEC_PER_MSEC);
        }
}

/* Returns whether all have ended. */
static bool join_aside(struct workers *workers) {
        uint64_t until = usec_add(clock_monotonic_usec(), STOP_SLICE_USEC);
        bool all = true;

        for (unsigned i = 0; i < workers->n_detached; i++)
                if (!prober_join(workers->detached[i].prober, usec_sub(until, clock_monotonic_usec()))) {
                        prober_abandon(workers->detached[i].prober);
                        all = false;
                }
        return all;
}

static bool abandon_entries(struct workers *workers) {
        bool all = true;

        for (unsigned i = 0; i < workers->n_entries; i++)
                if (workers->entries[i].prober) {
                        prober_abandon(workers->entries[i].prober);
                        all = false;
                }
        return all;
}

bool workers_free(struct workers *workers) {
        bool back, over;

        if (!workers)
                return true;
        back = join_aside(workers);
        over = abandon_entries(workers);
        for (unsigned i = 0; i < workers->n_entries && back && over; i++)
                worker_free(workers->entries[i].worker);
        if (!back || !over)
                process_exit_without_handlers();
        free(workers->entries);
        free(workers);
        return over;
}
