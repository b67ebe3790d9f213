"""HTTP read to the byte: what comes on a kept connection is the answers to what was asked, one after the other, and nothing else."""

import json
import socket
from dataclasses import dataclass

from rig.rawhttp import Address, connect, get, read_to_end


class Garbage(AssertionError):
    """Bytes that are no answer."""


@dataclass(frozen=True)
class Exact:
    """One answer. Names of headers are lower-case, and stand once."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Wire:
    """A connection on which each byte has to be accounted for. After an answer that says so it ends, and the next request has a new one."""

    def __init__(self, where: Address, timeout: float = 10.0):
        self._where, self._timeout = where, timeout
        self.socket: socket.socket = connect(where, timeout)
        self._got = b""

    def ask(self, path: str, method: str = "GET", *headers: str) -> Exact:
        """One request, and its answer."""
        self.send(get(path, method, *headers))
        answer = self.answer(method)
        if answer.headers.get("connection") == "close":
            self.end()
            self.socket = connect(self._where, self._timeout)
        return answer

    def end(self) -> None:
        """The daemon closes it, and says nothing more."""
        self._got += read_to_end(self.socket)
        self.socket.close()
        if self._got:
            raise Garbage(f"{self._got[:200]!r} after the last answer")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, method: str = "GET") -> Exact:
        """The next answer, to a request of this method."""
        head = self.answer_head()
        return Exact(head.status, head.headers, self._body(method, head.status, head.headers))

    def answer_head(self) -> Exact:
        """The next answer without its body, which is left unread."""
        head = self._until(b"\r\n\r\n").decode("ascii").split("\r\n")
        version, status, _ = head[0].split(" ", 2)
        if version != "HTTP/1.1":
            raise Garbage(head[0])
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, value = line.split(": ", 1)
            if name.lower() in headers:
                raise Garbage(f"{name} comes twice")
            headers[name.lower()] = value
        return Exact(int(status), headers, b"")

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if length is not None and coding is not None:
            raise Garbage("a length and a transfer encoding")
        if method == "HEAD" or status in (204, 304):
            return b""
        if coding == "chunked":
            return b"".join(iter(self._chunk, b""))
        if length is None or coding is not None:
            raise Garbage(f"no end to be seen: {headers}")
        return self._exactly(int(length))

    def _chunk(self) -> bytes:
        chunk = self._exactly(int(self._until(b"\r\n"), 16))
        if self._exactly(2) != b"\r\n":
            raise Garbage("a chunk does not end where it should")
        return chunk

    def _until(self, end: bytes) -> bytes:
        while end not in self._got:
            self._more()
        found, self._got = self._got.split(end, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._got) < size:
            self._more()
        found, self._got = self._got[:size], self._got[size:]
        return found

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise Garbage(f"closed after {self._got[-200:]!r}")
        self._got += piece

    def close(self) -> None:
        """Closes it; whatever is still there belongs to no answer."""
        if self.socket.fileno() < 0:
            return
        self.socket.setblocking(False)
        try:
            self._got += self.socket.recv(65536)
        except BlockingIOError:
            pass
        finally:
            self.socket.close()
        if self._got:
            raise Garbage(f"{self._got[:200]!r} after the last answer")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self.socket.close()
        else:
            self.close()
