/* Questions about the past that are being answered. Internal to http/. */
#pragma once

#include "http/server-private.h"

struct history_requests;

int history_requests_new(struct server *server, struct history_requests **ret_history);
/* Who waits is answered that the daemon stops. */
void history_requests_stop(struct history_requests *history);
/* When no exchange is left. Takes NULL. */
struct history_requests *history_requests_free(struct history_requests *history);
