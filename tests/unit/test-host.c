/* Which names are those of loopback, and which were allowed. */
#include "unit.h"

#include "http/url.h"

static char first[] = "status.example.com", second[] = "db";
static char *const names[] = {first, second};

static bool served(const char *host) {
        return host_is_served(host, strlen(host), names, ARRAY_LENGTH(names));
}

static void loopback_and_the_allowed_are_served(void **state) {
        static const char *const good[] = {
                "localhost", "LocalHost", "localhost.", "localhost:1", "localhost.:65535", "localhost:", "127.0.0.1",
                "127.255.255.254:80", "[::1]",
                "[::1]:80", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "status.example.com", "Status.Example.COM:443",
                "status.example.com.", "db", "db:1",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
                if (!served(good[i]))
                        fail_msg("%s is not served", good[i]);
        assert_false(host_is_served("db", 2, NULL, 0));
        assert_true(host_is_served("localhost", 9, NULL, 0));
        assert_true(host_is_served("db:80/status", 5, names, 2));
}

static void nothing_else_is(void **state) {
        static const char *const bad[] = {
                "", ":", ".", ":80", "x", "evil.example", "localhostx", "xlocalhost", "localhost..", "a.localhost",
                "db.evil.example", "127.0.0.1.",
                "127.1", "2130706433", "0x7f.0.0.1", "126.255.255.255", "128.0.0.1", "0.0.0.0", "::1", "[::1", "::1]", "[]",
                "[::1]x", "[::1]:x",
                "[::1%lo]", "[::2]", "[::]", "[::ffff:128.0.0.1]", "[127.0.0.1]", "[localhost]", "localhost:8o", "localhost:80:80",
                "me@localhost", "localhost ",
        };
        char longest[1024];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
                if (served(bad[i]))
                        fail_msg("%s is served", bad[i]);
        memset(longest, 'x', sizeof(longest));
        for (size_t i = 0; i < sizeof(longest); i++)
                assert_false(host_is_served(longest, i, names, ARRAY_LENGTH(names)));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(loopback_and_the_allowed_are_served),
                UNIT_TEST(nothing_else_is),
        };

        return UNIT_RUN(tests);
}
