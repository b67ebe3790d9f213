"""The private cluster does to itself what it is asked to do."""

import os
import signal
import socket
import time
from pathlib import Path

import psycopg2
import pytest

from rig import children, wire
from rig.patience import until
from rig.sessions import last_words


def first_answer(cluster, timeout=5.0) -> tuple[bytes, dict]:
    """What a raw login is answered with: the type of the first message, and its fields when it is an error."""
    with socket.create_connection((cluster.host, cluster.port), timeout) as raw:
        raw.sendall(wire.startup(user="app", database="app"))
        data = b""
        while piece := raw.recv(4096):
            data += piece
            messages, _ = wire.split(data)
            if messages:
                kind, payload = messages[0]
                return kind, wire.parse_report(payload) if kind == b"E" else {}
    return b"", {}


def refusal(cluster, text: str) -> dict:
    """Waits until logins are answered with an error that says `text`, and returns its fields."""

    def look():
        try:
            kind, fields = first_answer(cluster)
        except OSError:
            return None
        return fields if kind == b"E" and text in fields["M"] else None

    return until(look, 10, f"a login is answered {text!r}")


def test_a_started_cluster_serves_its_app_over_tcp_and_the_superuser_over_its_socket(cluster):
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        cluster.connect(password="wrong", dbname="app")
    connection = cluster.connect(password="secret", dbname="app")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("app",)
    connection.close()
    assert cluster.sql("SELECT current_user, %s::int + 1", 41) == [("postgres", 42)]


def test_stop_leaves_no_process_and_restart_begins_anew(cluster):
    started = cluster.sql("SELECT pg_postmaster_start_time()")
    family = [cluster.pid, *children.children_of(cluster.pid)]
    cluster.stop()
    assert not cluster.running and not any(children.children_of(pid) for pid in family)
    with pytest.raises(ConnectionRefusedError):
        first_answer(cluster)
    cluster.start()
    assert cluster.sql("SELECT pg_postmaster_start_time()") > started


def test_accepting_at_is_when_it_accepts(make_cluster):
    before = time.monotonic_ns() // 1000
    cluster = make_cluster().start()
    assert before < cluster.accepting_at_usec[1] <= time.monotonic_ns() // 1000
    assert first_answer(cluster)[0] == b"R"


@pytest.mark.parametrize("grace", [0, 5])
def test_kill9_ends_the_postmaster_and_every_orphan(cluster, grace):
    held = cluster.connect(password="secret", dbname="app")
    family = children.children_of(cluster.pid)
    cluster.kill9(grace)
    assert cluster.process.returncode == -signal.SIGKILL
    assert not [pid for pid in family if os.path.exists(f"/proc/{pid}/exe")]
    assert ("unexpected postmaster exit" in last_words(held)) == (grace > 0)
    cluster.start()  # recovers


def test_a_stopped_postmaster_accepts_and_never_answers_until_it_continues(cluster):
    held = cluster.connect(password="secret", dbname="app")
    cluster.sigstop(backends=False)
    with pytest.raises(TimeoutError):
        first_answer(cluster, 0.3)
    held.cursor().execute("SELECT 1")
    cluster.sigstop()
    states = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
              for pid in [cluster.pid, *children.children_of(cluster.pid)]]
    assert set(states) == {"T"}
    cluster.sigcont()
    held.cursor().execute("SELECT 1")
    assert first_answer(cluster)[0] == b"R"
    held.close()


@pytest.mark.parametrize("kind, text", [
    ("starting", "the database system is starting up"),
    ("refusing", "the database system is not accepting connections"),
    ("recovering", "the database system is not yet accepting connections"),
])
def test_a_standby_answers_57p03_and_stays_so(make_cluster, kind, text):
    cluster = make_cluster()
    cluster.become_standby(kind)
    cluster.start(wait=False)
    assert refusal(cluster, text)["C"] == "57P03"
    for _ in range(20):
        assert first_answer(cluster)[1]["M"] == text


def test_a_starting_standby_can_be_released(make_cluster):
    cluster = make_cluster()
    cluster.become_standby("starting")
    cluster.start(wait=False)
    refusal(cluster, "starting up")
    cluster.release()
    until(lambda: first_answer(cluster)[0] == b"R", 10, "the released cluster accepts")
    # A hot standby accepts readers a moment before it is promoted.
    until(lambda: cluster.sql("SELECT pg_is_in_recovery()") == [(False,)], 10, "the released cluster is no standby any more")


def test_a_hot_standby_is_in_recovery(cluster):
    cluster.stop()
    cluster.become_standby("hot")
    cluster.start()
    assert cluster.sql("SELECT pg_is_in_recovery()") == [(True,)]


def test_a_smart_stop_with_an_open_session_answers_shutting_down(cluster):
    held = cluster.connect(password="secret", dbname="app")
    cluster.stop("smart", wait=False)
    assert refusal(cluster, "the database system is shutting down")["C"] == "57P03"
    held.close()
    assert cluster.wait_stopped() == 0


def test_a_crash_cuts_sessions_with_57p02_and_can_be_held_in_recovery(cluster):
    held = cluster.connect(password="secret", dbname="app", application_name="held")
    cluster.wait_idle("held")
    cluster.crash(hold=True)
    assert refusal(cluster, "in recovery mode")["C"] == "57P03"
    assert "crash of another server process" in last_words(held)


def test_a_filled_cluster_answers_53300(cluster):
    with cluster.filled():
        with pytest.raises(psycopg2.OperationalError, match="slots are reserved"):
            cluster.connect(password="secret", dbname="app")
    with cluster.filled(leave=1):
        cluster.connect(password="secret", dbname="app").close()


def test_terminate_backends_ends_only_the_named_application(cluster):
    named = cluster.connect(password="secret", dbname="app", application_name="pgwaked")
    other = cluster.connect(password="secret", dbname="app", application_name="other")
    assert cluster.terminate_backends("pgwaked") == [named.info.backend_pid]
    assert "administrator command" in last_words(named)
    other.cursor().execute("SELECT 1")
    other.close()


def test_hba_and_settings_change_while_it_runs(cluster):
    cluster.set_hba("trust")
    cluster.connect(dbname="app").close()
    cluster.set_hba(["host all all 127.0.0.1/32 reject"])
    with pytest.raises(psycopg2.OperationalError, match="pg_hba.conf rejects"):
        cluster.connect(dbname="app")
    cluster.set(work_mem="5MB")
    assert cluster.sql("SHOW work_mem") == [("5MB",)]


def test_tls_verifies_with_the_right_ca_and_name_only(cluster, ca, wrong_ca):
    cluster.enable_ssl(ca.issue(("localhost",), ()))
    login = {"password": "secret", "dbname": "app", "sslmode": "verify-full", "channel_binding": "require"}
    connection = cluster.connect(host="localhost", hostaddr="127.0.0.1", sslrootcert=ca.cert, **login)
    assert connection.info.ssl_in_use
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        cluster.connect(host="localhost", hostaddr="127.0.0.1", sslrootcert=wrong_ca.cert, **login)
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        cluster.connect(host="db.example", hostaddr="127.0.0.1", sslrootcert=ca.cert, **login)


def test_client_certificates_log_in_by_their_name(cluster, ca):
    cluster.enable_ssl(ca.issue(), ca=ca.cert)
    cluster.set_hba("cert")
    client = ca.issue_client("app")
    client.key.chmod(0o600)
    with_certificate = {"dbname": "app", "sslmode": "require", "sslcert": client.cert, "sslkey": client.key}
    cluster.connect(**with_certificate).close()
    with pytest.raises(psycopg2.OperationalError, match="certificate"):
        cluster.connect(dbname="app", sslmode="require", sslcert="", sslkey="")


def test_an_expired_certificate_can_be_made(cluster, ca):
    cluster.enable_ssl(ca.issue(days=-1))
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        cluster.connect(password="secret", dbname="app", sslmode="verify-ca", sslrootcert=ca.cert)
