/* What is answered to each request of the table in route.c. Internal to http/. */
#pragma once

#include "http/server-private.h"

void page_get(struct request *request);
void livez_get(struct request *request);
void readyz_get(struct request *request);
void status_get(struct request *request);
void events_get(struct request *request);
void metrics_get(struct request *request);
void history_get(struct request *request);
void wake_post(struct request *request);
void lease_post(struct request *request);
void lease_delete_id(struct request *request);
void pause_post(struct request *request);
void reload_post(struct request *request);
