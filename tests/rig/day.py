"""A day of a database that sleeps, in minutes: an application that works in bursts under leases, visitors whom nobody told us of, and
beside it the same database under a naive monitor. What pgwaked counted is held against the truth."""

import random
import threading
import time
from dataclasses import dataclass, field

import psycopg2

from rig.daemon import Daemon
from rig.neon import Neon, awake_usec, wakes
from rig.patience import until
from rig.unixhttp import EventStream

# More than the slack within which a start of the server counts as ours.
VISITOR_AHEAD = 3.0


@dataclass(frozen=True)
class Burst:
    """Work from a moment of the day on; a visitor may have woken the database a while before."""

    at: float
    length: float
    visitor: bool


def plan(seconds: float, suspend_after: float, seed: int) -> list[Burst]:
    """Bursts with gaps from much shorter than the suspend timeout to much longer; the last one ends a while before the day does."""
    dice = random.Random(seed)
    bursts: list[Burst] = []
    at = suspend_after + VISITOR_AHEAD
    while True:
        length = dice.uniform(0.3, 1.0) * suspend_after
        if at + length > seconds - 2 * suspend_after:
            return bursts
        # The one after a long gap finds it asleep, or awake because of a visitor.
        bursts.append(Burst(at, length, len(bursts) % 4 == 3))
        gap = dice.uniform(2.0, 3.5) if len(bursts) % 3 else dice.uniform(0.2, 0.6)
        if len(bursts) % 4 == 3:
            gap = max(gap, 2.2 + VISITOR_AHEAD / suspend_after)
        at += length + gap * suspend_after


@dataclass
class Told:
    """What pgwaked says at the end of the day."""

    wakes: dict[str, int]
    awake: float
    ours: float
    latencies: list[float]
    late_to_work: list[float] = field(default_factory=list)  # from asking for the lease to the answer of the first query


class Application:
    """Works in bursts: takes a lease, waits until the database is awake, asks it, lets it go."""

    def __init__(self, daemon: Daemon, neon: Neon, name: str):
        self._daemon, self._neon, self._name = daemon, neon, name
        self.asked: list[tuple[int, int]] = []  # monotonic microseconds: each lease from its asking to its end
        self.late: list[float] = []
        self.queries = 0

    def work(self, number: int, length: float) -> None:
        begun = time.monotonic_ns() // 1000
        with EventStream(self._daemon.control_socket, f"/lease/{self._name}?owner=burst-{number}", method="POST") as lease:
            assert lease.status == 200, lease.status
            lease.wait(lambda event: event.event in ("lease", "state") and event.data["ready"], 30)
            with psycopg2.connect(self._neon.conninfo(application_name="application")) as connection:
                connection.autocommit = True
                self._query(connection)
                self.late.append(time.monotonic() - begun / 1e6)
                while time.monotonic() < begun / 1e6 + length:
                    time.sleep(0.05)  # the application's own work
                    self._query(connection)
            connection.close()
        self.asked.append((begun, time.monotonic_ns() // 1000))

    def _query(self, connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == [(1,)]
        self.queries += 1


class NaiveMonitor:
    """Asks SELECT 1 every INTERVAL seconds on a connection that it keeps, and makes a new one when that has gone."""

    def __init__(self, neon: Neon, interval: float):
        self._neon, self._interval = neon, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naive monitor")
        self._thread.start()

    def _run(self) -> None:
        connection = None
        while not self._stop.wait(self._interval):
            try:
                connection = connection or self._neon.connect(application_name="monitor")
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            except psycopg2.Error:
                connection = None
        if connection:
            connection.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> "NaiveMonitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def live(daemon: Daemon, neon: Neon, bursts: list[Burst], name: str = "main") -> tuple[Told, Application]:
    """Lives the day, and returns when the database has fallen asleep after the last burst."""
    application = Application(daemon, neon, name)
    begun = time.monotonic()
    with daemon.stream(name) as stream:
        for number, burst in enumerate(bursts):
            if burst.visitor:
                _wait_for(begun + burst.at - VISITOR_AHEAD)
                # By the plan it sleeps then, and was started for VISITOR_AHEAD before the burst; a slow machine is late with both.
                until(lambda: neon.status()["state"] == "asleep", 60, "it sleeps when the visitor comes")
                mark = neon.truth.mark()
                visitor = neon.connect(application_name="visitor")
                with visitor.cursor() as cursor:
                    cursor.execute("SELECT 1")
                visitor.close()
                _wait_for(neon.truth.wait("started", 30, mark)["monotonic_usec"] / 1e6 + VISITOR_AHEAD)
            _wait_for(begun + burst.at)
            application.work(number, burst.length)
        daemon.wait_state(name, "asleep", 60)
        until(lambda: neon.status()["state"] == "asleep", 30, "it sleeps in truth")
        latencies = [event.data["latency_seconds"] for event in stream.events if event.event == "wake" and event.data["cause"] != "other"]
    status = daemon.status(name)
    told = Told(status["wakes"]["by_cause"], status["awake_seconds"], status["awake_on_our_demand_seconds"], latencies, application.late)
    return told, application


def _wait_for(moment: float) -> None:
    """The day's own clock, not a wait for something to happen."""
    time.sleep(max(0.0, moment - time.monotonic()))


def true_wakes(neon: Neon) -> dict[str, int]:
    """Wakes by who caused them: an application's name, or a cause that is no login."""
    counts: dict[str, int] = {}
    for event in neon.truth.of("wake_begin"):
        who = event.get("application") or event["cause"]
        counts[who] = counts.get(who, 0) + 1
    return counts


def true_awake(neon: Neon) -> float:
    return awake_usec(neon.truth.events) / 1e6


def wakes_without_demand(neon: Neon, application: Application) -> list[dict]:
    """Wakes that pgwaked caused while nobody held a lease."""
    return [event for event in neon.truth.of("wake_begin") if event.get("application") == "pgwaked" and
            not any(begun <= event["monotonic_usec"] <= ended for begun, ended in application.asked)]


class Unwatched(threading.Thread):
    """The same day without anybody who watches: the application connects by itself, and its first query waits for the wake. To be
    joined at its end, or left before, which ends it."""

    def __init__(self, neon: Neon, bursts: list[Burst]):
        super().__init__(name="unwatched day")
        self._neon, self._bursts = neon, bursts
        self._begun = time.monotonic()
        self._left = threading.Event()
        self.start()

    def __enter__(self) -> "Unwatched":
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self.join()

    def run(self) -> None:
        for burst in self._bursts:
            if burst.visitor:
                self._ask("visitor", burst.at - VISITOR_AHEAD, 0)
            self._ask("application", burst.at, burst.length)

    def _ask(self, application: str, at: float, length: float) -> None:
        if self._left.wait(max(0.0, self._begun + at - time.monotonic())):
            return
        until_moment = time.monotonic() + length
        connection = self._neon.connect(application_name=application)
        while True:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if time.monotonic() >= until_moment or self._left.wait(0.05):
                break
        connection.close()
