/* GET /readyz and /readyz/NAME: the verdict, at once from memory, or held until it is good. */

#include "base/text.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/handlers.h"
#include "http/listing.h"
#include "http/waiters.h"

static bool acceptable(const struct database *database, bool accept_asleep) {
        return accept_asleep ? database_ready_or_asleep(database) : database_ready(database);
}

static bool is_missing(const struct database *database, bool accept_asleep) {
        return database->config->required && !acceptable(database, accept_asleep);
}

/* Only a walk over all can tell this. A thousand who wait for it in the same turn of the loop are one walk. */
static size_t count_missing_asleep(struct server *server, const struct registry *registry) {
        struct missing_asleep *memory = &server->missing_asleep;
        const struct database *database;
        uint64_t turn = 0;

        (void)sd_event_get_iteration(server->event, &turn);
        if (turn > 0 && memory->turn == turn && memory->changes == server->changes)
                return memory->count;
        *memory = (struct missing_asleep){.turn = turn, .changes = server->changes};
        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                memory->count += is_missing(database, true);
        return memory->count;
}

/* How many required databases are not what is accepted. */
static size_t count_missing(struct server *server, bool accept_asleep) {
        const struct registry *registry = engine_registry(server->engine);
        size_t n = registry_not_ready(registry);

        return n == 0 || !accept_asleep ? n : count_missing_asleep(server, registry);
}

static bool met(const struct waiter *waiter, const struct database *database) {
        return database ? acceptable(database, waiter->accept_asleep) : count_missing(waiter->server, waiter->accept_asleep) == 0;
}

static void answer_one(const struct waiter *waiter, const struct database *database) {
        struct instant now = clock_now();
        bool ready = acceptable(database, waiter->accept_asleep);
        struct json_writer w = server_compose(waiter->server);

        json_begin_object(&w, NULL);
        json_bool(&w, "ready", ready);
        json_begin_array(&w, "databases");
        json_begin_object(&w, NULL);
        describe_verdict(&w, database, now);
        json_end_object(&w);
        json_end_array(&w);
        json_end_object(&w);
        if (ready)
                answer_body(waiter->server, waiter->exchange, 200);
        else
                answer_later(waiter->server, waiter->exchange, answer_retry_after_sec(database_expected_ready_usec(database, now)));
}

static bool wants_missing(const struct listing *listing, const struct database *database) {
        return is_missing(database, listing->accept_asleep);
}

static void describe_missing(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now) {
        (void)listing;
        json_begin_object(w, NULL);
        describe_verdict(w, database, now);
        json_end_object(w);
}

/* The part before the first database, with the list left open. */
static void write_head(struct buffer *text, size_t missing) {
        struct json_writer w = {.buffer = text};

        json_begin_object(&w, NULL);
        json_bool(&w, "ready", missing == 0);
        json_unsigned(&w, "count", missing);
        json_begin_array(&w, "databases");
}

static void answer_ready(struct server *server, struct exchange *exchange) {
        struct buffer *body = &server->body;

        if (!server->all_ready) {
                buffer_clear(body);
                write_head(body, 0);
                buffer_append_string(body, "]}");
                if (prebuilt_reply_new(&(struct reply){.status = 200, .body = body}, &server->all_ready) < 0) {
                        answer_body(server, exchange, 200);
                        return;
                }
        }
        exchange_reply_prebuilt(exchange, server->all_ready);
}

/* What is waking is worth another look soon. */
static unsigned retry_after_sec(const struct server *server) {
        return registry_count_in_state(engine_registry(server->engine), STATE_WAKING) > 0 ? 1 : RETRY_UNKNOWN_SEC;
}

static void answer_all(const struct waiter *waiter, const struct database *database) {
        size_t missing = count_missing(waiter->server, waiter->accept_asleep);
        struct listing listing = {
                .server = waiter->server,
                .tail = "]}",
                .wants = wants_missing,
                .describe = describe_missing,
                .accept_asleep = waiter->accept_asleep,
        };

        (void)database;
        if (missing == 0) {
                answer_ready(waiter->server, waiter->exchange);
                return;
        }
        write_head(&listing.text, missing);
        listing_answer(&listing, waiter->exchange, &(struct reply){.status = 503, .retry_after_sec = retry_after_sec(waiter->server)});
}

void readyz_get(struct request *request) {
        struct waiter waiter = {
                .server = request->server,
                .exchange = request->exchange,
                .accept_asleep = request->query.accept_asleep,
                .spread_usec = request->query.spread_usec,
                .met = met,
                .answer = request->database ? answer_one : answer_all,
        };

        if (request->database) {
                waiter.database_id = request->database->id;
                (void)text_copy(waiter.name, sizeof(waiter.name), request->name);
        }
        if (request->query.wait_usec == 0 || met(&waiter, request->database))
                waiter.answer(&waiter, request->database);
        else
                waiters_add(request->server->waiters, &waiter, request->query.wait_usec);
}
