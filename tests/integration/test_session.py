"""The held session: its end is seen at once and followed by a login, and a reload leaves it alone. And what a login asks."""

import os
import pwd
import re
import signal
import statistics
import time
from datetime import datetime

from rig import children
from rig.edges import assert_edges, assert_phases, edges, quick, wait_failures
from rig.patience import patient, until
from rig.postgres import SUPERUSER

# Only the socket tells: no check is due for hours.
QUIET = {"ping_interval": "2h", "login_interval": "2h", "fresh_for": "3h"}


def backend(cluster) -> int:
    """The server process of the one session that pgwaked holds."""
    return until(lambda: len(found := cluster.backends("pgwaked")) == 1 and found, 5, "one session of pgwaked's")[0]


def grown_up(cursor, last: int) -> int | None:
    """The session's server process, another than the last one, which may still be ending, when it stands longer than QUICK's
    retry_interval (50 ms) and jitter."""
    cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwaked' AND state = 'idle' AND pid <> %s"
                   " AND clock_timestamp() - state_change > '60 ms'", (last,))
    rows = cursor.fetchall()
    return rows[0][0] if rows else None


def test_a_cut_is_told_at_once_and_followed_by_a_login_in_the_same_instant(cluster, make_daemon, stall):
    rounds = 50
    daemon = make_daemon([quick("main", cluster.conninfo(), **QUIET)]).start()
    first = daemon.wait_state("main", "awake")
    told, back, pid = [], [], 0
    admin = cluster.connect(SUPERUSER, host=str(cluster.socket_dir))
    with daemon.stream("main") as stream, admin.cursor() as cursor:
        for number in range(1, rounds + 1):
            seen = len(stream.events)
            pid = until(lambda last=pid: grown_up(cursor, last), 5, "a session older than retry_interval")
            at = time.monotonic_ns() // 1000
            cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
            cut = stream.wait(lambda event: event.data["state"] == "unknown", since=seen)
            awake = stream.wait(lambda event: event.data["state"] == "awake", since=seen)
            assert cut.data["reason"] == "session.cut"
            assert cut.data["generation"] == awake.data["generation"] == first["generation"] + number
            told.append((cut.monotonic_usec - at) / 1000)
            back.append((awake.monotonic_usec - cut.monotonic_usec) / 1000)
    admin.close()
    print(f"{rounds} cuts: told {statistics.median(told):.1f} ms after pg_terminate_backend was called (median; worst "
          f"{max(told):.1f} ms), awake again {statistics.median(back):.1f} ms later (worst {max(back):.1f} ms)")
    assert statistics.median(told) < 1000 * stall.late(0.25) and statistics.median(back) < 1000 * stall.late(1)
    assert edges(daemon, "main") == ["awake"] + ["unknown/session.cut", "awake"] * rounds
    status = daemon.status("main")
    assert status["failures"]["by_reason"] == {"session.cut": rounds}
    assert status["wakes"]["count"] == 0


def test_a_cut_inside_tls_is_told_with_its_words_too(make_cluster, make_daemon, ca):
    cluster = make_cluster()
    cluster.enable_ssl(ca.issue())
    cluster.start()
    daemon = make_daemon([quick("main", cluster.conninfo(sslmode="verify-full", sslrootcert=ca.cert), **QUIET)]).start()
    daemon.wait_state("main", "awake")
    cluster.terminate_backends("pgwaked")
    wait_failures(daemon, "main", "session.cut", 1)
    until(lambda: len(edges(daemon, "main")) == 3, 5, "it is awake again")
    assert_edges(daemon, "main", "awake", "unknown/session.cut", "awake")
    cluster.kill9(grace=0)
    daemon.wait_state("main", "down")
    assert daemon.status("main")["failures"]["by_reason"]["session.lost"] == 1


def test_a_server_that_lets_in_and_cuts_is_asked_in_the_rhythm_of_retries(make_cluster, make_daemon):
    """The first login after a cut comes at once; those after a cut that came as soon as the last one do not."""
    cluster = make_cluster()
    cluster.start()
    cluster.sql("ALTER ROLE app SET idle_session_timeout = '20ms'")
    daemon = make_daemon([quick("main", cluster.conninfo(), **{**QUIET, "retry_interval": "200ms"})]).start()
    wait_failures(daemon, "main", "session.cut", 6)
    daemon.stop()
    told = daemon.log_entries(database="main")
    cuts = [entry for entry in told if entry.get("reason") == "session.cut"]
    assert all("idle-session timeout" in entry["detail"] and entry["sqlstate"] == "57P05" for entry in cuts)
    logins = [datetime.fromisoformat(entry["time"]) for entry in told if entry["state"] == "awake"]
    gaps = [(b - a).total_seconds() for a, b in zip(logins, logins[1:])]
    assert min(gaps[1:]) > 0.15, gaps


def test_a_restart_that_nobody_saw_grows_the_generation(cluster, make_daemon):
    """Behind a pooler the session may stand while the server behind it is another: the start time tells. Here the old one's
    last words are a cut, and the new one's start time counts once more."""
    daemon = make_daemon([quick("main", cluster.conninfo())]).start()
    before = daemon.wait_state("main", "awake")
    cluster.restart()
    until(lambda: cluster.backends("pgwaked"), 10, "pgwaked is back")
    after = daemon.wait_state("main", "awake")
    assert after["generation"] >= before["generation"] + 2
    assert after["server"]["started_at"] > before["server"]["started_at"]
    assert after["session"]["since"] > before["session"]["since"]


def test_a_ping_that_is_not_answered_is_unknown_until_a_login_is(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(sslmode="disable"), attempt_timeout="2s", login_interval="1h")]).start()
    daemon.wait_state("main", "awake")
    hung = backend(cluster)
    children.stop(hung)
    try:
        status = wait_failures(daemon, "main", "query.timeout", 1)
        daemon.wait_state("main", "awake")
        assert_edges(daemon, "main", "awake", "unknown/query.timeout", "awake")
        assert status["failures"]["by_reason"] == {"query.timeout": 1}
        until(lambda: [pid for pid in cluster.backends("pgwaked") if pid != hung], 5, "a session of its own beside the hung one")
    finally:
        children.send(hung, signal.SIGCONT)
    until(lambda: hung not in cluster.backends("pgwaked"), 10, "the hung backend finds its client gone")
    assert backend(cluster) != hung


def test_a_ping_that_is_answered_by_an_error_keeps_the_session(cluster, make_daemon):
    cluster.sql("CREATE TABLE divisor AS SELECT 1 AS n; GRANT SELECT ON divisor TO app", dbname="app")
    daemon = make_daemon([quick("main", cluster.conninfo(), ping_interval="50ms", login_interval="1h", fall=1,
                                expect={"query": "SELECT 1 / n FROM divisor"})]).start()
    before = daemon.wait_state("main", "awake")
    pid = backend(cluster)
    cluster.sql("UPDATE divisor SET n = 0", dbname="app")
    assert daemon.wait_state("main", "down")["reason"] == "query.failed"
    after = wait_failures(daemon, "main", "query.failed", 6)
    assert after["session"] == before["session"] and after["generation"] == before["generation"]
    assert set(after["failures"]["by_reason"]) == {"query.failed"} and after["last_attempt"]["sqlstate"] == "22012"
    assert pid in cluster.backends("pgwaked")
    cluster.sql("UPDATE divisor SET n = 1", dbname="app")
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "awake", "[unknown/query.failed]", "down/query.failed", "awake")


def test_a_login_beside_the_session_becomes_the_session_and_there_is_never_a_third(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(), login_interval="50ms")]).start()
    daemon.wait_state("main", "awake")
    seen: set[int] = set()

    def count() -> int:
        now = cluster.backends("pgwaked")
        assert len(now) <= 2, now
        seen.update(now)
        return len(seen)

    until(lambda: count() >= 8, 20, "logins came and went")
    assert edges(daemon, "main") == ["awake"]
    assert daemon.status("main")["generation"] == 0


# Reload


def test_a_reload_keeps_the_session_and_the_counts_of_what_did_not_change(cluster, make_daemon):
    main = quick("main", cluster.conninfo(), **QUIET)
    other = quick("other", cluster.conninfo(dbname="postgres"), **QUIET)
    daemon = make_daemon([main, other]).start()
    daemon.wait_state("main", "awake")
    daemon.wait_state("other", "awake")
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgwaked' AND datname = 'app'")
    wait_failures(daemon, "main", "session.cut", 1)
    before = daemon.wait_state("main", "awake")

    def sessions() -> dict[str, int]:
        return dict(cluster.sql("SELECT datname, pid FROM pg_stat_activity WHERE application_name = 'pgwaked'"))

    held = until(lambda: len(found := sessions()) == 2 and found, 5, "two sessions")
    third = quick("third", cluster.conninfo(dbname="template1"), **QUIET)

    elsewhere = quick("other", f"{cluster.conninfo(dbname='postgres')} keepalives_idle=20", **QUIET)
    daemon.configure([main, elsewhere, third])  # unchanged, changed, added
    answer = daemon.reload()
    assert answer.status == 200, answer.text
    daemon.wait_state("third", "awake")
    daemon.wait_state("other", "awake")
    now = until(lambda: len(found := sessions()) == 3 and found, 5, "three sessions")
    assert now["app"] == held["app"] and now["postgres"] != held["postgres"]
    after = daemon.status("main")
    for key in ("since", "session", "generation", "failures", "server", "last_attempt"):
        assert after[key] == before[key], key

    mark = len(daemon.notify.notes)
    daemon.configure([main])  # the others are removed
    daemon.signal(signal.SIGHUP)
    daemon.notify.wait("RELOADING", "1", after=mark)
    daemon.notify.wait("READY", "1", after=mark)
    until(lambda: sessions() == {"app": held["app"]}, 5, "the removed databases' sessions end")
    assert daemon.get("/status/other").status == 404
    assert daemon.status("main")["session"] == before["session"]
    assert edges(daemon, "main") == ["awake", "unknown/session.cut", "awake"]


def test_a_bad_file_changes_nothing(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(), **QUIET)]).start()
    before = daemon.wait_state("main", "awake")
    held = backend(cluster)
    daemon.configure([quick("main", cluster.conninfo(), ping_intervall="1s")])
    answer = daemon.reload()
    assert answer.status >= 400 and "ping_interval" in answer.text
    assert backend(cluster) == held and daemon.status("main")["since"] == before["since"]
    done = daemon.pgwake("reload")
    assert done.returncode != 0 and "ping_intervall" in done.stdout + done.stderr


# What is asked, and how it ends


def statements(cluster) -> dict[int, list[str]]:
    """Statements of pgwaked's sessions in the server's log, by the pid of the server process."""
    found: dict[int, list[str]] = {}
    for pid, text in re.findall(r"\[(\d+)\] pgwaked LOG:  (?:statement|execute [^:]*): (.*)", cluster.log_text()):
        found.setdefault(int(pid), []).append(text)
    return found


def connections(cluster) -> list[int]:
    return [int(pid) for pid in re.findall(r"\[(\d+)\] .*LOG:  connection authorized: .*application_name=pgwaked", cluster.log_text())]


def test_a_check_is_one_statement(make_cluster, make_daemon):
    cluster = make_cluster(log_statement="all", log_connections="on")
    cluster.start()
    logins = quick("logins", cluster.conninfo(), login_interval="50ms", ping_interval="1h")
    daemon = make_daemon([logins]).start()
    until(lambda: len(statements(cluster)) >= 12, 20, "twelve logins")
    daemon.stop()
    asked = statements(cluster)
    assert set(asked) <= set(connections(cluster))
    assert all(len(each) == 1 for each in asked.values()), asked
    assert len({each[0] for each in asked.values()}) == 1

    pings = quick("pings", cluster.conninfo(), login_interval="1h", ping_interval="50ms")
    daemon.configure([pings])
    daemon.start()
    until(lambda: max(map(len, statements(cluster).values())) >= 12, 20, "twelve pings")
    daemon.stop()
    session = {pid: each for pid, each in statements(cluster).items() if pid not in asked}
    assert len(session) == 1  # one session for all
    texts = {text for each in statements(cluster).values() for text in each}
    assert len(texts) == 1 and "pg_postmaster_start_time" in texts.pop()


def test_status_knows_the_server_by_its_own_word(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo())]).start()
    server = daemon.wait_state("main", "awake")["server"]
    rows = cluster.sql("SELECT current_setting('server_version'), to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC',"
                       " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    assert server["version"] == rows[0][0].split()[0]
    assert server["started_at"] == rows[0][1]
    assert server["in_recovery"] is False


def test_sigterm_ends_every_session_cleanly(make_cluster, make_daemon):
    cluster = make_cluster(log_disconnections="on", log_connections="on")
    cluster.start()
    daemon = make_daemon([quick(f"db{number}", cluster.conninfo(), login_interval="60ms", ping_interval="20ms")
                          for number in range(5)]).start()
    for number in range(5):
        daemon.wait_state(f"db{number}", "awake")
    until(lambda: len(connections(cluster)) >= 20, 20, "twenty logins")
    code, seconds = daemon.stop()
    print(f"SIGTERM to the end: {1000 * seconds:.0f} ms")
    assert code == 0 and seconds < patient(1)
    until(lambda: not cluster.backends("pgwaked"), 5, "no session is left")
    log = cluster.log_text()
    for complaint in ("unexpected EOF", "Connection reset", "connection to client lost", "incomplete startup packet"):
        assert complaint not in log, [line for line in log.splitlines() if complaint in line]


def test_a_unix_socket_with_peer_authentication(make_cluster, make_daemon):
    me = pwd.getpwuid(os.geteuid()).pw_name
    cluster = make_cluster(hba="peer")
    cluster.start()
    if me != SUPERUSER:
        cluster.create_app(me, None, None)
    where = {"password": None, "host": str(cluster.socket_dir)}
    daemon = make_daemon([quick("mine", cluster.conninfo(user=me, dbname="postgres", **where), ping_interval="1h"),
                          quick("wrong", cluster.conninfo(user="app", **where)),
                          quick("required", cluster.conninfo(user=me, dbname="postgres", requirepeer="nobody", **where))]).start()
    status = daemon.wait_state("mine", "awake")
    assert_phases(status, "connect", "auth", "query")
    assert status["endpoint"].startswith(str(cluster.socket_dir))
    status = daemon.wait_state("wrong", "blocked")
    assert status["reason"] == "auth.rejected" and status["last_attempt"]["sqlstate"] == "28000"
    status = daemon.wait_state("required", "blocked")
    assert status["reason"] == "tls.verify"
    cluster.terminate_backends("pgwaked")
    wait_failures(daemon, "mine", "session.cut", 1)
    daemon.wait_state("mine", "awake")
    assert_edges(daemon, "mine", "awake", "unknown/session.cut", "awake")
