/* Which server a database's host name leads to: always the same, another one after a failover, or two in turn. */
#pragma once

#include "server.h"

#define DATABASES_MAX 8
#define ROUTE_HOST_MAX 96

struct route {
        char host[ROUTE_HOST_MAX];
        struct server *server;
        struct server *other; /* NULL, or every second connection goes here */
        bool turn;
};
/* By the database's index. */
extern struct route routes[DATABASES_MAX];

/* The index of the database with host HOST; DATABASES_MAX: there is none. */
unsigned route_find(const char *host);
/* The server of its next connection. */
struct server *route_follow(unsigned database);
