"""The napping PostgreSQL sleeps, wakes and tells the truth about both."""

import socket
import subprocess
import threading
import time

import psycopg2
import pytest

from rig import children, wire
from rig.patience import until
from rig.sessions import last_words


def log_in_and_out(nap) -> None:
    nap.connect().close()


def test_a_door_check_is_answered_and_wakes_nothing(make_nap):
    nap = make_nap()
    for count in (1, 2, 3):
        with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
            nap.connect(password=None, application_name="pgwaked")
        assert nap.truth.wait("door", count=count)["application"] == "pgwaked"
    assert nap.status() == {"state": "asleep", "wakes": 0, "doors": 3, "sessions": 0}
    assert not nap.truth.of("wake_begin") and not children.children_of(nap.process.pid)


def test_a_login_wakes_it_and_is_a_real_session(make_nap):
    nap = make_nap(wake_delay=0.3)
    begun = time.monotonic()
    connection = nap.connect()
    took = time.monotonic() - begun
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_database(), version(), pg_postmaster_start_time()")
        user, database, version, _ = cursor.fetchone()
        assert (user, database) == ("app", "app") and version.startswith("PostgreSQL ")
        cursor.execute("SELECT repeat('x', 3000000)")
        assert len(cursor.fetchone()[0]) == 3000000
    connection.close()
    closed = nap.truth.wait("session_close")
    assert closed["by"] == "client" and closed["terminated"] is True
    begin, started = nap.truth.of("wake_begin")[0], nap.truth.of("started")[0]
    measured = (started["monotonic_usec"] - begin["monotonic_usec"]) / 1e6
    assert 0.3 < measured < took
    assert started["took_usec"] == pytest.approx(measured * 1e6, abs=5000)
    assert abs((started["realtime_usec"] - begin["realtime_usec"]) / 1e6 - measured) < 0.05


def test_the_started_time_is_when_postgresql_started(make_nap):
    nap = make_nap()
    connection = nap.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM pg_postmaster_start_time())")
        by_postgresql = float(cursor.fetchone()[0])
    started = nap.truth.of("started")[0]["realtime_usec"] / 1e6
    begin = nap.truth.of("wake_begin")[0]["realtime_usec"] / 1e6
    assert begin < by_postgresql < started < begin + 5
    connection.close()


def test_an_idle_session_does_not_keep_it_awake_and_gets_57p01(make_nap):
    nap = make_nap(suspend_after=0.5)
    connection = nap.connect()
    idle = nap.truth.wait("session_idle")
    suspended = nap.truth.wait("suspend_begin")
    assert 0.45 < (suspended["monotonic_usec"] - idle["monotonic_usec"]) / 1e6 < 1.0
    closed = nap.truth.wait("session_close")
    assert (closed["by"], closed["sqlstate"]) == ("server", "57P01")
    assert "administrator command" in last_words(connection)
    nap.truth.wait("suspended")
    assert nap.status()["state"] == "asleep"
    log_in_and_out(nap)
    assert nap.status()["wakes"] == 2


def test_a_query_and_an_open_transaction_keep_it_awake(make_nap):
    nap = make_nap(suspend_after=0.3)
    connection = nap.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT pg_sleep(0.8)")
    cursor.execute("BEGIN")
    with pytest.raises(AssertionError):
        nap.truth.wait("suspend_begin", timeout=0.8)
    cursor.execute("COMMIT")
    nap.truth.wait("suspend_begin")
    connection.close()
    assert len(nap.truth.of("suspend_begin")) == 1


def test_many_logins_at_once_start_it_once(make_nap):
    nap = make_nap(wake_delay=0.2)
    failures = []

    def log_in():
        try:
            log_in_and_out(nap)
        except psycopg2.Error as failure:
            failures.append(failure)

    threads = [threading.Thread(target=log_in) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    nap.truth.wait("session_close", count=12)
    assert len(nap.truth.of("wake_begin")) == len(nap.truth.of("started")) == 1
    assert {each["wake"] for each in nap.truth.of("started")} == {1}


def test_a_wrong_password_gets_postgresqls_own_answer(make_nap):
    with pytest.raises(psycopg2.OperationalError, match='password authentication failed for user "app"'):
        make_nap().connect(password="wrong")


def test_psql_and_tls_requests_are_served_as_a_plain_server_does(make_nap):
    nap = make_nap()
    with pytest.raises(psycopg2.OperationalError, match="server does not support SSL"):
        nap.connect(sslmode="require")
    done = subprocess.run(["psql", nap.uri(), "-AtXc", "SELECT 6 * 7"], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"


def test_a_cancel_request_is_passed_on(make_nap):
    nap = make_nap()
    connection = nap.connect()
    timer = threading.Timer(0.3, connection.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        connection.cursor().execute("SELECT pg_sleep(20)")
    assert nap.truth.wait("cancel")["passed"] is True
    connection.close()


def test_refuse_refuses_and_ends(make_nap):
    nap = make_nap(refuse=True)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((nap.host, nap.port), 2)
        nap.command("refuse off")
        log_in_and_out(nap)
        nap.command("refuse on")


def test_hang_answers_nothing_until_it_ends(make_nap):
    nap = make_nap(suspend_after=60)
    held = nap.connect()
    nap.command("hang on")
    with socket.create_connection((nap.host, nap.port), 0.3) as raw:
        raw.sendall(wire.ssl_request())
        with pytest.raises(TimeoutError):
            raw.recv(1)
        nap.command("hang off")
        raw.settimeout(5)
        assert raw.recv(1) == b"N"
    held.cursor().execute("SELECT 1")
    held.close()


def test_an_error_can_be_ordered_and_wakes_nothing(make_nap):
    nap = make_nap()
    nap.command("error ERROR XX000 Control plane request failed")
    with pytest.raises(psycopg2.OperationalError, match="ERROR:  Control plane request failed"):
        nap.connect()
    assert nap.status()["wakes"] == 0
    nap.command("error off")
    log_in_and_out(nap)
    with pytest.raises(RuntimeError, match="unknown command"):
        nap.command("dance")


def test_suspend_now_and_wake_now_obey_at_once(make_nap):
    nap = make_nap(suspend_after=60)
    nap.command("wake now")
    assert nap.truth.wait("started") and nap.status()["state"] == "awake"
    nap.command("suspend now")
    assert nap.truth.wait("suspended")["cause"] == "command" and nap.status()["state"] == "asleep"


def test_a_login_during_a_suspend_wakes_it_again(make_nap):
    nap = make_nap(suspend_after=0.2)
    for _ in range(5):
        mark = nap.truth.mark()
        log_in_and_out(nap)
        nap.truth.wait("suspend_begin", since=mark)
    log_in_and_out(nap)
    begins, ends = nap.truth.of("suspend_begin"), nap.truth.of("suspended")
    assert len(ends) >= len(begins) - 1 and nap.status()["wakes"] == len(nap.truth.of("started"))


def test_a_client_that_leaves_during_the_wake_opens_no_session(make_nap):
    nap = make_nap(wake_delay=0.5, suspend_after=0.3)
    raw = socket.create_connection((nap.host, nap.port), 5)
    raw.sendall(wire.startup(user="app", database="app"))
    raw.recv(4096)
    raw.sendall(wire.sasl_initial_response(wire.SCRAM, b"n,,n=,r=abcdefghijklmnopqr"))
    nap.truth.wait("wake_begin")
    raw.close()
    nap.truth.wait("left")
    nap.truth.wait("suspended")
    assert not nap.truth.of("session_open")


def test_it_says_when_its_postgresql_dies_by_itself(make_nap):
    nap = make_nap(suspend_after=60)
    nap.command("wake now")
    children.send(nap.truth.wait("started")["pid"], 9)
    assert nap.truth.wait("crashed")["exit_code"] == -9
    log_in_and_out(nap)


def test_sigterm_ends_it_awake_or_asleep_and_leaves_nothing(make_nap, tmp):
    nap = make_nap(log=tmp / "truth.jsonl", data=tmp / "kept", name="first")
    connection = nap.connect()
    postmaster = nap.truth.of("started")[0]["pid"]
    assert nap.stop() == 0
    until(lambda: not children.send(postmaster, 0), 2, "its PostgreSQL is gone")
    assert "administrator command" in last_words(connection)
    assert [each["event"] for each in nap.truth.events] == [
        line.split('"')[3] for line in (tmp / "truth.jsonl").read_text().splitlines()]
    again = make_nap(data=tmp / "kept", name="again")
    log_in_and_out(again)
