"""The bytes of a session that is logged in, passed both ways, and what they tell: when it is active, and how it ends."""

import asyncio
from typing import Callable

from rig import wire
from rig.activity import Activity
from rig.listener import reset

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Passes bytes between a client and a server until either ends, and then ends the other the same way. Nothing passes while
    `flowing` is cleared. `changed(active)` is called when the session becomes active or idle. `ending` tells who ended it
    (client, server), the SQLSTATE of a fatal error, whether the client said goodbye, and how often it asked something and waited for
    the answer (`queries`).

    With `greeted` the login's ReadyForQuery has been passed already: the session begins idle.
    With `muted` a fatal error of the server never reaches the client: it sees the bare end of the stream."""

    def __init__(self, client: Stream, server: Stream, flowing: asyncio.Event, changed: Callable[[bool], None], greeted: bool = False,
                 muted: bool = False):
        self.ending: dict[str, object] = {"by": "server", "sqlstate": None, "terminated": False, "queries": 0}
        self._client_reader, self._client_writer = client
        self._server_reader, self._server_writer = server
        self._flowing = flowing
        self._activity = Activity(changed, active=not greeted)
        self._muted = muted

    async def run(self) -> None:
        upward = asyncio.create_task(self._pump(self._client_reader, self._server_writer, self._scan_client()))
        downward = asyncio.create_task(self._pump(self._server_reader, self._client_writer, self._scan_server()))
        try:
            await asyncio.wait([upward, downward], return_when=asyncio.FIRST_COMPLETED)
            if upward.done() and not downward.done():
                self.ending["by"] = "client"
                if self._server_writer.can_write_eof():
                    self._server_writer.write_eof()
                await asyncio.wait([downward], timeout=5)
        finally:
            broken = any(task.done() and not task.cancelled() and task.exception() for task in (upward, downward))
            for task in (upward, downward):
                task.cancel()
            await asyncio.gather(upward, downward, return_exceptions=True)
            if broken:
                reset(self._client_writer)
            else:
                self._client_writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, scan) -> None:
        next(scan)
        while data := await source.read(65536):
            kept = scan.send(data)
            await self._flowing.wait()
            sink.write(data[:kept])
            await sink.drain()
        await self._flowing.wait()

    # Each scan is sent a piece of its direction and answers how much of it is to be passed.

    def _scan_client(self):
        scanner = wire.Scanner()
        data = b""
        while True:
            data = yield len(data)
            for kind, _ in scanner.feed(data):
                if kind == b"X":
                    self.ending.update(by="client", terminated=True)
                elif kind in (b"Q", b"S"):
                    self.ending["queries"] += 1
                self._activity.client_said(kind)

    def _scan_server(self):
        scanner = wire.Scanner()
        kept = 0
        while True:
            data = yield kept
            kept = len(data)
            for kind, payload in scanner.feed(data):
                self._activity.server_said(kind, payload)
                if kind == b"E" and self._is_fatal(payload) and self._muted:
                    kept = max(0, len(data) - len(payload) - 5)  # a fatal error is the last that a server says

    def _is_fatal(self, payload: bytes) -> bool:
        fields = wire.parse_report(payload)
        if fields.get("V", fields.get("S")) not in ("FATAL", "PANIC"):
            return False
        self.ending["sqlstate"] = fields.get("C")
        return True
