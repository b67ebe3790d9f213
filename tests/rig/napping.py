"""The napping PostgreSQL: a real one that sleeps when idle and wakes on a login, as serverless services do it.

Run it: /usr/bin/python3 tests/rig/napping.py --listen 127.0.0.1:0 --suspend-after 5 --wake-delay 0.8
Log in: psql "postgresql://app:secret@127.0.0.1:PORT/app"

It prints what really happens as JSON lines (see truth.py) and obeys one command a line, on stdin (what there is to
answer goes to stderr) and on a UNIX socket (every line is answered):

    refuse on|off                   stop or resume listening; connects are refused by the kernel
    hang on|off                     accept and read, pass and answer nothing, in sessions that are open too
    suspend now | wake now          without waiting for idleness or a login
    suspend-after SECONDS | wake-delay SECONDS
    error SEVERITY SQLSTATE TEXT    answer every SASL message with this error, waking nothing
    error off
    status                          one line of JSON
    quit
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig.cluster import Cluster
from rig.folder import make_folder, remove_folder
from rig.listener import Listener
from rig.napsession import Front, NapSession
from rig.postgres import Template
from rig.sleeper import CannotWake, Sleeper
from rig.truth import TruthLog


class NappingServer:
    """The whole: a front that asks for passwords and the sleeper behind it. For one running event loop."""

    def __init__(self, cluster: Cluster, truth: TruthLog, host: str = "127.0.0.1", port: int = 0,
                 suspend_after: float = 5.0, wake_delay: float = 0.0):
        self.front = Front()
        self.front.flowing.set()
        self.sleeper = Sleeper(cluster, truth, suspend_after, wake_delay)
        self.listener = Listener(self._serve, host, port)
        self.stopped = asyncio.Event()
        self._truth = truth
        self._count = 0

    async def start(self, refuse: bool = False) -> None:
        if not refuse:
            self.listener.listen()
        self._truth.emit("listening", host=self.listener.host, port=self.listener.port, refuse=refuse)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        await NapSession(self._count, self.front, self.sleeper, self._truth, reader, writer).run()

    async def stop(self) -> None:
        """Suspends first, so that open sessions see the shutdown, then ends what is left of them."""
        self.listener.refuse()
        await self.sleeper.close()
        await self.listener.close()
        self._truth.emit("stopped")

    # Commands

    async def obey(self, line: str) -> str:
        """Carries out one command and returns its answer, which starts with "ok" or "error"."""
        words = line.split(None, 3)
        try:
            return await self._obey(words) if words else "error: empty command"
        except (ValueError, IndexError, CannotWake) as wrong:
            return f"error: {wrong}"

    async def _obey(self, words: list[str]) -> str:
        match words:
            case ["refuse", ("on" | "off") as way]:
                self.listener.refuse() if way == "on" else self.listener.listen()
            case ["hang", "on"]:
                self.front.flowing.clear()
            case ["hang", "off"]:
                self.front.flowing.set()
            case ["suspend", "now"]:
                await self.sleeper.suspend_soon("command")
            case ["wake", "now"]:
                await self.sleeper.awake("command")
            case ["suspend-after", seconds]:
                self.sleeper.set_suspend_after(float(seconds))
            case ["wake-delay", seconds]:
                self.sleeper.wake_delay = float(seconds)
            case ["error", "off"]:
                self.front.error = None
            case ["error", severity, sqlstate, text]:
                self.front.error = (severity, sqlstate, text)
            case ["status"]:
                return "ok " + json.dumps({"state": self.sleeper.state, "wakes": self.sleeper.wakes,
                                           "doors": self.front.doors, "sessions": len(self.front.sessions)})
            case ["quit"]:
                self.stopped.set()
            case _:
                return f"error: unknown command {' '.join(words)!r}"
        return "ok"


async def obey_client(server: NappingServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Obeys the lines of a control connection, each answered by one line."""
    try:
        while line := await reader.readline():
            writer.write((await server.obey(line.decode().strip())).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def obey_stdin(server: NappingServer, loop: asyncio.AbstractEventLoop) -> None:
    """Reads commands in a thread: an event loop would make a shared terminal non-blocking. Raw reads, because a
    thread inside sys.stdin cannot be left behind at exit."""
    rest = b""
    while data := os.read(0, 4096):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            try:
                answer = asyncio.run_coroutine_threadsafe(server.obey(line.decode().strip()), loop).result()
            except (RuntimeError, CancelledError):
                return  # the loop is gone
            if answer != "ok":
                print(answer, file=sys.stderr, flush=True)


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    head, _, tail = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(description=head, epilog=tail, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--suspend-after", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--wake-delay", type=float, default=0.0, metavar="SECONDS", help="on top of PostgreSQL's start")
    parser.add_argument("--refuse", action="store_true", help="begin with refused connects")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data here (made if it is not there)")
    parser.add_argument("--template", type=Path, metavar="DIR", help="share initdb's result in this folder")
    parser.add_argument("--user", default="app")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--db", default="app")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of PostgreSQL")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the truth there as well")
    parser.add_argument("--quiet", action="store_true", help="write no truth to stdout")
    parser.add_argument("--control", type=Path, metavar="SOCKET", help="a UNIX socket for commands")
    return parser.parse_args(argv)


def prepare_cluster(options: argparse.Namespace, folder: Path) -> Cluster:
    """A stopped cluster with the role and the database, reachable over its UNIX socket alone."""
    known = options.data and (options.data / "nap" / "data").exists()
    settings = dict(each.split("=", 1) for each in options.set)
    home = options.data or folder
    home.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(home, Template(options.template or folder), "nap", hba="scram-sha-256", listen_addresses="",
                      **settings)
    if not known:
        cluster.start()
        cluster.create_app(options.user, options.password, options.db)
        cluster.stop()
    return cluster


async def serve(options: argparse.Namespace, cluster: Cluster, truth: TruthLog) -> None:
    loop = asyncio.get_running_loop()
    host, _, port = options.listen.rpartition(":")
    server = NappingServer(cluster, truth, host.strip("[]") or "127.0.0.1", int(port), options.suspend_after,
                           options.wake_delay)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopped.set)
    if options.control:
        await asyncio.start_unix_server(lambda r, w: obey_client(server, r, w), str(options.control))
    threading.Thread(target=obey_stdin, args=(server, loop), name="stdin", daemon=True).start()
    await server.start(options.refuse)
    await server.stopped.wait()
    await server.stop()


def main() -> int:
    options = parse_arguments()
    folder = make_folder(prefix="pgnap-")
    truth = TruthLog(stdout=not options.quiet, path=options.log)
    cluster = None
    # Until the loop handles them, the first signals must still lead through the cleaning up below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster = prepare_cluster(options, folder)
        asyncio.run(serve(options, cluster, truth))
    except KeyboardInterrupt:
        pass
    finally:
        if cluster:
            cluster.close()
        truth.close()
        remove_folder(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
