"""Demand comes first: before databases that hang, before a door check of its own, and after a restart for as long as its holders may need."""

import sqlite3
import time
from contextlib import closing

import pytest

from rig.edges import quick
from rig.neon import wakes
from rig.patience import until
from rig.unixhttp import EventStream

PLACES, SILENT = 4, 16
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]


def sleepy(conninfo: str, **more) -> dict:
    """Asked only under demand; a login past 200 ms is taken for a wake."""
    settings = {"provider": "neon", "suspend_after": "60s", "door_interval": "0s", "linger": "1min", "slow": "200ms", "login_interval": "1h",
                "wake_at_start": False}
    return quick("main", conninfo, **{**settings, **more})


def silent(fake, **more) -> list[dict]:
    """Databases that accept and never answer."""
    settings = {"slow": "1h", "fall": 100, "required": False, **more}
    return [quick(f"silent{i}", fake.conninfo(sslmode="disable"), **settings) for i in range(SILENT)]


def test_a_wake_is_answered_while_servers_that_hang_hold_all_places_that_they_may(make_neon, make_fake, make_daemon):
    neon, fake = make_neon(look_every=0.1, suspend_after=60), make_fake("silence-after-startup")
    daemon = make_daemon([sleepy(neon.conninfo()), *silent(fake, attempt_timeout="10min")],
                         settings={"limits": {"attempts_in_flight": PLACES}, "ready": {"on": "start"}}).start()
    fake.wait_phase("after-startup", PLACES - 1)
    answer = daemon.get("/wake/main?wait=20s", method="POST", timeout=40)
    assert answer.status == 200 and answer.json["state"] == "awake", answer.text
    # Not because one of them gave its place back.
    assert len(fake.seen) == PLACES - 1 and not [each for each in fake.seen if each.ended_monotonic_usec]
    assert all(daemon.status(f"silent{i}")["failures"]["total"] == 0 for i in range(SILENT))


def test_a_wake_that_had_to_wait_for_a_place_counts_from_when_it_was_wanted(make_neon, make_fake, make_daemon):
    """Somebody waits for the silent ones too, and came first."""
    neon, fake = make_neon(look_every=0.1, suspend_after=60), make_fake("silence-after-startup")
    daemon = make_daemon([sleepy(neon.conninfo(), wake_timeout="1h"),
                          *silent(fake, policy="on-demand", door_interval="0s", wake_at_start=False, attempt_timeout="700ms")],
                         settings={"limits": {"attempts_in_flight": PLACES}, "ready": {"on": "start"}}).start()
    for i in range(SILENT):
        assert daemon.get(f"/lease/silent{i}?for=1h", method="POST").status in (200, 201, 202)
    fake.wait_phase("after-startup", PLACES)
    with daemon.stream("main") as stream:
        called = time.monotonic_ns() // 1000
        assert daemon.get("/wake/main", method="POST").status == 202
        wanted = time.monotonic_ns() // 1000
        awake = stream.wait(lambda event: event.data["state"] == "awake", 60).monotonic_usec
    neon.truth.wait("answered")
    wake = wakes(neon.truth.events)[0]
    last = daemon.status("main")["wakes"]["last"]
    print(f"waited {(wake.begun_usec - wanted) / 1e6:.2f} s for a place; woken in {last['latency_seconds']:.2f} s from the demand, "
          f"{wake.latency_seconds:.2f} s from the login")
    assert wake.begun_usec > wanted, "it had a place at once: the test shows nothing"
    assert wake.answered_usec - wanted < 1e6 * last["latency_seconds"] < awake - called
    assert last["cause"] == "wake" and daemon.status("main")["wakes"]["count"] == 1


def test_a_door_check_that_hangs_does_not_delay_a_wake_of_its_database(make_fake, make_daemon):
    fake = make_fake("silence-after-startup", answer=ROW)
    daemon = make_daemon([quick("main", fake.conninfo(sslmode="disable"), policy="on-demand", wake_at_start=False, door_interval="100ms",
                                attempt_timeout="10min")]).start()
    door = fake.wait_phase("after-startup")[0]
    fake.script = "ok"
    answer = daemon.get("/wake/main?wait=20s", method="POST", timeout=40)
    assert answer.status == 200 and answer.json["state"] == "awake", answer.text
    fake.wait_ended(1)
    assert (door.number, door.ended_by) in ((1, "client"), (1, "reset")) and fake.seen[1].phase in ("logged-in", "answered")
    status = daemon.status("main")
    assert status["failures"]["total"] == 0 and status["session"]["held"]


# After a restart


def holders(daemon) -> int:
    """Of how many databases the history knows that somebody holds a lease."""
    try:
        with closing(sqlite3.connect(f"file:{daemon.history_path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute("SELECT count(*) FROM database WHERE held").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_presumed_demand_lasts_for_lease_grace_though_linger_is_shorter_and_an_answer_came(make_nap, make_daemon, end):
    """Pings keep it awake for those who may come back; when nobody did, only the session is left, and it may sleep."""
    nap = make_nap(suspend_after=60)
    daemon = make_daemon([sleepy(nap.conninfo(), linger="0s", lease_grace="10s")]).start()
    with EventStream(daemon.control_socket, "/lease/main?owner=me", method="POST") as stream:
        stream.wait(lambda event: event.data.get("ready"), 20)
        if end == "stop":
            assert daemon.stop()[0] == 0
        else:
            until(lambda: holders(daemon) == 1, 20, "the lease is in the history")
            daemon.kill9()
    mark = nap.truth.mark()
    daemon.start()
    daemon.wait_state("main", "awake")
    opened = nap.truth.wait("session_open", 10, mark)
    nap.truth.wait("session_idle", 20, mark, count=12, where=lambda event: event["session"] == opened["session"])
    assert daemon.status("main")["leases"] == []
    until(lambda: daemon.status("main")["next_check"] is None, 30, "what was presumed is over, and the session is the sentinel")
    assert daemon.status("main")["state"] == "awake"
