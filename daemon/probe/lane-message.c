#include "probe/lane-inside.h"

#include "base/error.h"

#define MESSAGES_MAX 64
/* For an answer that is on its way to somebody who has gone. */
#define FORGET_GRACE_USEC (250 * USEC_PER_MSEC)

/* The pool has given up an attempt of this database whose end it never heard of: this lane was without a thread for longer. */
static void drop_old_attempt(struct lane *lane, struct subject *subject) {
        if (subject->run.stage != RUN_IDLE) {
                (void)run_expired(&subject->run, true, lane->now_usec);
                lane_finish(lane, subject);
        }
        lane_report_done(lane);
}

static bool on_check(struct lane *lane, struct lane_message *message) {
        struct subject *subject = id_map_get(&lane->subjects, message->database);

        if (!subject) {
                subject = subject_new(message->database);
                if (!subject || id_map_put(&lane->subjects, subject->id, subject) < 0) {
                        /* No memory: the pool ends the attempt by its deadline. */
                        subject_free(subject);
                        run_order_deinit(&message->order);
                        return true;
                }
        }
        if (subject->run.order.flight)
                drop_old_attempt(lane, subject);
        subject->provider = message->order.provider;
        run_accept(&subject->run, &message->order, lane->now_usec, lane->now_boot_usec);
        lane_activate(lane, subject);
        if (!subject_is_away(subject))
                return lane_begin(lane, subject);
        run_hold_back(&subject->run, subject->away_phase);
        lane_arm(lane, subject);
        return true;
}

static bool on_resolved(struct lane *lane, struct lane_message *message) {
        struct subject *subject = id_map_get(&lane->subjects, message->database);
        struct resolved *answer = &message->resolved;
        struct run *run = subject ? &subject->run : NULL;
        bool mine = true;

        if (run && run->looks_up && run->order.attempt == answer->attempt) {
                struct line *line = subject_attempt_line(subject);

                lane_stamp(lane, line);
                if (answer->begun) {
                        run_begun(run, answer->begun_usec);
                        lane_arm(lane, subject);
                } else if (run_resolved(run, answer, lane->now_usec) == RUN_PERFORM)
                        mine = lane_drive(lane, line, run->op);
                else
                        lane_finish(lane, subject);
        }
        free(answer->addresses);
        return mine;
}

static bool is_asking_session(const struct subject *subject) {
        return subject->session && subject->run.connection == &subject->session->connection;
}

static void drop_session(struct subject *subject) {
        if (subject->run.stage != RUN_IDLE)
                subject->run.order.hold_session = false;
        if (is_asking_session(subject))
                subject->drop_session = true;
        else if (subject->session)
                line_close(subject->session);
}

/*
 * Nobody waits for SUBJECT any more. What is about to be answered has a moment to be: closing a socket into which the server is just
 * writing would leave a complaint in its log.
 */
static void forget(struct lane *lane, struct subject *subject, uint64_t grace_usec) {
        struct run *run = &subject->run;

        subject->forgotten = true;
        drop_session(subject);
        if (run->looks_up || run->stage == RUN_HELD_BACK) {
                (void)run_expired(run, true, lane->now_usec);
                lane_finish(lane, subject);
        } else if (run->stage != RUN_IDLE) {
                run->deadline_usec = MIN(run->deadline_usec, usec_add(lane->now_usec, grace_usec));
                lane_arm(lane, subject);
        } else
                lane_bury_if_over(lane, subject);
}

static void on_forget(struct lane *lane, uint64_t database, uint64_t grace_usec) {
        struct subject *subject = id_map_get(&lane->subjects, database);

        if (!subject)
                return;
        lane_report_done(lane);
        (void)id_map_take(&lane->subjects, database);
        forget(lane, subject, grace_usec);
}

/* What is under way has until LANE_GIVE_UP: only who sees all lanes knows whether servers still answer. */
static void on_stop(struct lane *lane) {
        struct subject *subject;
        size_t position = 0;

        lane_report_done(lane);
        lane->stopping = true;
        while ((subject = id_map_next(&lane->subjects, &position))) {
                forget(lane, subject, USEC_INFINITY);
                atomic_fetch_add_explicit(&lane->goodbyes, 1, memory_order_relaxed);
        }
        id_map_deinit(&lane->subjects);
}

static void on_give_up(struct lane *lane) {
        struct subject *next;

        for (struct subject *subject = lane->active; subject; subject = next) {
                next = subject->next_active;
                (void)run_expired(&subject->run, true, lane->now_usec);
                lane_finish(lane, subject);
        }
}

/* The connection is back, and with it the result of the operation that took so long: it goes on as if nothing had happened. */
static bool on_returned(struct lane *lane, struct line *line) {
        struct subject *subject = line->subject;
        enum op op;

        line->away = false;
        if (line->stale) {
                line->stale = false;
                connection_close(&line->connection);
        } else if (lane_settle(lane, line, &op) && !lane_drive(lane, line, op))
                return false;
        if (subject->run.stage == RUN_HELD_BACK && !subject_is_away(subject))
                return lane_begin(lane, subject);
        lane_bury_if_over(lane, subject);
        return true;
}

static bool on_message(struct lane *lane, struct lane_message *message) {
        struct subject *subject;

        switch (message->kind) {
        case LANE_CHECK:
                return on_check(lane, message);
        case LANE_RESOLVED:
                return on_resolved(lane, message);
        case LANE_RETURNED:
                return on_returned(lane, message->line);
        case LANE_DROP_SESSION:
                subject = id_map_get(&lane->subjects, message->database);
                if (subject)
                        drop_session(subject);
                break;
        case LANE_FORGET:
                on_forget(lane, message->database, FORGET_GRACE_USEC);
                break;
        case LANE_STOP:
                on_stop(lane);
                break;
        case LANE_GIVE_UP:
                on_give_up(lane);
                break;
        }
        return true;
}

bool lane_take_messages(struct lane *lane) {
        struct lane_message message;

        for (unsigned i = 0; i < MESSAGES_MAX && queue_pop(lane->messages, &message) > 0; i++)
                if (!on_message(lane, &message))
                        return false;
        return true;
}

void lane_drop_message(struct lane_message *message) {
        switch (message->kind) {
        case LANE_CHECK:
                run_order_deinit(&message->order);
                break;
        case LANE_RESOLVED:
                free(message->resolved.addresses);
                break;
        case LANE_RETURNED:
                message->line->away = false;
                break;
        case LANE_DROP_SESSION:
        case LANE_FORGET:
        case LANE_STOP:
        case LANE_GIVE_UP:
                break;
        }
}
