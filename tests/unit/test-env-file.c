/* env_file and --from-env: the names that are used, the resulting connection, and complaints, which never contain a value. */
#include "config-fixture.h"

#include "config/option.h"

#define CONFIG(more) "databases = ( { name = \"main\"; env_file = \"@/app.env\"; " more "} );\n"
#define ALL_PARTS \
        "POSTGRES_USER=app\nPOSTGRES_PASSWORD=geheim\nPOSTGRES_HOST=db.example.com\nPOSTGRES_PORT=6432\n" \
        "POSTGRES_DATABASE_NAME=shop\n"

static const struct database_config *database(struct fixture *f) {
        assert_non_null(f->config);
        return config_database(f->config, "main");
}

static const char *value(struct fixture *f, const char *keyword) {
        const char *text = conninfo_get(database(f)->conninfo, keyword);

        return text ? text : "(null)";
}

/* The configuration CONFIG with the env file ENV is good, and says SAYS. */
static void expect_good(struct fixture *f, const char *config, const char *env, const char *says) {
        fixture_write(f, "app.env", env);
        fixture_write(f, "pgwaked.conf", config);
        (void)fixture_load_file(f, "pgwaked.conf");
        assert_string_equal(fixture_complaints(f), says);
        assert_non_null(f->config);
}

/* It is refused, in these words; the word "geheim" of every password is never one of them. */
static void expect_bad(struct fixture *f, const char *config, const char *env, const char *says) {
        fixture_write(f, "app.env", env);
        fixture_write(f, "pgwaked.conf", config);
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), -EINVAL);
        assert_string_equal(fixture_complaints(f), says);
        assert_null(strstr(fixture_complaints(f), "geheim"));
}

static void test_urls_in_use(void **state) {
        static const struct {
                const char *url, *host, *port, *user, *dbname, *sslmode, *password;
        } cases[] = {
                {"postgres://u:geheim@h/d", "h", "5432", "u", "d", "(null)", "geheim"},
                {"postgresql://u:geheim@h:6432/d", "h", "6432", "u", "d", "(null)", "geheim"},
                {"postgresql+psycopg2://u:geheim@h/d", "h", "5432", "u", "d", "(null)", "geheim"},
                {"postgresql+psycopg://u:geheim@h/d?sslmode=verify-full&sslrootcert=/dev/null", "h", "5432", "u", "d", "verify-full",
                 "geheim"},
                {"postgresql+asyncpg://u:geheim@h/d?ssl=require", "h", "5432", "u", "d", "require", "geheim"},
                {"postgresql://u:geheim@h/d?ssl=prefer", "h", "5432", "u", "d", "prefer", "geheim"},
                {"postgresql+pg8000://u:geheim@h/d?ssl=True", "h", "5432", "u", "d", "require", "geheim"},
                {"postgres://u:geheim@h/d?ssl=false", "h", "5432", "u", "d", "disable", "geheim"},
                {"'postgresql://u%40x:ge%23he%2Fim%3A%25@h/d%20e'", "h", "5432", "u@x", "d e", "(null)", "ge#he/im:%"},
                {"\"postgres://u:geheim@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require\"",
                 "ep-cool-1.eu-central-1.aws.neon.tech", "5432", "u", "neondb", "require", "geheim"},
                {"postgresql://u:geheim@:5432/d?host=/cloudsql/project:region:name", "/cloudsql/project:region:name", "5432", "u", "d",
                 "(null)", "geheim"},
                {"postgresql://u:geheim@[::1]:5433/d", "::1", "5433", "u", "d", "(null)", "geheim"},
                {"host=h user=u password=geheim dbname=d sslmode=allow", "h", "5432", "u", "d", "allow", "geheim"},
        };
        struct fixture *f = *state;
        char env[512];

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                (void)snprintf(env, sizeof(env), "# of the application\nexport DATABASE_URL=%s # here\nDEBUG=1\n", cases[i].url);
                expect_good(f, CONFIG(""), env, "");
                assert_string_equal(value(f, "host"), cases[i].host);
                assert_string_equal(value(f, "port"), cases[i].port);
                assert_string_equal(value(f, "user"), cases[i].user);
                assert_string_equal(value(f, "dbname"), cases[i].dbname);
                assert_string_equal(value(f, "sslmode"), cases[i].sslmode);
                assert_string_equal(database(f)->conninfo->password, cases[i].password);
                assert_int_equal(database(f)->conninfo->password_source, CONNINFO_PASSWORD_ENV_FILE);
        }
}

static void test_parameters_of_drivers(void **state) {
        struct fixture *f = *state;

        expect_good(
                f, CONFIG(""),
                "\nDATABASE_URL=postgresql+asyncpg://u:geheim@h/"
                "d?prepared_statement_cache_size=0&sslmode=require&server_settings=x&zzz_geheim=1\n",
                "app.env:2: warning: DATABASE_URL: the parameter prepared_statement_cache_size is ignored: it is a driver's, and libpq "
                "does not know it\n"
                "app.env:2: warning: DATABASE_URL: the parameter server_settings is ignored: it is a driver's, and libpq does not know it\n"
                "app.env:2: warning: DATABASE_URL: the parameter at character 101 is ignored: libpq does not know it\n");
        assert_string_equal(value(f, "sslmode"), "require");
        /* A conninfo of ours is as strict as libpq, unless its scheme names a driver. */
        expect_good(f,
                    "databases = ( { name = \"main\"; conninfo = \"postgresql+asyncpg://u@h/d?ssl=require&statement_cache_size=0\"; } );\n",
                    "",
                    "pgwaked.conf:1: warning: conninfo: the parameter statement_cache_size is ignored: it is a driver's, and libpq does "
                    "not know it\n");
        assert_string_equal(value(f, "sslmode"), "require");
        expect_bad(f, "databases = ( { name = \"main\"; conninfo = \"postgresql://u@h/d?statement_cache_size=0\"; } );\n", "",
                   "pgwaked.conf:1: error: conninfo: unknown keyword at character 20; expected one of libpq's (a value with spaces needs "
                   "quotes, and in a "
                   "URI special characters are written %XX)\n");
        /* A name that is nearly known must not be ignored: the connection would not be the intended one. */
        expect_bad(f, CONFIG(""), "DATABASE_URL=postgres://u:geheim@h/d?sslmod=require\n",
                   "app.env:1: error: DATABASE_URL: unknown keyword at character 25, did you mean sslmode?\n");
        expect_bad(f, CONFIG(""), "DATABASE_URL=postgres://u:geheim@h/d?ssl=geheim\n",
                   "app.env:1: error: DATABASE_URL: sslmode has a value that libpq does not know; expected one of disable, allow, prefer, "
                   "require, "
                   "verify-ca, verify-full\n");
}

static void test_parts(void **state) {
        struct fixture *f = *state;

        expect_good(f, CONFIG(""), ALL_PARTS, "");
        assert_string_equal(value(f, "host"), "db.example.com");
        assert_string_equal(value(f, "port"), "6432");
        assert_string_equal(value(f, "user"), "app");
        assert_string_equal(value(f, "dbname"), "shop");
        assert_string_equal(database(f)->conninfo->password, "geheim");
        /* No URL: what is in them means nothing. */
        expect_good(f, CONFIG(""),
                    "POSTGRES_USER=a@b\nPOSTGRES_PASSWORD='ge%40heim:/@ '\nPOSTGRES_HOST=/run/postgresql\nPOSTGRES_DATABASE_NAME=a/b?c=d\n",
                    "");
        assert_string_equal(value(f, "user"), "a@b");
        assert_string_equal(value(f, "dbname"), "a/b?c=d");
        assert_string_equal(value(f, "port"), "5432");
        assert_string_equal(database(f)->conninfo->password, "ge%40heim:/@ ");
        expect_good(f, CONFIG(""), "POSTGRES_USER=a\nPOSTGRES_PASSWORD=\nPOSTGRES_HOST=h\nPOSTGRES_DATABASE_NAME=d\nDATABASE_URL=\n", "");
        assert_null(database(f)->conninfo->password);
}

static void test_the_url_wins(void **state) {
        struct fixture *f = *state;

        expect_good(f, CONFIG(""),
                    ALL_PARTS "DATABASE_URL=postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT}/shop\n", "");
        assert_string_equal(value(f, "port"), "6432");
        expect_good(f, CONFIG(""), ALL_PARTS "DATABASE_URL=postgres://app:other@db.example.com:6432/other\n",
                    "app.env:2: warning: POSTGRES_PASSWORD: it is not read, and says something else than DATABASE_URL, which is\n"
                    "app.env:5: warning: POSTGRES_DATABASE_NAME: it is not read, and says something else than DATABASE_URL, which is\n");
        assert_string_equal(value(f, "dbname"), "other");
}

static void test_what_is_missing_is_listed(void **state) {
        struct fixture *f = *state;

        expect_bad(f, CONFIG(""), "",
                   "app.env: error: DATABASE_URL is missing, and so are POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST, "
                   "POSTGRES_DATABASE_NAME; "
                   "expected the one or the others there, or other names by env_names\n");
        expect_bad(f, CONFIG(""), "DATABASE_URL=\n",
                   "app.env: error: DATABASE_URL is empty, and POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST, "
                   "POSTGRES_DATABASE_NAME are missing or empty; expected the one or the others there, or other names by env_names\n");
        expect_bad(f, CONFIG(""), "POSTGRES_USER=app\nPOSTGRES_SERVER=h\nPOSTGRES_PORT=geheim\nPOSTGRES_PASSWORD\nPOSTGRES_DB=shop\n",
                   "app.env: error: POSTGRES_PASSWORD, POSTGRES_HOST (POSTGRES_SERVER stands there), POSTGRES_DATABASE_NAME (POSTGRES_DB "
                   "stands "
                   "there) are missing or empty; expected them there, or other names by env_names\n"
                   "app.env:3: error: POSTGRES_PORT: port is no port; expected a whole number from 1 to 65535\n");
        expect_bad(f, CONFIG(""), "POSTGRES_USER=app\nPOSTGRES_PASSWORD=geheim\nPOSTGRES_HOST=geheim@h\nPOSTGRES_PORT=99999\n",
                   "app.env: error: POSTGRES_DATABASE_NAME is missing or empty; expected it there, or other names by env_names\n"
                   "app.env:3: error: POSTGRES_HOST: this is no host; expected one name, one address, or the folder of a UNIX socket\n"
                   "app.env:4: error: POSTGRES_PORT: port is no port; expected a whole number from 1 to 65535\n");
        expect_bad(f, CONFIG(""), "POSTGRES_USER=app\nPOSTGRES_PASSWORD=geheim\nPOSTGRES_HOST=h:5433\nPOSTGRES_DATABASE_NAME=d\n",
                   "app.env:3: error: POSTGRES_HOST: a port stands in the host; expected it in POSTGRES_PORT, and nothing but a name or an "
                   "address here\n");
        expect_bad(f, CONFIG(""), "DATABASE_URL='\"postgres://u:geheim@h/d\"'\n",
                   "app.env:1: error: DATABASE_URL: the value begins with a quote character, which is a part of it here; expected it without "
                   "quotes around it\n");
        expect_bad(f, CONFIG(""), "\nDATABASE_URL=sqlite:///geheim.db\n",
                   "app.env:2: error: DATABASE_URL: this is no URI of PostgreSQL; expected postgresql://USER@HOST:PORT/DATABASE\n");
        expect_bad(f, CONFIG(""), "geheim\nDATABASE_URL='postgres://u:geheim@h/d\n",
                   "app.env: error: DATABASE_URL is missing, and so are POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST, "
                   "POSTGRES_DATABASE_NAME; "
                   "expected the one or the others there, or other names by env_names\n"
                   "app.env:2: warning: this line is not understood, and is skipped as python-dotenv skips it; expected NAME=value\n");
        expect_bad(f, CONFIG(""), "DATABASE_URL=postgres://u:geheim@h,i/d\n",
                   "app.env:1: error: DATABASE_URL: host names more than one; give each host a database of its own, with its own name\n");
}

static void test_other_names(void **state) {
        struct fixture *f = *state;

        /* One .env for two databases. */
        expect_good(f, CONFIG("env_names = { url = \"REPORTS_URL\"; }; "),
                    ALL_PARTS "DATABASE_URL=postgres://a@one/x\nREPORTS_URL=postgres://b:geheim@two/y\n", "");
        assert_string_equal(value(f, "host"), "two");
        expect_good(f, CONFIG("env_names = { host = \"DB_HOST\"; database = \"DB_NAME\"; }; "),
                    ALL_PARTS "DATABASE_URL=postgres://a@one/x\nDB_HOST=three\nDB_NAME=z\n", "");
        assert_string_equal(value(f, "host"), "three");
        assert_string_equal(value(f, "dbname"), "z");
        assert_string_equal(value(f, "user"), "app");
        expect_bad(f, CONFIG("env_names = { host = \"DB_HOST\"; }; "), "DATABASE_URL=postgres://a:geheim@one/x\n",
                   "app.env: error: POSTGRES_USER, POSTGRES_PASSWORD, DB_HOST, POSTGRES_DATABASE_NAME are missing or empty; expected them "
                   "there, or "
                   "other names by env_names\n");
        expect_bad(f, CONFIG("env_names = { url = \"REPORTS_URL\"; }; "), ALL_PARTS,
                   "app.env: error: REPORTS_URL is missing or empty; expected it there, or other names by env_names\n");
}

static void test_keys(void **state) {
        struct fixture *f = *state;

        expect_bad(f, CONFIG("conninfo = \"host=h\"; "), ALL_PARTS,
                   "pgwaked.conf:1: error: env_file: conninfo stands beside it; expected one of the two\n");
        expect_bad(f, CONFIG("service = \"s\"; "), ALL_PARTS,
                   "pgwaked.conf:1: error: env_file: service stands beside it; expected one of the two\n");
        expect_bad(f, "databases = ( { name = \"main\"; conninfo = \"host=h\"; env_names = { url = \"X\"; }; } );\n", "",
                   "pgwaked.conf:1: error: env_names.url: nothing is read by this name; expected env_file beside it\n");
        expect_bad(f, CONFIG("env_names = { url = \"postgres://u:geheim@h\"; }; "), ALL_PARTS,
                   "pgwaked.conf:1: error: env_names.url: this is no name of a variable; expected letters, digits and _\n");
        expect_bad(f, "databases = ( { name = \"main\"; env_file = \"relative.env\"; } );\n", "",
                   "pgwaked.conf:1: error: env_file: this path does not begin with \"/\"; expected an absolute path in quotes\n");
        expect_bad(f, "databases = ( { name = \"main\"; env_file = \"@/none.env\"; } );\n", "",
                   "pgwaked.conf:1: error: env_file: the file cannot be read: No such file or directory\n");
        expect_good(f, "defaults = { env_names = { url = \"X\"; }; };\ndatabases = ( { name = \"main\"; conninfo = \"host=h\"; } );\n", "",
                    "");
        expect_good(f, "defaults = { env_names = { url = \"X\"; }; };\n" CONFIG(""), "X=postgres://u@x/d\n", "");
        assert_string_equal(value(f, "host"), "x");
}

static void test_a_password_from_elsewhere(void **state) {
        struct fixture *f = *state;

        fixture_write(f, "secret", "geheim-file\n");
        expect_good(f, CONFIG("password_file = \"@/secret\"; "), "POSTGRES_USER=app\nPOSTGRES_HOST=h\nPOSTGRES_DATABASE_NAME=d\n", "");
        assert_string_equal(database(f)->conninfo->password, "geheim-file");
        assert_int_equal(database(f)->conninfo->password_source, CONNINFO_PASSWORD_FILE);
        expect_bad(f, CONFIG("password_file = \"@/secret\"; "), ALL_PARTS,
                   "pgwaked.conf:1: error: password_file: POSTGRES_HOST already has a password; expected one of the two\n");
        expect_good(f, "defaults = { password_file = \"@/secret\"; };\n" CONFIG(""), ALL_PARTS, "");
        assert_string_equal(database(f)->conninfo->password, "geheim");
}

static void test_who_may_read_it(void **state) {
        static const struct {
                mode_t mode;
                bool has_password, is_good;
        } cases[] = {
                {0400, true, true},  {0600, true, true},  {0640, true, true},   {0660, true, true},
                {0644, true, false}, {0644, false, true}, {0602, false, false}, {0666, true, false},
        };
        struct fixture *f = *state;
        char expected[256];

        fixture_write(f, "pgwaked.conf", CONFIG(""));
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                fixture_write_mode(f, "app.env", cases[i].has_password ? ALL_PARTS : "DATABASE_URL=postgres://u@h/d\n", cases[i].mode);
                assert_int_equal(fixture_load_file(f, "pgwaked.conf"), cases[i].is_good ? 0 : -EINVAL);
                (void)snprintf(expected, sizeof(expected), "(mode %04o); expected mode 0600, or 0640", (unsigned)cases[i].mode);
                assert_int_equal(strstr(fixture_complaints(f), expected) != NULL, !cases[i].is_good);
        }
}

static void test_a_reload_compares_what_is_in_it(void **state) {
        struct fixture *f = *state;
        struct config *before;

        expect_good(f, CONFIG(""), ALL_PARTS, "");
        before = steal_pointer(&f->config);
        expect_good(f, CONFIG(""), "# moved\nDATABASE_URL='postgres://app:geheim@db.example.com:6432/shop'\n", "");
        assert_true(database_config_equal(config_database(before, "main"), database(f)));
        expect_good(f, CONFIG("env_names = { url = \"X\"; }; "), "X=postgres://app:geheim@db.example.com:6432/shop\n", "");
        assert_true(database_config_equal(config_database(before, "main"), database(f)));
        expect_good(f, CONFIG(""), "DATABASE_URL=postgres://app:rotated@db.example.com:6432/shop\n", "");
        assert_false(database_config_equal(config_database(before, "main"), database(f)));
        config_free(before);
}

static void test_the_dump_hides_the_password_and_can_be_loaded(void **state) {
        struct fixture *f = *state;

        expect_good(f, CONFIG("env_names = { user = \"POSTGRES_USER\"; }; "), ALL_PARTS, "");
        buffer_clear(&f->text);
        config_dump(f->config, &f->text);
        assert_int_equal(buffer_finish(&f->text), 0);
        assert_null(strstr(f->text.data, "geheim"));
        assert_non_null(strstr(f->text.data, "// connection = \"host=db.example.com port=6432 dbname=shop user=app\""));
        assert_non_null(strstr(f->text.data, "// password: hidden, from the env file\n"));
        fixture_write(f, "again.conf", f->text.data);
        assert_int_equal(fixture_load_file(f, "again.conf"), 0);
        assert_string_equal(database(f)->conninfo->password, "geheim");
        assert_string_equal(database(f)->env_names.user, "POSTGRES_USER");
}

static int load_environment(struct fixture *f) {
        f->config = config_free(f->config);
        complaints_deinit(&f->complaints);
        return config_load(NULL, &f->environment, &f->complaints, &f->config);
}

static void test_from_the_environment(void **state) {
        static const char *const listen[] = {"0.0.0.0:9817", "[::]:9817", "0.0.0.0:9817"};
        static const char *const colliding[] = {"0.0.0.0:9817", "[::]:9817", "127.0.0.1:9817"};
        struct fixture *f = *state;

        f->environment.from_env = true;
        assert_int_equal(load_environment(f), -EINVAL);
        assert_string_equal(fixture_complaints(f),
                            "environment: error: DATABASE_URL is missing, and so are POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST, "
                            "POSTGRES_DATABASE_NAME; expected the one or the others there\n");
        f->environment.settings[ENV_URL] = strdup("postgresql+asyncpg://u:geheim@ep-a-1.eu-central-1.aws.neon.tech/d?ssl=require");
        f->environment.listen = listen;
        f->environment.n_listen = ARRAY_LENGTH(listen);
        assert_int_equal(load_environment(f), 0);
        assert_string_equal(fixture_complaints(f), "");
        assert_int_equal(f->config->n_databases, 1);
        assert_string_equal(value(f, "sslmode"), "require");
        assert_string_equal(database(f)->conninfo->password, "geheim");
        assert_int_equal(database(f)->conninfo->password_source, CONNINFO_PASSWORD_ENVIRONMENT);
        assert_string_equal(f->config->history_path, "");
        assert_string_equal(f->config->awake_dir, "");
        assert_int_equal(f->config->log_format, LOG_FORMAT_JSON);
        assert_true(f->config->sockets_optional);
        assert_int_equal(f->config->n_listen, 2);
        assert_string_equal(f->config->listen[1], "[::]:9817");
        f->environment.listen = colliding;
        assert_int_equal(load_environment(f), -EINVAL);
        assert_string_equal(fixture_complaints(f),
                            "command line: error: --listen 127.0.0.1:9817: \"0.0.0.0:9817\" of status.listen or --listen cannot be listened "
                            "on beside it; expected one of them\n");
        f->environment.listen = listen;
        assert_int_equal(load_environment(f), 0);
        buffer_clear(&f->text);
        config_dump(f->config, &f->text);
        assert_null(strstr(f->text.data, "geheim"));
        fixture_write(f, "dumped.conf", f->text.data);
        f->environment.from_env = false;
        f->environment.n_listen = 0;
        assert_int_equal(fixture_load_file(f, "dumped.conf"), 0);
        assert_string_equal(value(f, "sslmode"), "require");
        assert_int_equal(f->config->n_listen, 2);
}

static void test_the_environment_is_cleared(void **state) {
        struct config_environment environment = {.from_env = true};
        char *bytes;

        (void)state;
        assert_int_equal(setenv("POSTGRES_PASSWORD", "geheim", 1), 0);
        assert_int_equal(setenv("PGPASSWORD", "geheim", 1), 0);
        assert_int_equal(setenv("POSTGRES_HOST", "", 1), 0);
        bytes = getenv("POSTGRES_PASSWORD");
        assert_int_equal(config_environment_take(&environment), 0);
        assert_null(getenv("POSTGRES_PASSWORD"));
        assert_null(getenv("PGPASSWORD"));
        assert_string_equal(environment.settings[ENV_PASSWORD], "geheim");
        assert_string_equal(environment.settings[ENV_HOST], "");
        assert_null(environment.settings[ENV_URL]);
        /* The C library does not free an unset variable: its bytes can still be read. */
        assert_string_equal(bytes, "");
        config_environment_deinit(&environment);
}

int main(void) {
#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE(test_urls_in_use),
                FIXTURE(test_parameters_of_drivers),
                FIXTURE(test_parts),
                FIXTURE(test_the_url_wins),
                FIXTURE(test_what_is_missing_is_listed),
                FIXTURE(test_other_names),
                FIXTURE(test_keys),
                FIXTURE(test_a_password_from_elsewhere),
                FIXTURE(test_who_may_read_it),
                FIXTURE(test_a_reload_compares_what_is_in_it),
                FIXTURE(test_the_dump_hides_the_password_and_can_be_loaded),
                FIXTURE(test_from_the_environment),
                cmocka_unit_test(test_the_environment_is_cleared),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
