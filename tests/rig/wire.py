"""PostgreSQL's frontend/backend protocol 3.0 as bytes: framing, building and taking apart. Pure: no sockets' state.

Facts from the PostgreSQL manual, chapter "Frontend/Backend Protocol", section "Message Formats".
"""

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Iterator

PROTOCOL_3 = 196608
CANCEL_REQUEST = 80877102
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
LONGEST_STARTUP = 10000  # PostgreSQL's own limit

SCRAM = "SCRAM-SHA-256"
SCRAM_PLUS = "SCRAM-SHA-256-PLUS"


class BadFrame(ValueError):
    """The peer does not speak this protocol."""


# Building

def message(kind: bytes, payload: bytes = b"") -> bytes:
    """One typed message: type byte, length of all after the type, payload."""
    return kind + struct.pack("!i", len(payload) + 4) + payload


def untyped(payload: bytes) -> bytes:
    """A message of the opening: it has a length but no type byte."""
    return struct.pack("!i", len(payload) + 4) + payload


def cstring(text: str) -> bytes:
    return text.encode() + b"\0"


def ssl_request() -> bytes:
    return untyped(struct.pack("!i", SSL_REQUEST))


def gssenc_request() -> bytes:
    return untyped(struct.pack("!i", GSSENC_REQUEST))


def cancel_request(pid: int, key: int) -> bytes:
    return untyped(struct.pack("!iii", CANCEL_REQUEST, pid, key))


def startup(**parameters: str) -> bytes:
    body = b"".join(cstring(key) + cstring(value) for key, value in parameters.items())
    return untyped(struct.pack("!i", PROTOCOL_3) + body + b"\0")


def query(text: str) -> bytes:
    return message(b"Q", cstring(text))


def terminate() -> bytes:
    return message(b"X")


def sasl_initial_response(mechanism: str, data: bytes) -> bytes:
    return message(b"p", cstring(mechanism) + struct.pack("!i", len(data)) + data)


def authentication_ok() -> bytes:
    return message(b"R", struct.pack("!i", 0))


def authentication_cleartext() -> bytes:
    return message(b"R", struct.pack("!i", 3))


def authentication_sasl(mechanisms: tuple[str, ...] = (SCRAM,)) -> bytes:
    return message(b"R", struct.pack("!i", 10) + b"".join(map(cstring, mechanisms)) + b"\0")


def authentication_sasl_continue(data: bytes) -> bytes:
    return message(b"R", struct.pack("!i", 11) + data)


def authentication_sasl_final(data: bytes) -> bytes:
    return message(b"R", struct.pack("!i", 12) + data)


def parameter_status(name: str, value: str) -> bytes:
    return message(b"S", cstring(name) + cstring(value))


def backend_key_data(pid: int, key: int) -> bytes:
    return message(b"K", struct.pack("!ii", pid, key))


def ready_for_query(status: str = "I") -> bytes:
    return message(b"Z", status.encode())


def report(kind: bytes, severity: str, sqlstate: str, text: str, **more: str) -> bytes:
    """ErrorResponse (E) or NoticeResponse (N); `more` maps one-letter field codes to values."""
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": text, **more}
    return message(kind, b"".join(code.encode() + cstring(value) for code, value in fields.items()) + b"\0")


def error_response(severity: str, sqlstate: str, text: str, **more: str) -> bytes:
    return report(b"E", severity, sqlstate, text, **more)


def notice_response(severity: str, sqlstate: str, text: str, **more: str) -> bytes:
    return report(b"N", severity, sqlstate, text, **more)


def row_description(names: list[str]) -> bytes:
    """Columns of type text in text format."""
    columns = b"".join(cstring(name) + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for name in names)
    return message(b"T", struct.pack("!h", len(names)) + columns)


def data_row(values: list[str | None]) -> bytes:
    cells = b"".join(struct.pack("!i", -1) if value is None else
                     struct.pack("!i", len(value.encode())) + value.encode() for value in values)
    return message(b"D", struct.pack("!h", len(values)) + cells)


def command_complete(tag: str) -> bytes:
    return message(b"C", cstring(tag))


# Taking apart

@dataclass(frozen=True)
class Opening:
    """The first packet of a connection, or the one after an SSLRequest. `raw` is what came, to be replayed."""

    code: int
    raw: bytes
    parameters: dict[str, str] = field(default_factory=dict)


def parse_opening(raw: bytes) -> Opening:
    if len(raw) < 8:
        raise BadFrame("a startup packet has at least 8 bytes")
    code = struct.unpack_from("!i", raw, 4)[0]
    if code != PROTOCOL_3:
        return Opening(code, raw)
    words = raw[8:].split(b"\0")
    pairs = zip(words[0::2], words[1::2])
    return Opening(code, raw, {key.decode(): value.decode() for key, value in pairs if key})


def parse_report(payload: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their one-letter codes."""
    return {each[:1].decode(): each[1:].decode("utf-8", "replace") for each in payload.split(b"\0") if each}


def parse_sasl_initial_response(payload: bytes) -> tuple[str, bytes]:
    """Mechanism and the client-first-message."""
    name, _, rest = payload.partition(b"\0")
    return name.decode(), rest[4:]


def parse_authentication(payload: bytes) -> int:
    """The kind of an Authentication message: 0 Ok, 3 cleartext, 10 SASL, 11 SASLContinue, 12 SASLFinal."""
    return struct.unpack_from("!i", payload)[0]


def split(buffer: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The complete messages at the front of a buffer as (type, payload), and what is left over."""
    found = []
    while len(buffer) >= 5:
        end = 1 + struct.unpack_from("!i", buffer, 1)[0]
        if end < 5:
            raise BadFrame(f"length {end - 1} of message {buffer[:1]!r}")
        if len(buffer) < end:
            break
        found.append((buffer[:1], buffer[5:end]))
        buffer = buffer[end:]
    return found, buffer


class Scanner:
    """Follows one direction of a session by its headers, however the bytes are cut, and keeps only short payloads."""

    KEPT = 2048

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yields (type, first bytes of the payload) of each message that ends in this data."""
        at = 0
        while at < len(data) or (len(self._header) == 5 and self._left == 0):
            if len(self._header) < 5:
                piece = data[at:at + 5 - len(self._header)]
                self._header += piece
                at += len(piece)
                if len(self._header) < 5:
                    return
                self._left = struct.unpack_from("!i", self._header, 1)[0] - 4
                if self._left < 0:
                    raise BadFrame(f"length {self._left + 4} of message {self._header[:1]!r}")
                self._kept = b""
            taken = min(self._left, len(data) - at)
            self._kept += data[at:at + min(taken, self.KEPT - len(self._kept))]
            at += taken
            self._left -= taken
            if self._left > 0:
                return
            kind, self._header = self._header[:1], b""
            yield kind, self._kept


# Reading from a stream

async def read_opening(reader: asyncio.StreamReader) -> Opening:
    """Reads an untyped packet. IncompleteReadError when the peer leaves first."""
    length = await reader.readexactly(4)
    size = struct.unpack("!i", length)[0]
    if not 8 <= size <= LONGEST_STARTUP:
        raise BadFrame(f"startup packet of {size} bytes")
    return parse_opening(length + await reader.readexactly(size - 4))


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    """Reads one typed message: (type, payload, the raw bytes of all of it)."""
    header = await reader.readexactly(5)
    size = struct.unpack_from("!i", header, 1)[0] - 4
    if not 0 <= size <= 1 << 24:
        raise BadFrame(f"length {size + 4} of message {header[:1]!r}")
    payload = await reader.readexactly(size)
    return header[:1], payload, header + payload
