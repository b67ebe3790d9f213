"""Readiness by dependency, under a real systemd: units that need a database start when it is awake, and keep it so while they run."""

import math
import os
import re
import signal
import time

import pytest

from rig.machine import Machine, needs_machine
from rig.patience import until
from rig.residents import postgres, sleeper

pytestmark = needs_machine()

# It notes when it was started, on the clock that all share.
APPLICATION = """[Unit]
Description=An application
Requires={needs}
After={needs}
[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
"""


@pytest.fixture
def asleep(machine: Machine, neon_inside):
    """main is the stand-in for Neon, and sleeps."""
    neon_inside.wait("asleep")
    machine.configure([sleeper()])
    machine.systemctl("start", "pgwaked")
    return machine


def application(machine: Machine, needs: str, name: str = "test-application.service") -> str:
    machine.unit(name, APPLICATION.format(needs=needs))
    return name


def awake_since(neon) -> int:
    """When the first query since the last wake began was answered, in truth."""
    truth = neon.truth()
    begun = max(index for index, event in enumerate(truth) if event["event"] == "wake_begin")
    return next(event["monotonic_usec"] for event in truth[begun:] if event["event"] == "answered")


# pgwake-hold@ and pgwake-wait@


def test_an_application_that_requires_the_hold_starts_when_awake_keeps_it_awake_and_lets_it_sleep(asleep, neon_inside, stall):
    wakes = neon_inside.status()["wakes"]
    name = application(asleep, "pgwake-hold@main.service")
    asleep.systemctl("start", name)
    late = asleep.entered(name) - awake_since(neon_inside)
    print(f"the application was started {late / 1000:.1f} ms after the first answer")
    assert 0 < late < 1e6 * stall.late(0.1)
    lease = asleep.status()["leases"][0]
    assert lease["owner"] == "pgwake-hold@main.service"
    assert asleep.show("pgwake-hold@main.service", "StatusText") == "Holding main: awake"
    # Four times as long as it takes to fall asleep.
    deadline = time.monotonic() + 2.4
    while time.monotonic() < deadline:
        assert neon_inside.status()["state"] == "awake"
        time.sleep(0.05)
    asleep.systemctl("stop", name)
    asleep.wait_state("pgwake-hold@main.service", "inactive")
    neon_inside.wait("asleep")
    asleep.wait_database(lambda status: status["state"] == "asleep" and not status["leases"])
    assert neon_inside.status()["wakes"] == wakes + 1


def test_a_service_that_runs_under_a_lease_of_its_own_is_called_by_its_unit(asleep, neon_inside):
    """As in the worked example: no name is given, and none is needed."""
    asleep.unit("test-report.service", "[Service]\nType=exec\nExecStart=/usr/bin/pgwake hold main --timeout 2min -- /usr/bin/sleep infinity\n")
    asleep.systemctl("start", "test-report.service")
    held = asleep.wait_database(lambda status: status["state"] == "awake" and status["leases"])
    assert [lease["owner"] for lease in held["leases"]] == ["test-report.service"] and held["wakes"]["last"]["cause"] == "lease"
    asleep.systemctl("kill", "--kill-whom=main", "--signal=KILL", "test-report.service")
    asleep.wait_database(lambda status: not status["leases"])
    neon_inside.wait("asleep")


def test_two_applications_share_one_hold_and_it_ends_with_the_last(asleep):
    for name in ("test-one.service", "test-two.service"):
        application(asleep, "pgwake-hold@main.service", name)
    asleep.systemctl("start", "test-one.service", "test-two.service")
    assert len(asleep.status()["leases"]) == 1
    asleep.systemctl("stop", "test-one.service")
    assert asleep.state("pgwake-hold@main.service") == "active" and len(asleep.status()["leases"]) == 1
    asleep.systemctl("stop", "test-two.service")
    asleep.wait_state("pgwake-hold@main.service", "inactive")
    assert not asleep.status()["leases"]


def test_an_application_that_requires_the_wait_starts_when_awake_and_holds_nothing(asleep, neon_inside):
    name = application(asleep, "pgwake-wait@main.service")
    asleep.systemctl("start", name)
    assert 0 < asleep.entered(name) - awake_since(neon_inside)
    assert not asleep.status()["leases"]
    neon_inside.wait("asleep")
    assert asleep.state(name) == "active" and asleep.state("pgwake-wait@main.service") == "inactive"
    # Who starts later waits anew.
    wakes = neon_inside.status()["wakes"]
    asleep.systemctl("restart", name)
    assert neon_inside.status()["wakes"] == wakes + 1


def test_the_wait_is_bounded_and_says_why_it_gave_up(machine):
    machine.configure([postgres(conninfo="host=127.0.0.1 port=1 user=app dbname=app", fall=1)])
    machine.unit("pgwake-wait@.service.d/test.conf", "[Service]\nEnvironment=TIMEOUT=1s\n")
    name = application(machine, "pgwake-wait@main.service")
    mark = machine.now()
    done = machine.systemctl("start", name, check=False)
    assert done.returncode != 0 and "dependency" in done.stderr
    assert machine.state(name) == "inactive" and machine.state("pgwake-wait@main.service") == "failed"
    said = [entry["MESSAGE"] for entry in machine.journal("_SYSTEMD_UNIT=pgwake-wait@main.service", since=mark)]
    assert any("main is down after" in line and "tcp.refused" in line for line in said), said


def test_a_hold_waits_for_a_daemon_that_is_listened_for_and_cannot_answer_yet(asleep):
    """As while the machine starts: the sockets are there, the daemon comes later than a person would wait."""
    name = application(asleep, "pgwake-hold@main.service")
    asleep.systemctl("stop", "pgwaked")
    asleep.unit("pgwaked.service.d/test.conf", "[Service]\nExecStartPre=/usr/bin/sleep 6\n")
    begun = time.monotonic()
    asleep.systemctl("start", name)
    assert time.monotonic() - begun > 5.5
    assert asleep.status()["leases"]


def test_a_restart_or_crash_of_the_daemon_restarts_no_application_and_loses_no_sleep_or_demand(asleep, neon_inside):
    name = application(asleep, "pgwake-hold@main.service")
    other = application(asleep, "pgwake-wait@main.service", "test-other.service")
    asleep.systemctl("start", name, other)
    wakes = neon_inside.status()["wakes"]
    neon_inside.command("suspend-after 5")  # longer than systemd waits before it starts what crashed

    def same() -> tuple:
        return tuple(asleep.show(unit, "InvocationID") for unit in (name, other, "pgwake-hold@main.service"))

    before = same()
    asleep.systemctl("restart", "pgwaked")
    asleep.wait_database(lambda status: status["leases"] and status["ready"])
    os.kill(asleep.outer_pid("pgwaked"), signal.SIGKILL)
    asleep.wait_property("pgwaked", "NRestarts", lambda text: text == "1")
    asleep.wait_database(lambda status: status["leases"] and status["ready"])
    # As an upgrade does.
    asleep.systemctl("restart", "pgwaked.socket", "pgwaked-control.socket")
    asleep.wait_database(lambda status: status["leases"] and status["ready"])
    assert same() == before
    assert neon_inside.status()["state"] == "awake" and neon_inside.status()["wakes"] == wakes
    neon_inside.command("suspend-after 0.6")


def test_a_lease_that_an_operator_ends_is_not_taken_again(asleep):
    name = application(asleep, "pgwake-hold@main.service")
    asleep.systemctl("start", name)
    asleep.run("pgwake", "release", asleep.status()["leases"][0]["id"])
    asleep.wait_state("pgwake-hold@main.service", "failed")
    assert asleep.state(name) == "active" and not asleep.status()["leases"]


def test_a_holder_that_is_killed_is_started_again_with_those_that_require_it(asleep):
    """Nobody who requires a lease runs without one."""
    name = application(asleep, "pgwake-hold@main.service")
    asleep.systemctl("start", name)
    before = asleep.show(name, "InvocationID")
    os.kill(asleep.outer_pid("pgwake-hold@main.service"), signal.SIGKILL)
    asleep.wait_property(name, "InvocationID", lambda text: text not in ("", before))
    asleep.wait_state(name, "active")
    assert asleep.status()["leases"][0]["owner"] == "pgwake-hold@main.service" and asleep.status()["ready"]


def test_a_path_unit_on_the_awake_file_starts_work_once_for_each_time_awake(asleep, neon_inside):
    """The example as it is shipped."""
    for each in ("on-awake.path", "on-awake.service"):
        text = asleep.path(f"/usr/share/doc/pgwaked/examples/{each}").read_text()
        asleep.unit(f"test-{each}", text)
    mark = asleep.now()

    def worked() -> int:
        return len([entry for entry in asleep.journal("_SYSTEMD_UNIT=test-on-awake.service", since=mark) if entry["MESSAGE"] == "main is awake"])

    asleep.systemctl("start", "test-on-awake.path")
    assert worked() == 0
    for number in (1, 2):
        asleep.run("pgwake", "wake", "main", "--wait", "20s")
        until(lambda number=number: worked() == number, 10, f"the work was done {number} times", every=0.05)
        asleep.wait_state("test-on-awake.service", "inactive")
        neon_inside.wait("asleep")
    assert worked() == 2


def test_the_office_hours_of_the_example_keep_it_awake_and_end(asleep, neon_inside):
    """The targets as they are shipped, and the timers with moments that come now."""
    for each in ("office-hours.target", "office-hours-over.target", "office-hours.timer", "office-hours-over.timer"):
        text = asleep.path(f"/usr/share/doc/pgwaked/examples/{each}").read_text()
        if each.endswith(".timer"):
            asleep.run("systemd-analyze", "calendar", text.split("OnCalendar=")[1].splitlines()[0])
            text = "\n".join("OnActiveSec=200ms" if line.startswith("OnCalendar=") else line for line in text.splitlines()) + "\n"
            text = text.replace("AccuracySec=1s", "AccuracySec=1ms")
        asleep.unit(each, text)
    asleep.systemctl("start", "office-hours.timer")
    asleep.wait_state("pgwake-hold@main.service", "active")
    assert asleep.status()["leases"] and neon_inside.status()["state"] == "awake"
    asleep.systemctl("start", "office-hours-over.timer")
    asleep.wait_state("pgwake-hold@main.service", "inactive")
    assert asleep.state("office-hours.target") == "inactive"
    neon_inside.wait("asleep")
    asleep.systemctl("stop", "office-hours.timer", "office-hours-over.timer", "office-hours-over.target")


# pgwaked.service itself


@pytest.mark.parametrize("on, ready", [("awake", True), ("verdict", False), ("start", False)])
def test_the_daemon_is_active_as_ready_on_says(machine, neon_inside, on, ready):
    neon_inside.wait("asleep")
    machine.configure([sleeper(wake_at_start=True)], {"ready": {"on": on}})
    machine.systemctl("start", "pgwaked")
    answered = machine.entered("pgwaked") > awake_since(neon_inside) if machine.status()["ready"] else False
    assert answered == ready, machine.status()
    if on == "awake":
        assert machine.show("pgwaked", "StatusText") == "1 database: 1 awake"


def test_a_slow_database_extends_the_start_timeout_and_says_reason_and_expected_time(machine, neon_inside):
    neon_inside.wait("asleep")
    machine.configure([sleeper(wake_at_start=True)])
    # How long a start takes here in which the database is awake soon. The timeout is twice that, and the slow wake three times the timeout.
    machine.systemctl("start", "pgwaked")
    took = machine.entered("pgwaked") - machine.entered("pgwaked", "InactiveExitTimestampMonotonic")
    timeout = max(1, math.ceil(2 * took / 1e6))
    print(f"a start took {took / 1e6:.2f} s; now a wake of {3 * timeout} s and a timeout of {timeout} s")
    machine.systemctl("stop", "pgwaked")
    neon_inside.wait("asleep")
    neon_inside.command(f"wake-delay fixed {3 * timeout}")
    try:
        # So that it knows how long a wake takes.
        machine.systemctl("start", "pgwaked")
        machine.systemctl("stop", "pgwaked")
        neon_inside.wait("asleep")
        machine.unit("pgwaked.service.d/test.conf", f"[Service]\nTimeoutStartSec={timeout}\n")
        machine.systemctl("start", "--no-block", "pgwaked")
        # What is expected changes with every look: it is looked at as a person would.
        status = until(lambda: re.search(r'Status: "(waiting .*expected in .*)"', machine.systemctl("status", "pgwaked", check=False).stdout),
                       15, "the status says when it is expected", every=0.02)
        print(status[1])
        assert re.fullmatch(r"waiting for 1 of 1 database: main \(.*expected in [^()]+\)", status[1])
        begun = machine.entered("pgwaked", "InactiveExitTimestampMonotonic")
        machine.wait_state("pgwaked", "active", 3 * timeout + 20)
        assert machine.entered("pgwaked") - begun > 3 * timeout * 1_000_000
    finally:
        neon_inside.command("wake-delay fixed 0.4")


def test_a_blocked_database_says_in_the_status_what_to_do(machine):
    machine.systemctl("start", "pg")
    machine.configure([postgres(conninfo="host=127.0.0.1 port=5432 user=app dbname=app password=wrong")])
    machine.systemctl("start", "--no-block", "pgwaked")
    text = machine.wait_property("pgwaked", "StatusText", lambda text: "blocked" in text)
    print(text)
    assert text == ("waiting for 1 of 1 database: main (blocked, auth.password). Check the user and the password that this database is "
                    "configured with, then reload pgwaked.")
    assert machine.state("pgwaked") == "activating"
    machine.configure([postgres()])
    machine.run("pgwake", "reload")
    machine.wait_state("pgwaked", "active")


def test_at_ready_timeout_it_is_active_all_the_same_and_says_who_is_missing(machine):
    machine.systemctl("start", "pg")
    machine.configure([postgres(), postgres(name="gone", conninfo="host=127.0.0.1 port=1 user=app dbname=app")], {"ready": {"timeout": "700ms"}})
    begun = time.monotonic()
    machine.systemctl("start", "pgwaked")
    assert time.monotonic() - begun > 0.65
    text = machine.show("pgwaked", "StatusText")
    assert text == "waiting for 1 of 2 databases: gone (down, tcp.refused)", text
    entry = machine.journal("MESSAGE_ID=4bfa719f3fc3464abf802688e87cee4f")[-1]
    assert entry["MESSAGE"].endswith(text) and entry["PRIORITY"] == "4"
