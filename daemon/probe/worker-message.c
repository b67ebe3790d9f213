#include "probe/worker-private.h"

#include "base/error.h"

#define MESSAGES_MAX 64
/* For an answer that is on its way while its attempt is forgotten. */
#define FORGET_GRACE_USEC (250 * USEC_PER_MSEC)

/* The pool gave up an attempt of this database that has not ended here: this worker was without a thread for too long. */
static void drop_old_attempt(struct worker *worker, struct slot *slot) {
        if (slot->run.stage != ATTEMPT_IDLE) {
                (void)attempt_expired(&slot->run, true, worker->now_usec);
                worker_finish(worker, slot);
        }
        worker_report_done(worker);
}

static bool on_check(struct worker *worker, struct worker_message *message) {
        struct slot *slot = id_map_get(&worker->slots, message->database);

        if (!slot) {
                slot = slot_new(message->database);
                if (!slot || id_map_put(&worker->slots, slot->id, slot) < 0) {
                        /* If memory runs out, the pool ends the attempt by its deadline. */
                        slot_free(slot);
                        attempt_request_deinit(&message->request);
                        return true;
                }
        }
        if (slot->run.request.in_flight)
                drop_old_attempt(worker, slot);
        slot->provider = message->request.provider;
        attempt_accept(&slot->run, &message->request, worker->now_usec, worker->now_boot_usec);
        worker_activate(worker, slot);
        if (!slot_is_away(slot))
                return worker_begin(worker, slot);
        attempt_hold_back(&slot->run, slot->away_phase);
        worker_arm(worker, slot);
        return true;
}

static bool on_resolved(struct worker *worker, struct worker_message *message) {
        struct slot *slot = id_map_get(&worker->slots, message->database);
        struct resolved *answer = &message->resolved;
        struct attempt_run *run = slot ? &slot->run : NULL;
        bool mine = true;

        if (run && run->looks_up && run->request.attempt == answer->attempt) {
                struct channel *channel = slot_attempt_channel(slot);

                worker_stamp(worker, channel);
                if (answer->begun) {
                        attempt_begun(run, answer->begun_usec);
                        worker_arm(worker, slot);
                } else if (attempt_resolved(run, answer, worker->now_usec) == ATTEMPT_PERFORM)
                        mine = worker_drive(worker, channel, run->op);
                else
                        worker_finish(worker, slot);
        }
        free(answer->addresses);
        return mine;
}

static bool is_asking_session(const struct slot *slot) {
        return slot->session && slot->run.connection == &slot->session->connection;
}

static void worker_message_drop_session(struct slot *slot) {
        if (slot->run.stage != ATTEMPT_IDLE)
                slot->run.request.hold_session = false;
        if (is_asking_session(slot))
                slot->drop_session = true;
        else if (slot->session)
                channel_close(slot->session);
}

/*
 * SLOT is not needed any more. An answer that is about to come is waited for a moment: closing a socket while the server writes to it would
 * leave an error in the server's log.
 */
static void worker_message_forget(struct worker *worker, struct slot *slot, uint64_t grace_usec) {
        struct attempt_run *run = &slot->run;

        slot->forgotten = true;
        worker_message_drop_session(slot);
        if (run->looks_up || run->stage == ATTEMPT_HELD_BACK) {
                (void)attempt_expired(run, true, worker->now_usec);
                worker_finish(worker, slot);
        } else if (run->stage != ATTEMPT_IDLE) {
                run->deadline_usec = MIN(run->deadline_usec, usec_add(worker->now_usec, grace_usec));
                worker_arm(worker, slot);
        } else
                worker_free_later(worker, slot);
}

static void on_forget(struct worker *worker, uint64_t database, uint64_t grace_usec) {
        struct slot *slot = id_map_get(&worker->slots, database);

        if (!slot)
                return;
        worker_report_done(worker);
        (void)id_map_take(&worker->slots, database);
        worker_message_forget(worker, slot, grace_usec);
}

/* Attempts in flight may go on until WORKER_GIVE_UP: only workers_stop() sees all workers, and knows whether servers still respond. */
static void on_stop(struct worker *worker) {
        struct slot *slot;
        size_t position = 0;

        worker_report_done(worker);
        worker->stopping = true;
        while ((slot = id_map_next(&worker->slots, &position))) {
                worker_message_forget(worker, slot, USEC_INFINITY);
                atomic_fetch_add_explicit(&worker->goodbyes, 1, memory_order_relaxed);
        }
        id_map_deinit(&worker->slots);
}

static void on_give_up(struct worker *worker) {
        struct slot *next;

        for (struct slot *slot = LIST_FIRST(&worker->active); slot; slot = next) {
                next = LIST_NEXT(slot, active);
                (void)attempt_expired(&slot->run, true, worker->now_usec);
                worker_finish(worker, slot);
        }
}

/* The connection is back, with the result of the operation that took so long: it goes on as if nothing had happened. */
static bool on_returned(struct worker *worker, struct channel *channel) {
        struct slot *slot = channel->slot;
        enum op op;

        channel->away = false;
        if (channel->stale) {
                channel->stale = false;
                connection_close(&channel->connection);
        } else if (worker_settle(worker, channel, &op) && !worker_drive(worker, channel, op))
                return false;
        if (slot->run.stage == ATTEMPT_HELD_BACK && !slot_is_away(slot))
                return worker_begin(worker, slot);
        worker_free_later(worker, slot);
        return true;
}

static bool on_message(struct worker *worker, struct worker_message *message) {
        struct slot *slot;

        switch (message->kind) {
        case WORKER_CHECK:
                return on_check(worker, message);
        case WORKER_RESOLVED:
                return on_resolved(worker, message);
        case WORKER_RETURNED:
                return on_returned(worker, message->channel);
        case WORKER_DROP_SESSION:
                slot = id_map_get(&worker->slots, message->database);
                if (slot)
                        worker_message_drop_session(slot);
                break;
        case WORKER_FORGET:
                on_forget(worker, message->database, FORGET_GRACE_USEC);
                break;
        case WORKER_STOP:
                on_stop(worker);
                break;
        case WORKER_GIVE_UP:
                on_give_up(worker);
                break;
        }
        return true;
}

bool worker_take_messages(struct worker *worker) {
        struct worker_message message;

        for (unsigned i = 0; i < MESSAGES_MAX && queue_pop(worker->messages, &message) > 0; i++)
                if (!on_message(worker, &message))
                        return false;
        return true;
}

void worker_drop_message(struct worker_message *message) {
        switch (message->kind) {
        case WORKER_CHECK:
                attempt_request_deinit(&message->request);
                break;
        case WORKER_RESOLVED:
                free(message->resolved.addresses);
                break;
        case WORKER_RETURNED:
                message->channel->away = false;
                break;
        case WORKER_DROP_SESSION:
        case WORKER_FORGET:
        case WORKER_STOP:
        case WORKER_GIVE_UP:
                break;
        }
}
