"""What a web application on a database that sleeps shows its users, and what that costs: the applications of tests/app side by side."""

import asyncio
import socket
import statistics
import sys
import threading
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from rig import webapp
from rig.cluster import Cluster
from rig.daemon import Daemon
from rig.folder import make_folder
from rig.neon import Neon, wakes
from rig.patience import until
from rig.postgres import Template
from rig.unixhttp import UnixConnection
from rig.webapp import Request, WebApp

from sleeping import daemon_of, neons

SUSPEND = 2.0
PERIOD = 7.0  # from burst to burst: long enough for every one that may to fall asleep
ROUNDS = 10
STUMBLES = 5
STUMBLE = 1.0
USERS = 4
REQUESTS = 20
PAUSE = 0.05
CHECKS = 3000

Say = Callable[..., None]


@dataclass
class Lived:
    """What one of them showed, and what the database saw."""

    asked: list[Request]
    stumbled: list[Request]
    logins: int
    our_logins: int
    awake: float
    took: float
    started: list[float]  # seconds from the login that caused a wake to PostgreSQL's start, one for each burst that found it asleep
    answered: list[float]  # to the answer of that one's first query
    round_trips: float = 0.0
    our_round_trips: int = 0


# ---- bursts ----


def _bursts(neon: Neon, web: WebApp, rounds: int, may_sleep: bool, before: Callable[[], None] = lambda: None) -> list[Request]:
    done: list[Request] = []
    begun = time.monotonic()
    for number in range(rounds):
        time.sleep(max(0.0, begun + number * PERIOD - time.monotonic()))
        if may_sleep:
            until(lambda: neon.status()["state"] == "asleep", 30, "it sleeps")
        before()
        done += webapp.burst(web, number, USERS, REQUESTS, PAUSE)
    time.sleep(max(0.0, begun + rounds * PERIOD - time.monotonic()))
    return done


def _stumble(neon: Neon) -> None:
    """Every login is refused for a moment, as while a compute that was woken cannot be reached yet."""
    neon.trouble("compute-unreachable")
    threading.Timer(STUMBLE, neon.command, ["trouble off"]).start()


def _live(folder: Path, neon: Neon, module: str, with_pgwaked: bool, hold: bool) -> Lived:
    webapp.prepare(neon)
    with ExitStack() as ours:
        daemon = ours.enter_context(daemon_of(folder, neon, suspend_after=f"{SUSPEND}s", ping_interval="500ms", door_interval="1s",
                                              linger="0s")) if with_pgwaked else None
        with WebApp(folder, module, neon, daemon, hold, name=f"{module}{'-held' if hold else ''}") as web:
            warm = _bursts(neon, web, 1, False)
            if not hold:
                until(lambda: neon.status()["state"] == "asleep", 30, "it sleeps")
            before, mark, begun = neon.status(), neon.truth.mark(), time.monotonic()
            asked = _bursts(neon, web, ROUNDS, not hold)
            after, took = neon.status(), time.monotonic() - begun
            woken = wakes(neon.truth.events[mark:])
            stumbled = _bursts(neon, web, STUMBLES, not hold, lambda: _stumble(neon))
    until(lambda: neon.status()["sessions"] == 0, 10, "all sessions end")

    def logins(application: str) -> int:
        return after["logins"].get(application, 0) - before["logins"].get(application, 0)

    lived = Lived(asked, stumbled, logins("web"), logins("pgwaked"), after["awake_seconds"] - before["awake_seconds"], took,
                  [(each.started_usec - each.begun_usec) / 1e6 for each in woken], [each.latency_seconds for each in woken])
    lived.round_trips = webapp.round_trips(neon) / len([each for each in warm + asked + stumbled if each.status == 200])
    lived.our_round_trips = webapp.round_trips(neon, "pgwaked")
    return lived


# ---- the table ----


def _part(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _spread(requests: list[Request]) -> str:
    """Of those that were answered well."""
    taken = [each.seconds * 1e3 for each in requests if each.status == 200]
    return " / ".join(f"{_part(taken, share):.0f}" if taken[0] >= 100 else f"{_part(taken, share):.1f}" for share in (0.5, 0.95, 0.99))


def _errors(requests: list[Request]) -> str:
    return f"{sum(each.status != 200 for each in requests)} of {len(requests)}"


def _wakes(lived: Lived) -> str:
    return f"{statistics.median(lived.answered) * 1e3:.0f} / {max(lived.answered) * 1e3:.0f}" if lived.answered else "none"


def _beyond(lived: Lived, wakes_taken: list[float]) -> str:
    """How much longer than its wake the request took that a burst began with."""
    begun = [next(each for each in lived.asked if each.burst == number) for number in range(len(wakes_taken))]
    if not begun or any(each.status != 200 for each in begun):
        return "failed" if begun else "none"
    late = [(each.seconds - wake) * 1e3 for each, wake in zip(begun, wakes_taken)]
    return f"{statistics.median(late):.0f} / {max(late):.0f}"


ROWS: list[tuple[str, Callable[[Lived], str]]] = [
    ("errors seen by users", lambda lived: _errors(lived.asked)),
    (f"errors when logins fail for {STUMBLE:g} s in each wake", lambda lived: _errors(lived.stumbled)),
    ("first request of each user in a burst, ms, p50 / p95 / p99", lambda lived: _spread([each for each in lived.asked if each.first])),
    ("the wake, to the answer of who caused it, ms, p50 / worst", _wakes),
    ("the request that began a burst, beyond that, ms, p50 / worst", lambda lived: _beyond(lived, lived.answered)),
    ("the same, beyond PostgreSQL's start in it", lambda lived: _beyond(lived, lived.started)),
    ("all other requests, ms, p50 / p95 / p99", lambda lived: _spread([each for each in lived.asked if not each.first])),
    ("round trips to the database per request", lambda lived: f"{lived.round_trips:.2f}"),
    ("logins of the application (of pgwaked)", lambda lived: f"{lived.logins} ({lived.our_logins})"),
    ("seconds awake (a lease of awake.py ends 2 s after the burst)", lambda lived: f"{lived.awake:.1f} of {lived.took:.1f}"),
]
WAYS = {"no ping": ("plain", False, False), "`pool_pre_ping` (today.py)": ("today", False, False),
        "pgwaked (awake.py)": ("awake", True, False), "today.py under `pgwake hold`": ("today", True, True)}


def measure_applications(folder: Path, say: Say) -> list[tuple[str, ...]]:
    """The rows of a table of its own, its head first."""
    if webapp.missing():
        raise SystemExit(f"./dev bench app: no {', '.join(webapp.missing())} for this Python")
    measure_checks(folder, say)
    lived = []
    for way, (module, with_pgwaked, hold) in WAYS.items():
        with neons(folder, 1, suspend_after=SUSPEND, look_every=0.1, wake_delay="lognormal 0.5 1.2", seed=5) as (neon,):
            lived.append(_live(folder, neon, module, with_pgwaked, hold))
        print(f"  {way}: " + "; ".join(f"{what}: {show(lived[-1])}" for what, show in ROWS), flush=True)
    head = (f"{ROUNDS} bursts of {USERS} users with {REQUESTS} requests each", *WAYS)
    return [head, *((what, *map(show, lived)) for what, show in ROWS)]


# ---- what one check costs ----


def _each(work: Callable[[], object], runs: int = 10) -> float:
    """Seconds, of the quietest run: what else this machine does is none of it."""
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        for _ in range(CHECKS // runs):
            work()
        taken.append((time.perf_counter() - begun) / (CHECKS // runs))
    return min(taken)


def _ping(cluster: Cluster) -> float:
    """Seconds of the ping alone."""
    from sqlalchemy import create_engine

    engine = create_engine(f"postgresql+psycopg2://app:secret@{cluster.host}:{cluster.port}/app")
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        connection.detach()
        seconds = _each(lambda: engine.dialect.do_ping(driver))
    engine.dispose()
    return seconds


def _round_trips(cluster: Cluster, ping: bool) -> float:
    """Transactions, each of which is one here, in taking a connection from the pool and giving it back."""
    from sqlalchemy import create_engine

    def counted() -> int:
        until(lambda: not cluster.sql("SELECT 1 FROM pg_stat_activity WHERE datname = 'app'"), 10, "the session ends")
        return cluster.sql("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'app'")[0][0]

    engine = create_engine(f"postgresql+psycopg2://app:secret@{cluster.host}:{cluster.port}/app", pool_pre_ping=ping)
    engine.connect().close()  # the first one asks more
    engine.dispose()
    lives = []
    for times in (1, 1001):
        before = counted()
        for _ in range(times):
            engine.connect().close()
        engine.dispose()
        lives.append(counted() - before)
    return (lives[1] - lives[0]) / 1000


def _get(daemon: Daemon) -> tuple[float, float]:
    """Seconds of one GET on a connection that is kept: by http.client, and by the bare socket."""
    connection = UnixConnection(daemon.status_socket, 10)

    def ask() -> None:
        connection.request("GET", "/readyz/main")
        assert connection.getresponse().read()

    seconds = _each(ask)
    connection.close()
    with socket.socket(socket.AF_UNIX) as bare:
        bare.connect(str(daemon.status_socket))

        def ask_bare() -> None:
            bare.sendall(b"GET /readyz/main HTTP/1.1\r\nHost: x\r\n\r\n")
            assert bare.recv(65536).startswith(b"HTTP/1.1 200")

        return seconds, _each(ask_bare)


def _dependency(daemon: Daemon) -> float:
    """Seconds that awake.py's dependency adds to a request while its lease is held."""
    sys.path.insert(0, str(webapp.APPS))
    from pgwaked_client import Awake

    async def many() -> float:
        in_use = asynccontextmanager(Awake("main", lambda: None, str(daemon.control_socket)).__call__)
        taken = []
        async with in_use():
            for _ in range(10):
                begun = time.perf_counter()
                for _ in range(CHECKS // 10):
                    async with in_use():
                        pass
                taken.append((time.perf_counter() - begun) / (CHECKS // 10))
        return min(taken)

    return asyncio.run(many())


def measure_checks(folder: Path, say: Say) -> None:
    """Against a PostgreSQL on this machine: what lies between comes to every round trip."""
    home = make_folder(folder, "checks-")
    cluster = Cluster(home, Template(folder), "pg")
    daemon = Daemon(home, [{"name": "main", "conninfo": f"host={cluster.host} port={cluster.port} user=app password=secret dbname=app",
                            "provider": "postgres"}])
    try:
        cluster.start()
        ping = _ping(cluster)
        trips = _round_trips(cluster, ping=True) - _round_trips(cluster, ping=False)
        daemon.start().wait_state("main", "awake")
        get, get_bare = _get(daemon)
        own = _dependency(daemon)
    finally:
        daemon.close()
        cluster.close()
    say("pool_pre_ping, for each connection that is taken from the pool",
        f"{ping * 1e6:.0f} us on loopback without TLS, {trips:g} round trip to the database")
    say("GET /readyz/main on the UNIX socket (http.client)", f"{get * 1e6:.0f} us, 0 round trips", f"{ping * 1e6:.0f} us pre-ping",
        f"{get / ping:.2f} x")
    say("the same on a bare socket", f"{get_bare * 1e6:.0f} us, 0 round trips", f"{ping * 1e6:.0f} us pre-ping", f"{get_bare / ping:.2f} x")
    say("awake.py's dependency while its lease is held", f"{own * 1e6:.1f} us, 0 round trips", f"{ping * 1e6:.0f} us pre-ping",
        f"{own / ping:.2f} x")
