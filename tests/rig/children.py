"""Child processes that never outlive the rig, and the family of a process."""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

from rig.patience import patient, until

_PR_SET_PDEATHSIG = 1
_PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# The parent-death signal is sent when the *thread* that forked ends. One thread that lives as long as the process does
# all the forking, so a server started from a test's helper thread does not die with that thread.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rig-starter")


def start(argv: list, *, when_orphaned: int = signal.SIGKILL, **options) -> subprocess.Popen:
    """subprocess.Popen, with a signal for the child should we end without stopping it."""

    def leash() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, when_orphaned, 0, 0, 0)

    return _starter.submit(lambda: subprocess.Popen(argv, preexec_fn=leash, **options)).result()


class Script:
    """A Python program of the rig in a process of its own, which talks by lines of JSON; ends with the test's own."""

    def __init__(self, path: str, *argv: object):
        self._process = start([sys.executable, path, *map(str, argv)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _line(self) -> object:
        return json.loads(self._process.stdout.readline())

    def _end(self) -> object:
        said, _ = self._process.communicate("\n", timeout=patient(20))
        return json.loads(said)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def children_of(pid: int) -> list[int]:
    """The pids of the living direct children of a process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def family(pid: int) -> list[int]:
    """The pids of a process and all its descendants."""
    return [pid] + [each for child in children_of(pid) for each in family(child)]


def send(pid: int, number: int) -> bool:
    """Sends a signal; False when the process is already gone."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def stop(pid: int) -> None:
    """SIGSTOP, and waits until the process has stopped: the signal alone takes effect a little later."""

    def stopped() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TtZX"
        except (FileNotFoundError, ProcessLookupError):
            return True

    if send(pid, signal.SIGSTOP):
        until(stopped, 5, f"process {pid} stops", every=0.001)


def _ptrace(request: int, pid: int) -> None:
    if _libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x}): {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def main_thread_held(pid: int) -> Iterator[None]:
    """The main thread of a child stands still, as a debugger holds it; its other threads go on."""
    _ptrace(_PTRACE_SEIZE, pid)
    try:
        _ptrace(_PTRACE_INTERRUPT, pid)
        os.waitpid(pid, _WALL)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended so
            _ptrace(_PTRACE_DETACH, pid)


@contextlib.contextmanager
def thread_held(pid: int, name: str) -> Iterator[None]:
    """The same of its thread of that name; the child may end meanwhile."""
    tid, = (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == name)

    def bury() -> None:
        # The end of a process is told when who holds a thread of it has seen that thread's end.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(tid, _WALL)

    with main_thread_held(tid):
        threading.Thread(target=bury, daemon=True).start()
        yield


class Watch:
    """Holds other people's processes by pidfd: the end of each is seen, and a reused pid is never hit."""

    def __init__(self, pids: list[int]):
        self._held: dict[int, int] = {}
        for pid in pids:
            try:
                self._held[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                pass

    def send(self, number: int) -> None:
        for held in self._held.values():
            try:
                signal.pidfd_send_signal(held, number)
            except ProcessLookupError:
                pass

    def wait(self, timeout: float) -> bool:
        """True when all have ended in time."""
        poll = select.poll()
        left = set(self._held.values())
        for held in left:
            poll.register(held, select.POLLIN)
        deadline = time.monotonic() + timeout
        while left:
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                return False
            for held, _ in ready:
                poll.unregister(held)
                left.discard(held)
        return True

    def close(self) -> None:
        for held in self._held.values():
            os.close(held)
        self._held.clear()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
