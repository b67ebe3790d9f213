"""Wakes through the stand-in for Neon: one for any number of callers, measured truly whatever comes between, over both of its ports."""

import statistics
import threading
import time

import pytest

from rig.build import plain
from rig.edges import assert_edges, quick
from rig.neon import true_latencies
from rig.patience import until
from rig.rawhttp import Crowd, get
from rig.unixhttp import EventStream

SUSPEND = 1.0
pooled_and_direct = pytest.mark.parametrize("pooled", [False, True], ids=["direct", "pooled"])


def on_demand(conninfo: str, **more) -> dict:
    """A database that is asked only under demand; a login past 200 ms is taken for a wake."""
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "100ms", "linger": "0s", "slow": "200ms",
                "wake_at_start": False, "jitter": "0%"}
    return quick("main", conninfo, **{**settings, **more})


def wake(daemon, timeout: float = 30) -> dict:
    answer = daemon.get(f"/wake/main?wait={int(timeout)}s", method="POST", timeout=timeout + 10)
    assert answer.status == 200, answer.text
    return daemon.status("main")


# Asleep


@pooled_and_direct
def test_asleep_for_long_it_is_asked_by_doors_alone_and_down_when_the_proxy_goes(make_neon, make_daemon, pooled):
    """A hundred door checks, as many as in fifty minutes by default; ten minutes by the clock are in ./dev bench asleep."""
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled=pooled), fall=3, retry_interval="20ms")]).start()
    wake(daemon)
    daemon.wait_state("main", "asleep")
    before = neon.status()
    with daemon.stream("main") as stream:
        until(lambda: neon.status()["doors"] >= before["doors"] + 100, 90, "a hundred doors")
        after = neon.status()
        assert (after["state"], after["wakes"], after["logins"]) == ("asleep", 1, before["logins"])
        assert after["doors"] >= before["doors"] + 100 and not stream.events
        failures = daemon.status("main")["failures"]["total"]
        neon.command("refuse on")
        down = stream.wait(lambda event: event.data.get("state") == "down", 20).data
    status = daemon.status("main")
    print(f"{after['doors'] - before['doors']} doors, no login, no wake; down by {down['reason']} after {status['failures']['consecutive']} doors")
    # What the restart of the proxy did to the door under way may be one of the failures.
    assert down["reason"] in ("tcp.refused", "tcp.reset") and status["failures"]["total"] - failures >= 3
    assert status["last_attempt"]["kind"] == "door" and neon.status()["wakes"] == 1
    assert_edges(daemon, "main", "waking/server.starting", "awake", "[unknown/session.cut|unknown/session.lost]",
                 "[asleep/session.cut|asleep/session.lost]", "down/" + down["reason"])


@pytest.mark.parametrize("how, pooled", [("terminate", False), ("restart", False), ("restart", True), ("crash hard", False), ("crash", True)])
def test_a_cut_that_is_no_suspend_is_not_called_sleep_and_grows_the_generation(make_neon, make_daemon, how, pooled):
    neon = make_neon(suspend_after=60, look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled=pooled), suspend_after="60s")]).start()
    generation = wake(daemon)["generation"]
    until(lambda: daemon.status("main")["next_check"] is None, 10, "the session is the sentinel")
    doors = neon.status()["doors"]
    neon.command(how)
    with daemon.stream("main", last_id=0) as stream:
        stream.wait(lambda event: event.data.get("reason") in ("session.cut", "session.lost"))
    until(lambda: neon.status()["doors"] >= doors + 5, 20, "five doors")
    status = daemon.status("main")
    assert status["state"] == "unknown" and status["generation"] == generation + 1, status
    assert status["wakes"]["count"] == 1 and neon.status()["wakes_by_application"] == {"pgwaked": 1}
    print(f"{how} on the {'pooled' if pooled else 'direct'} port: {status['state']}/{status['reason']}")


# Wakes


@pooled_and_direct
def test_two_hundred_callers_of_a_sleeping_database_are_one_login(make_neon, make_daemon, pooled):
    neon = make_neon(suspend_after=30, wake_delay="fixed 1.0", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled=pooled), suspend_after="30s", login_interval="1h", door_interval="0s")]).start()
    # The readers wait first: they are no demand.
    with Crowd(daemon.control_socket, 67, get("/readyz/main?wait=30s")) as readers:
        assert neon.status()["connections"] == 0
        with Crowd(daemon.control_socket, 67, get("/wake/main?wait=30s", "POST")) as callers, \
                Crowd(daemon.control_socket, 66, get("/lease/main?owner=holder", "POST")) as holders:
            for crowd in (holders, callers, readers):
                crowd.wait(b'"ready":true', 30)
            status, truth = daemon.status("main"), neon.status()
            print(f"200 callers: {truth['logins']} logins, {truth['connections']} connections, {truth['wakes']} wake; "
                  f"{len(status['leases'])} leases listed")
            assert all(got.startswith(b"HTTP/1.1 200") for crowd in (readers, callers, holders) for got in crowd.got)
            assert truth["logins"] == {"pgwaked": 1} and truth["connections"] == 1 and truth["wakes"] == 1
            assert status["wakes"]["count"] == 1 and len(status["leases"]) == 66
    until(lambda: not daemon.status("main")["leases"], 10, "the leases are free")


@plain
@pooled_and_direct
def test_a_wake_slower_than_an_attempt_is_one_wake_with_one_true_latency(make_neon, make_daemon, pooled, stall):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 2.5", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled=pooled), attempt_timeout="700ms", linger="1s")]).start()
    for count in (1, 2):
        status = wake(daemon)
        last = status["wakes"]["last"]
        truth = true_latencies(neon)[-1]
        print(f"woken over {status['failures']['by_reason'].get('auth.timeout')} attempts that ran out: {last['latency_seconds']:.3f} s, "
              f"in truth {truth:.3f} s")
        assert status["wakes"]["count"] == count and neon.status()["wakes"] == count
        assert status["failures"]["by_reason"]["auth.timeout"] >= 2 * count
        assert last["cold"] is True and abs(last["latency_seconds"] - truth) < max(0.05 * truth, stall.late(0.02))
        daemon.wait_state("main", "asleep", 20)


@plain
@pooled_and_direct
def test_a_restart_of_the_proxy_during_a_wake_is_part_of_it(make_neon, make_daemon, pooled, stall):
    neon = make_neon(suspend_after=30, wake_delay="fixed 1.5", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled=pooled), suspend_after="30s", linger="10s")]).start()
    with daemon.stream("main") as stream:
        assert daemon.get("/wake/main", method="POST").status == 202
        stream.wait(lambda event: event.data.get("state") == "waking")
        neon.command("restart")
        stream.wait(lambda event: event.data.get("state") == "awake", 20)
    truth, last = true_latencies(neon)[0], daemon.status("main")["wakes"]["last"]
    print(f"with a restart of the proxy in between: {last['latency_seconds']:.3f} s, in truth {truth:.3f} s")
    assert daemon.status("main")["wakes"]["count"] == 1 and neon.status()["wakes"] == 1
    assert abs(last["latency_seconds"] - truth) < max(0.05 * truth, stall.late(0.02))
    # The restart is what the wake met last.
    assert_edges(daemon, "main", "waking/server.starting", "[waking/tcp.reset|waking/tcp.refused]", "awake")


def test_the_expected_time_to_ready_is_in_every_waking_answer_and_comes_true(make_neon, make_daemon, stall):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 1.0", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo())]).start()
    errors = []
    for number in range(4):
        if number:
            daemon.wait_state("main", "asleep", 20)
        begun = time.monotonic()
        assert daemon.get("/wake/main", method="POST").status == 202
        daemon.wait_state("main", "waking")
        asked = time.monotonic()
        answers = [daemon.get("/readyz/main").json["databases"][0], daemon.status("main"), daemon.get("/wake/main", method="POST").json]
        waited = threading.Thread(target=daemon.wait_state, args=("main", "awake"))
        waited.start()
        waited.join()
        took = time.monotonic() - asked
        for answer in answers:
            assert answer["state"] == "waking" and answer["expected_ready_in_seconds"] > 0, answer
            errors.append(answer["expected_ready_in_seconds"] - took)
        print(f"wake {number}: expected {answers[0]['expected_ready_in_seconds']:.2f} s, took {took:.2f} s more of "
              f"{time.monotonic() - begun:.2f} s")
    # The first is what is usual for the provider; the ones after it know its own wakes.
    assert statistics.median(abs(error) for error in errors[3:]) < stall.late(0.2), errors


def test_nobody_told_us_and_it_is_counted_as_a_wake_by_others_when_it_is_seen(make_neon, make_daemon, stall):
    neon = make_neon(suspend_after=30, wake_delay="fixed 0.2", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(), suspend_after="30s")]).start()
    visitor = neon.connect(application_name="visitor")
    started = neon.truth.wait("started")["monotonic_usec"] / 1e6
    # A start less than two seconds ago could be that of an attempt of ours.
    until(lambda: time.monotonic() > started + 2.5, 10, "the start is a while ago")
    visitor.close()
    with daemon.stream("main") as stream:
        status = wake(daemon)
        told = stream.wait(lambda event: event.event == "wake").data
    assert told["cause"] == "other" and told["latency_seconds"] is None
    assert status["wakes"]["by_cause"] == {"lease": 0, "wake": 0, "start": 0, "interval": 0, "other": 1}
    assert status["wakes"]["p50_seconds"] is None
    awake = time.monotonic() - started
    print(f"awake for {awake:.2f} s, told {status['awake_seconds']:.2f} s, because of us {status['awake_on_our_demand_seconds']:.2f} s")
    assert abs(status["awake_seconds"] - awake) < stall.late(0.15) and status["awake_on_our_demand_seconds"] < stall.late(0.5)


def test_what_others_keep_awake_sleeps_when_they_leave_and_a_lease_goes_on(make_neon, make_daemon, stall):
    """The sentinel costs nothing; a lease is what keeps it awake, and nothing else of ours."""
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo())]).start()
    with EventStream(daemon.control_socket, "/lease/main?owner=me", method="POST") as lease:
        lease.wait(lambda event: event.data.get("ready"), 20)
        held = neon.truth.mark()
        opened = time.monotonic()
        until(lambda: time.monotonic() > opened + 4 * SUSPEND, 20, "four times the time after which it would sleep")
        assert not neon.truth.of("suspend_begin", held) and daemon.status("main")["state"] == "awake"
    closed = time.monotonic_ns() // 1000
    suspended = neon.truth.wait("suspend_begin", 20, held)
    print(f"let go, and suspended {(suspended['monotonic_usec'] - closed) / 1e6:.2f} s later; suspend_after {SUSPEND} s")
    assert suspended["monotonic_usec"] - closed < stall.late(2 * SUSPEND) * 1e6
    daemon.wait_state("main", "asleep")
