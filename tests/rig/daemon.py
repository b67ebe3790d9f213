"""pgwaked itself, as a test runs it: its configuration, its sockets, its log, its words to the service manager."""

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

from rig import children, configuration, logs, unixhttp
from rig.notify import NotifySocket
from rig.passing import Passed
from rig.patience import Late, patient, until
from rig.unixhttp import Answer, Event, EventStream

_REPOSITORY = Path(__file__).resolve().parents[2]
_SANITIZED = re.compile(r"(ERROR|WARNING|FATAL): (Address|Thread|Leak)Sanitizer|Sanitizer: ?(CHECK failed|DEADLYSIGNAL)|runtime error:"
                        r"|LeakSanitizer", re.ASCII)


class SanitizerError(AssertionError):
    """A sanitizer found something in pgwaked or pgwake."""


def built(program: str) -> Path:
    """Where the built program is: $PGWAKED / $PGWAKE, or in $BUILDDIR, by default the repository's root."""
    named = os.environ.get(program.upper())
    return Path(named) if named else Path(os.environ.get("BUILDDIR", _REPOSITORY)) / program


def wrapper() -> list[str]:
    """$PGWAKE_TEST_WRAPPER: what to run the programs under, such as valgrind."""
    return shlex.split(os.environ.get("PGWAKE_TEST_WRAPPER", ""))


def check_sanitizers(text: str) -> None:
    found = _SANITIZED.search(text)
    if found:
        raise SanitizerError(text[max(0, found.start() - 200):found.start() + 6000])


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of ours reaches the program: no PG*, no systemd's sockets, no home with a .pgpass."""
    kept = {key: value for key, value in os.environ.items()
            if key in ("PATH", "TMPDIR") or key.endswith("SAN_OPTIONS") or key.startswith(("VALGRIND", "LLVM", "GCOV"))}
    return {"LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(home), **kept}


class Daemon:
    """One pgwaked in the foreground.

    databases   a list of dicts (the keys of a database), or the text between `databases: (` and `);`
    settings    other groups, merged over the rig's own: {"limits": {"attempts_in_flight": 4}, "defaults": {...}}
    text        a whole configuration instead; @FOLDER@ in it is replaced by the daemon's folder
    env         more environment variables; prefix: a command to run it under, which must exec it
    passed      sockets that it is passed (rig.passing.Passed)
    """

    def __init__(self, folder: Path, databases: list[dict] | str = (), settings: dict | None = None,
                 text: str | None = None, log_format: str = "logfmt", env: dict[str, str] | None = None,
                 argv: list[str] = (), prefix: list[str] = (), name: str = "pgwaked", passed: Passed | None = None):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        self.config_path = self.folder / "pgwaked.conf"
        self.status_socket = self.folder / "status.sock"
        self.control_socket = self.folder / "control.sock"
        self.awake_dir = self.folder / "awake"
        self.history_path = self.folder / "history.db"
        self.stdout_path = self.folder / "stdout.log"
        self.stderr_path = self.folder / "stderr.log"
        self.log_format = log_format
        self.env = dict(env or {})
        self.argv = list(argv)
        self.prefix = list(prefix)
        self.passed = passed
        self.settings = dict(settings or {})
        self.process: subprocess.Popen | None = None
        self.started_monotonic_usec = 0
        self.notify = NotifySocket()
        self.configure(databases, text=text)

    # Configuration

    def configure(self, databases: list[dict] | str = (), settings: dict | None = None,
                  text: str | None = None) -> None:
        """Writes the configuration file anew (mode 0600), in one step; a running daemon has to be told (reload)."""
        if settings is not None:
            self.settings = dict(settings)
        if text is None:
            text = self._render(databases)
        text = text.replace("@FOLDER@", str(self.folder))
        fresh = self.config_path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.config_path)

    def _render(self, databases: list[dict] | str) -> str:
        own = {"status": {"socket": self.status_socket, "control": self.control_socket, "awake_dir": self.awake_dir},
               "history": {"path": self.history_path}, "log": {"format": self.log_format}}
        text = configuration.render(configuration.merge(own, self.settings))
        if isinstance(databases, str):
            return text + f"databases: (\n{databases}\n);\n"
        return text + (configuration.render({"databases": list(databases)}) if databases else "")

    # Running

    def start(self, wait: bool = True, timeout: float = 10.0) -> "Daemon":
        """Starts it. With `wait`, returns when its control socket answers."""
        assert self.process is None or self.process.poll() is not None
        environment = {**clean_environment(self.folder), "NOTIFY_SOCKET": self.notify.address, **self.env}
        passing = self.passed.prefix if self.passed else []
        argv = [*self.prefix, *passing, *wrapper(), str(built("pgwaked")), "-c", str(self.config_path), *self.argv]
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.started_monotonic_usec = time.monotonic_ns() // 1000
            self.process = children.start(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder,
                                          env=environment, pass_fds=self.passed.descriptors if self.passed else ())
        if wait:
            until(self._answers, timeout, "pgwaked's control socket answers", every=0.002)
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"pgwaked ended with {self.process.returncode}:\n{self.output()[-4000:]}")
        try:
            return self.get("/livez", timeout=5).status == 200
        except OSError:
            return False

    def run(self, *argv: str, timeout: float = 20.0) -> subprocess.CompletedProcess:
        """Runs pgwaked to its end with other arguments (--check-config, --dump-machine ...) and this configuration."""
        command = [*wrapper(), str(built("pgwaked")), "-c", str(self.config_path), *argv]
        return _run(command, {**clean_environment(self.folder), **self.env}, timeout)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 10.0) -> tuple[int, float]:
        """Signals it and returns (exit code, seconds it took). Raises when a sanitizer complained."""
        begun = time.monotonic()
        if self.running:
            self.process.send_signal(number)
        return self.wait_exit(timeout), time.monotonic() - begun

    def wait_exit(self, timeout: float = 10.0) -> int:
        """Waits for its end without a signal; the exit code, negative for a signal."""
        try:
            code = self.process.wait(patient(timeout))
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # a core, where cores are kept, says where it hung
            self.process.wait()
            raise Late(f"pgwaked did not end within {timeout} s:\n{self.output()[-4000:]}") from None
        check_sanitizers(self.output())
        return code

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Ends it whatever its state, and still raises when a sanitizer complained."""
        try:
            if self.running:
                children.send(self.pid, signal.SIGCONT)
                self.stop()
        finally:
            if self.running:
                self.kill9()
            self.notify.close()
        check_sanitizers(self.output())

    def reload(self, timeout: float = 10.0, remove_all: bool = False) -> Answer:
        """POST /reload: the answer carries the complaints. For SIGHUP: signal(signal.SIGHUP)."""
        return self.get("/reload?remove=all" if remove_all else "/reload", socket="control", method="POST", timeout=timeout)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    # Its sockets

    def get(self, path: str, socket: str = "control", method: str = "GET", headers: dict | None = None,
            timeout: float = 10.0, body: bytes | None = None) -> Answer:
        """One request; unpacks as (status, headers, json). `socket` is "status" or "control"."""
        where = self.status_socket if socket == "status" else self.control_socket
        return unixhttp.request(where, path, method, headers, body, timeout)

    def status(self, name: str, socket: str = "control") -> dict:
        """GET /status/NAME."""
        answer = self.get(f"/status/{name}", socket)
        assert answer.status == 200, answer.text
        return answer.json

    def stream(self, db: str | None = None, last_id: str | int | None = None, socket: str = "control") -> EventStream:
        """/events read in the background: .events, .wait(look), .close()."""
        where = self.status_socket if socket == "status" else self.control_socket
        return EventStream(where, f"/events?db={db}" if db else "/events", last_id)

    def events(self, db: str | None = None, last_id: str | int | None = None):
        """Iterates over the events of a stream of its own, as they arrive; closing the iterator ends it."""
        with self.stream(db, last_id) as stream:
            yield from stream

    def wait_state(self, name: str, state: str, timeout: float = 10.0) -> dict:
        """Waits on /events until a database is in a state; its status then, with `seen_monotonic_usec` added."""
        with self.stream(name) as stream:
            return self._wait_status(stream, name, lambda status: status["state"] == state, timeout, state)

    def wait_reason(self, name: str, reason: str, timeout: float = 10.0) -> dict:
        """The same for a reason."""
        with self.stream(name) as stream:
            return self._wait_status(stream, name, lambda status: status["reason"] == reason, timeout, reason)

    def _wait_status(self, stream: EventStream, name: str, wanted, timeout: float, what: str) -> dict:
        """The stream is open before the first look, so nothing falls between look and event."""
        assert stream.status == 200, f"/events answered {stream.status}"
        deadline = time.monotonic() + patient(timeout)
        seen = 0
        at = time.monotonic_ns() // 1000
        while True:
            status = self.status(name)
            if wanted(status):
                return {**status, "seen_monotonic_usec": at}
            try:
                event = stream.wait(lambda _: True, max(0.001, deadline - time.monotonic()) / patient(1), since=seen)
            except Late as late:
                raise Late(f"{name} not {what} within {timeout} s, but {status['state']}/{status['reason']}: {late}"
                           f"\n{self.output()[-2000:]}") from None
            seen += 1
            at = event.monotonic_usec

    # What it says

    def output(self) -> str:
        """All of stdout and stderr."""
        return "".join(path.read_text(encoding="utf-8", errors="replace")
                       for path in (self.stdout_path, self.stderr_path) if path.exists())

    def log_entries(self, **fields: object) -> list[logs.Entry]:
        """The log's entries that have these fields: log_entries(database="main", state="awake")."""
        return [entry for entry in logs.parse(self.output()) if entry.matches(fields)]

    def wait_log(self, timeout: float = 10.0, count: int = 1, **fields: object) -> list[logs.Entry]:
        """Waits until so many entries have these fields."""
        return until(lambda: len(found := self.log_entries(**fields)) >= count and found, timeout,
                     f"{count} log entries with {fields}")

    # pgwake

    def pgwake(self, *argv: str, timeout: float = 20.0, env: dict[str, str] | None = None,
               socket: str = "control") -> subprocess.CompletedProcess:
        """Runs pgwake to its end: .returncode .stdout .stderr (text) and .seconds."""
        return _run(self._pgwake_command(argv), self._pgwake_environment(env, socket), timeout)

    def start_pgwake(self, *argv: str, env: dict[str, str] | None = None,
                     socket: str = "control") -> subprocess.Popen:
        """Starts pgwake with pipes for text, for --watch, --follow and hold; the caller ends it."""
        return children.start(self._pgwake_command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, bufsize=1, env=self._pgwake_environment(env, socket))

    def _pgwake_command(self, argv: tuple[str, ...]) -> list[str]:
        return [*wrapper(), str(built("pgwake")), *map(str, argv)]

    def _pgwake_environment(self, env: dict[str, str] | None, socket: str) -> dict[str, str]:
        where = self.status_socket if socket == "status" else self.control_socket
        return {**clean_environment(self.folder), "PGWAKE_SOCKET": str(where), **(env or {})}


def _run(command: list[str], environment: dict[str, str], timeout: float) -> subprocess.CompletedProcess:
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=patient(timeout), check=False)
    done.seconds = time.monotonic() - begun
    check_sanitizers(done.stderr)
    return done


__all__ = ["Answer", "Daemon", "Event", "EventStream", "SanitizerError", "built", "check_sanitizers", "wrapper"]
