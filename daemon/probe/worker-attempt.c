/*
 * worker_attempt_perform() is the only place that enters libpq. Around it, an attempt is driven until it waits for something or has ended.
 *
 * libpq closes and reopens its socket inside PQconnectPoll(), often under the same number. The kernel knows sockets, not numbers: a closed
 * one leaves the epoll set by itself, and EPOLL_CTL_MOD fails with ENOENT for one that is not in the set. So the watch is renewed after
 * every poll.
 */
#include "probe/worker-private.h"

#include "base/error.h"
#include "probe/pool.h"

#include <sys/epoll.h>

/* As many as in a login over TLS with SCRAM. */
#define ANSWERS_MAX 10

void worker_arm(struct worker *worker, const struct slot *slot) {
        worker->next_due_usec = MIN(worker->next_due_usec, attempt_due(&slot->run));
}

void worker_activate(struct worker *worker, struct slot *slot) {
        LIST_INSERT_HEAD(&worker->active, slot, active);
        worker->n_active++;
}

static void worker_deactivate(struct worker *worker, struct slot *slot) {
        LIST_REMOVE(slot, active);
        worker->n_active--;
        if (LIST_EMPTY(&worker->active))
                worker->next_due_usec = USEC_INFINITY;
}

/* Not at once: events of this iteration may still refer to it. */
void worker_free_later(struct worker *worker, struct slot *slot) {
        if (!slot_is_over(slot))
                return;
        slot->to_free = true;
        slot->next_to_free = worker->to_free;
        worker->to_free = slot;
}

void worker_note_answer(struct worker *worker, struct slot *slot) {
        if (slot->answers == ANSWERS_MAX)
                return;
        slot->answers++;
        atomic_fetch_add_explicit(&worker->answers, 1, memory_order_relaxed);
}

void worker_finish(struct worker *worker, struct slot *slot) {
        struct attempt_run *run = &slot->run;

        worker_deactivate(worker, slot);
        run->attempt.ended_boot_usec = worker->now_boot_usec;
        if (run->looks_up) {
                resolver_cancel(worker->resolver, conninfo_get(run->request.conninfo, "host"), worker, run->request.attempt);
                run->looks_up = false;
        }
        slot_take_session(slot);
        if (slot->forgotten) {
                attempt_clear(run);
                worker_free_later(worker, slot);
                return;
        }
        STAILQ_INSERT_TAIL(&worker->done, slot, done);
        if (worker->n_done++ == 0)
                worker->done_since_usec = worker->now_usec;
}

void worker_report_done(struct worker *worker) {
        struct slot *slot;

        STAILQ_FOREACH(slot, &worker->done, done) {
                const struct probe_report report = {
                        .kind = PROBE_REPORT_ATTEMPT,
                        .database = slot->id,
                        .attempt = slot->run.attempt,
                };

                /* If memory runs out, the pool ends the attempt by its deadline. */
                (void)queue_push(worker->reports, &report);
                attempt_clear(&slot->run);
        }
        STAILQ_INIT(&worker->done);
        worker->n_done = 0;
}

int worker_watch(struct worker *worker, struct channel *channel) {
        struct epoll_event event = {
                .events = channel->connection.want_write ? EPOLLOUT : EPOLLIN | EPOLLRDHUP,
                .data.ptr = channel,
        };
        int fd = connection_fd(&channel->connection), r;

        if (channel->events == event.events && channel->op != OP_POLL)
                return 0;
        r = channel->events ? epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, fd, &event) : -1;
        if (r < 0 && (!channel->events || errno == ENOENT))
                r = epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
        if (r < 0)
                return error_from_errno();
        channel->events = event.events;
        return 0;
}

static void settle_idle(struct worker *worker, struct channel *channel) {
        struct slot *slot = channel->slot;
        struct probe_report report;

        if (channel->connection.step != STEP_FAILED) {
                (void)worker_watch(worker, channel);
                return;
        }
        /* The attempt that brought the session may still wait to be reported: that comes before the session's end. */
        worker_report_done(worker);
        slot_end_session(slot, &report);
        if (!slot->forgotten)
                (void)queue_push(worker->reports, &report);
}

bool worker_settle(struct worker *worker, struct channel *channel, enum op *op) {
        struct slot *slot = channel->slot;
        enum attempt_todo todo;

        if (channel->op == OP_IDLE) {
                settle_idle(worker, channel);
                return false;
        }
        todo = attempt_performed(&slot->run, channel->at_usec);
        if (todo == ATTEMPT_WAIT) {
                int r = worker_watch(worker, channel);

                if (r < 0)
                        todo = attempt_give_up(&slot->run, REASON_HOST_RESOURCES, strerrordesc_np(-r), worker->now_usec);
        }
        switch (todo) {
        case ATTEMPT_PERFORM:
                *op = slot->run.op;
                return true;
        case ATTEMPT_WAIT:
        case ATTEMPT_LOOK_UP:
                worker_arm(worker, slot);
                return false;
        case ATTEMPT_ENDED:
                break;
        }
        worker_finish(worker, slot);
        return false;
}

void worker_stamp(const struct worker *worker, struct channel *channel) {
        channel->at_usec = worker->now_usec;
        channel->at_boot_usec = worker->now_boot_usec;
}

/* The only place that enters libpq. A thread that was detached meanwhile must not touch the worker: it uses the copies. */
static bool worker_attempt_perform(struct worker *worker, struct channel *channel, enum op op) {
        const struct worker_message returned = { .kind = WORKER_RETURNED, .channel = channel };
        struct queue *messages = worker->messages;
        struct stuck_detector *detector = worker->detector;

        if (op == OP_START)
                channel->events = 0;
        channel->due = false;
        channel->op = op;
        stuck_detector_enter(detector, channel, op == OP_START || op == OP_POLL);
        connection_perform(&channel->connection, op);
        if (stuck_detector_leave(detector))
                return true;
        while (queue_push(messages, &returned) < 0)
                (void)usleep(100 * USEC_PER_MSEC);
        return false;
}

bool worker_drive(struct worker *worker, struct channel *channel, enum op op) {
        do {
                if (!worker_attempt_perform(worker, channel, op))
                        return false;
        } while (worker_settle(worker, channel, &op));
        return true;
}

static void worker_attempt_look_up(struct worker *worker, struct slot *slot) {
        struct attempt_run *run = &slot->run;
        int r = resolver_ask(worker->resolver, conninfo_get(run->request.conninfo, "host"), worker, slot->id, run->request.attempt);

        if (r < 0) {
                run->looks_up = false;
                (void)attempt_give_up(run, REASON_HOST_RESOURCES, strerrordesc_np(-r), worker->now_usec);
                worker_finish(worker, slot);
                return;
        }
        if (r > 0)
                attempt_queue(run);
        worker_arm(worker, slot);
}

/* The session ended before the ping on it began: the ping fails as the session did. */
static void refuse_ping(struct worker *worker, struct slot *slot) {
        struct attempt_run *run = &slot->run;

        (void)attempt_give_up(run, slot->end_reason != REASON_NONE ? slot->end_reason : REASON_SESSION_LOST, NULL, worker->now_usec);
        memcpy(run->attempt.sqlstate, slot->end_sqlstate, sizeof(run->attempt.sqlstate));
        worker_finish(worker, slot);
}

bool worker_begin(struct worker *worker, struct slot *slot) {
        struct attempt_run *run = &slot->run;
        bool ping = run->request.check == CHECK_PING;
        struct channel *channel = ping ? slot->session : slot_spare_channel(slot);

        if (ping)
                memcpy(run->attempt.address, slot->session_address, sizeof(run->attempt.address));
        if (!channel) {
                refuse_ping(worker, slot);
                return true;
        }
        worker_stamp(worker, channel);
        if (attempt_start(run, &channel->connection, worker->now_usec) == ATTEMPT_PERFORM)
                return worker_drive(worker, channel, run->op);
        worker_attempt_look_up(worker, slot);
        return true;
}
