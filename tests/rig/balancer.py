"""A balancer: connections to one address meet several servers in turn, as behind a reader endpoint."""

import asyncio
import threading
from contextlib import suppress

from rig.listener import Listener
from rig.patience import patient


class Balancer:
    """Passes each connection on to the next of `servers`, (host, port) pairs."""

    def __init__(self, servers: list[tuple[str, int]]):
        self._servers = list(servers)
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self._thread.start()
        self._listener = self._call(self._open())
        self.host, self.port = self._listener.host, self._listener.port

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(patient(10))

    async def _open(self) -> Listener:
        listener = Listener(self._serve)
        listener.listen()
        return listener

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._servers[self._count % len(self._servers)]
        self._count += 1
        try:
            server_reader, server_writer = await asyncio.open_connection(host, port)
        except ConnectionError:
            return
        try:
            await asyncio.wait([asyncio.create_task(self._pump(reader, server_writer)),
                                asyncio.create_task(self._pump(server_reader, writer))])
        finally:
            server_writer.close()

    @staticmethod
    async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Up to the end of what the source says, which is the end of what the sink hears."""
        with suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        with suppress(OSError, RuntimeError):
            sink.write_eof()

    def close(self) -> None:
        self._call(self._listener.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def __enter__(self) -> "Balancer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
