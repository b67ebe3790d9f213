"""A database that may be asleep, for an application on asyncio: a lease from pgwaked for each burst of requests. To be copied.

It needs nothing but Python's library, and a user who may open the control socket (root, or the group pgwake).
"""

import asyncio
import json
import logging
from contextlib import closing
from typing import AsyncIterator, Callable, Optional
from urllib.parse import quote

ANSWERS = ("awake", "degraded", "full")  # states of a database that answers, be it only those who have a connection


class NotAwake(Exception):
    """It is not awake in time, or will not be: pgwaked's sentence and reason."""

    def __init__(self, told: dict):
        super().__init__(told.get("message"))
        self.reason = told.get("error") or told.get("reason")


class Awake:
    """A dependency (FastAPI's Depends) for whatever uses the database: it returns when that is awake, and keeps it awake.

    The first request takes a lease, whose stream tells all that follow what the database is: they ask nobody. `linger` seconds after the
    last request it is let go. When connections are dead `gone()` is called, before anybody gets past this again: engine.dispose.
    A request waits `patience` seconds at most. Without pgwaked nobody waits, and no connection is trusted for long.
    """

    def __init__(self, name: str, gone: Callable[[], None], socket: str = "/run/pgwaked/control.sock", owner: str = "web",
                 linger: float = 2.0, patience: float = 30.0):
        self._request = f"POST /lease/{name}?owner={quote(owner)} HTTP/1.0\r\n\r\n".encode()
        self._gone, self._socket, self._linger, self._patience = gone, socket, linger, patience
        self._users, self._told, self._generation, self._passable = 0, {}, None, asyncio.Event()
        self._lease: Optional[asyncio.Task] = None
        self._timer: Optional[asyncio.TimerHandle] = None

    async def __call__(self) -> AsyncIterator[None]:
        self._users += 1
        if self._timer:
            self._timer.cancel()
        try:
            await self._wait()
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                self._timer = asyncio.get_running_loop().call_later(self._linger, self._let_go)

    async def _wait(self) -> None:
        if self._lease is None or self._lease.done():
            self._told = {}
            self._passable.clear()
            self._lease = asyncio.create_task(self._hold())
        try:
            await asyncio.wait_for(self._passable.wait(), self._patience)
        except asyncio.TimeoutError:
            raise NotAwake(self._told) from None
        if "error" in self._told:
            raise NotAwake(self._told)

    def _let_go(self) -> None:
        self._lease.cancel()
        self._lease = None

    async def _hold(self) -> None:
        """Until it is let go or refused; when pgwaked was restarted the lease is taken anew."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._socket)
                with closing(writer):
                    writer.write(self._request)
                    async for line in reader:
                        if line.startswith((b"data: ", b"{")):  # an event, or a refusal
                            self._hear(json.loads(line.removeprefix(b"data: ")))
            except OSError as error:
                logging.getLogger(__name__).warning("no lease, going on without: %s", error)
            if "error" in self._told:
                return
            self._gone()
            self._passable.set()
            await asyncio.sleep(1)

    def _hear(self, told: dict) -> None:
        self._told = told
        if told.get("generation", self._generation) != self._generation:
            self._generation = told["generation"]
            self._passable.clear()
            self._gone()
        if "error" in told or told.get("state") in ANSWERS:
            self._passable.set()
