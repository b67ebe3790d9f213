/*
 * POST /lease/NAME and DELETE /lease/ID. A lease without a time limit is a stream of its database's events, and lives as long as that: the
 * HTTP library frees the stream in the turn of the loop in which the connection ends, whoever ended it.
 */

#include "base/error.h"
#include "scheduler/lease.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/events.h"
#include "http/handlers.h"

/*
 * A holder that does not read (stopped by a debugger, or busy) and whose next event is forgotten: it is dropped all the same, but not as
 * soon as somebody who only watches, because its lease goes with it.
 */
#define LEASE_BEHIND_MAX_USEC (60 * USEC_PER_SEC)

/* A lease and its stream. */
struct lease_stream {
        struct server *server;
        struct lease *lease; /* NULL when it has ended */
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
        json_begin_object(&w, NULL);
        json_unsigned(&w, "id", held->id);
        json_text(&w, "reason", reason);
        json_text(&w, "message", message);
        json_end_object(&w);
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
                /* Its holder did not end it, and may come back to the daemon after us: the engine remembers it as held. */
                held->lease->ended = NULL;
        else
                lease_release(held->server->engine, held->lease);
        free(held);
}

/* The members of an object that is open: the lease, and how its database is now. */
static void describe_begun(struct json_writer *w, const struct lease *lease, struct instant now) {
        json_begin_object(w, "lease");
        describe_lease(w, &lease->record);
        json_end_object(w);
        describe_verdict(w, lease->database, now);
        json_unsigned(w, "generation", lease->database->generation);
}

static void stream_lease(struct request *request, struct lease_stream *held) {
        _cleanup_(buffer_deinit) struct buffer head = {0};
        struct json_writer w = {.buffer = &head};
        struct instant now = clock_now();

        buffer_append_string(&head, "event: lease\ndata: ");
        json_begin_object(&w, NULL);
        /* As in the events that follow. */
        json_text(&w, "kind", "lease");
        json_time(&w, "at", now.real_usec);
        json_text(&w, "database", request->name);
        describe_begun(&w, held->lease, now);
        json_end_object(&w);
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
                answer_unavailable(request->server, request->exchange, RETRY_UNKNOWN_SEC, "no_memory", "no memory is left for another lease");
}

static const char *owner_of(const struct request *request) {
        return request->query.owner ? request->query.owner : "unknown";
}

/* By the clock: answered at once, and nobody's but its id's. */
static void take_timed(struct request *request) {
        struct lease_request wanted = {.owner = owner_of(request), .for_usec = request->query.for_usec};
        enum reason refusal = REASON_NONE;
        struct json_writer w;
        struct lease *lease;
        int r;

        r = lease_take(request->server->engine, request->database, &wanted, &refusal, &lease);
        if (r < 0) {
                answer_no_lease(request, r, refusal);
                return;
        }
        w = server_compose(request->server);
        json_begin_object(&w, NULL);
        describe_begun(&w, lease, clock_now());
        json_end_object(&w);
        answer_body(request->server, request->exchange, 201);
}

/* As long as the connection. */
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
        json_begin_object(&w, NULL);
        json_unsigned(&w, "id", request->id);
        json_bool(&w, "ended", true);
        json_end_object(&w);
        answer_body(request->server, request->exchange, 200);
}
