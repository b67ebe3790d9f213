#include "http/answer.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "base/text.h"

#define KNOWN_MAX 100
#define BYTES_HELD_MAX ((size_t)16 * 1024 * 1024)
#define RETRY_MAX_SEC 60

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

static void write_error(struct json_writer *w, const char *slug, const char *message) {
        json_begin_object(w, NULL);
        json_text(w, "error", slug);
        json_text(w, "message", message);
}

void answer_error(struct server *server, struct exchange *exchange, unsigned status, const char *slug, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer message = {0};
        struct json_writer w = server_compose(server);
        va_list arguments;

        va_start(arguments, format);
        buffer_vprintf(&message, format, arguments);
        va_end(arguments);
        write_error(&w, slug, message.data);
        json_end_object(&w);
        answer_body(server, exchange, status);
}

void answer_unavailable(struct server *server, struct exchange *exchange, unsigned retry_after_sec, const char *slug, const char *message) {
        struct json_writer w = server_compose(server);

        write_error(&w, slug, message);
        json_end_object(&w);
        answer_later(server, exchange, retry_after_sec);
}

void answer_busy(struct server *server, struct exchange *exchange, const char *message) {
        struct json_writer w = server_compose(server);

        write_error(&w, "busy", message);
        json_end_object(&w);
        exchange_reply(exchange, &(struct reply){.status = 429, .body = &server->body, .retry_after_sec = RETRY_UNKNOWN_SEC});
}

void answer_too_much_held(struct server *server, struct exchange *exchange) {
        answer_busy(server, exchange, "long answers that are not read yet take too much memory; ask again soon");
}

void answer_refused(struct server *server, struct exchange *exchange, enum reason reason) {
        answer_error(server, exchange, 409, reason_slug(reason), "%s", reason_info(reason)->sentence);
}

void answer_stopping(struct server *server, struct exchange *exchange) {
        answer_unavailable(server, exchange, 1, "stopping", "the daemon is stopping");
}

bool answer_may_hold(struct listener *listener, size_t bytes) {
        size_t *held = &listener->server->bytes_held[listener->access];

        if (*held > 0 && *held + bytes > BYTES_HELD_MAX)
                return false;
        *held += bytes;
        return true;
}

void answer_held_no_more(struct listener *listener, size_t bytes) {
        listener->server->bytes_held[listener->access] -= bytes;
}

/* The nearest of all names, not only of those that are listed. */
static const char *nearest_name(const struct registry *registry, const char *name) {
        const struct database *database;
        struct nearest nearest;

        nearest_init(&nearest, name);
        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                nearest_try(&nearest, database->config->name);
        return nearest.found;
}

void answer_unknown_database(struct server *server, struct exchange *exchange, const char *name) {
        const struct registry *registry = engine_registry(server->engine);
        /* What is no name could be very long, and there is nothing near it. */
        const char *nearest = text_is_name(name) ? nearest_name(registry, name) : NULL;
        struct json_writer w = server_compose(server);
        _cleanup_(buffer_deinit) struct buffer message = {0};

        buffer_printf(&message, "no database \"%.*s\" is configured", TEXT_NAME_MAX, name);
        if (nearest)
                buffer_printf(&message, "; did you mean \"%s\"?", nearest);
        write_error(&w, "unknown_database", message.data);
        json_begin_array(&w, "known");
        for (size_t i = 0; i < MIN(registry_count(registry), (size_t)KNOWN_MAX); i++)
                json_text(&w, NULL, registry_at(registry, i)->config->name);
        json_end_array(&w);
        json_end_object(&w);
        answer_body(server, exchange, 404);
}
