#include "serve/route.h"

#include "serve/answer.h"
#include "serve/handlers.h"

#include <stdio.h>

static const struct route routes[] = {
        {"/livez", false, METHOD_GET, ACCESS_STATUS, 0, livez_get},
        {"/readyz", false, METHOD_GET, ACCESS_STATUS, ARGUMENT_WAIT | ARGUMENT_ACCEPT, readyz_get},
        {"/readyz", true, METHOD_GET, ACCESS_STATUS, ARGUMENT_WAIT | ARGUMENT_ACCEPT, readyz_get},
        {"/status", false, METHOD_GET, ACCESS_STATUS, 0, status_get},
        {"/status", true, METHOD_GET, ACCESS_STATUS, 0, status_get},
        {"/events", false, METHOD_GET, ACCESS_STATUS, ARGUMENT_DB | ARGUMENT_FOLLOW, events_get},
        {"/wake", true, METHOD_POST, ACCESS_CONTROL, ARGUMENT_WAIT, wake_post},
        {"/pause", true, METHOD_POST, ACCESS_CONTROL, ARGUMENT_FOR, pause_post},
        {"/reload", false, METHOD_POST, ACCESS_CONTROL, 0, reload_post},
};

const struct route *route_at(size_t i) {
        return i < ARRAY_LENGTH(routes) ? &routes[i] : NULL;
}

static const char *method_text(enum method method) {
        return method == METHOD_GET ? "GET" : "POST";
}

static const char *allow_text(enum method method) {
        return method == METHOD_GET ? "GET, HEAD" : "POST";
}

/* Whether PATH is ROUTE's, and the name in it. */
static bool path_fits(const struct route *route, const char *path, const char **ret_name) {
        size_t n = starts_with(path, route->path);

        if (n == 0 || (!route->named && path[n]))
                return false;
        if (!route->named) {
                *ret_name = NULL;
                return true;
        }
        if (path[n] != '/' || !path[n + 1] || strchr(path + n + 1, '/'))
                return false;
        *ret_name = path + n + 1;
        return true;
}

enum route_result route_find(const char *path, enum method method, enum access access, const struct route **ret_route,
                             const char **ret_name) {
        for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
                const struct route *route = &routes[i];

                if (!path_fits(route, path, ret_name))
                        continue;
                *ret_route = route;
                /* No path has two methods. */
                if (method == METHOD_POST && access != ACCESS_CONTROL)
                        return ROUTE_FORBIDDEN;
                return method == route->method ? ROUTE_FOUND : ROUTE_NO_METHOD;
        }
        return ROUTE_NO_PATH;
}

static void answer_no_path(struct site *site, struct exchange *exchange) {
        struct json_writer w = site_compose(site);

        json_begin_object(&w, NULL);
        json_text(&w, "error", "not_found");
        json_text(&w, "message", "there is nothing here; see endpoints");
        json_begin_array(&w, "endpoints");
        for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "%s %s%s", method_text(routes[i].method), routes[i].path,
                               routes[i].named ? "/NAME" : "");
                json_text(&w, NULL, text);
        }
        json_end_array(&w);
        json_end_object(&w);
        answer_body(site, exchange, 404);
}

static void answer_no_method(struct site *site, struct exchange *exchange, const struct route *route) {
        struct json_writer w = site_compose(site);
        char message[64];

        (void)snprintf(message, sizeof(message), "%s takes %s", route->path, allow_text(route->method));
        json_begin_object(&w, NULL);
        json_text(&w, "error", "method_not_allowed");
        json_text(&w, "message", message);
        json_end_object(&w);
        exchange_reply(exchange, &(struct reply){.status = 405, .body = &site->body, .allow = allow_text(route->method)});
}

static bool take_argument(void *userdata, const char *name, const char *value) {
        return query_take(userdata, name, value);
}

/* What the path and the arguments mean; false when that was answered already. */
static bool read_request(struct request *request, const struct route *route) {
        struct site *site = request->site;

        request->query.allowed = route->arguments;
        exchange_each_argument(request->exchange, take_argument, &request->query);
        if (request->query.problem[0]) {
                answer_error(site, request->exchange, 400, "bad_request", "%s", request->query.problem);
                return false;
        }
        if (!request->name)
                return true;
        request->target = registry_by_name(engine_registry(site->engine), request->name);
        if (!request->target)
                answer_unknown_database(site, request->exchange, request->name);
        return request->target != NULL;
}

/* What is refused whatever it asks for. */
static bool refuse_faulty(struct site *site, struct exchange *exchange) {
        switch (exchange_fault(exchange)) {
        case FAULT_NONE:
                break;
        case FAULT_URL:
                answer_error(site, exchange, 400, "bad_request", "a URL here is printable ASCII");
                return true;
        case FAULT_BODY:
                answer_error(site, exchange, 413, "body_not_allowed", "a request here has no body; arguments stand in the URL");
                return true;
        }
        if (site->stopping)
                answer_stopping(site, exchange);
        return site->stopping;
}

void route_request(struct site *site, struct exchange *exchange, enum access access) {
        struct request request = {.site = site, .exchange = exchange, .access = access};
        const struct route *route = NULL;

        if (refuse_faulty(site, exchange))
                return;
        switch (route_find(exchange_path(exchange), exchange_method(exchange), access, &route, &request.name)) {
        case ROUTE_FOUND:
                if (read_request(&request, route))
                        route->handle(&request);
                return;
        case ROUTE_NO_PATH:
                answer_no_path(site, exchange);
                return;
        case ROUTE_NO_METHOD:
                answer_no_method(site, exchange, route);
                return;
        case ROUTE_FORBIDDEN:
                answer_error(site, exchange, 403, "forbidden", "this socket only reads; POST goes to the control socket");
                return;
        }
}
