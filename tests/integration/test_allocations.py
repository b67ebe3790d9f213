"""Memory that runs out at the n-th allocation of a start, a reload, an attempt, a request: pgwaked goes on, or ends and says why; and when
there is memory again, all is as if nothing had been.

By default a sample is tried, another one for each RIG_SEED; with RIG_ALLOCATIONS=all (./dev allocations) each allocation that there is.
"""

import os
import random
import subprocess
from contextlib import suppress

import pytest

from rig.allocations import NEVER, Allocations
from rig.build import plain
from rig.daemon import Daemon, built, check_sanitizers
from rig.edges import quick
from rig.exact import Garbage
from rig.fake import Fake
from rig.patience import until
from rig.process import descriptors
from rig.randommodel import ROW
from rig.rawhttp import connect, connected, get, read_to_end, status_of

ALL = os.environ.get("RIG_ALLOCATIONS") == "all"
SEED = int(os.environ.get("RIG_SEED", "1"))
QUIET = {"policy": "observe", "door_interval": "0s"}
# Of a start: that of the daemon itself, that of the loader of programs.
ENDS = (1, 127)


@pytest.fixture(name="server", scope="module")
def answering_server():
    with Fake("ok", answer=ROW) as fake:
        yield fake


@pytest.fixture(name="allocations")
def failing_allocations(tmp):
    return Allocations(tmp)


def sample(count: int, most: int) -> list[int]:
    """Which ones of `count` fail: all of them, or so many; the first and the last are those of our own code rather than of a library."""
    numbers = list(range(1, count + 1))
    if ALL or count <= most:
        return numbers
    third = most // 3
    return sorted({*numbers[:third], *numbers[-third:], *random.Random(SEED).sample(numbers, third)})


def database(server, name="main", **more) -> dict:
    """One that is given up soon when there was no memory to tell how its attempt ended."""
    return quick(name, **{"conninfo": server.conninfo(), "attempt_timeout": "1s", **more})


def answers(daemon) -> bool:
    with suppress(OSError):
        return daemon.get("/livez").status == 200
    return False


def is_awake(daemon) -> bool:
    with suppress(OSError):
        return daemon.status("main")["state"] == "awake"
    return False


def as_ever(daemon, names=("main",)) -> None:
    """It runs, and everything is there."""
    assert daemon.running, f"pgwaked ended with {daemon.process.poll()}: {daemon.output()[-6000:]}"
    assert all(note.fields for note in daemon.notify.notes), "the service manager was told nothing, in a message"
    status = daemon.get("/status")
    assert status.status == 200 and [each["name"] for each in status.json["databases"]] == sorted(names)


def ended_in_words(daemon) -> None:
    """It ended by itself, and told why."""
    text = daemon.output()
    check_sanitizers(text)
    assert daemon.process.returncode in ENDS and "memory" in text or "temporarily unavailable" in text, \
        f"exit code {daemon.process.returncode}: {text[-3000:]}"


def start_without(daemon, allocations, number: int) -> bool:
    """Whether it goes on."""
    allocations.fail_at(number)
    daemon.start(wait=False)
    until(lambda: daemon.process.poll() is not None or is_awake(daemon), 30, "it ended, or is awake")
    allocations.stop()
    if daemon.running:
        as_ever(daemon)
        assert daemon.stop()[0] == 0
        return True
    ended_in_words(daemon)
    return False


def test_a_start_goes_on_or_ends_in_words(make_daemon, server, allocations):
    daemon = make_daemon([database(server)], env=allocations.env).start()
    daemon.wait_state("main", "awake")
    count = allocations.calls()
    daemon.stop()
    tried = sample(count, 24)
    went_on = 0
    for number in tried:
        for path in (daemon.stdout_path, daemon.stderr_path, daemon.history_path):
            path.unlink(missing_ok=True)
        try:
            went_on += start_without(daemon, allocations, number)
        except BaseException:
            print(f"allocation {number} of {count}, by {allocations.where}")
            raise
        finally:
            allocations.fail_at(NEVER)
    print(f"{count} allocations until it is awake, {len(tried)} of them tried: it went on {went_on} times, and ended in words else")


def ask(where, request: bytes, seconds: float = 10.0) -> bytes:
    """What comes, if anything: without memory a connection may be closed without a word."""
    with suppress(OSError), connect(where, seconds) as client:
        client.sendall(request)
        return read_to_end(client)
    return b""


def test_a_reload_is_refused_in_words_or_done(make_daemon, server, allocations):
    def databases(turn: int) -> list[dict]:
        """One that stays, one that comes and goes, one whose settings change, one whose server does."""
        return [database(server), database(server, f"new{turn}", **QUIET), database(server, "set", linger=f"{turn + 1}s", **QUIET),
                quick("moved", server.conninfo(dbname=f"db{turn}"), **QUIET)]

    daemon = make_daemon(databases(0), env=allocations.env).start()
    daemon.wait_state("main", "awake")
    daemon.configure(databases(1))
    allocations.fail_at(NEVER)
    assert daemon.reload().status == 200
    count = allocations.calls()
    statuses: dict[int, int] = {}
    for turn, number in enumerate(sample(count, 100)):
        names = ("main", "moved", f"new{turn % 2}", "set")
        daemon.configure(databases(turn % 2))
        allocations.fail_at(number)
        answer = ask(daemon.control_socket, get("/reload", "POST", "Connection: close"))
        allocations.stop()
        status = status_of(answer)
        statuses[status] = statuses.get(status, 0) + 1
        assert status in (0, 200) or b"memory" in answer, (number, allocations.where, answer)
        if status == 200:
            as_ever(daemon, names)
        assert daemon.running and daemon.reload().status == 200, (number, allocations.where)
        as_ever(daemon, names)
    daemon.wait_state("main", "awake", 20)
    print(f"{count} allocations; answers {statuses}")
    assert daemon.stop()[0] == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_attempt_fails_for_want_of_memory_and_for_nothing_else(host, make_daemon, server, allocations):
    daemon = make_daemon([database(server, conninfo=server.conninfo(host=host))], env=allocations.env).start()
    daemon.wait_state("main", "awake")
    reasons: dict[str, int] = {}

    def log_in_anew(number: int) -> int:
        """By a pause and its end. Answers how many allocations there were until it was awake again."""
        daemon.get("/pause/main?for=1h", method="POST")
        before = daemon.status("main")["failures"]["by_reason"]
        allocations.fail_at(number)
        if not ask(daemon.control_socket, get("/pause/main?for=0s", "POST", "Connection: close")):
            daemon.get("/pause/main?for=0s", method="POST")
        until(lambda: is_awake(daemon) or not daemon.running, 20, "it is awake again", every=0.02)
        calls = allocations.calls()
        allocations.stop()
        as_ever(daemon)
        after = daemon.status("main")["failures"]["by_reason"]
        for reason in after:
            reasons[reason] = reasons.get(reason, 0) + after[reason] - before.get(reason, 0)
        return calls

    count = log_in_anew(NEVER)
    for number in sample(count, 45):
        try:
            log_in_anew(number)
        except BaseException:
            print(f"allocation {number} of {count}, by {allocations.where}")
            raise
    print(f"{count} allocations from the end of a pause until it is awake; attempts failed by {reasons}")
    # Where the C library has no memory for one source of names it goes on to the next, and says what that one says.
    assert set(reasons) <= ({"host.resources"} if host == "127.0.0.1" else {"host.resources", "dns.failed"})
    assert daemon.stop()[0] == 0


# What is asked, and how many allocations fail at most by default: a question about the past has hundreds, most of them SQLite's.
REQUESTS = {
    ("GET", "/livez"): 40, ("GET", "/"): 40, ("GET", "/status"): 40, ("GET", "/status/main"): 40, ("GET", "/metrics"): 40,
    ("GET", "/readyz"): 40, ("GET", "/readyz/idle?wait=1ms"): 40, ("GET", "/events?follow=0"): 40, ("GET", "/history/main?kind=report"): 40,
    ("GET", "/history/idle?kind=states"): 60, ("GET", "/none"): 20, ("GET", "/status/nobody"): 20, ("GET", "/readyz?x=1"): 20,
    ("GET", "/readyz HTTP/3.0"): 20, ("POST", "/lease/idle?for=1h"): 40, ("POST", "/wake/main"): 40, ("POST", "/pause/main?for=0s"): 40,
    # These are held, and left by their clients.
    ("GET", "/events"): 40, ("POST", "/lease/idle"): 40, ("GET", "/readyz/idle?wait=1h"): 40, ("POST", "/wake/none?wait=1h"): 20,
}
ROWS = 500  # enough for an answer that goes out in pieces


def test_a_request_without_memory_leaves_nothing_behind(make_daemon, server, allocations):
    daemon = make_daemon([database(server), database(server, "idle", **QUIET)], env=allocations.env).start()
    daemon.wait_state("main", "awake")
    for _ in range(ROWS // 2):
        for span in ("1h", "0s"):
            daemon.get(f"/pause/idle?for={span}", method="POST")
    until(lambda: len(daemon.get("/history/idle?kind=states").body) > 65536, 10, "all of it is in the history")
    idle = len(descriptors(daemon.pid))

    def held(method: str, path: str) -> bytes:
        """A request whose answer has no end: as much as comes at once."""
        with suppress(OSError), connect(daemon.control_socket, 0.05) as client:
            client.sendall(get(path, method))
            return client.recv(65536)
        return b""

    def one(method: str, path: str, number: int) -> int:
        """Its answer's status, after which all is as before."""
        is_held = path in ("/events", "/lease/idle") or path.endswith("=1h") and method == "GET"
        allocations.fail_at(number)
        answer = held(method, path) if is_held else ask(daemon.control_socket, get(path, method, "Connection: close"))
        until(lambda: connected(daemon.control_socket) == 0 or not daemon.running, 20, "its client is gone")
        calls = allocations.calls()
        allocations.stop()
        as_ever(daemon, ("idle", "main"))
        for lease in daemon.status("idle")["leases"]:
            assert "for=" in path, lease
            daemon.get(f"/lease/{lease['id']}", method="DELETE")
        if not answer.startswith(b"HTTP/1.1 ") and answer:
            raise Garbage(answer[:200])
        return calls

    for (method, path), most in REQUESTS.items():
        count = one(method, path, NEVER)
        tried = sample(count, most)
        for number in tried:
            try:
                one(method, path, number)
            except BaseException:
                print(f"{method} {path}: allocation {number} of {count}, by {allocations.where}")
                raise
        print(f"{method} {path}: {len(tried)} of {count} allocations")
    # The leases have woken it, and it lingers.
    assert daemon.get("/pause/idle?for=1h", method="POST").status == 200
    until(lambda: connected(daemon.control_socket) == 0 and len(descriptors(daemon.pid)) <= idle, 20, "everything is closed")
    assert daemon.stop()[0] == 0


def test_the_service_manager_is_told_what_is_so_at_once_or_soon(make_daemon, server, allocations):
    daemon = make_daemon([database(server), database(server, "idle", **QUIET)], env=allocations.env).start()
    daemon.wait_state("main", "awake")

    def tells_of_a_pause() -> bool:
        return "paused" in daemon.notify.of("STATUS")[-1].fields["STATUS"]

    for number in range(1, 50):
        span = "1h" if number % 2 else "0s"
        allocations.fail_at(number)
        answer = ask(daemon.control_socket, get(f"/pause/idle?for={span}", "POST", "Connection: close"))
        if not answer:
            daemon.get(f"/pause/idle?for={span}", method="POST")
        until(lambda span=span: tells_of_a_pause() == (span == "1h"), 5, f"STATUS tells of the pause, or of its end ({allocations.where})")
        allocations.stop()
        as_ever(daemon, ("idle", "main"))
    assert daemon.stop()[0] == 0


@plain
def test_a_configuration_that_is_too_large_for_the_memory_is_refused_in_words(tmp, server):
    """libconfig itself would not look."""
    databases = ",\n".join(f'{{ name = "d{i}"; conninfo = "{server.conninfo()}"; }}' for i in range(3000))
    daemon = Daemon(tmp, databases)
    seen = {}
    for megabytes in range(12, 120, 2):
        done = subprocess.run(["prlimit", f"--as={megabytes << 20}", built("pgwaked"), "-c", daemon.config_path, "--check-config"],
                              capture_output=True, text=True, check=False)
        seen.setdefault(done.returncode, []).append(megabytes)
        assert done.returncode in (0, *ENDS), (megabytes, done)
        assert done.returncode == 0 or "memory" in done.stderr or done.returncode == 127, (megabytes, done.stderr)
    print(f"exit codes by megabytes: {seen}")
    assert 0 in seen and 1 in seen
    daemon.notify.close()
