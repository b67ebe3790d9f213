/* The probe query: a server's state in one round trip, and strict parsing of the answer. Pure. */
#pragma once

#include "model/attempt.h"

enum query_column {
        QUERY_UPTIME,
        QUERY_STARTED,
        QUERY_IN_RECOVERY,
        QUERY_VERSION,
        QUERY_READ_ONLY,
        QUERY_LAG, /* only if requested */
        _QUERY_COLUMN_MAX,
};

/* The text of the query. */
const char *query_text(bool want_lag);
/* The number of columns in its answer. */
unsigned query_columns(bool want_lag);

/*
 * Parses the one row of the answer; a NULL in VALUES is a NULL of the database. Returns 0, or -EBADMSG for anything that this query cannot
 * have returned.
 */
int query_parse(const char *const values[], bool want_lag, struct server_info *ret_info);
