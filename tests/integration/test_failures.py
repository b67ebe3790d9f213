"""Every way in which a real PostgreSQL fails ends in its own reason and state, is told once, and is over when it is over."""

import os
import re
import time

import pytest

from rig import children
from rig.edges import assert_edges, assert_phases, edges, entries, quick, wait_failures
from rig.patience import until
from rig.ports import Port
from rig.randommodel import ROW


def watch(make_daemon, conninfo: str, **settings):
    """A started daemon that watches "main"."""
    return make_daemon([quick("main", conninfo, **settings)]).start()


# No server, and its end


def test_a_daemon_before_its_database_sees_refused_connections_and_then_the_server(make_cluster, make_daemon, stall):
    cluster = make_cluster()
    daemon = watch(make_daemon, cluster.conninfo())
    status = daemon.wait_state("main", "down")
    assert status["reason"] == status["last_attempt"]["outcome"] == "tcp.refused"
    assert status["last_attempt"]["address"] == f"127.0.0.1:{cluster.port}"
    assert_phases(status, "connect")
    wait_failures(daemon, "main", "tcp.refused", 8)
    assert_edges(daemon, "main", "unknown/tcp.refused", "down/tcp.refused")
    cluster.start()
    status = daemon.wait_state("main", "awake")
    late = (status["seen_monotonic_usec"] - cluster.accepting_at_usec[1]) / 1e6
    print(f"seen {1000 * late:.0f} ms after the server accepted connections (down_interval 150 ms)")
    assert late < stall.late(1)
    assert_edges(daemon, "main", "unknown/tcp.refused", "down/tcp.refused", "[waking/server.starting|down/tcp.reset|down/tcp.refused]", "awake")
    after = entries(daemon, "main")[2]  # what came next tells how often nothing new was found
    assert int(after["repeated"]) >= 5


def test_a_refused_port_and_a_missing_unix_socket_are_refused_connections(tmp, make_daemon):
    (tmp / "file").touch()
    with Port() as port:
        daemon = make_daemon([quick("tcp", f"host=127.0.0.1 port={port.number} user=app dbname=app"),
                              quick("unix", f"host={tmp} port=5432 user=app dbname=app"),
                              quick("file", f"host={tmp}/file port=5432 user=app dbname=app")]).start()
        for name in ("tcp", "unix", "file"):
            status = daemon.wait_state(name, "down")
            assert status["reason"] == "tcp.refused"
            assert_phases(status, "connect")
            assert_edges(daemon, name, "unknown/tcp.refused", "down/tcp.refused")


def test_at_debug_level_a_verdict_is_read_backwards_to_the_attempts_that_made_it(make_daemon):
    with Port() as port:
        databases = [quick("main", f"host=127.0.0.1 port={port.number} user=app dbname=app", fall=2)]
        daemon = make_daemon(databases, settings={"log": {"level": "debug"}}).start()
        daemon.wait_state("main", "down")
    said = [entry["message"] for entry in daemon.log_entries(level="debug")]
    expected = [r"main: login (\d+) is under way",
                r"main: login \1 ended after .*: tcp.refused: unknown \(tcp.refused\), and was unknown",
                r"main: the next login is due in \d+ ms",
                r"main: login (\d+) is under way",
                r"main: login \2 ended after .*: tcp.refused: down \(tcp.refused\), and was unknown"]
    assert re.search("\n".join(expected) + "\n", "\n".join(said) + "\n"), said


def test_at_debug_level_the_end_of_a_session_tells_what_decides_whether_it_was_a_suspend(make_daemon, make_fake):
    fake = make_fake("ok", answer=ROW)
    sleepy = {"provider": "neon", "suspend_after": "1h", "ping_interval": "1h", "login_interval": "1h"}
    conninfo = fake.conninfo(password="secret", sslmode="disable")
    daemon = make_daemon([quick("main", conninfo, **sleepy)], settings={"log": {"level": "debug"}}).start()
    daemon.wait_state("main", "awake")
    fake.cut("fatal")
    told = re.compile(r"main: the session ended 57P01, \S+ m?s after our last query \(suspend_after: 1 ?h\), not as a suspend ends it: unknown")
    until(lambda: any(told.match(entry["message"]) for entry in daemon.log_entries(level="debug")), 10, "the end is explained")


def test_a_stop_cuts_the_session_and_a_start_brings_a_new_generation(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    before = daemon.wait_state("main", "awake")
    cluster.stop()
    daemon.wait_reason("main", "tcp.refused")
    down = daemon.wait_state("main", "down")
    assert down["reason"] == "tcp.refused" and not down["session"]["held"] and not down["ready"]
    assert down["failures"]["by_reason"]["session.cut"] == 1
    # A server that takes its time to stop is down by its own word first.
    assert_edges(daemon, "main", "awake", "unknown/session.cut", "[unknown/server.stopping|unknown/tcp.reset]",
                 "[unknown/tcp.refused]", "[down/server.stopping|down/tcp.reset]", "down/tcp.refused")
    wait_failures(daemon, "main", "tcp.refused", 8)
    cluster.start()
    after = daemon.wait_state("main", "awake")
    assert after["generation"] > down["generation"] > before["generation"]
    assert after["server"]["started_at"] > before["server"]["started_at"]
    assert len([each for each in edges(daemon, "main") if each.startswith("down/tcp.refused")]) == 1


def test_an_immediate_shutdown_is_a_cut_though_the_server_says_it_as_a_mere_warning(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    daemon.wait_state("main", "awake")
    cluster.wait_idle("pgwaked")
    cluster.stop("immediate")
    daemon.wait_state("main", "down")
    assert_edges(daemon, "main", "awake", "unknown/session.cut",
                 "[unknown/server.stopping|unknown/tcp.reset|waking/server.recovering]", "[unknown/tcp.refused]", "down/tcp.refused")


@pytest.mark.parametrize("grace, reason", [(0, "session.lost"), (5, "session.cut")])
def test_a_killed_postmaster_is_a_lost_session_or_the_cut_that_its_orphans_still_say(cluster, make_daemon, grace, reason):
    daemon = watch(make_daemon, cluster.conninfo())
    daemon.wait_state("main", "awake")
    cluster.kill9(grace)
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "tcp.refused"
    assert status["failures"]["by_reason"][reason] == 1
    assert_edges(daemon, "main", "awake", f"unknown/{reason}", "[unknown/tcp.reset]", "[unknown/tcp.refused]", "down/tcp.refused")
    cluster.start()  # recovers from the crash
    daemon.wait_state("main", "awake")


def test_a_crashed_backend_takes_the_session_and_the_recovery_is_a_wake(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    before = daemon.wait_state("main", "awake")
    with daemon.stream("main") as stream:
        cluster.crash(hold=True)
        cut = stream.wait(lambda event: event.data["reason"] == "session.cut")
        assert cut.data["state"] == "unknown" and cut.data["generation"] == before["generation"] + 1
        waking = stream.wait(lambda event: event.data["state"] == "waking")
        assert waking.data["reason"] == "server.recovering"
        stream.wait(lambda event: event.data["state"] == "awake", 20)
        woke = stream.wait(lambda event: event.data["kind"] == "wake")
        print(f"recovered in {woke.data['latency_seconds']:.2f} s")
        assert 2 < woke.data["latency_seconds"] < 20
    assert_edges(daemon, "main", "awake", "unknown/session.cut", "[unknown/server.crashed|unknown/tcp.reset]", "waking/server.recovering",
                 "[waking/server.starting]", "awake")
    assert entries(daemon, "main")[1].get("detail", "").startswith("terminating connection because of crash")


@pytest.mark.parametrize("sslmode, phases, reason", [
    ("disable", ("connect", "auth"), "auth.timeout"), ("prefer", ("connect", "tls"), "tls.timeout")])
def test_a_hung_server_runs_out_of_time_in_the_phase_where_it_hangs(cluster, make_daemon, sslmode, phases, reason, stall):
    # No login of a server that is well may run out of time: it has ten times as long as one takes here.
    first = watch(make_daemon, cluster.conninfo(sslmode=sslmode))
    timeout = round(max(0.6, 10 * first.wait_state("main", "awake")["last_attempt"]["total_seconds"]), 3)
    first.stop()
    daemon = watch(make_daemon, cluster.conninfo(sslmode=sslmode), attempt_timeout=f"{int(1000 * timeout)}ms")
    daemon.wait_state("main", "awake")
    cluster.sigstop()
    with daemon.stream("main") as stream:
        stream.wait(lambda event: event.data["state"] == "unknown", 10 + timeout)
        # A login may have been under way; else the ping is what finds out.
        status = daemon.wait_state("main", "down", 10 + 4 * timeout)
    assert status["reason"] == reason
    assert_phases(status, *phases, last=timeout - 0.1 - stall.HOPS * stall.worst)
    assert timeout <= status["last_attempt"]["total_seconds"] < timeout + stall.late(0.5)
    wait_failures(daemon, "main", reason, 3, 10 + 4 * timeout)
    assert_edges(daemon, "main", "awake", f"[unknown/query.timeout|unknown/{reason}]", f"down/{reason}")
    cluster.sigcont()
    daemon.wait_state("main", "awake")


def test_a_login_that_hangs_past_slow_on_a_server_that_never_sleeps_is_no_wake(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo(sslmode="disable"), attempt_timeout="600ms", slow="300ms")
    daemon.wait_state("main", "awake")
    cluster.sigstop()
    daemon.wait_state("main", "down")
    wait_failures(daemon, "main", "auth.timeout", 4)
    assert_edges(daemon, "main", "[unknown/server.slow]", "awake", "[unknown/query.timeout|unknown/auth.timeout]",
                 "[unknown/auth.timeout]", "down/auth.timeout")
    cluster.sigcont()
    assert daemon.wait_state("main", "awake")["wakes"]["count"] == 0  # it was slow, and its uptime says that it did not start


# A server that answers, and does not let us in


def test_a_full_server_is_awake_and_full_and_clears_with_a_free_slot(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    before = daemon.wait_state("main", "awake")
    with cluster.filled():
        status = daemon.wait_state("main", "full")
        assert status["reason"] == "server.full" and status["last_attempt"]["sqlstate"] == "53300"
        assert not status["ready"] and daemon.get("/readyz/main").status == 503
        status = wait_failures(daemon, "main", "server.full", 8)
        assert status["state"] == "full"
        assert_edges(daemon, "main", "awake", "full/server.full")
    status = daemon.wait_state("main", "awake")
    assert status["generation"] == before["generation"]
    assert_edges(daemon, "main", "awake", "full/server.full", "awake")


def test_a_server_that_is_full_from_the_start_is_full_at_the_first_login(cluster, make_daemon):
    with cluster.filled():
        daemon = watch(make_daemon, cluster.conninfo())
        daemon.wait_state("main", "full")
        assert_edges(daemon, "main", "full/server.full")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "full/server.full", "awake")


def change_password(cluster, password: str) -> None:
    cluster.sql(f"ALTER ROLE app PASSWORD '{password}'")


def test_a_wrong_password_blocks_at_the_first_login_until_it_is_right(cluster, make_daemon, stall):
    change_password(cluster, "another")
    daemon = watch(make_daemon, cluster.conninfo())
    status = daemon.wait_state("main", "blocked")
    assert status["reason"] == "auth.password" and status["last_attempt"]["sqlstate"] == "28P01"
    assert_phases(status, "connect", "tls", "auth")
    wait_failures(daemon, "main", "auth.password", 5)
    assert_edges(daemon, "main", "blocked/auth.password")
    assert daemon.get("/wake/main", method="POST").status == 409
    change_password(cluster, "secret")
    at = time.monotonic()
    daemon.wait_state("main", "awake")
    print(f"awake {1000 * (time.monotonic() - at):.0f} ms after the correction (blocked_interval 150 ms)")
    assert time.monotonic() - at < stall.late(1)
    assert_edges(daemon, "main", "blocked/auth.password", "awake")


def test_a_session_that_goes_on_answering_does_not_clear_a_password_that_became_wrong(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    daemon.wait_state("main", "awake")
    change_password(cluster, "another")
    status = daemon.wait_state("main", "blocked")
    assert status["session"]["held"], "a login's failure is no reason to let go of a session that lives"
    backends = cluster.backends("pgwaked")
    wait_failures(daemon, "main", "auth.password", 6)
    assert len(backends) == 1 and cluster.backends("pgwaked") == backends
    assert_edges(daemon, "main", "awake", "blocked/auth.password")
    change_password(cluster, "secret")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "awake", "blocked/auth.password", "awake")


def test_a_session_that_is_cut_while_blocked_stays_blocked_and_counts_as_cut(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    daemon.wait_state("main", "awake")
    change_password(cluster, "another")
    before = daemon.wait_state("main", "blocked")
    cluster.terminate_backends("pgwaked")
    after = wait_failures(daemon, "main", "session.cut", 1)
    assert (after["state"], after["reason"]) == ("blocked", "auth.password")
    assert after["generation"] == before["generation"] + 1 and not after["session"]["held"]
    # Told again, for its generation: what was connected before is gone.
    assert_edges(daemon, "main", "awake", "blocked/auth.password", "blocked/auth.password")


# What each is called, its login, and (as SQL) how it is spoilt and repaired, and as what it is refused.
FOR_A_PERSON = {
    "missing": ("app", "later", "", "CREATE DATABASE later", "database.missing", "3D000"),
    "denied": ("app", "denied", "CREATE DATABASE denied; REVOKE CONNECT ON DATABASE denied FROM PUBLIC",
               "GRANT CONNECT ON DATABASE denied TO app", "database.denied", "42501"),
    "closed": ("app", "closed", "CREATE DATABASE closed; ALTER DATABASE closed ALLOW_CONNECTIONS false",
               "ALTER DATABASE closed ALLOW_CONNECTIONS true", "database.denied", "55000"),
    "nologin": ("nologin", "app", "CREATE ROLE nologin NOLOGIN PASSWORD 'secret'", "ALTER ROLE nologin LOGIN", "auth.rejected", "28000"),
    "password": ("later", "app", "", "CREATE ROLE later LOGIN PASSWORD 'secret'", "auth.password", "28P01"),
    "unlisted": ("unlisted", "app", "CREATE ROLE unlisted LOGIN PASSWORD 'secret'", "hba", "auth.rejected", "28000"),
    "rejected": ("rejected", "app", "CREATE ROLE rejected LOGIN PASSWORD 'secret'", "hba", "auth.rejected", "28000"),
}


def test_what_a_person_must_change_blocks_at_once_is_told_once_and_clears_when_it_was_changed(make_cluster, make_daemon):
    cluster = make_cluster(hba=["host all rejected 127.0.0.1/32 reject",
                                "host all app,nologin,later 127.0.0.1/32 scram-sha-256"])
    cluster.start()
    for statement in "; ".join(each[2] for each in FOR_A_PERSON.values()).split(";"):
        if statement.strip():
            cluster.sql(statement)
    daemon = make_daemon([quick(name, cluster.conninfo(user=user, dbname=dbname))
                          for name, (user, dbname, *_) in FOR_A_PERSON.items()]).start()
    for name, (*_, reason, sqlstate) in FOR_A_PERSON.items():
        status = daemon.wait_state(name, "blocked")
        assert (status["reason"], status["last_attempt"]["sqlstate"]) == (reason, sqlstate), name
        assert_phases(status, "connect", "tls", "auth")
        wait_failures(daemon, name, reason, 3)
        assert_edges(daemon, name, f"blocked/{reason}")
    cluster.set_hba("scram-sha-256")
    for *_, repair, _, _ in FOR_A_PERSON.values():
        if repair != "hba":
            cluster.sql(repair)
    for name, (*_, reason, _) in FOR_A_PERSON.items():
        daemon.wait_state(name, "awake")
        assert_edges(daemon, name, f"blocked/{reason}", "awake")


# A server that is not ready


def test_a_server_that_is_starting_up_is_waking_and_its_start_is_a_wake(make_cluster, make_daemon):
    cluster = make_cluster()
    cluster.start()
    cluster.stop()
    cluster.become_standby("starting")
    cluster.start(wait=False)
    cluster.wait_log("starting")  # the postmaster takes connections, to refuse them
    daemon = watch(make_daemon, cluster.conninfo())
    status = daemon.wait_state("main", "waking")
    assert status["reason"] == "server.starting"
    wait_failures(daemon, "main", "server.starting", 5)
    assert daemon.status("main")["last_attempt"]["sqlstate"] == "57P03"
    assert daemon.get("/readyz/main").status == 503 and daemon.get("/readyz/main?accept=asleep").status == 200
    cluster.release()
    status = daemon.wait_state("main", "awake")
    assert status["wakes"]["count"] == 1 and status["wakes"]["last"]["cause"] == "start"
    assert_edges(daemon, "main", "[unknown/tcp.refused]", "waking/server.starting", "awake")


def test_a_standby_that_never_becomes_consistent_is_waking_until_wake_timeout_and_down_from_then_on(make_cluster, make_daemon):
    cluster = make_cluster()
    cluster.become_standby("recovering")
    cluster.start(wait=False)
    cluster.wait_log("entering standby mode")
    daemon = watch(make_daemon, cluster.conninfo(), wake_timeout="1s")
    daemon.wait_state("main", "waking")
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "wake.timeout" and status["last_attempt"]["outcome"] == "server.starting"
    seen = status["failures"]["by_reason"]["server.starting"]
    wait_failures(daemon, "main", "server.starting", seen + 5)
    assert_edges(daemon, "main", "[unknown/tcp.refused]", "waking/server.starting", "down/wake.timeout")


def test_a_standby_without_hot_standby_refuses_and_is_down(make_cluster, make_daemon):
    cluster = make_cluster()
    cluster.become_standby("refusing")
    cluster.start(wait=False)
    cluster.wait_log("entering standby mode")
    daemon = watch(make_daemon, cluster.conninfo())
    status = daemon.wait_reason("main", "server.refusing")
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "server.refusing" and status["last_attempt"]["sqlstate"] == "57P03"
    wait_failures(daemon, "main", "server.refusing", 6)
    assert_edges(daemon, "main", "[unknown/tcp.refused]", "[waking/server.starting]", "[unknown/server.refusing]", "down/server.refusing")


def test_a_hot_standby_is_awake_and_in_recovery(make_cluster, make_daemon):
    cluster = make_cluster()
    cluster.start()
    cluster.stop()
    cluster.become_standby("hot")
    cluster.start()
    daemon = watch(make_daemon, cluster.conninfo())
    assert daemon.wait_state("main", "awake")["server"]["in_recovery"] is True


def test_a_smart_shutdown_is_stopping_while_somebody_keeps_the_server_from_ending(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    daemon.wait_state("main", "awake")
    other = cluster.connect(password="secret", dbname="app")
    cluster.stop("smart", wait=False)
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "server.stopping" and status["last_attempt"]["sqlstate"] == "57P03"
    wait_failures(daemon, "main", "server.stopping", 6)
    assert_edges(daemon, "main", "awake", "unknown/server.stopping", "down/server.stopping")
    other.close()


def test_a_smart_shutdown_is_not_held_up_by_our_session(cluster, make_daemon):
    daemon = watch(make_daemon, cluster.conninfo())
    assert daemon.wait_state("main", "awake")["session"]["held"]
    cluster.stop("smart", wait=False)
    cluster.wait_stopped(10)
    assert daemon.wait_reason("main", "tcp.refused")["session"]["held"] is False


def test_five_databases_that_fail_differently_keep_to_themselves(cluster, make_cluster, make_daemon):
    """One server hangs, one is not there, one refuses us, one database is missing: the fifth is awake, and asked all the while."""
    hung = make_cluster("hung")
    hung.start()
    with Port() as port:
        daemon = make_daemon([
            quick("hung", hung.conninfo(), attempt_timeout="500ms"),
            quick("refused", f"host=127.0.0.1 port={port.number} user=app dbname=app"),
            quick("password", cluster.conninfo(password="wrong")), quick("missing", cluster.conninfo(dbname="nothing")),
            quick("good", cluster.conninfo())]).start()
        daemon.wait_state("hung", "awake")
        hung.sigstop()
        for name, state in (("hung", "down"), ("refused", "down"), ("password", "blocked"), ("missing", "blocked")):
            daemon.wait_state(name, state)
        wait_failures(daemon, "hung", "tls.timeout", 3)
        assert_edges(daemon, "good", "awake")
        assert daemon.status("good")["failures"]["total"] == 0
        summary = daemon.get("/readyz")
        assert summary.status == 503
        for name in ("hung", "refused", "password", "missing"):
            assert name in summary.text
        hung.sigcont()


def test_nothing_of_a_failing_database_is_left_in_the_process(cluster, make_daemon):
    """Descriptors and threads do not grow with the failures."""

    def opened() -> int:
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))

    with Port() as port:
        daemon = make_daemon([quick("refused", f"host=127.0.0.1 port={port.number} user=app dbname=app", down_interval="20ms",
                                    retry_interval="10ms"),
                              quick("missing", cluster.conninfo(dbname="nothing"), blocked_interval="20ms")]).start()
        wait_failures(daemon, "refused", "tcp.refused", 5)
        wait_failures(daemon, "missing", "database.missing", 5)
        before, threads = opened(), len(os.listdir(f"/proc/{daemon.pid}/task"))
        wait_failures(daemon, "refused", "tcp.refused", 60, 20)
        wait_failures(daemon, "missing", "database.missing", 30, 20)
        assert opened() <= before + 3  # the attempts under way
        assert len(os.listdir(f"/proc/{daemon.pid}/task")) <= threads + 1
        assert not children.children_of(daemon.pid)
