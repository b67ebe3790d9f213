/* Which request goes where. */
#include "engine-stub.h"

#include "http/route.h"

#include <stdio.h>

static enum route_result find(const char *path, enum method method, enum permission permission, const char **ret_name) {
        const struct route *route = NULL;

        *ret_name = NULL;
        return route_find(path, method, permission, &route, ret_name);
}

static void each_row_is_found_where_it_may_be(void **state) {
        const struct route *row, *found = NULL;
        const char *name;

        (void)state;
        for (size_t i = 0; (row = route_at(i)); i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "%s%s", row->path, row->parameter ? "/main" : "");
                assert_int_equal(route_find(path, row->method, PERMISSION_CONTROL, &found, &name), ROUTE_FOUND);
                assert_ptr_equal(found, row);
                if (row->parameter)
                        assert_string_equal(name, "main");
                else
                        assert_null(name);
                assert_int_equal(find(path, row->method, PERMISSION_STATUS, &name),
                                 row->permission == PERMISSION_STATUS ? ROUTE_FOUND : ROUTE_FORBIDDEN);
        }
}

static void nothing_that_changes_is_on_the_status_socket(void **state) {
        const struct route *row;

        (void)state;
        for (size_t i = 0; (row = route_at(i)); i++)
                assert_int_equal(row->method == METHOD_GET ? PERMISSION_STATUS : PERMISSION_CONTROL, row->permission);
}

static void a_wrong_method_is_told_from_a_wrong_path(void **state) {
        const char *name;

        (void)state;
        assert_int_equal(find("/wake/main", METHOD_GET, PERMISSION_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_OTHER, PERMISSION_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_POST, PERMISSION_CONTROL, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_POST, PERMISSION_STATUS, &name), ROUTE_FORBIDDEN);
        assert_int_equal(find("/nothing", METHOD_POST, PERMISSION_STATUS, &name), ROUTE_NO_PATH);
        assert_int_equal(find("/nothing", METHOD_DELETE, PERMISSION_STATUS, &name), ROUTE_NO_PATH);
        assert_int_equal(find("/readyz", METHOD_DELETE, PERMISSION_CONTROL, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/readyz", METHOD_DELETE, PERMISSION_STATUS, &name), ROUTE_FORBIDDEN);
        assert_int_equal(find("/lease/main", METHOD_GET, PERMISSION_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/lease/1", METHOD_OTHER, PERMISSION_CONTROL, &name), ROUTE_NO_METHOD);
}

/* A database may be called "12". */
static void a_name_is_told_from_an_id_by_the_method(void **state) {
        const struct route *route;
        const char *parameter;

        (void)state;
        assert_int_equal(route_find("/lease/12", METHOD_POST, PERMISSION_CONTROL, &route, &parameter), ROUTE_FOUND);
        assert_int_equal(route->parameter, PARAMETER_DATABASE);
        assert_string_equal(parameter, "12");
        assert_int_equal(route_find("/lease/12", METHOD_DELETE, PERMISSION_CONTROL, &route, &parameter), ROUTE_FOUND);
        assert_int_equal(route->parameter, PARAMETER_ID);
        assert_string_equal(parameter, "12");
}

static void odd_paths_lead_nowhere(void **state) {
        static const char *const bad[] = {"",         "/?",       "readyz",      "//readyz",     "/readyz/",   "/readyzz", "/Readyz",
                                          "/wake",    "/wake/",   "/wake/a/b",   "/events/main", "/livez/",    "/reload/", "/status/main/",
                                          "/status//", "/readyz/a/", "/readyz/../status", "/lease", "/lease/", "/lease/main/1"};
        const char *name;

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                if (find(bad[i], METHOD_GET, PERMISSION_CONTROL, &name) != ROUTE_NO_PATH)
                        fail_msg("\"%s\" leads somewhere", bad[i]);
}

/* Every path begins with it, and it is the page's alone. */
static void the_page_is_at_the_root_and_nowhere_else(void **state) {
        const struct route *route;
        const char *name;

        (void)state;
        assert_int_equal(route_find("/", METHOD_GET, PERMISSION_STATUS, &route, &name), ROUTE_FOUND);
        assert_string_equal(route->path, "/");
        assert_int_equal(find("/", METHOD_OTHER, PERMISSION_STATUS, &name), ROUTE_NO_METHOD);
        assert_int_equal(find("/", METHOD_POST, PERMISSION_STATUS, &name), ROUTE_FORBIDDEN);
        assert_int_equal(find("//", METHOD_GET, PERMISSION_STATUS, &name), ROUTE_NO_PATH);
        assert_int_equal(find("/index.html", METHOD_GET, PERMISSION_STATUS, &name), ROUTE_NO_PATH);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(each_row_is_found_where_it_may_be),
                UNIT_TEST(nothing_that_changes_is_on_the_status_socket),
                UNIT_TEST(a_wrong_method_is_told_from_a_wrong_path),
                UNIT_TEST(a_name_is_told_from_an_id_by_the_method),
                UNIT_TEST(odd_paths_lead_nowhere),
                UNIT_TEST(the_page_is_at_the_root_and_nowhere_else),
        };

        return UNIT_RUN(tests);
}
