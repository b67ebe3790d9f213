/* Which URLs are looked at at all. */
#include "unit.h"

#include "http/url.h"

static void printable_ascii_is_plain(void **state) {
        static const char *const good[] = {
                "/", "/readyz", "/readyz/main?wait=30s&accept=asleep", "/status/a%2db", "/x?for=1h%2030min", "*", "", "/lease/main?owner=b%C3%A4r", "/x?%ff",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
                assert_true(url_is_plain(good[i]));
}

static void anything_else_is_not(void **state) {
        static const char *const bad[] = {
                "/readyz%00",  "/readyz%00x", "/readyz%0a", "/readyz%1F", "/readyz%7f", "/readyz%80", "/readyz%ff", "/readyz%", "/readyz%2",
                "/readyz%2g",  "/readyz%g0",  "/readyz x",  "/readyz\t",  "/readyz\n",  "/ready\xc3\xbc", "/readyz\x7f", "/readyz\x01", "/m%C3%A4in?x=1", "/x?a=%00",
                "/x?a=%0a", "/x?a=%7f", "/x?a=\xc3\xa4",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                if (url_is_plain(bad[i]))
                        fail_msg("row %zu counts as plain", i);
}

static void a_path_begins_behind_the_host_of_an_absolute_url(void **state) {
        static const struct {
                const char *url;
                size_t offset;
        } rows[] = {
                {"/readyz", 0}, {"", 0}, {"*", 0}, {"readyz", 0}, {"http://h/readyz", 8}, {"HTTP://h/readyz", 8}, {"http://h", 8},
                {"http://h?x=1", 8}, {"http://[::1]:80/", 15}, {"http://h/a/http://x/", 8}, {"/http://h/", 0}, {"http:///x", 0},
                {"http://", 0}, {"http://?", 0},
                {"http:/h/x", 0}, {"https://h/x", 0}, {"http://a%2fb/x", 0}, {"http://me@h/x", 0}, {"http://h#x", 0}, {"http://h/%40@", 8},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                if (url_path_offset(rows[i].url) != rows[i].offset)
                        fail_msg("%s: %zu", rows[i].url, url_path_offset(rows[i].url));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(printable_ascii_is_plain),
                UNIT_TEST(anything_else_is_not),
                UNIT_TEST(a_path_begins_behind_the_host_of_an_absolute_url),
        };

        return UNIT_RUN(tests);
}
