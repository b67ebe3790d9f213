"""The daemon's HTTP on the status socket, the control socket and TCP: what is answered, to whom, and what it never causes."""

import http.client
import json
import os
import socket
import stat
import threading
import time

import pytest

from rig.patience import patient, until
from rig.ports import Port
from rig.unixhttp import Answer, EventStream, UnixConnection, request

FAST = {"ping_interval": "100ms", "login_interval": "30s", "retry_interval": "50ms", "down_interval": "100ms", "attempt_timeout": "10s",
        "fresh_for": "20s"}
# A server's answer to the probe query: uptime, start, recovery, version, read-only.
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]
QUIET = {"policy": "observe", "door_interval": "0s", "attempt_timeout": "10s"}  # never asks anything by itself

STATUS_KEYS = {
    "name", "state", "ready", "reason", "message", "advice", "since", "age_seconds", "fresh_until", "generation", "policy", "provider",
    "endpoint", "last_attempt", "session", "server", "wakes", "expected_ready_in_seconds", "failures", "awake_seconds", "awake_on_our_demand_seconds",
    "budget", "demand", "leases", "next_check"}
VERDICT_KEYS = {"name", "ready", "state", "reason", "message", "age_seconds", "expected_ready_in_seconds"}
EVENT_KEYS = {"sequence", "kind", "at", "database", "state", "previous", "reason", "message", "ready", "generation", "latency_seconds", "cause",
              "cold"}


@pytest.fixture(name="port")
def reserved_port():
    with Port() as port:
        yield port.number


def tcp(port, path, method="GET", **more):
    """One request over TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patient(10))
    try:
        connection.request(method, path, **more)
        response = connection.getresponse()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read(), 0.0)
    finally:
        connection.close()


def everywhere(daemon, port):
    """(name, function) of each of the three doors."""
    return [("status", lambda path, method="GET", **more: daemon.get(path, "status", method, **more)),
            ("control", lambda path, method="GET", **more: daemon.get(path, "control", method, **more)),
            ("tcp", lambda path, method="GET", **more: tcp(port, path, method, **more))]


def listen(port, **more):
    return {"status": {"listen": [f"127.0.0.1:{port}"]}, **more}


# ---------------------------------------------------------------------------------------------------------------------- the doors


def test_the_sockets_have_the_modes_that_their_purpose_needs(make_daemon):
    daemon = make_daemon().start()
    for path, mode in ((daemon.status_socket, 0o666), (daemon.control_socket, 0o660)):
        facts = path.stat()
        assert stat.S_ISSOCK(facts.st_mode) and stat.S_IMODE(facts.st_mode) == mode, path
    assert sorted(each.name for each in daemon.folder.iterdir() if each.is_socket()) == ["control.sock", "status.sock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's eyes need root")
def test_another_user_may_ask_the_status_socket_and_not_the_control_socket(make_daemon):
    daemon = make_daemon().start()
    daemon.folder.chmod(0o755)
    script = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
              "s.sendall(b'GET /livez HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')\nprint(s.recv(100)[:12].decode())")
    import subprocess
    for path, said in ((daemon.status_socket, "HTTP/1.1 200"), (daemon.control_socket, "PermissionError")):
        done = subprocess.run(["/usr/bin/python3", "-c", script, str(path)], capture_output=True, text=True, user="nobody", group="nogroup",
                              extra_groups=[], check=False)
        assert said in done.stdout + done.stderr


def test_sockets_of_a_daemon_that_died_are_replaced_and_its_own_are_removed_at_the_end(make_daemon):
    daemon = make_daemon().start()
    daemon.kill9()
    assert daemon.status_socket.exists()
    daemon.start()
    assert daemon.get("/livez", "status").status == 200
    assert daemon.stop()[0] == 0
    assert not daemon.status_socket.exists() and not daemon.control_socket.exists()


def test_what_is_no_socket_is_not_removed(make_daemon):
    daemon = make_daemon()
    daemon.status_socket.write_text("precious")
    daemon.start(wait=False)
    assert daemon.wait_exit() == 1
    assert daemon.status_socket.read_text() == "precious" and str(daemon.status_socket) in daemon.output()


def test_the_sockets_answer_before_any_database_does(make_daemon, make_fake):
    fake = make_fake("silence-at-connect")
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}]).start()
    answer = daemon.get("/readyz/main", "status")
    assert (answer.status, answer.json["databases"][0]["reason"]) == (503, "not_checked")


# ------------------------------------------------------------------------------------------------------------ health and readiness


def test_readyz_tells_the_reason_of_each_that_is_not_ready(make_daemon, make_fake, port):
    good, bad = make_fake(answer=ROW), make_fake()
    bad.refuse()
    daemon = make_daemon([{"name": "good", "conninfo": good.conninfo(), **FAST}, {"name": "bad", "conninfo": bad.conninfo(), **FAST},
                          {"name": "luxury", "conninfo": bad.conninfo(), "required": False, **FAST}], settings=listen(port)).start()
    for name in ("good", "bad", "luxury"):
        daemon.wait_state(name, "awake" if name == "good" else "down")
    for door, ask in everywhere(daemon, port):
        assert ask("/livez").status == 200, door
        answer = ask("/readyz")
        assert answer.status == 503 and answer.headers["content-type"].startswith("application/json")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json["ready"] is False and [each["name"] for each in answer.json["databases"]] == ["bad"]
        verdict = answer.json["databases"][0]
        assert verdict.keys() == VERDICT_KEYS
        assert (verdict["state"], verdict["reason"], verdict["ready"]) == ("down", "tcp.refused", False)
        assert "listens" in verdict["message"] and verdict["age_seconds"] < 10
        one = ask("/readyz/good")
        assert one.status == 200 and "retry-after" not in one.headers
        assert one.json == {"ready": True, "databases": [{**one.json["databases"][0], "name": "good", "ready": True, "state": "awake",
                                                          "reason": None}]}
        assert one.json["databases"][0]["message"]
        assert ask("/readyz/luxury").status == 503
    bad.script = "ok"
    bad.answer = ROW
    daemon.wait_state("bad", "awake")
    answer = daemon.get("/readyz", "status")
    assert answer.status == 200 and answer.json["ready"] is True and answer.json["databases"] == []


def test_head_is_get_without_its_body(make_daemon, make_fake, port):
    fake = make_fake()
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}], settings=listen(port)).start()
    daemon.wait_state("main", "down")
    for _, ask in everywhere(daemon, port):
        for path, status in (("/livez", 200), ("/readyz", 503), ("/readyz/main", 503), ("/status", 200), ("/status/main", 200),
                             ("/status/none", 404), ("/none", 404), ("/livez?x=1", 400)):
            get, head = ask(path), ask(path, "HEAD")
            assert (get.status, head.status, head.body) == (status, status, b""), path
            assert get.body and head.headers.keys() == get.headers.keys(), path
            assert abs(int(head.headers["content-length"]) - len(get.body)) < 20  # ages have more or fewer digits


def test_wait_answers_in_the_moment_it_is_ready_and_until_then_is_held(make_daemon, make_fake, port):
    fake = make_fake()
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}], settings=listen(port)).start()
    daemon.wait_state("main", "down")
    ended = {}

    def wait(door, ask, path):
        answer = ask(path)
        ended[door, path] = (time.monotonic_ns() // 1000, answer)

    doors = [(door, ask, path) for door, ask in everywhere(daemon, port) for path in ("/readyz?wait=60s", "/readyz/main?wait=60s")]
    threads = [threading.Thread(target=wait, args=each) for each in doors]
    for thread in threads:
        thread.start()
    with daemon.stream("main") as stream:
        assert daemon.get("/readyz/main").status == 503 and ended == {}
        fake.answer = ROW
        fake.script = "ok"
        awake = stream.wait(lambda event: event.data["state"] == "awake")
        for thread in threads:
            thread.join(patient(20))
    assert len(ended) == len(doors) and all(answer.status == 200 and answer.json["ready"] for _, answer in ended.values())
    last = max(at for at, _ in ended.values())
    print(f"6 callers answered {(last - awake.monotonic_usec) / 1000:.1f} ms after the event on /events")
    assert last - awake.monotonic_usec < 2_000_000


def test_at_the_end_of_a_wait_the_reasons_are_told(make_daemon, make_fake, stall):
    fake = make_fake()
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}]).start()
    daemon.wait_state("main", "down")
    for path in ("/readyz?wait=300ms", "/readyz/main?wait=300ms", "/readyz/main?wait=300ms&accept=asleep"):
        answer = daemon.get(path, "status")
        assert answer.status == 503 and answer.json["databases"][0]["reason"] == "tcp.refused" and "retry-after" in answer.headers
        assert 0.29 < answer.seconds < 0.3 + stall.late(2)


def test_a_caller_who_leaves_while_waiting_harms_nobody(make_daemon, make_fake):
    fake = make_fake()
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}]).start()
    daemon.wait_state("main", "down")
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(daemon.status_socket))
            caller.sendall(b"GET /readyz/main?wait=60s HTTP/1.1\r\nHost: x\r\n\r\n")
    fake.answer = ROW
    fake.script = "ok"
    daemon.wait_state("main", "awake")
    assert daemon.get("/readyz").status == 200


def test_accept_asleep_is_content_with_a_good_door(make_daemon, make_fake):
    fake = make_fake("asks-password")
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(password="x"), "policy": "on-demand",
                           "wake_at_start": False, "door_interval": "100ms"}]).start()
    answer = daemon.get("/readyz/main?accept=asleep&wait=20s", "status", timeout=30)
    assert answer.status == 200 and answer.json["databases"][0]["state"] == "unknown" and answer.json["databases"][0]["ready"] is False
    assert daemon.get("/readyz?accept=asleep", "status").status == 200
    assert daemon.get("/readyz/main", "status").status == 503 and daemon.get("/readyz", "status").status == 503
    fake.refuse()
    until(lambda: daemon.get("/readyz/main?accept=asleep").status == 503, 10, "a door that refuses is not accepted", every=0.02)
    assert all(each.door for each in fake.seen)


# --------------------------------------------------------------------------------------------------------------------------- status


def test_status_has_exactly_the_promised_keys(make_daemon, cluster):
    daemon = make_daemon([{"name": "main", "conninfo": cluster.conninfo(), **FAST},
                          {"name": "quiet", "conninfo": cluster.conninfo(), **QUIET}]).start()
    daemon.wait_state("main", "awake")
    main, quiet = daemon.get("/status/main", "status").json, daemon.get("/status/quiet", "status").json
    assert main.keys() == quiet.keys() == STATUS_KEYS
    assert main["last_attempt"].keys() == {"kind", "at", "outcome", "sqlstate", "address", "phases", "total_seconds"}
    assert main["last_attempt"]["phases"].keys() == {"resolve", "connect", "tls", "auth", "query"}
    assert main["session"].keys() == {"held", "since"} and main["server"].keys() == {"version", "started_at", "in_recovery"}
    assert main["wakes"].keys() == {"count", "by_cause", "last", "p50_seconds", "p95_seconds", "p99_seconds"}
    assert main["failures"].keys() == {"consecutive", "total", "by_reason"} and main["next_check"].keys() == {"kind", "in_seconds"}
    assert (main["state"], main["ready"], main["reason"], main["policy"], main["provider"]) == ("awake", True, None, "keep-awake", "postgres")
    assert main["endpoint"] == f"127.0.0.1:{cluster.port}/app" and main["last_attempt"]["address"] == f"127.0.0.1:{cluster.port}"
    version = cluster.sql("SELECT split_part(current_setting('server_version'), ' ', 1)")[0][0]
    assert main["session"]["held"] is True and (main["server"]["version"], main["server"]["in_recovery"]) == (version, False)
    started = cluster.sql("SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")[0][0]
    assert main["server"]["started_at"] == started
    assert 0 <= main["age_seconds"] < 20 and main["since"] < main["fresh_until"] and main["since"].endswith("Z")
    assert main["wakes"]["by_cause"].keys() == {"lease", "wake", "start", "interval", "other"}
    assert main["generation"] == 0 and main["leases"] == [] and main["budget"] is None and main["demand"] is None
    assert 0 < main["awake_seconds"] and main["awake_on_our_demand_seconds"] <= main["awake_seconds"] and quiet["awake_seconds"] == 0
    assert (quiet["state"], quiet["reason"], quiet["last_attempt"], quiet["server"], quiet["age_seconds"], quiet["next_check"]) == (
        "unknown", "not_checked", None, None, None, None)
    assert quiet["session"] == {"held": False, "since": None} and quiet["wakes"]["count"] == 0
    whole = daemon.get("/status", "status").json
    assert whole.keys() == {"version", "now", "ready", "history", "databases"}
    assert whole["history"] == {"health": "ok", "message": None}
    assert [each["name"] for each in whole["databases"]] == ["main", "quiet"] and all(each.keys() == STATUS_KEYS for each in whole["databases"])


def test_ages_are_computed_when_answering(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), "ping_interval": "1h", "login_interval": "1h"}]).start()
    daemon.wait_state("main", "awake")
    begun = time.monotonic()
    first = daemon.get("/status/main").json["age_seconds"]
    until(lambda: daemon.get("/status/main").json["age_seconds"] >= first + 0.2, 10, "it grows older")
    assert time.monotonic() - begun >= 0.19


def test_raw_words_of_a_server_are_for_the_control_socket_only(make_daemon, make_fake, port):
    fake = make_fake("error-in-auth")
    fake.error = ("FATAL", "28P01", 'password authentication failed for user "zweistein"')
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(password="x"), **FAST}], settings=listen(port)).start()
    assert daemon.wait_state("main", "blocked")["reason"] == "auth.password"
    for door, ask in everywhere(daemon, port):
        for path in ("/status/main", "/status", "/readyz", "/readyz/main", "/events?follow=0"):
            said = "zweistein" in ask(path).text
            assert said is (door == "control" and path.startswith("/status")), (door, path)
    status = daemon.get("/status/main").json
    assert status.keys() == STATUS_KEYS | {"detail"} and "zweistein" in status["detail"] and "zweistein" in status["last_attempt"]["detail"]
    assert status["last_attempt"]["sqlstate"] == "28P01"


# ---------------------------------------------------------------------------------------------------------------------- mistakes


def test_a_post_where_only_reading_is_allowed_is_403(make_daemon, make_fake, port):
    fake = make_fake()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}], settings=listen(port)).start()
    for door, ask in everywhere(daemon, port):
        if door == "control":
            continue
        for path in ("/wake/main", "/pause/main?for=1h", "/reload", "/livez"):
            answer = ask(path, "POST")
            assert (answer.status, answer.json["error"]) == (403, "forbidden"), (door, path)
            assert "control socket" in answer.json["message"]
    assert daemon.status("main")["reason"] == "not_checked" and fake.seen == []


def test_an_unknown_name_is_404_and_the_known_ones_are_listed(make_daemon, make_fake):
    fake = make_fake()
    daemon = make_daemon([{"name": name, "conninfo": fake.conninfo(), **QUIET} for name in ("main", "app")]).start()
    for path, method in (("/status/mian", "GET"), ("/readyz/mian", "GET"), ("/readyz/mian?wait=1h", "GET"), ("/wake/mian", "POST"),
                         ("/pause/mian?for=1s", "POST"), ("/events?db=mian", "GET")):
        answer = daemon.get(path, method=method)
        assert (answer.status, answer.json["error"], answer.json["known"]) == (404, "unknown_database", ["app", "main"]), path
        assert 'did you mean "main"' in answer.json["message"]
    for path in ("/index.html", "/status/", "/statuses", "/status/main/x", "/readyz//main", "/wake", "/pause", "/lease",
                 "/lease/main/1", "/../status"):
        answer = daemon.get(path)
        assert (answer.status, answer.json["error"]) == (404, "not_found"), path
        assert {"GET /readyz/NAME", "POST /wake/NAME", "POST /lease/NAME", "DELETE /lease/ID"} <= set(answer.json["endpoints"])


def test_the_wrong_method_is_405_with_allow(make_daemon, make_fake):
    fake = make_fake()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}]).start()
    for path, method, allow in (("/livez", "POST", "GET, HEAD"), ("/status/main", "DELETE", "GET, HEAD"), ("/readyz", "PUT", "GET, HEAD"),
                                ("/events", "POST", "GET, HEAD"), ("/wake/main", "GET", "POST"), ("/wake/main", "HEAD", "POST"),
                                ("/pause/main", "DELETE", "POST"), ("/reload", "GET", "POST"), ("/reload", "OPTIONS", "POST"),
                                ("/lease/main", "GET", "POST, DELETE"), ("/lease/1", "PUT", "POST, DELETE")):
        answer = daemon.get(path, method=method)
        assert (answer.status, answer.headers.get("allow")) == (405, allow), (path, method)
        assert method == "HEAD" or answer.json["error"] == "method_not_allowed"
    assert fake.seen == []


@pytest.mark.parametrize("path, method, word", [
    ("/readyz?wait=abc", "GET", "wait"), ("/readyz?wait=30", "GET", "wait"), ("/readyz?wait=-1s", "GET", "wait"),
    ("/readyz?wait=2h", "GET", "wait"), ("/readyz?wait", "GET", "wait"), ("/readyz?wait=1s&wait=2s", "GET", "wait"),
    ("/readyz?accept=down", "GET", "accept"), ("/readyz/main?acept=asleep", "GET", "acept"), ("/livez?pretty", "GET", "pretty"),
    ("/status?detail=1", "GET", "detail"), ("/events?follow=maybe", "GET", "follow"), ("/events?db=No/Name", "GET", "db"),
    ("/wake/main?wait=x", "POST", "wait"), ("/pause/main", "POST", "for"), ("/pause/main?for=1y", "POST", "for"),
    ("/pause/main?for=100d", "POST", "for"), ("/reload?now=1", "POST", "now"),
])
def test_a_wrong_argument_is_400_and_named(make_daemon, make_fake, path, method, word):
    fake = make_fake()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}]).start()
    answer = daemon.get(path, method=method)
    assert (answer.status, answer.json["error"]) == (400, "bad_request")
    assert word in answer.json["message"]
    assert fake.seen == [] and daemon.status("main")["reason"] == "not_checked"


def test_bodies_strange_urls_and_strange_ids_are_refused(make_daemon):
    daemon = make_daemon().start()
    assert daemon.get("/reload", method="POST", body=b"x" * 100).status == 413
    assert daemon.get("/readyz/%00main").status in (400, 404)
    assert daemon.get("/readyz/%ff").status == 400
    for strange in ("x", "-1", "1.5", "99999999999999999999999"):
        answer = daemon.get("/events?follow=0", headers={"Last-Event-ID": strange})
        assert answer.status == 400 and "Last-Event-ID" in answer.json["message"]
    assert daemon.get("/" + "x" * 100_000).status in (400, 404, 414, 431)
    assert daemon.get("/livez").status == 200


def test_one_connection_carries_many_requests(make_daemon):
    daemon = make_daemon().start()
    connection = UnixConnection(daemon.status_socket, patient(10))
    connection.request("GET", "/livez")
    first = connection.sock
    for path in ("/livez", "/readyz", "/status", "/none"):
        connection.getresponse().read()
        connection.request("GET", path)
        assert connection.sock is first
    assert connection.getresponse().status == 404
    connection.close()


# ------------------------------------------------------------------------------------------------------------------- wake and pause


def test_no_get_ever_connects_to_a_database(make_daemon, make_fake, port):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}], settings=listen(port)).start()
    for _, ask in everywhere(daemon, port):
        for path in ("/livez", "/readyz", "/readyz/main", "/readyz?wait=200ms", "/readyz/main?wait=200ms", "/readyz/main?wait=200ms&accept=asleep",
                     "/status", "/status/main", "/events?follow=0", "/events?db=main&follow=0", "/wake/main", "/pause/main"):
            ask(path)
            ask(path, "HEAD")
    assert fake.seen == []
    assert daemon.get("/wake/main", method="POST").status == 202  # and that the counter counts
    fake.wait_connections(1)


def test_a_hundred_callers_of_wake_are_one_wake(make_daemon, make_nap):
    nap = make_nap(wake_delay=1, suspend_after=60)
    daemon = make_daemon([{"name": "main", "conninfo": nap.conninfo(), "linger": "1h", "ping_interval": "1h", "login_interval": "1h", **QUIET}])
    daemon.start()
    answers = []

    def wake(number):
        answers.append(daemon.get("/wake/main" + ("?wait=60s" if number % 2 else ""), method="POST", timeout=90))

    with daemon.stream("main") as stream:
        threads = [threading.Thread(target=wake, args=[number]) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(patient(60))
        event = stream.wait(lambda event: event.event == "wake")
        assert sorted({answer.status for answer in answers}) == [200, 202] and sum(answer.status == 200 for answer in answers) >= 50
        assert all(answer.json.keys() == VERDICT_KEYS for answer in answers)
        assert event.data["cause"] == "wake" and event.data["cold"] is True and event.data["latency_seconds"] > 0.9
        assert sum(event.event == "wake" for event in stream.events) == 1
    assert nap.status()["wakes"] == 1
    status = daemon.status("main")
    assert status["wakes"]["count"] == 1 and status["wakes"]["last"]["cause"] == "wake" and status["failures"]["total"] == 0
    print(f"a wake of {status['wakes']['last']['latency_seconds']:.3f} s for 100 callers")


def test_wake_answers_at_once_or_waits_and_refuses_what_would_be_in_vain(make_daemon, make_fake, stall):
    fake = make_fake("silence-in-query")
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}]).start()
    answer = daemon.get("/wake/main", method="POST")
    assert answer.status == 202 and answer.json["name"] == "main" and answer.seconds < patient(2)
    answer = daemon.get("/wake/main?wait=200ms", method="POST")
    assert answer.status == 503 and "retry-after" in answer.headers and 0.19 < answer.seconds < 0.2 + stall.late(2)
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    answer = daemon.get("/wake/main?wait=1h", method="POST")
    assert (answer.status, answer.json["error"]) == (409, "paused")
    fake.script, fake.error = "error-in-auth", ("FATAL", "28P01", "no")
    assert daemon.get("/pause/main?for=0s", method="POST").json["paused_until"] is None
    daemon.get("/wake/main", method="POST")
    daemon.wait_state("main", "blocked")
    answer = daemon.get("/wake/main?wait=1h", method="POST")
    assert (answer.status, answer.json["error"]) == (409, "auth.password")


def test_a_pause_stops_every_check_and_ends_by_itself(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST, "ping_interval": "20ms"}]).start()
    daemon.wait_state("main", "awake")
    with daemon.stream("main") as stream:
        answer = daemon.get("/pause/main?for=600ms", method="POST")
        assert answer.status == 200 and answer.json["name"] == "main" and answer.json["paused_until"].endswith("Z")
        fake.wait_ended(1)
        assert fake.seen[0].terminated, "the session is left in order"
        queries = sum(len(each.queries) for each in fake.seen)
        status = daemon.status("main")
        assert (status["state"], status["reason"], status["ready"]) == ("unknown", "paused", False)
        assert status["paused_until"] == answer.json["paused_until"]
        paused = stream.wait(lambda event: event.data["reason"] == "paused")
        awake = stream.wait(lambda event: event.data["state"] == "awake", since=stream.events.index(paused))
        assert awake.monotonic_usec - paused.monotonic_usec > 500_000
        # Until then not a single one.
        assert len(fake.seen) == 2 and sum(len(each.queries) for each in fake.seen[:1]) == queries
    assert "paused_until" not in daemon.status("main")


# ------------------------------------------------------------------------------------------------------------------------- events


@pytest.fixture(name="eventful")
def eventful_daemon(make_daemon, make_fake):
    """Two databases that make an event whenever they are paused or resumed, and none by themselves."""
    fake = make_fake()
    return make_daemon([{"name": name, "conninfo": fake.conninfo(), **QUIET} for name in ("one", "two")]).start()


def toggle(daemon, name, times=1):
    for _ in range(times):
        assert daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
        assert daemon.get(f"/pause/{name}?for=0s", method="POST").status == 200


def replay(daemon, last=None, query=""):
    """All events that are held, as (id, kind, data)."""
    with EventStream(daemon.status_socket, f"/events?follow=0{query}", last) as stream:
        until(lambda: stream.ended, 10, "the end of the replay")
        return [(event.id, event.event, event.data) for event in stream.events]


def test_events_are_numbered_replayed_and_filtered(eventful):
    with eventful.stream() as all_, eventful.stream(db="two") as two:
        assert all_.headers["content-type"].startswith("text/event-stream")
        toggle(eventful, "one")
        toggle(eventful, "two")
        all_.wait(lambda event: event.data["database"] == "two" and event.data["reason"] != "paused")
        two.wait(lambda event: event.data["reason"] != "paused")
        seen = [(event.id, event.event, event.data) for event in all_.events]
        first = int(seen[0][0])
        assert [int(id_) for id_, _, _ in seen] == [data["sequence"] for _, _, data in seen] == list(range(first, first + 4))
        assert [event.id for event in two.events] == [id_ for id_, _, _ in seen[2:]]
    for _, kind, data in seen:
        assert data.keys() == EVENT_KEYS and data["kind"] == kind == "state" and data["at"].endswith("Z")
    assert [data["reason"] for _, _, data in seen] == ["paused", "stale", "paused", "stale"]
    assert replay(eventful) == seen, "without Last-Event-ID, follow=0 tells all that is held"
    assert replay(eventful, last=first + 1) == seen[2:]
    assert replay(eventful, last=first + 3) == []
    assert replay(eventful, last=0) == seen, "0 is before everything"
    assert replay(eventful, last=0, query="&db=two") == seen[2:]
    with EventStream(eventful.control_socket, "/events", first + 2) as stream:
        stream.wait(lambda event: event.id == str(first + 3))
        toggle(eventful, "one")
        stream.wait(lambda event: event.id == str(first + 5))
        assert [int(event.id) for event in stream.events] == [first + 3, first + 4, first + 5], "replayed, then live, without a seam"


def test_the_numbers_of_an_earlier_daemon_are_never_taken_for_ours(eventful):
    """Else who follows over a restart would silently miss what came first."""
    toggle(eventful, "one", 2)
    last = int(replay(eventful)[-1][0])
    assert last < 2 ** 53, "a number that JavaScript keeps"
    eventful.stop()
    eventful.start()
    toggle(eventful, "two", 4)
    for seen in (last, last - 1, 4, 8):
        gap, *rest = replay(eventful, last=seen)
        assert gap[1] == "gap" and gap[2]["last_seen"] == seen and len(rest) == 8
    assert [kind for _, kind, _ in replay(eventful, last=0)] == ["state"] * 8


def test_who_missed_too_much_is_told_of_the_gap(eventful):
    connection = UnixConnection(eventful.control_socket, patient(10))
    for _ in range(2070):
        for span in ("1h", "0s"):
            connection.request("POST", f"/pause/one?for={span}")
            assert connection.getresponse().read()
    connection.close()
    newest = int(replay(eventful, last=0)[-1][0])
    held = 4096 + 2 * 2  # of two databases
    oldest, seen = newest - held + 1, newest - held - 20
    missed = replay(eventful, last=seen)
    assert missed[0][1] == "gap" and missed[0][0] is None
    assert missed[0][2] == {"message": missed[0][2]["message"], "last_seen": seen, "oldest": oldest, "newest": newest}
    assert [int(id_) for id_, _, _ in missed[1:]] == list(range(oldest, newest + 1))
    future = replay(eventful, last=newest + 1)
    assert future[0][1] == "gap" and future[0][2]["last_seen"] == newest + 1 and len(future) == held + 1
    whole = replay(eventful)
    assert len(whole) == held and whole[0][1] == "state"


def quiet_databases(prefix: str, count: int) -> str:
    """As configuration text; nothing is asked of them."""
    return ",\n".join(f'{{ name = "{prefix}{i:05}"; policy = "observe"; door_interval = "0s"; conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; }}'
                      for i in range(count))


@pytest.mark.parametrize("count", [2048, 2049, 4096, 4097, 10_000])
def test_who_reads_as_fast_as_it_can_hears_of_every_database_that_a_reload_adds_or_removes(count, make_daemon):
    """A reload tells of all of them before the stream's turn comes: in one that adds them, removes them, replaces them, in any order."""
    none, some, others = "", quiet_databases("a", count), quiet_databases("b", count)
    for first, *then in ((none, some, others, none), (some, none, others, some)):
        daemon = make_daemon(first).start(timeout=60)
        with daemon.stream() as stream:
            told, before = 0, first
            for now in then:
                daemon.configure(now)
                assert daemon.get(f"/reload{'' if now else '?remove=all'}", method="POST", timeout=60).status == 200
                told += bool(before) * count + bool(now) * count
                before = now
                until(lambda all_of_them=told: len(stream.events) >= all_of_them or any(e.event == "gap" for e in stream.events), 20,
                      "it hears of all of them")
                assert not [each.data for each in stream.events if each.event == "gap"]
            assert len(stream.events) == told and {each.event for each in stream.events} == {"added", "removed"}
            numbers = [int(each.id) for each in stream.events]
            assert numbers == list(range(numbers[0], numbers[0] + told))
        assert daemon.stop()[0] == 0


def test_every_stream_ends_with_the_daemon_and_who_waits_is_told(make_daemon, make_fake):
    fake = make_fake()
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}]).start()
    daemon.wait_state("main", "down")
    found = []
    waiter = threading.Thread(target=lambda: found.append(request(daemon.status_socket, "/readyz?wait=1h", timeout=60)))
    waiter.start()
    with daemon.stream() as stream:
        until(lambda: "pgwake_http_waiting 1\n" in daemon.get("/metrics").text, 10, "it is waited for")
        code, seconds = daemon.stop()
        waiter.join()
        until(lambda: stream.ended, 5, "the stream's end")
    assert code == 0 and seconds < patient(2)
    print(f"stopped in {seconds * 1000:.0f} ms with a stream and a waiter")
    assert (found[0].status, found[0].json["error"]) == (503, "stopping")


def test_one_silent_or_slow_caller_holds_up_nobody(make_daemon):
    """A request of which one byte never comes, and a stream that is never read."""
    daemon = make_daemon().start()
    idle = []
    for half in (b"", b"GET /liv", b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"):
        for _ in range(10):
            caller = socket.socket(socket.AF_UNIX)
            caller.connect(str(daemon.status_socket))
            caller.sendall(half)
            idle.append(caller)
    slowest = max(daemon.get("/readyz", "status").seconds for _ in range(100))
    print(f"slowest of 100 answers beside 40 idle callers: {slowest * 1000:.1f} ms")
    assert slowest < patient(2)
    for caller in idle:
        caller.close()


def test_ten_thousand_databases_are_told_whole(make_daemon):
    """In slices, so that the loop serves others between; what arrives is one document."""
    daemon = make_daemon(",\n".join(f'{{ name = "db{i}"; policy = "observe"; conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; }}'
                                    for i in range(10_000)), settings={"ready": {"on": "start"}}).start(timeout=60)
    begun = time.monotonic()
    document = json.loads(daemon.get("/status", "status", timeout=60).body)
    print(f"/status of 10,000: {time.monotonic() - begun:.2f} s")
    assert len({each["name"] for each in document["databases"]}) == 10_000
    answer = daemon.get("/readyz", "status", timeout=60)
    assert answer.status == 503 and answer.json["count"] == 10_000 == len(answer.json["databases"])
    answer = daemon.get("/status/none")
    assert answer.status == 404 and len(answer.json["known"]) <= 100
    assert daemon.stop(timeout=30)[0] == 0
