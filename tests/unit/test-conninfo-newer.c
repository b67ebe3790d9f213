/* A libpq newer than this code: its keywords are accepted, and its secrets are never shown. */
#include "config-fixture.h"

#include "config/conninfo.h"

#include <libpq-fe.h>

PQconninfoOption *__real_PQconninfoParse(const char *text, char **error);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **error);
int __wrap_PQlibVersion(void);

/* As libpq would parse it: cuts the value of KEYWORD out of TEXT. */
static char *cut_value(char *text, const char *keyword) {
        char *at = strstr(text, keyword), *value = NULL;
        size_t length;

        if (!at || at[strlen(keyword)] != '=')
                return NULL;
        length = strcspn(at, " ");
        value = strndup(at + strlen(keyword) + 1, length - strlen(keyword) - 1);
        memset(at, ' ', length);
        return value;
}

static const struct {
        char *keyword, *display;
} newer[] = {{(char *)"max_protocol_version", (char *)""}, {(char *)"of_libpq_99", (char *)""}, {(char *)"secret_of_libpq_99", (char *)"*"}};

PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **error) {
        char *values[ARRAY_LENGTH(newer)], *rest = strdup(text);
        PQconninfoOption *options, *end;
        size_t n = 0;

        assert_non_null(rest);
        for (size_t i = ARRAY_LENGTH(newer); i-- > 0;)
                values[i] = cut_value(rest, newer[i].keyword);
        options = __real_PQconninfoParse(rest, error);
        free(rest);
        while (options && options[n].keyword)
                n++;
        for (size_t i = 0; i < ARRAY_LENGTH(newer) && !options; i++)
                free(values[i]);
        if (!options)
                return NULL;
        options = reallocarray(options, n + ARRAY_LENGTH(newer) + 1, sizeof(*options));
        assert_non_null(options);
        end = &options[n];
        memmove(end + ARRAY_LENGTH(newer), end, sizeof(*end));
        for (size_t i = 0; i < ARRAY_LENGTH(newer); i++)
                end[i] = (PQconninfoOption){.keyword = newer[i].keyword, .dispchar = newer[i].display, .val = values[i]};
        return options;
}

int __wrap_PQlibVersion(void) {
        return 990001;
}

static void expect(struct fixture *f, const char *text, const char *expected, const char *complaints) {
        struct complaint_place place = {&f->complaints, "file", 1, "conninfo"};
        struct conninfo_draft draft = {0};
        struct conninfo *conninfo = NULL;
        struct buffer out = {0};

        complaints_deinit(&f->complaints);
        if (conninfo_draft_parse(&draft, text, &place) == 0 && conninfo_draft_complete(&draft, &f->environment, false, &place) == 0) {
                assert_int_equal(conninfo_new(&draft, NULL, CONNINFO_PASSWORD_NONE, &conninfo), 0);
                conninfo_format(conninfo, &out);
        }
        assert_string_equal(fixture_complaints(f), complaints);
        assert_string_equal(out.data ? out.data : "", expected);
        if (conninfo && strstr(text, "secret_of"))
                assert_string_equal(conninfo_get(conninfo, "secret_of_libpq_99"), "geheim");
        conninfo_draft_deinit(&draft);
        conninfo_unref(conninfo);
        buffer_deinit(&out);
}

static void its_keywords_are_taken(void **state) {
        static const char base[] = "host=h port=5432 dbname=tester user=tester";
        char expected[128];

        (void)snprintf(expected, sizeof(expected), "%s max_protocol_version=3.2 of_libpq_99=x", base);
        expect(*state, "host=h max_protocol_version=3.2 of_libpq_99=x", expected, "");
        expect(*state, "host=h secret_of_libpq_99=geheim", base, "");
}

static void what_it_does_not_know_either_is_said(void **state) {
        expect(*state, "host=h of_libpq_9=x", "", "file:1: error: conninfo: unknown keyword at character 8, did you mean of_libpq_99?\n");
        expect(*state, "host=h oauth_issuer=x", "", "file:1: error: conninfo: libpq 99 does not know oauth_issuer; leave it out\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(its_keywords_are_taken, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(what_it_does_not_know_either_is_said, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
