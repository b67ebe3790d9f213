"""A machine with a systemd of its own: this one's root file system, under which nothing changes, with pgwaked installed, booted in a container.

Needs root, systemd-nspawn and overlay mounts. What is mounted is mounted in a namespace of its own, and goes with its last process.
"""

import contextlib
import functools
import json
import os
import pty
import secrets
import shutil
import signal
import subprocess
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from rig import children, configuration, unixhttp
from rig.build import sanitized
from rig.daemon import built
from rig.folder import make_folder, remove_folder
from rig.patience import Late, patient, until
from rig.unixhttp import Answer, EventStream

_RIG = Path(__file__).resolve().parent
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "TERM": "dumb",
                "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat", "TZ": "UTC"}
# What this machine starts by itself must not start there: whoever enabled it, and whatever is run at its start by name.
_NOT_THERE = ("etc/systemd/system/*.wants", "etc/systemd/system/*.requires", "etc/systemd/system/default.target", "etc/rc*.d/S*", "etc/fstab",
              "etc/crypttab", "var/log/journal", "var/lib/systemd/coredump", "etc/pgwaked", "etc/systemd/system/pgwake*")
_MASKED = ("console-getty.service", "systemd-timesyncd.service", "systemd-resolved.service", "systemd-networkd.service",
           "systemd-logind.service", "systemd-update-utmp.service", "ldconfig.service", "systemd-hwdb-update.service",
           "systemd-update-utmp-runlevel.service", "systemd-journal-catalog-update.service", "systemd-update-done.service", "systemd-journal-flush.service")


class Unbootable(Exception):
    """This machine cannot boot another one; says why."""


@functools.cache
def why_not() -> str | None:
    """Why no container can be booted here; None when one can."""
    if os.geteuid() != 0:
        return "only root boots a container"
    for program in ("systemd-nspawn", "nsenter", "unshare", "systemctl"):
        if not shutil.which(program):
            return f"no {program} (Debian: systemd-container, util-linux, systemd)"
    folder = make_folder(prefix="pgmount-")
    try:
        tried = subprocess.run(["unshare", "-m", "sh", "-c", _mounts(folder)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    finally:
        remove_folder(folder)
    return f"no overlay over /: {tried.stderr.strip()}" if tried.returncode != 0 else None


def needs_machine() -> list[pytest.MarkDecorator]:
    """The marks of a file of tests: a skip with the reason, where a skip is allowed (./dev check --no-skips makes it a failure). The plain
    build, because sanitizers and the sandbox exclude each other."""
    return [pytest.mark.plain, pytest.mark.machine, pytest.mark.skipif(sanitized(), reason="wants the plain build"),
            pytest.mark.skipif(why_not() is not None, reason=f"cannot boot a container: {why_not()}")]


def _mounts(folder: Path) -> str:
    return (f"mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn && mount -t tmpfs -o mode=0755 tmpfs {folder} && cd {folder} && mkdir up work root && "
            f"mount -t overlay -o lowerdir=/,upperdir={folder}/up,workdir={folder}/work overlay {folder}/root && cd / && echo mounted && cat")


# systemd-nspawn makes its container's cgroups below its own. Two systemds in the same one make and remove each other's: a unit then cannot
# join the cgroup that was made for it a moment before (219/CGROUP).
_CGROUPS = [Path("/sys/fs/cgroup") / hierarchy for hierarchy in ("systemd", "unified", "")]
_OWN_CGROUP = f"""for cgroup in {" ".join(map(str, _CGROUPS))}; do
    [ -e "$cgroup/cgroup.procs" ] && mkdir "$cgroup/$0" && echo $$ >"$cgroup/$0/cgroup.procs"
done
exec "$@"
"""


def _remove_cgroups(name: str) -> None:
    for cgroup in _CGROUPS:
        for folder, _, _ in os.walk(cgroup / name, topdown=False):
            with contextlib.suppress(OSError):  # a process that has ended may take a moment to leave it
                os.rmdir(folder)


class Machine:
    """Made, filled (`outside`), booted, closed. What is inside is seen under path(), and run by run()."""

    def __init__(self, folder: Path):
        reason = why_not()
        if reason:
            raise Unbootable(reason)
        self.folder = make_folder(folder, "machine-")
        self.console_path = Path(folder) / f"{self.folder.name}.console.log"
        self.leader = 0
        self._nspawn: subprocess.Popen | None = None
        # Lives as long as its stdin is open: until close(), or our own end.
        self._holder = children.start(["unshare", "-m", "--propagation", "private", "sh", "-c", _mounts(self.folder)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "mounted\n"
        self._within = ["nsenter", "-t", str(self._holder.pid), "-m", "--wd=/"]
        self.root = Path(f"/proc/{self._holder.pid}/root{self.folder}/root")
        self._prepare()

    def _prepare(self) -> None:
        for pattern in _NOT_THERE:
            for path in self.root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        units = self.root / "etc/systemd/system"
        for unit in _MASKED:
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        (self.root / "etc/machine-id").write_text(secrets.token_hex(16) + "\n")
        shutil.copytree(_RIG, self.root / "srv/rig", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)

    def outside(self, *argv: object) -> str:
        """Runs a program of this machine that sees the other's root below the second path of `place`."""
        done = subprocess.run([*self._within, *map(str, argv)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout

    @property
    def place(self) -> Path:
        """Where the root is for programs run by outside()."""
        return self.folder / "root"

    def install(self) -> None:
        """make install of the build that is tested, and its user and group."""
        build = built("pgwaked").parent
        self.outside("make", "-C", build, "install", f"DESTDIR={self.place}")
        unit = self.root / "usr/lib/systemd/system/pgwaked.service"
        assert unit.exists(), f"{build} is not configured with --prefix=/usr"
        self.outside("systemd-sysusers", f"--root={self.place}", "pgwaked.conf")
        self.outside("journalctl", f"--root={self.place}", "--update-catalog")

    def boot(self, timeout: float = 30.0, settled: bool = True) -> "Machine":
        """Returns when every unit that is started at boot is; or, not `settled`, when sockets listen."""
        ours, theirs = pty.openpty()
        argv = [*self._within, "sh", "-c", _OWN_CGROUP, self._nspawn_name(), "systemd-nspawn", "--quiet", "--keep-unit", "--register=no", f"--directory={self.place}", f"--machine={self._nspawn_name()}",
                "--boot", "--link-journal=no",
                "--private-network", "--hostname=ct", "--resolv-conf=off", "--timezone=off"]
        # A session of its own: it takes its terminal for the container's console.
        self._nspawn = children.start(argv, when_orphaned=signal.SIGTERM, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self._console = threading.Thread(target=self._read_console, args=(ours,), name="console", daemon=True)
        self._console.start()
        self.leader = until(self._find_leader, timeout, "the container's first process", every=0.01)
        until(self._is_up if settled else self._listens, timeout, "systemd is up in the container", every=0.05)
        return self

    def _read_console(self, terminal: int) -> None:
        with open(self.console_path, "ab") as log:
            try:
                while data := os.read(terminal, 65536):
                    log.write(data)
                    log.flush()
            except OSError:
                pass  # the other side is gone
        os.close(terminal)

    def _nspawn_name(self) -> str:
        """A host name's letters, and no hyphen at its end."""
        return self.folder.name.replace("_", "-").rstrip("-")

    def _find_leader(self) -> int | None:
        if self._nspawn.poll() is not None:
            self._console.join(5)
            raise AssertionError(f"systemd-nspawn ended: {self.console_path.read_text(errors='replace')[-2000:]}")
        for child in children.children_of(self._nspawn.pid):
            try:
                pids = [line for line in Path(f"/proc/{child}/status").read_text().splitlines() if line.startswith("NSpid:")][0].split()
                if pids[-1] == "1" and len(pids) > 2 and Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
            except (FileNotFoundError, ProcessLookupError):
                pass
        return None

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def _listens(self) -> bool:
        return self.run("systemctl", "is-active", "sockets.target", check=False).returncode == 0

    # Inside

    def path(self, inside: str | Path) -> Path:
        """A file of the booted machine; sockets can be connected to."""
        return Path(f"/proc/{self.leader}/root") / str(inside).lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644, user: str | None = None) -> Path:
        """Writes a file, in one step, before it is booted or after."""
        path = self.path(inside) if self.leader else self.root / inside.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
        fresh.replace(path)
        if user:
            self.run("chown", user, inside)
        return path

    def run(self, *argv: object, user: str | None = None, check: bool = True, timeout: float = 30.0,
            text_in: str | None = None) -> subprocess.CompletedProcess:
        """Runs a program inside, as root or a user of that machine. With `check` a failure raises, with its words."""
        done = subprocess.run(self._inside(argv, user), capture_output=True, text=True, check=False, input=text_in if text_in is not None else "",
                              env=_ENVIRONMENT, cwd="/", timeout=patient(timeout))
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def start(self, *argv: object, user: str | None = None) -> subprocess.Popen:
        """Starts a program inside; its output is text to be read."""
        return children.start(self._inside(argv, user), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=_ENVIRONMENT, cwd="/")

    def _inside(self, argv: tuple, user: str | None) -> list[str]:
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return ["nsenter", "-t", str(self.leader), "-a", "--wdns=/", *as_user, *map(str, argv)]

    def systemctl(self, *argv: object, check: bool = True, timeout: float = 60.0) -> subprocess.CompletedProcess:
        done = self.run("systemctl", *argv, check=False, timeout=timeout)
        if check and done.returncode != 0:
            journal = self.run("journalctl", "--no-pager", "-n", "40", "-o", "short-monotonic", check=False).stdout
            raise AssertionError(f"systemctl {' '.join(map(str, argv))}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{journal}")
        return done

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def state(self, unit: str) -> str:
        """ActiveState."""
        return self.show(unit, "ActiveState")

    def outer_pid(self, unit: str) -> int:
        """The number that this machine knows a unit's main process by."""
        inner = self.show(unit, "MainPID")
        for child in children.family(self.leader):
            try:
                line = [each for each in Path(f"/proc/{child}/status").read_text().splitlines() if each.startswith("NSpid:")][0]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if line.split()[-1] == inner:
                return child
        raise Late(f"{unit} has no process {inner}")

    def wait_state(self, unit: str, state: str, timeout: float = 15.0) -> None:
        try:
            until(lambda: self.state(unit) == state, timeout, f"{unit} is {state}", every=0.02)
        except Late as late:
            raise Late(f"{late}\n{self.systemctl('status', '-n', '30', unit, check=False).stdout}") from None

    def wait_property(self, unit: str, name: str, look, timeout: float = 15.0) -> str:
        """The property, as soon as `look` says yes to it."""
        seen = []

        def found() -> bool:
            seen.append(self.show(unit, name))
            return look(seen[-1])

        try:
            until(found, timeout, f"{name} of {unit}", every=0.02)
        except Late as late:
            raise Late(f"{late}; last seen: {seen[-1]}") from None
        return seen[-1]

    def entered(self, unit: str, what: str = "ActiveEnterTimestampMonotonic") -> int:
        """When, as now() says it."""
        return int(self.show(unit, what))

    def microseconds(self, unit: str, name: str) -> int:
        """A timestamp of a unit on the wall clock."""
        text = self.systemctl("show", "--timestamp=us", "--value", "-p", name, unit).stdout.strip()
        return int(datetime.strptime(text.removesuffix(" UTC"), "%a %Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc).timestamp() * 1e6)

    def journal(self, *matches: str, since: int = 0) -> list[dict]:
        """Entries, the oldest first; matches as journalctl takes them, `since` as now() said it."""
        self.run("journalctl", "--sync")
        text = self.run("journalctl", "-o", "json", "--all", *matches, check=False).stdout
        entries = [json.loads(line) for line in text.splitlines()]
        return [entry for entry in entries if int(entry["__MONOTONIC_TIMESTAMP"]) >= since]

    @staticmethod
    def now() -> int:
        """On the clock that both machines share, in microseconds."""
        return time.monotonic_ns() // 1000

    # pgwaked inside

    def configure(self, databases: list[dict] = (), settings: dict | None = None) -> None:
        """/etc/pgwaked/pgwaked.conf, as rig.daemon.Daemon has it; a running daemon has to be told."""
        text = configuration.render(settings or {}) + configuration.render({"databases": list(databases)})
        self.write("/etc/pgwaked/pgwaked.conf", text, 0o640)
        self.run("chgrp", "pgwaked", "/etc/pgwaked/pgwaked.conf") if self.leader else shutil.chown(
            self.root / "etc/pgwaked/pgwaked.conf", group=self.group("pgwaked"))

    def group(self, name: str) -> int:
        """The number of a group of that machine."""
        for line in (self.root / "etc/group").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split(":")[2])
        raise KeyError(name)

    def fresh(self) -> None:
        """pgwaked as after its installation: not running, sockets listening, no configuration, no drop-in, no history."""
        listed = self.systemctl("list-units", "--all", "--plain", "--no-legend", "pgwake*", "test-*", "office-hours*").stdout
        units = [line.split()[0] for line in listed.splitlines()]
        self.systemctl("stop", *units, "pgwaked.socket", "pgwaked-control.socket", check=False)
        for path in [*self.path("/etc/systemd/system").glob("pgwake*.d"), *self.path("/etc/systemd/system").glob("test-*"),
                     *self.path("/etc/systemd/system").glob("office-hours*"),
                     self.path("/etc/pgwaked"), self.path("/var/lib/pgwaked")]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        self.configure()
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed")
        self.systemctl("start", "pgwaked.socket", "pgwaked-control.socket")

    def unit(self, name: str, text: str) -> None:
        """A unit of the test's own, or a drop-in (pgwaked.service.d/test.conf)."""
        self.write(f"/etc/systemd/system/{name}", text)
        if self.leader:
            self.systemctl("daemon-reload")

    def request(self, path: str, method: str = "GET", socket: str = "control", timeout: float = 10.0) -> Answer:
        return unixhttp.request(self.path(f"/run/pgwaked/{socket}.sock"), path, method, timeout=timeout)

    def status(self, name: str = "main") -> dict:
        answer = self.request(f"/status/{name}")
        assert answer.status == 200, answer.text
        return answer.json

    def stream(self, path: str = "/events", last_id: str | int | None = None, method: str = "GET") -> EventStream:
        return EventStream(self.path("/run/pgwaked/control.sock"), path, last_id, method=method)

    def wait_database(self, look, name: str = "main", timeout: float = 15.0) -> dict:
        """The status of a database, as soon as `look` says yes to it."""
        seen: list[dict] = []

        def found() -> bool:
            seen.append(self.status(name))
            return look(seen[-1])

        try:
            until(found, timeout, f"the awaited status of {name}", every=0.01)
        except Late as late:
            raise Late(f"{late}; last seen: {json.dumps(seen[-1])}") from None
        return seen[-1]

    # The end

    def close(self) -> None:
        """Switches it off at once, and leaves nothing. A second time is nothing."""
        if self._holder.stdin.closed:
            return
        if self._nspawn and self._nspawn.poll() is None and self.leader:
            self.run("systemctl", "poweroff", "--force", "--force", check=False)
        if self._nspawn:
            for number in (None, signal.SIGTERM, signal.SIGKILL):
                try:
                    if number:
                        self._nspawn.send_signal(number)
                    self._nspawn.wait(patient(10))
                    break
                except subprocess.TimeoutExpired:
                    continue
            self._console.join(5)
            _remove_cgroups(self._nspawn_name())
        self._holder.stdin.close()
        self._holder.wait(patient(10))
        self._holder.stdout.close()
        remove_folder(self.folder)


__all__ = ["Machine", "Unbootable", "needs_machine", "why_not"]
