#include "probe/query.h"

#include "base/error.h"
#include "base/macro.h"

/*
 * The uptime comes from the server's clock alone, so that no skew between two machines can make a start look cold. Functions, types and
 * operators are all qualified: a database's owner may set a search_path that finds objects of his own first, and this query must neither be
 * deceived by them nor run them. (Casts and CASE are looked up in no path.)
 */
#define EPOCH_USEC(what) "(pg_catalog.date_part('epoch', " what ") OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8"
#define SINCE(what) "pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) " what

#define COLUMNS                                                            \
        EPOCH_USEC(SINCE("pg_catalog.pg_postmaster_start_time()")) ", "    \
        EPOCH_USEC("pg_catalog.pg_postmaster_start_time()") ", "           \
        "pg_catalog.pg_is_in_recovery(), "                                 \
        "pg_catalog.current_setting('server_version_num'), "               \
        "pg_catalog.current_setting('transaction_read_only')"

/*
 * A standby that has replayed everything it received does not lag, however old its last transaction is: its primary is idle. (After a start
 * it has replayed more than it received: until the primary sends, that position is the beginning of a segment.) A standby that never
 * received anything (from an archive, or its walreceiver has not connected yet) has NULLs here, and its lag is unknown.
 */
#define LAG                                                                                                          \
        "CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN 0::pg_catalog.int8 "                                      \
        "WHEN pg_catalog.pg_last_wal_receive_lsn() OPERATOR(pg_catalog.<=) pg_catalog.pg_last_wal_replay_lsn() "     \
        "THEN 0::pg_catalog.int8 "                                                                                   \
        "ELSE " EPOCH_USEC(SINCE("pg_catalog.pg_last_xact_replay_timestamp()")) " END"

/* Enough for the years 1970 to 9999, and safe in a uint64_t. */
#define USEC_DIGITS_MAX 18
#define VERSION_MIN 70000
#define VERSION_MAX 9999999

const char *query_text(bool want_lag) {
        return want_lag ? "SELECT " COLUMNS ", " LAG : "SELECT " COLUMNS;
}

unsigned query_columns(bool want_lag) {
        return want_lag ? _QUERY_COLUMN_MAX : QUERY_LAG;
}

static int parse_digits(const char *text, uint64_t *ret_value) {
        size_t length = text ? strlen(text) : 0;
        uint64_t value = 0;

        if (length == 0 || length > USEC_DIGITS_MAX || strspn(text, "0123456789") != length)
                return -EBADMSG;
        for (const char *p = text; *p; p++)
                value = 10 * value + (uint64_t)(*p - '0');
        *ret_value = value;
        return 0;
}

/* A span between two readings of a clock. A step of the server's clock can make it negative, which counts as 0. */
static int parse_span(const char *text, uint64_t *ret_usec) {
        uint64_t usec;
        int r;

        if (text && text[0] == '-') {
                r = parse_digits(text + 1, &usec);
                if (r == 0)
                        *ret_usec = 0;
                return r;
        }
        return parse_digits(text, ret_usec);
}

static int parse_either(const char *text, const char *yes, const char *no, bool *ret_value) {
        if (!text || (!streq(text, yes) && !streq(text, no)))
                return -EBADMSG;
        *ret_value = streq(text, yes);
        return 0;
}

static int parse_version(const char *text, int *ret_version) {
        uint64_t version;

        if (parse_digits(text, &version) < 0 || version < VERSION_MIN || version > VERSION_MAX)
                return -EBADMSG;
        *ret_version = (int)version;
        return 0;
}

int query_parse(const char *const values[], bool want_lag, struct server_info *ret_info) {
        struct server_info info = { .lag_usec = USEC_INFINITY };

        if (parse_span(values[QUERY_UPTIME], &info.uptime_usec) < 0 ||
            parse_digits(values[QUERY_STARTED], &info.started_real_usec) < 0 ||
            parse_either(values[QUERY_IN_RECOVERY], "t", "f", &info.in_recovery) < 0 ||
            parse_version(values[QUERY_VERSION], &info.version) < 0 ||
            parse_either(values[QUERY_READ_ONLY], "on", "off", &info.read_only) < 0)
                return -EBADMSG;
        if (want_lag && values[QUERY_LAG] && parse_span(values[QUERY_LAG], &info.lag_usec) < 0)
                return -EBADMSG;
        *ret_info = info;
        return 0;
}
