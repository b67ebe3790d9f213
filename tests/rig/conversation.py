"""One connection of the scripted fake server: the steps of a login that a script is put together from."""

import asyncio
import base64
import os
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rig import wire
from rig.listener import reset

if TYPE_CHECKING:
    from rig.fake import Fake

PARAMETERS = {"server_version": "15.14", "server_encoding": "UTF8", "client_encoding": "UTF8",
              "standard_conforming_strings": "on", "integer_datetimes": "on", "DateStyle": "ISO, MDY",
              "TimeZone": "UTC", "is_superuser": "off"}
_SILENT_WORDS = {"BEGIN", "COMMIT", "ROLLBACK", "SET", "DISCARD", "RESET"}


@dataclass
class Seen:
    """What the fake saw of one connection. Times are microseconds; `phase` is the furthest phase it reached."""

    number: int
    realtime_usec: int = field(default_factory=lambda: time.time_ns() // 1000)
    monotonic_usec: int = field(default_factory=lambda: time.monotonic_ns() // 1000)
    phase: str = "at-connect"
    received: bytearray = field(default_factory=bytearray)
    parameters: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    door: bool = False
    terminated: bool = False  # the client said goodbye
    ended_monotonic_usec: int | None = None
    ended_by: str | None = None  # client, reset (by the client), fake


class ClientGone(Exception):
    """The client closed the connection."""


class Conversation:
    """Reads what the client says, remembers it, and answers as a valid server would, step by step."""

    def __init__(self, fake: "Fake", seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.fake = fake
        self.seen = seen
        self.reader = reader
        self.writer = writer
        self.dripping = False
        self.extended = False  # the query that is open came in the extended protocol
        self._opening: wire.Opening | None = None

    def reached(self, phase: str) -> None:
        self.seen.phase = phase
        self.fake.news()

    # Bytes in and out

    async def read(self, count: int) -> bytes:
        try:
            data = await self.reader.readexactly(count)
        except asyncio.IncompleteReadError as short:
            self.seen.received += short.partial
            raise ClientGone from short
        self.seen.received += data
        return data

    async def read_message(self) -> tuple[bytes, bytes]:
        header = await self.read(5)
        size = struct.unpack_from("!i", header, 1)[0] - 4
        if not 0 <= size <= 1 << 24:
            raise wire.BadFrame(f"length {size + 4}")
        return header[:1], await self.read(size)

    async def read_for_ever(self) -> None:
        """Reads and says nothing, until the client leaves."""
        while data := await self.reader.read(65536):
            self.seen.received += data
        raise ClientGone

    async def send(self, data: bytes) -> None:
        """At once, or one byte per `drip_interval` when dripping."""
        if not self.dripping:
            self.writer.write(data)
            await self.writer.drain()
            return
        for byte in data:
            self.writer.write(bytes([byte]))
            await self.writer.drain()
            await asyncio.sleep(self.fake.drip_interval)

    # The steps of a login

    async def read_opening(self) -> wire.Opening:
        """The next untyped packet. A TLS ClientHello in its place is a BadFrame."""
        length = await self.read(4)
        size = struct.unpack("!i", length)[0]
        if not 8 <= size <= wire.LONGEST_STARTUP:
            raise wire.BadFrame(f"startup packet of {size} bytes")
        return wire.parse_opening(length + await self.read(size - 4))

    async def until_encryption_asked(self) -> None:
        """Reads up to an SSLRequest, or up to the startup packet of a client that wants no TLS."""
        self._opening = await self.read_opening()
        while self._opening.code == wire.GSSENC_REQUEST:
            await self.send(b"N")
            self._opening = await self.read_opening()
        self.reached("after-sslrequest")

    async def until_in_tls(self) -> None:
        """Answers S and reads the beginning of the handshake."""
        await self.until_encryption_asked()
        if self._opening.code != wire.SSL_REQUEST:
            raise wire.BadFrame("no SSLRequest came, so this client never is in TLS")
        await self.send(b"S")
        self.seen.received += await self.reader.read(4096)
        self.reached("in-tls")

    async def until_startup(self) -> None:
        """Answers an SSLRequest (N, or with TLS when the fake has a certificate) and reads the startup packet."""
        await self.until_encryption_asked()
        while self._opening.code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
            if self._opening.code == wire.SSL_REQUEST and self.fake.tls:
                await self.send(b"S")
                await self.writer.start_tls(self.fake.tls)
            else:
                await self.send(b"N")
            self._opening = await self.read_opening()
        if self._opening.code == wire.CANCEL_REQUEST:
            raise ClientGone
        self.seen.parameters = self._opening.parameters
        self.reached("after-startup")

    async def until_password(self) -> None:
        """Asks for a password in clear text, and reads it."""
        await self.send(wire.authentication_cleartext())
        try:
            await self.read_message()
        except (ClientGone, ConnectionError):
            self.seen.door = True
            raise
        self.reached("in-auth")

    async def until_sasl(self) -> bytes:
        """Asks for a password and reads the SASLInitialResponse: its client-first-message."""
        await self.until_startup()
        await self.send(wire.authentication_sasl())
        try:
            kind, payload = await self.read_message()
        except (ClientGone, ConnectionError):
            self.seen.door = True
            raise
        if kind != b"p":
            raise wire.BadFrame(f"{kind!r} in place of a SASL message")
        self.reached("in-auth")
        return wire.parse_sasl_initial_response(payload)[1]

    async def send_login(self) -> None:
        """Lets the client in without a password."""
        statuses = b"".join(wire.parameter_status(*each) for each in PARAMETERS.items())
        await self.send(wire.authentication_ok() + statuses + wire.backend_key_data(os.getpid(), self.seen.number)
                        + wire.ready_for_query())
        self.reached("logged-in")

    async def read_query(self) -> bool:
        """Reads up to the end of a query (Query, or Sync). True when it came in the extended protocol."""
        extended = False
        while True:
            kind, payload = await self.read_message()
            if kind == b"X":
                self.seen.terminated = True
                raise ClientGone
            if kind == b"Q":
                self.seen.queries.append(payload[:-1].decode("utf-8", "replace"))
                return False
            if kind == b"P":
                self.seen.queries.append(payload.split(b"\0")[1].decode("utf-8", "replace"))
                extended = True
            if kind == b"S":
                return extended

    async def until_query(self) -> bool:
        """Logs in without a password, answers `after_queries` queries and reads the next one."""
        await self.until_startup()
        await self.send_login()
        for _ in range(self.fake.after_queries):
            await self.answer(await self.read_query())
        extended = await self.read_query()
        self.reached("in-query")
        return extended

    async def answer(self, extended: bool) -> None:
        """Answers the last query with the fake's row; a transaction's words with no row."""
        words = self.seen.queries[-1].split() if self.seen.queries else []
        word = words[0].upper().rstrip(";") if words else ""
        if word in _SILENT_WORDS:
            rows = wire.command_complete(word)
        else:
            given = self.fake.answer(self.seen.queries[-1]) if callable(self.fake.answer) else self.fake.answer
            rows = (wire.row_description([name for name, _ in given]) + wire.data_row([value for _, value in given])
                    + wire.command_complete("SELECT 1"))
        head = wire.message(b"1") + wire.message(b"2") if extended else b""
        await self.send(head + rows + wire.ready_for_query())
        self.reached("answered")

    async def send_iterations(self, client_first: bytes) -> None:
        """A correct SCRAM server-first-message that makes the client compute."""
        nonce = client_first.split(b",r=")[1]
        salt = base64.b64encode(b"0123456789abcdef")
        body = b"r=%s%s,s=%s,i=%d" % (nonce, base64.b64encode(os.urandom(18)), salt, self.fake.iterations)
        await self.send(wire.authentication_sasl_continue(body))

    # Ends

    def reset(self) -> None:
        reset(self.writer)

    async def close(self) -> None:
        """A FIN after all that was sent; the client's answer to it is not waited for."""
        await self.writer.drain()
        self.writer.close()
