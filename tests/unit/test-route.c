/* Which request goes where. */
#include "engine-stub.h"

#include "serve/route.h"

#include <stdio.h>

static enum route_result find(const char *path, enum method method, enum access access, const char **ret_name) {
        const struct route *route = NULL;

        *ret_name = NULL;
        return route_find(path, method, access, &route, ret_name);
}

static void each_row_is_found_where_it_may_be(void **state) {
        const struct route *row, *found = NULL;
        const char *name;

        (void)state;
        for (size_t i = 0; (row = route_at(i)); i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "%s%s", row->path, row->named ? "/main" : "");
                assert_int_equal(route_find(path, row->method, ACCESS_CONTROL, &found, &name), ROUTE_FOUND);
                assert_ptr_equal(found, row);
                if (row->named)
                        assert_string_equal(name, "main");
                else
                        assert_null(name);
                assert_int_equal(find(path, row->method, ACCESS_STATUS, &name),
                                 row->access == ACCESS_STATUS ? ROUTE_FOUND : ROUTE_FORBIDDEN);
        }
}

static void nothing_that_changes_is_on_the_status_socket(void **state) {
        const struct route *row;

        (void)state;
        for (size_t i = 0; (row = route_at(i)); i++)
                assert_int_equal(row->method == METHOD_GET ? ACCESS_STATUS : ACCESS_CONTROL, row->access);
}

static void a_wrong_method_is_told_from_a_wrong_path(void **state) {
        const char *name;

        (void)state;
        assert_int_equal(find("/wake/main", METHOD_GET, ACCESS_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_OTHER, ACCESS_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_POST, ACCESS_CONTROL, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_POST, ACCESS_STATUS, &name), ROUTE_FORBIDDEN);
        assert_int_equal(find("/nothing", METHOD_POST, ACCESS_STATUS, &name), ROUTE_NO_PATH);
}

static void odd_paths_lead_nowhere(void **state) {
        static const char *const bad[] = {"",         "/",        "readyz",      "//readyz",     "/readyz/",   "/readyzz", "/Readyz",
                                          "/wake",    "/wake/",   "/wake/a/b",   "/events/main", "/livez/",    "/reload/", "/status/main/",
                                          "/status//", "/readyz/a/", "/readyz/../status"};
        const char *name;

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                if (find(bad[i], METHOD_GET, ACCESS_CONTROL, &name) != ROUTE_NO_PATH)
                        fail_msg("\"%s\" leads somewhere", bad[i]);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(each_row_is_found_where_it_may_be),
                UNIT_TEST(nothing_that_changes_is_on_the_status_socket),
                UNIT_TEST(a_wrong_method_is_told_from_a_wrong_path),
                UNIT_TEST(odd_paths_lead_nowhere),
        };

        return UNIT_RUN(tests);
}
