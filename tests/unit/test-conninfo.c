/* Conninfo strings: read as libpq reads them, completed, refused without a word of them. */
#include "config-fixture.h"

#include "config/conninfo.h"

#include <libpq-fe.h>

/* Values with a meaning to libpq alone are checked by it when it connects, by us when we load: here only the reading is compared. */
static const char *const corpus[] = {
        "",
        "   ",
        "host=db port=5433 user=app dbname=app",
        "host = db  port= 5433\tuser =app\ndbname=  app ",
        "host='db' user='a b' dbname='it\\'s'",
        "user='a\\\\b' dbname=a\\ b",
        "dbname=a\\",
        "dbname='a\\'",
        "user='a'dbname=b",
        "user=''",
        "user= dbname=x",
        "host= port= dbname=x",
        "user=a user=b",
        "password='p w' host=/run/postgresql",
        "password=p@ss:w/rd host=x",
        "options='-c search_path=a,b -c work_mem=1MB'",
        "host=x sslmode=verify-full sslrootcert=/x channel_binding=require",
        "requiressl=1",
        "requiressl=0 host=x",
        "keepalives=1 keepalives_idle=2 keepalives_interval=3 keepalives_count=4 tcp_user_timeout=5",
        "service=x user=y",
        "hostaddr=127.0.0.1 host=name",
        "host=@abstract",
        "krbsrvname=x gsslib=gssapi requirepeer=postgres sslsni=0 sslcompression=0 sslcrl=/a sslcrldir=/b sslcert=/c sslkey=/d",
        "sslpassword=e",
        "ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.3 passfile=/x",
        ("application_name=x fallback_application_name=y client_encoding=UTF8 connect_timeout=3 gssencmode=disable replication=database "
         "target_session_attrs=read-write"),
        "host",
        "host db",
        "=x",
        "host=x =y",
        "hostt=x",
        "Host=x",
        "host='x",
        "host='",
        "postgresql://",
        "postgres://",
        "postgresql://host",
        "postgresql://host:1234",
        "postgresql://host/",
        "postgresql://host/db",
        "postgresql://host:/db",
        "postgresql://user@host/db",
        "postgresql://user:secret@host/db",
        "postgresql://user:@host/db",
        "postgresql://:secret@host/db",
        "postgresql://@host/db",
        "postgresql://us%20er:p%40ss%3A%2Fw@host/d%2Fb",
        "postgresql://user@/db",
        "postgresql:///db",
        "postgresql:///db?host=/run/postgresql&port=5433",
        "postgresql://%2Frun%2Fpostgresql/db",
        "postgresql://%2Frun%2Fpostgresql:5433/db",
        "postgresql://[::1]/db",
        "postgresql://[::1]:5433/db",
        "postgresql://[2001:db8::1]",
        "postgresql://[::1]?sslmode=require",
        "postgresql://host?sslmode=require",
        "postgresql://host:1?sslmode=require&options=-c%20a%3Db",
        "postgresql://host/db?user=x&password=y",
        "postgresql://host/db?ssl=true",
        "postgresql://host/db?sslmode=",
        "postgresql://host/db?sslmode=require&",
        "postgresql://host/db?",
        "postgresql://host/?dbname=x",
        "postgresql://u:p%25@h/d",
        "postgresql://user:a:b@host/db",
        "postgresql://user:p?w@host/db",
        "postgresql://host/db?application_name=a+b",
        "postgres://u@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
        "postgresql://[::1/db",
        "postgresql://[]/db",
        "postgresql://[::1]x/db",
        "postgresql://host/db?sslmode",
        "postgresql://host/db?sslmode=a=b",
        "postgresql://host/db?&sslmode=require",
        "postgresql://host/db?ssl=require",
        "postgresql://host/db?zzz=1",
        "postgresql://host/db?=1",
        "postgresql://ho%zzst/db",
        "postgresql://ho%0/db",
        "postgresql://ho%00st/db",
        "postgresql://ho%",
        "postgresql://host/db?ssl%6Dode=require",
        "postgresql://host/db?a%=require",
};

static void compare_values(const char *text, const struct conninfo_draft *draft, const PQconninfoOption *options) {
        for (; options->keyword; options++) {
                int i = keyword_find(options->keyword);

                assert_true(i >= 0);
                if (!options->val != !draft->values[i] || (options->val && !streq(options->val, draft->values[i])))
                        fail_msg("\"%s\": %s is \"%s\" here and \"%s\" to libpq", text, options->keyword,
                                 draft->values[i] ? draft->values[i] : "(null)", options->val ? options->val : "(null)");
        }
}

static void test_reads_as_libpq_does(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(corpus); i++) {
                const char *text = corpus[i];
                struct complaints complaints = {0};
                struct complaint_place place = {&complaints, "file", 1, "conninfo"};
                struct conninfo_draft draft = {0};
                char *error = NULL;
                PQconninfoOption *options = PQconninfoParse(text, &error);
                int r = conninfo_draft_parse(&draft, text, &place);

                if ((r == 0) != (options != NULL))
                        fail_msg("\"%s\": %d here, \"%s\" to libpq", text, r, error ? error : "fine");
                assert_int_equal(complaints.n, r < 0);
                if (options)
                        compare_values(text, &draft, options);
                PQconninfoFree(options);
                PQfreemem(error);
                conninfo_draft_deinit(&draft);
                complaints_deinit(&complaints);
        }
}

static void test_knows_every_keyword_of_libpq(void **state) {
        PQconninfoOption *options = PQconndefaults();
        size_t n = 0, reached = 0;

        (void)state;
        for (PQconninfoOption *o = options; o->keyword; o++, n++) {
                int i = keyword_find(o->keyword);

                assert_true(i >= 0 && keyword_at((size_t)i)->use != KEYWORD_NEWER);
                reached += keyword_at((size_t)i)->use != KEYWORD_IGNORED;
        }
        PQconninfoFree(options);
        /* Everything else in the table is of newer ones, and never reaches libpq. */
        for (size_t i = 0; keyword_at(i); i++)
                reached -= keyword_at(i)->use != KEYWORD_NEWER && keyword_at(i)->use != KEYWORD_IGNORED;
        assert_int_equal(reached, 0);
}

/* The completed conninfo: its arrays as key=value, and its complaints. */
static char *completed(struct fixture *f, const char *text) {
        struct complaint_place place = {&f->complaints, "file", 1, "conninfo"};
        struct conninfo_draft draft = {0};
        struct conninfo *conninfo = NULL;
        struct buffer out = {0};

        complaints_deinit(&f->complaints);
        if (conninfo_draft_parse(&draft, text, &place) == 0 &&
            conninfo_draft_complete(&draft, &f->environment, conninfo_draft_get(&draft, "password"), &place) == 0) {
                assert_int_equal(conninfo_new(&draft, NULL, CONNINFO_PASSWORD_NONE, &conninfo), 0);
                conninfo_format(conninfo, &out);
                conninfo_unref(conninfo);
        }
        conninfo_draft_deinit(&draft);
        return buffer_steal(&out);
}

static void expect(struct fixture *f, const char *text, const char *expected, const char *complaints) {
        char *out = completed(f, text);

        if (!streq(out, expected))
                fail_msg("\"%s\" becomes \"%s\", expected \"%s\"", text, out, expected);
        if (!streq(fixture_complaints(f), complaints))
                fail_msg("\"%s\" is answered with \"%s\", expected \"%s\"", text, fixture_complaints(f), complaints);
        free(out);
}

static void test_completes_what_libpq_would_take_from_the_system(void **state) {
        struct fixture *f = *state;

        expect(f, "", "host=/var/run/postgresql port=5432 dbname=tester user=tester", "");
        expect(f, "user=app", "host=/var/run/postgresql port=5432 dbname=app user=app", "");
        expect(f, "host='' port='' dbname='' user=app", "host=/var/run/postgresql port=5432 dbname=app user=app", "");
        expect(f, "hostaddr=::1 dbname=x", "hostaddr=::1 port=5432 dbname=x user=tester", "");
        expect(f, "postgresql+psycopg2://a@h/d", "host=h port=5432 dbname=d user=a", "");
        expect(f, "postgres+asyncpg://a@h/d?ssl=require", "host=h port=5432 dbname=d user=a sslmode=require", "");
        expect(f, "host=h dbname='a b\\'c' options='-c x=1'", "host=h port=5432 dbname='a b\\'c' user=tester options='-c x=1'", "");
        expect(f, "host=h sslpassword=hidden", "host=h port=5432 dbname=tester user=tester", "");
        free(f->environment.user);
        f->environment.user = NULL;
        expect(f, "host=h", "",
               "file:1: error: conninfo: no user is given, and the user of this process has no name; expected user=NAME\n");
}

static void test_refuses_more_than_one_host(void **state) {
        static const char *const texts[] = {"postgresql://a,b/d", "postgresql://a:1,b:2/d", "host=a,b", "postgresql:///d?host=a,b",
                                            "postgresql://u:p@[::1],[::2]/d"};

        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
                expect(*state, texts[i], "",
                       "file:1: error: conninfo: host names more than one; give each host a database of its own, with its own name\n");
        expect(*state, "hostaddr=::1,::2", "",
               "file:1: error: conninfo: hostaddr names more than one; give each host a database of its own, with its own name\n");
        expect(*state, "host=h port=1,2", "",
               "file:1: error: conninfo: port names more than one; give each host a database of its own, with its own name\n");
}

static void test_says_what_would_be_right(void **state) {
        static const char at[] =
                "file:1: error: conninfo: host holds a character that no host name has; in a URI, write @ as %40, / as %2F and "
                ": as %3A inside user and password\n";
        static const struct {
                const char *text, *complaint;
        } cases[] = {
                {"host=h sslmod=require", "unknown keyword at character 8, did you mean sslmode?"},
                {"host=h zzzzzz=require",
                 "unknown keyword at character 8; expected one of libpq's (a value with spaces needs quotes, and in a "
                 "URI special characters are written %XX)"},
                {"host=h sslmode=requir",
                 "sslmode has a value that libpq does not know, did you mean require? expected one of disable, allow, "
                 "prefer, require, verify-ca, verify-full"},
                {"host=h sslmode=zzzzzzzzz",
                 "sslmode has a value that libpq does not know; expected one of disable, allow, prefer, require, verify-ca, verify-full"},
                {"host=h channel_binding=''",
                 "channel_binding has a value that libpq does not know; expected one of disable, prefer, require"},
                {"\"postgresql://u:p@h/d\"",
                 "the value begins with a quote character, which is a part of it here; expected it without quotes around it"},
                {" 'host=h user=u'",
                 "the value begins with a quote character, which is a part of it here; expected it without quotes around it"},
                {"host=h port=0", "port is no port; expected a whole number from 1 to 65535"},
                {"host=h port=65536", "port is no port; expected a whole number from 1 to 65535"},
                {"host=h port=5432x", "port is no port; expected a whole number from 1 to 65535"},
                {"host=h port=99999999999999999999", "port is no port; expected a whole number from 1 to 65535"},
                {"hostaddr=db.example.com",
                 "hostaddr is no numeric address; expected one like 192.0.2.1 or 2001:db8::1 (a name belongs into host)"},
                {"host=h:5433", "a port stands in the host; expected port= for it, and nothing but a name or an address in the host"},
                {"hostaddr=::1 host=h: port=5433",
                 "a port stands in the host; expected port= for it, and nothing but a name or an address in the host"},
                {"host=h keepalives_idle=1s", "keepalives_idle is no number; expected a whole number"},
                {"host=h password=''", "the password is empty; leave it out where none is needed"},
                {"mysql://u@h/d", "this is no URI of PostgreSQL; expected postgresql://USER@HOST:PORT/DATABASE"},
                {"host=h sslrootcert=system",
                 "sslrootcert=system means nothing without verification; expected sslmode=verify-full beside it"},
                {"host=h sslmode=verify-ca sslrootcert=/nonexistent/ca",
                 "sslrootcert names a file that cannot be read (No such file or directory); expected a PEM file with CA certificates, or "
                 "system"},
                {"hostaddr=::1 sslmode=verify-full", "sslmode=verify-full has no name to verify; expected host beside hostaddr"},
                {"host=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 "the path of the UNIX socket is longer than 107 bytes; expected a shorter folder"},
                {"host=h passfile=/nonexistent/pgpass", "passfile names a file that cannot be read (No such file or directory)"},
                {"postgresql://u:12/34@h/d",
                 "an \"@\" stands behind the host; inside user and password write @ as %40, / as %2F and : as %3A"},
                {"postgresql://u:p@ss@h/d",
                 "an \"@\" stands behind the host; inside user and password write @ as %40, / as %2F and : as %3A"},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                char complaint[512];

                (void)snprintf(complaint, sizeof(complaint), "file:1: error: conninfo: %s\n", cases[i].complaint);
                expect(*state, cases[i].text, "", complaint);
        }
        expect(*state, "host='a b'", "", at);
        expect(*state, "host=user@h", "", at);
}

static void test_warns_of_what_is_ignored(void **state) {
        static const char base[] = "host=h port=5432 dbname=tester user=tester";

        expect(*state, "host=h connect_timeout=10", base,
               "file:1: warning: conninfo: connect_timeout is ignored: the key attempt_timeout bounds the whole attempt\n");
        expect(*state, "host=h application_name=x target_session_attrs=read-write", base,
               "file:1: warning: conninfo: application_name is ignored: it is always \"pgwaked\"\n"
               "file:1: warning: conninfo: target_session_attrs is ignored: ask for it with expect = { primary = true; }\n");
        expect(*state, "host=h load_balance_hosts=random", base,
               "file:1: warning: conninfo: load_balance_hosts is ignored: a database has one host here\n");
        expect(*state, "host=h gssencmode=disable target_session_attrs=any client_encoding=utf8", base, "");
}

/* A newer library takes them. */
static void test_advises_on_what_libpq_15_does_not_know(void **state) {
        if (PQlibVersion() >= 160000)
                return;
        expect(*state, "host=h require_auth=scram-sha-256", "",
               "file:1: error: conninfo: libpq 15 does not know require_auth; leave it out: channel_binding = require asks for SCRAM over TLS\n");
        expect(*state, "host=h max_protocol_version=3.2", "",
               "file:1: error: conninfo: libpq 15 does not know max_protocol_version; leave it out: it speaks protocol 3.0\n");
        expect(*state, "postgresql://h/d?oauth_issuer=x", "",
               "file:1: error: conninfo: libpq 15 does not know oauth_issuer; leave it out\n");
        expect(*state, "host=h sslnegotiation=postgres max_protocol_version=3.0", "host=h port=5432 dbname=tester user=tester", "");
}

static void test_root_certificate(void **state) {
        struct fixture *f = *state;
        char expected[256];

        if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0) {
                static const char bundle[] =
                        "host=h port=5432 dbname=tester user=tester sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt";

                expect(f, "host=h sslmode=verify-full sslrootcert=system", bundle, "");
                expect(f, "host=h sslmode=verify-full", bundle, "");
        }
        expect(f, "host=h sslmode=require", "host=h port=5432 dbname=tester user=tester sslmode=require", "");
        assert_int_equal(mkdir(fixture_path(f, "home/.postgresql"), 0700), 0);
        fixture_write(f, "home/.postgresql/root.crt", "x");
        (void)snprintf(expected, sizeof(expected), "host=h port=5432 dbname=tester user=tester sslmode=verify-ca sslrootcert=%s",
                       fixture_path(f, "home/.postgresql/root.crt"));
        expect(f, "host=h sslmode=verify-ca", expected, "");
}

static void test_passfile(void **state) {
        struct fixture *f = *state;
        char expected[256], complaint[256];

        fixture_write(f, "home/.pgpass", "x");
        (void)snprintf(expected, sizeof(expected), "host=h port=5432 dbname=tester user=tester passfile=%s",
                       fixture_path(f, "home/.pgpass"));
        expect(f, "host=h", expected, "");
        expect(f, "host=h password=x", "host=h port=5432 dbname=tester user=tester", "");
        fixture_write_mode(f, "home/.pgpass", "x", 0640);
        expect(f, "host=h", expected,
               "file:1: warning: conninfo: the passfile home/.pgpass is ignored by libpq: group or others can access it; expected mode "
               "0600\n");
        (void)snprintf(complaint, sizeof(complaint), "host=h passfile=%s", fixture_path(f, "home/.pgpass"));
        expect(f, complaint, "",
               "file:1: error: conninfo: group or others can access the passfile (mode 0640), so that libpq ignores it; expected mode "
               "0600\n");
        f->environment.pgpassfile = strdup(fixture_path(f, "pass"));
        fixture_write(f, "pass", "x");
        (void)snprintf(expected, sizeof(expected), "host=h port=5432 dbname=tester user=tester passfile=%s", fixture_path(f, "pass"));
        expect(f, "host=h", expected, "");
}

static void test_endpoint(void **state) {
        static const struct {
                const char *text, *endpoint;
                bool is_socket;
        } cases[] = {
                {"postgresql://h/d", "h:5432/d", false},
                {"postgresql://[::1]:1/d", "[::1]:1/d", false},
                {"hostaddr=::1 dbname=d", "[::1]:5432/d", false},
                {"host=h hostaddr=192.0.2.1 dbname=d", "h:5432/d", false},
                {"host=/run/postgresql dbname=d", "/run/postgresql:5432/d", true},
                {"host=@x dbname=d", "@x:5432/d", true},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                struct complaint_place place = {&f->complaints, "file", 1, "conninfo"};
                struct conninfo_draft draft = {0};
                struct conninfo *conninfo = NULL;
                struct buffer out = {0};

                assert_int_equal(conninfo_draft_parse(&draft, cases[i].text, &place), 0);
                assert_int_equal(conninfo_draft_complete(&draft, &f->environment, false, &place), 0);
                assert_int_equal(conninfo_new(&draft, NULL, CONNINFO_PASSWORD_NONE, &conninfo), 0);
                conninfo_endpoint(conninfo, &out);
                assert_string_equal(out.data, cases[i].endpoint);
                assert_int_equal(conninfo_is_socket(conninfo), cases[i].is_socket);
                assert_null(conninfo->keywords[conninfo->n]);
                assert_null(conninfo->values[conninfo->n]);
                buffer_deinit(&out);
                conninfo_draft_deinit(&draft);
                conninfo_unref(conninfo_ref(conninfo));
                conninfo_unref(conninfo);
        }
}

/* Wherever it stands and whatever else is wrong, no complaint has it. */
static void test_no_complaint_repeats_a_password(void **state) {
        static const char *const texts[] = {
                "postgresql://u:hunter2hunter2@h,i/d",
                "postgresql://u:hunter2hunter2/x@h/d",
                "postgresql://u:5432/hunter2hunter2@h/d",
                "postgresql://u:x@hunter2hunter2@h/d",
                "postgresql://u:hunter2hunter2%zz@h/d",
                "postgresql://u@h/d?password=hunter2hunter2=",
                "postgresql://u@h/d?pasword=hunter2hunter2",
                "postgresql://u@h/d?hunter2hunter2=password",
                "password=x hunter2hunter2",
                "password=x hunter2hunter2=y",
                "password='hunter2hunter2",
                "passwrod=hunter2hunter2",
                "host=h port=hunter2hunter2",
                "host=h sslmode=hunter2hunter2",
                "hostaddr=hunter2hunter2",
                "host=hunter2hunter2,x",
                "host='hunter2hunter2 x'",
                "hunter2hunter2",
                "hunter2hunter2://x",
                "host=h passfile=/hunter2hunter2",
                "host=h sslmode=verify-full sslrootcert=/hunter2hunter2",
                "host=h require_auth=hunter2hunter2", /* a keyword from libpq 16 on, with methods and no secret as its value */
        };
        size_t n = ARRAY_LENGTH(texts) - (PQlibVersion() >= 160000);

        for (size_t i = 0; i < n; i++) {
                char *out = completed(*state, texts[i]);

                assert_string_equal(out, "");
                assert_true(*fixture_complaints(*state));
                assert_null(strstr(fixture_complaints(*state), "hunter2"));
                free(out);
        }
}

int main(void) {
#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_as_libpq_does),
                cmocka_unit_test(test_knows_every_keyword_of_libpq),
                FIXTURE(test_completes_what_libpq_would_take_from_the_system),
                FIXTURE(test_refuses_more_than_one_host),
                FIXTURE(test_says_what_would_be_right),
                FIXTURE(test_warns_of_what_is_ignored),
                FIXTURE(test_advises_on_what_libpq_15_does_not_know),
                FIXTURE(test_root_certificate),
                FIXTURE(test_passfile),
                FIXTURE(test_endpoint),
                FIXTURE(test_no_complaint_repeats_a_password),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
