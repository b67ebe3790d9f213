"""A private, real PostgreSQL: started, stopped, killed, hung and made unready as a test needs it."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import psycopg2

from rig import children
from rig.ca import Certificate
from rig.notify import NotifySocket
from rig.patience import Late, patient, until
from rig.ports import Port
from rig.postgres import SUPERUSER, Template, environment, find_bin, identity, owner

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# Small and quick; nothing here survives a power cut. Dynamic shared memory lies in the data folder, so a killed server
# leaves nothing in /dev/shm.
_SETTINGS = {
    "max_connections": 20, "superuser_reserved_connections": 3, "shared_buffers": "2MB", "fsync": "off",
    "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "jit": "off", "max_wal_senders": 0,
    "dynamic_shared_memory_type": "mmap", "logging_collector": "off", "log_line_prefix": "%m [%p] %q%a ",
    "timezone": "UTC", "log_timezone": "UTC", "lc_messages": "C", "listen_addresses": "127.0.0.1",
    "password_encryption": "scram-sha-256",
}


class Cluster:
    """One data folder and, while started, its postmaster.

    `hba` is a method for every role over TCP and UNIX sockets ("trust", "scram-sha-256", "peer", "cert" ...) or a list
    of pg_hba.conf lines. The superuser always gets in over the UNIX socket: the rig needs the door that a test closes.
    A folder that already holds a cluster is taken as it is.
    """

    def __init__(self, folder: Path, template: Template, name: str = "pg", hba: str | list[str] = "scram-sha-256",
                 **settings: object):
        self.folder = Path(folder) / name
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self.socket_dir = self.folder / "s"
        self.log_path = self.folder / "postgres.log"
        self.log_path.touch()
        self.socket_dir.mkdir(exist_ok=True)
        os.chown(self.socket_dir, *owner())
        self.socket_dir.chmod(0o711)
        if not self.data.exists():
            template.copy(self.data)
        self._port = Port()
        self.host, self.port = self._port.host, self._port.number
        self.settings: dict[str, object] = dict(_SETTINGS, **settings)
        self.hba = hba
        self.process: subprocess.Popen | None = None
        self.accepting_at_usec: tuple[int, int] | None = None  # (realtime, monotonic), as PostgreSQL said it
        self._hold = self.folder / "hold"

    # Settings

    def set(self, **settings: object) -> None:
        """Changes settings: at once where PostgreSQL can (reload), else with the next start."""
        self.settings.update(settings)
        self.reload()

    def set_hba(self, hba: str | list[str]) -> None:
        self.hba = hba
        self.reload()

    def reload(self) -> None:
        """Writes the files and, when running, makes the postmaster read them and waits until it has."""
        self._write()
        if not self.running:
            return
        mark = self.log_size()
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("received SIGHUP", since=mark)  # said before it reads; whoever connects now is served after

    def enable_ssl(self, certificate: Certificate, ca: Path | None = None, **settings: object) -> None:
        """TLS with this certificate; `ca` is what client certificates are held against."""
        files = {"server.crt": certificate.cert, "server.key": certificate.key}
        self.settings.update(ssl="on", **settings)
        if ca is not None:
            files["root.crt"] = ca
            self.settings["ssl_ca_file"] = "root.crt"
        for name, source in files.items():
            shutil.copyfile(source, self.data / name)
            os.chown(self.data / name, *owner())
            (self.data / name).chmod(0o600)
        self.reload()

    def _write(self) -> None:
        settings = dict(self.settings, port=self.port, unix_socket_directories=str(self.socket_dir))
        lines = [f"{key} = '{str(value)}'" for key, value in settings.items()]
        (self.data / "postgresql.conf").write_text("\n".join(lines) + "\n")
        rules = [f"local all {SUPERUSER} trust"]
        if isinstance(self.hba, str):
            rules += [f"local all all {'trust' if self.hba == 'cert' else self.hba}"]
            remote = {"peer": "reject"}.get(self.hba, self.hba)
            kind = "hostssl" if self.hba == "cert" else "host"
            rules += [f"{kind} all all {net} {remote}" for net in ("127.0.0.0/8", "::1/128")]
        else:
            rules += self.hba
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    # Running

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The postmaster's pid."""
        assert self.process is not None
        return self.process.pid

    def start(self, wait: bool = True, timeout: float = 30.0) -> "Cluster":
        """Starts the postmaster. With `wait`, returns when it says that it accepts connections."""
        assert not self.running
        self._write()
        notify = NotifySocket()
        try:
            with open(self.log_path, "ab") as log:
                self.process = children.start(
                    [find_bin() / "postgres", "-D", self.data], when_orphaned=signal.SIGQUIT, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, cwd=self.data, env=dict(environment(), NOTIFY_SOCKET=notify.address),
                    **identity())
            if wait:
                self._wait_ready(notify, timeout)
        finally:
            notify.close()
        return self

    def _wait_ready(self, notify: NotifySocket, timeout: float) -> None:
        deadline = time.monotonic() + patient(timeout)
        while True:
            try:
                note = notify.wait("READY", "1", 0.25)
                self.accepting_at_usec = (note.realtime_usec, note.monotonic_usec)
                return
            except Late:
                if not self.running or time.monotonic() > deadline:
                    raise Late(f"PostgreSQL did not start:\n{self.log_text()[-2000:]}") from None

    def stop(self, mode: str = "fast", wait: bool = True, timeout: float = 30.0) -> None:
        """Stops as pg_ctl does. `smart` without `wait`, while a session is open, answers "shutting down"."""
        if not self.running:
            return
        self.process.send_signal(_SIGNALS[mode])
        if wait:
            self.wait_stopped(timeout)

    def wait_stopped(self, timeout: float = 30.0) -> int:
        """Waits for the postmaster's end and returns its exit code."""
        return self.process.wait(patient(timeout))

    def restart(self, mode: str = "fast") -> "Cluster":
        self.stop(mode)
        return self.start()

    def kill9(self, grace: float = 2.0) -> None:
        """SIGKILL to the postmaster. Its orphans notice and end, with 57P01 to their clients; after `grace` they are
        killed. With grace 0 everything dies in one instant and a client sees no more than the end of the stream."""
        if not self.running:
            return
        if grace == 0:
            self.sigstop()
        family = children.children_of(self.pid)
        with children.Watch(family) as orphans:
            if grace == 0:
                orphans.send(signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            if not orphans.wait(grace):
                orphans.send(signal.SIGKILL)
                orphans.wait(patient(10))
        self._remove_shared_memory()

    def sigstop(self, backends: bool = True) -> None:
        """Hangs the server: connects are accepted by the kernel, nothing answers. Without `backends` only the
        postmaster hangs: sessions go on, new ones get no answer."""
        children.stop(self.pid)  # first, and surely: it then makes no more children
        if backends:
            for child in children.children_of(self.pid):
                children.stop(child)

    def sigcont(self) -> None:
        for pid in (*children.children_of(self.pid), self.pid):
            children.send(pid, signal.SIGCONT)

    def crash(self, hold: bool = False) -> None:
        """Kills one server process with SIGKILL, so that every session gets 57P02 and the cluster recovers. With
        `hold` one process cannot obey, and for about 5 s logins are answered "in recovery mode"."""
        by_title = {title: pid for title, pid in self._titles()}
        stopped = next((pid for title, pid in by_title.items() if "background writer" in title), None)
        victim = next(pid for title, pid in by_title.items() if "walwriter" in title)
        if hold and stopped:
            children.send(stopped, signal.SIGSTOP)
        children.send(victim, signal.SIGKILL)

    def _titles(self) -> Iterator[tuple[str, int]]:
        for pid in children.children_of(self.pid):
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield title, pid

    def close(self) -> None:
        """Ends everything and gives the port back; the folder stays for its maker to remove."""
        self._hold.unlink(missing_ok=True)
        if self.running:
            self.sigcont()
            self.stop("immediate", wait=False)
            try:
                self.wait_stopped(10)
            except subprocess.TimeoutExpired:
                self.kill9(grace=0)
        self._port.close()

    def _remove_shared_memory(self) -> None:
        """A killed postmaster leaves its System V interlock behind; its pid file names it."""
        try:
            words = (self.data / "postmaster.pid").read_text().split("\n")[6].split()
            subprocess.run(["ipcrm", "-m", words[1]], capture_output=True, check=False)
        except (FileNotFoundError, IndexError):
            pass

    # A server that is not ready

    def become_standby(self, kind: str) -> None:
        """With the cluster stopped, before start(wait=False): makes it one that stays in recovery.

        "starting": 57P03 "starting up" until release(), then an ordinary primary.
        "refusing": 57P03 "not accepting connections", hot standby is off.
        "recovering": 57P03 "not yet accepting connections": the backup it starts from never becomes consistent.
        "hot": start(wait=True); a read-only standby that answers pg_is_in_recovery() with true.
        """
        if self.accepting_at_usec is None:
            self.start()  # recovery refuses settings below those of the last start, which was initdb's
            self.stop()
        if kind == "starting":
            self._hold.touch()
            self.settings["restore_command"] = f"while [ -e {self._hold} ]; do sleep 0.02; done; false"
            self._own(self.data / "recovery.signal")
            return
        if kind == "recovering":
            self._write_backup_without_end()
        self.settings["hot_standby"] = "off" if kind == "refusing" else "on"
        self._own(self.data / "standby.signal")

    def release(self) -> None:
        """Lets a "starting" cluster go on."""
        self._hold.unlink(missing_ok=True)

    def _own(self, path: Path, text: str = "") -> None:
        path.write_text(text)
        os.chown(path, *owner())

    def _write_backup_without_end(self) -> None:
        """A base backup copied between its start and its end: recovery waits for an end that is nowhere."""
        self.start()
        admin = self.connect(SUPERUSER, host=str(self.socket_dir))
        with admin.cursor() as cursor:
            cursor.execute("SELECT pg_backup_start('rig', true)")
            copied = self.folder / "backup"
            subprocess.run(["cp", "-a", str(self.data), str(copied)], check=True)
            cursor.execute("SELECT labelfile FROM pg_backup_stop(false)")
            label = cursor.fetchone()[0]
        admin.close()
        self.stop()
        shutil.rmtree(self.data)
        copied.rename(self.data)
        (self.data / "postmaster.pid").unlink()
        self._own(self.data / "backup_label", label)

    # Talking to it

    def conninfo(self, user: str = "app", password: str | None = "secret", dbname: str = "app",
                 host: str | None = None, **more: object) -> str:
        """A key=value conninfo for this cluster, over TCP unless `host` says otherwise."""
        parts = {"host": host or self.host, "port": self.port, "user": user, "dbname": dbname, "password": password}
        return " ".join(f"{key}='{value}'" for key, value in {**parts, **more}.items() if value is not None)

    def connect(self, user: str = "app", password: str | None = None, dbname: str = "postgres",
                host: str | None = None, **more: object) -> "psycopg2.extensions.connection":
        """An autocommit psycopg2 connection."""
        more.setdefault("connect_timeout", 10)
        made = psycopg2.connect(self.conninfo(user, password, dbname, host, **more))
        made.autocommit = True
        return made

    def sql(self, query: str, *parameters: object, dbname: str = "postgres") -> list[tuple]:
        """Runs a query as the superuser over the UNIX socket; the rows, or [] when there are none."""
        connection = self.connect(SUPERUSER, dbname=dbname, host=str(self.socket_dir), application_name="rig")
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def create_app(self, user: str, password: str | None, dbname: str | None) -> None:
        """A role that may log in, and a database that it owns, beside those that every cluster has (postgres.APP)."""
        with_password = f" PASSWORD '{password}'" if password is not None else ""
        self.sql(f'CREATE ROLE "{user}" LOGIN{with_password}')
        if dbname is not None:
            self.sql(f'CREATE DATABASE "{dbname}" OWNER "{user}"')

    def backends(self, application_name: str) -> list[int]:
        """Pids of the server processes of an application's sessions."""
        rows = self.sql("SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY pid", application_name)
        return [row[0] for row in rows]

    def wait_idle(self, application_name: str) -> None:
        """Waits until an application's sessions are done with their commands: a backend told to quit while it still sends says no word."""
        until(lambda: self.sql("SELECT coalesce(bool_and(wait_event = 'ClientRead'), false) FROM pg_stat_activity"
                               " WHERE application_name = %s", application_name)[0][0], 10, f"idle sessions of {application_name}")

    def terminate_backends(self, application_name: str) -> list[int]:
        """pg_terminate_backend for every session of an application; the pids it was sent to."""
        rows = self.sql("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = %s AND pid <> pg_backend_pid()", application_name)
        return [pid for pid, sent in rows if sent]

    @contextmanager
    def filled(self, user: str = "app", password: str | None = "secret", dbname: str = "app",
               leave: int = 0) -> Iterator[list]:
        """Takes the free connection slots of ordinary roles, all but `leave`: the next login gets 53300."""
        held: list = []

        def full() -> bool:
            """Refused once more, by slots that stay taken: who replaces a session by a new login has two for a moment, and frees one."""
            try:
                while True:
                    held.append(self.connect(user, password, dbname, application_name="filler"))
            except psycopg2.OperationalError as refusal:
                if "too many clients" not in str(refusal) and "slots are reserved" not in str(refusal):
                    raise
            others = dict(self.sql("SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                                   " AND pid <> pg_backend_pid() AND application_name <> 'filler' GROUP BY 1"))
            room = self.sql("SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int")[0][0]
            return len(held) + sum(others.values()) == room and all(sessions == 1 for sessions in others.values())

        try:
            until(full, 20, "every slot is taken for good")
            for _ in range(leave):
                held.pop().close()
            until(lambda: len(self.backends("filler")) == len(held), 5, "the fillers' slots settle")
            yield held
        finally:
            for connection in held:
                connection.close()

    # Its log

    def log_text(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def log_size(self) -> int:
        """A mark for wait_log(since=...)."""
        return len(self.log_text())

    def wait_log(self, text: str, timeout: float = 10.0, since: int = 0) -> None:
        """Waits until the server's log, from a mark on, contains a text."""
        until(lambda: text in self.log_text()[since:], timeout, f"{text!r} in PostgreSQL's log")
