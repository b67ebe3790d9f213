"""GET /history/NAME: what happened, in rows and summed up, against what the daemon and the database say of the same."""

import csv
import io
import shutil
import socket
import sqlite3
import statistics
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from rig import children
from rig.build import figure, sanitized
from rig.daemon import Daemon
from rig.edges import quick
from rig.exact import Wire
from rig.folder import make_folder, remove_folder
from rig.patience import Stall, patient, until
from rig.ports import Port
from rig.process import rss_anon_kb
from rig.rawhttp import connect, get, read_to_end

SLOW = "200ms"
VERSION_1 = Path(__file__).with_name("history-version-1.sql")
YEAR = 365 * 86400 * 10**6
MANY = 10**6


@pytest.fixture(name="nap")
def napping_database(make_nap):
    return make_nap(suspend_after=60, wake_delay=0.5)


def refused(port, **more):
    return quick("gone", f"host=127.0.0.1 port={port} user=app dbname=app", **more)


def ask(daemon, name, kind, socket_name="control", **arguments):
    given = "".join(f"&{key}={value}" for key, value in arguments.items())
    return daemon.get(f"/history/{name}?kind={kind}{given}", socket_name, timeout=30)


def rows(daemon, name, kind, **arguments):
    answer = ask(daemon, name, kind, **arguments)
    assert answer.status == 200, answer.text
    assert answer.json["name"] == name and answer.json["kind"] == kind
    return answer.json["rows"]


def report(daemon, name, **arguments):
    answer = ask(daemon, name, "report", **arguments)
    assert answer.status == 200, answer.text
    return answer.json["report"]


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_rows(daemon, name, kind, look, **arguments):
    return until(lambda: look(found := rows(daemon, name, kind, **arguments)) and found, 20, f"the {kind} of {name} are told")


def fill(path, sql):
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        connection.executescript(sql)


def test_each_wake_and_each_state_has_a_row(make_daemon, nap):
    daemon = make_daemon([quick("main", nap.conninfo(), slow=SLOW)]).start()
    until(lambda: daemon.status("main")["wakes"]["count"] == 1, 20, "it wakes")
    nap.command("suspend now")
    until(lambda: daemon.status("main")["wakes"]["count"] == 2, 20, "it wakes again")
    status = daemon.status("main")
    first, second = wait_rows(daemon, "main", "wakes", lambda found: len(found) == 2)
    assert {first["cause"], second["cause"]} <= {"start", "interval"} and second["at"] == status["wakes"]["last"]["at"]
    for wake in (first, second):
        assert wake["cold"] is True and wake["attempts"] >= 1
        assert list(wake["phases"]) == ["resolve", "connect", "tls", "auth", "query"] and wake["phases"]["resolve"] is None
        assert 0.4 < wake["phases"]["auth"] <= wake["latency_seconds"] and wake["phases"]["query"] > 0
    assert second["latency_seconds"] == status["wakes"]["last"]["latency_seconds"] >= 0.45
    states = wait_rows(daemon, "main", "states", lambda found: found and found[-1]["state"] == "awake" and found[-1]["at"] >= status["since"])
    for before, after in zip(states, states[1:]):
        assert before["at"] <= after["at"] and before["state"] == after["previous"]
    cut = [state for state in states if state["reason"] and state["reason"].startswith(("session.", "server."))]
    assert cut, states
    assert all("detail" in state for state in states)
    assert not any("detail" in state for state in ask(daemon, "main", "states", "status").json["rows"])
    events = [event for event in daemon.get("/events?follow=0&db=main").text.splitlines() if event.startswith("event: state")]
    assert len(events) == len(states)


def test_hours_add_up_to_the_counters_also_after_a_kill(make_daemon, nap):
    with Port() as port:
        databases = [quick("main", nap.conninfo(), slow=SLOW), refused(port.number)]
        daemon = make_daemon(databases).start()
        until(lambda: daemon.status("main")["wakes"]["count"] == 1, 20, "it wakes")
        begun = time.monotonic()
        until(lambda: time.monotonic() > begun + 2.5, 10, "it is in the file", every=0.1)
        daemon.kill9()
        daemon.start()
        until(lambda: daemon.status("gone")["failures"]["total"] >= 20, 20, "failures")
        for name in ("main", "gone"):
            assert daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
        status, gone = daemon.status("main"), daemon.status("gone")

        def add_up(name):
            hours = rows(daemon, name, "hours")
            return {kind: sum(hour["attempts"].get(kind, {}).get("ok", 0) for hour in hours) for kind in ("login", "ping")}, \
                sum(sum(hour["failures"].values()) for hour in hours), sum(hour["awake_seconds"] for hour in hours), \
                sum(sum(hour["wakes"].values()) for hour in hours), sum(hour["phases"].get("query", {}).get("count", 0) for hour in hours)

        until(lambda: add_up("gone")[1] == gone["failures"]["total"], 10, "all failures are told")
        until(lambda: add_up("main")[2] == pytest.approx(status["awake_seconds"], abs=0.02), 10, "the awake time is told")
    ok, failures, _, wakes, queries = add_up("main")
    assert failures == status["failures"]["total"] and wakes == status["wakes"]["count"] == 1
    assert ok["login"] >= 1 and ok["ping"] >= 5
    # What answered had a query, and nothing else.
    assert queries == ok["login"] + ok["ping"]
    assert sum(hour["awake_on_our_demand_seconds"] for hour in rows(daemon, "main", "hours")) > 0


def test_an_open_outage_survives_a_restart_and_a_pause_ends_it(make_daemon):
    with Port() as port:
        daemon = make_daemon([refused(port.number)]).start()
        daemon.wait_state("gone", "down")
        outage, = wait_rows(daemon, "gone", "outages", lambda found: len(found) == 1)
        assert outage["to"] is None and outage["state"] == "down" and outage["reason"] == "tcp.refused" and outage["seconds"] >= 0
        for end in (daemon.kill9, daemon.stop):
            end()
            daemon.start()
            daemon.wait_state("gone", "down")
            again, = rows(daemon, "gone", "outages")
            assert again["from"] == outage["from"] and again["to"] is None and again["seconds"] > outage["seconds"]
            # The second start is told too, but it begins nothing.
            wait_rows(daemon, "gone", "states", lambda found: [each["state"] for each in found].count("down") >= 2)
            assert len(rows(daemon, "gone", "outages")) == 1
        assert daemon.get("/pause/gone?for=1h", method="POST").status == 200
        over, = wait_rows(daemon, "gone", "outages", lambda found: found[0]["to"])
        assert over["seconds"] == pytest.approx(moment(over["to"]) - moment(over["from"]), abs=0.001)
        states = rows(daemon, "gone", "states")
        assert states[-1]["reason"] == "paused" and states[-1]["at"] == over["to"]
        summed = report(daemon, "gone")
        assert summed["availability"] == 0 and summed["outages"] == [{"reason": "tcp.refused", "count": 1, "seconds": over["seconds"]}]
        # While no daemon ran and while it is paused nothing is known.
        assert summed["seconds"] < over["seconds"] and summed["states_seconds"]["unknown"] > 0
        assert summed["timeline"][-1]["reason"] == "paused"


def test_a_database_that_is_watched_no_longer_is_remembered(make_daemon):
    with Port() as port:
        daemon = make_daemon([refused(port.number)]).start()
        daemon.wait_state("gone", "down")
        daemon.configure([])
        assert daemon.reload(remove_all=True).status == 200
        outage, = wait_rows(daemon, "gone", "outages", lambda found: found and found[0]["to"])
        assert outage["reason"] == "tcp.refused"
        assert report(daemon, "gone")["timeline"][-1]["state"] == "unknown"
        answer = ask(daemon, "gnoe", "states")
        assert answer.status == 404 and answer.json["error"] == "unknown_database"
        # One that is not removed but left out while no daemon ran: its outage lasts until something was last known of it.
        daemon.configure([refused(port.number)])
        assert daemon.reload().status == 200
        daemon.wait_state("gone", "down")
        wait_rows(daemon, "gone", "outages", lambda found: len(found) == 2)
        daemon.stop()
        daemon.configure([])
        daemon.start()
        assert rows(daemon, "gone", "outages")[1]["to"] is not None


def test_csv_has_the_same_values(make_daemon, nap):
    daemon = make_daemon([quick("main", nap.conninfo(), slow=SLOW)]).start()
    until(lambda: daemon.status("main")["wakes"]["count"] == 1, 20, "it wakes")
    wait_rows(daemon, "main", "wakes", lambda found: len(found) == 1)
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    wait_rows(daemon, "main", "states", lambda found: found[-1]["reason"] == "paused")

    def flat(row, prefix=""):
        for key, value in row.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            elif value is not None:
                yield prefix + key, value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else float(value)

    for kind in ("wakes", "states", "outages", "hours"):
        told = rows(daemon, "main", kind)
        answer = ask(daemon, "main", kind, format="csv")
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/csv")
        assert answer.text.endswith("\r\n") and "\n" not in answer.text.replace("\r\n", "")
        header, *lines = csv.reader(io.StringIO(answer.text, newline=""), strict=True)
        assert len(set(header)) == len(header) > 4 and len(lines) == len(told)
        for line, row in zip(lines, told):
            assert len(line) == len(header)
            values = dict(zip(header, line))
            for key, value in flat(row):
                assert (float(values[key]) if isinstance(value, float) else values[key]) == value, key


def test_what_servers_say_is_quoted_in_csv(make_daemon):
    daemon = make_daemon().start()
    daemon.stop()
    fill(daemon.history_path, "INSERT INTO database (name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
         " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec) VALUES ('old', 1, 0, 'down', 'ok', 1, 1, 0, 0, 0, 0, 0, 0, 0);"
         "INSERT INTO state SELECT id, 1700000000000000, 0, 'down', 'awake', 'tcp.refused', NULL, 'a \"b\", c' || char(10) || 'd', 1"
         " FROM database")
    daemon.start()
    answer = ask(daemon, "old", "states", format="csv", since="2023-01-01T00:00:00Z")
    assert list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))[1] == \
        ["2023-11-14T22:13:20.000000Z", "down", "awake", "tcp.refused", "", "1", 'a "b", c\nd']


def test_the_newest_rows_are_told_in_their_order_and_that_there_are_more(make_daemon):
    daemon = make_daemon().start()
    daemon.stop()
    fill(daemon.history_path, "INSERT INTO database (name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
         " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec) VALUES ('old', 1, 0, 'down', 'ok', 1, 1, 0, 0, 0, 0, 0, 0, 0);"
         "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
         " INSERT INTO state SELECT id, 1700000000000000 + i / 2 * 1000000, i % 2, 'down', 'awake', 'ok', NULL, NULL, i FROM database, n;"
         "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
         " INSERT INTO outage SELECT id, 1700000000000000 + i * 1000000, 1700000000500000 + i * 1000000, 'down', 'ok' FROM database, n;"
         "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
         " INSERT INTO hour SELECT id, (472222 + i) * 3600000000, 1, 1, '' FROM database, n;")
    daemon.start()
    told = ask(daemon, "old", "states", since="2023-01-01T00:00:00Z", limit=7).json
    assert told["truncated"] is True and [row["generation"] for row in told["rows"]] == list(range(93, 100))
    told = ask(daemon, "old", "states", since="2023-01-01T00:00:00Z", limit=100).json
    assert told["truncated"] is False and [row["generation"] for row in told["rows"]] == list(range(100))
    told = ask(daemon, "old", "states", since="2023-11-14T22:13:21Z", until="2023-11-14T22:13:22Z").json
    assert [row["generation"] for row in told["rows"]] == [2, 3]
    told = ask(daemon, "old", "outages", since="2023-11-14T22:13:21.2Z", until="2023-11-14T22:13:23%2B00:00").json
    assert [row["from"][17:19] for row in told["rows"]] == ["21", "22"], "one that reaches into the time is told"
    for kind in ("outages", "hours"):
        told = ask(daemon, "old", kind, since="2023-01-01T00:00:00Z", limit=3).json
        assert told["truncated"] is True and len(told["rows"]) == 3
        assert not ask(daemon, "old", kind, since="2023-01-01T00:00:00Z", limit=100).json["truncated"]


@pytest.mark.parametrize("target", ["", "?kind=dreams", "?kind=states&since=soon", "?kind=states&since=2026-02-31T00:00:00Z",
                                    "?kind=states&since=2026-11-22T00:00:00", "?kind=states&since=1h&until=2h", "?kind=states&limit=0",
                                    "?kind=states&limit=100001", "?kind=report&format=csv", "?kind=states&format=xml", "?kind=states&db=a"])
def test_what_makes_no_sense_is_refused(make_daemon, target):
    daemon = make_daemon([refused(1)]).start()
    answer = daemon.get(f"/history/gone{target}")
    assert answer.status == 400 and answer.json["error"] == "bad_request" and answer.json["message"]


def test_without_a_history_it_says_so(make_daemon):
    daemon = make_daemon([refused(1)], settings={"history": {"path": ""}}).start()
    answer = ask(daemon, "gone", "states")
    assert answer.status == 503 and answer.json["error"] == "history_off" and "history.path" in answer.json["message"]
    assert daemon.get("/status").json["history"] == {"health": "none", "message": None}


def test_a_file_of_version_1_is_brought_up_and_nothing_is_lost(make_daemon, nap):
    daemon = make_daemon([quick("main", nap.conninfo(), policy="observe")])
    fill(daemon.history_path, VERSION_1.read_text(encoding="utf-8"))
    daemon.start()
    assert daemon.get("/status").json["history"] == {"health": "ok", "message": None}
    status = daemon.status("main")
    assert status["wakes"]["count"] == 2 and status["wakes"]["last"]["latency_seconds"] == 0.829467
    assert rows(daemon, "gone", "states", since="infinity") == []
    with closing(sqlite3.connect(daemon.history_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT value FROM counter JOIN database ON id = database WHERE database.name = 'gone'").fetchall() == [(11,), (11,)]
    # What was counted before is of no hour.
    assert all(not hour["wakes"] for hour in rows(daemon, "main", "hours"))


def test_what_is_old_goes_and_the_state_of_then_stays(make_daemon, cluster):
    daemon = make_daemon([quick("main", cluster.conninfo())], settings={"history": {"keep": "1h"}}).start()
    daemon.wait_state("main", "awake")
    wait_rows(daemon, "main", "states", lambda found: found)
    daemon.stop()
    hours = "CAST(unixepoch() / 3600 AS INTEGER) * 3600000000"
    fill(daemon.history_path, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
         f" INSERT INTO state SELECT id, {hours} - 72000000000 + i * 1000000, 0, 'down', 'awake', 'tcp.refused', NULL, NULL, i FROM database, n;"
         f"INSERT INTO wake SELECT id, {hours} - 72000000000, 0, 1, 'lease', 1, 1, NULL, NULL, NULL, NULL, NULL FROM database;"
         f"INSERT INTO outage SELECT id, {hours} - 72000000000, {hours} - 71000000000, 'down', 'ok' FROM database;"
         f"INSERT INTO hour SELECT id, {hours} - 72000000000, 1, 1, '' FROM database; INSERT INTO run VALUES (1, 2)")
    daemon.start()
    left = wait_rows(daemon, "main", "states", lambda found: sum(each["state"] == "down" for each in found) == 1, since="2d")
    assert left[0]["generation"] == 2999
    for kind in ("wakes", "outages"):
        until(lambda: not rows(daemon, "main", kind, since="2d"), 20, f"the old {kind} are gone")
    assert len(rows(daemon, "main", "hours", since="2d")) <= 2


YEAR_SETTINGS = {"history": {"max_size": "1GB", "keep": "infinity"}}


@pytest.fixture(name="file_of_a_year", scope="module")
def history_of_a_million(run_folder):
    """A file with a million states and wakes and a quarter of it outages of a database `year`: made once, it takes seconds."""
    folder = make_folder(run_folder, "year-")
    daemon = Daemon(folder, [refused(1)], settings=YEAR_SETTINGS).start()
    daemon.close()
    now = time.time_ns() // 1000
    step = YEAR // MANY
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY - 1})"
    fill(daemon.history_path, f"""
        PRAGMA synchronous = OFF; PRAGMA cache_size = -100000;
        INSERT INTO database (id, name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec, wakes_max_usec,
                              awake_usec, awake_ours_usec, month, month_awake_usec)
            VALUES (7, 'year', {now}, 0, 'down', 'tcp.refused', 1, 1, 0, 0, 0, 0, 0, 0, 0);
        DELETE FROM run; INSERT INTO run VALUES ({now - YEAR}, {now});
        CREATE TEMP TABLE cycle (k, state, previous, reason);
        INSERT INTO cycle VALUES (0, 'asleep', 'down', 'session.cut'), (1, 'waking', 'asleep', 'server.starting'), (2, 'awake', 'waking', 'ok'),
            (3, 'down', 'awake', 'tcp.refused');
        {numbers} INSERT INTO state SELECT 7, {now - YEAR} + n.i * {step}, 0, state, previous, reason,
            CASE k WHEN 0 THEN '57P01' END, CASE k WHEN 0 THEN 'terminating connection' END, n.i FROM n CROSS JOIN cycle ON k = n.i % 4;
        {numbers} INSERT INTO wake SELECT 7, {now - YEAR} + i * {step}, 0, 300000 + (i * 7919) % 900000,
            CASE i % 2 WHEN 0 THEN 'lease' ELSE 'interval' END, i % 2, 1, 100, 2000, NULL, 300000, 1000 FROM n;
        {numbers} INSERT INTO outage SELECT 7, {now - YEAR} + i * {step}, {now - YEAR} + (i + 1) * {step}, 'down', 'tcp.refused'
            FROM n WHERE i % 4 = 3;
        {numbers} INSERT INTO hour SELECT 7, ({now - YEAR} / 3600000000 + i) * 3600000000, 1800000000, 900000000,
            'attempts.login.ok=100 failures.tcp.refused=3 phases.connect=1024:6,1088:1 phases.auth=20480:50,40960:12' FROM n WHERE i < 8760;
        """)
    yield daemon.history_path
    remove_folder(folder)


@pytest.fixture(name="year")
def year_of_a_million(make_daemon, file_of_a_year):
    """A daemon with a copy of that file."""
    daemon = make_daemon([refused(1)], settings=YEAR_SETTINGS)
    shutil.copy2(file_of_a_year, daemon.history_path)
    return daemon.start()


def test_a_report_over_a_year_of_a_million_takes_less_than_two_seconds_and_stalls_nobody(year, stall):
    answers, waits = [], []
    asking = threading.Thread(target=lambda: answers.extend(ask(year, "year", "report", since="366d") for _ in range(3)))
    asking.start()
    while asking.is_alive():
        waits.append(year.get("/readyz", "status").seconds)
        time.sleep(0.005)
    asking.join()
    seconds = [answer.seconds for answer in answers]
    print(f"report: {seconds} s; /readyz meanwhile: median {statistics.median(waits):.4f} s, worst {max(waits):.4f} s of {len(waits)}")
    assert min(seconds) < stall.late(2)
    assert statistics.median(waits) < stall.late(0.05) and len(waits) > 10
    summed = answers[0].json["report"]
    assert summed["wakes"]["count"] == MANY and summed["wakes"]["by_cause"] == {"lease": MANY // 2, "interval": MANY // 2}
    assert summed["wakes"]["p50_seconds"] == pytest.approx(0.75, rel=0.04) and summed["wakes"]["max_seconds"] == 1.199999
    assert sum(each["count"] for each in summed["wakes"]["distribution"]) == MANY
    assert summed["availability"] == pytest.approx(0.75, abs=0.001)
    assert summed["states_seconds"]["asleep"] == pytest.approx(YEAR / 4e6, rel=0.001)
    assert summed["outages"] == [{"reason": "tcp.refused", "count": MANY // 4, "seconds": pytest.approx(YEAR / 4e6, rel=0.001)}]
    assert summed["failures"] == {"tcp.refused": 3 * 8760} and summed["awake_seconds"] == 1800 * 8760
    assert summed["phases"]["auth"]["count"] == 62 * 8760 and summed["phases"]["auth"]["p99_seconds"] == pytest.approx(0.042, rel=0.04)
    assert 1 < len(summed["timeline"]) <= 2000
    assert {each["state"] for each in summed["timeline"]} == {"down", "unknown"}, "each slot has its worst"


def test_too_many_questions_are_refused_and_who_leaves_is_forgotten(year):
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(year.control_socket))
        client.sendall(b"GET /history/year?kind=report&since=366d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        clients.append(client)

    def refusals():
        year.get("/livez")
        number = 0
        for client in clients:
            try:
                number += b" 429 " in client.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        return number

    assert until(refusals, 10, "some are refused") >= 1
    for client in clients:
        client.close()
    # Of those who left none is answered: that would take some ten seconds.
    answer = until(lambda: (found := ask(year, "gone", "states")).status == 200 and found, 5, "there is room again")
    assert answer.status == 200
    assert year.stop()[0] == 0


SILENT_MB = 64  # what all unprivileged clients together may take


def first_line(client):
    """What an answer begins with, left unread: its sender goes on waiting for its reader."""
    return client.recv(32, socket.MSG_PEEK).split(b"\r\n")[0].decode()


@figure
def test_readers_that_do_not_read_take_neither_control_s_answers_nor_the_memory(year):
    """Long answers, asked for on the socket of everybody, by clients that never read them."""
    path = "/history/year?kind=states&since=366d&limit=100000"
    long = get(path, "GET", "Connection: close")
    answer = year.get(path, "status", timeout=60)
    assert answer.status == 200
    print(f"an answer of {len(answer.body) / 2**20:.0f} MB")
    before, most = rss_anon_kb(year.pid), 0
    silent = []
    for _ in range(3):
        asking = [connect(year.status_socket, 60) for _ in range(16)]
        for client in asking:
            client.sendall(long)
        for kind in ("states", "report", "hours"):
            answer = ask(year, "year", kind, since="7d")
            assert answer.status == 200, f"control is told {answer.status} {answer.text[:200]}"
        said = [first_line(client) for client in asking]
        most = max(most, rss_anon_kb(year.pid) - before)
        silent += [client for client, line in zip(asking, said) if " 200 " in line]
        for client, line in zip(asking, said):
            if " 200 " not in line:
                # 503: on a slow machine it waited for too long
                assert " 429 " in line or " 503 " in line
                assert b"\r\nRetry-After: " in read_to_end(client)
                client.close()
    print(f"{len(silent)} that do not read hold {most / 1024:.0f} MB")
    assert silent and most < SILENT_MB * 1024 or sanitized()
    for client in silent:
        client.close()
    until(lambda: year.get(path, "status", timeout=60).status == 200, 20, "their memory is others' when they have left")
    assert year.stop()[0] == 0


EVERYTHING = ["/status", "/metrics", "/readyz", "/readyz?wait=1h", "/events", "/events?follow=0", "/", "/livez", "/nothing", "/status/year",
              *(f"/history/year?kind={kind}&since=366d&limit=100000" for kind in ("wakes", "states", "outages", "hours", "report")),
              "/history/year?kind=states&since=366d&format=csv"]
STRANGERS = 2000  # connections that one socket serves at a time


@figure
def test_all_strangers_together_take_no_more_than_64_mb(year):
    """On every endpoint at once, some with several questions on one connection, none of whom reads."""
    before = rss_anon_kb(year.pid)
    most = 0
    crowd = []
    for i in range(STRANGERS):
        crowd.append(connect(year.status_socket, 60))
        crowd[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        crowd[-1].sendall(get(EVERYTHING[i % len(EVERYTHING)]) * (1 + i // len(EVERYTHING) % 3))
        if i % 100 == 99:
            most = max(most, rss_anon_kb(year.pid) - before)
            assert year.get("/status", "control", timeout=60).status == 200
    # The last of them was answered, or holds its question: whoever comes behind it is.
    until(lambda: first_line(crowd[STRANGERS - STRANGERS % len(EVERYTHING) - len(EVERYTHING)]), 60, "the last have begun to be answered")
    for kind in ("states", "report", "hours"):
        answer = ask(year, "year", kind, since="7d")
        assert answer.status == 200, f"control is told {answer.status} {answer.text[:200]}"
    most = max(most, rss_anon_kb(year.pid) - before)
    print(f"{STRANGERS} connections on {len(EVERYTHING)} endpoints hold {most / 1024:.0f} MB")
    assert most < SILENT_MB * 1024 or sanitized()
    for client in crowd:
        client.close()
    assert year.stop()[0] == 0


def test_questions_on_one_socket_keep_none_of_another_away(make_daemon):
    with Port() as listening, Port() as gone:
        daemon = make_daemon([refused(gone.number)], settings={"status": {"listen": [f"127.0.0.1:{listening.number}"]}}).start()
        daemon.wait_state("gone", "down")
        until(lambda: ask(daemon, "gone", "states").status == 200, 10, "it is in the file")
        over = threading.Event()

        def flood() -> None:
            wire = Wire(("127.0.0.1", listening.number))
            while not over.is_set():
                wire.send(get("/history/gone?kind=report&since=90d"))
                wire.answer()

        threads = [threading.Thread(target=flood) for _ in range(30)]
        for thread in threads:
            thread.start()
        statuses = [ask(daemon, "gone", "report", "status", since="90d").status for _ in range(100)]
        over.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
        assert daemon.stop()[0] == 0


def test_control_is_answered_before_those_who_asked_elsewhere(year):
    """Also before one that is being answered already."""
    # So much of the year that the last of twelve is answered in time on a slow machine too.
    for since in ("366d", "120d", "40d", "13d"):
        one = min(ask(year, "year", "report", "status", since=since).seconds for _ in range(2))
        if one < 2:
            break
    waiting = [connect(year.status_socket, 60) for _ in range(12)]
    for client in waiting:
        client.sendall(get(f"/history/year?kind=report&since={since}", "GET", "Connection: close"))
    control = [ask(year, "year", "states", since="1d") for _ in range(5)]
    worst = max(answer.seconds for answer in control)
    print(f"a report takes {one:.3f} s, control beside twelve of them at worst {worst:.3f} s")
    assert all(answer.status == 200 for answer in control) and worst < one
    for client in waiting[1:]:
        client.close()
    assert read_to_end(waiting[0]).startswith(b"HTTP/1.1 200 "), "who gave way is answered afterwards"
    waiting[0].close()


def test_a_disk_that_hangs_leaves_nobody_without_an_answer(make_daemon):
    daemon = make_daemon([refused(1, policy="observe", door_interval="0s")]).start()
    assert rows(daemon, "gone", "states") == []
    with children.thread_held(daemon.pid, "history-reader"):  # as in the kernel, until the disk answers
        begun = time.monotonic()
        answer = ask(daemon, "gone", "states")
        print(f"answered after {time.monotonic() - begun:.1f} s")
        assert answer.status == 503 and answer.json["error"] == "late" and "retry-after" in answer.headers
        assert daemon.get("/livez").status == 200
        code, seconds = daemon.stop()
    assert code == 0 and seconds < patient(3)


def test_a_disk_that_hangs_while_it_is_written_to_is_waited_for_no_longer_than_is_promised(make_daemon):
    daemon = make_daemon([refused(1, policy="observe", door_interval="0s")]).start()
    assert rows(daemon, "gone", "states") == []
    with Stall() as machine, children.thread_held(daemon.pid, "history"):
        assert daemon.get("/pause/gone?for=1h", method="POST").status == 200
        code, seconds = daemon.stop()
    print(f"stopped in {seconds:.3f} s")
    assert code == 0 and seconds < machine.late(2)
    assert "could not be written to its end in time" in daemon.output()


def test_a_time_before_all_times_is_the_beginning(make_daemon):
    daemon = make_daemon([refused(1)]).start()
    daemon.wait_state("gone", "down")
    wait_rows(daemon, "gone", "states", lambda found: found)
    for since in ("infinity", "3000w"):
        assert rows(daemon, "gone", "states", since=since) and report(daemon, "gone", since=since)
        assert ask(daemon, "gone", "report", since=since).json["since"].startswith("1970-01-01T00:00:01")


def test_a_stop_does_not_wait_for_answers(year):
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(year.control_socket))
        client.sendall(b"GET /history/year?kind=report&since=366d HTTP/1.1\r\nHost: x\r\n\r\n")
        year.get("/livez")
        code, seconds = year.stop()
        assert code == 0 and seconds < patient(2)
        assert client.recv(64).startswith((b"HTTP/1.1 503", b"HTTP/1.1 200"))
