"""What the programs of sleeping servers share: options, a prepared cluster, commands on stdin and on a socket, an orderly end."""

import argparse
import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Callable, Protocol

from rig.cluster import Cluster
from rig.folder import make_folder, remove_folder
from rig.postgres import APP, Template
from rig.truth import TruthLog


class Server(Protocol):
    """What a program runs."""

    stopped: asyncio.Event

    async def start(self, refuse: bool = False) -> None: ...
    async def stop(self) -> None: ...
    async def obey(self, line: str) -> str: ...


async def obey_client(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Obeys the lines of a control connection, each answered by one line."""
    try:
        while line := await reader.readline():
            writer.write((await server.obey(line.decode().strip())).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def obey_stdin(server: Server, loop: asyncio.AbstractEventLoop) -> None:
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


def common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every such program has."""
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--suspend-after", type=float, default=5.0, metavar="SECONDS")
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


def described(text: str) -> argparse.ArgumentParser:
    """A parser whose help is a program's own docstring."""
    head, _, tail = text.partition("\n\n")
    return argparse.ArgumentParser(description=head, epilog=tail, formatter_class=argparse.RawTextHelpFormatter)


def listen_address(options: argparse.Namespace) -> tuple[str, int]:
    host, _, port = options.listen.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def prepare_cluster(options: argparse.Namespace, folder: Path, hba: str | list[str] = "scram-sha-256",
                    prepared: Callable[[Cluster], None] = lambda cluster: None) -> Cluster:
    """A stopped cluster with the role and the database, reachable over its UNIX socket alone. `prepared` is called while one runs that got
    others than every cluster has."""
    known = options.data and (options.data / "nap" / "data").exists()
    settings = dict(each.split("=", 1) for each in options.set)
    home = options.data or folder
    home.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(home, Template(options.template or folder), "nap", hba=hba, listen_addresses="", **settings)
    app = (options.user, options.password, options.db)
    if not known and app != APP:
        cluster.start()
        cluster.create_app(*app)
        prepared(cluster)
        cluster.stop()
    return cluster


async def _serve(options: argparse.Namespace, make: Callable[[], Server]) -> None:
    loop = asyncio.get_running_loop()
    server = make()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stopped.set)
    if options.control:
        await asyncio.start_unix_server(lambda r, w: obey_client(server, r, w), str(options.control))
    threading.Thread(target=obey_stdin, args=(server, loop), name="stdin", daemon=True).start()
    await server.start(options.refuse)
    await server.stopped.wait()
    await server.stop()


def run(options: argparse.Namespace, prefix: str, prepare: Callable[[Path], Cluster],
        make: Callable[[Cluster, TruthLog], Server]) -> int:
    """The whole life of a program: `prepare(folder)` gives the cluster, `make` the server, called inside the event loop."""
    folder = make_folder(prefix=prefix)
    truth = TruthLog(stdout=not options.quiet, path=options.log)
    cluster = None
    # Until the loop handles them, the first signals must still lead through the cleaning up below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        cluster = prepare(folder)
        asyncio.run(_serve(options, lambda: make(cluster, truth)))
    except KeyboardInterrupt:
        pass
    finally:
        if cluster:
            cluster.close()
        truth.close()
        remove_folder(folder)
    return 0
