/* Damaged configurations, conninfos and service files: whatever comes, nothing crashes, and every refusal says why. */
#include "config-fixture.h"

#include "base/random.h"
#include "config/conninfo.h"

#include <libpq-fe.h>

#define FILE_ROUNDS 3000
#define CONNINFO_ROUNDS 60000

static const char *const seeds[] = {
        "status: { socket = \"/run/a.sock\"; listen = [ \"127.0.0.1:9817\", \"[::1]:1\" ]; };\n"
        "history: { keep = \"90d\"; max_size = \"256MB\"; };\nlimits = { attempts_in_flight = 64; };\n"
        "defaults: { ping_interval = \"10s\"; jitter = \"10%\"; expect: { primary = true; }; };\n",
        "databases: (\n  { name = \"main\"; conninfo = \"postgresql://u:p@h:1/d?sslmode=require\"; fall = 3;\n"
        "budget = { awake_hours = 1.5; }; },\n"
        "  { name = \"b\"; service = \"s\"; expect = { query = \"SELECT \\\"x\\\"\"; value = \"\\x41\"; }; }\n);\n",
        "# comment\n/* block\n */ a = 0x7fffffff; b = -99999999999999999999L; c = 1.5e300; d = .5; // end\n",
};

static const char *const pieces[] = {
        "\"",          "\\",   "{",     "}",         "(",    ")",
        "[",           "]",    ",",     ";",         "=",    ":",
        "#",           "//",   "/*",    "*/",        "\n",   "@include \"x\"",
        "99999999999", "-",    "+",     "1.",        ".e5",  "0x",
        "L",           "true", "name",  "databases", "\xff", "\xEF\xBB\xBF",
        "\\x0",        "%",    "1e999", "'",         " ",    "@",
        "%zz",         "&",    "?",     "[::1",
};

/* A copy of SEED with a few bytes changed, dropped, doubled, or a piece put in. Answers its size. */
static size_t mutate(const char *seed, char *space, size_t max, uint64_t *random) {
        size_t size = MIN(strlen(seed), max / 2);

        memcpy(space, seed, size);
        for (unsigned n = (unsigned)(random_next(random) % 6); n-- > 0;) {
                size_t at = size ? random_next(random) % size : 0, length;
                const char *piece = pieces[random_next(random) % ARRAY_LENGTH(pieces)];

                switch (random_next(random) % 4) {
                case 0:
                        if (size)
                                space[at] = (char)random_next(random);
                        break;
                case 1:
                        length = random_next(random) % 8;
                        length = MIN(length, size - at);
                        memmove(space + at, space + at + length, size - at - length);
                        size -= length;
                        break;
                case 2:
                        length = strlen(piece);
                        if (size + length > max)
                                break;
                        memmove(space + at + length, space + at, size - at);
                        memcpy(space + at, piece, length);
                        size += length;
                        break;
                default:
                        length = MIN(size - at, max - size);
                        memmove(space + size, space + at, length);
                        size += length;
                }
        }
        space[size] = '\0';
        return size;
}

static void test_damaged_files(void **state) {
        struct fixture *f = *state;
        uint64_t random = 42;
        char space[4097];
        size_t fine = 0;

        fixture_write(f, "sysconf/pg_service.conf", "[s]\nhost=h\n");
        for (size_t i = 0; i < FILE_ROUNDS; i++) {
                size_t size = mutate(seeds[i % ARRAY_LENGTH(seeds)], space, sizeof(space) - 1, &random);
                int r;

                fixture_write_bytes(f, "pgwaked.conf", space, size, 0600);
                r = fixture_load_file(f, "pgwaked.conf");
                assert_true(r == 0 || r == -EINVAL);
                assert_int_equal(r == 0, f->complaints.n_errors == 0);
                if (r == 0) {
                        buffer_clear(&f->text);
                        config_dump(f->config, &f->text);
                        assert_int_equal(buffer_finish(&f->text), 0);
                        fine++;
                }
        }
        print_message("%zu of %d damaged files were still fine\n", fine, FILE_ROUNDS);
        assert_true(fine > 0 && fine < FILE_ROUNDS);
}

static void test_damaged_services(void **state) {
        static const char seed[] = "# x\n[a]\nhost=h\nport=5432\n\n[s]\nhost=h\npassword=x\nuser=u\n[ldap]\nldap://x\n";
        struct fixture *f = *state;
        uint64_t random = 43;
        char space[1025];

        fixture_write(f, "pgwaked.conf", "databases = ( { name = \"a\"; service = \"s\"; } );");
        for (size_t i = 0; i < FILE_ROUNDS; i++) {
                size_t size = mutate(seed, space, sizeof(space) - 1, &random);
                int r;

                fixture_write_bytes(f, "sysconf/pg_service.conf", space, size, 0600);
                r = fixture_load_file(f, "pgwaked.conf");
                assert_int_equal(r, f->complaints.n_errors ? -EINVAL : 0);
        }
}

/* Texts that are refused on purpose although libpq accepts them. */
static bool is_stricter(const char *text) {
        bool has_driver = starts_with(text, "postgresql+") || starts_with(text, "postgres+");

        return has_driver || strchr(text, '@') || strchr(text, ',') || strstr(text, "://");
}

static void compare(const char *text, const struct conninfo_draft *draft, PQconninfoOption *options) {
        for (PQconninfoOption *o = options; o->keyword; o++) {
                const char *mine = draft->values[keyword_find(o->keyword)];

                if (!o->val != !mine || (mine && !streq(mine, o->val)))
                        fail_msg("\"%s\": %s is \"%s\", and \"%s\" to libpq", text, o->keyword, mine ? mine : "(null)",
                                 o->val ? o->val : "(null)");
        }
}

static void test_damaged_conninfos(void **state) {
        static const char *const conninfos[] = {
                "postgresql://us%20er:p%40ss@host:5432/db?sslmode=require&application_name=x%3Dy",
                "postgres://[::1]:5432/db?ssl=true",
                "postgresql://%2Frun%2Fpostgresql/db",
                "host=h port=5432 user='a b' password='it\\'s' dbname=d options=-c\\ x=1",
                "host = h  dbname = 'x'user=y",
        };
        size_t fine = 0, refused = 0;
        uint64_t random = 44;
        char space[513];

        (void)state;
        for (size_t i = 0; i < CONNINFO_ROUNDS; i++) {
                struct complaints complaints = {0};
                struct complaint_place place = {&complaints, "file", 1, "conninfo"};
                struct conninfo_draft draft = {0};
                char *error = NULL;
                PQconninfoOption *options;
                int r;

                (void)mutate(conninfos[i % ARRAY_LENGTH(conninfos)], space, sizeof(space) - 1, &random);
                r = conninfo_draft_parse(&draft, space, &place);
                options = PQconninfoParse(space, &error);
                assert_int_equal(complaints.n, r < 0);
                if (r == 0 && options) {
                        compare(space, &draft, options);
                        fine++;
                } else if (r == 0 && !starts_with(space, "postgres"))
                        fail_msg("\"%s\" is fine here, and to libpq: %s", space, error);
                else if (r < 0 && options && !is_stricter(space))
                        fail_msg("\"%s\" is fine to libpq, and here: %s", space, complaints.items[0].text);
                refused += r < 0;
                PQconninfoFree(options);
                PQfreemem(error);
                conninfo_draft_deinit(&draft);
                complaints_deinit(&complaints);
        }
        print_message("%zu of %d damaged conninfos mean the same as to libpq, %zu are refused\n", fine, CONNINFO_ROUNDS, refused);
        assert_true(fine > 0 && refused > 0);
}

int main(void) {
#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE(test_damaged_files),
                FIXTURE(test_damaged_services),
                cmocka_unit_test(test_damaged_conninfos),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
