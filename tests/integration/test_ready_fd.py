"""Readiness without systemd: --ready-fd of pgwaked and of `pgwake wait`, and a real s6 that reads it."""

import contextlib
import os
import signal
import subprocess

import pytest

from rig import children
from rig.daemon import built, clean_environment, wrapper
from rig.patience import patient, until

ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]
FAST = {"retry_interval": "50ms", "down_interval": "100ms"}


class Supervisor:
    """The reading end of what the program under `prefix` has open as 3."""

    def __init__(self, tmp):
        self.path = tmp / "ready"
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.prefix = ["/bin/sh", "-c", f'exec "$@" 3>"{self.path}"', "sh"]

    def read(self) -> bytes | None:
        """What was written; b"" at the end of the file, None before anything was."""
        try:
            return os.read(self.fd, 16)
        except BlockingIOError:
            return None

    def wait_end(self) -> None:
        until(lambda: self.read() == b"", 10, "the descriptor is closed")


@pytest.fixture
def supervisor(tmp):
    reader = Supervisor(tmp)
    yield reader
    os.close(reader.fd)


def test_pgwaked_tells_when_it_is_ready_and_goes_on(make_daemon, make_fake, supervisor):
    fake = make_fake(answer=ROW)
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}], argv=["--ready-fd", "3"], prefix=supervisor.prefix).start()
    daemon.wait_state("main", "down")
    assert supervisor.read() is None
    fake.script = "ok"
    assert until(supervisor.read, 10, "it is told") == b"\n"
    supervisor.wait_end()
    daemon.notify.wait("READY", "1")
    daemon.wait_state("main", "awake")


def test_one_that_ends_before_closes_it_without_a_word(make_daemon, make_fake, supervisor):
    fake = make_fake(answer=ROW)
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}], argv=["--ready-fd", "3"], prefix=supervisor.prefix).start()
    daemon.wait_state("main", "down")
    daemon.stop()
    assert supervisor.read() == b""


@pytest.mark.parametrize("number, words", [
    ("3", "'3' is no file descriptor that is open for writing"), ("2", "'2' is no number of a file descriptor; expected one from 3 on"),
    ("x", "'x' is no number of a file descriptor"), ("", "'' is no number of a file descriptor")])
def test_what_is_no_descriptor_is_refused_before_anything_starts(make_daemon, number, words):
    daemon = make_daemon()
    done = daemon.run("--ready-fd", number)
    assert done.returncode == 64 and words in done.stderr
    asked = daemon.pgwake("wait", "main", "--ready-fd", number)
    assert asked.returncode == 3 and "--ready-fd" in asked.stderr and "file descriptor" in asked.stderr


def test_pgwake_wait_tells_when_all_are_reached(make_daemon, make_fake, supervisor):
    fake = make_fake(answer=ROW)
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}]).start()
    daemon.wait_state("main", "down")
    argv = [*supervisor.prefix, *wrapper(), str(built("pgwake")), "--socket", str(daemon.control_socket), "wait", "main"]
    given_up = subprocess.run([*argv, "--timeout", "100ms", "--ready-fd", "3"], env=clean_environment(daemon.folder), capture_output=True,
                              timeout=patient(20))
    assert given_up.returncode == 1 and supervisor.read() == b""
    waiting = children.start([*argv, "--ready-fd", "3"], env=clean_environment(daemon.folder))
    fake.script = "ok"
    assert until(supervisor.read, 10, "it is told") == b"\n"
    assert waiting.wait(patient(10)) == 0


@contextlib.contextmanager
def supervised(folder, command):
    """A service of s6; ends with its program."""
    service = folder / "service"
    service.mkdir()
    (service / "notification-fd").write_text("3\n")
    (service / "run").write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in command) + "\n")
    (service / "run").chmod(0o755)
    process = children.start(["s6-supervise", str(service)], env=clean_environment(folder))
    try:
        yield service
    finally:
        process.send_signal(signal.SIGTERM)  # it ends the program first
        process.wait(patient(20))


def test_a_unit_of_s6_is_ready_when_the_database_is_awake(make_daemon, make_fake, tmp):
    fake = make_fake(answer=ROW)
    fake.refuse()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **FAST}])
    program = [*wrapper(), str(built("pgwaked")), "-c", str(daemon.config_path), "--ready-fd", "3"]

    def told(service) -> str:
        return subprocess.run(["s6-svstat", "-o", "up,ready", str(service)], capture_output=True, text=True, timeout=patient(10)).stdout.strip()

    def is_down() -> bool:
        try:
            return daemon.status("main")["state"] == "down"
        except OSError:
            return False

    with supervised(tmp, program) as service:
        until(is_down, 10, "the database is down")
        assert told(service) == "true false"
        fake.script = "ok"
        subprocess.run(["s6-svwait", "-U", "-t", str(int(1000 * patient(10))), str(service)], check=True, timeout=patient(20))
        assert told(service) == "true true"
