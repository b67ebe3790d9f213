"""A TCP listener on an event loop that can refuse, overflow and listen again without ever losing its port."""

import asyncio
import socket
import struct
from typing import Awaitable, Callable

from rig.ports import Port, reusable_socket

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Protocol(asyncio.StreamReaderProtocol):
    """asyncio's learns of TLS when start_tls() returns. A client that has left by then would be one whose connection is kept half open,
    which it complains about, as TLS has no such thing."""

    def connection_made(self, transport) -> None:
        self._plain = transport
        super().connection_made(transport)

    def eof_received(self) -> bool:
        return super().eof_received() and self._plain.get_protocol() is self


class Listener:
    """Calls `handler(reader, writer)` in a task for each accepted connection, and closes the writer after it."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1", port: int = 0):
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        # A port that the kernel chose is let go by shutdown(); one asked for by number stays bound.
        with Port(host, port) as reserved:
            self._socket = reusable_socket(host, reserved.number)
        self._socket.setblocking(False)
        self.host, self.port = self._socket.getsockname()[:2]
        self._tasks: set[asyncio.Task] = set()
        self._fillers: list[socket.socket] = []
        self.listening = False  # the kernel accepts and so do we
        self._overflowing = False

    def listen(self) -> None:
        """Accepts connections, after whatever was before."""
        self._drop_fillers()
        self._overflowing = False
        self._socket.listen(128)
        if not self.listening:
            self._loop.add_reader(self._socket, self._accept)
            self.listening = True

    def refuse(self) -> None:
        """Makes new connects fail with ECONNREFUSED; the port stays ours. Open connections live on."""
        self._drop_fillers()
        if self.listening:
            self._loop.remove_reader(self._socket)
        if self.listening or self._overflowing:  # else the kernel would shut down what is accepted later
            self._socket.shutdown(socket.SHUT_RDWR)
        self.listening = self._overflowing = False

    async def overflow(self) -> None:
        """Fills the accept queue, so that the kernel no longer answers a SYN."""
        self.refuse()
        self._socket.listen(0)
        self._overflowing = True
        while True:
            filler = socket.socket(self._socket.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            try:
                await asyncio.wait_for(self._loop.sock_connect(filler, (self.host, self.port)), 0.1)
            except TimeoutError:
                filler.close()
                return
            self._fillers.append(filler)

    def _drop_fillers(self) -> None:
        """Takes them out of the accept queue too, or a later listen() would count them as clients."""
        for filler in self._fillers:
            filler.close()
            try:
                self._socket.accept()[0].close()
            except OSError:
                pass
        self._fillers.clear()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._serve(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        reader = asyncio.StreamReader(limit=1 << 16)
        streams: list[asyncio.StreamWriter] = []
        # A protocol with a connected callback is the server's side: StreamWriter.start_tls then knows which it is.
        protocol = Protocol(reader, lambda _, writer: streams.append(writer))
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError:
            accepted.close()
            return
        try:
            await self._handler(reader, streams[0])
        finally:
            streams[0].close()

    async def close(self) -> None:
        """Stops listening, ends every handler and gives the port back."""
        self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST instead of FIN."""
    connected = writer.get_extra_info("socket")
    if connected is not None and connected.fileno() >= 0:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
