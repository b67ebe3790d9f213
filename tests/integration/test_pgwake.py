"""pgwake against a scripted daemon: what a real one cannot be made to do at will.

The program is $PGWAKE, by default $BUILDDIR/pgwake ($BUILDDIR: the root of the repository).
"""

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest

import rig.terminal
from rig.patience import patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
PGWAKE = os.environ.get("PGWAKE", os.path.join(os.environ.get("BUILDDIR", str(ROOT)), "pgwake"))
DEADLINE = patient(30.0)  # for what must happen; nothing waits that long when all is well

pytestmark = pytest.mark.skipif(not os.access(PGWAKE, os.X_OK), reason=f"{PGWAKE} is not built")


# ---------------------------------------------------------------------------------------------------------------- the fake daemon


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = DEADLINE

    def log_message(self, *args):
        pass

    def address_string(self):
        return "unix"

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError, ValueError):
            pass

    def answer(self):
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        route = self.server.routes.get((self.command, path))
        if route is None:
            self.send_json(404, {"error": "not_found", "message": "no such thing", "known": self.server.known})
        elif callable(route):
            route(self)
        else:
            self.send_json(*route)

    do_GET = do_POST = do_DELETE = answer

    def send_json(self, status, value):
        self.send_bytes(status, json.dumps(value).encode())

    def send_bytes(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(2)


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path, begin=True):
        """With `begin` false who connects waits until begin(): its routes can be set first."""
        self.path, self.routes, self.requests, self.known = path, {}, [], ["main", "app"]
        super().__init__(path, Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        if begin:
            self.begin()

    def begin(self):
        self.thread.start()

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        self.shutdown()
        self.server_close()
        os.unlink(self.path)


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="pgwake-", dir="/tmp") as name:
        yield name


@pytest.fixture
def daemon(folder):
    server = Daemon(folder + "/s")
    yield server
    try:
        server.stop()
    except OSError:
        pass


def database(name="main", state="awake", **more):
    ready = state == "awake"
    value = {
        "name": name, "state": state, "ready": ready, "reason": "ok" if ready else "not_checked",
        "message": None, "since": "2026-11-22T16:02:09.123456Z", "age_seconds": 1.5, "fresh_until": "2026-11-22T16:02:39.000000Z",
        "generation": 3, "policy": "on-demand", "provider": "neon", "endpoint": "db.example.org:5432/app",
        "last_attempt": {"kind": "login", "at": "2026-11-22T16:02:09.000000Z", "outcome": "ok", "sqlstate": None,
                         "address": "192.0.2.1:5432", "total_seconds": 0.0432,
                         "phases": {"resolve": 0.0004, "connect": 0.012, "tls": 0.014, "auth": 0.01, "query": 0.006}},
        "session": {"held": True, "since": "2026-11-22T16:02:09.000000Z"},
        "server": {"version": "15.18", "started_at": "2026-11-22T16:02:00.000000Z", "in_recovery": False},
        "wakes": {"count": 12, "last": {"at": "2026-11-22T16:02:09.000000Z", "latency_seconds": 1.24, "cause": "wake", "cold": True},
                  "p50_seconds": 1.1, "p95_seconds": 2.3, "p99_seconds": 3.1},
        "expected_ready_in_seconds": None,
        "failures": {"consecutive": 0, "total": 13, "by_reason": {"tcp.refused": 12, "dns.failed": 1}},
        "awake_seconds": 11100.0, "awake_on_our_demand_seconds": 720.5, "leases": [], "demand": None, "budget": None,
        "next_check": {"kind": "ping", "in_seconds": 4.2},
    }
    value.update(more)
    return value


def verdict(name="main", state="awake", **more):
    full = database(name, state, **more)
    keys = ("name", "ready", "state", "reason", "message", "age_seconds", "expected_ready_in_seconds")
    return {"ready": full["ready"], "databases": [{key: full[key] for key in keys}]}


def event(sequence, name="main", state="awake", previous="waking", kind="state", **more):
    value = {"sequence": sequence, "kind": kind, "at": "2026-11-22T16:02:09.123456Z", "database": name, "state": state,
             "previous": previous, "reason": "ok", "message": None, "ready": state == "awake", "generation": 1,
             "latency_seconds": None, "cause": None, "cold": None}
    value.update(more)
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(value)}\n\n"


def environment(**more):
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "PGWAKE_SOCKET", "TERM")}
    env.update({"TERM": "xterm", "TZ": "UTC", "http_proxy": "http://127.0.0.1:1"}, **more)
    return env


def run(socket, *args, **env):
    return subprocess.run([PGWAKE, "--socket", socket, *args], capture_output=True, text=True, env=environment(**env), timeout=DEADLINE)


class Terminal(rig.terminal.Terminal):
    """pgwake on a terminal."""

    def __init__(self, args, columns=100, rows=30, **env):
        super().__init__([PGWAKE, *args], environment(**env), DEADLINE, columns, rows)


def wait_until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -------------------------------------------------------------------------------------------------------------------- the usage


@pytest.mark.parametrize("args, hint", [
    (["statsu"], 'did you mean "status"?'),
    (["status", "--jsn"], "did you mean --json?"),
    (["wait", "main", "--timout", "3s"], "did you mean --timeout?"),
    (["wait"], "which database?"),
    (["wait", "main", "--timeout"], "wants a value"),
    (["wait", "main", "--timeout", "30"], "its unit"),
    (["wait", "main", "--for", "aslep"], 'did you mean "asleep"?'),
    (["wake", "main", "app"], "one word too many"),
    (["wake", "main", "--spread", "2s"], "--wait"),
    (["wake", "main", "--wait", "9s", "--spread", "6min"], "at most 5min"),
    (["wait", "main", "--for", "asleep", "--spread", "2s"], "not for another state"),
    (["wait", "main", "--spread", "2"], "its unit"),
    (["hold"], "which database?"),
    (["hold", "main", "sleep"], "behind --"),
    (["hold", "main", "--"], "no COMMAND"),
    (["hold", "main", "--for", "1h", "--", "true"], "either --for T or a COMMAND"),
    (["hold", "main", "--for", "1h", "--timeout", "1s"], "no --timeout"),
    (["hold", "main", "--for", "0"], "a time that ends"),
    (["hold", "main", "--for", "infinity"], "a time that ends"),
    (["hold", "main", "--owner", ""], "printable text of at most 255 bytes"),
    (["hold", "main", "--owner", "x" * 256], "printable text of at most 255 bytes"),
    (["hold", "main", "--owner", "a\nb"], "printable text of at most 255 bytes"),
    (["release"], "which lease?"),
    (["release", "main"], "no number of a lease"),
    (["release", "-1"], "two dashes"),
    (["pause", "main"], "--for T"),
    (["pause", "main", "--for", "1h", "--off"], "--for T"),
    (["check", "main", "--accept", "down"], "asleep"),
    (["status", "--json=yes"], "takes no value"),
    (["status", "-j"], "two dashes"),
    (["status", ""], "empty"),
    (["wait", "main", "--for", "sleeping"], "there are ready, unknown, "),
    (["wait", "main", "--for", "aslep"], 'did you mean "asleep"?'),
    (["reasons", "nosuch"], "pgwake reasons lists them"),
    (["reasons", "tcp.refusd"], 'did you mean "tcp.refused"?'),
    ([], "--help"),
])
def test_wrong_usage_exits_3_and_says_what_would_be_right(folder, args, hint):
    result = run(folder + "/none", *args)
    assert (result.returncode, result.stdout) == (3, "")
    assert hint in result.stderr


def test_every_command_has_its_help(folder):
    overview = run(folder + "/none", "--help")
    assert overview.returncode == 0
    commands = re.findall(r"^  ([a-z]+) ", overview.stdout, re.M)
    assert {"status", "wait", "wake", "hold", "release", "check", "events", "pause", "reload", "reasons"} <= set(commands)
    for command in commands:
        result = run(folder + "/none", command, "--help")
        assert result.returncode == 0 and result.stdout.startswith(f"usage: pgwake {command}")
        assert result.stdout == run(folder + "/none", "help", command).stdout


def test_version(folder):
    assert re.fullmatch(r"pgwake \d+\.\d+\S*\n", run(folder + "/none", "--version").stdout)


def test_reasons_need_no_daemon(folder):
    listing = run(folder + "/none", "reasons")
    assert listing.returncode == 0 and "tcp.refused" in listing.stdout and "REASON" in listing.stdout
    assert run(folder + "/none", "reasons", "tls.verify").stdout.startswith("tls.verify (")
    rows = json.loads(run(folder + "/none", "reasons", "--json").stdout)
    assert len(rows) > 40 and set(rows[0]) == {"reason", "class", "sentence", "advice"}
    assert json.loads(run(folder + "/none", "reasons", "paused", "--json").stdout)["reason"] == "paused"


# --------------------------------------------------------------------------------------------------- a daemon that does not answer


ALL = [["status"], ["status", "main"], ["status", "--watch"], ["wait", "main"], ["wait", "main", "--for", "asleep"], ["wake", "main"],
       ["wake", "main", "--wait", "5s"], ["check", "main"], ["events"], ["events", "--follow"], ["pause", "main", "--for", "1h"],
       ["resume", "main"], ["reload"], ["release", "1"]]


@pytest.mark.parametrize("args", ALL, ids=" ".join)
def test_without_a_daemon_it_exits_2_and_names_the_socket(folder, args):
    result = run(folder + "/none", *args)
    assert (result.returncode, result.stdout) == (2, "")
    assert folder + "/none" in result.stderr and "No such file" in result.stderr and result.stderr.count("\n") == 1


def test_a_socket_that_nobody_listens_on_exits_2(folder):
    server = Daemon(folder + "/s")
    server.shutdown()
    server.server_close()
    result = run(folder + "/s", "status")
    assert result.returncode == 2 and "refused" in result.stderr


def test_a_daemon_that_never_answers_exits_2_after_5_seconds(daemon):
    daemon.routes["GET", "/status"] = lambda handler: time.sleep(DEADLINE)
    begin = time.monotonic()
    result = run(daemon.path, "status")
    took = time.monotonic() - begin
    print(f"gave up after {took:.2f} s")
    assert result.returncode == 2 and "within 5" in result.stderr and 4.5 < took < DEADLINE


def test_no_question_hangs_on_a_daemon_that_never_answers(folder):
    """A timer that goes off a moment early is rare: many have to be tried."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(folder + "/s")
        silent.listen(256)
        asking = []
        for _ in range(200):
            asking.append(subprocess.Popen([PGWAKE, "--socket", folder + "/s", "status"], stderr=subprocess.DEVNULL, env=environment()))
            time.sleep(0.003)
        try:
            wait_until(lambda: all([each.poll() is not None for each in asking]))
        finally:
            for each in asking:
                each.kill()
        assert [each.wait() for each in asking] == [2] * len(asking)


def test_a_slow_daemon_is_waited_for(daemon):
    def slow(handler):
        time.sleep(1)
        handler.send_json(200, {"version": "0", "now": "", "ready": True, "databases": []})

    daemon.routes["GET", "/status"] = slow
    assert run(daemon.path, "status").returncode == 0


def raw(data):
    def route(handler):
        handler.wfile.write(data)
        handler.wfile.flush()
        handler.hang_up()
    return route


MALFORMED = {
    "nothing": b"",
    "garbage": b"\x00\xff garbage\r\n\r\n",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "cut JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"ready":tru',
    "cut body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ready":',
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "no UTF-8": b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":"\xff"}',
    "duplicate keys": b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"a":1,"a":2}',
    "deep": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100000,
    "an error without a reason": b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 2\r\n\r\n{}",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 1000 + b"\r\n" + b"Y: y\r\n" * 20000,
    "another version": b"HTTP/3 200 OK\r\n\r\n{}",
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("args", [["status"], ["check", "main"], ["reload"]], ids=" ".join)
def test_malformed_answers_exit_2_with_one_line(daemon, name, args):
    for key in (("GET", "/status"), ("GET", "/readyz/main"), ("POST", "/reload")):
        daemon.routes[key] = raw(MALFORMED[name])
    result = run(daemon.path, *args)
    assert (result.returncode, result.stdout) == (2, ""), result
    assert result.stderr.startswith("pgwake: the daemon at ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("change", [{"state": 3}, {"name": None}, {"ready": "yes"}, {"age_seconds": -1}, {"failures": []}, {"leases": {}},
                                    {"demand": "lease"}, {"budget": {"spent": 1}}, {"wakes": {"by_cause": []}},
                                    {"last_attempt": {"phases": {"tls": "x"}}}, {"wakes": {"count": -3}}, {"since": 5}],
                         ids=lambda change: json.dumps(change))
def test_members_of_a_wrong_type_are_not_believed(daemon, change):
    value = {"version": "0", "now": "", "ready": True, "databases": [database(**change)]}
    daemon.routes["GET", "/status"] = (200, value)
    daemon.routes["GET", "/status/main"] = (200, database(**change))
    assert run(daemon.path, "status").returncode == 2
    assert run(daemon.path, "status", "main").returncode == 2


# 64 MiB within the 5 s that an answer may take: not with sanitizers beside three other tests.
@pytest.mark.plain
def test_an_answer_without_end_is_cut_off(daemon):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        piece = b" " * (1 << 20)
        for _ in range(80):
            handler.wfile.write(piece)
        handler.hang_up()

    daemon.routes["GET", "/status"] = endless
    result = run(daemon.path, "status")
    assert result.returncode == 2 and "64 MiB" in result.stderr


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-Long: "], ids=["status", "header"])
def test_a_line_without_end_is_told_as_one(daemon, line):
    def endless(handler):
        handler.wfile.write(line)
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * (1 << 16))
        handler.close_connection = True

    daemon.routes["GET", "/status"] = endless
    result = run(daemon.path, "status")
    assert result.returncode == 2 and "line without end" in result.stderr, result.stderr


def test_control_characters_never_reach_the_terminal(daemon):
    evil = "\x1b]0;owned\x07\x1b[2J\x7f\x9b1m\u202e|\r\n\t"
    hostile = database(state="evil" + evil, message=evil, reason=evil, detail=evil, endpoint=evil, policy=evil, provider=evil, since=evil,
                       paused_until=evil, leases=[{"id": 1, "owner": evil, "since": evil, "until": evil}],
                       failures={"consecutive": 1, "total": 1, "by_reason": {evil: 1}}, next_check={"kind": evil, "in_seconds": 1},
                       server={"version": evil}, ready=False)
    daemon.routes["GET", "/status"] = (200, {"version": evil, "now": evil, "ready": False, "databases": [hostile]})
    daemon.routes["GET", "/status/main"] = (200, hostile)
    daemon.routes["GET", "/readyz/main"] = (503, verdict(state="x" + evil, message=evil, reason=evil))
    daemon.routes["POST", "/wake/main"] = (409, {"error": evil, "message": evil})
    daemon.routes["POST", "/pause/main"] = (200, {"name": evil, "paused_until": evil})
    daemon.routes["POST", "/reload"] = (422, {"error": evil, "message": evil, "complaints": [
        {"file": evil, "line": 1, "severity": evil, "message": evil}]})

    def events(handler):
        handler.begin_stream()
        handler.send_chunk(event(1, state="x" + evil, message=evil, reason=evil, name="x" + evil, previous=evil))
        handler.send_chunk("")

    daemon.routes["GET", "/events"] = events
    daemon.known = [evil]
    for args in (["status"], ["status", "main"], ["check", "main"], ["check", "main", "--nagios"], ["wake", "main"], ["reload"],
                 ["pause", "main", "--for", "1s"], ["events"], ["status", "no" + evil], ["wait", "main", "--timeout", "0"]):
        for flags in ([], ["--json"]):
            result = run(daemon.path, *args, *flags)
            both = result.stdout + result.stderr
            assert both and result.returncode in (0, 1, 2, 3)
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", both), (args, both)


# ------------------------------------------------------------------------------------------------------------------------ status


def test_status_is_a_table_for_people_and_json_for_programs(daemon):
    value = {"version": "0", "now": "", "ready": False,
             "databases": [database(), database("app", "down", reason="tcp.refused"), database("old", "asleep", reason="session.cut")]}
    daemon.routes["GET", "/status"] = (200, value)
    result = run(daemon.path, "status")
    assert result.returncode == 0 and "\033" not in result.stdout
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "STATE", "REASON"]
    assert [line.split()[:3] for line in lines[1:4]] == [["main", "awake", "-"], ["app", "down", "tcp.refused"],
                                                        ["old", "asleep", "session.cut"]]
    assert lines[-1] == "3 databases: 1 asleep, 1 awake, 1 down. Not ready."
    assert json.loads(run(daemon.path, "status", "--json").stdout) == value
    assert json.loads(run(daemon.path, "--json", "status").stdout) == value


def test_status_of_none(daemon):
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True, "databases": []})
    assert run(daemon.path, "status").stdout == "No database is configured.\n"


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_the_table_fits_the_terminal_and_is_coloured_there(daemon, columns):
    names = ["main", "a-rather-long-name-of-a-database"]
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True, "databases": [database(n) for n in names]})
    terminal = Terminal(["--socket", daemon.path, "status"], columns=columns)
    assert terminal.finish() == 0
    assert "\033[32mawake" in terminal.text
    for line in re.sub(r"\033\[[0-9;]*m", "", terminal.text).splitlines()[:3]:
        assert len(line) <= columns


def test_no_color_is_honoured(daemon):
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True, "databases": [database()]})
    terminal = Terminal(["--socket", daemon.path, "status"], NO_COLOR="1")
    assert terminal.finish() == 0 and "awake" in terminal.text and "\033" not in terminal.text


def test_status_of_one_tells_everything(daemon):
    daemon.routes["GET", "/status/main"] = (200, database())
    text = run(daemon.path, "status", "main").stdout
    for part in ("main: awake, ready", "generation 3", "db.example.org:5432/app", "on-demand", "neon", "connect 12 ms", "tls 14 ms",
                 "PostgreSQL 15.18", "12  tcp.refused", "1.24 s, cold", "2.30 s (95 of 100)", "ping in 4.20 s", "13 in all"):
        assert part in text, part


def test_status_of_one_with_nothing_known(daemon):
    bare = {key: None for key in database()}
    bare.update(name="main", state="unknown", ready=False, reason="not_checked")
    daemon.routes["GET", "/status/main"] = (200, bare)
    result = run(daemon.path, "status", "main")
    assert result.returncode == 0 and "main: unknown, not ready (not_checked)" in result.stdout


def test_status_of_one_tells_who_needs_it_and_what_it_cost(daemon):
    wakes = {"count": 7, "by_cause": {"lease": 4, "wake": 0, "other": 3},
             "last": {"at": "2026-11-22T16:02:09.000000Z", "latency_seconds": None, "cause": "other", "cold": True}}
    leases = [{"id": 17, "owner": "report.service", "since": "2026-11-22T16:02:09.000000Z", "until": None},
              {"id": 18, "owner": "user alice, process 1234", "since": "2026-11-22T16:02:10.000000Z", "until": "2030-01-01T00:00:00.000000Z"}]
    budget = {"awake_seconds": 360000.0, "used_seconds": 7200.0, "spent": False, "month": "2026-11"}
    daemon.routes["GET", "/status/main"] = (200, database(wakes=wakes, leases=leases, budget=budget,
                                                          demand={"cause": "lease", "until": "2030-01-01T00:00:00.000000Z"}))
    text = run(daemon.path, "status", "main").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for part in ("wakes 7: lease 4, other 3", "budget 2 h of 4 d 4 h awake in 2026-11", "demand lease, until 2030-01-01 00:00:00",
                 "awake 3 h 5 min seen, 12 min of it on our demand"):
        assert part in lines, (part, text)
    assert re.search(r"^  lease +17: report\.service \(as it says of itself\), since [\d: -]+$", text, re.M)
    assert re.search(r"^  lease +18: user alice, process 1234 \(.*\), since [\d: -]+, until 2030-01-01 00:00:00$", text, re.M)
    assert re.search(r"^  last wake +[\d: -]+, cold, caused by other$", text, re.M), "nobody knows how long it took"
    daemon.routes["GET", "/status/main"] = (200, database(budget={**budget, "spent": True}))
    assert "in 2026-11: spent\n" in run(daemon.path, "status", "main").stdout
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True, "databases": [database(leases=leases)]})
    head, row = run(daemon.path, "status").stdout.splitlines()[:2]
    assert row[head.index("LEASES"):head.index("LEASES") + 6].strip() == "2"


def test_an_unknown_name_is_answered_with_the_nearest(daemon):
    for args in (["status", "mian"], ["check", "mian"], ["wait", "mian"], ["wake", "mian"], ["pause", "mian", "--for", "1h"]):
        result = run(daemon.path, *args)
        assert result.returncode == 3 and 'did you mean "main"?' in result.stderr, args


def test_names_are_percent_encoded(daemon):
    run(daemon.path, "status", "a/b?c d%ü")
    assert daemon.requests[0][1] == "/status/a%2Fb%3Fc%20d%25%C3%BC"


def test_a_closed_pipe_ends_quietly(daemon):
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True,
                                             "databases": [database(f"d{i}") for i in range(5000)]})
    for flags in ("", "--json"):
        result = subprocess.run(["bash", "-c", f"'{PGWAKE}' --socket {daemon.path} status {flags} | head -c 100; echo ${{PIPESTATUS[0]}}"],
                                capture_output=True, text=True, env=environment(), timeout=DEADLINE)
        assert result.stderr == "" and result.stdout.endswith("0\n")


def test_watch_redraws_on_an_event_and_ends_on_ctrl_c(daemon):
    current = {"state": "asleep"}
    changed = threading.Event()

    def status(handler):
        handler.send_json(200, {"version": "0", "now": "", "ready": False, "databases": [database(state=current["state"])]})

    def events(handler):
        handler.begin_stream()
        handler.send_chunk(": ping\n\n")
        changed.wait(DEADLINE)
        handler.send_chunk(event(1))
        time.sleep(DEADLINE)

    daemon.routes.update({("GET", "/status"): status, ("GET", "/events"): events})
    terminal = Terminal(["--socket", daemon.path, "status", "--watch"])
    terminal.expect("asleep")
    current["state"] = "awake"
    changed.set()
    terminal.expect("awake")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.finish() == 0
    assert "\033[?1049h" in terminal.text and "\033[?1049l" in terminal.text and "\033[2J" not in terminal.text


def test_watch_outlives_the_daemon(daemon, folder):
    routes = {("GET", "/status"): (200, {"version": "0", "now": "", "ready": True, "databases": [database()]})}
    gone = threading.Event()

    def events(handler):
        handler.begin_stream()
        gone.wait(DEADLINE)
        handler.hang_up()

    routes["GET", "/events"] = events
    daemon.routes = dict(routes)
    terminal = Terminal(["--socket", daemon.path, "status", "--watch"])
    terminal.expect("1 database")
    daemon.stop()
    gone.set()
    terminal.expect("waiting for it")
    second = Daemon(folder + "/s", begin=False)
    second.routes = {("GET", "/status"): (200, {"version": "0", "now": "", "ready": True, "databases": [database("reborn")]}),
                     ("GET", "/events"): lambda handler: (handler.begin_stream(), time.sleep(DEADLINE))}
    second.begin()
    terminal.expect("reborn")
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.finish() == 0
    second.stop()


def test_watch_off_a_terminal_writes_json_lines(daemon):
    daemon.routes["GET", "/status"] = (200, {"version": "0", "now": "", "ready": True, "databases": [database()]})

    def events(handler):
        handler.begin_stream()
        handler.send_chunk(event(1))
        time.sleep(DEADLINE)

    daemon.routes["GET", "/events"] = events
    with subprocess.Popen([PGWAKE, "--socket", daemon.path, "status", "--watch", "--json"], stdout=subprocess.PIPE, text=True,
                          env=environment()) as process:
        assert json.loads(process.stdout.readline())["ready"] is True
        process.stdout.close()
        assert process.wait(timeout=DEADLINE) == 0


# -------------------------------------------------------------------------------------------------------------------------- wait


def held(state, until=None, after=None):
    """A /readyz/NAME?wait= that is answered when `until` is set or after a time."""
    def route(handler):
        if until:
            until.wait(DEADLINE)
        else:
            time.sleep(after or 0)
        handler.server.answered = time.monotonic()
        handler.send_json(200 if state == "awake" else 503, verdict(state=state))
    return route


def test_wait_returns_when_the_daemon_answers_and_asks_only_once(daemon, stall):
    ready = threading.Event()
    daemon.routes["GET", "/readyz/main"] = held("awake", until=ready)
    daemon.routes["GET", "/status/main"] = (200, database(state="waking"))
    process = subprocess.Popen([PGWAKE, "--socket", daemon.path, "wait", "main"], stdout=subprocess.PIPE, text=True, env=environment())
    wait_until(lambda: len(daemon.requests) >= 2)
    time.sleep(0.3)
    ready.set()
    out, _ = process.communicate(timeout=DEADLINE)
    latency = time.monotonic() - daemon.answered
    assert process.returncode == 0 and out.startswith("main is awake after ")
    assert [path for _, path, _ in daemon.requests].count("/readyz/main?wait=10min") == 1 and len(daemon.requests) == 2
    print(f"returned {latency * 1000:.1f} ms after the answer")
    assert latency < stall.late(0.3)


def test_wait_gives_up_at_its_timeout_with_the_reason(daemon):
    daemon.routes["GET", "/readyz/main"] = lambda handler: (time.sleep(0.5), handler.send_json(
        503, verdict(state="down", reason="tcp.refused", message="Nobody listens there.")))
    daemon.routes["GET", "/status/main"] = (200, database(state="down"))
    result = run(daemon.path, "wait", "main", "--timeout", "500ms")
    assert result.returncode == 1 and result.stdout == ""
    assert "main is down after" in result.stderr and "(tcp.refused): Nobody listens there." in result.stderr
    held = [path for _, path, _ in daemon.requests if path.startswith("/readyz/")]  # beside it the look goes its own way
    assert held[0].startswith("/readyz/main?wait=") and held[0].endswith("ms")


def test_wait_asks_again_when_the_daemon_holds_shorter(daemon):
    answers = iter([(503, "waking"), (503, "waking"), (200, "awake")])

    def route(handler):
        status, state = next(answers)
        handler.send_json(status, verdict(state=state))

    daemon.routes["GET", "/readyz/main"] = route
    begin = time.monotonic()
    assert run(daemon.path, "wait", "main", "--timeout", "20s").returncode == 0
    assert time.monotonic() - begin > 1.9


def test_wait_for_a_daemon_that_stops_answering_exits_2_soon_after_its_timeout(daemon):
    daemon.routes["GET", "/readyz/main"] = lambda handler: time.sleep(DEADLINE)
    begin = time.monotonic()
    result = run(daemon.path, "wait", "main", "--timeout", "1s")
    took = time.monotonic() - begin
    print(f"gave up after {took:.2f} s")
    assert result.returncode == 2 and 2.5 < took < DEADLINE


def test_wait_says_that_it_is_no_demand(daemon):
    daemon.routes["GET", "/readyz/main"] = held("asleep", after=0.5)
    daemon.routes["GET", "/status/main"] = (200, database(state="asleep"))
    result = run(daemon.path, "wait", "main", "--timeout", "500ms")
    assert result.returncode == 1 and "pgwake wait --wake main" in result.stderr


DEMAND = {"cause": "wake", "until": "2030-01-01T00:00:00.000000Z"}
LEASE = {"id": 1, "owner": "x", "since": "2026-11-22T16:02:09.000000Z", "until": None}


@pytest.mark.parametrize("wakes, status", [
    (False, {"state": "asleep"}),
    (False, {"state": "asleep", "policy": "observe"}),
    (True, {"state": "asleep", "policy": "keep-awake"}),
    (True, {"state": "asleep", "demand": DEMAND}),
    (True, {"state": "asleep", "demand": {"cause": "lease", "until": None}, "leases": [LEASE]}),
    (False, {"state": "unknown", "next_check": {"kind": "door", "in_seconds": 1}}),
    (False, {"state": "unknown", "next_check": None}),
    (True, {"state": "unknown", "next_check": {"kind": "login", "in_seconds": 1}}),
    (True, {"state": "unknown", "next_check": None, "demand": DEMAND}),
    (True, {"state": "waking"}), (True, {"state": "down"}), (True, {"state": "degraded"}),
], ids=lambda value: json.dumps(value) if isinstance(value, dict) else str(value))
@pytest.mark.parametrize("terminal", [False, True])
def test_wait_says_once_when_nothing_else_will_wake_it(daemon, wakes, status, terminal):
    daemon.routes["GET", "/readyz/main"] = held(status["state"], after=0.3)
    daemon.routes["GET", "/status/main"] = (200, database(**status))
    daemon.routes["GET", "/events"] = stored(event(1, **{"state": status["state"]}), event(2, **{"state": status["state"]}))
    if terminal:
        screen = Terminal(["--socket", daemon.path, "wait", "main", "--timeout", "300ms"])
        assert screen.finish() == 1
        said = screen.text
    else:
        result = run(daemon.path, "wait", "main", "--timeout", "300ms")
        assert result.returncode == 1
        said = result.stderr
    assert said.count("does not wake it; pgwake wait --wake main does") == (0 if wakes else 1), said


def test_wait_knows_a_budget_that_is_spent(daemon):
    budget = {"awake_seconds": 3600.0, "used_seconds": 3600.0, "spent": True, "month": "2026-11"}
    daemon.routes["GET", "/readyz/main"] = held("asleep", after=0.3)
    daemon.routes["GET", "/status/main"] = (200, database(state="asleep", policy="keep-awake", budget=budget))
    result = run(daemon.path, "wait", "main", "--timeout", "300ms")
    assert result.returncode == 1 and "nothing wakes it before the next month" in result.stderr and "--wake" not in result.stderr


def test_spread_goes_with_every_held_question(daemon):
    daemon.routes["GET", "/readyz/main"] = (200, verdict())
    daemon.routes["POST", "/wake/main"] = (200, verdict()["databases"][0])
    assert run(daemon.path, "wait", "main", "--spread", "2s").returncode == 0
    assert run(daemon.path, "wait", "main", "--spread", "1min 30s", "--timeout", "5s").returncode == 0
    assert run(daemon.path, "wake", "main", "--wait", "10s", "--spread", "500ms").returncode == 0
    asked = [(method, urllib.parse.parse_qs(path.partition("?")[2])) for method, path, _ in daemon.requests if "status" not in path]
    assert [(method, query["spread"]) for method, query in asked] == [("GET", ["2s"]), ("GET", ["1min 30s"]), ("POST", ["500ms"])]
    assert all("wait" in query for _, query in asked)


def test_a_spread_answer_is_waited_for_after_the_timeout(daemon):
    daemon.routes["GET", "/readyz/main"] = held("awake", after=4)
    daemon.routes["GET", "/status/main"] = (200, database(state="waking"))
    assert run(daemon.path, "wait", "main", "--timeout", "1s", "--spread", "4s").returncode == 0


def test_wait_says_that_a_person_must_act(daemon):
    daemon.routes["GET", "/readyz/main"] = held("blocked", after=0.5)
    daemon.routes["GET", "/status/main"] = (200, database(state="blocked", reason="auth.password", message="Refused."))
    result = run(daemon.path, "wait", "main", "--timeout", "500ms")
    assert result.returncode == 1 and "main is blocked (auth.password), a person must act: Refused." in result.stderr


def test_wait_survives_a_restart_of_the_daemon(daemon, folder):
    gone = threading.Event()

    def hang_up(handler):
        gone.wait(DEADLINE)
        handler.hang_up()

    daemon.routes["GET", "/readyz/main"] = hang_up
    process = subprocess.Popen([PGWAKE, "--socket", daemon.path, "wait", "main"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment())
    wait_until(lambda: daemon.requests)
    daemon.stop()
    gone.set()
    time.sleep(0.5)
    second = Daemon(folder + "/s", begin=False)
    second.routes["GET", "/readyz/main"] = (200, verdict())
    second.begin()
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0 and out.startswith("main is awake") and err == ""
    second.stop()


def test_wait_for_a_daemon_that_does_not_come_back_exits_2(daemon):
    daemon.routes["GET", "/readyz/main"] = lambda handler: handler.hang_up()
    result = run(daemon.path, "wait", "main", "--timeout", "1s")
    assert result.returncode == 2 and "ended the connection" in result.stderr


def test_wait_for_several_names_needs_all(daemon):
    daemon.routes["GET", "/readyz/main"] = held("awake")
    daemon.routes["GET", "/readyz/app"] = lambda handler: (time.sleep(0.3), handler.send_json(200, verdict("app")))
    result = run(daemon.path, "wait", "main", "app", "--json")
    assert result.returncode == 0
    value = json.loads(result.stdout)
    assert value["reached"] is True and 0.3 <= value["elapsed_seconds"] < DEADLINE
    assert [(d["name"], d["reached"], d["state"]) for d in value["databases"]] == [("main", True, "awake"), ("app", True, "awake")]


def test_wait_for_a_hundred_names(daemon):
    names = [f"d{i}" for i in range(100)]
    for name in names:
        daemon.routes["GET", f"/readyz/{name}"] = (200, verdict(name))
        daemon.routes["GET", f"/status/{name}"] = (200, database(name))
    assert run(daemon.path, "wait", *names).returncode == 0


def test_wait_shows_progress_on_a_terminal(daemon):
    ready, waking = threading.Event(), threading.Event()
    current = {"state": "asleep", "expected_ready_in_seconds": None}
    daemon.routes["GET", "/readyz/main"] = held("awake", until=ready)
    daemon.routes["GET", "/status/main"] = lambda handler: handler.send_json(200, database(**current))

    def events(handler):
        handler.begin_stream()
        waking.wait(DEADLINE)
        handler.send_chunk(event(5, state="waking", previous="asleep"))
        time.sleep(DEADLINE)

    daemon.routes["GET", "/events"] = events
    terminal = Terminal(["--socket", daemon.path, "wait", "main"])
    terminal.expect(r"main: asleep \(not_checked\) 0\.\d s")
    current.update(state="waking", expected_ready_in_seconds=2.0)
    waking.set()
    terminal.expect(r"main: waking .*\[#+\.+\] \d\.\d s of about 2\.\d+ s")
    terminal.expect(r"longer than the expected")
    ready.set()
    assert terminal.finish() == 0
    assert re.search(r"\r\033\[Kmain is awake after [\d.]+ s\r\n$", terminal.text)


def test_a_narrow_terminal_keeps_the_progress_on_one_line(daemon):
    daemon.routes["GET", "/readyz/main"] = held("awake", after=0.5)
    daemon.routes["GET", "/status/main"] = (200, database(state="waking", expected_ready_in_seconds=0.4))
    terminal = Terminal(["--socket", daemon.path, "wait", "main"], columns=20)
    assert terminal.finish() == 0
    lines = re.findall(r"\r([^\r\n\033]*)\033\[K", terminal.text)
    assert lines and max(map(len, lines)) == 19


def test_wait_for_a_state_uses_the_events(daemon):
    cut = threading.Event()
    daemon.routes["GET", "/status/main"] = (200, database(state="awake"))

    def events(handler):
        handler.begin_stream()
        cut.wait(DEADLINE)
        handler.send_chunk(event(5, state="unknown", previous="awake"))
        handler.send_chunk(event(6, state="asleep", previous="unknown"))
        time.sleep(DEADLINE)

    daemon.routes["GET", "/events"] = events
    process = subprocess.Popen([PGWAKE, "--socket", daemon.path, "wait", "main", "--for", "asleep"], stdout=subprocess.PIPE, text=True,
                               env=environment())
    wait_until(lambda: len(daemon.requests) == 2)
    assert process.poll() is None
    cut.set()
    assert process.communicate(timeout=DEADLINE)[0].startswith("main is asleep after")
    assert process.returncode == 0 and [path for _, path, _ in daemon.requests] == ["/events?db=main", "/status/main"]


def test_wait_for_a_state_that_holds_already_and_one_that_does_not_come(daemon):
    daemon.routes["GET", "/status/main"] = (200, database(state="asleep"))
    daemon.routes["GET", "/events"] = lambda handler: (handler.begin_stream(), time.sleep(DEADLINE))
    assert run(daemon.path, "wait", "main", "--for", "asleep").returncode == 0
    result = run(daemon.path, "wait", "main", "--for", "down", "--timeout", "300ms")
    assert result.returncode == 1 and "main is asleep after" in result.stderr


def test_wait_for_a_state_looks_again_after_the_stream_was_lost(daemon):
    states, openings = iter(["awake", "asleep"]), []

    def events(handler):
        openings.append(dict(handler.headers))
        handler.begin_stream()
        if len(openings) == 1:
            handler.send_chunk(event(7, name="main", state="awake"))
            time.sleep(0.2)
            handler.hang_up()
        else:
            time.sleep(DEADLINE)

    daemon.routes["GET", "/events"] = events
    daemon.routes["GET", "/status/main"] = lambda handler: handler.send_json(200, database(state=next(states)))
    assert run(daemon.path, "wait", "main", "--for", "asleep").returncode == 0
    assert openings[1]["Last-Event-ID"] == "7"


def test_wait_with_wake_posts_and_ends_at_once_when_blocked(daemon):
    daemon.routes["POST", "/wake/main"] = (409, {"error": "blocked", "message": "The password was refused."})
    result = run(daemon.path, "wait", "main", "--wake")
    assert result.returncode == 1 and "main: The password was refused. (blocked)" in result.stderr


def test_wait_with_wake_goes_on_with_readyz_when_the_daemon_only_accepts(daemon):
    daemon.routes["POST", "/wake/main"] = (202, verdict(state="waking", expected_ready_in_seconds=1)["databases"][0])
    daemon.routes["GET", "/readyz/main"] = held("awake", after=0.2)
    assert run(daemon.path, "wait", "main", "--wake", "--timeout", "10s").returncode == 0
    assert [method for method, path, _ in daemon.requests if "status" not in path] == ["POST", "GET"]


# ------------------------------------------------------------------------------------------------------ wake, pause, reload


def test_wake_says_when_to_expect_it(daemon):
    daemon.routes["POST", "/wake/main"] = (202, verdict(state="waking", expected_ready_in_seconds=1.24)["databases"][0])
    result = run(daemon.path, "wake", "main")
    assert (result.returncode, result.stdout) == (0, "main is waking, expected to be ready in about 1.24 s\n")
    assert json.loads(run(daemon.path, "wake", "main", "--json").stdout)["state"] == "waking"


def test_wake_with_wait_holds_the_request(daemon):
    def wake(handler):
        assert handler.query["wait"]
        time.sleep(0.2)
        handler.send_json(200, verdict()["databases"][0])

    daemon.routes["POST", "/wake/main"] = wake
    assert run(daemon.path, "wake", "main", "--wait", "10s").returncode == 0


def test_the_status_socket_is_explained(daemon):
    daemon.routes["POST", "/wake/main"] = (403, {"error": "forbidden", "message": "This socket only reads."})
    result = run(daemon.path, "wake", "main")
    assert result.returncode == 1 and "control socket" in result.stderr


def test_pause_and_resume(daemon):
    daemon.routes["POST", "/pause/main"] = lambda handler: handler.send_json(
        200, {"name": "main", "paused_until": None if handler.query["for"] in ("0", "0s") else "2030-01-01T00:00:00.000000Z"})
    assert "main is paused until 2030-01-01 00:00:00" in run(daemon.path, "pause", "main", "--for", "2h").stdout
    assert daemon.requests[-1][1] == "/pause/main?for=2h"
    for args in (["pause", "main", "--off"], ["resume", "main"], ["pause", "main", "--for", "0"]):
        assert run(daemon.path, *args).stdout == "main is watched again\n"


def test_reload_prints_the_complaints_and_fails(daemon):
    complaints = [{"file": "/etc/pgwaked/pgwaked.conf", "line": 7, "severity": "error", "message": "unknown key \"polcy\""},
                  {"file": "/etc/pgwaked/pgwaked.conf", "line": 9, "severity": "warning", "message": "costs money"}]
    daemon.routes["POST", "/reload"] = (422, {"error": "config.invalid", "message": "refused", "complaints": complaints})
    result = run(daemon.path, "reload")
    assert result.returncode == 1 and result.stdout == ""
    assert '/etc/pgwaked/pgwaked.conf:7: error: unknown key "polcy"\n' in result.stderr and ":9: warning: costs money\n" in result.stderr
    daemon.routes["POST", "/reload"] = (200, {"ok": True, "complaints": complaints[1:],
                                              "added": 1, "removed": 0, "changed": 2, "unchanged": 3})
    result = run(daemon.path, "reload")
    assert (result.returncode, result.stdout) == (0, "reloaded: 1 added, 0 removed, 2 changed, 3 unchanged\n")
    assert ":9: warning: costs money\n" in result.stderr


# ------------------------------------------------------------------------------------------------------------------------- check


@pytest.mark.parametrize("state, code, word", [
    ("awake", 0, "OK"), ("degraded", 1, "WARNING"), ("waking", 1, "WARNING"), ("asleep", 1, "WARNING"), ("full", 2, "CRITICAL"),
    ("down", 2, "CRITICAL"), ("blocked", 2, "CRITICAL"), ("unknown", 3, "UNKNOWN"), ("something-new", 3, "UNKNOWN")])
def test_check_as_a_monitoring_plugin(daemon, state, code, word):
    daemon.routes["GET", "/readyz/main"] = (200 if code == 0 else 503, verdict(state=state, message="a|b"))
    daemon.routes["GET", "/status/main"] = (200, database(state=state))
    result = run(daemon.path, "check", "main", "--nagios")
    assert result.returncode == code and result.stderr == ""
    text, bar, figures = result.stdout.rstrip("\n").partition(" | ")
    assert text.startswith(f"PGWAKE {word} - main is {state}") and bar and result.stdout.count("\n") == 1 and "|" not in figures
    for figure in figures.split():
        assert re.fullmatch(r"[a-z_0-9]+=\d+(\.\d+)?[sc]?;;;0(;1)?", figure), figure
    assert run(daemon.path, "check", "main").returncode == (0 if code == 0 else 1)


def test_check_accepts_a_sleep(daemon):
    daemon.routes["GET", "/readyz/main"] = lambda handler: handler.send_json(
        200 if handler.query.get("accept") == "asleep" else 503, verdict(state="asleep"))
    assert run(daemon.path, "check", "main").returncode == 1
    assert run(daemon.path, "check", "main", "--accept", "asleep").returncode == 0
    assert run(daemon.path, "check", "main", "--accept", "asleep", "--nagios").returncode == 0
    assert json.loads(run(daemon.path, "check", "main", "--json").stdout)["ready"] is False


def test_a_pause_is_no_alarm(daemon):
    daemon.routes["GET", "/readyz/main"] = (503, verdict(state="unknown", reason="paused"))
    assert run(daemon.path, "check", "main", "--nagios").returncode == 0
    assert run(daemon.path, "check", "main").returncode == 1


def test_monitoring_is_told_on_stdout_that_nobody_answers(daemon, folder):
    for socket, name in ((folder + "/none", "main"), (daemon.path, "mian")):
        result = run(socket, "check", name, "--nagios")
        assert result.returncode == 3 and result.stdout.startswith("PGWAKE UNKNOWN - ") and result.stderr == ""


# ------------------------------------------------------------------------------------------------------------------------ events


def stored(*texts):
    def route(handler):
        handler.begin_stream()
        for text in texts:
            handler.send_chunk(text)
        if handler.query.get("follow") == "0":
            handler.send_chunk("")
        else:
            time.sleep(DEADLINE)
    return route


def test_events_tell_what_is_held_and_end(daemon):
    wake = event(2, kind="wake", latency_seconds=1.24, cause="wake", cold=True)
    # Pieces that end anywhere, every kind of line end, comments and unknown fields.
    daemon.routes["GET", "/events"] = stored(": ping\n\n", event(1)[:30], event(1)[30:].replace("\n", "\r\n"), "retry: 5\n",
                                             wake.replace("\n", "\r"))
    result = run(daemon.path, "events")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"[\d: -]+\.123  main  waking -> awake", lines[0])
    assert re.fullmatch(r"[\d: -]+\.123  main  woken in 1\.24 s \(cold, caused by wake\)", lines[1]) and len(lines) == 2
    assert daemon.requests[0][1] == "/events?follow=0" and daemon.requests[0][2]["Last-Event-ID"] == "0"
    rows = [json.loads(line) for line in run(daemon.path, "events", "main", "--json").stdout.splitlines()]
    assert [row["sequence"] for row in rows] == [1, 2] and daemon.requests[1][1] == "/events?db=main&follow=0"


def test_events_tell_wakes_by_others_and_the_budget(daemon):
    daemon.routes["GET", "/events"] = stored(
        event(1, kind="wake", latency_seconds=None, cause="other", cold=True), event(2, kind="budget", reason="budget.spent"),
        event(3, kind="budget", reason=None))
    lines = [line.partition("  main  ")[2] for line in run(daemon.path, "events").stdout.splitlines()]
    assert lines == ["found awake, woken by somebody else", "the month's budget of awake hours is spent",
                     "a new month, and its budget of awake hours"]


def test_events_of_a_daemon_that_dies_in_the_middle_exit_2(daemon):
    def route(handler):
        handler.begin_stream()
        handler.send_chunk(event(1))
        handler.send_chunk(event(2)[:20])
        handler.hang_up()

    daemon.routes["GET", "/events"] = route
    result = run(daemon.path, "events")
    assert result.returncode == 2 and result.stdout.count("\n") == 1 and "ended the connection" in result.stderr


@pytest.mark.parametrize("text", ["data: hello\n\n", "data: {}\n\n", "data: []\n\n",
                                  'data: {"kind":1,"database":"x"}\n\n', "data: " + "x" * (1 << 21)],
                         ids=["no JSON", "nothing", "a list", "a wrong type", "a line without end"])
def test_events_that_are_not_understood_exit_2(daemon, text):
    daemon.routes["GET", "/events"] = stored(text)
    for flags in ([], ["--follow"]):
        result = run(daemon.path, "events", *flags)
        assert result.returncode == 2 and "not understood" in result.stderr


def test_an_answer_that_is_no_stream_exits_2(daemon):
    daemon.routes["GET", "/events"] = (200, {"events": []})
    assert run(daemon.path, "events").returncode == 2
    assert run(daemon.path, "events", "--follow").returncode == 2


def test_events_follow_over_a_restart_without_a_gap(daemon, folder):
    gone = threading.Event()

    def first(handler):
        handler.begin_stream()
        handler.send_chunk(event(16))
        handler.send_chunk(event(17))
        handler.send_chunk("id: 99\ndata: unfinished")
        gone.wait(DEADLINE)
        handler.hang_up()

    daemon.routes["GET", "/events"] = first
    process = subprocess.Popen([PGWAKE, "--socket", daemon.path, "events", "--follow", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment())
    assert [json.loads(process.stdout.readline())["sequence"] for _ in range(2)] == [16, 17]
    daemon.stop()
    gone.set()
    assert "is gone; waiting for it" in process.stderr.readline()
    second = Daemon(folder + "/s", begin=False)
    second.routes["GET", "/events"] = stored(event(18))
    second.begin()
    assert json.loads(process.stdout.readline())["sequence"] == 18
    assert "is back" in process.stderr.readline()
    assert second.requests[0][2]["Last-Event-ID"] == "17"
    process.stdout.close()
    # Nobody reads any more, and no event comes: it ends all the same.
    assert process.wait(timeout=DEADLINE) == 0
    process.stderr.close()
    second.stop()
