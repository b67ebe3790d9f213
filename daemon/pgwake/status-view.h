/* The pictures of `pgwake status`: the table of all databases and the detail of one. */
#pragma once

#include "pgwake/request.h"

/* ROWS_MAX is the number of lines (0: no limit); if not all databases fit, those that are not ready come first. 0 or an exit code. */
int status_compose_table(struct context *context, json_t *answer, size_t rows_max, struct buffer *buffer);
int status_compose_detail(struct context *context, json_t *answer, struct buffer *buffer);
/* One of the two, for a request with or without a name. */
int status_compose(struct context *context, const char *name, json_t *answer, size_t rows_max, struct buffer *buffer);
