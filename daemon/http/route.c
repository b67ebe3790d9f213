#include "http/route.h"

#include "api/answer.h"
#include "base/text.h"
#include "http/answer.h"
#include "http/url.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define ROUTE_ROW(path, parameter, method, permission, arguments, handler) \
        {path, PARAMETER_##parameter, METHOD_##method, PERMISSION_##permission, arguments, handler},

static const struct route routes[] = {ROUTES(ROUTE_ROW)};

const struct route *route_at(size_t i) {
        return i < ARRAY_LENGTH(routes) ? &routes[i] : NULL;
}

static const char *const method_texts[] = {
        [METHOD_GET] = "GET",
        [METHOD_POST] = "POST",
        [METHOD_DELETE] = "DELETE",
};

static const char *const parameter_texts[] = {
        [PARAMETER_NONE] = "",
        [PARAMETER_DATABASE] = "/NAME",
        [PARAMETER_PAST] = "/NAME",
        [PARAMETER_ID] = "/ID",
};

/* Returns whether PATH is ROUTE's, and sets the parameter in it. */
static bool path_fits(const struct route *route, const char *path, const char **ret_parameter) {
        size_t n = starts_with(path, route->path);

        if (n == 0)
                return false;
        if (route->parameter == PARAMETER_NONE) {
                *ret_parameter = NULL;
                return !path[n];
        }
        if (path[n] != '/' || !path[n + 1] || strchr(path + n + 1, '/'))
                return false;
        *ret_parameter = path + n + 1;
        return true;
}

static bool changes_something(enum method method) {
        return method == METHOD_POST || method == METHOD_DELETE;
}

enum route_result route_find(const char *path, enum method method, enum permission permission, const struct route **ret_route,
                             const char **ret_parameter) {
        enum route_result result = ROUTE_NO_PATH;

        for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
                const struct route *route = &routes[i];

                if (!path_fits(route, path, ret_parameter))
                        continue;
                *ret_route = route;
                if (changes_something(method) && permission != PERMISSION_CONTROL)
                        return ROUTE_FORBIDDEN;
                if (method == route->method)
                        return ROUTE_FOUND;
                result = ROUTE_NO_METHOD;
        }
        return result;
}

#define ENDPOINT_MAX 64

/* Writes "GET /readyz/NAME". */
static bool next_endpoint(struct field_rows *rows, void *ret_row) {
        const struct route *route = &routes[rows->index];
        char *text = rows->scratch;

        if (rows->index == ARRAY_LENGTH(routes))
                return false;
        rows->index++;
        (void)snprintf(text, ENDPOINT_MAX, "%s %s%s", method_texts[route->method], route->path, parameter_texts[route->parameter]);
        *(const char **)ret_row = text;
        return true;
}

static void answer_no_path(struct server *server, struct exchange *exchange) {
        struct json_writer w = server_compose(server);
        char text[ENDPOINT_MAX];
        struct unknown_path_answer answer = {
                .refusal = {"not_found", "there is nothing here; see endpoints"},
                .endpoints = {.next = next_endpoint, .scratch = text},
        };

        field_write_object(&w, NULL, unknown_path_fields, &answer, false);
        answer_body(server, exchange, 404);
}

/* Every method of ROUTE's path, as in the Allow of a 405. */
static const char *write_allow(char *text, size_t size, const struct route *route) {
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(routes); i++)
                if (streq(routes[i].path, route->path) && !routes[i].parameter == !route->parameter)
                        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "",
                                              routes[i].method == METHOD_GET ? "GET, HEAD" : method_texts[routes[i].method]);
        assert(n < size);
        return text;
}

static void answer_no_method(struct server *server, struct exchange *exchange, const struct route *route) {
        struct json_writer w = server_compose(server);
        char message[96], allow[48];

        (void)write_allow(allow, sizeof(allow), route);
        (void)snprintf(message, sizeof(message), "%s%s takes %s", route->path, route->parameter ? "/..." : "", allow);
        field_write_object(&w, NULL, refusal_fields, &(struct refusal_answer){"method_not_allowed", message}, false);
        exchange_reply(exchange, &(struct reply){.status = 405, .body = &server->body, .allow = allow});
}

static bool take_argument(void *userdata, const char *name, const char *value) {
        return query_take(userdata, name, value);
}

/* No lease has the id 0. */
static uint64_t parse_id(const char *text) {
        char *end;
        unsigned long long id;

        if (strspn(text, "0123456789") != strlen(text))
                return 0;
        errno = 0;
        id = strtoull(text, &end, 10);
        return errno == 0 ? id : 0;
}

/* Reads the parameter of the path; false if the request was answered already. */
static bool read_parameter(struct request *request, const struct route *route, const char *parameter) {
        struct server *server = request->server;

        switch (route->parameter) {
        case PARAMETER_NONE:
                return true;
        case PARAMETER_ID:
                request->id = parse_id(parameter);
                return true;
        case PARAMETER_PAST:
        case PARAMETER_DATABASE:
                request->name = parameter;
                request->database = registry_by_name(engine_registry(server->engine), parameter);
                if (request->database || (route->parameter == PARAMETER_PAST && text_is_name(parameter)))
                        return true;
                answer_unknown_database(server, request->exchange, parameter);
                return false;
        }
        return false;
}

/* Reads the path and the arguments; false if the request was answered already. */
static bool read_request(struct request *request, const struct route *route, const char *parameter) {
        request->query.allowed = route->arguments;
        exchange_each_argument(request->exchange, take_argument, &request->query);
        if (!query_is_complete(&request->query)) {
                answer_error(request->server, request->exchange, 400, "bad_request", "%s", request->query.problem);
                return false;
        }
        return read_parameter(request, route, parameter);
}

/* A browser always sends a host: a request without one does not come from a browser. */
static bool is_for_us(const struct server *server, const struct exchange *exchange) {
        size_t length;
        const char *host = exchange_host(exchange, &length);

        return !host || host_is_served(host, length, server->allowed_hosts, server->n_allowed_hosts);
}

/* Answers a request that is refused whatever its target. */
static bool refuse_faulty(const struct listener *listener, struct exchange *exchange) {
        struct server *server = listener->server;

        switch (exchange_fault(exchange)) {
        case FAULT_NONE:
                break;
        case FAULT_URL:
                answer_error(server, exchange, 400, "bad_request", "a URL here is printable ASCII");
                return true;
        case FAULT_HOST:
                answer_error(server, exchange, 400, "bad_request", "a request carries exactly one Host header");
                return true;
        case FAULT_FRAMING:
                answer_error(server, exchange, 400, "bad_request", "a request has one Content-Length at most, and no space before a colon");
                return true;
        case FAULT_BODY:
                answer_error(server, exchange, 413, "body_not_allowed", "a request here has no body; arguments stand in the URL");
                return true;
        }
        if (listener->loopback && !is_for_us(server, exchange)) {
                answer_error(server, exchange, 421, "misdirected",
                             "an address on loopback answers only for localhost, 127.0.0.1, [::1], and the names of status.allowed_hosts");
                return true;
        }
        if (server->stopping)
                answer_stopping(server, exchange);
        return server->stopping;
}

void route_request(struct listener *listener, struct exchange *exchange) {
        struct server *server = listener->server;
        struct request request = {.server = server, .exchange = exchange, .listener = listener};
        const struct route *route = NULL;
        const char *parameter;

        if (refuse_faulty(listener, exchange))
                return;
        switch (route_find(exchange_path(exchange), exchange_method(exchange), listener->permission, &route, &parameter)) {
        case ROUTE_FOUND:
                assert(!parameter == (route->parameter == PARAMETER_NONE));
                if (read_request(&request, route, parameter))
                        route->handle(&request);
                return;
        case ROUTE_NO_PATH:
                answer_no_path(server, exchange);
                return;
        case ROUTE_NO_METHOD:
                answer_no_method(server, exchange, route);
                return;
        case ROUTE_FORBIDDEN:
                answer_error(server, exchange, 403, "forbidden", "this socket only reads; POST and DELETE go to the control socket");
                return;
        }
}
