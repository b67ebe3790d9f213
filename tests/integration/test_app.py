"""The example applications of tests/app against a database that sleeps: as they are written today, with pgwaked, and under pgwake hold."""

import asyncio
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing

import pytest

from rig import webapp
from rig.edges import quick
from rig.neon import awake_usec, wakes
from rig.patience import patient, until
from rig.webapp import Request, WebApp

pytestmark = pytest.mark.skipif(bool(webapp.missing()), reason=f"no {', '.join(webapp.missing())} for this Python")

SUSPEND = 1.0
LOOK = 0.1
LINGER = 2.0  # of awake.py's lease
PING = 0.5
WAKE = 0.5
ROUNDS = 3
FEWER = 2  # where nothing is measured
USERS = 4
REQUESTS = 12
PAUSE = 0.05


@pytest.fixture(name="scene")
def sleeping_database(make_neon, make_daemon):
    """(neon, daemon): a database that sleeps, with the table in it."""
    neon = make_neon(suspend_after=SUSPEND, look_every=LOOK, wake_delay=f"fixed {WAKE}")
    webapp.prepare(neon)
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "ping_interval": f"{PING}s", "linger": "0s",
                "login_interval": "1h", "wake_at_start": False}
    return neon, make_daemon([quick("main", neon.conninfo(), **settings)]).start()


def asleep(neon) -> None:
    until(lambda: neon.status()["state"] == "asleep", 30, "it sleeps")


def live(neon, web: WebApp, rounds: int) -> list[Request]:
    """Bursts, each of which finds the database asleep."""
    done = []
    for number in range(1, rounds + 1):
        asleep(neon)
        done += webapp.burst(web, number, USERS, REQUESTS, PAUSE)
    return done


def worst(requests: list[Request]) -> float:
    return max(each.seconds for each in requests)


def shown(requests: list[Request]) -> str:
    first, others = ([each.seconds for each in requests if each.first is wanted] for wanted in (True, False))
    return (f"{sum(each.status != 200 for each in requests)} errors in {len(requests)}; the first of each user {min(first):.3f} to "
            f"{max(first):.3f} s, the others up to {max(others):.3f} s")


def warm(neon, web: WebApp) -> None:
    """What a process does only once is done, and the database sleeps."""
    webapp.burst(web, 0, USERS, REQUESTS, PAUSE)
    asleep(neon)


def logins_at_once(neon) -> float:
    """Seconds until the last of USERS who log in at the same time has an answer: the best of three. The database is awake."""

    def one(_: int) -> None:
        with closing(neon.connect(application_name="floor")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    took = []
    with ThreadPoolExecutor(USERS) as pool, closing(neon.connect(application_name="floor")):
        for _ in range(3):
            begun = time.monotonic()
            list(pool.map(one, range(USERS)))
            took.append(time.monotonic() - begun)
    return min(took)


def pings_after_use(events: list[dict], wake) -> int:
    """How often pgwaked asked in this wake after the application had asked last."""
    names = {event["session"]: event["application"] for event in events if event["event"] == "session_open"}
    asked = [(event["monotonic_usec"], names[event["session"]]) for event in events if event["event"] == "session_active"
             and wake.started_usec <= event["monotonic_usec"] <= wake.ended_usec and event["session"] in names]
    last = max(at for at, name in asked if name == "web")
    return sum(name == "pgwaked" and at > last for at, name in asked)


def test_with_pgwaked_a_sleep_costs_the_wake_and_nothing_else(scene, tmp):
    neon, daemon = scene
    with WebApp(tmp, "awake", neon, daemon, counted=True) as web:
        warm(neon, web)
        before, mark = web.ask("/counts"), neon.truth.mark()
        requests = live(neon, web, ROUNDS)
        neon.truth.wait("suspended", 30, since=mark, count=ROUNDS)
        counts, events = web.ask("/counts"), neon.truth.events[mark:]
        truth, floor = wakes(events), logins_at_once(neon)
    print(shown(requests), counts, f"{USERS} logins at once {floor * 1000:.1f} ms")
    assert all(each.status == 200 for each in requests)
    assert [each.application for each in truth] == ["pgwaked"] * ROUNDS
    late = []
    for number, wake in enumerate(truth, 1):
        mine = [each for each in requests if each.burst == number]
        late.append(mine[0].seconds - wake.latency_seconds)
        assert sum(each.begun_usec < wake.answered_usec for each in mine) >= 2  # some came in the middle of it
        # All others find it awake, and it sleeps only when they are through: none of them waits for a wake.
        assert all(each.begun_usec > wake.answered_usec and each.begun_usec + each.seconds * 1e6 < wake.ended_usec
                   for each in mine if not each.first)
        used = max(each.begun_usec / 1e6 + each.seconds for each in mine) - wake.started_usec / 1e6
        awake, pings = (wake.ended_usec - wake.started_usec) / 1e6, pings_after_use(events, wake)
        print(f"wake {number}: {wake.latency_seconds:.3f} s, the first request {late[-1] * 1000:+.1f} ms; in use for {used:.2f} s, awake for"
              f" {awake:.2f} s, with {pings} pings after the last use")
        # What keeps it awake is the lease, for as long as that lingers: a clock or a ping may be late, but none is one more.
        assert pings <= LINGER / (0.9 * PING) + 2
    # Those who waited log in together when it is awake; that is all that comes on top.
    assert statistics.median(late) < 8 * floor
    others = sorted(each.seconds for each in requests if not each.first)
    assert others[len(others) * 95 // 100] < 8 * floor

    # Each sleep cut every connection of the pool, and no such one was lent.
    assert counts["stale_checkout"] == counts["error"] == counts["invalidate"] == 0
    # A user has two at most: that of his last request is given back when its answer is out, and his next may be there before.
    assert ROUNDS <= counts["connect"] - before["connect"] <= 2 * ROUNDS * USERS
    assert counts["checkout"] - before["checkout"] > len(requests)


def test_as_written_today_the_first_requests_wait_and_the_pool_learns_it_by_pinging(scene, tmp):
    neon, daemon = scene
    with WebApp(tmp, "today", neon, daemon, counted=True) as web:
        warm(neon, web)
        requests = live(neon, web, FEWER)
        counts = web.ask("/counts")
    print(shown(requests), counts)
    assert worst([each for each in requests if each.first]) > WAKE
    assert counts["invalidate"] >= FEWER


def test_without_the_ping_a_sleep_is_an_error(scene, tmp):
    """That the database of this scene does harm."""
    neon, daemon = scene
    with WebApp(tmp, "plain", neon, daemon) as web:
        warm(neon, web)
        requests = live(neon, web, FEWER)
    print(shown(requests))
    assert sum(each.status == 500 for each in requests) >= FEWER


def test_under_hold_no_request_waits_and_the_database_never_sleeps(scene, tmp):
    neon, daemon = scene
    mark = neon.truth.mark()
    with WebApp(tmp, "today", neon, daemon, hold=True) as web:
        webapp.burst(web, 0, USERS, REQUESTS, PAUSE)
        requests = []
        for number in range(1, FEWER + 1):
            time.sleep(SUSPEND + LINGER)  # the time in which the others' database falls asleep
            requests += webapp.burst(web, number, USERS, REQUESTS, PAUSE)
        held = neon.truth.events[mark:]
    print(shown(requests), f"awake for {awake_usec(held) / 1e6:.1f} s")
    assert all(each.status == 200 for each in requests)
    # No request can have waited for a wake, and none lay in a sleep.
    assert [event["event"] for event in held if event["event"] in ("wake_begin", "suspend_begin")] == ["wake_begin"]
    asleep(neon)


@pytest.mark.parametrize("module, harmed", [("today", True), ("awake", False)])
def test_a_provider_that_stumbles_in_the_wake(scene, tmp, module, harmed):
    """For a moment every login is refused, as while a compute that was woken cannot be reached yet."""
    neon, daemon = scene
    with WebApp(tmp, module, neon, daemon) as web:
        warm(neon, web)
        mark = neon.truth.mark()
        neon.trouble("compute-unreachable")

        def recover() -> None:
            neon.truth.wait("refused", 30, since=mark)
            time.sleep(1)  # it lasts for so long
            neon.command("trouble off")

        over = threading.Thread(target=recover)
        over.start()
        requests = webapp.burst(web, 1, USERS, REQUESTS, PAUSE)
        over.join()
    print(module, shown(requests))
    assert any(each.status == 500 for each in requests) is harmed
    assert harmed or all(each.status == 200 for each in requests)


def test_without_pgwaked_the_application_goes_on_and_trusts_no_connection(scene, tmp):
    neon, daemon = scene
    with WebApp(tmp, "awake", neon, daemon, counted=True) as web:
        warm(neon, web)
        daemon.stop()
        requests = webapp.burst(web, 1, USERS, REQUESTS, PAUSE)
        asleep(neon)
        requests += webapp.burst(web, 2, USERS, REQUESTS, PAUSE)
        daemon.start()
        asleep(neon)
        requests += webapp.burst(web, 3, USERS, REQUESTS, PAUSE)
        counts = web.ask("/counts")
    print(shown(requests), counts)
    assert all(each.status == 200 for each in requests)
    assert counts["stale_checkout"] == counts["error"] == 0
    assert daemon.status("main")["wakes"]["by_cause"]["lease"] >= 1


def test_a_restart_of_pgwaked_in_a_burst_is_not_noticed(scene, tmp):
    neon, daemon = scene
    with WebApp(tmp, "awake", neon, daemon) as web:
        warm(neon, web)
        restarted = threading.Timer(1.0, lambda: (daemon.stop(), daemon.start()))
        restarted.start()
        requests = webapp.burst(web, 1, USERS, 4 * REQUESTS, PAUSE)
        restarted.join()
        leases = daemon.status("main")["leases"]
    print(shown(requests))
    assert all(each.status == 200 for each in requests)
    assert [each["owner"] for each in leases] == ["web"]


def test_a_refusal_is_a_503_with_its_reason(scene, tmp):
    neon, daemon = scene
    with WebApp(tmp, "awake", neon, daemon) as web:
        assert daemon.get("/pause/main?for=1h", method="POST").status == 200
        user = webapp.User(web)
        status, body = user.ask()
        assert (status, body["reason"]) == (503, "paused") and "pause" in body["detail"]
        assert daemon.get("/pause/main?for=0s", method="POST").status == 200
        assert user.ask()[0] == 200
        user.close()
    assert neon.status()["logins"].get("web") == 1


# The dependency by itself


@pytest.fixture(name="client")
def client_module(monkeypatch):
    monkeypatch.syspath_prepend(str(webapp.APPS))
    yield __import__("pgwaked_client")
    sys.modules.pop("pgwaked_client", None)


def test_a_hundred_requests_are_one_lease(scene, client):
    neon, daemon = scene

    async def many() -> tuple[list, list]:
        awake = client.Awake("main", gone=lambda: None, socket=str(daemon.control_socket), linger=0.2)
        in_use = asynccontextmanager(awake.__call__)
        begun, together = time.monotonic(), asyncio.Barrier(101)

        async def one() -> float:
            async with in_use():
                took = time.monotonic() - begun
                await together.wait()
                return took

        waiting = [asyncio.create_task(one()) for _ in range(100)]
        while together.n_waiting < 100:
            await asyncio.sleep(0.01)
        leases = daemon.status("main")["leases"]
        await together.wait()
        return await asyncio.gather(*waiting), leases

    took, leases = asyncio.run(many())
    print(f"released {min(took):.3f} to {max(took):.3f} s after they came")
    assert min(took) > WAKE and len(leases) == 1
    until(lambda: not daemon.status("main")["leases"], 5, "the lease is gone")
    assert neon.status()["wakes_by_application"] == {"setup": 1, "pgwaked": 1}


def test_patience_ends_with_the_reason(scene, client):
    neon, daemon = scene
    neon.trouble("control-plane")
    daemon.get("/wake/main", method="POST")
    daemon.wait_reason("main", "provider.transient", 20)

    async def one() -> None:
        async with asynccontextmanager(client.Awake("main", lambda: None, str(daemon.control_socket), patience=patient(0.5)).__call__)():
            raise AssertionError("it is awake")

    with pytest.raises(client.NotAwake) as caught:
        asyncio.run(one())
    assert caught.value.reason == "provider.transient", caught.value
