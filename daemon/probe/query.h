/* The probe query: what a server says of itself in one round trip, and the strict reading of its answer. Pure. */
#pragma once

#include "model/attempt.h"

enum query_column {
        QUERY_UPTIME,
        QUERY_STARTED,
        QUERY_IN_RECOVERY,
        QUERY_VERSION,
        QUERY_READ_ONLY,
        QUERY_LAG, /* only when it was asked for */
        _QUERY_COLUMN_MAX,
};

/* The text of the query. */
const char *query_text(bool want_lag);
/* How many columns its answer has. */
unsigned query_columns(bool want_lag);

/*
 * Reads the one row of the answer; a NULL in VALUES is a NULL of the database. Answers 0, or -EBADMSG for anything that this query cannot
 * have answered.
 */
int query_parse(const char *const values[], bool want_lag, struct server_info *ret_info);
