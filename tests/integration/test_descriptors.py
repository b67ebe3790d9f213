"""A process that may not have as many file descriptors as its databases want: what cannot be asked is unknown and never down, and what must
go on goes on."""

import re
from pathlib import Path

import pytest

from rig.edges import assert_edges, edges, quick
from rig.patience import until
from rig.ports import Port
from rig.rawhttp import Crowd, ask, get, status_of

LIMIT = 64
COUNT = 60


def limited(hard: int, soft: int | None = None) -> list[str]:
    return ["prlimit", f"--nofile={hard if soft is None else soft}:{hard}", "--"]


def limits_of(pid: int) -> tuple[int, int]:
    found = re.search(r"^Max open files\s+(\d+)\s+(\d+)", Path(f"/proc/{pid}/limits").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]), int(found[2])


def numbers_of(pid: int) -> list[int]:
    return sorted(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_more_databases_than_descriptors_are_awake_without_sessions_of_their_own(make_cluster, make_daemon, host):
    """Sessions leave room for logins, and both leave room for everything else."""
    cluster = make_cluster(max_connections=100)
    cluster.start()
    databases = [quick(f"db{number}", cluster.conninfo(host=host), login_interval="1s") for number in range(COUNT)]
    daemon = make_daemon(databases, settings={"limits": {"attempts_in_flight": 8}}, prefix=limited(LIMIT)).start()
    for each in databases:
        daemon.wait_state(each["name"], "awake", 30)

    def attempts(name: str) -> float:
        return daemon.status(name)["last_attempt"]["at"]

    first = {each["name"]: attempts(each["name"]) for each in databases}
    for _ in range(3):
        for name, at in first.items():
            first[name] = until(lambda name=name, at=at: (now := attempts(name)) != at and now, 30, f"another attempt at {name}")
    held = sum(daemon.status(each["name"])["session"]["held"] for each in databases)
    print(f"{held} sessions of {COUNT} databases with {LIMIT} descriptors; open: {len(numbers_of(daemon.pid))}")
    assert 0 < held < LIMIT / 2
    for each in databases:
        assert_edges(daemon, each["name"], "awake")
    assert daemon.get("/livez").status == 200
    assert daemon.pgwake("history", "db0").returncode == 0
    assert daemon.stop()[0] == 0


def test_what_has_no_descriptor_is_ours_and_never_down(cluster, make_fake, make_daemon):
    """Connections that hang take all descriptors but the reserve. What is left over is not checked, and not accused."""
    fake = make_fake("silence-after-startup")
    hanging = [quick(f"hangs{number}", fake.conninfo(), attempt_timeout="3s") for number in range(COUNT)]
    good = [quick(f"good{number}", cluster.conninfo()) for number in range(4)]
    daemon = make_daemon([*hanging, *good], settings={"limits": {"attempts_in_flight": 256}}, prefix=limited(LIMIT)).start()

    def refused() -> int:
        return sum(daemon.status(each["name"])["failures"]["by_reason"].get("host.resources", 0) > 0 for each in hanging)

    count = until(lambda: (n := refused()) >= 20 and n, 60, "20 were refused")
    worst = max(numbers_of(daemon.pid))
    print(f"{count} of {COUNT} were refused; highest descriptor {worst} of {LIMIT}")
    for each in [*hanging, *good]:
        status = daemon.status(each["name"])
        assert set(status["failures"]["by_reason"]) <= {"host.resources", "auth.timeout"}, status
        if status["reason"] == "host.resources":
            assert status["state"] == "unknown" and status["detail"] == "Too many open files"
    for each in good:
        assert set(edges(daemon, each["name"])) <= {"awake", "unknown/host.resources"}
    assert daemon.get("/livez").status == 200
    daemon.configure(good)
    assert daemon.reload().status == 200
    for each in good:
        daemon.wait_state(each["name"], "awake", 20)


def test_a_limit_that_cannot_hold_the_configuration_is_told_at_start_and_at_reload(cluster, make_daemon):
    databases = [quick(f"db{number}", cluster.conninfo()) for number in range(3)]
    daemon = make_daemon(databases, prefix=limited(128, soft=40)).start()
    assert limits_of(daemon.pid) == (128, 128), "the soft limit was raised"
    text = "up to 131 file descriptors are needed (3 sessions, 64 attempts in flight, 32 HTTP connections, 32 in reserve), " \
           "and RLIMIT_NOFILE is 128"
    assert daemon.output().count(text) == 1
    warned = [each["message"] for each in daemon.reload().json["complaints"]]
    assert len(warned) == 1 and warned[0].startswith(text), warned
    assert daemon.output().count(text) == 2
    daemon.configure(databases, settings={"limits": {"attempts_in_flight": 32}})
    assert daemon.reload().json["complaints"] == []
    for each in databases:
        daemon.wait_state(each["name"], "awake")


def test_a_limit_with_which_no_database_could_be_watched_is_refused_at_start(cluster, make_daemon):
    with Port() as port:
        settings = {"status": {"listen": [f"127.0.0.1:{port.number}"]}}
        database = quick("db", cluster.conninfo())
        daemon = make_daemon([database], settings=settings, prefix=limited(36))
        with pytest.raises(AssertionError, match="pgwaked ended with 1"):
            daemon.start()
        said = re.search(r"RLIMIT_NOFILE is 36, and pgwaked needs at least (\d+) file descriptors", daemon.output())
        enough = make_daemon([database], settings=settings, prefix=limited(int(said[1]))).start()
        enough.wait_state("db", "awake")
        until(lambda: enough.status("db")["session"]["held"], 10, "a session is held")


def test_clients_are_answered_while_connections_that_hang_leave_no_more_than_the_reserve(make_fake, make_daemon):
    """As many as will come at once, on each socket that is everybody's; they leave, and who comes then is answered."""
    fake = make_fake("silence-after-startup")
    hanging = [quick(f"hangs{number}", fake.conninfo(), attempt_timeout="10min") for number in range(COUNT)]
    with Port() as port:
        daemon = make_daemon(hanging, settings={"limits": {"attempts_in_flight": 256}, "status": {"listen": [f"127.0.0.1:{port.number}"]}},
                             prefix=limited(LIMIT + 6)).start()
        tcp = ("127.0.0.1", port.number)
        until(lambda: max(numbers_of(daemon.pid)) >= LIMIT * 3 // 4, 20, "connections have all that they may")
        with Crowd(daemon.status_socket, COUNT, get("/events")), Crowd(tcp, COUNT, get("/events")):
            assert daemon.get("/livez", "control", timeout=10).status == 200
        for where in (daemon.status_socket, tcp, daemon.control_socket):
            assert status_of(ask(where, get("/livez", "GET", "Connection: close"))) == 200
        for where in (daemon.status_socket, tcp):
            with Crowd(where, 3, get("/livez", "GET", "Connection: close")) as crowd:
                crowd.wait_ended()
                assert all(status_of(each) == 200 for each in crowd.got)
