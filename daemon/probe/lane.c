/*
 * The loop is an epoll set of its own, and not an sd_event. sd_event asks the kernel anew after every single event, and is told of all
 * sockets that are ready, again; with 64 of them ready an event costs five times what it costs here, with 1000 sixty times. Here a batch
 * is taken and worked off, so a check costs the same whether one database is watched or ten thousand. The one deadline that counts is the
 * timeout of epoll_wait(): no timer is ever set, and no wake-up comes when nothing is due.
 *
 * Steps of a connect may be dear (18 ms to load a bundle of certificates), so they wait in a list of their own, which is given 5 ms a
 * turn: lost sessions, answers to queries and new checks need not wait for 64 TLS handshakes.
 */
#include "probe/lane-inside.h"

#include "base/error.h"

#include <sys/epoll.h>

#define EVENTS_MAX 64
#define LISTED_USEC (5 * USEC_PER_MSEC)
#define DONE_MAX 32
#define DONE_COMPANY 8
#define DONE_WAIT_USEC USEC_PER_MSEC

/* Sockets and time. */

static bool on_socket(struct lane *lane, struct line *line) {
        enum op op;

        if (!subject_op(line->subject, line, &op))
                return true; /* closed in this turn, before its event was looked at */
        if (lane->stopping)
                lane_note_answer(lane, line->subject);
        if (line->due)
                return true;
        lane_stamp(lane, line);
        if (op != OP_POLL)
                return lane_drive(lane, line, op);
        line->due = true;
        if (line->listed)
                return true;
        line->listed = true;
        line->next_listed = NULL;
        *lane->last_listed = line;
        lane->last_listed = &line->next_listed;
        return true;
}

static struct line *take_listed(struct lane *lane) {
        struct line *line = lane->listed;

        lane->listed = line->next_listed;
        if (!lane->listed)
                lane->last_listed = &lane->listed;
        line->listed = false;
        return line;
}

static bool poll_listed(struct lane *lane) {
        while (lane->listed) {
                struct line *line = take_listed(lane);

                if (line->due && !lane_drive(lane, line, OP_POLL))
                        return false;
                if (lane->listed && usec_sub(clock_monotonic_usec(), lane->now_usec) >= LISTED_USEC)
                        break;
        }
        return true;
}

/* An event that was seen in time is not late for having to wait in the list. */
static bool is_due(const struct lane *lane, const struct subject *subject) {
        const struct line *line = subject_attempt_line(subject);

        return run_due(&subject->run) <= lane->now_usec && !(line && line->due);
}

static bool expire(struct lane *lane) {
        struct subject *next;

        for (struct subject *subject = lane->active; subject; subject = next) {
                struct line *line = subject_attempt_line(subject);

                next = subject->next_active;
                if (!is_due(lane, subject))
                        continue;
                if (run_expired(&subject->run, line && line->away, lane->now_usec) == RUN_ENDED) {
                        lane_finish(lane, subject);
                        continue;
                }
                lane_stamp(lane, line);
                if (!lane_drive(lane, line, subject->run.op))
                        return false;
        }
        lane->next_due_usec = USEC_INFINITY;
        for (const struct subject *subject = lane->active; subject; subject = subject->next_active)
                lane_arm(lane, subject);
        return true;
}

static void free_buried(struct lane *lane) {
        struct subject **link = &lane->buried;

        while (*link) {
                struct subject *subject = *link;

                if (subject->lines[0].listed || subject->lines[1].listed) {
                        link = &subject->next_buried;
                        continue;
                }
                *link = subject->next_buried;
                subject_free(subject);
        }
}

static int timeout_msec(const struct lane *lane) {
        uint64_t left;

        if (lane->listed)
                return 0;
        if (lane->done)
                return DONE_WAIT_USEC / USEC_PER_MSEC;
        if (lane->next_due_usec == USEC_INFINITY)
                return -1;
        left = usec_sub(lane->next_due_usec, clock_monotonic_usec());
        return (int)MIN((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC, (uint64_t)INT32_MAX);
}

/*
 * While many attempts are under way, those that ended wait a moment for company: to wake the main loop costs as much as all the rest of a
 * ping.
 */
static bool done_may_wait(const struct lane *lane) {
        return lane->n_done < DONE_MAX && lane->n_active >= DONE_COMPANY &&
               usec_sub(lane->now_usec, lane->done_since_usec) < DONE_WAIT_USEC;
}

bool lane_turn(struct lane *lane) {
        struct epoll_event events[EVENTS_MAX];
        bool messages = false;
        int n = epoll_wait(lane->epoll_fd, events, EVENTS_MAX, timeout_msec(lane));

        lane->now_usec = clock_monotonic_usec();
        lane->now_boot_usec = clock_boot_usec();
        for (int i = 0; i < n; i++)
                if (!events[i].data.ptr)
                        messages = true;
                else if (!on_socket(lane, events[i].data.ptr))
                        return false;
        if (messages && !lane_take_messages(lane))
                return false;
        if (lane->now_usec >= lane->next_due_usec && !expire(lane))
                return false;
        /* What may take long must not hold up what has ended. */
        if (lane->listed)
                lane_report_done(lane);
        if (!poll_listed(lane))
                return false;
        if (lane->done && !done_may_wait(lane))
                lane_report_done(lane);
        free_buried(lane);
        return true;
}

bool lane_is_over(const struct lane *lane) {
        return lane->stopping && !lane->active && !lane->buried;
}

/* Change of threads. */

int lane_open(struct lane *lane, struct guard *guard, struct line *away) {
        struct epoll_event event = { .events = EPOLLIN };
        _cleanup_close_ int fd = epoll_create1(EPOLL_CLOEXEC);

        if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, queue_fd(lane->messages), &event) < 0)
                return error_from_errno();
        if (away) {
                struct run *run = &away->subject->run;

                away->away = true;
                away->events = 0;
                away->subject->away_phase = run->connection == &away->connection ? run->phase : PHASE_QUERY;
        }
        close_fd(&lane->epoll_fd);
        lane->epoll_fd = fd;
        fd = -1;
        lane->guard = guard;
        return 0;
}

static void resume(struct lane *lane, struct subject *subject) {
        enum op op;

        for (size_t i = 0; i < ARRAY_LENGTH(subject->lines); i++) {
                struct line *line = &subject->lines[i];

                line->events = 0;
                if (subject_op(subject, line, &op) && connection_fd(&line->connection) >= 0)
                        (void)lane_watch(lane, line);
        }
}

void lane_resume(struct lane *lane) {
        struct subject *subject;
        size_t position = 0;

        while ((subject = id_map_next(&lane->subjects, &position)))
                resume(lane, subject);
        /* Those that were forgotten, but are not over yet, are in no table. */
        for (subject = lane->active; subject; subject = subject->next_active)
                if (subject->forgotten)
                        resume(lane, subject);
}

int lane_new(struct queue *reports, struct resolver *resolver, struct lane **ret_lane) {
        struct lane *lane = calloc(1, sizeof(*lane));
        int r;

        if (!lane)
                return -ENOMEM;
        lane->epoll_fd = -1;
        lane->reports = reports;
        lane->resolver = resolver;
        lane->last_done = &lane->done;
        lane->last_listed = &lane->listed;
        lane->next_due_usec = USEC_INFINITY;
        r = queue_new(sizeof(struct lane_message), &lane->messages);
        if (r < 0)
                return lane_free(lane), r;
        *ret_lane = lane;
        return 0;
}

struct lane *lane_free(struct lane *lane) {
        struct lane_message message;
        struct subject *subject;
        size_t position = 0;

        if (!lane)
                return NULL;
        while (lane->messages && queue_pop(lane->messages, &message) > 0) {
                lane_drop_message(&message);
                if (message.kind == LANE_RETURNED && subject_is_over(message.line->subject))
                        subject_free(message.line->subject);
        }
        while ((subject = id_map_next(&lane->subjects, &position)))
                if (!subject_is_away(subject))
                        subject_free(subject);
        id_map_deinit(&lane->subjects);
        while ((subject = lane->buried)) {
                lane->buried = subject->next_buried;
                subject_free(subject);
        }
        close_fd(&lane->epoll_fd);
        lane->messages = queue_free(lane->messages);
        free(lane);
        return NULL;
}

int lane_push(struct lane *lane, const struct lane_message *message) {
        return queue_push(lane->messages, message);
}

bool lane_deliver(void *userdata, const struct resolved *answer) {
        const struct lane_message message = { .kind = LANE_RESOLVED, .database = answer->id, .resolved = *answer };

        return lane_push(userdata, &message) == 0;
}
