"""./dev soak: everything at once, for hours: databases that suspend and are woken, leases, reloads, streams, questions about the past, slow
strangers, a log that is rotated. Every minute all of it pauses: then descriptors and threads must be as many as in the first such minute,
and private memory must not grow once the history is full. Between, each answer of the control socket is timed, beside those of a pgwaked
that has nothing to do.

    soak.py [--minute SECONDS] [HOURS]     SIGTERM or Ctrl-C ends it early, with what was seen so far.
"""

import argparse
import random
import signal
import socket
import statistics
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rig.build import sanitized
from rig.ca import CA
from rig.daemon import Daemon, check_sanitizers
from rig.edges import quick
from rig.fake import Fake
from rig.folder import make_folder, remove_folder
from rig.neon import Neon, issue
from rig.patience import until
from rig.process import descriptors, rss_anon_kb, threads
from rig.randommodel import ROW
from rig.rawhttp import Crowd, ask, connect, connected, get
from rig.unixhttp import EventStream
from rig.witness import Asker

CONTROL_SECONDS = 0.25  # given to an answer of the control socket, beyond what the machine itself keeps everybody waiting
GROWTH_KB = 2048  # of private memory, given to the second half of the run beyond the first: the heap has holes, and more or fewer of them
HISTORY_BYTES = 1_000_000  # the least that it may be told: until it is full the answers about the past grow, and what they need
FULL = 0.5  # of that, which the log beside it shares: from then on nothing may grow
FEWEST_FOR_GROWTH = 10  # such minutes
LOOKS = 100
NEONS, NAPS, PLAIN = 2, 6, 20
STRANGERS = 150


class Stop(Exception):
    """SIGTERM, or Ctrl-C."""


@dataclass(frozen=True)
class Minute:
    """What is seen when everything pauses, and how the minute before was answered."""

    rss_kb: int
    history_kb: int
    descriptors: int
    threads: int
    worst: float
    p99: float
    floor: float
    asked: int


class Queued:
    """How long the main loop was ready to run and waited for a processor: that is the machine's time, and not the daemon's."""

    EVERY = 0.02

    def __init__(self, pid: int):
        self._path = Path(f"/proc/{pid}/task/{pid}/schedstat")
        self._seen: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queued", daemon=True)

    def _run(self) -> None:
        with suppress(OSError):
            while not self._over.wait(self.EVERY):
                self._seen.append((time.monotonic(), int(self._path.read_text(encoding="ascii").split()[1]) / 1e9))

    def most(self, seconds: float) -> float:
        """In any stretch of so many seconds."""
        worst, first = 0.0, 0
        for at, waited in self._seen:
            while self._seen[first][0] < at - seconds - 2 * self.EVERY:
                first += 1
            worst = max(worst, waited - self._seen[first][1])
        return worst

    def __enter__(self) -> "Queued":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def close_talkative(neon: Neon) -> None:
    """What its event loop says of clients that leave in the middle of TLS is no matter here."""
    with suppress(AssertionError):
        neon.close()


class World:
    """The databases and their daemon."""

    def __init__(self, stack: ExitStack, folder: Path):
        ca = CA(make_folder(folder, "ca-"))
        self.plain = stack.enter_context(Fake("ok", answer=ROW))
        self.naps = [stack.enter_context(Fake("naps", answer=ROW)) for _ in range(NAPS)]
        self.neons: list[Neon] = []
        for i in range(NEONS):
            self.neons.append(Neon(make_folder(folder, "n-"), ca, issue(ca), folder, f"neon{i}", suspend_after=1.5,
                                   wake_delay="lognormal 0.3 1.2", seed=i))
            stack.callback(close_talkative, self.neons[-1])
        self.daemon = Daemon(folder, self.databases(), settings={"history": {"max_size": f"{HISTORY_BYTES}"}, "ready": {"on": "start"}})
        stack.callback(self.daemon.close)
        self.floor = Daemon(folder, name="floor")
        stack.callback(self.floor.close)

    def databases(self, extra: int = 0, linger: str = "200ms") -> list[dict]:
        sleepy = {"provider": "neon", "wake_at_start": False, "linger": linger, "slow": "200ms", "blocked_interval": "1s"}
        made = [quick(f"plain{i}", self.plain.conninfo()) for i in range(PLAIN + extra)]
        for i, each in enumerate(self.naps):
            conninfo = each.conninfo(password="secret", sslmode="disable")
            made.append(quick(f"nap{i}", conninfo, suspend_after="50ms", door_interval="100ms", **sleepy))
        for i, each in enumerate(self.neons):
            made.append(quick(f"neon{i}", each.conninfo(), suspend_after="1.5s", door_interval="300ms", **sleepy))
        return made + [quick("nobody", "host=127.0.0.1 port=1 user=a dbname=a", policy="observe")]

    def sleepers(self) -> list[str]:
        return [*(f"nap{i}" for i in range(NAPS)), *(f"neon{i}" for i in range(NEONS))]

    def names(self) -> list[str]:
        return [each["name"] for each in self.daemon.get("/status").json["databases"]]

    def calm(self) -> None:
        """As in every other such moment: the same databases, none of which is asked, no lease, and nobody there."""
        self.daemon.configure(self.databases())
        assert self.daemon.reload().status == 200
        for name in self.names():
            for lease in self.daemon.status(name)["leases"]:
                self.daemon.get(f"/lease/{lease['id']}", method="DELETE")
            assert self.daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
        for path in (self.daemon.status_socket, self.daemon.control_socket):
            until(lambda path=path: connected(path) == 0, 30, "nobody is connected")

    def go_on(self) -> None:
        for name in self.names():
            assert self.daemon.get(f"/pause/{name}?for=0s", method="POST").status == 200


class Load:
    """Threads that do something again and again, until they are told to pause."""

    def __init__(self, world: World, seed: int):
        self._world, self._daemon = world, world.daemon
        self._random = random.Random(seed)
        self.counts: dict[str, int] = {}
        self.failures: list[str] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Load":
        for work in (self._lease, self._lease, self._wake, self._suspend, self._reload, self._watch, self._watch, self._ask_history,
                     self._ask_history, self._scrape, self._strangers, self._pause, self._rotate):
            dice = random.Random(self._random.random())
            thread = threading.Thread(target=self._again, args=(work, dice), name=work.__name__, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self.failures.append(f"{thread.name} does not end")

    def _again(self, work, dice: random.Random) -> None:
        while not self._over.is_set():
            try:
                work(dice)
                self.counts[work.__name__] = self.counts.get(work.__name__, 0) + 1
            except Exception:  # pylint: disable=broad-except
                self.failures.append(f"{work.__name__}: {traceback.format_exc()}")
                self._over.wait(1)

    def _sleeper(self, dice: random.Random) -> str:
        return dice.choice(self._world.sleepers())

    def _lease(self, dice: random.Random) -> None:
        stream = EventStream(self._daemon.control_socket, f"/lease/{self._sleeper(dice)}?owner=soak", method="POST", timeout=60)
        assert stream.status in (200, 409), stream.status
        self._over.wait(dice.uniform(0, 1.5))
        stream.close()

    def _wake(self, dice: random.Random) -> None:
        answer = self._daemon.get(f"/wake/{self._sleeper(dice)}?wait={dice.choice(('10ms', '1s'))}", method="POST", timeout=60)
        assert answer.status in (200, 409, 503), answer

    def _suspend(self, dice: random.Random) -> None:
        fake = dice.choice(self._world.naps)
        fake.awake = not fake.awake
        if not fake.awake:
            fake.cut()
        elif dice.random() < 0.2:
            self._world.plain.cut(dice.choice(("fatal", "eof", "reset")))
        self._over.wait(dice.uniform(0, 0.5))

    def _reload(self, dice: random.Random) -> None:
        self._daemon.configure(self._world.databases(dice.choice((0, 0, 30)), dice.choice(("200ms", "300ms"))))
        if dice.random() < 0.1:
            self._daemon.configure(text="nonsense")
        if dice.random() < 0.2:
            self._daemon.signal(signal.SIGHUP)
        else:
            assert self._daemon.reload(60).status in (200, 422)
        self._over.wait(dice.uniform(0, 1))

    def _watch(self, dice: random.Random) -> None:
        where = dice.choice((self._daemon.status_socket, self._daemon.control_socket))
        stream = EventStream(where, dice.choice(("/events", f"/events?db={self._sleeper(dice)}")), timeout=60)
        assert stream.status == 200, stream.status
        self._over.wait(dice.uniform(0, 3))
        numbers = [int(each.id) for each in stream.events if each.id]
        assert numbers == sorted(set(numbers)), numbers
        stream.close()

    def _ask_history(self, dice: random.Random) -> None:
        kind = dice.choice(("wakes", "states", "outages", "hours", "report"))
        form = "csv" if kind != "report" and dice.random() < 0.3 else "json"
        answer = self._daemon.get(f"/history/{self._sleeper(dice)}?kind={kind}&format={form}&limit={dice.choice((1, 1000, 100000))}",
                                  dice.choice(("status", "control")), timeout=60)
        assert answer.status in (200, 404, 429, 503), answer

    def _scrape(self, dice: random.Random) -> None:
        path = dice.choice(("/metrics", "/status", "/readyz", "/readyz?accept=asleep&wait=100ms", "/", "/events?follow=0"))
        assert self._daemon.get(path, "status", timeout=60).status in (200, 503)
        self._over.wait(dice.uniform(0, 0.05))

    def _strangers(self, dice: random.Random) -> None:
        """Some say nothing, some a byte now and then, some ask for much and do not read it, some leave with a reset."""
        long = get("/history/nap0?kind=states&limit=100000") * 4
        said = dice.choice((b"", b"GET /st", get("/events"), get("/metrics") * 20, long))
        with Crowd(self._daemon.status_socket, STRANGERS, said) as crowd:
            for _ in range(dice.randrange(8)):
                with suppress(OSError):
                    crowd.say(b"x")
                self._over.wait(0.25)
            if dice.random() < 0.5:
                for client in crowd.clients:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with suppress(OSError), connect(self._daemon.control_socket) as client:
            client.sendall(get("/status")[:dice.randrange(30)])
        ask(self._daemon.status_socket, get("/livez") * 20 + get("/livez", "GET", "Connection: close"))

    def _pause(self, dice: random.Random) -> None:
        name = self._sleeper(dice)
        assert self._daemon.get(f"/pause/{name}?for=1h", method="POST", timeout=60).status == 200
        self._over.wait(0.2)
        assert self._daemon.get(f"/pause/{name}?for=0s", method="POST", timeout=60).status == 200
        self._over.wait(dice.uniform(0, 2))

    def _rotate(self, dice: random.Random) -> None:
        self._over.wait(dice.uniform(1, 5))
        check_sanitizers(self._daemon.output())
        with open(self._daemon.stderr_path, "r+b") as log:
            log.truncate()


def one_minute(world: World, seed: int, seconds: float, counts: dict[str, int]) -> Minute:
    world.go_on()
    load = Load(world, seed)
    with load, Queued(world.daemon.pid) as queued, Asker(world.daemon.control_socket, "/status/nobody") as asker, \
            Asker(world.floor.control_socket, "/livez") as floor:
        begun = time.monotonic()
        while time.monotonic() - begun < seconds and world.daemon.running:
            time.sleep(min(0.5, seconds))
        answers, bare = asker.stop(), floor.stop()
    assert world.daemon.running, f"pgwaked ended with {world.daemon.process.poll()}: {world.daemon.output()[-5000:]}"
    assert not load.failures, "\n".join(load.failures[:3])
    for name, count in load.counts.items():
        counts[name] = counts.get(name, 0) + count
    world.calm()
    pid = world.daemon.pid
    # The fewest of some moments: what was under way has to end first.
    looks = [(len(descriptors(pid)), len(threads(pid))) for _ in range(LOOKS) if not time.sleep(0.02)]
    open_descriptors, running = (min(each) for each in zip(*looks))
    floor_seconds = max(bare.worst, answers.stall) + queued.most(answers.worst)
    return Minute(rss_anon_kb(pid), world.daemon.history_path.stat().st_size // 1024, open_descriptors, running, answers.worst, answers.p99, floor_seconds, answers.count)


def judge(minutes: list[Minute]) -> list[str]:
    """What is not as it must be. The first minute opens what stays open, and memory is bounded once the history is full."""
    wrong = [] if len(minutes) > 2 else [f"{len(minutes)} minutes are too few to say anything"]
    for i, each in enumerate(minutes):
        if each.worst > CONTROL_SECONDS + each.floor:
            wrong.append(f"minute {i + 1}: an answer of control took {1e3 * each.worst:.0f} ms, "
                         f"where the machine's worst was {1e3 * each.floor:.0f} ms")
    for what in ("descriptors", "threads"):
        counts = sorted({getattr(each, what) for each in minutes[1:]})
        if len(counts) > 1:
            wrong.append(f"{what} are not flat: {counts}")
    full = list(dropwhile(lambda each: each.history_kb < FULL * HISTORY_BYTES / 1024, minutes))[1:]
    if len(full) >= FEWEST_FOR_GROWTH and not sanitized():
        first, second = (statistics.median(each.rss_kb for each in part) for part in (full[:len(full) // 2], full[len(full) // 2:]))
        if second > first + GROWTH_KB:
            wrong.append(f"private memory grows: {first:.0f} kB in the first half, {second:.0f} kB in the second")
    return wrong


def soak(folder: Path, seconds: float, minute: float, seed: int) -> int:
    minutes: list[Minute] = []
    counts: dict[str, int] = {}
    print(f"{'minute':>6} {'RssAnon kB':>10} {'history kB':>10} {'fds':>5} {'threads':>7} {'asked':>7} {'p99 ms':>7} {'worst ms':>8} {'machine ms':>10}",
          flush=True)
    with ExitStack() as stack:
        world = World(stack, folder)
        world.daemon.start()
        world.floor.start()
        end = time.monotonic() + seconds
        with suppress(Stop):
            while time.monotonic() < end or len(minutes) < 3:
                seen = one_minute(world, seed + len(minutes), minute, counts)
                minutes.append(seen)
                print(f"{len(minutes):>6} {seen.rss_kb:>10} {seen.history_kb:>10} {seen.descriptors:>5} {seen.threads:>7} {seen.asked:>7} {1e3 * seen.p99:>7.1f} "
                      f"{1e3 * seen.worst:>8.1f} {1e3 * seen.floor:>10.1f}", flush=True)
        stopped, took = world.daemon.stop()
    wrong = judge(minutes)
    if stopped != 0:
        wrong.append(f"pgwaked ended with {stopped}")
    print("done: " + ", ".join(f"{count} {name.strip('_').replace('_', ' ')}" for name, count in sorted(counts.items())))
    print(f"SIGTERM ended pgwaked after {took:.2f} s{'; with sanitizers, without a report' if sanitized() else ''}")
    print("\n".join(wrong) if wrong else "flat, and control always answered")
    return 1 if wrong else 0


def on_signal(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Stop


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hours", nargs="?", type=float, default=2.0, help="how long (default 2)")
    parser.add_argument("--minute", type=float, default=60.0, metavar="SECONDS",
                        help="how long everything runs before it pauses (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    folder = make_folder(prefix="pgsoak-")
    try:
        return soak(folder, 3600 * options.hours, options.minute, options.seed)
    except Stop:
        return 1
    finally:
        remove_folder(folder)


if __name__ == "__main__":
    sys.exit(main())
