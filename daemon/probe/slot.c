#include "probe/slot.h"

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "probe/pool.h"

struct slot *slot_new(uint64_t id) {
        struct slot *slot = calloc(1, sizeof(*slot));

        if (!slot)
                return NULL;
        slot->id = id;
        for (size_t i = 0; i < ARRAY_LENGTH(slot->channels); i++)
                slot->channels[i].slot = slot;
        return slot;
}

struct slot *slot_free(struct slot *slot) {
        if (!slot)
                return NULL;
        if (slot->run.stage != ATTEMPT_IDLE)
                attempt_clear(&slot->run);
        for (size_t i = 0; i < ARRAY_LENGTH(slot->channels); i++)
                connection_close(&slot->channels[i].connection);
        free(slot);
        return NULL;
}

/* The kernel removes a closed socket from the epoll set: no other descriptor refers to it. */
void channel_close(struct channel *channel) {
        struct slot *slot = channel->slot;

        if (slot->session == channel)
                slot->session = NULL;
        channel->events = 0;
        channel->due = false;
        if (channel->away)
                channel->stale = true;
        else
                connection_close(&channel->connection);
}

struct channel *slot_attempt_channel(const struct slot *slot) {
        const struct connection *connection = slot->run.connection;

        return connection ? container_of(connection, struct channel, connection) : NULL;
}

struct channel *slot_spare_channel(struct slot *slot) {
        return &slot->channels[slot->session == &slot->channels[0] ? 1 : 0];
}

bool slot_op(const struct slot *slot, const struct channel *channel, enum op *ret_op) {
        const struct attempt_run *run = &slot->run;
        bool running = run->connection == &channel->connection;

        if (channel->away)
                return false;
        if (running && run->stage == ATTEMPT_CONNECTING)
                *ret_op = OP_POLL;
        else if (running && (run->stage == ATTEMPT_ASKING || run->stage == ATTEMPT_EXPECTING))
                *ret_op = OP_RECEIVE;
        else if (slot->session == channel)
                *ret_op = OP_IDLE;
        else
                return false;
        return true;
}

static void hold(struct slot *slot, struct channel *channel) {
        if (slot->session)
                channel_close(slot->session);
        slot->session = channel;
        slot->end_reason = REASON_NONE;
        slot->end_sqlstate[0] = '\0';
        connection_forget_received(&channel->connection);
        memcpy(slot->session_address, slot->run.attempt.address, sizeof(slot->session_address));
}

void slot_take_session(struct slot *slot) {
        struct attempt_run *run = &slot->run;
        struct channel *channel = slot_attempt_channel(slot);
        bool good = channel && !channel->away && attempt_may_hold(run) && !slot->forgotten;

        if (good && run->request.check == CHECK_PING)
                good = !slot->drop_session;
        else if (good)
                good = run->request.hold_session && descriptor_leaves_reserve(connection_fd(&channel->connection), DESCRIPTOR_SESSION);
        if (good && slot->session != channel)
                hold(slot, channel);
        else if (!good && channel)
                channel_close(channel);
        if (slot->drop_session && slot->session)
                channel_close(slot->session);
        slot->drop_session = false;
        run->attempt.session_held = slot->session;
        run->connection = NULL;
}

void slot_end_session(struct slot *slot, struct probe_report *ret_report) {
        const struct channel *channel = slot->session;
        const struct connection *connection = &channel->connection;
        struct attempt *attempt = &ret_report->attempt;
        struct failure e;

        *ret_report = (struct probe_report){
                .kind = PROBE_REPORT_SESSION,
                .database = slot->id,
                .bare_eof = connection_ended_by_eof(connection),
                .attempt = {
                        .check = CHECK_PING,
                        .session_ended = true,
                        .started_boot_usec = channel->at_boot_usec,
                        .ended_boot_usec = channel->at_boot_usec,
                        .started_real_usec = clock_real_usec(),
                },
        };
        connection_failure(connection, &e);
        e.session = true;
        attempt->last_phase = PHASE_QUERY;
        attempt->reason = classify(&e, slot->provider);
        attempt_set_sqlstate(attempt, e.sqlstate);
        connection_detail(connection, attempt->detail, sizeof(attempt->detail));
        memcpy(attempt->address, slot->session_address, sizeof(attempt->address));

        slot->end_reason = attempt->reason;
        memcpy(slot->end_sqlstate, attempt->sqlstate, sizeof(slot->end_sqlstate));
        channel_close(slot->session);
}

bool slot_is_away(const struct slot *slot) {
        return slot->channels[0].away || slot->channels[1].away;
}

bool slot_is_over(const struct slot *slot) {
        return slot->forgotten && !slot->to_free && slot->run.stage == ATTEMPT_IDLE && !slot->run.connection &&
               !slot_is_away(slot);
}
