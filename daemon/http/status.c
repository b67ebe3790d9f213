/* GET /status and /status/NAME: everything that is known. */

#include "http/answer.h"
#include "http/describe.h"
#include "http/handlers.h"
#include "http/listing.h"
#include "history/store.h"

static void describe_one(const struct listing *listing, struct json_writer *w, const struct database *database, struct instant now) {
        describe_status(w, database, now, listing->detail);
}

/* Whether what happens is kept. */
static void write_history(struct json_writer *w, struct store *store) {
        enum store_health health = STORE_NONE;
        char sentence[256] = "";

        if (store)
                health = store_health(store, sentence, sizeof(sentence));
        json_begin_object(w, "history");
        json_text(w, "health", store_health_name(health));
        json_text(w, "message", *sentence ? sentence : NULL);
        json_end_object(w);
}

/* The part before the first database, with the list left open. */
static void write_head(struct buffer *text, const struct server *server) {
        const struct registry *registry = engine_registry(server->engine);
        struct json_writer w = {.buffer = text};

        json_begin_object(&w, NULL);
        json_text(&w, "version", PACKAGE_VERSION);
        json_time(&w, "now", clock_real_usec());
        json_bool(&w, "ready", registry_not_ready(registry) == 0);
        write_history(&w, server->hooks.store);
        json_begin_array(&w, "databases");
}

void status_get(struct request *request) {
        struct listing listing = {
                .server = request->server,
                .tail = "]}",
                .describe = describe_one,
                .detail = request->listener->access == ACCESS_CONTROL,
        };
        struct json_writer w;

        if (!request->database) {
                write_head(&listing.text, request->server);
                listing_answer(&listing, request->exchange, &(struct reply){.status = 200});
                return;
        }
        w = server_compose(request->server);
        describe_status(&w, request->database, clock_now(), listing.detail);
        answer_body(request->server, request->exchange, 200);
}
