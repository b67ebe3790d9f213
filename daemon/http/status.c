/* The present, answered at once from memory: GET /livez, /readyz (which can be held until the verdict is good) and /status. */

#include "api/answer.h"
#include "base/text.h"
#include "history/store.h"
#include "http/answer.h"
#include "http/describe.h"
#include "http/route.h"
#include "http/waiters.h"

/* GET /livez: whether this daemon makes progress. Never depends on a database: restarting pgwaked wakes none. */

void livez_get(struct request *request) {
        const struct server_hooks *hooks = &request->server->hooks;
        bool alive = !hooks->progress || hooks->progress(hooks->userdata);
        struct json_writer w = server_compose(request->server);

        json_begin_object(&w, NULL);
        json_bool(&w, "alive", alive);
        json_end_object(&w);
        if (alive)
                answer_body(request->server, request->exchange, 200);
        else
                answer_later(request->server, request->exchange, 1);
}

/* GET /readyz and /readyz/NAME: the verdict. */

static bool readyz_accepts(const struct database *database, bool accept_asleep) {
        return accept_asleep ? database_ready_or_asleep(database) : database_ready(database);
}

static bool readyz_is_missing(const struct database *database, bool accept_asleep) {
        return database->config->required && !readyz_accepts(database, accept_asleep);
}

/* This needs a walk over all databases. A thousand waiting clients share one walk per loop iteration. */
static size_t count_missing_asleep(struct server *server, const struct registry *registry) {
        struct missing_asleep *memory = &server->missing_asleep;
        const struct database *database;
        uint64_t turn = 0;

        (void)sd_event_get_iteration(server->event, &turn);
        if (turn > 0 && memory->turn == turn && memory->changes == server->changes)
                return memory->count;
        *memory = (struct missing_asleep){.turn = turn, .changes = server->changes};
        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                memory->count += readyz_is_missing(database, true);
        return memory->count;
}

/* Counts the required databases that are not acceptable. */
static size_t count_missing(struct server *server, bool accept_asleep) {
        const struct registry *registry = engine_registry(server->engine);
        size_t n = registry_not_ready(registry);

        return n == 0 || !accept_asleep ? n : count_missing_asleep(server, registry);
}

static bool readyz_met(const struct waiter *waiter, const struct database *database) {
        return database ? readyz_accepts(database, waiter->accept_asleep) : count_missing(waiter->server, waiter->accept_asleep) == 0;
}

static void readyz_answer_one(const struct waiter *waiter, const struct database *database) {
        struct instant now = clock_now();
        bool ready = readyz_accepts(database, waiter->accept_asleep);
        struct database_status verdict = describe_verdict(database, now);
        struct json_writer w = server_compose(waiter->server);

        json_begin_object(&w, NULL);
        json_bool(&w, "ready", ready);
        json_begin_array(&w, API_DATABASES);
        field_write_object(&w, NULL, verdict_fields, &verdict, false);
        json_end_array(&w);
        json_end_object(&w);
        if (ready)
                answer_body(waiter->server, waiter->exchange, 200);
        else
                answer_later(waiter->server, waiter->exchange, answer_retry_after_sec(database_expected_ready_usec(database, now)));
}

static bool readyz_wants(const struct listing *listing, const struct database *database) {
        return readyz_is_missing(database, listing->accept_asleep);
}

static void readyz_describe(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now) {
        struct database_status verdict = describe_verdict(database, now);

        (void)listing;
        field_write_object(w, NULL, verdict_fields, &verdict, false);
}

/* The part before the first database, with the list left open. */
static void readyz_write_head(struct buffer *text, size_t missing) {
        struct json_writer w = {.buffer = text};

        json_begin_object(&w, NULL);
        field_write(&w, readyz_head_fields, &(struct readyz_head){.ready = missing == 0, .count = missing}, false);
        json_begin_array(&w, API_DATABASES);
}

static void readyz_answer_ok(struct server *server, struct exchange *exchange) {
        struct buffer *body = &server->body;

        if (!server->all_ready) {
                buffer_clear(body);
                readyz_write_head(body, 0);
                buffer_append_string(body, "]}");
                if (prebuilt_reply_new(&(struct reply){.status = 200, .body = body}, &server->all_ready) < 0) {
                        answer_body(server, exchange, 200);
                        return;
                }
        }
        exchange_reply_prebuilt(exchange, server->all_ready);
}

/* A waking database is worth another request soon. */
static unsigned readyz_retry_after_sec(const struct server *server) {
        return registry_count_in_state(engine_registry(server->engine), STATE_WAKING) > 0 ? 1 : RETRY_UNKNOWN_SEC;
}

static void readyz_answer_all(const struct waiter *waiter, const struct database *database) {
        size_t missing = count_missing(waiter->server, waiter->accept_asleep);
        struct listing listing = {
                .server = waiter->server,
                .tail = "]}",
                .wants = readyz_wants,
                .describe = readyz_describe,
                .accept_asleep = waiter->accept_asleep,
        };

        (void)database;
        if (missing == 0) {
                readyz_answer_ok(waiter->server, waiter->exchange);
                return;
        }
        readyz_write_head(&listing.text, missing);
        listing_answer(&listing, waiter->exchange,
                       &(struct reply){.status = 503, .retry_after_sec = readyz_retry_after_sec(waiter->server)});
}

void readyz_get(struct request *request) {
        struct waiter waiter = {
                .server = request->server,
                .exchange = request->exchange,
                .accept_asleep = request->query.accept_asleep,
                .spread_usec = request->query.spread_usec,
                .met = readyz_met,
                .answer = request->database ? readyz_answer_one : readyz_answer_all,
        };

        if (request->database) {
                waiter.database_id = request->database->id;
                (void)text_copy(waiter.name, sizeof(waiter.name), request->name);
        }
        if (request->query.wait_usec == 0 || readyz_met(&waiter, request->database))
                waiter.answer(&waiter, request->database);
        else
                waiters_add(request->server->waiters, &waiter, request->query.wait_usec);
}

/* GET /status and /status/NAME: the whole state. */

static void status_describe(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now) {
        describe_status(w, database, now, listing->detail);
}

/* The part before the first database, with the list left open. */
static void status_write_head(struct buffer *text, const struct server *server) {
        struct json_writer w = {.buffer = text};
        struct store *store = server->hooks.store;
        char sentence[256] = "";
        struct status_head head = {
                .version = PACKAGE_VERSION,
                .now_real_usec = clock_real_usec(),
                .ready = registry_not_ready(engine_registry(server->engine)) == 0,
                .history.health = store_health_name(store ? store_health(store, sentence, sizeof(sentence)) : STORE_NONE),
        };

        head.history.message = *sentence ? sentence : NULL;
        json_begin_object(&w, NULL);
        field_write(&w, status_head_fields, &head, false);
        json_begin_array(&w, API_DATABASES);
}

void status_get(struct request *request) {
        struct listing listing = {
                .server = request->server,
                .tail = "]}",
                .describe = status_describe,
                .detail = request->listener->permission == PERMISSION_CONTROL,
        };
        struct json_writer w;

        if (!request->database) {
                status_write_head(&listing.text, request->server);
                listing_answer(&listing, request->exchange, &(struct reply){.status = 200});
                return;
        }
        w = server_compose(request->server);
        describe_status(&w, request->database, clock_now(), listing.detail);
        answer_body(request->server, request->exchange, 200);
}
