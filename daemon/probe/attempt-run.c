/*
 * Time: a phase ends when the socket's event was seen, not when it is handled. So times come in as arguments (the time stamp of the loop
 * iteration that saw the event), and computing or queueing in between counts for the next phase.
 *
 * Addresses: each gets its share of the time for its TCP connect, five seconds at most, so that a black hole (or an IPv6 address without a
 * route) cannot hide one that works. The last gets all the remaining time: no other follows, and if its connect hangs because the database
 * wakes, cutting it short would abandon the wake. Once TCP connects, no other address is tried: two logins at once could wake two servers.
 */
#include "probe/attempt-run.h"

#include "base/error.h"
#include "base/text.h"
#include "probe/query.h"

#include <netdb.h>
#include <stdio.h>

#define ADDRESS_TIMEOUT_USEC (5 * USEC_PER_SEC)

struct in_flight *in_flight_new(void) {
        struct in_flight *in_flight = calloc(1, sizeof(*in_flight));

        if (in_flight)
                atomic_init(&in_flight->references, 2);
        return in_flight;
}

struct in_flight *in_flight_unref(struct in_flight *in_flight) {
        if (in_flight && atomic_fetch_sub_explicit(&in_flight->references, 1, memory_order_acq_rel) == 1)
                free(in_flight);
        return NULL;
}

void attempt_request_deinit(struct attempt_request *request) {
        request->conninfo = conninfo_unref(request->conninfo);
        request->in_flight = in_flight_unref(request->in_flight);
        free(request->expect_query);
        free(request->expect_value);
        request->expect_query = request->expect_value = NULL;
}

/* A phase that was entered lasts at least a microsecond: 0 means that it was not. */
static void leave_phase(struct attempt_run *run, uint64_t at_usec) {
        run->attempt.phase_usec[run->phase] += MAX(usec_sub(at_usec, run->mark_usec), UINT64_C(1));
        run->mark_usec = MAX(at_usec, run->mark_usec);
}

static void set_phase(struct attempt_run *run, enum phase phase) {
        run->phase = phase;
        run->attempt.last_phase = MAX(run->attempt.last_phase, phase);
        atomic_store_explicit(&run->request.in_flight->phase, phase, memory_order_relaxed);
}

static void enter_phase(struct attempt_run *run, enum phase phase, uint64_t at_usec) {
        if (phase == run->phase)
                return;
        leave_phase(run, at_usec);
        set_phase(run, phase);
}

void attempt_accept(struct attempt_run *run, const struct attempt_request *request, uint64_t at_usec, uint64_t at_boot_usec) {
        run->request = *request;
        run->attempt = (struct attempt){
                .id = request->attempt,
                .check = request->check,
                .started_boot_usec = at_boot_usec,
                .started_real_usec = clock_real_usec(),
        };
        run->began_usec = run->mark_usec = at_usec;
        run->deadline_usec = usec_add(at_usec, request->timeout_usec);
        run->address_deadline_usec = USEC_INFINITY;
        run->connected = false;
        run->connection = NULL;
        run->looks_up = false;
        set_phase(run, request->check == CHECK_PING ? PHASE_QUERY : PHASE_RESOLVE);
}

void attempt_hold_back(struct attempt_run *run, enum phase phase) {
        run->stage = ATTEMPT_HELD_BACK;
        set_phase(run, phase);
}

/* The time until now was spent in our own queue. */
static void begin_anew(struct attempt_run *run, uint64_t at_usec) {
        uint64_t queued_usec = usec_sub(at_usec, run->began_usec);

        run->attempt.started_boot_usec += queued_usec;
        run->attempt.started_real_usec += queued_usec;
        run->began_usec = run->mark_usec = at_usec;
        run->deadline_usec = usec_add(at_usec, run->request.timeout_usec);
        atomic_store_explicit(&run->request.in_flight->queued_usec, queued_usec, memory_order_relaxed);
}

static enum attempt_todo attempt_end(struct attempt_run *run, uint64_t at_usec) {
        struct attempt *attempt = &run->attempt;

        if (run->stage != ATTEMPT_QUEUED)
                leave_phase(run, at_usec);
        else
                begin_anew(run, at_usec);
        attempt->total_usec = MAX(usec_sub(at_usec, run->began_usec), UINT64_C(1));
        /* If no name server answers, our network may be gone, as it may be when a host is unreachable. */
        if ((attempt->reason == REASON_TCP_UNREACHABLE || attempt->reason == REASON_DNS_TIMEOUT) && !conninfo_is_socket(run->request.conninfo))
                attempt->own_network_suspect = true;
        run->stage = ATTEMPT_IDLE;
        return ATTEMPT_ENDED;
}

/* Ranks failures by how much they tell about the server, for when all addresses failed. */
static unsigned weight(enum reason reason) {
        static const enum reason order[] = {
                REASON_NONE, REASON_TCP_UNREACHABLE, REASON_TCP_TIMEOUT, REASON_TCP_RESET, REASON_TCP_REFUSED,
        };

        for (unsigned i = 0; i < ARRAY_LENGTH(order); i++)
                if (order[i] == reason)
                        return i;
        return ARRAY_LENGTH(order);
}

/* Until TCP connects, the failure of an earlier address may tell more. */
static bool is_worth_noting(const struct attempt_run *run, enum reason reason) {
        return run->connected || weight(reason) > weight(run->attempt.reason);
}

static void note_deadline(struct attempt_run *run) {
        const struct failure e = { .kind = FAILURE_DEADLINE, .phase = run->phase };
        enum reason reason = classify(&e, run->request.provider);

        if (!is_worth_noting(run, reason))
                return;
        run->attempt.reason = reason;
        run->attempt.detail[0] = run->attempt.sqlstate[0] = '\0';
}

/* A ping whose connection ended is the end of the session; one that was answered with an error is not. */
static bool is_session_end(const struct attempt_run *run, const struct failure *e) {
        if (run->request.check != CHECK_PING)
                return false;
        return connection_ended_mutely(run->connection) || (e->severity && (streq(e->severity, "FATAL") || streq(e->severity, "PANIC")));
}

static void note_failure(struct attempt_run *run) {
        struct attempt *attempt = &run->attempt;
        char severity[SEVERITY_MAX], primary[1];
        struct failure e;
        enum reason reason;

        connection_failure(run->connection, &e);
        e.session = is_session_end(run, &e);
        if (run->request.check == CHECK_PING)
                attempt->session_ended = connection_ended_by_server(run->connection);
        reason = classify(&e, run->request.provider);
        if (!is_worth_noting(run, reason))
                return;
        attempt->reason = reason;
        if (e.sqlstate)
                attempt_set_sqlstate(attempt, e.sqlstate);
        else
                (void)classify_parse_message(e.text, severity, attempt->sqlstate, primary, sizeof(primary));
        connection_detail(run->connection, attempt->detail, sizeof(attempt->detail));
}

static enum attempt_todo ask(struct attempt_run *run, enum attempt_stage stage) {
        if (stage == ATTEMPT_ASKING)
                connection_set_query(run->connection, query_text(run->request.want_lag), NULL);
        else
                connection_set_query(run->connection, NULL, steal_pointer(&run->request.expect_query));
        run->stage = stage;
        run->op = OP_SEND;
        return ATTEMPT_PERFORM;
}

static unsigned addresses_left(const struct attempt_run *run) {
        return run->addresses ? run->addresses->n - run->next_address : 0;
}

/* LEFT other addresses follow ADDRESS. */
static enum attempt_todo connect_to(struct attempt_run *run, const char *address, unsigned left, uint64_t at_usec) {
        const struct attempt_request *request = &run->request;
        uint64_t share = usec_sub(run->deadline_usec, at_usec) / (left + 1);

        addresses_format(request->conninfo, address, run->attempt.address, sizeof(run->attempt.address));
        run->address_deadline_usec = left > 0 ? usec_add(at_usec, MIN(share, ADDRESS_TIMEOUT_USEC)) : run->deadline_usec;
        connection_aim(run->connection, request->conninfo, address, request->check == CHECK_DOOR,
                       request->check == CHECK_LOGIN && request->hold_session);
        run->stage = ATTEMPT_CONNECTING;
        run->op = OP_START;
        return ATTEMPT_PERFORM;
}

static enum attempt_todo connect_to_next(struct attempt_run *run, uint64_t at_usec) {
        const char *address = run->addresses->list[run->next_address++];

        return connect_to(run, address, addresses_left(run), at_usec);
}

enum attempt_todo attempt_start(struct attempt_run *run, struct connection *connection, uint64_t at_usec) {
        char literal[ADDRESS_TEXT_MAX];

        run->connection = connection;
        run->mark_usec = at_usec;
        run->attempt.last_phase = PHASE_RESOLVE; /* it may have been held back in another */
        if (run->request.check == CHECK_PING) {
                run->connected = true;
                set_phase(run, PHASE_QUERY);
                connection_forget_received(connection);
                return ask(run, ATTEMPT_ASKING);
        }
        if (addresses_literal(run->request.conninfo, literal) == 0) {
                set_phase(run, PHASE_CONNECT);
                return connect_to(run, literal, 0, at_usec);
        }
        set_phase(run, PHASE_RESOLVE);
        run->stage = ATTEMPT_RESOLVING;
        run->looks_up = true;
        return ATTEMPT_LOOK_UP;
}

void attempt_queue(struct attempt_run *run) {
        run->stage = ATTEMPT_QUEUED;
}

void attempt_begun(struct attempt_run *run, uint64_t at_usec) {
        begin_anew(run, at_usec);
        run->stage = ATTEMPT_RESOLVING;
}

enum attempt_todo attempt_resolved(struct attempt_run *run, struct resolved *answer, uint64_t at_usec) {
        const struct failure e = { .kind = FAILURE_RESOLVE, .phase = PHASE_RESOLVE, .eai = answer->eai, .error = answer->error };

        run->looks_up = false;
        if (answer->eai != 0) {
                run->attempt.own_network_suspect = answer->eai == EAI_AGAIN;
                return attempt_give_up(run, classify(&e, run->request.provider),
                                   answer->error ? strerrordesc_np(answer->error) : gai_strerror(answer->eai), at_usec);
        }
        run->addresses = steal_pointer(&answer->addresses);
        run->next_address = 0;
        addresses_prefer(run->addresses, run->good_address);
        enter_phase(run, PHASE_CONNECT, at_usec);
        return connect_to_next(run, at_usec);
}

static enum attempt_todo connect_failed(struct attempt_run *run, uint64_t at_usec) {
        if (run->request.check == CHECK_DOOR && connection_password_was_asked(run->connection)) {
                run->attempt.reason = REASON_NONE;
                return attempt_end(run, at_usec);
        }
        note_failure(run);
        if (run->connected || addresses_left(run) == 0 || at_usec >= run->deadline_usec)
                return attempt_end(run, at_usec);
        return connect_to_next(run, at_usec);
}

static enum attempt_todo connect_performed(struct attempt_run *run, uint64_t at_usec) {
        const struct connection *connection = run->connection;

        enter_phase(run, run->request.check == CHECK_DOOR ? MIN(connection->phase, PHASE_AUTH) : connection->phase, at_usec);
        if (connection->phase > PHASE_CONNECT) {
                run->connected = true;
                run->attempt.reason = REASON_NONE; /* failures of earlier addresses do not matter any more */
                run->attempt.detail[0] = '\0';
        }
        if (run->request.check == CHECK_DOOR && connection->let_in)
                run->attempt.door_let_in = true;
        switch (connection->step) {
        case STEP_WAIT:
                return ATTEMPT_WAIT;
        case STEP_FAILED:
                return connect_failed(run, at_usec);
        case STEP_DONE:
                break;
        }
        if (run->request.check == CHECK_DOOR)
                return attempt_end(run, at_usec);
        memcpy(run->good_address, connection->address, sizeof(run->good_address));
        return ask(run, ATTEMPT_ASKING);
}

static enum attempt_todo take_answer(struct attempt_run *run, uint64_t at_usec) {
        bool want_lag = run->request.want_lag;
        const char *values[_QUERY_COLUMN_MAX] = {};

        if (!connection_has_row(run->connection, query_columns(want_lag)))
                return attempt_give_up(run, REASON_PROTOCOL_GARBAGE, "the probe query was not answered with one row", at_usec);
        for (unsigned i = 0; i < query_columns(want_lag); i++)
                values[i] = connection_value(run->connection, i);
        if (query_parse(values, want_lag, &run->attempt.server) < 0)
                return attempt_give_up(run, REASON_PROTOCOL_GARBAGE, "the probe query was answered with something else", at_usec);
        if (run->request.expect_query)
                return ask(run, ATTEMPT_EXPECTING);
        return attempt_end(run, at_usec);
}

static enum attempt_todo take_expected(struct attempt_run *run, uint64_t at_usec) {
        const char *expected = run->request.expect_value, *value = connection_value(run->connection, 0);
        struct attempt *attempt = &run->attempt;

        if (expected && (!value || !streq(value, expected))) {
                attempt->reason = REASON_EXPECT_VALUE;
                (void)snprintf(attempt->detail, sizeof(attempt->detail), "the query answered %s", value ? value : "NULL");
                (void)text_flatten(attempt->detail);
        }
        return attempt_end(run, at_usec);
}

static enum attempt_todo query_performed(struct attempt_run *run, uint64_t at_usec) {
        switch (run->connection->step) {
        case STEP_WAIT:
                return ATTEMPT_WAIT;
        case STEP_FAILED:
                note_failure(run);
                return attempt_end(run, at_usec);
        case STEP_DONE:
                break;
        }
        return run->stage == ATTEMPT_ASKING ? take_answer(run, at_usec) : take_expected(run, at_usec);
}

enum attempt_todo attempt_performed(struct attempt_run *run, uint64_t at_usec) {
        switch (run->stage) {
        case ATTEMPT_CONNECTING:
                return connect_performed(run, at_usec);
        case ATTEMPT_ASKING:
        case ATTEMPT_EXPECTING:
                return query_performed(run, at_usec);
        case ATTEMPT_IDLE:
        case ATTEMPT_HELD_BACK:
        case ATTEMPT_QUEUED:
        case ATTEMPT_RESOLVING:
                break;
        }
        return ATTEMPT_WAIT;
}

enum attempt_todo attempt_expired(struct attempt_run *run, bool away, uint64_t at_usec) {
        if (run->stage == ATTEMPT_QUEUED)
                return attempt_give_up(run, REASON_HOST_RESOURCES, "its name waited for a thread all the time", at_usec);
        note_deadline(run);
        if (run->stage == ATTEMPT_CONNECTING && !run->connected && !away && addresses_left(run) > 0 && at_usec < run->deadline_usec) {
                /* The time for this address is over; phase connect goes on with the next. */
                return connect_to_next(run, at_usec);
        }
        return attempt_end(run, at_usec);
}

enum attempt_todo attempt_give_up(struct attempt_run *run, enum reason reason, const char *detail, uint64_t at_usec) {
        run->attempt.reason = reason;
        (void)text_copy(run->attempt.detail, sizeof(run->attempt.detail), detail);
        return attempt_end(run, at_usec);
}

uint64_t attempt_due(const struct attempt_run *run) {
        if (run->stage == ATTEMPT_IDLE)
                return USEC_INFINITY;
        if (run->stage == ATTEMPT_CONNECTING && !run->connected)
                return MIN(run->address_deadline_usec, run->deadline_usec);
        return run->deadline_usec;
}

bool attempt_may_hold(const struct attempt_run *run) {
        enum reason_class class = reason_class(run->attempt.reason);

        if (run->request.check == CHECK_PING && connection_is_usable(run->connection))
                return true;
        return run->request.check != CHECK_DOOR && (class == CLASS_OK || class == CLASS_DEGRADED);
}

void attempt_clear(struct attempt_run *run) {
        attempt_request_deinit(&run->request);
        free(run->addresses);
        run->addresses = NULL;
        run->connection = NULL;
        run->stage = ATTEMPT_IDLE;
}
