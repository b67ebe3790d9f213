"""pgwaked's life under a real systemd: reload, restart without forgetting, watchdog, credentials, sandbox, journal."""

import json
import os
import re
import signal

import pytest

from rig import children
from rig.machine import Machine, needs_machine
from rig.patience import until
from rig.postgres import find_bin
from rig.residents import PASSWORD, postgres, sleeper

pytestmark = needs_machine()


@pytest.fixture
def real(machine: Machine) -> Machine:
    """With a real PostgreSQL, configured as main, and the daemon running."""
    machine.systemctl("start", "pg")
    machine.configure([postgres()])
    machine.systemctl("start", "pgwaked")
    return machine


# Reload


def test_a_good_reload_keeps_session_state_and_leases_of_what_did_not_change(real):
    # No login that is due brings another session meanwhile.
    rare = {"login_interval": "1h"}
    real.configure([postgres(**rare)])
    real.systemctl("restart", "pgwaked")
    real.wait_database(lambda status: status["ready"])
    real.run("pgwake", "hold", "main", "--for", "1h")
    before = real.status()
    real.configure([postgres(**rare), postgres(name="more")])
    real.systemctl("reload", "pgwaked")
    after = real.status()
    assert real.status("more")
    for key in ("since", "session", "leases", "generation"):
        assert after[key] == before[key], key
    assert real.state("pgwaked") == "active" and real.show("pgwaked", "NRestarts") == "0"


def test_a_bad_reload_fails_visibly_and_the_old_configuration_goes_on(real):
    before, mark = real.status(), real.now()
    real.write("/etc/pgwaked/pgwaked.conf", 'databases: ( { name = "main"; conninf = "host=x"; } );\n')
    done = real.systemctl("reload", "pgwaked", check=False)
    assert done.returncode != 0 and "failed" in done.stderr
    assert real.status()["session"] == before["session"] and real.state("pgwaked") == "active"
    complaint = real.journal("MESSAGE_ID=65bd23bec4a4444f8466b3bbf5d813f1", since=mark)[0]["MESSAGE"]
    assert "/etc/pgwaked/pgwaked.conf:1" in complaint and "conninfo" in complaint
    # The journal no longer knows the process of a line whose writer has left; whose line it is, it does.
    said = real.journal("_SYSTEMD_UNIT=pgwaked.service", "SYSLOG_IDENTIFIER=pgwake", since=mark)
    assert complaint.split(": ", 1)[1] in "".join(entry["MESSAGE"] for entry in said)
    real.configure([postgres()])
    real.systemctl("reload", "pgwaked")


def test_the_manager_hears_reloading_then_ready(real):
    mark = real.now()
    real.run("systemd-analyze", "log-level", "debug")
    try:
        real.systemctl("reload", "pgwaked")
    finally:
        real.run("systemd-analyze", "log-level", "info")
    texts = [entry["MESSAGE"] for entry in real.journal("_PID=1", "UNIT=pgwaked.service", since=mark)]
    # "... from PID 7 (READY=1, STATUS=...)"; since systemd 257 "... from PID 7: READY=1, STATUS=...".
    heard = [re.search(r"from PID \d+(?:: | \()(.*?)\)?$", text)[1].split(", ") for text in texts if "Got notification message from PID" in text]
    heard = [[line.split("=")[0] for line in each] for each in heard if not each[0].startswith("WATCHDOG")]
    assert heard[0][:2] == ["RELOADING", "MONOTONIC_USEC"] and heard[1][0] == "READY", heard


# Restart without forgetting


@pytest.mark.parametrize("way", ["restart", "crash"])
def test_nothing_is_forgotten_over_a(machine, neon_inside, way):
    """Counters, accounting and timed leases go on; what was known of the state is over until it is seen again."""
    neon_inside.wait("asleep")
    machine.configure([sleeper(), postgres(name="gone", conninfo="host=127.0.0.1 port=1 user=app dbname=app")], {"ready": {"on": "start"}})
    machine.systemctl("start", "pgwaked")
    machine.run("pgwake", "wake", "main", "--wait", "20s")
    machine.run("pgwake", "hold", "main", "--for", "1h", "--owner", "backup")
    machine.wait_database(lambda status: status["failures"]["total"] >= 3, "gone")
    main, gone = machine.status(), machine.status("gone")
    # So that the next daemon learns nothing new of it.
    neon_inside.command("hang on")
    try:
        if way == "restart":
            machine.systemctl("restart", "pgwaked")
        else:
            machine.run("sleep", "1.2")  # what changed is in the file after a second
            os.kill(machine.outer_pid("pgwaked"), signal.SIGKILL)
            machine.wait_property("pgwaked", "NRestarts", lambda text: text == "1")
            machine.wait_state("pgwaked", "active")
        again = machine.status()
        assert (again["state"], again["reason"], again["ready"]) == ("unknown", "stale", False), again
        assert again["wakes"]["count"] == main["wakes"]["count"] and again["wakes"]["last"] == main["wakes"]["last"]
        assert again["leases"] == main["leases"] and again["generation"] >= main["generation"]
        assert again["awake_seconds"] >= main["awake_seconds"] > 0
        assert again["awake_on_our_demand_seconds"] >= main["awake_on_our_demand_seconds"] > 0
        assert machine.status("gone")["failures"]["by_reason"]["tcp.refused"] >= gone["failures"]["by_reason"]["tcp.refused"] >= 3
    finally:
        neon_inside.command("hang off")
    machine.wait_database(lambda status: status["ready"])
    machine.run("pgwake", "release", machine.status()["leases"][0]["id"])


# Watchdog


def test_a_daemon_that_is_stopped_is_killed_and_started_again_and_the_journal_says_so(real):
    real.unit("pgwaked.service.d/test.conf", "[Service]\nWatchdogSec=1\nLimitCORE=0\n")
    real.systemctl("restart", "pgwaked")
    invocation, mark = real.show("pgwaked", "InvocationID"), real.now()
    children.stop(real.outer_pid("pgwaked"))
    real.wait_property("pgwaked", "NRestarts", lambda text: text == "1")
    real.wait_state("pgwaked", "active")
    assert real.show("pgwaked", "InvocationID") != invocation
    texts = [entry["MESSAGE"] for entry in real.journal("_PID=1", "UNIT=pgwaked.service", since=mark)]
    assert any("Watchdog timeout" in text for text in texts) and any("result 'watchdog'" in text for text in texts), texts
    real.wait_database(lambda status: status["ready"])


def test_a_watchdog_is_fed_while_a_database_is_slow_or_gone(machine, neon_inside):
    """What becomes of the databases never stops it."""
    machine.unit("pgwaked.service.d/test.conf", "[Service]\nWatchdogSec=500ms\n")
    neon_inside.command("hang on")
    try:
        machine.configure([sleeper(wake_at_start=True), postgres(name="gone", conninfo="host=127.0.0.1 port=1 user=app dbname=app")],
                          {"ready": {"on": "start"}})
        machine.systemctl("start", "pgwaked")
        invocation = machine.show("pgwaked", "InvocationID")
        machine.run("sleep", "1.6")
        assert machine.show("pgwaked", "InvocationID") == invocation and machine.show("pgwaked", "NRestarts") == "0"
    finally:
        neon_inside.command("hang off")


# Credentials


def without_password(**more) -> dict:
    return postgres(conninfo="host=127.0.0.1 port=5432 user=app dbname=app", password_credential="main.password", **more)


def test_a_password_that_only_root_may_read_reaches_a_daemon_that_is_not_root(machine):
    machine.systemctl("start", "pg")
    machine.write("/etc/pgwaked/main.password", PASSWORD + "\n", 0o600)
    machine.unit("pgwaked.service.d/test.conf", "[Service]\nLoadCredential=main.password:/etc/pgwaked/main.password\n")
    machine.configure([without_password()])
    machine.systemctl("start", "pgwaked")
    assert machine.status()["ready"]
    owner = machine.path("/var/lib/pgwaked/history.db").stat()
    assert owner.st_uid == int(machine.run("id", "-u", "pgwaked").stdout) != 0 and owner.st_mode & 0o777 == 0o600
    assert f"\nUid:\t{owner.st_uid}\t{owner.st_uid}\t" in machine.path(f"/proc/{machine.show('pgwaked', 'MainPID')}/status").read_text()
    told = machine.request("/status").text + "".join(str(entry) for entry in machine.journal("_SYSTEMD_UNIT=pgwaked.service"))
    assert PASSWORD not in told


def test_an_encrypted_credential_of_the_unit_does_the_same(machine):
    machine.systemctl("start", "pg")
    machine.run("systemd-creds", "setup", check=False)
    made = machine.run("systemd-creds", "encrypt", "--with-key=host", "-p", "--name=main.password", "-", "-", text_in=PASSWORD, check=False)
    if made.returncode != 0:
        pytest.fail(f"systemd-creds: {made.stderr}")
    assert PASSWORD not in made.stdout
    machine.unit("pgwaked.service.d/test.conf", f"[Service]\n{made.stdout}")
    machine.configure([without_password()])
    machine.systemctl("start", "pgwaked")
    assert machine.status()["ready"]


# Sandbox

# What the endpoints need beside their path.
QUERIES = {"/events": ["?follow=0"], "/pause/NAME": ["?for=0s"], "/lease/NAME": ["?for=1min"],
           "/history/NAME": [f"?kind={kind}" for kind in ("wakes", "states", "outages", "hours", "report")]}


def test_it_works_under_its_filter_with_tls_names_history_and_every_endpoint(machine, neon_inside):
    """With a filter that kills where the unit's own only refuses. The endpoints are those of the manual."""
    neon_inside.wait("asleep")
    machine.systemctl("start", "pg")
    machine.unit("pgwaked.service.d/test.conf", "[Service]\nSystemCallErrorNumber=kill\nLimitCORE=0\n")
    machine.configure([sleeper(), postgres(name="local")], {"status": {"listen": ["127.0.0.1:9818"]}})
    machine.systemctl("start", "pgwaked")
    invocation = machine.show("pgwaked", "InvocationID")
    machine.run("pgwake", "wake", "main", "--wait", "20s")
    manual = machine.path("/usr/share/man/man8/pgwaked.8").read_text()
    asked = re.findall(r'^\.It Li "?(GET|POST|DELETE) (/[a-zA-Z/]*)', manual, flags=re.M)
    assert len(asked) >= 10
    lease = machine.request("/lease/main?for=1h", "POST").json["lease"]["id"]
    for method, path in asked:
        for query in QUERIES.get(path, [""]):
            answer = machine.request(path.replace("NAME", "local").replace("ID", str(lease)) + query, method)
            assert answer.status in (200, 201, 202), (method, path, answer.status, answer.text)
    machine.run("pgwake", "wait", "main", "local", "--wake", "--timeout", "20s")
    machine.systemctl("reload", "pgwaked")
    machine.request("/lease/main?for=1h", "POST")  # so that it is not just falling asleep when its sessions are ended
    machine.run("pgwake", "wake", "main", "--wait", "20s")
    generation = machine.status()["generation"]
    neon_inside.command("terminate")
    machine.wait_database(lambda status: status["generation"] > generation)
    machine.run("pgwake", "wake", "main", "--wait", "20s")
    until(lambda: machine.path("/var/lib/pgwaked/history.db").exists(), 5, "the history is written")
    limits = machine.path(f"/proc/{machine.show('pgwaked', 'MainPID')}/limits").read_text()
    soft, hard = re.search(r"^Max open files +(\d+) +(\d+)", limits, flags=re.M).groups()
    assert soft == hard
    machine.systemctl("restart", "pgwaked")
    assert machine.show("pgwaked", "NRestarts") == "0" and machine.show("pgwaked", "InvocationID") != invocation
    assert "SIGSYS" not in str(machine.journal("UNIT=pgwaked.service"))


def test_a_peer_that_knows_users_by_name_lets_it_in_over_a_unix_socket(real):
    """Private users or not: PostgreSQL sees pgwaked."""
    psql = find_bin() / "psql"
    real.run(psql, "-h", "/run/pg", "-U", "postgres", "-c", "DROP ROLE IF EXISTS pgwaked", "-c", "CREATE ROLE pgwaked LOGIN", user="postgres")
    hba = real.path("/srv/pg/pg_hba.conf")
    hba.write_text("local all pgwaked peer\n" + hba.read_text())
    real.systemctl("kill", "--kill-whom=main", "--signal=HUP", "pg")
    real.configure([postgres(name="peer", conninfo="host=/run/pg port=5432 user=pgwaked dbname=app")])
    real.systemctl("reload", "pgwaked")
    real.wait_database(lambda status: status["ready"], "peer")


# Journal


def test_the_journal_gives_a_log_monitor_what_it_needs(real):
    mark = real.now()
    real.systemctl("restart", "pg")
    real.wait_database(lambda status: status["ready"] and status["generation"] > 1)
    awake = real.journal("MESSAGE_ID=c29773ae430d47aebb2471b3adbf4523", since=mark)[-1]
    assert awake["PGWAKE_DATABASE"] == "main" and awake["PGWAKE_STATE"] == "awake" and awake["_SYSTEMD_UNIT"] == "pgwaked.service"
    assert int(awake["PGWAKE_LATENCY_USEC"]) > 0
    explained = real.run("journalctl", "-x", "-n", "20", "MESSAGE_ID=c29773ae430d47aebb2471b3adbf4523").stdout
    assert "The database main answered a query." in explained and "Documentation: man:pgwaked(8)" in explained
    lines = real.run("journalctl", "PGWAKE_DATABASE=main", "-o", "json").stdout.splitlines()
    assert all(json.loads(line)["MESSAGE_ID"] for line in lines) and len(lines) >= 2


def test_every_entry_has_the_fields_that_the_manual_says(real):
    """Whatever this file has made it say so far, and a reload."""
    real.systemctl("reload", "pgwaked")
    manual = real.path("/usr/share/man/man8/pgwaked.8").read_text()
    said = dict(re.findall(r"^\.It Li (\w{32})\n.*\n\.br\n(.*)", manual, flags=re.M))
    state = {"PGWAKE_DATABASE", "PGWAKE_STATE", "PGWAKE_PREVIOUS", "PGWAKE_GENERATION"}
    seen = set()
    for entry in real.journal("_COMM=pgwaked"):
        number, fields = entry.get("MESSAGE_ID"), {key for key in entry if key.startswith("PGWAKE_")}
        if number is None:
            continue
        seen.add(number)
        if "those of a state" in said[number]:
            assert state <= fields, entry
        else:
            assert fields == set(re.findall(r"PGWAKE_[A-Z]+", said[number])), entry
    print(f"{len(seen)} of {len(said)} kinds seen")
    assert len(seen) >= 6
