#include "http/answer.h"

#include "api/answer.h"
#include "base/clock.h"
#include "base/nearest.h"
#include "base/text.h"

#include <assert.h>

#define KNOWN_MAX 100
/* Names searched first on each side of an unknown name's place. */
#define NEIGHBOURS ((size_t)50)
/* For all searches for a near name in one loop iteration: less than a millisecond. */
#define NEAREST_STEPS ((size_t)32 * 1024)
#define RETRY_MAX_SEC 60
/* About as much as libmicrohttpd takes at a time. */
#define SLICE_BYTES ((size_t)12 * 1024)
/* Memory of a long answer, with the step that exceeded the slice; more only if that step is unusually long. */
#define KEPT_BYTES ((size_t)32 * 1024)
/* Bounds the time of a slice whose steps add little or nothing. */
#define SLICE_STEPS 512

void answer_body(struct server *server, struct exchange *exchange, unsigned status) {
        exchange_reply(exchange, &(struct reply){.status = status, .body = &server->body});
}

void answer_later(struct server *server, struct exchange *exchange, unsigned retry_after_sec) {
        exchange_reply(exchange, &(struct reply){.status = 503, .body = &server->body, .retry_after_sec = retry_after_sec});
}

unsigned answer_retry_after_sec(uint64_t usec) {
        if (usec == USEC_INFINITY)
                return RETRY_UNKNOWN_SEC;
        return (unsigned)MIN(MAX((usec + USEC_PER_SEC - 1) / USEC_PER_SEC, 1), RETRY_MAX_SEC);
}

static void compose_refusal(struct server *server, const char *slug, const char *message) {
        struct json_writer w = server_compose(server);

        field_write_object(&w, NULL, refusal_fields, &(struct refusal_answer){slug, message}, false);
}

void answer_error(struct server *server, struct exchange *exchange, unsigned status, const char *slug, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer message = {0};
        va_list arguments;

        va_start(arguments, format);
        buffer_vprintf(&message, format, arguments);
        va_end(arguments);
        compose_refusal(server, slug, message.data);
        answer_body(server, exchange, status);
}

void answer_unavailable(struct server *server, struct exchange *exchange, unsigned retry_after_sec, const char *slug, const char *message) {
        compose_refusal(server, slug, message);
        answer_later(server, exchange, retry_after_sec);
}

void answer_busy(struct server *server, struct exchange *exchange, const char *message) {
        compose_refusal(server, "busy", message);
        exchange_reply(exchange, &(struct reply){.status = 429, .body = &server->body, .retry_after_sec = RETRY_UNKNOWN_SEC});
}

void answer_refused(struct server *server, struct exchange *exchange, enum reason reason) {
        answer_error(server, exchange, 409, reason_slug(reason), "%s", reason_info(reason)->sentence);
}

void answer_stopping(struct server *server, struct exchange *exchange) {
        answer_unavailable(server, exchange, 1, "stopping", "the daemon is stopping");
}

static void try_names(struct nearest *nearest, const struct registry *registry, size_t first, size_t n) {
        const struct database *database;

        for (size_t i = first; i < first + n && nearest->steps_left > 0 && (database = registry_at(registry, i)); i++)
                nearest_try(nearest, database->config->name);
}

/*
 * The nearest of all names, not only of those listed. If that takes too long, because of the names or of many requests at once, the nearest
 * of those searched. A name with the same beginning is near its place in the order and is found first; most others then are too far away
 * soon.
 */
static const char *nearest_name(struct server *server, const char *name) {
        const struct registry *registry = engine_registry(server->engine);
        size_t place = registry_place_after(registry, name), first = place - MIN(place, NEIGHBOURS);
        struct nearest_search *search = &server->nearest_search;
        struct nearest nearest;
        uint64_t turn = 0;

        (void)sd_event_get_iteration(server->event, &turn);
        if (turn == 0 || search->turn != turn)
                *search = (struct nearest_search){.turn = turn, .steps_left = NEAREST_STEPS};
        nearest_init(&nearest, name);
        nearest.steps_left = search->steps_left;
        try_names(&nearest, registry, first, place - first + NEIGHBOURS);
        try_names(&nearest, registry, 0, registry_count(registry));
        search->steps_left = nearest.steps_left;
        return nearest.found;
}

static bool next_known(struct field_rows *rows, void *ret_row) {
        const struct database *database = rows->index < KNOWN_MAX ? registry_at(rows->of, rows->index++) : NULL;

        if (database)
                *(const char **)ret_row = database->config->name;
        return database != NULL;
}

void answer_unknown_database(struct server *server, struct exchange *exchange, const char *name) {
        const struct registry *registry = engine_registry(server->engine);
        /* Text that is not a valid name may be very long, and no name is near it. */
        const char *nearest = text_is_name(name) ? nearest_name(server, name) : NULL;
        struct json_writer w = server_compose(server);
        _cleanup_(buffer_deinit) struct buffer message = {0};

        buffer_printf(&message, "no database \"%.*s\" is configured", TEXT_NAME_MAX, name);
        if (nearest)
                buffer_printf(&message, "; did you mean \"%s\"?", nearest);
        field_write_object(&w, NULL, unknown_name_fields,
                           &(struct unknown_name_answer){{"unknown_database", message.data}, {.next = next_known, .of = registry}}, false);
        answer_body(server, exchange, 404);
}

/* Long answers. */

bool slices_step(struct slices *slices) {
        return slices->text.size < SLICE_BYTES && slices->steps++ < SLICE_STEPS;
}

static void compose_next(struct slices *slices) {
        assert(!slices->complete);
        slices->steps = 0;
        slices->complete = !slices->compose(slices);
}

static size_t slices_kept(const struct slices *slices) {
        return MAX(slices->text.size, KEPT_BYTES);
}

static ssize_t read_slices(void *userdata, char *buffer, size_t size) {
        struct slices *slices = userdata;
        size_t n;

        while (slices->sent == slices->text.size && buffer_finish(&slices->text) == 0) {
                if (slices->complete)
                        return STREAM_ENDS;
                buffer_deinit(&slices->text);
                slices->sent = 0;
                compose_next(slices);
                if (!exchange_keep(slices->exchange, slices_kept(slices)))
                        return STREAM_BREAKS;
        }
        if (buffer_finish(&slices->text) < 0)
                return STREAM_BREAKS;
        n = MIN(size, slices->text.size - slices->sent);
        memcpy(buffer, slices->text.data + slices->sent, n);
        slices->sent += n;
        return (ssize_t)n;
}

static void free_slices(void *userdata) {
        struct slices *slices = userdata;

        buffer_deinit(&slices->text);
        slices->free(slices);
}

void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head) {
        struct reply reply = *head;

        compose_next(slices);
        if (!slices->complete) {
                slices->exchange = exchange;
                exchange_stream(exchange, head, false,
                                &(struct stream){.read = read_slices, .free = free_slices, .userdata = slices, .kept = slices_kept(slices)});
                return;
        }
        reply.body = &slices->text;
        exchange_reply(exchange, &reply);
        free_slices(slices);
}

/* Lists of databases. */

struct listing_progress {
        struct slices slices;
        struct listing listing;
        char last[TEXT_NAME_MAX + 1]; /* the name of the last database that was looked at */
        bool any;
};

static bool listing_compose(struct slices *slices) {
        struct listing_progress *progress = container_of(slices, struct listing_progress, slices);
        const struct listing *listing = &progress->listing;
        const struct registry *registry = engine_registry(listing->server->engine);
        struct instant now = clock_now();
        struct json_writer w = {.buffer = &slices->text, .comma = progress->any};
        const struct database *database, *last = NULL;
        size_t i = registry_place_after(registry, progress->last);

        for (; (database = registry_at(registry, i)) && slices_step(slices); i++) {
                last = database;
                if (listing->wants && !listing->wants(listing, database))
                        continue;
                listing->describe(listing, &w, database, now);
                progress->any = true;
        }
        if (!database)
                buffer_append_string(&slices->text, listing->tail);
        else if (last)
                (void)text_copy(progress->last, sizeof(progress->last), last->config->name);
        return database;
}

static void listing_free(struct slices *slices) {
        free(container_of(slices, struct listing_progress, slices));
}

void listing_answer(const struct listing *listing, struct exchange *exchange, const struct reply *head) {
        struct listing_progress *progress = calloc(1, sizeof(*progress));
        struct buffer text = listing->text;

        if (!progress) {
                buffer_deinit(&text);
                answer_unavailable(listing->server, exchange, RETRY_UNKNOWN_SEC, "no_memory",
                                   "no memory is left for this answer");
                return;
        }
        progress->listing = *listing;
        progress->slices = (struct slices){.text = text, .compose = listing_compose, .free = listing_free};
        slices_answer(&progress->slices, exchange, head);
}
