/* Which request goes where: one table. */
#pragma once

#include "http/server-private.h"

/* What follows the path of a route. */
enum parameter {
        PARAMETER_NONE,
        PARAMETER_DATABASE, /* "/NAME" */
        PARAMETER_PAST,     /* "/NAME", also of a database that is watched no longer */
        PARAMETER_ID,       /* "/ID": a number; a path with a NAME may be one with an ID as well, by another method */
};

struct route {
        const char *path; /* without the parameter */
        enum parameter parameter;
        enum method method;
        enum access access;
        unsigned arguments; /* enum argument bits */
        void (*handle)(struct request *request);
};

enum route_result {
        ROUTE_FOUND,
        ROUTE_NO_PATH,
        ROUTE_NO_METHOD,
        ROUTE_FORBIDDEN, /* it is there, on the control socket */
};

/*
 * The row for a request. RET_ROUTE is any row of that path unless there is none; RET_PARAMETER points to its name or id in PATH, or is
 * NULL.
 */
enum route_result route_find(const char *path, enum method method, enum access access, const struct route **ret_route,
                             const char **ret_parameter);

/* Row I, NULL past the end. */
const struct route *route_at(size_t i);

/* Answers, holds or streams what came on LISTENER. */
void route_request(struct listener *listener, struct exchange *exchange);
