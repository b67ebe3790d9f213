/* The probe query's text and the strict reading of its answer. */
#include "unit.h"

#include "probe/query.h"

#include <errno.h>

static const char *const good[_QUERY_COLUMN_MAX] = {
        [QUERY_UPTIME] = "5000000",   [QUERY_STARTED] = "1795366678568491", [QUERY_IN_RECOVERY] = "f",
        [QUERY_VERSION] = "150018",   [QUERY_READ_ONLY] = "off",            [QUERY_LAG] = "1500000",
};

static void a_good_answer_is_read(void **state) {
        struct server_info info;

        (void)state;
        assert_int_equal(query_parse(good, true, &info), 0);
        assert_int_equal(info.uptime_usec, 5000000);
        assert_int_equal(info.started_real_usec, 1795366678568491);
        assert_int_equal(info.version, 150018);
        assert_false(info.in_recovery);
        assert_false(info.read_only);
        assert_int_equal(info.lag_usec, 1500000);
}

static void a_standby_is_read(void **state) {
        const char *values[_QUERY_COLUMN_MAX];
        struct server_info info;

        (void)state;
        memcpy(values, good, sizeof(values));
        values[QUERY_IN_RECOVERY] = "t";
        values[QUERY_READ_ONLY] = "on";
        assert_int_equal(query_parse(values, true, &info), 0);
        assert_true(info.in_recovery);
        assert_true(info.read_only);
}

static void a_lag_that_was_not_asked_or_is_not_known_is_infinite(void **state) {
        const char *values[_QUERY_COLUMN_MAX];
        struct server_info info;

        (void)state;
        memcpy(values, good, sizeof(values));
        assert_int_equal(query_parse(values, false, &info), 0);
        assert_true(info.lag_usec == USEC_INFINITY);
        values[QUERY_LAG] = NULL;
        assert_int_equal(query_parse(values, true, &info), 0);
        assert_true(info.lag_usec == USEC_INFINITY);
}

/* The server's clock was set back. */
static void a_negative_span_is_zero(void **state) {
        const char *values[_QUERY_COLUMN_MAX];
        struct server_info info;

        (void)state;
        memcpy(values, good, sizeof(values));
        values[QUERY_UPTIME] = "-1";
        values[QUERY_LAG] = "-250000";
        assert_int_equal(query_parse(values, true, &info), 0);
        assert_int_equal(info.uptime_usec, 0);
        assert_int_equal(info.lag_usec, 0);
}

static void anything_else_is_garbage(void **state) {
        static const struct {
                enum query_column column;
                const char *text;
        } rows[] = {
                { QUERY_UPTIME, NULL },        { QUERY_UPTIME, "" },           { QUERY_UPTIME, "-" },
                { QUERY_UPTIME, "--1" },       { QUERY_UPTIME, "1.5" },        { QUERY_UPTIME, " 1" },
                { QUERY_UPTIME, "1e9" },       { QUERY_UPTIME, "0x10" },       { QUERY_UPTIME, "99999999999999999999" },
                { QUERY_STARTED, NULL },       { QUERY_STARTED, "-1" },        { QUERY_STARTED, "2026-11-22" },
                { QUERY_IN_RECOVERY, NULL },   { QUERY_IN_RECOVERY, "true" },  { QUERY_IN_RECOVERY, "" },
                { QUERY_VERSION, NULL },       { QUERY_VERSION, "15.3" },      { QUERY_VERSION, "0" },
                { QUERY_VERSION, "99999999" }, { QUERY_VERSION, "-150018" },   { QUERY_READ_ONLY, NULL },
                { QUERY_READ_ONLY, "t" },      { QUERY_READ_ONLY, "offf" },    { QUERY_LAG, "soon" },
                { QUERY_LAG, "" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                const char *values[_QUERY_COLUMN_MAX];
                struct server_info info = { .version = 1 };

                memcpy(values, good, sizeof(values));
                values[rows[i].column] = rows[i].text;
                assert_int_equal(query_parse(values, true, &info), -EBADMSG);
                assert_int_equal(info.version, 1); /* untouched */
        }
}

/* A database's owner may set a search_path in which his own objects come first. */
static void every_name_is_qualified(void **state) {
        static const char *const names[] = {
                "clock_timestamp", "pg_postmaster_start_time", "pg_is_in_recovery", "current_setting", "date_part", "float8", "int8",
                "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp",
        };
        const char *text = query_text(true);

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
                const char *at = strstr(text, names[i]);

                assert_non_null(at);
                for (; at; at = strstr(at + 1, names[i]))
                        assert_memory_equal(at - strlen("pg_catalog."), "pg_catalog.", strlen("pg_catalog."));
        }
        /* An operator stands where the qualification is, and nowhere else. */
        for (const char *p = text; (p = strpbrk(p, "-+*/<>=")); p += strspn(p, "-+*/<>="))
                assert_memory_equal(p - strlen("OPERATOR(pg_catalog."), "OPERATOR(pg_catalog.", strlen("OPERATOR(pg_catalog."));
}

static void the_lag_is_asked_only_when_wanted(void **state) {
        (void)state;
        assert_null(strstr(query_text(false), "replay"));
        assert_non_null(strstr(query_text(true), "replay"));
        assert_int_equal(query_columns(false), 5);
        assert_int_equal(query_columns(true), 6);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_good_answer_is_read),
                cmocka_unit_test(a_standby_is_read),
                cmocka_unit_test(a_lag_that_was_not_asked_or_is_not_known_is_infinite),
                cmocka_unit_test(a_negative_span_is_zero),
                cmocka_unit_test(anything_else_is_garbage),
                cmocka_unit_test(every_name_is_qualified),
                cmocka_unit_test(the_lag_is_asked_only_when_wanted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
