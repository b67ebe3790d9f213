/* GET /status and /status/NAME: everything that is known. */

#include "serve/answer.h"
#include "serve/describe.h"
#include "serve/handlers.h"
#include "serve/listing.h"

static void describe_one(const struct listing *listing, struct json_writer *w, const struct target *target, struct instant now) {
        describe_status(w, target, now, listing->detail);
}

/* The part before the first database, with the list left open. */
static void write_head(struct buffer *text, const struct registry *registry) {
        struct json_writer w = {.buffer = text};

        json_begin_object(&w, NULL);
        json_text(&w, "version", PACKAGE_VERSION);
        json_time(&w, "now", clock_real_usec());
        json_bool(&w, "ready", registry_not_ready(registry) == 0);
        json_begin_array(&w, "databases");
}

void status_get(struct request *request) {
        struct listing listing = {
                .site = request->site,
                .tail = "]}",
                .describe = describe_one,
                .detail = request->access == ACCESS_CONTROL,
        };
        struct json_writer w;

        if (!request->target) {
                write_head(&listing.text, engine_registry(request->site->engine));
                listing_answer(&listing, request->exchange, &(struct reply){.status = 200});
                return;
        }
        w = site_compose(request->site);
        describe_status(&w, request->target, clock_now(), listing.detail);
        answer_body(request->site, request->exchange, 200);
}
