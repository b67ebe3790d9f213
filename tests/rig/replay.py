"""A server for thousands of sessions, as cheap as one in Python can be, in a process of its own: it knows no protocol beyond where a message
begins, and sends what a real server once sent. With a certificate it speaks TLS to those who ask for it.

Run by hand: /usr/bin/python3 tests/rig/replay.py [CERTIFICATE KEY]; it reads its two answers from stdin, says its port, and ends with stdin.
"""

import json
import select
import socket
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import children, wire
from rig.ca import Certificate
from rig.witness import ROW

BACKLOG = 4096
EVENTS = 512


@dataclass(frozen=True)
class Recording:
    """What a server sends to a startup packet without a password, and to each query."""

    login: bytes
    answer: bytes

    @classmethod
    def composed(cls) -> "Recording":
        """As PostgreSQL sends it, without one."""
        login = wire.authentication_ok() + b"".join(wire.parameter_status(*each) for each in (
            ("application_name", "pgwaked"), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY"), ("default_transaction_read_only", "off"),
            ("in_hot_standby", "off"), ("integer_datetimes", "on"), ("IntervalStyle", "postgres"), ("is_superuser", "off"),
            ("server_encoding", "UTF8"), ("server_version", "15.14"), ("session_authorization", "app"),
            ("standard_conforming_strings", "on"), ("TimeZone", "UTC"))) + wire.backend_key_data(4711, 4711) + wire.ready_for_query()
        names, values = zip(*ROW)
        return cls(login, wire.row_description(list(names)) + wire.data_row(list(values)) + wire.command_complete("SELECT 1")
                   + wire.ready_for_query())

    @classmethod
    def of(cls, host: str, port: int, query: str, **startup: str) -> "Recording":
        """As the server at that port sends it; it must let in without a password."""
        with socket.create_connection((host, port), 10) as client:
            client.sendall(wire.startup(**startup))
            login = _until_ready(client)
            client.sendall(wire.query(query))
            return cls(login, _until_ready(client))


def _until_ready(client: socket.socket) -> bytes:
    got = b""
    while not any(kind == b"Z" for kind, _ in wire.split(got)[0]):
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError(f"the server hung up after {got!r}")
        got += piece
    return got


class Replay(children.Script):
    """The server; ends with the test's own."""

    def __init__(self, recording: Recording | None = None, certificate: Certificate | None = None):
        recording = recording or Recording.composed()
        self._sslmode = "require" if certificate else "disable"
        super().__init__(__file__, *((certificate.cert, certificate.key) if certificate else ()))
        self._process.stdin.write(json.dumps([recording.login.hex(), recording.answer.hex()]) + "\n")
        self._process.stdin.flush()
        self.port: int = self._line()

    @property
    def pid(self) -> int:
        return self._process.pid

    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=app dbname=app sslmode={self._sslmode}"


class _Server:
    def __init__(self, tls: ssl.SSLContext | None, login: bytes, answer: bytes):
        self._tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.listener.setblocking(False)
        self._login = login
        self._answer = answer
        self._clients: dict[int, socket.socket] = {}
        self._strangers: set[int] = set()  # who has not sent a startup packet yet
        self._poll = select.epoll()
        self._poll.register(self.listener, select.EPOLLIN)
        self._poll.register(sys.stdin, select.EPOLLIN)

    def run(self) -> None:
        while True:
            for fd, _ in self._poll.poll(maxevents=EVENTS):
                if fd == self.listener.fileno():
                    self._accept()
                elif fd in self._clients:
                    self._serve(fd)
                else:
                    return  # stdin

    def _accept(self) -> None:
        try:
            while True:
                client = self.listener.accept()[0]
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients[client.fileno()] = client
                self._strangers.add(client.fileno())
                self._poll.register(client, select.EPOLLIN)
        except BlockingIOError:
            pass

    def _begin_tls(self, fd: int) -> None:
        self._clients[fd].sendall(b"S")
        # It keeps the descriptor, and so its place in the poll.
        self._clients[fd] = self._tls.wrap_socket(self._clients[fd], server_side=True, do_handshake_on_connect=False)

    def _serve(self, fd: int) -> None:
        try:
            if fd in self._strangers and isinstance(self._clients[fd], ssl.SSLSocket):
                self._clients[fd].do_handshake()
            got = self._clients[fd].recv(8192)
            if self._tls and got == wire.ssl_request():
                self._begin_tls(fd)
            elif not got or got[:1] == b"X":
                self._clients.pop(fd).close()
                self._strangers.discard(fd)
            elif fd in self._strangers:
                self._strangers.remove(fd)
                self._clients[fd].sendall(self._login)
            else:
                self._clients[fd].sendall(self._answer)
        except ssl.SSLWantReadError:
            pass
        except (ConnectionError, ssl.SSLError):
            self._clients.pop(fd).close()
            self._strangers.discard(fd)


if __name__ == "__main__":
    context = None
    if sys.argv[1:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
    server = _Server(context, *map(bytes.fromhex, json.loads(sys.stdin.readline())))
    print(server.listener.getsockname()[1], flush=True)
    server.run()
