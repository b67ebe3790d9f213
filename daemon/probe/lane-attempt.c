/*
 * The one place from which libpq is entered is perform(); around it, what an attempt wants next is done until it waits for something or
 * has ended.
 *
 * libpq closes and reopens its socket inside PQconnectPoll(), often under the same number. The kernel knows sockets, not numbers: a closed
 * one leaves the epoll set by itself, and changing what is watched for (EPOLL_CTL_MOD) fails with ENOENT for one that is not in it. So
 * that is done after every poll.
 */
#include "probe/lane-inside.h"

#include "base/error.h"
#include "probe/pool.h"

#include <sys/epoll.h>

/* As many as a login has, over TLS and with SCRAM. */
#define ANSWERS_MAX 10

void lane_arm(struct lane *lane, const struct subject *subject) {
        lane->next_due_usec = MIN(lane->next_due_usec, run_due(&subject->run));
}

void lane_activate(struct lane *lane, struct subject *subject) {
        subject->previous_active = NULL;
        subject->next_active = lane->active;
        if (lane->active)
                lane->active->previous_active = subject;
        lane->active = subject;
        lane->n_active++;
}

static void unlink_active(struct lane *lane, struct subject *subject) {
        if (subject->previous_active)
                subject->previous_active->next_active = subject->next_active;
        else
                lane->active = subject->next_active;
        if (subject->next_active)
                subject->next_active->previous_active = subject->previous_active;
        lane->n_active--;
        if (!lane->active)
                lane->next_due_usec = USEC_INFINITY;
}

/* Not at once: events of this turn may still name it. */
void lane_bury_if_over(struct lane *lane, struct subject *subject) {
        if (!subject_is_over(subject))
                return;
        subject->buried = true;
        subject->next_buried = lane->buried;
        lane->buried = subject;
}

void lane_note_answer(struct lane *lane, struct subject *subject) {
        if (subject->answers == ANSWERS_MAX)
                return;
        subject->answers++;
        atomic_fetch_add_explicit(&lane->answers, 1, memory_order_relaxed);
}

void lane_finish(struct lane *lane, struct subject *subject) {
        struct run *run = &subject->run;

        unlink_active(lane, subject);
        run->attempt.ended_boot_usec = lane->now_boot_usec;
        if (run->looks_up) {
                resolver_cancel(lane->resolver, conninfo_get(run->order.conninfo, "host"), lane, run->order.attempt);
                run->looks_up = false;
        }
        subject_take_session(subject);
        if (subject->forgotten) {
                run_clear(run);
                lane_bury_if_over(lane, subject);
                return;
        }
        subject->next_done = NULL;
        *lane->last_done = subject;
        lane->last_done = &subject->next_done;
        if (lane->n_done++ == 0)
                lane->done_since_usec = lane->now_usec;
}

void lane_report_done(struct lane *lane) {
        for (struct subject *subject = lane->done; subject; subject = subject->next_done) {
                const struct probe_report report = {
                        .kind = PROBE_REPORT_ATTEMPT,
                        .database = subject->id,
                        .attempt = subject->run.attempt,
                };

                /* Without memory the pool itself ends the attempt, by its deadline. */
                (void)queue_push(lane->reports, &report);
                run_clear(&subject->run);
        }
        lane->done = NULL;
        lane->last_done = &lane->done;
        lane->n_done = 0;
}

int lane_watch(struct lane *lane, struct line *line) {
        struct epoll_event event = {
                .events = line->connection.want_write ? EPOLLOUT : EPOLLIN | EPOLLRDHUP,
                .data.ptr = line,
        };
        int fd = connection_fd(&line->connection), r;

        if (line->events == event.events && line->op != OP_POLL)
                return 0;
        r = line->events ? epoll_ctl(lane->epoll_fd, EPOLL_CTL_MOD, fd, &event) : -1;
        if (r < 0 && (!line->events || errno == ENOENT))
                r = epoll_ctl(lane->epoll_fd, EPOLL_CTL_ADD, fd, &event);
        if (r < 0)
                return error_from_errno();
        line->events = event.events;
        return 0;
}

static void settle_idle(struct lane *lane, struct line *line) {
        struct subject *subject = line->subject;
        struct probe_report report;

        if (line->connection.step != STEP_FAILED) {
                (void)lane_watch(lane, line);
                return;
        }
        /* The attempt that brought the session may still wait to be told: its end comes after it. */
        lane_report_done(lane);
        subject_end_session(subject, &report);
        if (!subject->forgotten)
                (void)queue_push(lane->reports, &report);
}

bool lane_settle(struct lane *lane, struct line *line, enum op *op) {
        struct subject *subject = line->subject;
        enum run_todo todo;

        if (line->op == OP_IDLE) {
                settle_idle(lane, line);
                return false;
        }
        todo = run_performed(&subject->run, line->at_usec);
        if (todo == RUN_WAIT) {
                int r = lane_watch(lane, line);

                if (r < 0)
                        todo = run_give_up(&subject->run, REASON_HOST_RESOURCES, strerrordesc_np(-r), lane->now_usec);
        }
        switch (todo) {
        case RUN_PERFORM:
                *op = subject->run.op;
                return true;
        case RUN_WAIT:
        case RUN_LOOK_UP:
                lane_arm(lane, subject);
                return false;
        case RUN_ENDED:
                break;
        }
        lane_finish(lane, subject);
        return false;
}

void lane_stamp(const struct lane *lane, struct line *line) {
        line->at_usec = lane->now_usec;
        line->at_boot_usec = lane->now_boot_usec;
}

/* The one place that enters libpq. What is needed when the thread was set aside meanwhile is taken along. */
static bool perform(struct lane *lane, struct line *line, enum op op) {
        const struct lane_message returned = { .kind = LANE_RETURNED, .line = line };
        struct queue *messages = lane->messages;
        struct guard *guard = lane->guard;

        if (op == OP_START)
                line->events = 0;
        line->due = false;
        line->op = op;
        guard_enter(guard, line, op == OP_START || op == OP_POLL);
        connection_perform(&line->connection, op);
        if (guard_leave(guard))
                return true;
        while (queue_push(messages, &returned) < 0)
                (void)usleep(100 * USEC_PER_MSEC);
        return false;
}

bool lane_drive(struct lane *lane, struct line *line, enum op op) {
        do {
                if (!perform(lane, line, op))
                        return false;
        } while (lane_settle(lane, line, &op));
        return true;
}

static void look_up(struct lane *lane, struct subject *subject) {
        struct run *run = &subject->run;
        int r = resolver_ask(lane->resolver, conninfo_get(run->order.conninfo, "host"), lane, subject->id, run->order.attempt);

        if (r < 0) {
                run->looks_up = false;
                (void)run_give_up(run, REASON_HOST_RESOURCES, strerrordesc_np(-r), lane->now_usec);
                lane_finish(lane, subject);
                return;
        }
        if (r > 0)
                run_queue(run);
        lane_arm(lane, subject);
}

/* The session went before the ping that was to use it came: it failed as the session did. */
static void refuse_ping(struct lane *lane, struct subject *subject) {
        struct run *run = &subject->run;

        (void)run_give_up(run, subject->end_reason != REASON_NONE ? subject->end_reason : REASON_SESSION_LOST, NULL, lane->now_usec);
        memcpy(run->attempt.sqlstate, subject->end_sqlstate, sizeof(run->attempt.sqlstate));
        lane_finish(lane, subject);
}

bool lane_begin(struct lane *lane, struct subject *subject) {
        struct run *run = &subject->run;
        bool ping = run->order.check == CHECK_PING;
        struct line *line = ping ? subject->session : subject_spare_line(subject);

        if (ping)
                memcpy(run->attempt.address, subject->session_address, sizeof(run->attempt.address));
        if (!line) {
                refuse_ping(lane, subject);
                return true;
        }
        lane_stamp(lane, line);
        if (run_start(run, &line->connection, lane->now_usec) == RUN_PERFORM)
                return lane_drive(lane, line, run->op);
        look_up(lane, subject);
        return true;
}
