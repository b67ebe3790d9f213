/* The routes of all requests, in one table. Internal to http/. */
#pragma once

#include "http/server-private.h"

/* The parameter that follows the path of a route. */
enum parameter {
        PARAMETER_NONE,
        PARAMETER_DATABASE, /* "/NAME" */
        PARAMETER_PAST,     /* "/NAME", also of a database that is not watched any more */
        PARAMETER_ID,       /* "/ID": a number. For another method, the path may have a NAME instead */
};

/*
 * Every endpoint: its path, its parameter, its method, the socket that serves it, its arguments, and its handler, which its row declares
 * and which is in the file of its subject. A row makes the route, its entry in the list of a 404 and in the Allow of a 405;
 * tests/check-docs requires it in pgwaked(8).
 */
#define ROUTES(ROUTE)                                                                                                                     \
        ROUTE("/", NONE, GET, STATUS, 0, page_get)                                                                                        \
        ROUTE("/livez", NONE, GET, STATUS, 0, livez_get)                                                                                  \
        ROUTE("/readyz", NONE, GET, STATUS, ARGUMENT_WAIT | ARGUMENT_SPREAD | ARGUMENT_ACCEPT, readyz_get)                                \
        ROUTE("/readyz", DATABASE, GET, STATUS, ARGUMENT_WAIT | ARGUMENT_SPREAD | ARGUMENT_ACCEPT, readyz_get)                            \
        ROUTE("/status", NONE, GET, STATUS, 0, status_get)                                                                                \
        ROUTE("/status", DATABASE, GET, STATUS, 0, status_get)                                                                            \
        ROUTE("/metrics", NONE, GET, STATUS, 0, metrics_get)                                                                              \
        ROUTE("/events", NONE, GET, STATUS, ARGUMENT_DB | ARGUMENT_FOLLOW, events_get)                                                    \
        ROUTE("/history", PAST, GET, STATUS,                                                                                              \
              ARGUMENT_KIND | ARGUMENT_SINCE | ARGUMENT_UNTIL | ARGUMENT_LIMIT | ARGUMENT_FORMAT, history_get)                            \
        ROUTE("/wake", DATABASE, POST, CONTROL, ARGUMENT_WAIT | ARGUMENT_SPREAD, wake_post)                                               \
        ROUTE("/lease", DATABASE, POST, CONTROL, ARGUMENT_FOR | ARGUMENT_OWNER, lease_post)                                               \
        ROUTE("/lease", ID, DELETE, CONTROL, 0, lease_delete_id)                                                                          \
        ROUTE("/pause", DATABASE, POST, CONTROL, ARGUMENT_FOR, pause_post)                                                                \
        ROUTE("/reload", NONE, POST, CONTROL, ARGUMENT_REMOVE, reload_post)

#define ROUTE_HANDLER(path, parameter, method, permission, arguments, handler) void handler(struct request *request);
ROUTES(ROUTE_HANDLER)
#undef ROUTE_HANDLER

struct route {
        const char *path; /* without the parameter */
        enum parameter parameter;
        enum method method;
        enum permission permission;
        unsigned arguments; /* enum argument bits */
        void (*handle)(struct request *request);
};

enum route_result {
        ROUTE_FOUND,
        ROUTE_NO_PATH,
        ROUTE_NO_METHOD,
        ROUTE_FORBIDDEN, /* it exists, on the control socket */
};

/*
 * The row for a request. RET_ROUTE is any row of that path, unless there is none; RET_PARAMETER points to its name or id in PATH, or is
 * NULL.
 */
enum route_result route_find(const char *path, enum method method, enum permission permission, const struct route **ret_route,
                             const char **ret_parameter);

/* Row I, NULL past the end. */
const struct route *route_at(size_t i);

/* Answers, holds or streams a request that came to LISTENER. */
void route_request(struct listener *listener, struct exchange *exchange);
