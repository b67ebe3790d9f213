"""The configuration through the real binary: what is refused, what is told, and what really logs in."""

import os
import pwd
import re
import time

import pytest

from rig import configuration
from rig.build import counted
from rig.patience import until
from rig.unixhttp import request

FAST = {"ping_interval": "200ms", "login_interval": "30s", "retry_interval": "100ms", "down_interval": "200ms",
        "attempt_timeout": "5s"}


def line_of(path, text):
    """The number of the first line with this text."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def write(path, text, mode=0o600):
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------------------------------------- what is refused


@pytest.fixture(name="broken")
def broken_configuration(make_daemon, make_fake):
    """A daemon with one good database, at a fake that counts, and every mistake there is."""
    fake = make_fake()
    daemon = make_daemon(text="")
    secret = write(daemon.folder / "world.password", "geheim\n", 0o644)
    daemon.configure(text=f"""status = {{ socket = "@FOLDER@/status.sock"; control = "@FOLDER@/control.sock"; awake_dir = "@FOLDER@/awake"; }};
limits = {{ attempts_in_flight = 100000; }};
ready = {{ on = "later"; }};
defaults = {{ ping_intervall = "10s"; }};
databases = (
  {{ name = "good"; conninfo = "{fake.conninfo()}"; }},
  {{ name = "many"; conninfo = "host=a.example,b.example user=app"; }},
  {{ name = "uri"; conninfo = "postgresql://app@a.example:1,b.example:2/app"; }},
  {{ name = "exposed"; conninfo = "host=c.example user=app";
     password_file = "{secret}"; }},
  {{ name = "twice"; conninfo = "host=d.example user=app"; }},
  {{ name = "twice"; conninfo = "host=e.example user=app"; }},
  {{ name = "duration"; conninfo = "host=f.example user=app";
     ping_interval = "10 parsecs"; retry_interval = "5"; slow = "1ms"; }},
  {{ name = "integer"; conninfo = "host=g.example user=app";
     rise = 0; fall = 101; required = 7; }},
  {{ name = "unknown"; conninfo = "host=h.example user=app";
     pollicy = "observe"; expect = {{ reed_only = true; }}; }},
  {{ name = "Upper"; conninfo = "host=i.example user=app"; }},
  {{ conninfo = "host=j.example user=app"; }},
  {{ name = "nowhere"; }},
  {{ name = "keyword"; conninfo = "hots=k.example"; }},
  {{ name = "choice"; conninfo = "host=l.example user=app"; policy = "on-demnd"; provider = "neno"; }},
  {{ name = "missing"; conninfo = "host=m.example user=app"; password_file = "@FOLDER@/none"; }}
);
statsu = {{ }};
""")
    (daemon.folder / "conf.d").mkdir()
    write(daemon.folder / "conf.d" / "open.conf", """// This file can be read by others.
databases = ( { name = "inline"; conninfo = "postgresql://app:geheim@n.example/app"; },
              { name = "good"; conninfo = "host=o.example user=app"; } );
log = { level = "debug"; };
""", 0o644)
    daemon.fake = fake
    return daemon


# Where it stands, and words that must be in the complaint.
MISTAKES = [
    ("limits =", ["limits.attempts_in_flight", "from 1 to 1024"]),
    ("ready =", ["ready.on", '"awake"', '"verdict"', '"start"']),
    ("defaults =", ['"ping_intervall"', 'did you mean "ping_interval"']),
    ('name = "many"', ["more than one", "its own name"]),
    ('name = "uri"', ["more than one", "its own name"]),
    ("password_file = \"/", ["everybody", "0644", "0600"]),
    ("host=e.example", ['"twice"', "taken"]),
    ("10 parsecs", ["ping_interval", "no duration"]),
    ("10 parsecs", ["retry_interval", "unit"]),
    ("10 parsecs", ["slow", '"10ms"']),
    ("rise = 0", ["rise", "from 1 to 100"]),
    ("rise = 0", ["fall", "from 1 to 100"]),
    ("rise = 0", ["required", "true or false"]),
    ("pollicy", ['"pollicy"', 'did you mean "policy"']),
    ("pollicy", ['"reed_only"', 'did you mean "read_only"']),
    ('"Upper"', ["name", "a-z"]),
    ("host=j.example", ["no name"]),
    ('"nowhere"', ["no connection", "conninfo", "service"]),
    ("hots=", ["did you mean host"]),
    ("on-demnd", ["policy", '"on-demand"']),
    ("on-demnd", ["provider", '"neon"']),
    ("@FOLDER@/none", ["password_file", "No such file"]),
    ("statsu", ['"statsu"', 'did you mean "status"']),
]
MISTAKES_BESIDE = [
    ('name = "inline"', ["a password stands in it", "password_file"]),
    ("host=o.example", ['"good"', "taken"]),
    ("log =", ['"log"', "conf.d"]),
]


def expect_complaints(daemon, lines):
    """Each mistake has a line of its own, that begins with file:line and says what was wrong and what would be right."""
    beside = daemon.folder / "conf.d" / "open.conf"
    left = list(lines)
    for path, mistakes in ((daemon.config_path, MISTAKES), (beside, MISTAKES_BESIDE)):
        for where, words in mistakes:
            place = f"{path}:{line_of(path, where.replace('@FOLDER@', str(daemon.folder)))}: error: "
            found = [line for line in left if place in line and all(word in line for word in words)]
            assert len(found) == 1, (place, words, left)
            left.remove(found[0])
    return left


def test_every_mistake_is_told_at_once_with_its_place_and_nothing_is_started(broken):
    done = broken.run()
    assert done.returncode == 78 and done.stdout == ""
    messages = [entry["message"] for entry in map(parse_entry, done.stderr.splitlines())]
    rest = expect_complaints(broken, messages)
    assert len(rest) == 1 and "nothing is started" in rest[0]
    for path in (broken.status_socket, broken.control_socket, broken.awake_dir):
        assert not path.exists()
    assert broken.fake.seen == []
    assert "geheim" not in done.stderr
    assert broken.notify.notes == []


def parse_entry(line):
    from rig import logs
    entry = logs.parse_line(line)
    assert entry is not None and entry["level"] == "err", line
    return entry


@pytest.mark.parametrize("mode", ["--check-config", "--dump-config"])
def test_check_and_dump_tell_the_same_and_refuse_too(broken, mode):
    done = broken.run(mode)
    assert done.returncode == 78 and done.stdout == ""
    assert expect_complaints(broken, done.stderr.splitlines()) == []
    assert broken.fake.seen == [] and "geheim" not in done.stderr


def test_the_complaints_come_in_the_order_of_the_lines(broken):
    places = [re.match(r"(.*?):(\d+): ", line) for line in broken.run("--check-config").stderr.splitlines()]
    found = [(place[1], int(place[2])) for place in places]
    assert found == sorted(found)


@pytest.mark.parametrize("text, words", [
    ("databases = (", ["1: error"]),
    ("log = { level = \"info\" }; }", ["1: error"]),
    ("log = { level = \"info\"; level = \"debug\"; };", ["1: error", "twice"]),
    ("\n\nlog = [ 1, \"x\" ];", ["3: error"]),
    ("log = \"info\";", ["1: error", "log", "group"]),
    ("databases = 7;", ["1: error", "databases"]),
    ("databases = ( 7 );", ["1: error", "databases"]),
    ("name = \"main\";", ["1: error", "key of a database"]),
    ("log = { level = \"\\xff\"; };", ["1: error", "log.level"]),
    ("@include \"/etc/passwd\"", ["1: error"]),
])
def test_what_is_no_configuration_is_refused_with_its_line(make_daemon, text, words):
    daemon = make_daemon(text=text)
    done = daemon.run("--check-config")
    assert done.returncode == 78
    assert all(word in done.stderr for word in [f"{daemon.config_path}:", *words]), done.stderr
    assert "root:" not in done.stderr


def test_a_second_daemon_on_the_same_sockets_ends_and_the_first_goes_on(make_daemon):
    first = make_daemon().start()
    second = make_daemon()
    second.configure(text=first.config_path.read_text())
    second.start(wait=False)
    assert second.wait_exit() == 1
    assert str(first.status_socket) in second.output() and "in use" in second.output()
    assert first.get("/livez", "status").status == 200 and first.get("/livez").status == 200


def test_an_address_that_is_taken_or_not_ours_ends_with_1_and_names_it(make_daemon, make_fake):
    fake = make_fake()
    for address in (f"127.0.0.1:{fake.port}", "192.0.2.1:80"):
        daemon = make_daemon(settings={"status": {"listen": [address]}})
        daemon.start(wait=False)
        assert daemon.wait_exit() == 1
        assert address in daemon.output()
        assert not daemon.status_socket.exists() and not daemon.control_socket.exists()


# ---------------------------------------------------------------------------------------------------------------- what is good


@pytest.mark.parametrize("text", ["", "// nothing\n", "databases = ();\n", "databases: [];\n"])
def test_with_no_database_it_starts_is_ready_and_says_so(make_daemon, text):
    sockets = ('status = { socket = "@FOLDER@/status.sock"; control = "@FOLDER@/control.sock"; awake_dir = "@FOLDER@/awake"; };\n'
               'history = { path = "@FOLDER@/history.db"; };\n')
    daemon = make_daemon(text=sockets + text).start()
    ready = daemon.notify.wait("READY", "1")
    assert "no databases are configured" in ready.fields["STATUS"]
    assert daemon.wait_log(message="pgwaked 0.1.0 watches 0 databases")
    status, _, document = daemon.get("/readyz", "status")
    assert status == 200 and document["ready"] is True and document["databases"] == []
    assert daemon.get("/status").json["databases"] == []
    code, seconds = daemon.stop()
    assert code == 0
    print(f"stopped in {seconds * 1000:.0f} ms")
    assert not daemon.status_socket.exists() and not daemon.control_socket.exists()


PRIVATE_FOLDERS = ["unshare", "--mount", "sh", "-c",
                   'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir /var/lib/pgwaked && exec "$@"', "sh"]


@pytest.mark.skipif(os.geteuid() != 0, reason="private folders need root")
def test_the_shipped_configuration_starts_with_its_own_paths(make_daemon):
    shipped = (configuration.Path(__file__).resolve().parents[2] / "etc" / "pgwaked.conf").read_text()
    daemon = make_daemon(text=shipped, prefix=PRIVATE_FOLDERS)
    daemon.start(wait=False)
    assert "no databases" in daemon.notify.wait("READY", "1").fields["STATUS"]
    inside = configuration.Path(f"/proc/{daemon.pid}/root/run/pgwaked")
    assert {each.name for each in inside.iterdir()} == {"status.sock", "control.sock", "awake"}
    assert configuration.Path(f"/proc/{daemon.pid}/root/var/lib/pgwaked/history.db").exists()
    assert request(inside / "status.sock", "/readyz").status == 200
    assert not daemon.log_entries(level="warning") and not daemon.log_entries(level="err")
    assert daemon.stop()[0] == 0
    checked = daemon.run("--check-config")
    assert checked.returncode == 0 and checked.stderr == ""


def test_files_of_conf_d_add_databases_and_others_are_left_alone(make_daemon, make_fake):
    fake = make_fake("asks-password")
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo()}], settings={"defaults": {"ping_interval": "7s"}})
    folder = daemon.folder / "conf.d"
    folder.mkdir()
    for name in ("b", "a"):
        write(folder / f"{name}.conf", f'databases = ( {{ name = "{name}"; conninfo = "{fake.conninfo()}"; }} );')
    write(folder / "c.conf.old", "rubbish")
    write(folder / ".hidden.conf", "rubbish")
    write(folder / "nothing.conf", "# nothing here yet\n")
    daemon.start()
    assert [each["name"] for each in daemon.get("/status").json["databases"]] == ["a", "b", "main"]
    dump = daemon.run("--dump-config").stdout
    assert f"// {folder}/a.conf:1" in dump
    assert len(re.findall(rf'ping_interval = "7s"; // {daemon.config_path}:', dump)) == 3  # defaults hold for them too


def test_an_empty_file_is_one_that_a_writer_was_caught_at(make_daemon, make_fake):
    """Without this a reload in the middle of a write removes the databases of the file, with their leases."""
    fake = make_fake("asks-password")
    daemon = make_daemon()
    (daemon.folder / "conf.d").mkdir()
    path = write(daemon.folder / "conf.d" / "main.conf", f'databases = ( {{ name = "main"; conninfo = "{fake.conninfo()}"; }} );')
    daemon.start()
    path.write_text("")
    answer = daemon.reload()
    assert answer.status == 422
    complaint, = answer.json["complaints"]
    assert complaint["file"] == str(path) and complaint["severity"] == "error" and "empty" in complaint["message"]
    assert daemon.status("main")["name"] == "main"
    daemon.config_path.write_text("")
    refused = daemon.run("--check-config")
    assert refused.returncode == 78 and f"{daemon.config_path}: error: this file is empty" in refused.stderr


def test_what_everybody_can_write_is_refused(make_daemon):
    daemon = make_daemon()
    (daemon.folder / "conf.d").mkdir()
    path = write(daemon.folder / "conf.d" / "main.conf", "# nothing\n")
    assert daemon.run("--check-config").returncode == 0
    for each in (path, daemon.config_path):
        each.chmod(0o602)
        refused = daemon.run("--check-config")
        assert refused.returncode == 78
        assert f"{each}: error: everybody on the machine can write this file (mode 0602); expected mode 0600" in refused.stderr
        each.chmod(0o644)


@pytest.mark.parametrize("group, key, value, words", [
    ("status", "listen", ["*:9817"], ["0.0.0.0", "[::]"]),
    ("status", "agent_listen", ["*:9817"], ["0.0.0.0", "[::]"]),
    ("history", "path", "//x", ['"//"', "absolute path"]),
    ("status", "awake_dir", "//run/awake", ['"//"', "absolute path"]),
])
def test_what_would_listen_or_be_written_elsewhere_is_refused_at_the_check(make_daemon, group, key, value, words):
    daemon = make_daemon(settings={group: {key: value}})
    refused = daemon.run("--check-config")
    assert refused.returncode == 78 and f"{group}.{key}: " in refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr


@pytest.mark.parametrize("what, more", [
    ("$", 2_000_000 - 100),
    ("status = { unknwon = 1; };\n", None),
    ("databases = ( { name = 7; } );\n", None),
])
def test_a_file_of_another_kind_is_complained_about_a_hundred_times(make_daemon, what, more):
    daemon = make_daemon(text=what)
    once = daemon.run("--check-config")
    daemon.configure(text=what * (2_000_000 // len(what)))
    refused = daemon.run("--check-config", timeout=60)
    lines = refused.stderr.splitlines()
    assert refused.returncode == 78 and 1 <= len(lines) <= 101
    if more:
        assert len(lines) == 101 and lines[-1] == f"{daemon.config_path}: error: {more} more of this file are not listed"
    print(f"{refused.seconds:.3f} s, one of them in {once.seconds:.3f} s")
    assert refused.seconds < max(once.seconds, 0.01) * 100 or counted()


def test_two_hundred_thousand_keys_in_one_group_are_not_compared_with_each_other(make_daemon):
    daemon = make_daemon(text="status = { k0 = 1; };")
    once = daemon.run("--check-config")
    keys = "".join(f"k{i} = 1;\n" for i in range(200_000))
    for text in (f"status = {{ {keys} }};", keys, f"databases = ( {{ {keys} }} );", f"defaults = {{ {keys.replace(';', '')} }};"):
        daemon.configure(text=text)
        refused = daemon.run("--check-config", timeout=60)
        assert refused.returncode == 78 and "more keys in one group than there are" in refused.stderr
        assert refused.seconds < max(once.seconds, 0.01) * 100 or counted()


def test_complaints_about_one_file_leave_room_for_those_about_others(make_daemon):
    daemon = make_daemon(text="".join(f'u{i} = 1;\n' for i in range(150)))
    (daemon.folder / "conf.d").mkdir()
    other = write(daemon.folder / "conf.d" / "other.conf", "databases = ( 7 );")
    refused = daemon.run("--check-config")
    lines = refused.stderr.splitlines()
    assert [line for line in lines if line.startswith(f"{other}:1: error: ")] and len(lines) == 102
    assert f"{daemon.config_path}: error: 50 more of this file are not listed" in lines


def test_ten_thousand_databases_are_read_in_no_time(make_daemon):
    entries = ",\n".join(f'  {{ name = "db{i}"; conninfo = "host=192.0.2.1 port={1 + i} user=app dbname=app"; }}' for i in range(10_000))
    daemon = make_daemon(entries.split(",\n  { name = \"db1000\"", 1)[0])
    thousand = daemon.run("--check-config", timeout=60)
    assert thousand.returncode == 0 and "1000 databases" in thousand.stdout, thousand.stderr[:400]
    daemon.configure(entries)
    done = daemon.run("--check-config", timeout=60)
    assert done.returncode == 0 and "10000 databases" in done.stdout, done.stderr[:400]
    print(f"10,000 databases checked in {done.seconds:.2f} s, 1000 in {thousand.seconds:.2f} s")
    assert done.seconds < 40 * thousand.seconds  # were each compared with each it would be a hundred times
    daemon.configure(entries + ',\n  { name = "one-more"; conninfo = "host=192.0.2.1 user=app"; }')
    done = daemon.run("--check-config", timeout=60)
    assert done.returncode == 78 and "at most 10000" in done.stderr


def test_check_config_says_what_it_will_cost_and_connects_to_nothing(make_daemon, make_fake):
    fake = make_fake()
    databases = [{"name": "here", "conninfo": fake.conninfo()},
                 {"name": "sleepy", "conninfo": "host=ep-a-1.eu-central-1.aws.neon.tech user=app dbname=app sslmode=require"},
                 {"name": "dear", "policy": "keep-awake", "conninfo": "host=ep-b-2.eu-central-1.aws.neon.tech user=app dbname=app sslmode=require"}]
    daemon = make_daemon(databases)
    done = daemon.run("--check-config")
    assert done.returncode == 0
    assert re.search(r"^dear: .* 730 hours a month$", done.stdout, re.M)
    assert re.search(r"^sleepy: .* 0 hours a month; a wake for somebody is at least 6min \(linger 1min, then 5min until it sleeps\)$",
                     done.stdout, re.M)
    assert "3 databases, 2 of which may sleep" in done.stdout
    warned, = done.stderr.splitlines()
    assert warned.startswith(f"{daemon.config_path}:{line_of(daemon.config_path, 'dear') - 1}: warning: ") and "730 hours" in warned
    assert fake.seen == []


@pytest.mark.parametrize("settings, warning", [
    ({"ping_interval": "5min"}, "a lease would not keep it awake: ping_interval 5min is not below the 5min after which neon suspends it"),
    ({"ping_interval": "2s", "suspend_after": "1s"},
     "a lease would not keep it awake: ping_interval 2s is not below the 1s after which neon suspends it"),
    ({"provider": "aurora", "login_interval": "10min"},
     "a lease would not keep it awake: login_interval 10min is not below the 5min after which aurora suspends it"),
    ({"policy": "keep-awake", "budget": {"awake_hours": 365}}, "spends the budget of 365 hours by day 16 of the month"),
    ({"provider": "postgres", "budget": {"awake_hours": 10}}, "budget.awake_hours would stop its checks, and save nothing"),
])
def test_check_config_warns_of_what_will_disappoint(make_daemon, settings, warning):
    conninfo = "host=ep-a-1.eu-central-1.aws.neon.tech user=app dbname=app sslmode=require"
    daemon = make_daemon([{"name": "main", "conninfo": conninfo, **settings}])
    done = daemon.run("--check-config")
    assert done.returncode == 0 and warning in done.stderr, done.stderr
    if "budget" in settings and "provider" not in settings:
        assert re.search(r"730 hours a month; budget 365 hours$", done.stdout, re.M)


# ---------------------------------------------------------------------------------------------------------------- the dump


def without_sources(dump):
    return re.sub(r" // (default|/.*:\d+)$", "", dump, flags=re.M)


def test_the_dump_shows_every_value_with_its_place_and_can_be_loaded_again(make_daemon):
    daemon = make_daemon(text="", env={"PGSERVICEFILE": "@"})
    services = write(daemon.folder / "services", "[behind]\nhost=s.example\nuser=app\npassword=geheim-service\n")
    password = write(daemon.folder / "password", "geheim-file\n")
    daemon.env["PGSERVICEFILE"] = str(services)
    daemon.configure(text=f"""log = {{ level = "debug"; }};
defaults = {{ ping_interval = "7s";
             expect = {{ primary = true; }}; }};
databases = (
  {{ name = "inline"; conninfo = "postgresql://app:geheim-inline@a.example/da%20ta?sslmode=require";
    fall = 5; jitter = "2.5%"; budget = {{ awake_hours = 12.5; }}; }},
  {{ name = "file"; conninfo = "host='b.example' user=app application_name='it''s \\\\\\\\ \\"quoted\\"'"; password_file = "{password}"; }},
  {{ name = "service"; service = "behind"; }} );
""".replace("''s", "\\\\'s"))
    done = daemon.run("--dump-config")
    assert done.returncode == 0, done.stderr
    assert "geheim" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for text, source in (('level = "debug";', f"{daemon.config_path}:1"), ('format = "auto";', "default"),
                         ('ping_interval = "7s";', f"{daemon.config_path}:2"), ("primary = true;", f"{daemon.config_path}:3"),
                         ('name = "inline";', f"{daemon.config_path}:5"), ("fall = 5;", f"{daemon.config_path}:6"),
                         ('jitter = "2.5%";', f"{daemon.config_path}:6"), ("awake_hours = 12.5", f"{daemon.config_path}:6"),
                         ('linger = "1min";', "default"), ('socket = "/run/pgwaked/status.sock";', "default")):
        assert any(text in line and line.endswith(f" // {source}") for line in lines), (text, source)
    assert done.stdout.count("// password: hidden, from the ") == 3
    # Each value that is set has its place.
    values = [line for line in lines if re.search(r"=.*;", line)]
    assert len(values) > 70 and all(re.search(r"// (default|/\S+:\d+)$", line) for line in values)

    again = make_daemon(text=done.stdout, env=daemon.env)
    checked = again.run("--check-config")
    assert checked.returncode == 0, checked.stderr
    twice = again.run("--dump-config").stdout
    notes = re.compile(r"^ *// \w+: .*\n", re.M)  # where a part of the connection came from: given, the second time
    first = notes.sub("", without_sources(done.stdout))
    assert notes.sub("", without_sources(twice)) == first
    assert again.run("--dump-config", "-c", str(write(again.folder / "third.conf", twice))).returncode == 0


# ---------------------------------------------------------------------------------------------------------------- what really logs in


def entry(name, conninfo, **more):
    return {"name": name, "conninfo": conninfo, **FAST, **more}


def test_every_way_to_a_password_logs_in_with_scram(make_daemon, cluster):
    """One daemon, a database for each way; the server takes nothing but SCRAM."""
    odd = "p@ss:w/ rd%'\\ä"
    cluster.create_app("odd", None, None)
    cluster.sql("ALTER ROLE odd PASSWORD %s", odd)
    bare = cluster.conninfo(password=None)
    daemon = make_daemon()
    credentials = daemon.folder / "credentials"
    credentials.mkdir()
    write(credentials / "app.password", "secret\n", 0o444)  # systemd's are, in a folder that nobody else can enter
    line = f"{cluster.host}:{cluster.port}:app:app:secret\n"
    passfile = write(daemon.folder / "passfile", "# comment\nother:1:a:b:c\n" + line)
    write(daemon.folder / ".pgpass", line)
    services = write(daemon.folder / "services", f"[with]\nhost={cluster.host}\nport={cluster.port}\nuser=app\ndbname=app\n"
                     f"password=secret\n[without]\nhost={cluster.host}\nport={cluster.port}\nuser=app\ndbname=app\n")
    daemon.env.update(CREDENTIALS_DIRECTORY=str(credentials), PGSERVICEFILE=str(services), PGPASSWORD="wrong", PGHOST="wrong")
    encoded = "p%40ss%3Aw%2F%20rd%25%27%5C%C3%A4"
    daemon.configure([
        entry("inline", cluster.conninfo()),
        entry("uri", f"postgresql+asyncpg://odd:{encoded}@{cluster.host}:{cluster.port}/app"),
        entry("credential", bare, password_credential="app.password"),
        entry("file", bare, password_file=str(write(daemon.folder / "lf", "secret\n"))),
        entry("file-bare", bare, password_file=str(write(daemon.folder / "bare", "secret", 0o640))),
        entry("file-crlf", bare, password_file=str(write(daemon.folder / "crlf", "secret\r\n", 0o400))),
        entry("file-odd", cluster.conninfo("odd", None), password_file=str(write(daemon.folder / "odd", odd + "\n"))),
        entry("passfile", f"{bare} passfile='{passfile}'"),
        entry("home", bare),
        {"name": "service", "service": "with", **FAST},
        {"name": "service-file", "service": "without", "password_file": str(daemon.folder / "lf"), **FAST},
        entry("service-inside", "service=with"),
        entry("service-uri", "postgresql:///?service=with"),
        entry("over-service", f"postgresql://odd:{encoded}@/?service=with"),
        entry("wrong", bare, password_file=str(write(daemon.folder / "wrong", "false\n"))),
        entry("none", f"{bare} passfile='{write(daemon.folder / 'unfit', 'other:1:a:b:c')}'"),
    ])
    daemon.start()
    for each in daemon.get("/status").json["databases"]:
        name = each["name"]
        if name in ("wrong", "none"):
            assert daemon.wait_state(name, "blocked")["reason"] == "auth.password"
        else:
            daemon.wait_state(name, "awake")
    users = dict(cluster.sql("SELECT usename, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'postgres'"
                             " GROUP BY 1"))
    assert users == {"app": 11, "odd": 3}


def test_pgpassfile_of_the_environment_goes_before_the_one_at_home(make_daemon, cluster):
    daemon = make_daemon([entry("main", cluster.conninfo(password=None))])
    write(daemon.folder / ".pgpass", "*:*:*:*:false\n")
    daemon.env["PGPASSFILE"] = str(write(daemon.folder / "own", "*:*:*:*:secret\n"))
    daemon.start().wait_state("main", "awake")


def test_a_passfile_that_libpq_would_ignore_is_an_error_where_it_is_asked_for(make_daemon, make_fake):
    """The complaint repeats nothing of the conninfo, not even the path: it may be a piece of a password."""
    fake = make_fake()
    daemon = make_daemon()
    passfile = write(daemon.folder / "passfile", "*:*:*:*:secret\n", 0o644)
    for path, words in ((passfile, "(mode 0644)"), ("/dev/null", "no plain file"), (daemon.folder / "none", "No such file")):
        daemon.configure([entry("main", fake.conninfo(passfile=path))])
        checked = daemon.run("--check-config")
        assert checked.returncode == 78
        assert f"{daemon.config_path}:{line_of(daemon.config_path, 'conninfo')}: error: conninfo: " in checked.stderr
        assert words in checked.stderr and "secret" not in checked.stderr


def test_a_pgpass_that_others_can_read_is_warned_about_once_and_never_by_libpq(make_daemon, make_cluster):
    """libpq itself says it on stderr at every connection."""
    cluster = make_cluster(hba="trust").start()
    daemon = make_daemon([entry("main", cluster.conninfo(password=None), login_interval="50ms")])
    write(daemon.folder / ".pgpass", "*:*:*:*:secret\n", 0o644)
    daemon.start().wait_state("main", "awake")
    first = daemon.status("main")["last_attempt"]["at"]
    until(lambda: daemon.status("main")["last_attempt"]["kind"] == "login" and daemon.status("main")["last_attempt"]["at"] > first, 5,
          "another login")
    warned, = daemon.log_entries(level="warning")
    assert ".pgpass" in warned["message"] and "0600" in warned["message"]
    assert [line for line in daemon.stderr_path.read_text().splitlines() if not line.startswith("time=")] == []


def test_pgpassfile_dev_null_means_none_and_is_no_warning(make_daemon, make_cluster):
    cluster = make_cluster(hba="trust").start()
    daemon = make_daemon([entry("main", cluster.conninfo(password=None))], env={"PGPASSFILE": "/dev/null"})
    daemon.start().wait_state("main", "awake")
    assert daemon.log_entries(level="warning") == []
    assert [line for line in daemon.stderr_path.read_text().splitlines() if not line.startswith("time=")] == []


def test_peer_authentication_over_a_unix_socket_needs_no_password(make_daemon, make_cluster):
    cluster = make_cluster(hba="peer").start()
    user = pwd.getpwuid(os.geteuid()).pw_name
    cluster.create_app(user, None, None)
    daemon = make_daemon([entry("explicit", f"host={cluster.socket_dir} port={cluster.port} user={user} dbname=app"),
                          entry("default-user", f"postgresql://%2F{str(cluster.socket_dir)[1:].replace('/', '%2F')}:{cluster.port}/app"),
                          entry("other", f"host={cluster.socket_dir} port={cluster.port} user=postgres2 dbname=app")]).start()
    daemon.wait_state("explicit", "awake")
    daemon.wait_state("default-user", "awake")
    assert daemon.wait_state("other", "blocked")["reason"] in ("auth.rejected", "auth.password")
    assert daemon.status("explicit")["last_attempt"]["address"].endswith(f"/s/.s.PGSQL.{cluster.port}")


def test_the_libpq_variables_of_the_environment_change_nothing(make_daemon, cluster):
    """A daemon's configuration is its file: what somebody exported in the shell must not lead it elsewhere."""
    elsewhere = {"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "nobody", "PGDATABASE": "none", "PGPASSWORD": "wrong", "PGSSLMODE": "verify-full",
                 "PGOPTIONS": "-c search_path=none", "PGCONNECT_TIMEOUT": "1", "PGSERVICE": "none", "PGAPPNAME": "wrong", "PGTARGETSESSIONATTRS": "standby"}
    daemon = make_daemon([entry("main", cluster.conninfo())], env=elsewhere).start()
    daemon.wait_state("main", "awake")
    assert cluster.backends("pgwaked") and not cluster.backends("wrong")


def test_a_good_start_is_quick(make_daemon, make_fake):
    fake = make_fake()
    daemon = make_daemon([entry("main", fake.conninfo())])
    begun = time.monotonic_ns() // 1000
    daemon.start(wait=False)
    fake.wait_connections(1)
    took = time.monotonic_ns() // 1000 - begun
    print(f"start-up to first connection: {took / 1000:.0f} ms")
    until(daemon.control_socket.exists, 5, "the control socket")
    # Beside a run that reads the same configuration and ends.
    check = max(daemon.run("--check-config").seconds for _ in range(3))
    print(f"a check of the configuration: {check * 1000:.0f} ms")
    assert took / 1e6 < 50 * check
