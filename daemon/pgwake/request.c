#include "pgwake/request.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/nearest.h"
#include "base/text.h"
#include "pgwake/sanitize.h"

#include <ctype.h>
#include <errno.h>

void answer_deinit(struct answer *answer) {
        json_decref(answer->json);
        *answer = (struct answer){0};
}

int tell_no_answer(const struct context *context, const struct exchange *exchange) {
        const char *socket = client_socket(context->client), *hint = "";

        if (exchange->error == -ENOENT || exchange->error == -ECONNREFUSED)
                hint = " (does pgwaked run?)";
        else if (exchange->error == -EACCES)
                hint = " (root and members of the group pgwake may; everybody may read from status.sock)";
        complain("the daemon at %s %s%s", socket, exchange->problem, hint);
        return EXIT_CODE_NO_ANSWER;
}

int tell_malformed(const struct context *context, const char *what) {
        complain("the daemon at %s gave an answer that is not understood: %s", client_socket(context->client), what);
        return EXIT_CODE_NO_ANSWER;
}

int tell_wrong_member(const struct context *context, const char *path) {
        char what[DECODE_PATH_MAX + 64];

        (void)snprintf(what, sizeof(what), "\"%s\" is missing or has the wrong type", *path ? path : "(object)");
        return tell_malformed(context, what);
}

int tell_error(int error, int code) {
        if (error == 0 || error == -EPIPE)
                return code;
        complain("%s", strerror(-error));
        return EXIT_CODE_NOT_READY;
}

int answer_read(struct context *context, const struct exchange *exchange, struct answer *ret_answer) {
        json_error_t error;
        json_t *json;

        if (exchange->error < 0)
                return tell_no_answer(context, exchange);
        json = json_loadb(exchange->body.data ? exchange->body.data : "", exchange->body.size, JSON_REJECT_DUPLICATES, &error);
        if (!json || !json_is_object(json)) {
                char what[64 + JSON_ERROR_TEXT_LENGTH];

                (void)snprintf(what, sizeof(what), "HTTP %d, %s", exchange->status, json ? "no JSON object" : error.text);
                json_decref(json);
                return tell_malformed(context, what);
        }
        if (!context->options.json && sanitize_json(json) < 0) {
                json_decref(json);
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        }
        *ret_answer = (struct answer){.status = exchange->status, .json = json};
        return 0;
}

int request_exchange(struct context *context, const struct request *request, struct exchange **ret_exchange) {
        _cleanup_(exchange_freep) struct exchange *exchange = NULL;
        int r;

        if (!request->path)
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        r = client_start(context->client, request, &exchange);
        while (r == 0 && !exchange->done)
                r = client_turn(context->client, USEC_INFINITY, NULL, 0);
        if (r < 0)
                return tell_error(r, EXIT_CODE_NOT_READY);
        *ret_exchange = steal_pointer(&exchange);
        return 0;
}

int request_send(struct context *context, const struct request *request, struct answer *ret_answer) {
        _cleanup_(exchange_freep) struct exchange *exchange = NULL;
        int r;

        r = request_exchange(context, request, &exchange);
        return r != 0 ? r : answer_read(context, exchange, ret_answer);
}

int request_get(struct context *context, const char *prefix, const char *name, struct answer *ret_answer) {
        _cleanup_free_ char *path = client_path(prefix, name, NULL);

        return request_send(context, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, ret_answer);
}

int request_post(struct context *context, const char *prefix, const char *name, const char *parameter, const char *value,
                    struct answer *ret_answer) {
        _cleanup_free_ char *path = client_path(prefix, name, (const struct parameter[]){{parameter, value}, {0}});
        const struct request request = {.method = REQUEST_POST, .path = path, .timeout_usec = CLIENT_ANSWER_USEC};

        return request_send(context, &request, ret_answer);
}

#define KNOWN_SHOWN 10

/* "no database "mian"; did you mean "main"? Known: ..." */
static void tell_unknown_name(const char *name, struct field_rows known) {
        _cleanup_(buffer_deinit) struct buffer list = {0};
        const char *each, *nearest;
        struct nearest search;
        size_t n_names = 0;

        nearest_init(&search, name);
        for (; field_rows_next(&known, &each); n_names++) {
                nearest_try(&search, each);
                if (n_names < KNOWN_SHOWN)
                        buffer_printf(&list, "%s%s", n_names ? ", " : "", each);
        }
        nearest = search.found;
        if (n_names > KNOWN_SHOWN)
                buffer_printf(&list, " and %zu more", n_names - KNOWN_SHOWN);
        complain("the daemon knows no database \"%s\"%s%s%s (%s%s)", name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "", n_names ? "known: " : "none is configured", list.data && n_names ? list.data : "");
}

/* Whether the request itself was wrong, not the situation. A request for a lease that has ended was not wrong. */
static bool is_usage(const struct answer *answer, const char *name) {
        return answer->status == 400 || (answer->status == 404 && name);
}

int tell_refusal(struct context *context, const struct answer *answer, const char *name) {
        struct unknown_name_answer refused;
        char wrong[DECODE_PATH_MAX];
        const char *message;

        if (decode(answer->json, unknown_name_fields, &refused, wrong) < 0) {
                char what[32];

                (void)snprintf(what, sizeof(what), "HTTP %d without a reason", answer->status);
                return tell_malformed(context, what);
        }
        if (context->options.json)
                (void)terminal_write_json(&context->out, answer->json);
        message = refused.refusal.message ? refused.refusal.message : "refused";
        if (answer->status == 404 && name && refused.known.next) {
                tell_unknown_name(name, refused.known);
                return EXIT_CODE_USAGE;
        }
        if (is_usage(answer, name) && name && !text_is_name(name))
                complain("no database is called \"%s\": a name is 1 to %d of a-z, 0-9, _ and -, beginning with a letter or digit", name,
                         TEXT_NAME_MAX);
        else if (answer->status == 403 || answer->status == 405)
                complain("%s (%s): %s only reads; this wants the control socket, which root and the group pgwake may open",
                         message, refused.refusal.error, client_socket(context->client));
        else
                complain("%s%s%s (%s)", name ? name : "", name ? ": " : "", message, refused.refusal.error);
        return is_usage(answer, name) ? EXIT_CODE_USAGE : EXIT_CODE_NOT_READY;
}

int answer_databases(struct context *context, json_t *json, struct database_status **ret_databases, size_t *ret_n) {
        json_t *array = json_object_get(json, API_DATABASES);
        _cleanup_free_ struct database_status *databases = NULL;
        size_t n = array ? json_array_size(array) : 1;
        char wrong[DECODE_PATH_MAX];

        if (array && !json_is_array(array))
                return tell_malformed(context, "\"databases\" is no list");
        databases = calloc(n + 1, sizeof(*databases));
        if (!databases)
                return tell_error(-ENOMEM, EXIT_CODE_NOT_READY);
        for (size_t i = 0; i < n; i++)
                if (decode(array ? json_array_get(array, i) : json, database_fields, &databases[i], wrong) < 0)
                        return tell_wrong_member(context, wrong);
        *ret_databases = steal_pointer(&databases);
        *ret_n = n;
        return 0;
}

int request_parse_span(const char *option, const char *text, uint64_t *ret_usec) {
        if (duration_parse(text, ret_usec) == 0)
                return 0;
        complain("--%s: \"%s\" is no span of time; write a number with its unit, as 500ms, 30s, 5min, 2h, 1d", option, text);
        return -EINVAL;
}

bool request_is_past_time(const char *command, const char *option, const char *text) {
        uint64_t usec;

        /* The daemon judges which times are valid: this only rejects what cannot be one. */
        if (duration_parse(text, &usec) == 0 || (strlen(text) > 10 && isdigit((unsigned char)text[0]) && text[10] == 'T'))
                return true;
        complain("%s: --%s wants a time back from now, a number with its unit (36h, 7d), or a moment (2026-11-22T16:00:00Z), not \"%s\"",
                 command, option, text);
        return false;
}
