/* Requests that change something, on the control socket only: POST /wake, /pause, /reload and /lease, DELETE /lease. */

#include "api/answer.h"
#include "base/error.h"
#include "base/text.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/events.h"
#include "http/route.h"
#include "http/waiters.h"
#include "scheduler/lease.h"

/* POST /wake/NAME. */

static bool is_awake(const struct waiter *waiter, const struct database *database) {
        (void)waiter;
        return database_ready(database);
}

/*
 * Why waiting is in vain, or REASON_NONE. The call itself was accepted, so a pause or a spent budget came later. A blocked verdict counts
 * only if a login has ended since: an older one may be what this call makes us test again.
 */
static enum reason hindrance(const struct waiter *waiter, const struct database *database) {
        if (database_ready(database))
                return REASON_NONE;
        if (database->paused_until_boot_usec)
                return REASON_PAUSED;
        if (database->budget_spent)
                return REASON_BUDGET_SPENT;
        if (database->state == STATE_BLOCKED && database->checks[CHECK_LOGIN].finished_boot_usec > waiter->evidence_boot_usec)
                return database->reason;
        return REASON_NONE;
}

static bool is_hopeless(const struct waiter *waiter, const struct database *database) {
        return hindrance(waiter, database) != REASON_NONE;
}

static void compose_wake(struct server *server, const struct database *database, struct instant now) {
        struct database_status verdict = describe_verdict(database, now);
        struct json_writer w = server_compose(server);

        field_write_object(&w, NULL, verdict_fields, &verdict, false);
}

/* The end of a wait: awake, in vain, or timed out. */
static void answer_wake(const struct waiter *waiter, const struct database *database) {
        enum reason hindered = hindrance(waiter, database);
        struct instant now = clock_now();

        if (hindered != REASON_NONE) {
                answer_refused(waiter->server, waiter->exchange, hindered);
                return;
        }
        compose_wake(waiter->server, database, now);
        if (database_ready(database))
                answer_body(waiter->server, waiter->exchange, 200);
        else
                answer_later(waiter->server, waiter->exchange, answer_retry_after_sec(database_expected_ready_usec(database, now)));
}

void wake_post(struct request *request) {
        struct database *database = request->database;
        enum reason refused = engine_wake(request->server->engine, database, WAKE_CALL);
        struct waiter waiter = {
                .server = request->server,
                .exchange = request->exchange,
                .database_id = database->id,
                .spread_usec = request->query.spread_usec,
                .evidence_boot_usec = database->checks[CHECK_LOGIN].finished_boot_usec,
                .met = is_awake,
                .hopeless = is_hopeless,
                .answer = answer_wake,
        };

        (void)text_copy(waiter.name, sizeof(waiter.name), request->name);
        if (refused != REASON_NONE)
                answer_refused(request->server, request->exchange, refused);
        else if (database_ready(database))
                answer_wake(&waiter, database);
        else if (request->query.wait_usec > 0)
                waiters_add(request->server->waiters, &waiter, request->query.wait_usec);
        else {
                compose_wake(request->server, database, clock_now());
                answer_body(request->server, request->exchange, 202);
        }
}

/* POST /pause/NAME. */

void pause_post(struct request *request) {
        struct database *database = request->database;
        struct json_writer w;

        if (!(request->query.given & ARGUMENT_FOR)) {
                answer_error(request->server, request->exchange, 400, "bad_request", "for how long? for=2h pauses, for=0s resumes");
                return;
        }
        engine_pause(request->server->engine, database, request->query.for_usec);
        w = server_compose(request->server);
        field_write_object(&w, NULL, pause_fields, &(struct pause_answer){request->name, describe_pause_end(database, clock_now())}, false);
        answer_body(request->server, request->exchange, 200);
}

/* POST /reload. */

struct reload_wait {
        struct reload_call call;
        struct server *server;
        struct exchange *exchange; /* NULL: the client has left */
};

static void on_reloaded(struct reload_call *call, unsigned status, const struct buffer *body) {
        struct reload_wait *wait = container_of(call, struct reload_wait, call);

        if (wait->exchange && body)
                exchange_reply(wait->exchange, &(struct reply){.status = status, .body = body});
        else if (wait->exchange)
                answer_stopping(wait->server, wait->exchange);
        free(wait);
}

static void on_caller_left(void *userdata) {
        struct reload_wait *wait = userdata;

        wait->exchange = NULL;
}

void reload_post(struct request *request) {
        const struct server_hooks *hooks = &request->server->hooks;
        struct reload_wait *wait;

        if (!hooks->reload) {
                answer_error(request->server, request->exchange, 409, "reload_failed", "there is nothing to reload");
                return;
        }
        wait = calloc(1, sizeof(*wait));
        if (!wait) {
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory", "no memory is left");
                return;
        }
        *wait = (struct reload_wait){
                .call = {.remove_all = request->query.remove_all, .done = on_reloaded},
                .server = request->server,
                .exchange = request->exchange,
        };
        exchange_hold(request->exchange, on_caller_left, wait);
        hooks->reload(hooks->userdata, &wait->call);
}

/*
 * POST /lease/NAME and DELETE /lease/ID. A lease without a time limit is a stream of its database's events, and ends with it: the HTTP
 * library frees the stream in the loop iteration in which the connection ends, whichever side ended it.
 */

/*
 * A lease client that does not read (stopped by a debugger, or busy) is dropped when its next event has left the ring, but later than a
 * client that only watches, because its lease ends with the connection.
 */
#define LEASE_BEHIND_MAX_USEC (60 * USEC_PER_SEC)

/* A lease and its stream. */
struct lease_stream {
        struct server *server;
        struct lease *lease; /* NULL: it has ended */
        uint64_t id;
        struct event_stream *stream;
};

static const char *const end_messages[_LEASE_END_MAX] = {
        [LEASE_END_EXPIRED] = "the time of the lease is over",
        [LEASE_END_DELETED] = "the lease was ended by its id",
        [LEASE_END_REMOVED] = "the database is configured no longer",
        [LEASE_END_BUDGET] = "the month's budget of awake hours is spent",
};

/* The last event of a stream. */
static void say_end(struct lease_stream *held, const char *reason, const char *message) {
        _cleanup_(buffer_deinit) struct buffer frame = {0};
        struct json_writer w = {.buffer = &frame};

        buffer_append_string(&frame, "event: end\ndata: ");
        field_write_object(&w, NULL, lease_end_fields, &(struct lease_end_answer){held->id, reason, message}, false);
        buffer_append_string(&frame, "\n\n");
        events_end(held->stream, &frame);
}

static void on_ended(void *userdata, enum lease_end end) {
        struct lease_stream *held = userdata;

        held->lease = NULL;
        say_end(held, lease_end_name(end), end_messages[end]);
}

static void on_stopping(void *userdata) {
        struct lease_stream *held = userdata;

        if (held->lease)
                say_end(held, "stopping", "the daemon is stopping");
}

static void on_gone(void *userdata) {
        struct lease_stream *held = userdata;

        if (held->lease && held->server->stopping)
                /* The client did not end the lease, and may come back to the next daemon: the engine saves it as held. */
                held->lease->ended = NULL;
        else
                lease_release(held->server->engine, held->lease);
        free(held);
}

/* The lease, and the present state of its database. */
static struct lease_answer lease_answer_of(const struct lease *lease, struct instant now) {
        return (struct lease_answer){
                .kind = "lease",
                .database = lease->database->config->name,
                .at_real_usec = now.real_usec,
                .lease = describe_lease(&lease->record),
                .verdict = describe_verdict(lease->database, now),
                .generation = lease->database->counts.generation,
        };
}

static void stream_lease(struct request *request, struct lease_stream *held) {
        _cleanup_(buffer_deinit) struct buffer head = {0};
        struct lease_answer answer = lease_answer_of(held->lease, clock_now());
        struct json_writer w = {.buffer = &head};

        buffer_append_string(&head, "event: lease\ndata: ");
        field_write_object(&w, NULL, lease_event_fields, &answer, false);
        buffer_append_string(&head, "\n\n");
        events_begin(request->server->events, request->exchange, request->name, &head, LEASE_BEHIND_MAX_USEC,
                     &(struct stream_owner){.stopping = on_stopping, .gone = on_gone, .userdata = held}, &held->stream);
}

static void answer_no_lease(struct request *request, int error, enum reason refusal) {
        if (error == -EPERM)
                answer_refused(request->server, request->exchange, refusal);
        else if (error == -ENOSPC)
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "too_many_leases", "too many leases are held");
        else
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory",
                                   "no memory is left for another lease");
}

static const char *owner_of(const struct request *request) {
        return request->query.owner ? request->query.owner : "unknown";
}

/* Takes a lease for a fixed time: it is answered at once and ends by the clock or by its id. */
static void take_timed(struct request *request) {
        struct lease_request wanted = {.owner = owner_of(request), .for_usec = request->query.for_usec};
        enum reason refusal = REASON_NONE;
        struct lease_answer answer;
        struct json_writer w;
        struct lease *lease;
        int r;

        r = lease_take(request->server->engine, request->database, &wanted, &refusal, &lease);
        if (r < 0) {
                answer_no_lease(request, r, refusal);
                return;
        }
        answer = lease_answer_of(lease, clock_now());
        w = server_compose(request->server);
        field_write_object(&w, NULL, lease_answer_fields, &answer, false);
        answer_body(request->server, request->exchange, 201);
}

/* Takes a lease that lasts as long as the connection. */
static void take_held(struct request *request) {
        struct lease_stream *held = calloc(1, sizeof(*held));
        struct lease_request wanted = {.owner = owner_of(request), .ended = on_ended, .userdata = held};
        enum reason refusal = REASON_NONE;
        int r = -ENOMEM;

        if (held)
                r = lease_take(request->server->engine, request->database, &wanted, &refusal, &held->lease);
        if (r < 0) {
                answer_no_lease(request, r, refusal);
                free(held);
                return;
        }
        held->server = request->server;
        held->id = held->lease->record.id;
        stream_lease(request, held);
}

void lease_post(struct request *request) {
        if (!(request->query.given & ARGUMENT_FOR))
                take_held(request);
        else if (request->query.for_usec == 0)
                answer_error(request->server, request->exchange, 400, "bad_request", "for=0s is no time; without for= the stream holds it");
        else
                take_timed(request);
}

void lease_delete_id(struct request *request) {
        struct json_writer w;

        if (!lease_delete(request->server->engine, request->id)) {
                answer_error(request->server, request->exchange, 404, "no_such_lease", "no lease has this id; GET /status lists them");
                return;
        }
        w = server_compose(request->server);
        field_write_object(&w, NULL, lease_deleted_fields, &(struct lease_deleted_answer){request->id, true}, false);
        answer_body(request->server, request->exchange, 200);
}
