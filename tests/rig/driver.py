"""A sleeping server's program as a process of its own, driven from a test."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2

from rig import children
from rig.patience import patient
from rig.truth import TruthReader


class Driver:
    """Starts a program of this folder, waits until it listens, reads its truth and gives it commands. Options are the program's:
    key=value is --key value, True is the bare flag, a list is the flag several times."""

    def __init__(self, program: str, folder: Path, template: Path | None, name: str, user: str, password: str, db: str,
                 host: str, port: int, options: dict[str, object]):
        self.folder = Path(folder)
        self.user, self.password, self.db = user, password, db
        self.control = self.folder / f"{name}.ctl"
        self.stderr_path = self.folder / f"{name}.stderr.log"
        self._program = program
        self._errors = open(self.stderr_path, "w", encoding="utf-8")
        argv = [sys.executable, str(Path(__file__).with_name(program)), "--listen", f"{host}:{port}",
                "--control", str(self.control), "--user", user, "--password", password, "--db", db]
        if template is not None:
            argv += ["--template", str(template)]
        for key, value in options.items():
            flag = "--" + key.replace("_", "-")
            for each in value if isinstance(value, list) else [value]:
                argv += [flag] if each is True else [] if each in (None, False) else [flag, str(each)]
        self.process = children.start(argv, when_orphaned=signal.SIGTERM, stdin=subprocess.DEVNULL, text=True,
                                      stdout=subprocess.PIPE, stderr=self._errors)
        self.truth = TruthReader(self.process.stdout)
        listening = self.truth.wait("listening", 30)
        self.host, self.port = listening["host"], listening["port"]

    def conninfo(self, **more: object) -> str:
        """A key=value conninfo for a login; None takes a key away."""
        raise NotImplementedError

    def connect(self, **more: object) -> "psycopg2.extensions.connection":
        """An autocommit psycopg2 connection; this is a login, and wakes."""
        made = psycopg2.connect(self.conninfo(**more), connect_timeout=30)
        made.autocommit = True
        return made

    def command(self, line: str, timeout: float = 30.0) -> str:
        """Gives one command and returns its answer without the leading "ok". RuntimeError when it was refused."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(patient(timeout))
            control.connect(str(self.control))
            control.sendall(line.encode() + b"\n")
            answer = control.makefile(encoding="utf-8").readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"{line}: {answer}")
        return answer[2:].strip()

    def status(self) -> dict:
        """What the program says of itself; `state` is one of asleep, waking, awake, suspending."""
        return json.loads(self.command("status"))

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM and its exit code; its PostgreSQL is stopped and its folder is gone then. Raises when it complained
        of anything on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patient(timeout))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.truth.join()
        self.process.stdout.close()
        self._errors.close()
        complaint = self.stderr_path.read_text(encoding="utf-8", errors="replace")
        if complaint:
            raise AssertionError(f"{self._program} complained:\n{complaint}")
        return self.process.returncode

    close = stop
