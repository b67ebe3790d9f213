"""Leases over HTTP, against the stand-in for Neon: who holds one keeps it awake, and whoever waited is released; held against its truth."""

import signal
import statistics
import subprocess
import threading
import time

import pytest

from rig.edges import quick
from rig.patience import patient, until
from rig.rawhttp import Crowd, get
from rig.unixhttp import EventStream

SUSPEND = 0.6
DELAY = 0.5
# A holder with nothing but a socket, as little as can be killed.
HOLDER = """
import socket, sys, time
holder = socket.socket(socket.AF_UNIX)
holder.connect(sys.argv[1])
holder.sendall(b"POST /lease/main?owner=holder HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
got = b""
while b"event: lease" not in got:
    got += holder.recv(65536)
print("held", flush=True)
while sys.argv[2] == "listening" and holder.recv(65536):
    pass
time.sleep(3600)
"""


def sleepy(conninfo: str, **more) -> dict:
    """Asked only on demand; what keeps it awake under demand is a ping every 100 ms on the session of the only login."""
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "linger": "0s", "slow": "200ms",
                "login_interval": "1h", "wake_at_start": False}
    return quick("main", conninfo, **{**settings, **more})


def hold(daemon, target: str = "/lease/main") -> EventStream:
    return EventStream(daemon.control_socket, target, method="POST")


def begun(stream: EventStream) -> dict:
    return stream.wait(lambda event: event.event == "lease").data


def ready(stream: EventStream) -> dict:
    """The event that says that it is awake; or the first one, when it was."""
    return stream.wait(lambda event: event.event in ("lease", "state") and event.data["ready"], 20).data


def end_of(stream: EventStream) -> dict:
    end = stream.wait(lambda event: event.event == "end").data
    until(lambda: stream.ended, 5, "the stream ends")
    return end


def leases(daemon, name: str = "main") -> list[dict]:
    return daemon.status(name)["leases"]


def no_leases(daemon, timeout: float = 10) -> None:
    until(lambda: not leases(daemon), timeout, "no leases")


def suspended(neon, count: int) -> dict:
    return neon.truth.wait("suspended", 20, count=count)


# ------------------------------------------------------------------------------------------------------------- awake while it is held


def test_a_lease_wakes_keeps_awake_and_is_followed_by_linger_and_sleep(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=SUSPEND, wake_delay=DELAY)
    daemon = make_daemon([sleepy(neon.conninfo(), linger="500ms")]).start()
    until(lambda: neon.status()["doors"] >= 2, 10, "two doors")
    assert neon.status()["wakes"] == 0
    with hold(daemon, "/lease/main?owner=b%C3%A4r.service") as stream:
        first = begun(stream)
        assert (first["name"], first["ready"], first["lease"]["owner"], first["lease"]["until"]) == ("main", False, "bär.service", None)
        assert first["generation"] == 0 and "expected_ready_in_seconds" in first
        ready(stream)
        woken = neon.truth.wait("session_open")
        neon.truth.wait("session_idle", 30, count=25, where=lambda event: event["session"] == woken["session"])
        held = (neon.truth.events[-1]["monotonic_usec"] - woken["monotonic_usec"]) / 1e6
        print(f"awake for {held:.1f} s under a lease, suspend_after {SUSPEND} s")
        assert held > 2 * SUSPEND and not neon.truth.of("suspend_begin")
        status = daemon.status("main")
        assert status["leases"] == [first["lease"]] and status["demand"] == {"cause": "lease", "until": None}
        assert status["wakes"]["by_cause"] == {"lease": 1, "wake": 0, "start": 0, "interval": 0, "other": 0}
        assert status["awake_on_our_demand_seconds"] >= 2 * SUSPEND and status["awake_seconds"] >= status["awake_on_our_demand_seconds"]
    no_leases(daemon)
    demand = daemon.status("main")["demand"]
    assert demand is None or (demand["cause"] == "lease" and demand["until"])
    released = time.monotonic()
    daemon.wait_state("main", "asleep")
    print(f"asleep {time.monotonic() - released:.1f} s after the release (linger 0.5 s, suspend_after {SUSPEND} s)")
    assert daemon.status("main")["demand"] is None and neon.status()["wakes"] == 1


def test_one_of_two_leases_is_enough_to_keep_it_awake(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=SUSPEND)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    with hold(daemon) as first:
        ready(first)
        with hold(daemon) as second:
            assert begun(second)["ready"] is True
            assert begun(second)["lease"]["id"] != begun(first)["lease"]["id"]
        until(lambda: len(leases(daemon)) == 1, 10, "one is left")
        mark = neon.truth.mark()
        neon.truth.wait("session_idle", 30, mark, count=15)
        assert not neon.truth.of("suspend_begin")
    suspended(neon, 1)


def test_a_lease_during_a_wake_hears_its_end(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60, wake_delay=1.5)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    assert daemon.get("/wake/main", method="POST").status == 202
    daemon.wait_state("main", "waking")
    with hold(daemon) as stream:
        assert begun(stream)["state"] == "waking"
        ready(stream)
    assert neon.status()["wakes"] == 1 and len(neon.truth.of("session_open")) == 1


# ------------------------------------------------------------------------------------------------------------------- how a lease ends


@pytest.mark.parametrize("kind", ["listening", "deaf"])
def test_kill_9_of_a_holder_releases_its_lease(kind, make_neon, make_daemon, stall):
    neon = make_neon(look_every=0.1, suspend_after=60)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    took = []
    for _ in range(5):
        holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, str(daemon.control_socket), kind], stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "held\n"
            assert [each["owner"] for each in leases(daemon)] == ["holder"]
            killed = time.monotonic()
            holder.send_signal(signal.SIGKILL)
            until(lambda: not leases(daemon), 10, "the lease is gone", every=0.001)
            took.append(time.monotonic() - killed)
        finally:
            holder.kill()
            holder.wait()
            holder.stdout.close()
    print(f"released after kill -9 of a {kind} holder: median {1000 * statistics.median(took):.1f} ms, worst {1000 * max(took):.1f} ms")
    assert statistics.median(took) < stall.late(0.1)


def test_delete_ends_the_stream_of_its_lease_and_no_other(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    with hold(daemon) as one, hold(daemon) as other:
        number = begun(one)["lease"]["id"]
        begun(other)
        assert daemon.get(f"/lease/{number}", "status", "DELETE").status == 403
        answer = daemon.get(f"/lease/{number}", method="DELETE")
        assert answer.status == 200 and answer.json == {"id": number, "ended": True}
        end = end_of(one)
        assert (end["id"], end["reason"]) == (number, "deleted") and end["message"]
        assert [each["id"] for each in leases(daemon)] == [begun(other)["lease"]["id"]] and not other.ended
        assert daemon.get(f"/lease/{number}", method="DELETE").json["error"] == "no_such_lease"


def test_a_lease_survives_reloads_and_ends_with_its_database(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    daemon = make_daemon([sleepy(neon.conninfo()), {**sleepy(neon.conninfo()), "name": "other"}]).start()
    with hold(daemon) as stream, hold(daemon, "/lease/other") as other:
        first = begun(stream)["lease"]
        ready(stream)
        assert daemon.reload().json["unchanged"] == 2
        assert leases(daemon) == [first]
        daemon.configure([sleepy(neon.conninfo(), linger="300ms", ping_interval="150ms"), {**sleepy(neon.conninfo()), "name": "other"}])
        answer = daemon.reload().json
        assert (answer["changed"], answer["unchanged"]) == (1, 1)
        assert leases(daemon) == [first] and daemon.status("main")["demand"]["cause"] == "lease"
        daemon.wait_state("main", "awake")
        assert not stream.ended and not [event for event in stream.events if event.event == "end"]
        daemon.configure([{**sleepy(neon.conninfo()), "name": "other"}])
        assert daemon.reload().json["removed"] == 1
        assert end_of(stream)["reason"] == "removed"
        assert [event.event for event in stream.events][-2:] == ["removed", "end"]
        assert not other.ended and len(leases(daemon, "other")) == 1


@pytest.mark.parametrize("way", ["reload", "restart"])
def test_what_was_removed_under_a_lease_comes_back_held_by_nobody(make_neon, make_daemon, way):
    neon = make_neon(look_every=0.1, suspend_after=60)
    main, other = sleepy(neon.conninfo()), {**sleepy(neon.conninfo()), "name": "other"}
    daemon = make_daemon([main, other]).start()
    with hold(daemon) as stream:
        ready(stream)
        daemon.configure([other])
        assert daemon.reload().json["removed"] == 1
        assert end_of(stream)["reason"] == "removed"
    if way == "restart":
        daemon.stop()
    daemon.configure([main, other])
    if way == "restart":
        daemon.start()
    else:
        assert daemon.reload().json["added"] == 1
    status = daemon.status("main")
    assert status["wakes"]["count"] == 1 and status["leases"] == [] and status["demand"] is None


def test_a_lease_by_the_clock_is_listed_outlives_its_connection_and_expires(make_neon, make_daemon, stall):
    neon = make_neon(look_every=0.1, suspend_after=SUSPEND)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    span = 2.5
    began = time.monotonic()
    answer = daemon.get(f"/lease/main?for={int(1000 * span)}ms&owner=cron", method="POST")
    assert answer.status == 201 and answer.json["name"] == "main"
    lease = answer.json["lease"]
    assert lease["owner"] == "cron" and lease["until"] > lease["since"]
    assert leases(daemon) == [lease]
    daemon.wait_state("main", "awake")
    # Where the machine took longer than that to wake it the lease is over already.
    assert leases(daemon) == [lease] or time.monotonic() - began > span
    until(lambda: not leases(daemon), 20, "the lease expires", every=0.002)
    lasted = time.monotonic() - began
    print(f"a lease for {span} s lasted {lasted:.3f} s")
    assert span - 0.05 < lasted < span + stall.late(0.5)
    daemon.wait_state("main", "asleep")
    assert neon.status()["wakes"] == 1
    # Until DELETE, when that comes first.
    number = daemon.get("/lease/main?for=1h", method="POST").json["lease"]["id"]
    assert daemon.get(f"/lease/{number}", method="DELETE").status == 200
    assert leases(daemon) == []


def test_who_holds_one_is_told_that_the_daemon_stops(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    with hold(daemon) as stream:
        ready(stream)
        code, seconds = daemon.stop()
        print(f"stopped in {seconds:.3f} s")
        assert code == 0 and end_of(stream)["reason"] == "stopping"


# ------------------------------------------------------------------------------------------------------------------- what is refused


def test_a_lease_on_a_blocked_or_paused_database_is_refused_with_its_reason(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    neon.trouble("quota")
    daemon = make_daemon([sleepy(neon.conninfo(), blocked_interval="1h")]).start()
    with hold(daemon) as stream:
        blocked = stream.wait(lambda event: event.event == "state" and event.data["state"] == "blocked").data
        assert blocked["reason"] == "provider.quota"
        for target in ("/lease/main", "/lease/main?for=1h"):
            answer = daemon.get(target, method="POST")
            assert answer.status == 409 and answer.json["error"] == "provider.quota" and answer.json["message"], answer.text
        assert len(leases(daemon)) == 1
    no_leases(daemon)
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    answer = daemon.get("/lease/main", method="POST")
    assert answer.status == 409 and answer.json["error"] == "paused"
    assert daemon.get("/wake/main?wait=20s", method="POST").json["error"] == "paused"


def test_a_wake_call_on_a_blocked_database_is_answered_by_the_next_try(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    neon.trouble("quota")
    daemon = make_daemon([sleepy(neon.conninfo(), blocked_interval="300ms", door_interval="0s", wake_timeout="100ms")]).start()
    assert daemon.get("/wake/main?wait=20s", method="POST", timeout=30).json["error"] == "provider.quota"

    def due() -> dict | None:
        """The demand of that call is over, so that nobody asks though the next try is due."""
        status = daemon.status("main")
        return status if status["demand"] is None and status["age_seconds"] > 0.35 else None

    tries = until(due, 10, "the next try is due")["failures"]["by_reason"]["provider.quota"]
    answer = daemon.get("/wake/main?wait=20s", method="POST", timeout=30)
    more = daemon.status("main")["failures"]["by_reason"]["provider.quota"] - tries
    print(f"refused after {1000 * answer.seconds:.1f} ms, by the answer to {more} more try")
    assert answer.status == 409 and answer.json["error"] == "provider.quota" and answer.seconds < patient(5)
    assert more == 1
    neon.trouble("off")
    until(lambda: daemon.get("/wake/main?wait=20s", method="POST", timeout=30).status == 200, 20, "it can be woken again")


def test_what_is_no_lease_is_refused_in_words(make_daemon, make_neon):
    neon = make_neon(look_every=0.1, suspend_after=60)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    for target, method, status, slug in (
            ("/lease/none", "POST", 404, "unknown_database"), ("/lease/main?for=0s", "POST", 400, "bad_request"),
            ("/lease/main?for=91d", "POST", 400, "bad_request"), ("/lease/main?owner=", "POST", 400, "bad_request"),
            ("/lease/main?owner=" + 256 * "x", "POST", 400, "bad_request"), ("/lease/main?owner=%C3", "POST", 400, "bad_request"),
            ("/lease/main?owner=a%0ab", "POST", 400, "bad_request"), ("/lease/main?wait=1s", "POST", 400, "bad_request"),
            ("/lease/main", "GET", 405, "method_not_allowed"), ("/lease/1", "DELETE", 404, "no_such_lease"),
            ("/lease/main", "DELETE", 404, "no_such_lease"), ("/wake/main?spread=1s", "POST", 400, "bad_request"),
            ("/readyz/main?wait=1s&spread=301s", "GET", 400, "bad_request")):
        answer = daemon.get(target, method=method)
        assert (answer.status, answer.json["error"]) == (status, slug), (target, answer.text)
    assert daemon.get("/lease/main", method="GET").headers["allow"] == "POST, DELETE"
    assert daemon.get("/lease/main", "status", "POST").status == 403
    assert leases(daemon) == [] and neon.status()["wakes"] == 0


# ----------------------------------------------------------------------------------------------------------------------------- many


def test_a_thousand_leases_at_once_are_one_login(make_neon, make_daemon):
    neon = make_neon(look_every=0.1, suspend_after=60, wake_delay=DELAY)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    begin = time.monotonic()
    crowd = Crowd(daemon.control_socket, 1000, get("/lease/main", "POST"))
    try:
        crowd.wait(b"event: lease", 30)
        taken = time.monotonic() - begin
        assert len(leases(daemon)) == 1000
        crowd.wait(b'"ready":true', 30)
        assert len(neon.truth.of("session_open")) == 1
        begin = time.monotonic()
    finally:
        crowd.close()
    no_leases(daemon, 30)
    print(f"1000 leases taken in {taken:.2f} s, released in {time.monotonic() - begin:.2f} s")
    assert neon.status()["wakes"] == 1


def in_threads(work: list) -> list:
    """Calls all of them at once; their answers, in order."""
    answers: list = [None] * len(work)

    def call(i: int) -> None:
        answers[i] = work[i]()

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_who_waited_with_spread_is_released_over_its_time(make_neon, make_daemon, stall):
    neon = make_neon(look_every=0.1, suspend_after=60, wake_delay=DELAY)
    daemon = make_daemon([sleepy(neon.conninfo(), linger="1min")]).start()
    spread, count = 1.0, 40
    came: list[float] = []
    lock = threading.Lock()

    def wait(target: str, method: str) -> int:
        answer = daemon.get(target, method=method, timeout=30)
        with lock:
            came.append(time.monotonic())
        return answer.status

    with EventStream(daemon.status_socket, "/events?db=main") as stream:
        statuses = in_threads([lambda i=i: wait(*(("/wake/main?wait=20s&spread=1s", "POST") if i % 2 else
                                                  ("/readyz/main?wait=20s&spread=1s", "GET"))) for i in range(count)])
        awake = stream.wait(lambda event: event.event == "state" and event.data["ready"]).monotonic_usec / 1e6
    assert statuses == [200] * count
    after = sorted(each - awake for each in came)
    quartiles = statistics.quantiles(after, n=4)
    print(f"{count} waiters, spread {spread} s: the first after {1000 * after[0]:.0f} ms, quartiles "
          f"{', '.join(f'{1000 * each:.0f}' for each in quartiles)} ms, the last after {1000 * after[-1]:.0f} ms")
    assert after[-1] < spread + stall.late(0.3)
    for quartile, wanted in zip(quartiles, (0.25, 0.5, 0.75)):
        assert abs(quartile - wanted * spread) < stall.late(0.15), quartiles
    # Who finds it awake does not wait.
    assert daemon.get("/readyz/main?wait=20s&spread=5min").seconds < stall.late(0.5)
    assert daemon.get("/wake/main?wait=20s&spread=5min", method="POST").seconds < stall.late(0.5)
