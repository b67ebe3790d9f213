"""One client of the stand-in for Neon: TLS, the endpoint's name, the password, the wake, the login to the compute, the relay.

The order is Neon's: everything up to the password's proof is answered here and wakes nothing; then the compute is woken, the client
logged in to it, and AuthenticationOk, the parameters and ReadyForQuery reach the client in one piece.
"""

import asyncio
import re
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field

from rig import scram, troubles, wire
from rig.compute import Compute
from rig.lifecycle import CannotWake
from rig.listener import reset
from rig.relay import Relay, Stream
from rig.troubles import Trouble
from rig.truth import TruthLog

_POOLER = "-pooler"
# The pooler takes no other startup parameter.
_POOLED = {"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name"}
_TRIES = 3  # of a compute that goes while a login comes


@dataclass
class Front:
    """What all sessions share, and commands change for all at once. `sasl_final` is early or held, as neonserver.py tells."""

    endpoint: str
    domain: str
    roles: dict[str, scram.Secret]
    mock_key: bytes
    tls: ssl.SSLContext
    binding: bytes
    auth_timeout: float
    sasl_final: str = "early"
    sqlstate: str = "XX000"
    trouble: Trouble | None = None
    flowing: asyncio.Event = field(default_factory=asyncio.Event)  # cleared: nothing is passed or answered
    doors: Counter[str] = field(default_factory=Counter)  # by application, as are the next two
    logins: Counter[str] = field(default_factory=Counter)  # with a right password
    wrong: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    clients: dict["NeonSession", asyncio.Task] = field(default_factory=dict)

    def secret(self, endpoint: str, user: str) -> scram.Secret:
        """A role's; a mock for who is not there."""
        known = self.roles.get(user) if endpoint == self.endpoint else None
        return known or scram.Secret.mock(f"{endpoint}/{user}", self.mock_key)


class Refusal(Exception):
    """The client is not let in; the text is what it is told, None for not a word."""

    def __init__(self, text: str | None, stage: str):
        super().__init__(text)
        self.text = text
        self.stage = stage


class LeftAtDoor(Exception):
    """The client went away at the password request: a door check."""


class Left(Exception):
    """It went away later, before it was logged in."""


class NeonSession:
    """run() serves the client to its end."""

    def __init__(self, number: int, front: Front, compute: Compute, truth: TruthLog,
                 reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.number = number
        self._front = front
        self._compute = compute
        self._truth = truth
        self._reader = reader
        self._writer = writer
        self._accepted_usec = time.monotonic_ns() // 1000
        self._parameters: dict[str, str] = {}
        self._pooled = False
        self._held = b""
        self._idles = 0

    async def run(self) -> None:
        self._front.clients[self] = asyncio.current_task()
        try:
            await self._serve()
        except Refusal as refusal:
            await self._refuse(refusal)
        except LeftAtDoor:
            self._front.doors[self._application()] += 1
            self._emit("door", application=self._application())
        except (Left, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self._emit("left", application=self._application())
        except wire.BadFrame as bad:
            self._emit("garbage", error=str(bad))
        finally:
            del self._front.clients[self]

    def reset(self) -> None:
        """The proxy goes away under the client."""
        reset(self._writer)
        self._front.clients[self].cancel()

    def _emit(self, event: str, **fields: object) -> None:
        self._truth.emit(event, session=self.number, **fields)

    def _application(self) -> str:
        return self._parameters.get("application_name", "")

    def _took_usec(self) -> int:
        return time.monotonic_ns() // 1000 - self._accepted_usec

    async def _answer(self, data: bytes) -> None:
        await self._front.flowing.wait()
        self._writer.write(data)
        await self._writer.drain()

    async def _refuse(self, refusal: Refusal) -> None:
        self._emit("refused", application=self._application(), stage=refusal.stage, text=refusal.text)
        if refusal.text is None:
            return
        fields = (("S", "ERROR"), ("C", self._front.sqlstate), ("M", refusal.text))
        error = wire.message(b"E", b"".join(code.encode() + wire.cstring(value) for code, value in fields) + b"\0")
        try:
            await self._answer(self._held + error)
        except ConnectionError:
            pass  # it did not wait for the answer

    def _stumble(self, stage: str) -> None:
        """Here an ordered trouble happens."""
        trouble = self._front.trouble
        if trouble and trouble.stage == stage:
            raise Refusal(trouble.text, stage)

    async def _serve(self) -> None:
        if not await self._open():
            return
        endpoint = self._find_endpoint()
        self._stumble("access")
        await self._check_password(endpoint)
        self._stumble("wake")
        with self._compute.entering():
            waited = await self._wake()
            self._stumble("compute")
            self._check_pooled()
            server, greeting = await self._log_in()
            try:
                await self._answer(self._held + greeting)
            except BaseException:
                server[1].close()
                raise
        await self._relay(server, waited)

    # TLS and the startup packet

    async def _open(self) -> bool:
        """Reads packets until the startup packet is here. False when there is nothing more to do."""
        encrypted = False
        while True:
            opening = await wire.read_opening(self._reader)
            if opening.code == wire.SSL_REQUEST and not encrypted:
                await self._answer(b"S")
                await self._writer.start_tls(self._front.tls)
                encrypted = True
            elif opening.code == wire.GSSENC_REQUEST and not encrypted:
                await self._answer(b"N")
            elif opening.code == wire.CANCEL_REQUEST:
                await self._pass_cancel(opening)
                return False
            elif opening.code == wire.PROTOCOL_3:
                self._parameters = opening.parameters
                if not encrypted:
                    raise Refusal(troubles.INSECURE, "access")
                return True
            else:
                raise wire.BadFrame(f"protocol {opening.code}")

    async def _pass_cancel(self, opening: wire.Opening) -> None:
        """A cancel never wakes: with the compute asleep there is nothing to cancel."""
        self._emit("cancel", passed=self._compute.state == "awake")
        if self._compute.state == "awake":
            reader, writer = await self._connect()
            writer.write(opening.raw)
            await reader.read()
            writer.close()

    # Which endpoint

    def _find_endpoint(self) -> str:
        """From the name in the TLS handshake; without one from options=endpoint=NAME. A name that ends with -pooler is the same
        endpoint behind the pooler."""
        named = self._take_option()
        sni = getattr(self._writer.get_extra_info("ssl_object"), "sni", None) or ""
        shown = sni.removesuffix("." + self._front.domain) if sni.endswith("." + self._front.domain) else None
        if shown and named and shown != named:
            raise Refusal(troubles.INCONSISTENT.format(shown, named), "access")
        name = shown or named
        if not name:
            raise Refusal(troubles.NO_ENDPOINT, "access")
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise Refusal(troubles.ILLEGAL_NAME.format(name), "access")
        self._pooled = name.endswith(_POOLER)
        return name.removesuffix(_POOLER)

    def _take_option(self) -> str | None:
        """The endpoint in the startup packet's options, which the compute does not get to see."""
        words = self._parameters.get("options", "").split()
        mine = [word for word in words if word.startswith(("endpoint=", "project="))]
        if mine:
            rest = [word for word in words if word not in mine]
            self._parameters = {key: value for key, value in self._parameters.items() if key != "options"}
            if rest:
                self._parameters["options"] = " ".join(rest)
        return mine[-1].partition("=")[2] if mine else None

    def _check_pooled(self) -> None:
        """What PgBouncer, which lives beside the compute, does not take."""
        if not self._pooled:
            return
        for name, value in self._parameters.items():
            if name == "options" and (setting := re.match(r"-c\s*([^=\s]+)=", value)):
                raise Refusal(troubles.UNSUPPORTED.format(f"unsupported startup parameter in options: {setting[1]}"), "compute")
            if name.lower() not in _POOLED:
                raise Refusal(troubles.UNSUPPORTED.format(f"unsupported startup parameter: {name}"), "compute")

    # The password

    async def _check_password(self, endpoint: str) -> None:
        user = self._parameters.get("user", "")
        exchange = scram.Exchange(self._front.secret(endpoint, user), self._front.binding)
        await self._answer(wire.authentication_sasl(scram.MECHANISMS))
        try:
            async with asyncio.timeout(self._front.auth_timeout):
                final = await self._exchange(exchange)
        except TimeoutError as late:
            raise Refusal(troubles.TIMED_OUT, "scram") from late
        except scram.Violation as violation:
            raise Refusal(str(violation), "scram") from violation
        except scram.WrongPassword as wrong:
            self._front.wrong[self._application()] += 1
            raise Refusal(troubles.WRONG_PASSWORD.format(user), "scram") from wrong
        self._front.logins[self._application()] += 1
        self._emit("login", application=self._application(), user=user, pooled=self._pooled)
        if self._front.sasl_final == "early":
            await self._answer(wire.authentication_sasl_final(final))
        else:
            self._held = wire.authentication_sasl_final(final) + wire.authentication_ok()

    async def _exchange(self, exchange: scram.Exchange) -> bytes:
        try:
            payload = await self._read_sasl()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as gone:
            raise LeftAtDoor from gone
        mechanism, first = wire.parse_sasl_initial_response(payload)
        self._stumble("scram")
        await self._answer(wire.authentication_sasl_continue(exchange.first(mechanism, first)))
        return exchange.final(await self._read_sasl())

    async def _read_sasl(self) -> bytes:
        kind, payload, _ = await wire.read_message(self._reader)
        if kind == b"X":
            raise ConnectionResetError("the client said goodbye")
        if kind != b"p":
            raise wire.BadFrame(f"{kind!r} in place of a SASL message")
        return payload

    # The wake and the login to the compute

    async def _wake(self) -> bool:
        """True when the login had to wait for it."""
        waited = self._compute.state != "awake"
        try:
            await self._compute.awake("login", application=self._application(), session=self.number)
        except CannotWake as failure:
            raise Refusal(troubles.CONTROL_PLANE, "wake") from failure
        await self._front.flowing.wait()
        if self._reader.at_eof():
            raise Left
        return waited

    async def _connect(self) -> Stream:
        cluster = self._compute.cluster
        return await asyncio.open_unix_connection(str(cluster.socket_dir / f".s.PGSQL.{cluster.port}"))

    async def _log_in(self) -> tuple[Stream, bytes]:
        """The compute's stream, and all that it says up to the first ReadyForQuery."""
        for _ in range(_TRIES):
            server = None
            try:
                server = await self._connect()
                server[1].write(wire.startup(**self._parameters))
                return server, await self._read_greeting(server[0])
            except (FileNotFoundError, ConnectionError, asyncio.IncompleteReadError):
                if server:
                    server[1].close()
                await self._wake()  # it went in the meantime
            except BaseException:
                if server:
                    server[1].close()
                raise
        raise Refusal(troubles.NO_COMPUTE, "compute")

    async def _read_greeting(self, reader: asyncio.StreamReader) -> bytes:
        """An error loses its severity and its code here: the proxy passes the text alone."""
        greeting = b""
        while True:
            kind, payload, raw = await wire.read_message(reader)
            if kind == b"E":
                raise Refusal(wire.parse_report(payload)["M"], "compute")
            if not (kind == b"R" and self._held):
                greeting += raw
            if kind == b"Z":
                return greeting

    # The relay

    async def _relay(self, server: Stream, waited: bool) -> None:
        """A session behind the pooler has a backend of its own here; what differs is its end."""
        self._emit("session_open", application=self._application(), user=self._parameters.get("user"), pooled=self._pooled,
                   waited=waited, took_usec=self._took_usec())
        self._front.sessions += 1
        relay = Relay((self._reader, self._writer), server, self._front.flowing, self._activity_changed, greeted=True,
                      muted=self._pooled)
        self._activity_changed(False)  # its login's ReadyForQuery has been passed
        try:
            await relay.run()
        except asyncio.CancelledError:
            relay.ending["by"] = "proxy"
            raise
        finally:
            server[1].close()
            self._front.sessions -= 1
            self._emit("session_close", **relay.ending)

    def _activity_changed(self, active: bool) -> None:
        self._emit("session_active" if active else "session_idle")
        if not active:
            self._idles += 1
            if self._idles == 2:
                self._emit("answered", application=self._application(), took_usec=self._took_usec())
