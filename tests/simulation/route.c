#include "route.h"

#include "base/macro.h"

struct route routes[DATABASES_MAX];

unsigned route_find(const char *host) {
        unsigned i = 0;

        while (i < DATABASES_MAX && !(routes[i].server && streq(routes[i].host, host)))
                i++;
        return i;
}

struct server *route_follow(unsigned database) {
        struct route *route = &routes[database];

        if (!route->other)
                return route->server;
        route->turn = !route->turn;
        return route->turn ? route->server : route->other;
}
