"""The host's clocks: a suspend, and a clock of people that was set. Moved under the running daemon (rig.clocks)."""

import sqlite3
from contextlib import closing
from datetime import datetime

import pytest

from rig.clocks import Clocks
from rig.edges import assert_edges, quick
from rig.patience import until
from rig.unixhttp import EventStream

KEEPALIVE = 60  # seconds: so long a session must live after a doubt to prove its server


@pytest.fixture
def clocks(tmp):
    return Clocks(tmp)


def asked(cluster) -> list[tuple]:
    """pgwaked's sessions, and when each was asked something last."""
    return cluster.sql("SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'pgwaked'")


def woken(cluster, make_daemon, clocks: Clocks, **more):
    """A daemon whose database nobody needs any longer, with a session that watches it."""
    daemon = make_daemon([quick("main", cluster.conninfo(), policy="on-demand", wake_at_start=False, linger="0s", **more)], env=clocks.env).start()
    assert daemon.get("/wake/main?wait=20s", method="POST", timeout=30).status == 200
    until(lambda: daemon.status("main")["next_check"] is None, 10, "the session is the sentinel")
    return daemon


def test_after_a_suspend_of_the_host_a_session_that_lives_makes_it_awake_again_without_a_query(cluster, make_daemon, clocks):
    daemon = woken(cluster, make_daemon, clocks)
    before, sessions = daemon.status("main"), asked(cluster)
    assert len(sessions) == 1 and before["state"] == "awake"
    with daemon.stream("main") as stream:
        clocks.suspend_host(10)
        until(lambda: daemon.reload().status == 200 and stream.events, 10, "the suspend is seen")
        assert (stream.events[0].data["state"], stream.events[0].data["reason"]) == ("unknown", "stale")
        assert daemon.get("/readyz/main").status == 503
        clocks.pass_time(KEEPALIVE - 20)
        daemon.reload()
        assert len(stream.events) == 1, "it lives no longer than its keepalives need to find a dead one"
        clocks.pass_time(30)
        # The timer that is armed is the kernel's; whoever asks makes the daemon look at its clocks.
        until(lambda: daemon.get("/livez").status == 200 and stream.events[1:], 10, "it is awake again")
        assert stream.events[1].data["state"] == "awake"
    after = daemon.status("main")
    assert after["ready"] and after["generation"] == before["generation"] and after["session"] == before["session"]
    assert after["last_attempt"] == before["last_attempt"] and asked(cluster) == sessions
    assert after["awake_seconds"] >= before["awake_seconds"] + KEEPALIVE - 20, "what it was awake is counted again"
    assert_edges(daemon, "main", "awake", "unknown/stale", "awake")


def test_a_session_that_died_while_the_host_was_suspended_is_seen_and_proves_nothing(cluster, make_daemon, clocks):
    daemon = woken(cluster, make_daemon, clocks, door_interval="0s")
    generation = daemon.status("main")["generation"]
    with daemon.stream("main") as stream:
        clocks.suspend_host(10)
        until(lambda: daemon.reload().status == 200 and stream.events, 10, "the suspend is seen")
        cluster.terminate_backends("pgwaked")
        stream.wait(lambda event: event.data["reason"] == "session.cut")
        clocks.pass_time(2 * KEEPALIVE)
        daemon.reload()
        assert len(stream.events) == 2
    status = daemon.status("main")
    assert (status["state"], status["generation"]) == ("unknown", generation + 1)


def test_one_answer_of_two_and_then_nobody_needs_it_and_the_session_lives(cluster, make_daemon, clocks):
    daemon = make_daemon([quick("main", cluster.conninfo(), policy="on-demand", wake_at_start=False, linger="0s", rise=2,
                                retry_interval="10min", down_interval="10min", ping_interval="10min")], env=clocks.env).start()
    cluster.stop()

    def while_it_is_needed(done, what: str) -> None:
        with EventStream(daemon.control_socket, "/lease/main?owner=me", method="POST"):
            until(lambda: done(daemon.status("main")), 10, what)
        until(lambda: not daemon.status("main")["leases"], 10, "nobody needs it")

    while_it_is_needed(lambda status: status["failures"]["total"], "it fails")
    cluster.start()
    clocks.pass_time(600)
    while_it_is_needed(lambda status: status["session"]["held"], "it answers once")
    sessions = asked(cluster)
    assert daemon.status("main")["state"] != "awake"
    clocks.pass_time(KEEPALIVE + 10)
    until(lambda: daemon.get("/livez").status == 200 and daemon.status("main")["state"] == "awake", 10, "the session that lives says so")
    assert asked(cluster) == sessions and len(sessions) == 1, "it was not asked again"


def paused(daemon) -> int | None:
    """Until when the history says that main is paused, in microseconds."""
    try:
        with closing(sqlite3.connect(f"file:{daemon.history_path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute("SELECT paused_until FROM database WHERE name = 'main'").fetchone()[0]
    except (sqlite3.OperationalError, TypeError):
        return None


@pytest.mark.parametrize("behind", [90, 365 * 86400], ids=["a little", "a year"])
def test_a_pause_lasts_no_longer_than_what_was_left_of_it_though_the_clock_was_set_back(cluster, make_daemon, clocks, behind):
    hour = 3600
    daemon = make_daemon([quick("main", cluster.conninfo())], env=clocks.env).start()
    daemon.wait_state("main", "awake")
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    assert until(lambda: paused(daemon), 20, "the pause is in the history")
    assert daemon.stop()[0] == 0
    clocks.set_real(-behind)
    daemon.start()
    status = daemon.status("main")
    assert status["reason"] == "paused"
    left = datetime.fromisoformat(status["paused_until"]).timestamp() - clocks.time()
    print(f"{left:.0f} s of {hour} are left")
    assert 0 < left <= hour
    # And it ends by then.
    clocks.pass_time(hour)
    until(lambda: daemon.get("/livez").status == 200 and daemon.status("main")["state"] == "awake", 20, "the pause is over")
