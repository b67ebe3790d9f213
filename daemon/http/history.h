/* Questions about the past that are being answered. Internal to http/. */
#pragma once

#include "http/site.h"

struct history_site;

int history_site_new(struct site *site, struct history_site **ret_history);
/* Who waits is answered that the daemon stops. */
void history_site_stop(struct history_site *history);
/* When no exchange is left. Takes NULL. */
struct history_site *history_site_free(struct history_site *history);
