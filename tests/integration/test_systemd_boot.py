"""A machine whose database comes up 20 s after pgwaked: what waits for it, and what does not. Meanwhile its units are judged.

The tests use the one boot in turn; only the last one waits for its end.
"""

import json
import re

import pytest

from rig.machine import Machine, needs_machine
from rig.residents import postgres

pytestmark = needs_machine()
LATE = 20

APPLICATION = """[Unit]
Description=An application that needs the database
Requires=pgwake-hold@main.service
After=pgwake-hold@main.service
[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

BYSTANDER = """[Unit]
Description=Somebody who needs no database
[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

LATE_POSTGRES = f"""[Service]
ExecStartPre=/usr/bin/sleep {LATE}
TimeoutStartSec=infinity
ExecStart=
ExecStart={{start}} -c log_duration=on -c "log_line_prefix=at %%n by %%a: "
"""


@pytest.fixture(scope="module")
def booting(empty_machine: Machine) -> Machine:
    """Booted with everything enabled, as long as its database is not there."""
    machine = empty_machine
    units = "/etc/systemd/system"
    start = re.search(r"^ExecStart=(.*)", (machine.root / "etc/systemd/system/pg.service").read_text(), flags=re.M)[1]
    machine.write(f"{units}/application.service", APPLICATION)
    machine.write(f"{units}/bystander.service", BYSTANDER)
    machine.write(f"{units}/pg.service.d/late.conf", LATE_POSTGRES.format(start=start))
    machine.configure([postgres(retry_interval="1s", down_interval="2s")])
    machine.outside("systemctl", f"--root={machine.place}", "enable", "pgwaked.service", "application.service", "bystander.service")
    machine.outside("systemctl", f"--root={machine.place}", "add-wants", "multi-user.target", "pg.service")
    return machine.boot(settled=False)


def our_units(machine: Machine) -> list[str]:
    """What `make install` brought."""
    found = [str(path) for path in machine.path("/usr/lib/systemd/system").glob("pgwake*")]
    return sorted("/" + each.split("/root/", 1)[1] for each in found)


def test_what_is_not_ordered_after_the_database_does_not_wait(booting):
    booting.wait_state("bystander.service", "active", 5)
    booting.wait_state("pgwaked.service", "activating", 5)
    assert booting.state("application.service") == "inactive"
    assert booting.state("pgwake-hold@main.service") == "activating"
    assert booting.request("/livez", socket="status").status == 200
    jobs = booting.systemctl("list-jobs").stdout
    assert re.search(r"application\.service +start +waiting", jobs), jobs
    assert "Waiting for main: " in booting.wait_property("pgwake-hold@main.service", "StatusText", lambda text: "tcp.refused" in text)


def test_enabling_the_daemon_enables_its_sockets(booting):
    for unit in ("pgwaked.service", "pgwaked.socket", "pgwaked-control.socket"):
        assert booting.systemctl("is-enabled", unit).stdout.strip() == "enabled"


def test_systemd_finds_nothing_to_say_of_any_unit(booting):
    units = our_units(booting)
    assert len(units) == 5
    # A template is judged by an instance; and what it looks for must be where it will be.
    named = [unit.replace("@.", "@main.") for unit in units]
    examples = [f"/usr/share/doc/pgwaked/examples/{name}" for name in
                ("application.service", "on-awake.path", "on-awake.service", "office-hours.target", "office-hours-over.target",
                 "office-hours.timer", "office-hours-over.timer")]
    booting.run("mkdir", "-p", "/tmp/units")
    booting.run("cp", *units, *examples, "/tmp/units")
    booting.run("sh", "-c", "cd /tmp/units && mv pgwake-wait@.service pgwake-wait@main.service && mv pgwake-hold@.service pgwake-hold@main.service")
    for name in [each.rsplit("/", 1)[1] for each in named + examples]:
        done = booting.run("env", "SYSTEMD_UNIT_PATH=/tmp/units:", "systemd-analyze", "verify", "--man=no", f"/tmp/units/{name}", check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), f"{name}: {done.stdout}{done.stderr}"


def test_the_sandbox_is_as_tight_as_it_is_said_and_what_is_left_is_explained(booting):
    unit = booting.path("/usr/lib/systemd/system/pgwaked.service").read_text()
    comment = " ".join(line for line in unit.splitlines() if line.startswith("#"))
    for name, most in (("pgwaked.service", 1.2), ("pgwake-hold@main.service", 1.2), ("pgwake-wait@main.service", 1.2)):
        exposure = float(re.search(r"exposure level for \S+ ([\d.]+)", booting.run("systemd-analyze", "security", name).stdout)[1])
        print(f"systemd-analyze security {name}: {exposure}")
        assert exposure <= most, name
    for row in json.loads(booting.run("systemd-analyze", "security", "--json=short", "pgwaked.service").stdout):
        if row["set"] is False and row["exposure"]:
            key = row["name"].split("=")[0]
            assert f"{key}=" in comment, f"{row['name']} is left, and no comment says why"
            print("left:", row["name"], row["exposure"], row["description"])


def test_its_user_its_group_and_its_folder_are_declared(booting):
    assert booting.run("id", "-un", "pgwaked").stdout == "pgwaked\n"
    assert booting.run("getent", "group", "pgwake").stdout
    folder = booting.path("/run/pgwaked").stat()
    assert (folder.st_uid, folder.st_gid, folder.st_mode & 0o777) == (0, 0, 0o755)


def test_the_dependent_unit_starts_within_100_ms_of_the_first_answered_query_and_never_before(booting, stall):
    booting.wait_state("application.service", "active", LATE + 25)
    answered = [float(match[1]) for entry in booting.journal("_SYSTEMD_UNIT=pg.service")
                if (match := re.match(r"at ([\d.]+) by pgwaked: LOG: +duration: ", entry["MESSAGE"]))]
    started = booting.microseconds("application.service", "ExecMainStartTimestamp") / 1e6
    begun = booting.microseconds("pg.service", "InactiveExitTimestamp") / 1e6
    print(f"the database came up {answered[0] - begun:.1f} s after its start began; the application started {1000 * (started - answered[0]):.1f} ms after its "
          "first answer")
    assert answered[0] - begun > LATE
    # The server's clock in its log has milliseconds.
    assert -0.001 < started - answered[0] < stall.late(0.1)
    assert booting.entered("bystander.service") < booting.entered("application.service") - LATE * 500_000
    assert booting.status()["leases"][0]["owner"] == "pgwake-hold@main.service"
    booting.wait_state("multi-user.target", "active", 10)
