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
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import program
from rig.cluster import Cluster
from rig.lifecycle import CannotWake
from rig.listener import Listener
from rig.napsession import Front, NapSession
from rig.sleeper import Sleeper
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


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = program.described(__doc__)
    program.common_options(parser)
    parser.add_argument("--wake-delay", type=float, default=0.0, metavar="SECONDS", help="on top of PostgreSQL's start")
    return parser.parse_args(argv)


def main() -> int:
    options = parse_arguments()
    return program.run(options, "pgnap-", lambda folder: program.prepare_cluster(options, folder),
                       lambda cluster, truth: NappingServer(cluster, truth, *program.listen_address(options),
                                                            options.suspend_after, options.wake_delay))


if __name__ == "__main__":
    sys.exit(main())
