"""The Debian package: built from what a release holds, read by lintian, and lived with under a real systemd."""

import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.daemon import built
from rig.folder import make_folder, remove_folder
from rig.machine import Machine, needs_machine
from rig.patience import until
from rig.postgres import Template
from rig.residents import move_in_postgres, postgres

pytestmark = needs_machine()
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "DEB_BUILD_OPTIONS": "nocheck noautodbgsym parallel=2"}
UNITS = ("pgwaked.service", "pgwaked.socket", "pgwaked-control.socket")
APPLICATION = """[Unit]
Requires=pgwake-hold@main.service
After=pgwake-hold@main.service
[Service]
ExecStart=/usr/bin/sleep infinity
"""


@dataclass(frozen=True)
class Packages:
    """Two versions of it: the first as it is, the second later only by its number."""

    first: Path
    second: Path
    changes: Path


def run(*argv: object, **options) -> str:
    """Its output, both kinds; an error that has it when it fails."""
    done = subprocess.run([*map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, env=ENVIRONMENT, **options)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def bump(changelog: Path) -> str:
    """Puts an entry with a later version on top, and returns that version."""
    entry = changelog.read_text(encoding="utf-8")
    version = re.match(r"pgwaked \(([^)]+)\)", entry)[1]
    changelog.write_text(entry.replace(f"({version})", f"({version}+later)", 1) + "\n" + entry, encoding="utf-8")
    return f"{version}+later"


@pytest.fixture(scope="module")
def packages() -> Packages:
    folder = make_folder(prefix="pgdeb-")
    source = folder / "source"
    try:
        run("make", "-C", built("pgwaked").parent, "distdir", f"distdir={source}")
        # All that debian/control asks for is here. Not asked for: the C++ compiler that every machine of Debian's that builds has.
        run("dpkg-checkbuilddeps", "-I", cwd=source)
        run("dpkg-buildpackage", "-us", "-uc", "-d", cwd=source)
        first, changes = next(folder.glob("*.deb")), next(folder.glob("*.changes"))
        version = bump(source / "debian/changelog")
        run("dpkg-buildpackage", "-us", "-uc", "-d", "-b", "--no-pre-clean", cwd=source)
        yield Packages(first, next(folder.glob(f"*_{version}_*.deb")), changes)
    finally:
        remove_folder(folder)


@pytest.fixture(scope="module")
def bare(run_folder: Path, template: Template, packages: Packages):
    """A running Machine without pgwaked, with a PostgreSQL, and the packages in /srv."""
    made = Machine(make_folder(run_folder, "ct-"))
    try:
        template.make()
        move_in_postgres(made, made.folder.parent, template)
        # It may forbid packages to start anything, as images of containers do.
        (made.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        # The index of all manual pages is made anew after each installation otherwise.
        (made.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)
        for name in ("first", "second"):
            shutil.copy(getattr(packages, name), made.root / f"srv/{name}.deb")
        yield made.boot()
    finally:
        made.close()


def dpkg(machine: Machine, *argv: str) -> None:
    machine.run("dpkg", "--force-unsafe-io", *argv, timeout=120)


def traces(machine: Machine) -> set[str]:
    """Every file that has our name, but for what man makes of pages that somebody reads."""
    places = ("/etc", "/usr", "/var", "/run")
    found = machine.run("find", *places, "-xdev", "-path", "/var/cache/man", "-prune", "-o", "-name", "*pgwake*", "-print")
    return set(found.stdout.splitlines())


@pytest.fixture
def machine(bare: Machine):
    """With the first version installed as on a machine that never had it; purged at the end."""
    before = traces(bare)
    dpkg(bare, "--install", "/srv/first.deb")
    yield bare
    dpkg(bare, "--purge", "pgwaked")
    bare.systemctl("stop", "test-app.service", check=False)
    for path in bare.path("/etc/systemd/system").glob("test-*"):
        path.unlink()
    assert traces(bare) == before


@pytest.fixture
def used(machine: Machine) -> Machine:
    """With a database that is watched, held for an hour by a person, and held by an application as long as it runs."""
    machine.systemctl("start", "pg")
    machine.configure([postgres()])
    machine.systemctl("restart", "pgwaked")
    machine.run("pgwake", "hold", "main", "--for", "1h", "--owner", "backup")
    machine.unit("test-app.service", APPLICATION)
    machine.systemctl("start", "test-app")
    return machine


def states(machine: Machine) -> dict[str, tuple[str, str]]:
    return {unit: (machine.state(unit), machine.show(unit, "UnitFileState")) for unit in UNITS}


def test_lintian_finds_no_error(packages):
    said = run("lintian", "--fail-on", "error", "--display-info", packages.changes)
    print("\n".join(line for line in said.splitlines() if re.match("[WI]: ", line)))


def test_its_version_is_the_programs(packages):
    version = run("dpkg-deb", "--field", packages.first, "Version").strip()
    assert run(built("pgwaked"), "--version").split()[1] == version


def test_installed_it_runs_at_once_and_at_every_boot(machine):
    """With the sample configuration, which has no database."""
    assert states(machine) == {unit: ("active", "enabled") for unit in UNITS}
    assert machine.request("/status").json["databases"] == []
    assert machine.run("pgwake", "status").returncode == 0
    owner = [machine.run("stat", "-c", "%U:%G %a", path).stdout.strip() for path in ("/run/pgwaked/control.sock", "/var/lib/pgwaked")]
    assert owner == ["pgwaked:pgwake 660", "pgwaked:pgwaked 700"]
    assert "pgwaked runs" in machine.run("journalctl", "--list-catalog").stdout
    assert not machine.run("systemd-analyze", "verify", "--man=yes", *UNITS, "pgwake-hold@main.service", "pgwake-wait@main.service").stderr


def test_an_upgrade_keeps_what_was_known_and_refuses_nobody(used):
    before, configuration = used.status(), used.path("/etc/pgwaked/pgwaked.conf").read_text()
    sockets = [used.path(f"/run/pgwaked/{name}.sock").stat().st_ino for name in ("status", "control")]
    kept = {unit: used.show(unit, "InvocationID") for unit in ("pgwake-hold@main.service", "test-app.service")}
    daemon = used.show("pgwaked", "InvocationID")
    answers, troubles, over = [], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(used.request("/livez", socket="status").status)
            except OSError as trouble:
                troubles.append(repr(trouble))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        dpkg(used, "--install", "/srv/second.deb")
        seen = len(answers)
        until(lambda: len(answers) > seen + 10, 10, "clients are answered after the upgrade")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not troubles and set(answers) <= {200, 503}, (troubles[:3], set(answers))
    assert used.run("dpkg-query", "-W", "-f", "${Version}", "pgwaked").stdout.endswith("+later")
    assert used.show("pgwaked", "InvocationID") != daemon and states(used) == {unit: ("active", "enabled") for unit in UNITS}
    assert [used.path(f"/run/pgwaked/{name}.sock").stat().st_ino for name in ("status", "control")] == sockets
    assert {unit: used.show(unit, "InvocationID") for unit in kept} == kept
    assert used.path("/etc/pgwaked/pgwaked.conf").read_text() == configuration
    after = used.wait_database(lambda status: len(status["leases"]) == 2)
    timed = [[lease for lease in status["leases"] if lease["owner"] == "backup"] for status in (before, after)]
    assert timed[0] == timed[1] != []
    assert after["generation"] >= before["generation"] and after["awake_seconds"] >= before["awake_seconds"] > 0


def test_what_an_administrator_switched_off_stays_off_over_an_upgrade(machine):
    machine.systemctl("disable", "--now", *UNITS)
    dpkg(machine, "--install", "/srv/second.deb")
    assert states(machine) == {unit: ("inactive", "disabled") for unit in UNITS}


def test_removed_it_leaves_configuration_and_history_and_purged_nothing(used):
    """The rest of `nothing` is held by the fixture, for every test: no file has our name any more."""
    used.run("cp", "/etc/pgwaked/pgwaked.conf", "/srv/kept.conf")
    dpkg(used, "--remove", "pgwaked")
    used.run("cmp", "/etc/pgwaked/pgwaked.conf", "/srv/kept.conf")
    assert used.path("/var/lib/pgwaked/history.db").stat().st_size > 0
    assert not used.path("/usr/sbin/pgwaked").exists() and not used.path("/run/pgwaked").exists()
    for unit in (*UNITS, "pgwake-hold@main.service", "test-app.service"):
        assert used.state(unit) == "inactive", unit
    assert used.run("pgrep", "-x", "pgwaked?", check=False).returncode == 1
    dpkg(used, "--purge", "pgwaked")
    assert not used.path("/var/lib/pgwaked").exists() and not used.path("/etc/pgwaked").exists()
    assert "pgwaked runs" not in used.run("journalctl", "--list-catalog").stdout
    # Whose number is whose must not change, should it come back.
    user = used.run("getent", "passwd", "pgwaked").stdout
    dpkg(used, "--install", "/srv/first.deb")
    assert used.state("pgwaked.service") == "active" and used.run("getent", "passwd", "pgwaked").stdout == user
