/* Whole configurations: values, every complaint with its line and text, conf.d, passwords, the dump. */
#include "config-fixture.h"

#include "base/clock.h"
#include "config/file.h"
#include "config/option.h"

#include <pwd.h>

#define ONE_DATABASE "databases = ( { name = \"main\"; conninfo = \"host=h user=app\"; "
#define FOUR(port)                                                                                                                         \
        "\"127.0.0.1:1" port "\", \"127.0.0.1:2" port "\", \"127.0.0.1:3" port "\", \"127.0.0.1:4" port "\""
#define SIXTEEN FOUR("1") ", " FOUR("2") ", " FOUR("3") ", " FOUR("4")
#define ERROR(line, text) "pgwaked.conf:" #line ": error: " text "\n"

static void test_nothing_configured_is_fine(void **state) {
        struct fixture *f = *state;

        assert_complaints(f, "# nothing\n", "");
        assert_int_equal(f->config->n_databases, 0);
        assert_string_equal(f->config->status_socket, "/run/pgwaked/status.sock");
        assert_string_equal(f->config->control_socket, "/run/pgwaked/control.sock");
        assert_string_equal(f->config->awake_dir, "/run/pgwaked/awake");
        assert_string_equal(f->config->history_path, "/var/lib/pgwaked/history.db");
        assert_true(f->config->history_keep_usec == 90 * USEC_PER_DAY);
        assert_true(f->config->history_max_bytes == 256000000);
        assert_int_equal(f->config->log_level, LOG_INFO);
        assert_int_equal(f->config->ready_on, READY_ON_AWAKE);
        assert_true(f->config->ready_timeout_usec == 90 * USEC_PER_SEC);
        assert_int_equal(f->config->attempts_in_flight, 64);
        assert_null(config_database(f->config, "main"));
        assert_complaints(f, "databases = ();\ndefaults = {};\nstatus: {};", "");
        assert_complaints(f, "databases = [];", "");
        assert_complaints(f, "\xEF\xBB\xBF# only\r\n// comments\n/* \n */", "");
}

static void test_reads_every_key(void **state) {
        struct fixture *f = *state;
        const struct database_config *d;

        assert_complaints(
                f,
                "status: { socket = \"/s\"; control = \"/c\"; awake_dir = \"\"; listen = [ \"127.0.0.1:1\", \"[::1]:2\" ]; };\n"
                "history: { path = \"\"; keep = \"infinity\"; max_size = \"1GB\"; };\n"
                "log: { format = \"json\"; level = \"debug\"; };\n"
                "ready: { on = \"verdict\"; timeout = \"infinity\"; };\n"
                "limits: { attempts_in_flight = 0x10; };\n"
                "defaults: { ping_interval = \"20s\"; fall = 5; expect: { primary = false; }; };\n"
                "databases: ( { name = \"main\"; conninfo = \"host=h user=app\"; provider = \"neon\"; policy = \"on-demand\";\n"
                "ping_interval = \"30s\"; login_interval = \"2min\"; door_interval = \"0s\"; retry_interval = \"10ms\";\n"
                "down_interval = \"30d\"; blocked_interval = \"1h\"; jitter = \"2.5%\"; attempt_timeout = \"1s\"; slow = \"1s\";\n"
                "wake_timeout = \"1s\"; rise = 2; linger = \"0s\"; lease_grace = \"1s\"; fresh_for = \"1h\"; suspend_after = \"5min\";\n"
                "wake_at_start = false; required = FALSE; budget: { awake_hours = 1.5; };\n"
                "expect: { read_only = true; max_lag = \"1min\"; query = \"SELECT \" \"1\"; value = \"\"; }; } );\n",
                "");
        assert_string_equal(f->config->awake_dir, "");
        assert_string_equal(f->config->history_path, "");
        assert_int_equal(f->config->n_listen, 2);
        assert_string_equal(f->config->listen[1], "[::1]:2");
        assert_true(f->config->history_keep_usec == USEC_INFINITY && f->config->ready_timeout_usec == USEC_INFINITY);
        assert_int_equal(f->config->log_format, LOG_FORMAT_JSON);
        assert_int_equal(f->config->log_level, LOG_DEBUG);
        assert_int_equal(f->config->ready_on, READY_ON_VERDICT);
        assert_int_equal(f->config->attempts_in_flight, 16);
        d = config_database(f->config, "main");
        assert_non_null(d);
        assert_string_equal(d->provider, "neon");
        assert_int_equal(d->policy, POLICY_ON_DEMAND);
        assert_true(d->ping_interval_usec == 30 * USEC_PER_SEC && d->login_interval_usec == 2 * USEC_PER_MINUTE);
        assert_true(d->door_interval_usec == 0 && d->retry_interval_usec == 10 * USEC_PER_MSEC);
        assert_true(d->down_interval_usec == 30 * USEC_PER_DAY && d->blocked_interval_usec == USEC_PER_HOUR);
        assert_true(d->jitter_permille == 25 && d->rise == 2 && d->fall == 5);
        assert_true(d->attempt_timeout_usec == USEC_PER_SEC && d->slow_usec == USEC_PER_SEC && d->wake_timeout_usec == USEC_PER_SEC);
        assert_true(d->linger_usec == 0 && d->lease_grace_usec == USEC_PER_SEC && d->fresh_for_usec == USEC_PER_HOUR && d->suspend_after_usec == 5 * USEC_PER_MINUTE);
        assert_true(!d->wake_at_start && !d->required && d->budget_awake_usec == 90 * USEC_PER_MINUTE);
        assert_true(d->expect.has_primary && !d->expect.primary && d->expect.has_read_only && d->expect.read_only);
        assert_true(d->expect.max_lag_usec == USEC_PER_MINUTE);
        assert_string_equal(d->expect.query, "SELECT 1");
        assert_string_equal(d->expect.value, "");
        assert_int_equal(d->source.line, 7);
        assert_int_equal(d->sources[option_find(OPTION_DATABASE, "fall")].line, 6);
        assert_int_equal(d->sources[option_find(OPTION_DATABASE, "rise")].line, 10);
}

/* Each is a whole file, with all of its complaints. */
static void test_complaints(void **state) {
        static const struct {
                const char *content, *complaints;
        } cases[] = {
                /* keys */
                {"defaults = {\n ping_intervall = \"1s\";\n};",
                 ERROR(2, "unknown key \"ping_intervall\", did you mean \"ping_interval\"?")},
                {"defaults = { xyzzyxyzzy = 1; };", ERROR(1, "unknown key \"xyzzyxyzzy\"; pgwaked.conf(5) lists the known ones")},
                {"defaults = { expect = {\n primry = true; }; };", ERROR(2, "unknown key \"primry\", did you mean \"primary\"?")},
                {"defaults = { expct = { primary = true; }; };", ERROR(1, "unknown key \"expct\", did you mean \"expect\"?")},
                {"statsu = { };", ERROR(1, "unknown key \"statsu\", did you mean \"status\"?")},
                {"status = { sockt = \"/x\"; };", ERROR(1, "unknown key \"sockt\", did you mean \"socket\"?")},
                {"\nping_interval = \"10s\";",
                 ERROR(2, "\"ping_interval\" is a key of a database; expected in an entry of databases or in defaults")},
                {"defaults = { name = \"x\"; };", ERROR(1, "name: this belongs to one database; expected in its own entry of databases")},
                {"defaults = { sqlite_path = \"x\"; };", ERROR(1, "unknown key \"sqlite_path\"; pgwaked.conf(5) lists the known ones")},
                {"defaults = { password = \"x\"; };", ERROR(1, "unknown key \"password\"; pgwaked.conf(5) lists the known ones")},
                /* types */
                {"status = 3;", ERROR(1, "status: this is no group; expected status = { ... }")},
                {"defaults = 3;", ERROR(1, "defaults: this is no group; expected defaults = { ping_interval = \"10s\"; }")},
                {"defaults = { expect = true; };", ERROR(1, "expect: this is no group; expected expect = { ... }")},
                {"databases = { name = \"x\"; };",
                 ERROR(1, "databases: this is no list of groups; expected databases = ( { name = \"...\"; }, ... )")},
                {"databases = (\n 3 );", ERROR(2, "databases: this entry is no group; expected { name = \"...\"; conninfo = \"...\"; }")},
                {"defaults = { ping_interval = 10; };",
                 ERROR(1, "ping_interval: this is a whole number; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { fall = \"3\"; };", ERROR(1, "fall: this is a text; expected a whole number from 1 to 100")},
                {"defaults = { fall = 3.0; };", ERROR(1, "fall: this is a number with a fraction; expected a whole number from 1 to 100")},
                {"defaults = { required = 1; };", ERROR(1, "required: this is a whole number; expected true or false")},
                {"defaults = { required = { }; };", ERROR(1, "required: this is a group; expected true or false")},
                {"defaults = { jitter = 0.1; };",
                 ERROR(1, "jitter: this is a number with a fraction; expected a share from \"0%\" to \"50%\", as in \"10%\"")},
                {"status = { listen = \"127.0.0.1:1\"; };",
                 ERROR(1, "status.listen: this is a text; expected a list of numeric addresses with port, as in [ \"127.0.0.1:9817\" ]")},
                {"status = { listen = [ 1 ]; };",
                 ERROR(1, "status.listen: this is a whole number; expected a list of numeric addresses with port, as in [ "
                          "\"127.0.0.1:9817\" ]")},
                /* values */
                {"defaults = { ping_interval = \"10\"; };",
                 ERROR(1, "ping_interval: this duration has no unit; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"ten\"; };",
                 ERROR(1, "ping_interval: this is no duration; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"\"; };",
                 ERROR(1, "ping_interval: this is no duration; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"9ms\"; };",
                 ERROR(1, "ping_interval: this duration is out of range; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"31d\"; };",
                 ERROR(1, "ping_interval: this duration is out of range; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"infinity\"; };",
                 ERROR(1, "ping_interval: this duration is out of range; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { ping_interval = \"99999999999999999999d\"; };",
                 ERROR(1, "ping_interval: this duration is out of range; expected a duration from \"10ms\" to \"30d\", as in \"10s\"")},
                {"defaults = { door_interval = \"1ms\"; };",
                 ERROR(1, "door_interval: this duration is out of range; expected a duration from \"10ms\" to \"30d\", or \"0s\", as in "
                          "\"30s\"")},
                {"defaults = { fresh_for = \"0s\"; };",
                 ERROR(1, "fresh_for: this duration is out of range; expected a duration from \"10ms\" to \"30d\", or \"auto\"")},
                {"ready = { timeout = \"0s\"; };",
                 ERROR(1,
                       "ready.timeout: this duration is out of range; expected a duration from \"10ms\" to \"30d\", or \"infinity\", as in "
                       "\"90s\"")},
                {"defaults = { fall = 0; };", ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"defaults = { fall = -1; };", ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"defaults = { fall = 99999999999; };",
                 ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"defaults = { fall = 4294967297; };",
                 ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"defaults = { fall = 0x100000001; };",
                 ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"defaults = { fall = 18446744073709551617L; };",
                 ERROR(1, "fall: this number is out of range; expected a whole number from 1 to 100")},
                {"limits = { attempts_in_flight = 99999999999; };",
                 ERROR(1, "limits.attempts_in_flight: this number is out of range; expected a whole number from 1 to 1024")},
                {"defaults = { budget = { awake_hours = 745; }; };",
                 ERROR(1, "budget.awake_hours: this number is out of range; expected a number of hours from 0 to 744")},
                {"defaults = { budget = { awake_hours = -0.5; }; };",
                 ERROR(1, "budget.awake_hours: this number is out of range; expected a number of hours from 0 to 744")},
                {"defaults = { jitter = \"51%\"; };",
                 ERROR(1, "jitter: this share is out of range; expected a share from \"0%\" to \"50%\", as in \"10%\"")},
                {"defaults = { jitter = \"10\"; };",
                 ERROR(1, "jitter: this is no share with a percent sign; expected a share from \"0%\" to \"50%\", as in \"10%\"")},
                {"defaults = { policy = \"ondemand\"; };",
                 ERROR(1, "policy: this word is not known, did you mean \"on-demand\"?; expected one of \"auto\", \"keep-awake\", "
                          "\"on-demand\", \"observe\"")},
                {"defaults = { provider = \"heroku\"; };",
                 ERROR(1, "provider: this word is not known; expected one of \"auto\", \"postgres\", \"neon\", \"aurora\", \"supabase\"")},
                {"history = { max_size = \"1\"; };",
                 ERROR(1, "history.max_size: this size is out of range; expected a size from \"1MB\" to \"1000GB\", as in \"256MB\"")},
                {"history = { max_size = \"big\"; };",
                 ERROR(1, "history.max_size: this is no size; expected a size from \"1MB\" to \"1000GB\", as in \"256MB\"")},
                {"history = { path = \"x.db\"; };",
                 ERROR(1, "history.path: this path does not begin with \"/\"; expected an absolute path in quotes, or \"\"")},
                {"status = { socket = \"\"; };", ERROR(1, "status.socket: this is empty; expected an absolute path in quotes")},
                {"status = { socket = \"/a\";\n control = \"/a\"; };",
                 ERROR(2, "status.socket and status.control are the same; expected a path of its own for each")},
                {"status = { listen = [ \"localhost:1\" ]; };",
                 ERROR(1,
                       "status.listen: this is no numeric address with a port from 1 to 65535; expected a list of numeric addresses with "
                       "port, as in [ \"127.0.0.1:9817\" ]")},
                {"status = {\n listen = [ \"127.0.0.1:1\", \"[::1]:1\", \"127.0.0.1:1\" ]; };",
                 ERROR(2, "status.listen: \"127.0.0.1:1\" stands here twice; expected each address once")},
                {"status = {\n listen = [ \"[::1]:1\", \"[0:0::1]:1\" ]; };",
                 ERROR(2, "status.listen: \"[::1]:1\" stands here twice; expected each address once")},
                {"status = { listen = [ \"127.0.0.1:1\", \"0.0.0.0:1\" ]; };",
                 ERROR(1, "status.listen: \"127.0.0.1:1\" and \"0.0.0.0:1\" cannot both be listened on; expected one of them")},
                {"status = { listen = [ \"[::]:1\", \"0.0.0.0:1\", \"127.0.0.1:2\" ]; };", ""},
                {"status = { allowed_hosts = [ \"db.example.com\", \"a_b\", \"x\" ]; };", ""},
                {"status = { allowed_hosts = [ \"db.example.com:80\" ]; };",
                 ERROR(1, "status.allowed_hosts: this is no host name; expected a list of host names without a port, as in "
                          "[ \"db-status.example.com\" ]")},
                {"status = { allowed_hosts = [ \"*\" ]; };",
                 ERROR(1, "status.allowed_hosts: this is no host name; expected a list of host names without a port, as in "
                          "[ \"db-status.example.com\" ]")},
                {"status = { agent_listen = [ \"127.0.0.1:1\",\n \"127.0.0.1:1\" ]; };",
                 ERROR(1, "status.agent_listen: \"127.0.0.1:1\" stands here twice; expected each address once")},
                {"status = { listen = [ \"127.0.0.1:1\" ];\n agent_listen = [ \"127.0.0.1:2\", \"127.0.0.1:1\" ]; };",
                 ERROR(2, "status.agent_listen: \"127.0.0.1:1\" cannot be listened on beside \"127.0.0.1:1\" of status.listen or --listen; "
                          "expected an address or a port of its own")},
                {"status = {\n agent_listen = [ " SIXTEEN ", \"127.0.0.1:17\" ]; };",
                 ERROR(2, "status.agent_listen: these are too many; expected a list of at most 16 numeric addresses with port, as in [ "
                          "\"127.0.0.1:9818\" ]")},
                {"status = { agent_listen = [ " SIXTEEN " ]; };", ""},
                /* databases */
                {"databases = (\n{ } );", ERROR(2, "this database has no name; expected name = \"...\"")
                                                  ERROR(2, "this database has no connection; expected conninfo = \"postgresql://...\", "
                                                           "service = \"...\" or env_file = \"...\"")},
                {"databases = ( { name = \"Main\"; conninfo = \"host=h\"; } );",
                 ERROR(1, "name: this is no name; expected 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")},
                {"databases = ( { name = \"a\";\n conninfo = \"host=h\";\n service = \"x\"; } );",
                 ERROR(3, "service: conninfo stands beside it; expected one of the two (a conninfo may hold service=NAME)")},
                {"databases = ( { name = \"a\"; conninfo = \"host=h\"; },\n{ name = \"b\"; conninfo = \"host=h\"; },\n"
                 "{ name = \"a\"; conninfo = \"host=h\"; },\n{ name = \"a\"; conninfo = \"host=h\"; } );",
                 ERROR(3, "name: \"a\" is taken by pgwaked.conf:1; expected a name of its own")
                         ERROR(4, "name: \"a\" is taken by pgwaked.conf:1; expected a name of its own")},
                {"databases = ( { name = \"a\";\n\n conninfo = \"postgresql://u:hunter2@a,b/d\"; } );",
                 ERROR(3, "conninfo: host names more than one; give each host a database of its own, with its own name")},
                {ONE_DATABASE "expect = {\nvalue = \"x\"; }; } );",
                 ERROR(2, "expect.value: nothing is asked whose answer it could be; expected expect.query beside it")},
                {ONE_DATABASE "\nfresh_for = \"1s\"; } );",
                 "pgwaked.conf:2: warning: fresh_for: it is shorter than ping_interval: the verdict is stale most of the time\n"},
                {ONE_DATABASE "\nretry_interval = \"1min\"; } );",
                 "pgwaked.conf:2: warning: retry_interval: down_interval is shorter than retry_interval, which then counts for both\n"},
                /* several at once, in order */
                {"databases = ( { name = \"b\"; conninfo = \"host=h\";\n fal = 3;\n rise = 0; } );\nstatus = {\n x = 1; };",
                 ERROR(2, "unknown key \"fal\", did you mean \"fall\"?")
                         ERROR(3, "rise: this number is out of range; expected a whole number from 1 to 100")
                                 ERROR(5, "unknown key \"x\"; pgwaked.conf(5) lists the known ones")},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                assert_complaints((struct fixture *)*state, cases[i].content, cases[i].complaints);
}

static void test_syntax_errors(void **state) {
        static const struct {
                const char *content, *complaints;
        } cases[] = {
                {"\ndefaults = { ping_interval = 10s; };", ERROR(2, "a number with a unit needs quotes, as in \"10s\"")},
                {"defaults = { jitter = 10%; };", ERROR(1, "a number with a unit needs quotes, as in \"10s\"")},
                {"defaults = { required = yes;\n wake_at_start = no; };",
                 ERROR(1, "a text needs quotes; only true, false and numbers stand without")
                         ERROR(2, "a text needs quotes; only true, false and numbers stand without")},
                {"databases = (\n{ name = \"x\"; },\n);",
                 ERROR(3, "a comma stands before the closing bracket; expected none behind the last element")},
                {"status = { listen = [ \"127.0.0.1:1\", ]; };",
                 ERROR(1, "a comma stands before the closing bracket; expected none behind the last element")},
                {"log = { level = \"info;\n};\nready = {\n", ERROR(1, "this text is not closed; expected a second \" on its line")
                                                                     ERROR(3, "\"{\" is not closed; expected \"}\" behind it")},
                {"log = {\n/* x\n\n",
                 ERROR(1, "\"{\" is not closed; expected \"}\" behind it") ERROR(2, "this comment is not closed; expected */ behind it")},
                {"databases = (\n{\n);", ERROR(3, "\")\" stands here; expected \"}\" for the \"{\" of line 2")},
                {"log = { };\n}", ERROR(2, "\"}\" closes nothing; expected a bracket that opens before it")},
                {"@include \"/etc/passwd\"",
                 ERROR(1, "@include is not known here; expected databases in files of their own, conf.d/*.conf")},
                {"log = { level = \"a\\x00b\"; };", ERROR(1, "a text cannot hold a NUL byte")},
                {"log = { };\nlog = { };", ERROR(2, "this key stands twice in its group; expected once")},
                {"a = [ 1,\n \"b\" ];", ERROR(2, "this list mixes kinds of values; expected one kind between [ and ]")},
                {"log\n", ERROR(2, "\"=\" is missing behind a key; expected key = value;")},
                {"log = {\nlevel \"info\"; };", ERROR(2, "\"=\" is missing behind a key; expected key = value;")},
                {"log = {\nlevel = ; };",
                 ERROR(2, "a value is missing here; expected a text in quotes, a number, true, false, or a bracket")},
                {"log = { level = \"info\";; };", ERROR(1, "a key is missing here; expected key = value;")},
                {"log = { \"level\" = \"info\"; };", ERROR(1, "a key is missing here; expected key = value;")},
                {"log = { level = \"info\" 3; };", ERROR(1, "this does not belong behind a value; expected \";\" and the next key")},
                {"databases = (\n{ name = \"a\"; }\n{ name = \"b\"; } );",
                 ERROR(3, "something stands between two elements; expected a comma there, and \")\" behind the last")},
                {"databases = [ { } ];", ERROR(1, "a bracket stands between [ and ]; expected texts, or ( and ) around groups")},
                {"log = %;", ERROR(1, "a sign stands here that means nothing; expected key = value")},
                {"a=(((((((((((((((((1)))))))))))))))));",
                 ERROR(1, "brackets are nested too deeply; nothing here goes deeper than databases = ( { expect = { } } )")},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
                assert_complaints(f, cases[i].content, cases[i].complaints);
        fixture_write_bytes(f, "pgwaked.conf", "log = {\n\0 };", 11, 0600);
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), -EINVAL);
        assert_string_equal(fixture_complaints(f), ERROR(2, "a NUL byte stands here; expected a text file"));
}

static void test_who_may_not_read_is_named(void **state) {
        struct fixture *f = *state;
        bool is_root = geteuid() == 0;
        const struct passwd *user;
        char expected[256];

        fixture_write_mode(f, "pgwaked.conf", "", 0);
        /* Root may read everything. The test's folder is nobody else's. */
        assert_true(!is_root || seteuid(65534) == 0);
        user = getpwuid(geteuid());
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), -EINVAL);
        if (user)
                (void)snprintf(expected, sizeof(expected), "pgwaked.conf: error: this file cannot be read: Permission denied for the user %s\n",
                               user->pw_name);
        else
                (void)snprintf(expected, sizeof(expected), "pgwaked.conf: error: this file cannot be read: Permission denied for the user with "
                               "the id %u\n", (unsigned)geteuid());
        assert_true(!is_root || seteuid(0) == 0);
        assert_non_null(strstr(fixture_complaints(f), expected));
}

static void test_files_that_cannot_be_read(void **state) {
        struct fixture *f = *state;

        assert_int_equal(fixture_load_file(f, "none.conf"), -EINVAL);
        assert_string_equal(fixture_complaints(f), "none.conf: error: this file cannot be read: No such file or directory\n");
        assert_int_equal(fixture_load_file(f, "home"), -EINVAL);
        assert_string_equal(fixture_complaints(f), "home: error: this file cannot be read: it is a folder; expected a file\n");
        assert_int_equal(mkfifo(fixture_path(f, "fifo"), 0600), 0);
        assert_int_equal(fixture_load_file(f, "fifo"), -EINVAL);
        assert_string_equal(fixture_complaints(f), "fifo: error: this file cannot be read: it is no regular file\n");
        fixture_write(f, "large.conf", "");
        assert_int_equal(truncate(fixture_path(f, "large.conf"), 100 * 1024 * 1024), 0);
        assert_int_equal(fixture_load_file(f, "large.conf"), -EINVAL);
        assert_string_equal(fixture_complaints(f), "large.conf: error: this file cannot be read: it is too large\n");
}

static void test_conf_d(void **state) {
        struct fixture *f = *state;

        fixture_write(f, "conf.d/20-b.conf", "databases = ( { name = \"b\"; conninfo = \"host=h\"; } );");
        fixture_write(f, "conf.d/10-a.conf", "databases = (\n{ name = \"a\"; conninfo = \"host=h\"; } );");
        fixture_write(f, "conf.d/ignored.txt", "nonsense");
        fixture_write(f, "conf.d/.hidden.conf", "nonsense");
        assert_complaints(f, "databases = ( { name = \"c\"; conninfo = \"host=h\"; } ); defaults = { fall = 7; };", "");
        assert_int_equal(f->config->n_databases, 3);
        assert_string_equal(f->config->databases[0].name, "c");
        assert_string_equal(f->config->databases[1].name, "a");
        assert_string_equal(f->config->databases[2].name, "b");
        assert_int_equal(f->config->databases[2].fall, 7);
        assert_string_equal(config_source_file(f->config, f->config->databases[1].source), fixture_path(f, "conf.d/10-a.conf"));
        assert_int_equal(f->config->databases[1].source.line, 2);
        assert_ptr_equal(config_database(f->config, "b"), &f->config->databases[2]);

        fixture_write(f, "conf.d/30-c.conf",
                      "defaults = { };\nstatus = { };\n\ndatabses = ( );\ndatabases = (\n{ name = \"c\"; conninfo = \"host=h\"; } );");
        fixture_write(f, "conf.d/20-b.conf", "databases = ( { name = \"b\";");
        assert_int_equal(mkdir(fixture_path(f, "conf.d/40.conf"), 0700), 0);
        assert_complaints(
                f, "databases = ( { name = \"c\"; conninfo = \"host=h\"; } );\nnonsense = 1;",
                "conf.d/20-b.conf:1: error: \"{\" is not closed; expected \"}\" behind it\n"
                "conf.d/20-b.conf:1: error: \"(\" is not closed; expected \")\" behind it\n"
                "conf.d/30-c.conf:1: error: \"defaults\" does not belong here; expected nothing but databases in a file of conf.d\n"
                "conf.d/30-c.conf:2: error: \"status\" does not belong here; expected nothing but databases in a file of conf.d\n"
                "conf.d/30-c.conf:4: error: unknown key \"databses\", did you mean \"databases\"?\n"
                "conf.d/30-c.conf:6: error: name: \"c\" is taken by pgwaked.conf:1; expected a name of its own\n"
                "conf.d/40.conf: error: this file cannot be read: it is a folder; expected a file\n"
                "pgwaked.conf:2: error: unknown key \"nonsense\"; pgwaked.conf(5) lists the known ones\n");
}

static const struct conninfo *connection(const struct fixture *f) {
        return f->config->databases[0].conninfo;
}

static void test_passwords(void **state) {
        struct fixture *f = *state;

        fixture_write(f, "credentials/main.password", "hunter2\n");
        fixture_write(f, "file", "hunter3\r\n");
        fixture_write_mode(f, "group", "two\nlines\n\n", 0640);
        assert_complaints(f, ONE_DATABASE "password_credential = \"main.password\"; } );", "");
        assert_string_equal(connection(f)->password, "hunter2");
        assert_int_equal(connection(f)->password_source, CONNINFO_PASSWORD_CREDENTIAL);
        assert_complaints(f, ONE_DATABASE "password_file = \"@/file\"; } );", "");
        assert_string_equal(connection(f)->password, "hunter3");
        assert_complaints(f, ONE_DATABASE "password_file = \"@/group\"; } );", "");
        assert_string_equal(connection(f)->password, "two\nlines\n");
        assert_complaints(f, "databases = ( { name = \"a\"; conninfo = \"postgresql://u:hunter4@h\"; } );", "");
        assert_string_equal(connection(f)->password, "hunter4");
        assert_null(conninfo_get(connection(f), "password"));
        assert_null(f->config->databases[0].conninfo_text);
        /* An entry's own settings override the defaults, in any combination. */
        assert_complaints(f, "defaults = { password_file = \"@/file\"; }; databases = ( { name = \"a\";\nconninfo = \"host=h\"; } );", "");
        assert_string_equal(connection(f)->password, "hunter3");
        assert_complaints(f, "defaults = { password_file = \"@/file\"; }; databases = ( { name = \"a\";\nconninfo = \"password=x\"; } );",
                          "");
        assert_string_equal(connection(f)->password, "x");
        assert_complaints(f, "defaults = { password_file = \"@/file\"; };\n" ONE_DATABASE "password_credential = \"main.password\"; } );",
                          "");
        assert_string_equal(connection(f)->password, "hunter2");
}

static void test_passwords_refused(void **state) {
        struct fixture *f = *state;
        static const struct {
                const char *entry, *complaints;
        } cases[] = {
                {"password_credential = \"none\";", ERROR(2, "password_credential: the file cannot be read: No such file or directory")},
                {"password_credential = \"../x\";",
                 ERROR(2, "password_credential: this is no credential's name; expected the name of a file in $CREDENTIALS_DIRECTORY, as "
                          "LoadCredential= gives it")},
                {"password_credential = \"\";", ERROR(2, "password_credential: this is empty; expected a text in quotes")},
                {"password_file = \"relative\";",
                 ERROR(2, "password_file: this path does not begin with \"/\"; expected an absolute path in quotes")},
                {"password_file = \"@/world\";",
                 ERROR(2,
                       "password_file: everybody on the machine can read or write the file (mode 0644); expected " FILE_PRIVATE)},
                {"password_file = \"@/empty\";", ERROR(2, "password_file: the file is empty; expected one that holds the password")},
                {"password_file = \"@/newline\";", ERROR(2, "password_file: the file is empty; expected one that holds the password")},
                {"password_file = \"@/nul\";",
                 ERROR(2, "password_file: the file holds a NUL byte; expected one that holds the password and nothing else")},
                {"password_file = \"@/large\";", ERROR(2, "password_file: the file cannot be read: it is too large")},
                {"password_file = \"@/home\";", ERROR(2, "password_file: the file cannot be read: it is a folder; expected a file")},
                {"password_file = \"@/good\"; password_credential = \"good\";",
                 ERROR(2, "password_file: password_credential stands beside it; expected one of the two")},
        };

        fixture_write(f, "credentials/good", "hunter2");
        fixture_write(f, "good", "hunter2");
        fixture_write_mode(f, "world", "hunter2", 0644);
        fixture_write(f, "empty", "");
        fixture_write(f, "newline", "\n");
        fixture_write_bytes(f, "nul", "hunter2\0x", 9, 0600);
        fixture_write(f, "large", "hunter2");
        assert_int_equal(truncate(fixture_path(f, "large"), 5000), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                char content[512];

                (void)snprintf(content, sizeof(content), ONE_DATABASE "\n%s } );", cases[i].entry);
                assert_complaints(f, content, cases[i].complaints);
        }
        assert_complaints(f, "databases = ( { name = \"a\"; conninfo = \"password=hunter2\";\npassword_file = \"@/good\"; } );",
                          ERROR(2, "password_file: conninfo already has a password; expected one of the two"));
        fixture_write(f, "passfile", "x");
        assert_complaints(f, "databases = ( { name = \"a\"; conninfo = \"passfile=@/passfile\";\npassword_file = \"@/good\"; } );",
                          ERROR(2, "password_file: conninfo already has a passfile; expected one of the two"));
        assert_complaints(f, "databases = ( { name = \"a\"; conninfo = \"postgresql://u:@h?password=\"; } );",
                          ERROR(1, "conninfo: the password is empty; leave it out where none is needed"));
}

static void test_a_password_in_an_open_file_is_refused(void **state) {
        static const char *const contents[] = {"password=hunter2", "sslpassword=hunter2", "postgresql://u:hunter2@h"};
        struct fixture *f = *state;

        for (size_t i = 0; i < ARRAY_LENGTH(contents); i++) {
                char content[256];

                (void)snprintf(content, sizeof(content), "databases = ( { name = \"a\";\nconninfo = \"%s\"; } );", contents[i]);
                fixture_write_mode(f, "pgwaked.conf", content, 0644);
                assert_int_equal(fixture_load_file(f, "pgwaked.conf"), -EINVAL);
                assert_string_equal(fixture_complaints(f),
                                    ERROR(2, "conninfo: a password stands in it, and everybody on the machine can read this file; expected "
                                             "password_credential, password_file, or a file of " FILE_PRIVATE));
                fixture_write_mode(f, "pgwaked.conf", content, 0640);
                assert_int_equal(fixture_load_file(f, "pgwaked.conf"), 0);
        }
        /* The one that matters is the file in which it stands. */
        fixture_write_mode(f, "pgwaked.conf", "# nothing\n", 0644);
        fixture_write_mode(f, "conf.d/a.conf", "databases = ( { name = \"a\"; conninfo = \"password=x\"; } );", 0600);
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), 0);
}

static void test_credentials_without_a_directory(void **state) {
        struct fixture *f = *state;

        free(f->environment.credentials_directory);
        f->environment.credentials_directory = NULL;
        assert_complaints(
                f, ONE_DATABASE "\npassword_credential = \"x\"; } );",
                ERROR(2, "password_credential: there is no $CREDENTIALS_DIRECTORY; expected LoadCredential=NAME:FILE in the unit"));
        f->environment.credentials_may_lack = true;
        assert_complaints(f, ONE_DATABASE "\npassword_credential = \"x\"; } );",
                          "pgwaked.conf:2: warning: password_credential: not checked: there is no $CREDENTIALS_DIRECTORY here\n");
}

static void test_services(void **state) {
        struct fixture *f = *state;

        fixture_write(f, "sysconf/pg_service.conf", "# system\n[main]\nhost=system\n[other]\nhost=other\nport=5433\n");
        assert_complaints(f, "databases = ( { name = \"a\"; service = \"other\"; } );", "");
        assert_string_equal(conninfo_get(connection(f), "host"), "other");
        assert_string_equal(conninfo_get(connection(f), "port"), "5433");
        fixture_write(f, "home/.pg_service.conf",
                      "\n  [main]  \n# comment\nhost=mine\n  user=me  \npassword=hunter2\nhost=second\n[main]\ndbname=never\n");
        assert_complaints(f, "databases = ( { name = \"a\"; conninfo = \"service=main user=given\"; } );", "");
        assert_string_equal(conninfo_get(connection(f), "host"), "mine");
        assert_string_equal(conninfo_get(connection(f), "user"), "given");
        assert_string_equal(conninfo_get(connection(f), "dbname"), "given");
        assert_string_equal(connection(f)->password, "hunter2");
        assert_int_equal(connection(f)->password_source, CONNINFO_PASSWORD_SERVICE);
        assert_null(conninfo_get(connection(f), "service"));
        f->environment.pgservicefile = strdup(fixture_path(f, "services"));
        assert_complaints(f, "databases = ( { name = \"a\";\nservice = \"main\"; } );",
                          ERROR(2, "service: services cannot be read: No such file or directory"));
        fixture_write_mode(f, "services", "[main]\nhostt=x\nhost = x\nnonsense\nservice=y\n[ldap]\nldap://x\n[open]\n\npassword=hunter2\n",
                           0644);
        assert_complaints(
                f,
                "databases = ( { name = \"a\"; service = \"main\"; }, { name = \"b\"; service = \"ldap\"; },\n"
                "{ name = \"c\"; service = \"open\"; }, { name = \"d\"; service = \"none\"; } );",
                "pgwaked.conf:2: error: service: no such section in services or sysconf/pg_service.conf; expected [NAME] there\n"
                "services:2: error: unknown keyword, did you mean host?\n"
                "services:3: error: unknown keyword, did you mean host?\n"
                "services:4: error: this line is no setting; expected keyword=value\n"
                "services:5: error: a service cannot name another one; expected the connection's own keywords\n"
                "services:7: error: a service cannot be looked up by LDAP here; expected keyword=value\n"
                "services:10: error: a password stands here, and everybody on the machine can read or write the file (mode 0644); "
                "expected mode 0600, or password_credential\n");
        fixture_write_bytes(f, "services", "[other]\nhost=x\n[main]\nhost=h\0x\n", 31, 0600);
        assert_complaints(f, "databases = ( { name = \"a\"; service = \"main\"; } );",
                          "services:4: error: a NUL byte stands here; expected a text file\n");
}

static void test_equal(void **state) {
        static const struct {
                const char *other;
                bool equal;
        } cases[] = {
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x\"; } );", true},
                {"databases = (\n\n{ conninfo = \"postgresql://u:x@h:5432\"; name = \"a\"; fall = 3; } );", true},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u\"; password_file = \"@/x\"; } );", true},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u\"; password_file = \"@/y\"; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u\"; } );", false},
                {"databases = ( { name = \"b\"; conninfo = \"host=h user=u password=x\"; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=i user=u password=x\"; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x options=x\"; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x\"; fall = 4; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x\"; expect: { primary = false; }; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x\"; expect: { query = \"SELECT 1\"; }; } );", false},
                {"databases = ( { name = \"a\"; conninfo = \"host=h user=u password=x\"; provider = \"neon\"; } );", false},
        };
        struct fixture *f = *state;
        struct config *first;

        fixture_write(f, "x", "x\n");
        fixture_write(f, "y", "y\n");
        assert_complaints(f, cases[0].other, "");
        first = f->config;
        f->config = NULL;
        for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
                assert_complaints(f, cases[i].other, "");
                assert_int_equal(database_config_equal(&first->databases[0], &f->config->databases[0]), cases[i].equal);
        }
        config_free(first);
}

/* The dump without the places, which name the file that it is read from. */
static char *dump_values(const struct config *config) {
        struct buffer all = {0}, out = {0};

        config_dump(config, &all);
        for (char *line = all.data, *end; (end = strchr(line, '\n')); line = end + 1) {
                char *comment;

                *end = '\0';
                comment = strstr(line, " //");
                if (comment)
                        *comment = '\0';
                /* What was only a comment says where something comes from, as well. */
                if (line[strspn(line, " ")])
                        buffer_printf(&out, "%s\n", line);
        }
        buffer_deinit(&all);
        return buffer_steal(&out);
}

static void test_dump(void **state) {
        struct fixture *f = *state;
        struct buffer out = {0};
        char place[128], *values, *again;

        fixture_write(f, "credentials/x", "hunter2");
        fixture_write(f, "home/.pg_service.conf", "[s]\nhost=sh\npassword=hunter2\n");
        assert_complaints(
                f,
                "status = { listen = [ \"127.0.0.1:1\" ]; };\ndefaults = { jitter = \"1.5%\"; };\n"
                "databases = ( { name = \"a\"; conninfo = \"postgresql://u@h/d?options=-c%20x%3D%22&sslpassword=hunter2\";\n"
                "password_credential = \"x\"; budget: { awake_hours = 0.001; }; expect: { query = \"SELECT \\\"a\\\\b\\\"\"; }; },\n"
                "{ name = \"b\"; service = \"s\"; },\n{ name = \"c\"; conninfo = \"host=h password=hunter2\"; } );\n", "");
        config_dump(f->config, &out);
        assert_null(strstr(out.data, "hunter2"));
        assert_non_null(strstr(out.data, "\n        control = \"/run/pgwaked/control.sock\"; // default\n"));
        (void)snprintf(place, sizeof(place), "        listen = [ \"127.0.0.1:1\" ]; // %s:1\n", fixture_path(f, "pgwaked.conf"));
        assert_non_null(strstr(out.data, place));
        (void)snprintf(place, sizeof(place), "jitter = \"1.5%%\"; // %s:2\n", fixture_path(f, "pgwaked.conf"));
        assert_non_null(strstr(out.data, place));
        assert_non_null(strstr(out.data, "conninfo = \"host=h port=5432 dbname=d user=u options='-c x=\\\"'\"; //"));
        assert_non_null(strstr(out.data, "// port: libpq's default\n"));
        assert_non_null(strstr(out.data, "// sslpassword: hidden\n"));
        assert_non_null(strstr(out.data, "// password: hidden, from the credential\n"));
        assert_non_null(strstr(out.data, "service = \"s\"; //"));
        assert_non_null(strstr(out.data, "// connection = \"host=sh port=5432 dbname=tester user=tester\" //"));
        assert_non_null(strstr(out.data, "// password: hidden, from the service file\n"));
        assert_non_null(strstr(out.data, "awake_hours = 0.001;"));
        /* It can be loaded, and then says the same. */
        values = dump_values(f->config);
        fixture_write_bytes(f, "dump.conf", out.data, out.size, 0600);
        assert_int_equal(fixture_load_file(f, "dump.conf"), 0);
        again = dump_values(f->config);
        assert_string_equal(again, values);
        free(values);
        free(again);
        buffer_deinit(&out);
}

static void test_ten_thousand_databases(void **state) {
        struct fixture *f = *state;
        struct buffer content = {0};
        uint64_t begin;

        buffer_append_string(&content, "databases = (");
        for (unsigned i = 0; i < CONFIG_DATABASES_MAX; i++)
                buffer_printf(&content, "%s\n{ name = \"db-%u\"; conninfo = \"postgresql://app@h%u/app?sslmode=require\"; fall = 4; }",
                              i ? "," : "", i, i);
        buffer_append_string(&content, ");\n");
        fixture_write_bytes(f, "pgwaked.conf", content.data, content.size, 0600);
        begin = clock_monotonic_usec();
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), 0);
        print_message("10,000 databases in %u ms\n", (unsigned)((clock_monotonic_usec() - begin) / USEC_PER_MSEC));
        assert_int_equal(f->config->n_databases, CONFIG_DATABASES_MAX);
        for (unsigned i = 0; i < CONFIG_DATABASES_MAX; i++)
                assert_ptr_equal(config_database(f->config, f->config->databases[i].name), &f->config->databases[i]);
        assert_null(config_database(f->config, "db-10000"));
        /* One more is refused, once. */
        content.size -= strlen(");\n");
        buffer_append_string(&content, ",\n{ name = \"x\"; },\n{ name = \"y\"; } );\n");
        fixture_write_bytes(f, "pgwaked.conf", content.data, content.size, 0600);
        assert_int_equal(fixture_load_file(f, "pgwaked.conf"), -EINVAL);
        assert_string_equal(fixture_complaints(f), ERROR(10002, "databases: these are too many; expected at most 10000"));
        buffer_deinit(&content);
}

static void test_takes_the_environment(void **state) {
        struct config_environment environment = {0};

        (void)state;
        assert_int_equal(setenv("PGHOST", "x", 1), 0);
        assert_int_equal(setenv("PGPASSWORD", "hunter2", 1), 0);
        assert_int_equal(setenv("PGSSLMODE", "disable", 1), 0);
        assert_int_equal(setenv("PGPASSFILE", "/pass", 1), 0);
        assert_int_equal(setenv("PGSERVICEFILE", "", 1), 0);
        assert_int_equal(setenv("PGTZ", "UTC", 1), 0);
        assert_int_equal(setenv("PGWAKE_SOCKET", "/x", 1), 0);
        assert_int_equal(setenv("HOME", "/nowhere", 1), 0);
        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/creds", 1), 0);
        assert_int_equal(config_environment_take(&environment), 0);
        assert_string_equal(environment.pgpassfile, "/pass");
        assert_null(environment.pgservicefile);
        assert_string_equal(environment.home, "/nowhere");
        assert_string_equal(environment.credentials_directory, "/creds");
        assert_null(getenv("PGHOST"));
        assert_null(getenv("PGPASSWORD"));
        assert_null(getenv("PGSSLMODE"));
        assert_null(getenv("PGPASSFILE"));
        assert_null(getenv("PGSERVICEFILE"));
        assert_null(getenv("PGTZ"));
        assert_non_null(getenv("PGWAKE_SOCKET"));
        config_environment_deinit(&environment);
}

int main(void) {
#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                FIXTURE(test_nothing_configured_is_fine),
                FIXTURE(test_reads_every_key),
                FIXTURE(test_complaints),
                FIXTURE(test_syntax_errors),
                FIXTURE(test_files_that_cannot_be_read),
                FIXTURE(test_who_may_not_read_is_named),
                FIXTURE(test_conf_d),
                FIXTURE(test_passwords),
                FIXTURE(test_passwords_refused),
                FIXTURE(test_a_password_in_an_open_file_is_refused),
                FIXTURE(test_credentials_without_a_directory),
                FIXTURE(test_services),
                FIXTURE(test_equal),
                FIXTURE(test_dump),
                FIXTURE(test_ten_thousand_databases),
                cmocka_unit_test(test_takes_the_environment),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
