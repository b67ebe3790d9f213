"""Expectations, against a real primary and its hot standby: what answers, and is not what was expected, is degraded."""

import os
import shutil

import pytest

from rig.edges import assert_edges, edges, quick, wait_failures
from rig.patience import until

_HBA = ["local replication postgres trust", "host all all 127.0.0.0/8 scram-sha-256"]


@pytest.fixture
def pair(make_cluster, tmp):
    """(primary, standby), streaming."""
    primary = make_cluster("primary", hba=_HBA, wal_level="replica", max_wal_senders=4, hot_standby="on", wal_keep_size="16MB")
    primary.start()
    primary.stop()
    (tmp / "standby").mkdir()
    shutil.copytree(primary.data, tmp / "standby" / "data", copy_function=shutil.copy2)
    standby = make_cluster("standby", hba=_HBA, wal_level="replica", max_wal_senders=4, wal_retrieve_retry_interval="100ms",
                           primary_conninfo=f"host={primary.socket_dir} port={primary.port} user=postgres")
    own_tree(standby.data, primary.data)
    primary.start()
    standby.accepting_at_usec = primary.accepting_at_usec  # it was started, as the primary: once more would part its history
    standby.become_standby("hot")
    standby.start()
    until(lambda: primary.sql("SELECT 1 FROM pg_stat_replication"), 10, "the standby streams")
    return primary, standby


def own_tree(folder, like) -> None:
    facts = like.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, facts.st_uid, facts.st_gid)
    folder.chmod(facts.st_mode & 0o777)


def test_primary_and_read_only_are_told_apart_and_a_promotion_is_noticed(pair, make_daemon):
    primary, standby = pair
    daemon = make_daemon([
        quick("primary", primary.conninfo(), expect={"primary": True}),
        quick("standby", standby.conninfo(), expect={"primary": False, "read_only": True}),
        quick("wrong-primary", standby.conninfo(), expect={"primary": True}),
        quick("wrong-standby", primary.conninfo(), expect={"primary": False}),
        quick("writable", standby.conninfo(), expect={"read_only": False}),
        quick("indifferent", standby.conninfo())]).start()
    for name in ("primary", "standby", "indifferent"):
        daemon.wait_state(name, "awake")
        assert_edges(daemon, name, "awake")
    for name, reason in (("wrong-primary", "expect.primary"), ("wrong-standby", "expect.primary"), ("writable", "expect.read_only")):
        status = daemon.wait_state(name, "degraded")
        assert status["reason"] == reason and not status["ready"] and status["session"]["held"]
        wait_failures(daemon, name, reason, 5)
        assert_edges(daemon, name, f"degraded/{reason}")
    assert daemon.status("standby")["server"]["in_recovery"] is True
    assert daemon.get("/readyz/wrong-primary").status == 503

    assert standby.sql("SELECT pg_promote()") == [(True,)]
    for name, reason in (("wrong-primary", "expect.primary"), ("writable", "expect.read_only")):
        daemon.wait_state(name, "awake")
        assert_edges(daemon, name, f"degraded/{reason}", "awake")
    assert daemon.wait_state("standby", "degraded")["reason"] == "expect.primary"
    assert_edges(daemon, "indifferent", "awake")


def test_a_standby_behind_its_primary_lags_and_catches_up(pair, make_daemon):
    primary, standby = pair
    daemon = make_daemon([quick("main", standby.conninfo(), expect={"max_lag": "300ms"}),
                          quick("primary", primary.conninfo(), expect={"max_lag": "300ms"})]).start()
    daemon.wait_state("main", "awake")  # nothing was ever written: it does not lag
    primary.sql("CREATE TABLE soon AS SELECT 1 AS one")
    until(lambda: standby.sql("SELECT to_regclass('soon') IS NOT NULL") == [(True,)], 10, "the standby has it")
    standby.sql("SELECT pg_wal_replay_pause()")
    primary.sql("CREATE TABLE later AS SELECT 1 AS one")
    status = daemon.wait_state("main", "degraded")
    assert status["reason"] == "expect.lag"
    wait_failures(daemon, "main", "expect.lag", 5)
    standby.sql("SELECT pg_wal_replay_resume()")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "awake", "degraded/expect.lag", "awake")
    daemon.wait_state("primary", "awake")
    assert_edges(daemon, "primary", "awake")


def test_a_role_that_is_read_only_by_default_is_seen_by_the_next_login(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(), expect={"read_only": False})]).start()
    daemon.wait_state("main", "awake")
    cluster.sql("ALTER ROLE app SET default_transaction_read_only = on")
    assert daemon.wait_state("main", "degraded")["reason"] == "expect.read_only"
    cluster.sql("ALTER ROLE app RESET default_transaction_read_only")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "awake", "degraded/expect.read_only", "awake")


def test_a_query_of_ones_own_is_held_against_its_value(cluster, make_daemon):
    cluster.sql("CREATE TABLE flag AS SELECT 'go' AS word; GRANT SELECT ON flag TO app", dbname="app")

    def say(word: str | None) -> None:
        cluster.sql("UPDATE flag SET word = %s", word, dbname="app")

    query = "SELECT word FROM flag"
    daemon = make_daemon([quick("value", cluster.conninfo(), expect={"query": query, "value": "go"}),
                          quick("any", cluster.conninfo(), expect={"query": query}),
                          quick("empty", cluster.conninfo(), expect={"query": "SELECT ''", "value": ""})]).start()
    for name in ("value", "any", "empty"):
        daemon.wait_state(name, "awake")
    say("stop")
    status = daemon.wait_state("value", "degraded")
    assert status["reason"] == "expect.value" and "stop" in status["detail"]
    wait_failures(daemon, "value", "expect.value", 5)
    assert_edges(daemon, "value", "awake", "degraded/expect.value")
    say(None)
    until(lambda: "NULL" in daemon.status("value")["last_attempt"]["detail"], 5, "a NULL is no value")
    say("go")
    daemon.wait_state("value", "awake")
    assert_edges(daemon, "value", "awake", "degraded/expect.value", "awake")
    assert edges(daemon, "any") == edges(daemon, "empty") == ["awake"]


def test_a_query_that_fails_is_a_failure_of_the_query(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(), expect={"query": "SELECT * FROM nothing"})]).start()
    status = daemon.wait_state("main", "down")
    assert status["reason"] == "query.failed" and status["last_attempt"]["sqlstate"] == "42P01"
    assert "nothing" in status["detail"]
    wait_failures(daemon, "main", "query.failed", 6)
    assert_edges(daemon, "main", "unknown/query.failed", "down/query.failed")
    cluster.sql("CREATE TABLE nothing (); GRANT SELECT ON nothing TO app", dbname="app")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "unknown/query.failed", "down/query.failed", "awake")


def test_an_answer_that_was_asked_for_before_a_reload_is_not_held_against_what_is_expected_since(cluster, make_daemon):
    main = {**quick("main", cluster.conninfo()), "ping_interval": "2s", "login_interval": "1h", "attempt_timeout": "60s", "slow": "60s"}
    daemon = make_daemon([{**main, "expect": {"query": "SELECT 1 FROM pg_sleep(2)"}}]).start()
    daemon.wait_state("main", "awake", 20)
    until(lambda: cluster.sql("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(2)'"), 20, "a ping is under way")
    daemon.configure([{**main, "expect": {"query": "SELECT 'no'", "value": "yes"}}])
    assert daemon.reload().status == 200
    daemon.wait_state("main", "degraded", 20)
    assert edges(daemon, "main") == ["awake", "unknown/stale", "degraded/expect.value"]
