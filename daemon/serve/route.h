/* Which request goes where: one table. */
#pragma once

#include "serve/site.h"

struct route {
        const char *path; /* without the name */
        bool named;       /* "/NAME" follows: a database */
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

/* The row for a request. RET_ROUTE is any row of that path unless there is none; RET_NAME points into PATH, or is NULL. */
enum route_result route_find(const char *path, enum method method, enum access access, const struct route **ret_route,
                             const char **ret_name);

/* Row I, NULL past the end. */
const struct route *route_at(size_t i);

/* Answers, holds or streams what came on a socket of ACCESS. */
void route_request(struct site *site, struct exchange *exchange, enum access access);
