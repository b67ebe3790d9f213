/* POST on the control socket: wake, pause, reload. Leases have a room of their own. */

#include "base/text.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/handlers.h"
#include "http/waiters.h"

static bool is_awake(const struct waiter *waiter, const struct database *database) {
        (void)waiter;
        return database_ready(database);
}

/*
 * Why waiting on is in vain, or REASON_NONE. The call itself was taken, so that a pause and a spent budget came later; that it is blocked
 * may be what was known before, and what the call makes us ask once more.
 */
static enum reason hindrance(const struct waiter *waiter, const struct database *database) {
        if (database_ready(database))
                return REASON_NONE;
        if (database->paused_until_boot_usec)
                return REASON_PAUSED;
        if (database->budget_spent)
                return REASON_BUDGET_SPENT;
        if (database->state == STATE_BLOCKED && database->finished_boot_usec[CHECK_LOGIN] > waiter->evidence_boot_usec)
                return database->reason;
        return REASON_NONE;
}

static bool is_hopeless(const struct waiter *waiter, const struct database *database) {
        return hindrance(waiter, database) != REASON_NONE;
}

static void compose_wake(struct server *server, const struct database *database, struct instant now) {
        struct json_writer w = server_compose(server);

        json_begin_object(&w, NULL);
        describe_verdict(&w, database, now);
        json_end_object(&w);
}

/* The end of a wait: awake, or in vain, or the time is over. */
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
                .evidence_boot_usec = database->finished_boot_usec[CHECK_LOGIN],
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

void pause_post(struct request *request) {
        struct database *database = request->database;
        struct json_writer w;

        if (!(request->query.given & ARGUMENT_FOR)) {
                answer_error(request->server, request->exchange, 400, "bad_request", "for how long? for=2h pauses, for=0s resumes");
                return;
        }
        engine_pause(request->server->engine, database, request->query.for_usec);
        w = server_compose(request->server);
        json_begin_object(&w, NULL);
        json_text(&w, "name", request->name);
        describe_pause(&w, database, clock_now());
        json_end_object(&w);
        answer_body(request->server, request->exchange, 200);
}

struct reload_wait {
        struct reload_call call;
        struct server *server;
        struct exchange *exchange; /* NULL: who asked has gone */
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
