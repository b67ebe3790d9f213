"""Witnesses in processes of their own: what they measure is pgwaked, and not the test that keeps a Python busy beside it.

The asker asks one question over and over again and times the answers; the metronome is a few scripted servers that note when each query
came.

Run by hand: /usr/bin/python3 tests/rig/witness.py asker SOCKET PATH INTERVAL, or: ... metronome COUNT; a line on stdin ends it.
"""

import json
import select
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import children
from rig.fake import Fake

# What the probe query is answered with: uptime and start in microseconds, recovery, version, read-only.
ROW = [("uptime", "3600000000"), ("started", "1700000000000000"), ("recovery", "f"), ("version", "150014"), ("read_only", "off")]

FEWEST = 30  # answers, however soon the asker is stopped


@dataclass(frozen=True)
class Answers:
    """Seconds. `stall` is the longest that the machine itself kept the asker from going on after a sleep."""

    count: int
    worst: float
    p99: float
    stall: float
    statuses: list[int]

    def __str__(self) -> str:
        return (f"{self.count} answers, worst {self.worst * 1e3:.1f} ms, p99 {self.p99 * 1e3:.1f} ms"
                f" (the machine's own worst stall {self.stall * 1e3:.1f} ms)")


class Asker(children.Script):
    """Asks `path` over a UNIX socket, on a connection of its own each time."""

    def __init__(self, where: Path, path: str = "/readyz", interval: float = 0.01):
        super().__init__(__file__, "asker", where, path, interval)
        assert self._line() == "asking"

    def stop(self) -> Answers:
        said = self._end()
        times = sorted(said["seconds"])
        return Answers(len(times), times[-1], times[int(len(times) * 0.99)], said["stall"], said["statuses"])


class Metronome(children.Script):
    """`count` servers that answer the probe query; `ports` are theirs."""

    def __init__(self, count: int = 1):
        super().__init__(__file__, "metronome", count)
        self.ports: list[int] = self._line()

    def conninfo(self, i: int = 0) -> str:
        return f"host=127.0.0.1 port={self.ports[i]} user=app dbname=app sslmode=disable"

    def stop(self) -> list[list[float]]:
        """When each of them was asked (time.monotonic())."""
        return self._end()


def largest_gap(times: list[float], since: float, until: float) -> float:
    """The longest silence between two moments."""
    inside = [since, *(each for each in times if since < each < until), until]
    return max(b - a for a, b in zip(inside, inside[1:]))


def _ask(where: str, request: bytes) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(where)
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1])


def _asker(where: str, path: str, interval: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    seconds, statuses, stall, over = [], set(), 0.0, False
    print(json.dumps("asking"), flush=True)
    while not over:
        begun = time.monotonic()
        statuses.add(_ask(where, request))
        slept = time.monotonic()
        seconds.append(slept - begun)
        over = bool(select.select([sys.stdin], [], [], float(interval))[0]) and len(seconds) >= FEWEST
        stall = max(stall, time.monotonic() - slept - float(interval))
    print(json.dumps({"seconds": seconds, "statuses": sorted(statuses), "stall": stall}))


def _metronome(count: str) -> None:
    fakes: list[Fake] = []
    times: list[list[float]] = []

    def noting(asked: list[float]):
        def answer(_: str):
            asked.append(time.monotonic())
            return ROW
        return answer

    for _ in range(int(count)):
        times.append([])
        fakes.append(Fake("ok", answer=noting(times[-1])))
    print(json.dumps([fake.port for fake in fakes]), flush=True)
    sys.stdin.readline()
    print(json.dumps(times))
    for fake in fakes:
        fake.close()


if __name__ == "__main__":
    {"asker": _asker, "metronome": _metronome}[sys.argv[1]](*sys.argv[2:])
