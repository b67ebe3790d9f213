"""pgwake hold against the real daemon and a napping PostgreSQL: a program runs while, and only while, its database is kept awake."""

import json
import re
import signal
import sys
import time

import pytest

from rig import children
from rig.daemon import check_sanitizers
from rig.edges import quick
from rig.notify import NotifySocket
from rig.patience import patient, until

SUSPEND = 1.0
DELAY = 0.6
# Says what the nap is in the instant in which it starts, and goes on until a line comes.
LOOK = """
import json, socket, sys
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
control.sendall(b"status\\n")
print(control.makefile().readline().strip().removeprefix("ok "), flush=True)
print("over" if sys.stdin.readline() else "cut", flush=True)
"""


def napping(conninfo: str, **more) -> dict:
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "linger": "0s", "slow": "200ms",
                "login_interval": "1h", "wake_at_start": False}
    return quick("main", conninfo, **{**settings, **more})


def leases(daemon) -> list[dict]:
    return daemon.status("main")["leases"]


def hold(daemon, nap, *argv):
    """A hold of a program that looks at the nap when it starts, and what it saw."""
    process = daemon.start_pgwake("hold", "main", *argv, "--", sys.executable, "-c", LOOK, str(nap.control))
    return process, json.loads(process.stdout.readline())


def finish(process, text="\n", timeout=10):
    out, err = process.communicate(text, timeout=patient(timeout))
    check_sanitizers(err)
    return process.returncode, out, err


@pytest.fixture(name="sleeping")
def sleeping_database(make_nap, make_daemon):
    """(daemon, nap): the database sleeps, and is known to."""
    nap = make_nap(suspend_after=SUSPEND, wake_delay=DELAY)
    daemon = make_daemon([napping(nap.conninfo())]).start()
    until(lambda: nap.status()["doors"] >= 1, 10, "a door")
    return daemon, nap


def test_the_program_starts_when_it_is_awake_and_it_is_awake_as_long_as_it_runs(sleeping):
    daemon, nap = sleeping
    process, seen = hold(daemon, nap, "--owner", "the report")
    assert seen["state"] == "awake" and nap.status()["wakes"] == 1
    lease, = leases(daemon)
    assert lease["owner"] == "the report" and lease["until"] is None
    shown = daemon.pgwake("status", "main").stdout
    assert re.search(rf"^  lease +{lease['id']}: the report \(as it says of itself\), since ", shown, re.M), shown
    assert re.search(r"^  demand +lease$", shown, re.M) and "wakes       1: lease 1\n" in shown
    mark = nap.truth.mark()
    nap.truth.wait("session_idle", 30, mark, count=int(2.5 * SUSPEND * 10))
    assert not nap.truth.of("suspend_begin")
    assert finish(process) == (0, "over\n", "")
    until(lambda: not leases(daemon), 10, "the lease is gone")
    nap.truth.wait("suspended", 20)
    assert nap.status()["wakes"] == 1


def test_kill_9_ends_the_lease_at_once(sleeping, stall):
    daemon, nap = sleeping
    process, _ = hold(daemon, nap)
    assert len(leases(daemon)) == 1
    program, = children.children_of(process.pid)
    try:
        killed = time.monotonic()
        process.kill()
        until(lambda: not leases(daemon), 5, "the lease is gone", every=0.001)
        took = time.monotonic() - killed
    finally:
        children.send(program, signal.SIGKILL)
        finish(process)
    print(f"listed no more {took * 1000:.1f} ms after kill -9")
    assert took < stall.late(0.1)


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_the_program_notices_nothing_of_a_restart_and_the_database_never_slept(make_nap, make_daemon, how):
    nap = make_nap(suspend_after=2.5)
    daemon = make_daemon([napping(nap.conninfo(), suspend_after="2500ms")]).start()
    process, _ = hold(daemon, nap, "--owner", "me")
    before, = leases(daemon)
    if how == "stop":
        daemon.stop()
    else:
        daemon.kill9()
    time.sleep(0.3)
    daemon.start()
    up = time.monotonic()
    until(lambda: leases(daemon), 10, "the lease is back")
    took = time.monotonic() - up
    after, = leases(daemon)
    print(f"{how}: the lease was back {took * 1000:.1f} ms after the daemon answered")
    assert after["owner"] == "me" and after["since"] != before["since"] and process.poll() is None
    daemon.wait_state("main", "awake")
    mark = nap.truth.mark()
    nap.truth.wait("session_idle", 30, mark, count=35)
    assert not nap.truth.of("suspend_begin") and nap.status()["wakes"] == 1
    assert finish(process) == (0, "over\n", "")


def test_a_restart_during_the_wake_is_waited_for(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=2.0)
    daemon = make_daemon([napping(nap.conninfo())]).start()
    process = daemon.start_pgwake("hold", "main", "--", "echo", "it runs")
    daemon.wait_state("main", "waking")
    daemon.stop()
    daemon.start()
    assert finish(process, "", 30) == (0, "it runs\n", "")


def test_a_reload_keeps_it_and_one_that_removes_the_database_is_told_once(sleeping):
    daemon, nap = sleeping
    process, _ = hold(daemon, nap)
    before = leases(daemon)
    daemon.configure([napping(nap.conninfo(), fresh_for="25s"), {"name": "app", "conninfo": nap.conninfo(), "policy": "observe"}])
    assert daemon.reload().status == 200
    assert leases(daemon) == before
    daemon.configure([{"name": "app", "conninfo": nap.conninfo(), "policy": "observe"}])
    assert daemon.reload().status == 200
    assert "main: the lease is lost: the database is configured no longer (removed)" in process.stderr.readline()
    assert finish(process) == (0, "over\n", "")


def test_release_takes_it_away_and_the_program_goes_on(sleeping):
    daemon, nap = sleeping
    process, _ = hold(daemon, nap)
    lease, = leases(daemon)
    done = daemon.pgwake("release", str(lease["id"]))
    assert (done.returncode, done.stdout) == (0, f"lease {lease['id']} is ended\n")
    assert process.stderr.readline() == "pgwake: main: somebody ended the lease; it is not taken again\n"
    nap.truth.wait("suspended", 20)
    assert leases(daemon) == [] and finish(process) == (0, "over\n", "")
    done = daemon.pgwake("release", str(lease["id"]))
    assert done.returncode == 1 and "no_such_lease" in done.stderr


def test_refusals_of_the_real_daemon(sleeping, make_fake, make_daemon):
    daemon, _ = sleeping
    fake = make_fake(script="error-after-startup", error=("FATAL", "3D000", 'database "app" does not exist'))
    other = make_daemon([quick("bad", fake.conninfo(), blocked_interval="1h")]).start()
    other.wait_state("bad", "blocked")
    daemon.pgwake("pause", "main", "--for", "1h")
    for server, argv, word in ((daemon, ["main"], "pgwake resume main"), (daemon, ["mian"], 'did you mean "main"?'),
                               (other, ["bad"], "bad: ")):
        for more in (["--", "echo", "x"], [], ["--for", "1h"]):
            done = server.pgwake("hold", *argv, *more)
            assert (done.returncode, done.stdout) == (125, ""), done
            assert word in done.stderr or more == ["--for", "1h"], done.stderr
    done = daemon.pgwake("hold", "main", "--", "true", socket="status")
    assert done.returncode == 125 and "control socket" in done.stderr
    done = daemon.pgwake("release", "1", socket="status")
    assert done.returncode == 1 and "control socket" in done.stderr


def test_the_timeout_gives_the_lease_back(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=3.0)
    daemon = make_daemon([napping(nap.conninfo())]).start()
    done = daemon.pgwake("hold", "main", "--timeout", "700ms", "--", "echo", "x")
    assert (done.returncode, done.stdout) == (125, "") and "the lease is given back" in done.stderr
    assert leases(daemon) == []


def test_alone_it_tells_the_service_manager(sleeping):
    daemon, _ = sleeping
    notify = NotifySocket()
    process = daemon.start_pgwake("hold", "main", env={"NOTIFY_SOCKET": notify.address})
    notify.wait("READY", "1")
    assert daemon.status("main")["ready"] is True
    assert re.fullmatch(r"main is awake and held by lease \d+, until SIGTERM or Ctrl-C\n", process.stdout.readline())
    owner = leases(daemon)[0]["owner"]
    assert owner.endswith(f", process {process.pid}") or owner.endswith(".service")
    process.terminate()
    assert finish(process, None) == (0, "", "")
    notify.wait("STOPPING", "1")
    until(lambda: not leases(daemon), 5, "the lease is gone")
    notify.close()


def test_a_lease_by_the_clock_outlives_pgwake_and_ends(sleeping):
    daemon, nap = sleeping
    done = daemon.pgwake("hold", "main", "--for", "3s", "--owner", "me")
    assert done.returncode == 0 and re.fullmatch(r"lease \d+ of main until [\d: -]+\n", done.stdout)
    lease, = leases(daemon)
    assert lease["owner"] == "me" and lease["until"]
    daemon.wait_state("main", "awake")
    until(lambda: not leases(daemon), 10, "its time is over")
    nap.truth.wait("suspended", 20)
    told = json.loads(daemon.pgwake("hold", "main", "--for", "1h", "--json").stdout)
    assert daemon.pgwake("release", str(told["lease"]["id"])).returncode == 0 and leases(daemon) == []


def test_many_holds_of_a_sleeping_database_are_one_wake(sleeping):
    daemon, nap = sleeping
    processes = [daemon.start_pgwake("hold", "main", "--", "sh", "-c", "echo in; read line") for _ in range(20)]
    for process in processes:
        assert process.stdout.readline() == "in\n"
    assert len(leases(daemon)) == 20 and nap.status()["wakes"] == 1 and len(nap.truth.of("session_open")) == 1
    for process in processes:
        assert finish(process) == (0, "", "")
    until(lambda: not leases(daemon), 5, "all leases are gone")


def test_waiters_with_a_spread_are_released_apart(sleeping, stall):
    daemon, nap = sleeping
    processes = [daemon.start_pgwake("wait", "main", "--spread", "2s", "--timeout", "30s") for _ in range(5)]
    until(lambda: "pgwake_http_waiting 5\n" in daemon.get("/metrics").text, 10, "they wait")
    holder, _ = hold(daemon, nap)
    at = time.monotonic()
    released = []
    while len(released) < len(processes):
        released = [process for process in processes if process.poll() is not None]
        assert time.monotonic() - at < patient(10)
        time.sleep(0.005)
    took = time.monotonic() - at
    assert all(finish(process, None)[0] == 0 for process in processes) and finish(holder) == (0, "over\n", "")
    print(f"the last of 5 was released {took:.2f} s after the program under the lease")
    assert 0.5 < took < stall.late(3) and nap.status()["wakes"] == 1


def test_wait_alone_says_so_only_when_nothing_else_wakes_it(sleeping):
    daemon, nap = sleeping
    done = daemon.pgwake("wait", "main", "--timeout", "300ms")
    assert done.returncode == 1 and done.stderr.count("pgwake wait --wake main") == 1 and nap.status()["wakes"] == 0
    waker = daemon.start_pgwake("hold", "main", "--", "sh", "-c", "read line")
    until(lambda: leases(daemon), 5, "a lease")
    done = daemon.pgwake("wait", "main", "--timeout", "20s")
    assert (done.returncode, done.stderr) == (0, "") and "main is awake" in done.stdout
    assert finish(waker)[0] == 0
