/*
 * libpq computes where it is called: a hostile server's count of SCRAM iterations holds a thread for seconds, and no thread can be made to
 * stop. So the thread is left alone with that one connection, and everything else it had goes to a new one. When it returns, it hands the
 * connection back and ends; nothing was lost, even if it was merely the machine that was busy.
 *
 * Who is stuck has computed for 100 ms, or waited for something for 500 ms. Time alone would not do: on a busy machine a login that loads
 * all certificate authorities takes 100 ms of it for 18 ms of work. Setting that aside would start the next such login beside it, which
 * makes both slower, and so on until sixty of them compete with all the rest.
 */
#include "probe/crew.h"

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"
#include "base/process.h"
#include "base/text.h"
#include "base/thread.h"

#include <stdio.h>

#define SURELY_STUCK_USEC (500 * USEC_PER_MSEC)
#define LOOK_AGAIN_USEC (10 * USEC_PER_MSEC)
/* More are not set aside at a time: somebody would be spending all our memory on stacks. */
#define ASIDE_MAX 128
/* Stopping: who has not answered for so long when nobody else did either is not waited for. */
#define STOP_QUIET_USEC (500 * USEC_PER_MSEC)
/* We ask to be woken after a millisecond: what comes later than this is our own slowness, and no server's silence. */
#define STOP_LATE_USEC (5 * USEC_PER_MSEC)
/* But the service manager's clock goes on, and so this many times the time that we have is all. */
#define STOP_SLOWNESS_MAX 2
#define STOP_SLICE_USEC (20 * USEC_PER_MSEC)

struct post {
        struct lane *lane;
        struct prober *prober; /* NULL: the next one could not be started yet */
        struct line *away;     /* what the last one was set aside with */
        bool ended;            /* crew_stop(): all its connections are terminated, its thread is joined */
};

/* A prober that was set aside and is not back yet. */
struct aside {
        struct prober *prober;
        uint64_t since_usec; /* in libpq, CLOCK_MONOTONIC */
        bool logged;
        char address[sizeof(((struct attempt *)NULL)->address)];
};

struct crew {
        struct post *posts;
        unsigned n_posts;
        struct aside aside[ASIDE_MAX];
        unsigned n_aside;
        unsigned replaced;
        bool stopping;
};

static int start_prober(struct crew *crew, struct post *post) {
        char name[THREAD_NAME_MAX];
        int r;

        (void)snprintf(name, sizeof(name), "prober-%u", (unsigned)(post - crew->posts) & 0xFF);
        r = prober_start(post->lane, post->away, name, &post->prober);
        if (r == 0)
                post->away = NULL;
        return r;
}

static int start_posts(struct crew *crew, unsigned n, struct queue *reports, struct resolver *resolver) {
        int r;

        crew->posts = calloc(n, sizeof(*crew->posts));
        if (!crew->posts)
                return -ENOMEM;
        for (; crew->n_posts < n; crew->n_posts++) {
                struct post *post = &crew->posts[crew->n_posts];

                r = lane_new(reports, resolver, &post->lane);
                if (r < 0)
                        return r;
                r = start_prober(crew, post);
                if (r < 0) {
                        lane_free(post->lane);
                        return r;
                }
        }
        return 0;
}

int crew_new(unsigned n, struct queue *reports, struct resolver *resolver, struct crew **ret_crew) {
        struct crew *crew = calloc(1, sizeof(*crew));
        int r;

        if (!crew)
                return -ENOMEM;
        r = start_posts(crew, n, reports, resolver);
        if (r < 0) {
                crew_stop(crew, STOP_QUIET_USEC);
                (void)crew_free(crew);
                return r;
        }
        *ret_crew = crew;
        return 0;
}

int crew_push(struct crew *crew, const struct lane_message *message) {
        return lane_push(crew->posts[message->database % crew->n_posts].lane, message);
}

bool crew_has_aside(const struct crew *crew) {
        return crew->n_aside > 0;
}

unsigned crew_size(const struct crew *crew) {
        return crew->n_posts;
}

unsigned crew_replaced(const struct crew *crew) {
        return crew->replaced;
}

/* One that gets little of the processor is not stuck, only slow; but not for ever. */
static bool is_stuck(const struct prober *prober, uint64_t now_usec, uint64_t *ret_computed_usec) {
        uint64_t busy_usec = prober_busy_usec(prober, now_usec), computed_usec;

        if (busy_usec < CREW_STUCK_USEC)
                return false;
        *ret_computed_usec = computed_usec = prober_computed_usec(prober);
        if (computed_usec >= CREW_STUCK_USEC || busy_usec >= 10 * SURELY_STUCK_USEC)
                return true;
        return busy_usec >= SURELY_STUCK_USEC && computed_usec < CREW_STUCK_USEC / 10;
}

/* The lane is ours until the next prober is started. */
static void set_aside_if_stuck(struct crew *crew, struct post *post, uint64_t now_usec) {
        struct aside *aside = &crew->aside[crew->n_aside];
        const struct subject *subject;
        uint64_t busy_usec, computed_usec = 0;

        if (!post->prober || crew->n_aside == ASIDE_MAX)
                return;
        busy_usec = prober_busy_usec(post->prober, now_usec);
        if (!is_stuck(post->prober, now_usec, &computed_usec) ||
            !prober_set_aside(post->prober, now_usec, CREW_STUCK_USEC, &post->away))
                return;
        /* It must not keep those from their work who do it in its place. */
        if (computed_usec >= CREW_STUCK_USEC)
                prober_slow_down(post->prober);
        subject = post->away->subject;
        *aside = (struct aside){ .prober = steal_pointer(&post->prober), .since_usec = usec_sub(now_usec, busy_usec) };
        (void)text_copy(aside->address, sizeof(aside->address),
                        subject->run.stage != RUN_IDLE ? subject->run.attempt.address : subject->session_address);
        crew->n_aside++;
        crew->replaced++;
}

static uint64_t look_at_post(struct crew *crew, struct post *post, uint64_t now_usec) {
        uint64_t busy_usec;

        set_aside_if_stuck(crew, post, now_usec);
        if (!post->prober && start_prober(crew, post) < 0)
                return now_usec + CREW_STUCK_USEC;
        busy_usec = prober_busy_usec(post->prober, now_usec);
        if (busy_usec == 0)
                return USEC_INFINITY;
        /* It may be on its way to being stuck. */
        return now_usec + MAX(usec_sub(CREW_STUCK_USEC, busy_usec), LOOK_AGAIN_USEC);
}

/*
 * Said once for each, and only when it is certain: on a machine that is merely busy a prober is set aside now and then, comes back soon,
 * and nobody's server is to blame.
 */
static void log_stuck(struct aside *aside, uint64_t now_usec) {
        uint64_t busy_usec = usec_sub(now_usec, aside->since_usec);
        char text[DURATION_MAX];

        if (aside->logged || busy_usec < SURELY_STUCK_USEC)
                return;
        aside->logged = true;
        log_entry(LOG_WARNING, MESSAGE_ID_PROBER_REPLACED, NULL, 0,
                  "the server at %s has kept a prober computing for %s; all other databases of this prober go on with a new one",
                  aside->address, duration_format_human(text, busy_usec));
}

static uint64_t look_at_aside(struct crew *crew, uint64_t now_usec) {
        uint64_t next = USEC_INFINITY;
        unsigned n = 0;

        for (unsigned i = 0; i < crew->n_aside; i++) {
                struct aside *aside = &crew->aside[i];

                if (prober_join(aside->prober, 0))
                        continue;
                log_stuck(aside, now_usec);
                if (!aside->logged)
                        next = MIN(next, aside->since_usec + SURELY_STUCK_USEC);
                crew->aside[n++] = *aside;
        }
        crew->n_aside = n;
        return next;
}

uint64_t crew_look(struct crew *crew) {
        uint64_t now_usec = clock_monotonic_usec(), next = USEC_INFINITY;

        for (unsigned i = 0; i < crew->n_posts; i++)
                next = MIN(next, look_at_post(crew, &crew->posts[i], now_usec));
        return MIN(next, look_at_aside(crew, now_usec));
}

/* Answers whether it has ended. One that is stuck is replaced: the lane's other connections can still be terminated cleanly. */
static bool post_has_ended(struct crew *crew, struct post *post) {
        if (!post->ended && post->prober && prober_join(post->prober, 0)) {
                post->prober = NULL;
                post->ended = true;
        }
        if (!post->ended)
                (void)look_at_post(crew, post, clock_monotonic_usec());
        return post->ended;
}

static bool all_have_ended(struct crew *crew) {
        bool all = true;

        for (unsigned i = 0; i < crew->n_posts; i++)
                all = post_has_ended(crew, &crew->posts[i]) && all;
        return all;
}

static void push_to_all(struct crew *crew, enum lane_message_kind kind) {
        const struct lane_message message = { .kind = kind };

        for (unsigned i = 0; i < crew->n_posts; i++)
                (void)lane_push(crew->posts[i].lane, &message);
}

/* How an end goes on. Times without their excess over STOP_LATE_USEC between two looks, but for LAST_USEC. */
struct ending {
        unsigned goodbyes, answers; /* of all lanes so far */
        uint64_t quiet_usec;        /* since there was either */
        uint64_t told_usec;         /* since there was a goodbye */
        uint64_t seen_usec;         /* when it was looked at last */
        uint64_t last_usec;         /* when it is over in any case */
};

static void look_at_ending(struct crew *crew, struct ending *ending, uint64_t timeout_usec) {
        uint64_t now_usec = clock_monotonic_usec(), passed_usec = MIN(usec_sub(now_usec, ending->seen_usec), STOP_LATE_USEC);
        unsigned goodbyes = 0, answers = 0;

        for (unsigned i = 0; i < crew->n_posts; i++) {
                goodbyes += atomic_load_explicit(&crew->posts[i].lane->goodbyes, memory_order_relaxed);
                answers += atomic_load_explicit(&crew->posts[i].lane->answers, memory_order_relaxed);
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

void crew_say_goodbye(struct crew *crew) {
        if (!crew->stopping)
                push_to_all(crew, LANE_STOP);
        crew->stopping = true;
}

void crew_stop(struct crew *crew, uint64_t timeout_usec) {
        struct ending ending = { .seen_usec = clock_monotonic_usec() };
        bool given_up = false;

        ending.last_usec = usec_add(ending.seen_usec, STOP_SLOWNESS_MAX * timeout_usec);
        crew_say_goodbye(crew);
        while (!all_have_ended(crew)) {
                look_at_ending(crew, &ending, timeout_usec);
                if (ending.seen_usec >= usec_add(ending.last_usec, STOP_QUIET_USEC))
                        return; /* those who do not even give up are stuck */
                if (!given_up && (ending.quiet_usec >= STOP_QUIET_USEC || ending.told_usec >= timeout_usec ||
                                  ending.seen_usec >= ending.last_usec)) {
                        push_to_all(crew, LANE_GIVE_UP);
                        given_up = true;
                }
                (void)usleep(USEC_PER_MSEC);
        }
}

/* Answers whether all have ended. */
static bool join_aside(struct crew *crew) {
        uint64_t until = usec_add(clock_monotonic_usec(), STOP_SLICE_USEC);
        bool all = true;

        for (unsigned i = 0; i < crew->n_aside; i++)
                if (!prober_join(crew->aside[i].prober, usec_sub(until, clock_monotonic_usec()))) {
                        prober_abandon(crew->aside[i].prober);
                        all = false;
                }
        return all;
}

static bool abandon_posts(struct crew *crew) {
        bool all = true;

        for (unsigned i = 0; i < crew->n_posts; i++)
                if (crew->posts[i].prober) {
                        prober_abandon(crew->posts[i].prober);
                        all = false;
                }
        return all;
}

bool crew_free(struct crew *crew) {
        bool back, over;

        if (!crew)
                return true;
        back = join_aside(crew);
        over = abandon_posts(crew);
        for (unsigned i = 0; i < crew->n_posts && back && over; i++)
                lane_free(crew->posts[i].lane);
        if (!back || !over)
                process_exit_without_handlers();
        free(crew->posts);
        free(crew);
        return over;
}
