"""One client of the napping PostgreSQL: from its first byte, over the password request, to the relay."""

import asyncio
from dataclasses import dataclass, field

from rig import wire
from rig.lifecycle import CannotWake
from rig.relay import Relay
from rig.sleeper import Sleeper
from rig.truth import TruthLog


@dataclass
class Front:
    """How the front answers at the moment; commands change it for all sessions at once."""

    flowing: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: nothing is passed or answered
    error: tuple[str, str, str] | None = None  # severity, SQLSTATE, text: the answer to a SASL message
    doors: int = 0
    sessions: dict[int, "NapSession"] = field(default_factory=dict)


class Left(Exception):
    """The client went away before it was logged in."""


class LeftAtDoor(Left):
    """It went away at the password request: a door check."""


class NapSession:
    """Everything up to the password request is answered here and wakes nothing. The client's first SASL message wakes
    PostgreSQL, which then sees the startup packet and that message as if the client had come to it directly."""

    def __init__(self, number: int, front: Front, sleeper: Sleeper, truth: TruthLog,
                 reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.number = number
        self._front = front
        self._sleeper = sleeper
        self._truth = truth
        self._reader = reader
        self._writer = writer
        self._opening: wire.Opening | None = None

    async def run(self) -> None:
        try:
            if not await self._open():
                return
            first = await self._ask_password()
            if self._front.error:
                severity, sqlstate, text = self._front.error
                await self._answer(wire.error_response(severity, sqlstate, text))
                self._emit("refused", sqlstate=sqlstate, text=text)
                return
            await self._log_in(first)
        except LeftAtDoor:
            self._front.doors += 1
            self._emit("door", application=self._application())
        except (Left, asyncio.IncompleteReadError, ConnectionError):
            self._emit("left", application=self._application())
        except wire.BadFrame as bad:
            self._emit("garbage", error=str(bad))

    def _emit(self, event: str, **fields: object) -> None:
        self._truth.emit(event, session=self.number, **fields)

    def _application(self) -> str:
        return self._opening.parameters.get("application_name", "") if self._opening else ""

    async def _answer(self, data: bytes) -> None:
        await self._front.flowing.wait()
        self._writer.write(data)
        await self._writer.drain()

    # Before the wake

    async def _open(self) -> bool:
        """Reads packets until the startup packet is here. False when there is nothing more to do."""
        while True:
            opening = await wire.read_opening(self._reader)
            if opening.code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                await self._answer(b"N")
            elif opening.code == wire.CANCEL_REQUEST:
                await self._pass_cancel(opening)
                return False
            elif opening.code == wire.PROTOCOL_3:
                self._opening = opening
                return True
            else:
                raise wire.BadFrame(f"protocol {opening.code}")

    async def _pass_cancel(self, opening: wire.Opening) -> None:
        """A cancel never wakes: with the server asleep there is nothing to cancel."""
        self._emit("cancel", passed=self._sleeper.state == "awake")
        if self._sleeper.state == "awake":
            reader, writer = await self._connect()
            writer.write(opening.raw)
            await reader.read()
            writer.close()

    async def _ask_password(self) -> bytes:
        """The raw SASLInitialResponse."""
        await self._answer(wire.authentication_sasl())
        try:
            kind, _, raw = await wire.read_message(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as gone:
            raise LeftAtDoor from gone
        if kind != b"p":
            raise wire.BadFrame(f"{kind!r} in place of a SASL message")
        return raw

    # The wake and the login

    async def _log_in(self, first: bytes) -> None:
        self._sleeper.hold(self)
        try:
            await self._sleeper.awake("login")
            await self._front.flowing.wait()
            if self._reader.at_eof():
                raise Left
            server_reader, server_writer = await self._connect()
        except (CannotWake, FileNotFoundError, ConnectionRefusedError) as failure:
            self._sleeper.release(self)
            await self._answer(wire.error_response("FATAL", "57P03", "the database system is not available"))
            self._emit("refused", sqlstate="57P03", text=str(failure))
            return
        except BaseException:
            self._sleeper.release(self)
            raise
        try:
            server_writer.write(self._opening.raw)
            if await self._swallow_password_request(server_reader):
                server_writer.write(first)
                await self._relay(server_reader, server_writer)
        finally:
            server_writer.close()
            self._sleeper.release(self)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        cluster = self._sleeper.cluster
        return await asyncio.open_unix_connection(str(cluster.socket_dir / f".s.PGSQL.{cluster.port}"))

    async def _swallow_password_request(self, server_reader: asyncio.StreamReader) -> bool:
        """PostgreSQL asks for the password that the client was asked for already. An error is passed on."""
        while True:
            kind, payload, raw = await wire.read_message(server_reader)
            if kind == b"R" and wire.parse_authentication(payload) == 10:
                return True
            await self._answer(raw)
            if kind == b"E":
                self._emit("refused", sqlstate=wire.parse_report(payload).get("C"))
                return False

    # The relay

    async def _relay(self, server_reader: asyncio.StreamReader, server_writer: asyncio.StreamWriter) -> None:
        self._front.sessions[self.number] = self
        self._emit("session_open", application=self._application(), user=self._opening.parameters.get("user"))
        relay = Relay((self._reader, self._writer), (server_reader, server_writer), self._front.flowing, self._activity_changed)
        try:
            await relay.run()
        finally:
            self._front.sessions.pop(self.number, None)
            self._emit("session_close", **relay.ending)

    def _activity_changed(self, active: bool) -> None:
        self._emit("session_active" if active else "session_idle")
        if active:
            self._sleeper.hold(self)
        else:
            self._sleeper.release(self)
