"""Waking and sleeping, seen by pgwaked and held against the truth of a real PostgreSQL that naps."""

import statistics
import threading
import time

import pytest

from rig.edges import assert_edges, edges, quick, wait_failures
from rig.patience import until

# A login past this is taken for a wake; all of the naps below take longer.
SLOW = "200ms"
DELAY = 0.5
SUSPEND = 0.5


def asleep_by_rule(conninfo: str, **more) -> dict:
    """A database of a provider that suspends after SUSPEND seconds, asked only on demand."""
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "800ms", "linger": "0s", "slow": SLOW}
    return quick("main", conninfo, **{**settings, **more})


def answered(nap, since: int, timeout: float = 20.0) -> dict:
    """The moment at which the first query of the wake's login was answered: a session that opens is idle once when it is let in,
    and once more when its query is answered."""
    opened = nap.truth.wait("session_open", timeout, since, where=lambda event: event["application"] == "pgwaked")
    return nap.truth.wait("session_idle", timeout, since, count=2, where=lambda event: event["session"] == opened["session"])


def true_latency(nap, since: int) -> float:
    """From the login that began the wake to the answer, in seconds."""
    begun = nap.truth.wait("wake_begin", 20, since)
    return (answered(nap, since)["monotonic_usec"] - begun["monotonic_usec"]) / 1e6


def wait_wakes(daemon, count: int, timeout: float = 20.0) -> dict:
    def look() -> dict | None:
        status = daemon.status("main")
        return status if status["wakes"]["count"] >= count and status["state"] == "awake" else None

    return until(look, timeout, f"{count} wakes")


# Kept awake


def test_a_cold_server_is_late_then_awake_and_its_wakes_are_measured_truly(make_nap, make_daemon, stall):
    nap = make_nap(suspend_after=60, wake_delay=DELAY)
    daemon = make_daemon([quick("main", nap.conninfo(), slow=SLOW)]).start()
    differences, latencies = [], []
    mark = 0
    for number in range(1, 4):
        status = wait_wakes(daemon, number)
        last = status["wakes"]["last"]
        truth = true_latency(nap, mark)
        differences.append(abs(last["latency_seconds"] - truth))
        latencies.append(last["latency_seconds"])
        print(f"wake {number}: {1000 * last['latency_seconds']:.1f} ms, in truth {1000 * truth:.1f} ms")
        assert last["cold"] is True
        assert last["cause"] == ("start" if number == 1 else "interval")
        assert last["latency_seconds"] > DELAY
        mark = nap.truth.mark()
        if number < 3:
            nap.command("suspend now")
    # A few milliseconds on an idle machine; on a busy one both sides wait for the processor.
    assert statistics.median(differences) < stall.late(0.15), differences
    assert_edges(daemon, "main", "unknown/server.slow", *["awake", "unknown/session.cut"] * 2, "awake")
    assert status["wakes"]["p50_seconds"] == pytest.approx(statistics.median(latencies), rel=0.07)  # of a histogram
    assert nap.status()["wakes"] == 3


def test_pings_keep_it_awake_past_the_time_after_which_it_would_sleep(make_nap, make_daemon):
    suspend = 1.5
    nap = make_nap(suspend_after=suspend)
    daemon = make_daemon([quick("main", nap.conninfo(), login_interval="1h", ping_interval="50ms")]).start()
    daemon.wait_state("main", "awake")
    opened = nap.truth.wait("session_open")
    nap.truth.wait("session_idle", 30, count=70, where=lambda event: event["session"] == opened["session"])
    long = nap.truth.events[-1]["monotonic_usec"] - opened["monotonic_usec"]
    print(f"awake for {long / 1e6:.1f} s, suspend_after {suspend} s")
    assert long > 2 * suspend * 1e6 and not nap.truth.of("suspend_begin")
    assert_edges(daemon, "main", "[waking/server.starting]", "awake")
    daemon.stop()
    nap.truth.wait("suspended", 10)


def test_refused_connections_are_down_though_the_session_still_answers(make_nap, make_daemon):
    nap = make_nap(suspend_after=60)
    daemon = make_daemon([quick("main", nap.conninfo())]).start()
    before = daemon.wait_state("main", "awake")
    nap.command("refuse on")
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "tcp.refused" and status["session"]["held"]
    wait_failures(daemon, "main", "tcp.refused", 6)
    nap.command("refuse off")
    after = daemon.wait_state("main", "awake")
    assert after["generation"] == before["generation"]
    assert_edges(daemon, "main", "[waking/server.starting]", "awake", "unknown/tcp.refused", "down/tcp.refused", "awake")


# Asleep


def test_it_is_asleep_by_the_rule_and_doors_see_it_and_wake_nothing(make_nap, make_daemon):
    nap = make_nap(suspend_after=SUSPEND, wake_delay=DELAY)
    daemon = make_daemon([asleep_by_rule(nap.conninfo())]).start()
    asleep = daemon.wait_state("main", "asleep")
    assert asleep["provider"] == "neon" and asleep["policy"] == "on-demand"
    assert not asleep["ready"] and asleep["wakes"]["count"] == 1 and asleep["wakes"]["last"]["cold"] is True
    assert asleep["wakes"]["last"]["cause"] == "start"
    suspended = nap.truth.wait("suspended")
    doors = nap.status()["doors"]
    until(lambda: nap.status()["doors"] >= doors + 4, 10, "four doors")
    state = nap.status()
    assert (state["state"], state["wakes"]) == ("asleep", 1)
    assert not [event for event in nap.truth.of("wake_begin") if event["monotonic_usec"] > suspended["monotonic_usec"]]
    status = daemon.status("main")
    assert status["state"] == "asleep" and status["last_attempt"]["kind"] == "door"
    assert status["next_check"]["kind"] == "door" and status["fresh_until"] > asleep["fresh_until"]
    assert daemon.get("/readyz/main").status == 503 and daemon.get("/readyz/main?accept=asleep").status == 200
    assert_edges(daemon, "main", "waking/server.starting", "awake", "unknown/session.cut", "asleep/session.cut")
    assert status["generation"] == 1


@pytest.mark.parametrize("how", ["too early", "by hand"])
def test_another_cut_is_no_sleep_whatever_the_door_says(make_nap, make_daemon, how):
    """Earlier than the provider suspends; or the provider's time is over, but this provider does not suspend at all."""
    nap = make_nap(suspend_after=60)
    settings = {"suspend_after": "1min"} if how == "too early" else {"provider": "postgres", "policy": "on-demand", "suspend_after": "50ms"}
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), **settings)]).start()
    daemon.wait_state("main", "awake")
    until(lambda: daemon.status("main")["next_check"] is None, 5, "demand is over: the session is the sentinel")
    nap.command("suspend now")
    daemon.wait_reason("main", "session.cut")
    doors = nap.status()["doors"]
    until(lambda: nap.status()["doors"] >= doors + 3, 10, "three doors")
    assert_edges(daemon, "main", "[waking/server.starting|unknown/server.slow]", "awake", "unknown/session.cut")
    assert nap.status()["wakes"] == 1


def test_a_sleeping_one_that_refuses_is_down_and_unknown_when_it_is_back(make_nap, make_daemon):
    nap = make_nap(suspend_after=SUSPEND)
    daemon = make_daemon([asleep_by_rule(nap.conninfo())]).start()
    daemon.wait_state("main", "asleep")
    nap.command("refuse on")
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "tcp.refused" and status["last_attempt"]["kind"] == "door"
    wait_failures(daemon, "main", "tcp.refused", 6)
    nap.command("refuse off")
    assert daemon.wait_state("main", "unknown")["reason"] == "stale"
    assert nap.status()["wakes"] == 1
    assert_edges(daemon, "main", "[waking/server.starting]", "awake", "unknown/session.cut", "asleep/session.cut", "down/tcp.refused",
                 "unknown/stale")


# Woken


def timed(work):
    """Starts work() in a thread; join() gives (its answer, the monotonic time in seconds at which it came)."""
    came: list = []
    thread = threading.Thread(target=lambda: came.append((work(), time.monotonic())))
    thread.start()

    def join(timeout: float = 30.0):
        thread.join(timeout)
        assert came, "no answer"
        return came[0]

    return join


def test_wake_calls_and_pgwake_wait_answer_when_the_first_query_was_answered(make_nap, make_daemon, stall):
    nap = make_nap(suspend_after=SUSPEND, wake_delay=DELAY)
    daemon = make_daemon([asleep_by_rule(nap.conninfo())]).start()
    rounds = 3
    late: dict[str, list[float]] = {"POST /wake?wait=": [], "/readyz?wait=": [], "pgwake wait": []}
    for _ in range(rounds):
        daemon.wait_state("main", "asleep")
        mark = nap.truth.mark()
        waiting = daemon.start_pgwake("wait", "main")
        line = timed(waiting.stdout.readline)
        ready = timed(lambda: daemon.get("/readyz/main?wait=20s", timeout=30))
        posted = timed(lambda: daemon.get("/wake/main?wait=20s", method="POST", timeout=30))
        truth = answered(nap, mark)["monotonic_usec"] / 1e6
        answer, at = posted()
        assert answer.status == 200 and answer.json["state"] == "awake", answer.text
        late["POST /wake?wait="].append(at - truth)
        answer, at = ready()
        assert answer.status == 200
        late["/readyz?wait="].append(at - truth)
        text, at = line()
        assert "awake" in text
        late["pgwake wait"].append(at - truth)
        assert waiting.wait(20) == 0
    for who, times in late.items():
        print(f"{who} answered {1000 * statistics.median(times):.1f} ms after the first answered query (median of 3; worst "
              f"{1000 * max(times):.1f} ms)")
        assert 0 <= statistics.median(times) < stall.late(0.2)
    status = daemon.status("main")
    assert status["wakes"]["count"] == 1 + rounds and status["wakes"]["last"]["cause"] == "wake" and status["wakes"]["last"]["cold"] is True
    assert nap.status()["wakes"] == 1 + rounds

    daemon.wait_state("main", "asleep")
    done = daemon.pgwake("wake", "main")
    print(done.stdout.strip())
    assert done.returncode == 0 and "expected to be ready in about" in done.stdout, done.stdout + done.stderr
    done = daemon.pgwake("wake", "main", "--wait", "20s")
    assert done.returncode == 0 and "awake" in done.stdout, done.stdout + done.stderr
    assert nap.status()["wakes"] == 2 + rounds


def test_a_wake_asked_for_by_forty_is_one_wake(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=DELAY)
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), wake_at_start=False)]).start()
    until(lambda: nap.status()["doors"] >= 2, 10, "two doors")
    assert edges(daemon, "main") == [] and nap.status()["wakes"] == 0
    calls = [timed(lambda: daemon.get("/wake/main?wait=20s", method="POST", timeout=30)) for _ in range(40)]
    assert [call()[0].status for call in calls] == [200] * 40
    assert nap.status()["wakes"] == 1 and daemon.status("main")["wakes"]["count"] == 1
    assert len(nap.truth.of("session_open")) == 1
    assert_edges(daemon, "main", "waking/server.starting", "awake")


def test_observe_never_wakes_by_itself_and_sees_a_wake_that_was_asked_for(make_nap, make_daemon):
    nap = make_nap(suspend_after=SUSPEND)
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), policy="observe")]).start()
    until(lambda: nap.status()["doors"] >= 3, 10, "three doors")
    assert nap.status()["wakes"] == 0 and edges(daemon, "main") == []
    assert daemon.get("/wake/main?wait=20s", method="POST", timeout=30).status == 200
    daemon.wait_state("main", "asleep")
    assert_edges(daemon, "main", "[waking/server.starting]", "awake", "unknown/session.cut", "asleep/session.cut")
    assert nap.status()["wakes"] == 1


# Wakes that fail


def test_a_wake_that_lasts_too_long_is_down_and_its_late_success_is_awake_all_the_same(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=1.5)
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), wake_timeout="600ms", linger="30s")]).start()
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "wake.timeout" and status["wakes"]["count"] == 0
    assert daemon.get("/readyz/main").status == 503
    wakes = daemon.wait_state("main", "awake")["wakes"]
    assert_edges(daemon, "main", "waking/server.starting", "down/wake.timeout", "awake")
    # It was given up, and is one wake of ours all the same, as long as it took.
    assert (wakes["count"], wakes["last"]["cause"]) == (1, "start") and 1.4 < wakes["last"]["latency_seconds"], wakes


def test_attempts_that_run_out_inside_a_wake_are_part_of_it(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=1.5)
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), attempt_timeout="500ms", linger="30s")]).start()
    status = daemon.wait_state("main", "awake")
    assert status["failures"]["by_reason"]["auth.timeout"] >= 2
    # The last one that runs out may have got as far as its query, with no time left for that.
    assert_edges(daemon, "main", "waking/server.starting", "waking/auth.timeout", "[waking/query.timeout|waking/auth.timeout]", "awake")
    last = status["wakes"]["last"]
    print(f"woken in {last['latency_seconds']:.2f} s over attempts of 0.5 s")
    assert 1.5 < last["latency_seconds"] < 6 and last["cold"] is True


def test_a_spent_quota_is_blocked_and_refuses_wakes(make_nap, make_daemon):
    nap = make_nap(suspend_after=60)
    nap.command("error ERROR XX000 Your account or project has exceeded the compute time quota.")
    daemon = make_daemon([asleep_by_rule(nap.conninfo(), linger="30s")]).start()
    assert daemon.wait_state("main", "blocked")["reason"] == "provider.quota"
    answer = daemon.get("/wake/main?wait=5s", method="POST")
    assert answer.status == 409 and answer.json["error"] == "provider.quota"
    wait_failures(daemon, "main", "provider.quota", 3)
    assert_edges(daemon, "main", "[waking/server.starting]", "blocked/provider.quota")
    nap.command("error off")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "[waking/server.starting]", "blocked/provider.quota", "[waking/server.starting]", "awake")
