"""Clients that speak HTTP as no library would: bytes over a UNIX or TCP socket, by the thousand."""

import selectors
import socket
import time
from pathlib import Path

from rig.patience import Late, patient

Address = Path | tuple[str, int]


def get(path: str, method: str = "GET", *headers: str) -> bytes:
    """A request as bytes."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode("latin-1")


def connect(where: Address, timeout: float = 10.0) -> socket.socket:
    made = socket.socket(socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET)
    made.settimeout(patient(timeout))
    made.connect(str(where) if isinstance(where, Path) else where)
    return made


def read_to_end(client: socket.socket) -> bytes:
    """All that comes until the other side closes, in whatever way."""
    got = b""
    try:
        while piece := client.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def ask(where: Address, request: bytes, timeout: float = 10.0) -> bytes:
    """Sends bytes, as far as they are taken, and reads what comes back until the other side closes."""
    with connect(where, timeout) as client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_to_end(client)


def status_of(answer: bytes) -> int:
    """0 when there is no answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def connected(path: Path) -> int:
    """How many connections the owner of a listening UNIX socket has accepted and not closed. The kernel keeps the name that the socket
    was bound to, before pgwaked put it in its place."""
    names = (str(path), f"{path}.new")
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return sum(len(words) == 8 and words[7] in names and words[5] == "03" for words in lines)


class Crowd:
    """Many connections, read together."""

    def __init__(self, where: Address, count: int, request: bytes = b""):
        self.clients = [connect(where) for _ in range(count)]
        self.got = [b""] * count
        self.ended: set[int] = set()
        self._selector = selectors.DefaultSelector()
        for i, client in enumerate(self.clients):
            if request:
                client.sendall(request)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ, i)

    def say(self, data: bytes) -> None:
        """A few bytes from each that is still there."""
        for i, client in enumerate(self.clients):
            try:
                client.send(data)
            except ConnectionError:
                self._end(i)

    def read(self, timeout: float) -> None:
        """What has come, or comes within this time."""
        for key, _ in self._selector.select(timeout):
            try:
                piece = key.fileobj.recv(65536)
            except ConnectionError:
                piece = b""
            self.got[key.data] += piece
            if not piece:
                self._end(key.data)

    def _end(self, i: int) -> None:
        if i not in self.ended:
            self.ended.add(i)
            self._selector.unregister(self.clients[i])

    def _wait(self, missing, timeout: float, what: str) -> float:
        begun = time.monotonic()
        until = begun + patient(timeout)
        while (left := missing()) and time.monotonic() < until:
            self.read(until - time.monotonic())
        if left:
            raise Late(f"{left} of {len(self.clients)} not within {timeout} s: {what}")
        return time.monotonic() - begun

    def wait(self, wanted: bytes, timeout: float = 10.0) -> float:
        """Until each has read these bytes; the seconds it took."""
        there: set[int] = set()

        def missing() -> int:
            there.update(i for i, got in enumerate(self.got) if i not in there and wanted in got)
            if self.ended - there:
                raise AssertionError(f"{len(self.ended - there)} were closed before {wanted!r} came")
            return len(self.got) - len(there)

        return self._wait(missing, timeout, f"{wanted!r} comes")

    def wait_ended(self, timeout: float = 10.0) -> float:
        """Until each was closed by the other side."""
        return self._wait(lambda: len(self.clients) - len(self.ended), timeout, "closed")

    def forget(self) -> None:
        """What was read so far no longer counts."""
        self.got = [b""] * len(self.clients)

    def close(self) -> None:
        self._selector.close()
        for client in self.clients:
            client.close()

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
