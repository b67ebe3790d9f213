/* GET /events: every edge as a server-sent event, to any number of streams, from one ring. Internal to serve/. */
#pragma once

#include "serve/site.h"

int events_new(struct site *site, struct events **ret_events);
struct events *events_free(struct events *events);
/* Ends all streams. */
void events_stop(struct events *events);

/* An event happened. */
void events_notify(struct events *events, const struct event *event);
