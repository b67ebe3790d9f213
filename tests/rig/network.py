"""Networks and name resolution of a test's own: network namespaces, files laid over those of the system, and a name server.

Only for root, and only where namespaces may be made: skip with `needs_namespaces`.
"""

import ctypes
import os
import select
import socket
import struct
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest

from rig import children

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _may_unshare() -> bool:
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True, check=False)
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(not _may_unshare(), reason="needs root and the right to make namespaces")


def laid_over(**files: Path) -> list[str]:
    """A prefix that runs a command in a mount namespace where files lie over those of /etc: laid_over(hosts=..., resolv_conf=...)."""
    script = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 99; shift 2; done; shift; exec "$@"'
    pairs = [str(each) for name, path in files.items() for each in (path, f"/etc/{name.replace('_', '.')}")]
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *pairs, "--"]


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Network:
    """A network namespace: its loopback is up, and there is nothing else until it is asked for.

    What is started inside `with network:` runs in it, whatever thread asks (the rig forks in one thread, and that thread is moved).
    UNIX sockets with a path work across; abstract ones, and so sd_notify, do not: start a cluster with wait=False.
    """

    def __init__(self) -> None:
        self._fd = self._in_thread(self._make)
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _make() -> int:
        _check(_libc.unshare(_CLONE_NEWNET))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @staticmethod
    def _in_thread(work):
        """In a thread of its own, which ends with whatever namespace it then is in."""
        done: list = []
        thread = threading.Thread(target=lambda: done.append(work()), name="network")
        thread.start()
        thread.join()
        return done[0]

    def _enter(self) -> None:
        _check(_libc.setns(self._fd, _CLONE_NEWNET))

    def run(self, *argv: str) -> str:
        """Runs a command in it."""

        def work() -> subprocess.CompletedProcess:
            self._enter()
            return subprocess.run(argv, capture_output=True, text=True, check=False)

        done = self._in_thread(work)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def add_black_hole(self, name: str, *addresses: str) -> None:
        """An interface with these addresses (CIDR): what is sent to others of its networks vanishes, and no answer ever comes."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
        for end in (name, f"{name}-end"):
            self.run("ip", "link", "set", end, "arp", "off", "up")
        for each in addresses:
            self.run("ip", "addr", "add", each, "dev", name, *(["nodad"] if ":" in each else []))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What the rig starts meanwhile is started in this network."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        children._starter.submit(self._enter).result()  # pylint: disable=protected-access
        try:
            yield
        finally:
            children._starter.submit(lambda: _check(_libc.setns(home, _CLONE_NEWNET))).result()  # pylint: disable=protected-access
            os.close(home)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NameServer:
    """A name server on an address of loopback that is its own, port 53.

    silent   True: it takes every question and answers none; or the names for which it does so
    names    name -> addresses, IPv4 and IPv6; any other name is answered with `rcode` (3: there is no such name; 2: trouble)

    Between close() and open() nobody is at its address: a resolver is told so at once, and has no answer.
    """

    NO_SUCH_NAME, TROUBLE = 3, 2

    def __init__(self, names: dict[str, list[str]] | None = None, silent: bool | set[str] = False, rcode: int = NO_SUCH_NAME):
        self.names = dict(names or {})
        self.silent = silent
        self.rcode = rcode
        self.asked: list[str] = []
        self.address = ""
        self._socket: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self._socket, self.address = self._bind([self.address] if self.address else self._addresses())
        self._ending, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)
        self._thread.start()

    @staticmethod
    def _addresses() -> list[str]:
        """By the process, so that tests beside each other do not meet."""
        return [f"127.53.{(os.getpid() + attempt) % 250 + 1}.{attempt + 1}" for attempt in range(200)]

    @staticmethod
    def _bind(addresses: list[str]) -> tuple[socket.socket, str]:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for address in addresses:
            try:
                bound.bind((address, 53))
                return bound, address
            except OSError:
                continue
        raise OSError("no free address for a name server")

    def write_resolv_conf(self, path: Path, options: str = "timeout:5 attempts:2") -> Path:
        path.write_text(f"nameserver {self.address}\noptions {options}\n", encoding="ascii")
        return path

    def _serve(self) -> None:
        while self._ending not in select.select([self._socket, self._ending], [], [])[0]:
            question, asker = self._socket.recvfrom(4096)
            name, kind, end = _read_question(question)
            self.asked.append(name)
            if self.silent is not True and name not in (self.silent or ()):
                self._socket.sendto(self._answer(question[:end], name, kind), asker)

    def _answer(self, question: bytes, name: str, kind: int) -> bytes:
        family, wanted = (socket.AF_INET6, ":") if kind == 28 else (socket.AF_INET, ".")
        known = name in self.names
        addresses = [each for each in self.names.get(name, []) if wanted in each and kind in (1, 28)]
        header = question[:2] + struct.pack("!HHHHH", 0x8180 | (0 if known else self.rcode), 1, len(addresses), 0, 0)
        answer = header + question[12:]
        for each in addresses:
            packed = socket.inet_pton(family, each)
            answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(packed)) + packed
        return answer

    def close(self) -> None:
        if self._socket is None:
            return
        os.write(self._end, b"x")
        self._thread.join(5)
        self._socket.close()
        self._socket = None
        os.close(self._end)
        os.close(self._ending)

    def __enter__(self) -> "NameServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_question(data: bytes) -> tuple[str, int, int]:
    """The name in the question, its type, and where the question ends."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("ascii", "replace"))
        at += 1 + data[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", data, at + 1)[0], at + 5
