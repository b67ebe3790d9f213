"""What outlives the daemon: an orderly stop, a kill, and a file that cannot be used."""

import fcntl
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from rig import configuration
from rig.edges import quick
from rig.network import needs_namespaces
from rig.patience import patient, until
from rig.ports import Port

OFF, ASIDE = "The history is off", "is damaged; it is now"
SLOW = "200ms"
# Longer than the second in which a change is in the file.
FLUSHED = 1.0


@pytest.fixture(name="nap")
def napping_database(make_nap):
    return make_nap(suspend_after=60, wake_delay=0.5)


def databases(nap, *more):
    """One that naps, and one whose port nobody listens on."""
    return [quick("main", nap.conninfo(), slow=SLOW), *more]


def refused(port):
    return quick("gone", f"host=127.0.0.1 port={port} user=app dbname=app")


def wait_for(daemon, name, look, timeout=20):
    return until(lambda: look(status := daemon.status(name)) and status, timeout, f"{name} is as wanted")


def rows(daemon, sql):
    """What the file says, to somebody who reads it meanwhile."""
    with closing(sqlite3.connect(f"file:{daemon.history_path}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql).fetchall()


def wait_rows(daemon, sql, look, what):
    """Until the file says so; it says nothing before it is made."""
    def say():
        try:
            return look(rows(daemon, sql))
        except sqlite3.OperationalError:
            return False
    return until(say, 20, what)


def history(status):
    """What must go on in the next daemon."""
    return {"wakes": status["wakes"]["count"], "by_cause": status["wakes"].get("by_cause"), "last": status["wakes"]["last"],
            **{each: status["wakes"][each] for each in ("p50_seconds", "p95_seconds", "p99_seconds")},
            "failures": status["failures"]["total"], "by_reason": status["failures"]["by_reason"]}


def made_history(daemon, nap):
    """Two wakes, and failures of the other; all of it settled, and then in the file."""
    wait_for(daemon, "main", lambda status: status["state"] == "awake" and status["wakes"]["count"] == 1)
    nap.command("suspend now")
    wait_for(daemon, "main", lambda status: status["state"] == "awake" and status["wakes"]["count"] == 2)
    wait_for(daemon, "gone", lambda status: status["failures"]["total"] >= 3)
    assert daemon.get("/pause/gone?for=1h", method="POST").status == 200
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    return daemon.status("main"), daemon.status("gone")


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_counters_wakes_and_generation_go_on_after(make_daemon, nap, way):
    with Port() as port:
        daemon = make_daemon(databases(nap, refused(port.number))).start()
        main, gone = made_history(daemon, nap)
        assert main["wakes"]["count"] == 2 and main["wakes"]["p50_seconds"] > 0.4
        if way == "stop":
            code, seconds = daemon.stop()
            assert code == 0 and seconds < patient(3)
        else:
            sql = ("SELECT sum(value) FROM counter JOIN database ON database.id = database WHERE counter.name LIKE 'failures.%'"
                   " AND database.name = 'gone'")
            wait_rows(daemon, sql, lambda found: found[0][0] == gone["failures"]["total"], "the failures are in the file")
            wait_rows(daemon, "SELECT wakes_timed, reason FROM database WHERE name = 'main'", lambda found: found == [(2, "paused")],
                      "the wakes are in the file")
            daemon.kill9()
        nap.command("suspend now")
        # Nothing is checked, so that what is told is of the past alone.
        daemon.configure([{**each, "policy": "observe", "door_interval": "0s"} for each in databases(nap, refused(port.number))])
        daemon.start()
        again, gone_again = daemon.status("main"), daemon.status("gone")
    # A pause outlives the daemon too.
    assert again["state"] == "unknown" and again["reason"] == "paused"
    # The boot clock holds it, and the clock of people is read a microsecond before or after.
    assert abs((datetime.fromisoformat(again["paused_until"]) - datetime.fromisoformat(main["paused_until"])).total_seconds()) < 0.001
    assert history(again) == history(main)
    assert gone_again["failures"]["by_reason"] == gone["failures"]["by_reason"]
    assert again["generation"] >= main["generation"] > 1
    assert daemon.get("/wake/main", method="POST").status == 409
    assert daemon.get("/pause/main?for=0s", method="POST").status == 200
    assert daemon.status("main")["reason"] == "stale"
    # Known again before it has woken once in this daemon.
    assert daemon.get("/wake/main", method="POST").status in (200, 202)
    woken = wait_for(daemon, "main", lambda status: status["state"] == "awake")
    assert woken["wakes"]["count"] == 3
    assert woken["generation"] > main["generation"]


def test_what_an_idle_session_saw_survives_a_kill(make_daemon, nap):
    """Nobody needs the database and nothing is asked of it: only the session says that it is awake."""
    settings = {"policy": "on-demand", "provider": "neon", "wake_at_start": False, "linger": "0s", "slow": SLOW}
    daemon = make_daemon([quick("main", nap.conninfo(), **settings)]).start()
    assert daemon.get("/wake/main?wait=20s", method="POST", timeout=30).status == 200
    status = until(lambda: (found := daemon.status("main"))["next_check"] is None and found, 10, "nothing is planned")
    wait_rows(daemon, "SELECT awake_usec FROM database WHERE name = 'main'",
              lambda found: found and found[0][0] / 1e6 > status["awake_seconds"] + 9, "its time is in the file")
    told = daemon.status("main")
    assert told["state"] == "awake" and told["last_attempt"] == status["last_attempt"]
    daemon.kill9()
    daemon.configure([quick("main", nap.conninfo(), **{**settings, "policy": "observe", "door_interval": "0s"})])
    daemon.start()
    again = daemon.status("main")["awake_seconds"]
    print(f"awake for {told['awake_seconds']:.1f} s before the kill, {again:.1f} s after it")
    assert told["awake_seconds"] - 1 - 10 < again <= told["awake_seconds"] + 1


def test_how_long_a_wake_will_take_is_known_from_before_the_restart(make_daemon, nap):
    daemon = make_daemon([quick("main", nap.conninfo(), slow=SLOW)]).start()
    wait_for(daemon, "main", lambda status: status["state"] == "awake" and status["wakes"]["count"] == 1)
    assert daemon.stop()[0] == 0
    nap.command("suspend now")
    # By itself it would be its first wake, of which nothing could be known. Only of a provider that suspends is a slow login a wake.
    daemon.configure([quick("main", nap.conninfo(), slow=SLOW, policy="observe", provider="neon")])
    daemon.start()
    assert daemon.get("/wake/main", method="POST").status == 202
    waking = wait_for(daemon, "main", lambda status: status["state"] == "waking")
    assert waking["wakes"]["count"] == 1 and waking["expected_ready_in_seconds"] > 0, waking


def test_an_orderly_stop_keeps_what_was_counted_since_the_last_answer(make_daemon, nap):
    daemon = make_daemon([quick("main", nap.conninfo(), ping_interval="1h", login_interval="1h", fresh_for="2h")]).start()

    def counted() -> float:
        return daemon.status("main")["awake_seconds"]

    daemon.wait_state("main", "awake")
    begun = counted()
    until(lambda: counted() > begun + 2, 20, "it was awake for 2 s and nothing was asked")
    known = counted()
    assert daemon.stop()[0] == 0
    assert rows(daemon, "SELECT awake_usec FROM database WHERE name = 'main'")[0][0] >= 1e6 * known


def test_a_kill_at_any_moment_loses_at_most_the_last_second(make_daemon):
    with Port() as port:
        daemon = make_daemon([refused(port.number) | {"down_interval": "50ms", "retry_interval": "50ms"}])
        for _ in range(3):  # thirty, beside much that is written, are in test_history_kill.py
            daemon.start()
            before = daemon.status("gone")["failures"]["total"]
            seen = [(time.monotonic(), before)]
            while seen[-1][0] < seen[0][0] + patient(FLUSHED) + 0.3:
                seen.append((time.monotonic(), daemon.status("gone")["failures"]["total"]))
            daemon.kill9()
            killed = seen[-1][0]
            with sqlite3.connect(daemon.history_path) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                kept = connection.execute("SELECT value FROM counter WHERE name = 'failures.tcp.refused'").fetchall()[0][0]
            old_enough = [total for at, total in seen if at < killed - patient(FLUSHED)]
            assert old_enough and kept >= old_enough[-1], (kept, seen[-1])
        assert kept > 10


def test_a_reload_that_takes_a_database_away_and_brings_it_back_loses_nothing(make_daemon, nap):
    daemon = make_daemon(databases(nap)).start()
    wait_for(daemon, "main", lambda status: status["state"] == "awake" and status["wakes"]["count"] == 1)
    before = daemon.status("main")
    daemon.configure([])
    assert daemon.reload(remove_all=True).status == 200
    daemon.configure(databases(nap))
    assert daemon.reload().status == 200
    again = daemon.status("main")
    assert again["wakes"]["count"] >= 1 and again["wakes"]["p50_seconds"] == before["wakes"]["p50_seconds"]


def test_a_lease_with_a_time_limit_goes_on_after_a_restart(make_daemon, make_nap):
    nap = make_nap(suspend_after=60)
    daemon = make_daemon([quick("main", nap.conninfo(), policy="on-demand", provider="neon", wake_at_start=False)]).start()
    lease = daemon.get("/lease/main?for=10min&owner=nightly", method="POST")
    assert lease.status == 201, lease.text
    wait_rows(daemon, "SELECT owner FROM lease", lambda found: found == [("nightly",)], "the lease is in the file")
    daemon.kill9()
    daemon.start()
    again, = daemon.status("main")["leases"]
    assert {each: again[each] for each in ("id", "owner", "since", "until")} == \
        {each: lease.json["lease"][each] for each in ("id", "owner", "since", "until")}
    daemon.wait_state("main", "awake")


def test_nobody_else_can_read_the_file(make_daemon, nap):
    daemon = make_daemon(databases(nap)).start()
    wait_rows(daemon, "SELECT state FROM database", lambda found: found == [("awake",)], "it is in the file")
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        assert (daemon.folder / name).stat().st_mode & 0o777 == 0o600


BAD = {"newer": lambda path: sqlite3.connect(path).executescript("PRAGMA application_id = 0x70677764; PRAGMA user_version = 999;"
                                                                 "CREATE TABLE dream (content TEXT)").close(),
       "foreign": lambda path: sqlite3.connect(path).executescript("CREATE TABLE bookmark (url TEXT)").close(),
       "no folder": lambda path: None,
       "a folder": lambda path: path.mkdir()}


HEALTH = {"newer": "newer", "foreign": "foreign", "no folder": "unreachable", "a folder": "failed"}


def test_without_a_file_that_can_be_used_it_says_so_once_and_watches(make_daemon, cluster):
    """One daemon for each kind of such a file, all at once: each has to be watched for a while."""
    started = []
    for what, spoil in BAD.items():
        daemon = make_daemon([quick("main", cluster.conninfo())])
        path = daemon.folder / "lib" / "history.db"
        if what != "no folder":
            path.parent.mkdir()
        spoil(path)
        before = path.read_bytes() if path.is_file() else None
        daemon.settings = {"history": {"path": path}}
        daemon.configure([quick("main", cluster.conninfo())])
        started.append((what, daemon.start(), path, before))
    for _, daemon, *_ in started:
        daemon.wait_state("main", "awake")
    # Past the moment at which something would be written, and past the first tries to do it again.
    begun = time.monotonic()
    until(lambda: time.monotonic() > begun + 3, 10, "three seconds", every=0.1)
    for what, daemon, path, before in started:
        assert daemon.status("main")["state"] == "awake", what
        said = [entry for entry in daemon.log_entries() if OFF in entry["message"]]
        assert len(said) == 1 and str(path) in said[0]["message"], daemon.output()
        health = wait_for_health(daemon, HEALTH[what])
        assert str(path) in health["message"]
        answer = daemon.get("/history/main?kind=states")
        assert answer.status == 503 and answer.json["error"] == "history_off" and answer.json["message"] == health["message"], what
        assert daemon.stop()[0] == 0
        assert before is None or path.read_bytes() == before, what


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(make_daemon, cluster):
    daemon = make_daemon([quick("main", cluster.conninfo())])
    daemon.history_path.write_bytes(b"no database" * 100)
    daemon.start()
    daemon.wait_state("main", "awake")
    wait_rows(daemon, "SELECT state FROM database", lambda found: found == [("awake",)], "it is in the new file")
    aside, = daemon.folder.glob("history.db.corrupt-*")
    assert re.fullmatch(r"history\.db\.corrupt-\d{8}T\d{6}Z", aside.name)
    assert aside.read_bytes() == b"no database" * 100
    wait_for_health(daemon, "ok")
    said = [entry for entry in daemon.log_entries() if ASIDE in entry["message"]]
    assert len(said) == 1 and str(aside) in said[0]["message"]


def settled(daemon):
    """A database that is awake, and a state of it in the file."""
    daemon.wait_state("main", "awake")
    wait_rows(daemon, "SELECT state FROM state", lambda found: ("awake",) in found, "it is in the file")


def page_of(path, table):
    """Where the pages of a table are, and how long one is."""
    with closing(sqlite3.connect(path)) as connection:
        size, = connection.execute("PRAGMA page_size").fetchone()
        return [(page - 1) * size for page, in connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))], size


@pytest.mark.parametrize("table", ["state", "hour", "outage", "wake", "run"])
def test_damage_in_what_happened_is_found_when_it_is_met_and_set_aside(make_daemon, cluster, table):
    databases = [quick("main", cluster.conninfo())]
    daemon = make_daemon(databases).start()
    settled(daemon)
    assert daemon.stop()[0] == 0
    pages, size = page_of(daemon.history_path, table)
    with open(daemon.history_path, "r+b") as file:
        for page in pages:
            file.seek(page)
            file.write(b"\xa5" * size)
    daemon.start()
    daemon.wait_state("main", "awake")

    def aside():
        # Some of it is written by itself, the rest is met by who reads.
        daemon.get("/history/main?kind=report")
        return list(daemon.folder.glob("history.db.corrupt-*"))

    until(aside, 20, "the damaged file is set aside")
    wait_for_health(daemon, "ok")
    with closing(sqlite3.connect(daemon.history_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert daemon.status("main")["state"] == "awake"
    said = [entry for entry in daemon.log_entries() if ASIDE in entry["message"]]
    assert len(said) == 1
    # And what comes now is kept in the new one; between the two there is none for a moment.
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    until(lambda: [row["reason"] for row in daemon.get("/history/main?kind=states").json.get("rows", [])][-1:] == ["paused"], 20,
          "it is kept")


def test_a_truncated_file_is_set_aside(make_daemon, cluster):
    daemon = make_daemon([quick("main", cluster.conninfo())]).start()
    settled(daemon)
    assert daemon.stop()[0] == 0
    whole = daemon.history_path.read_bytes()
    daemon.history_path.write_bytes(whole[:len(whole) // 2 + 100])
    daemon.start()
    settled(daemon)
    aside, = daemon.folder.glob("history.db.corrupt-*")
    assert aside.read_bytes() == whole[:len(whole) // 2 + 100]
    assert wait_for_health(daemon, "ok") == {"health": "ok", "message": None}


def wait_for_health(daemon, health):
    """/status and the metrics say it."""
    told = until(lambda: (found := daemon.get("/status").json["history"])["health"] == health and found, 30, f"the history is {health}")
    figures = {f'pgwake_history_info{{health="{health}"}} 1', f"pgwake_history_healthy {int(health == 'ok')}"}
    until(lambda: figures <= set(daemon.get("/metrics").text.splitlines()), 30, f"the metrics tell {figures}")
    return told


# In a mount namespace of its own, with a small disk, or a read-only one, over the folder `disk`.
SMALL_DISK = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def on_a_disk(make_daemon, databases, script):
    daemon = make_daemon(databases)
    disk = daemon.folder / "disk"
    disk.mkdir()
    daemon.history_path = disk / "history.db"
    daemon.settings = {"history": {"path": daemon.history_path}}
    daemon.configure(databases)
    daemon.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(disk)] if script else []
    return daemon


def seen_inside(daemon):
    """The disk as the daemon has it."""
    return configuration.Path(f"/proc/{daemon.pid}/root{daemon.history_path.parent}")


@needs_namespaces
def test_a_full_disk_turns_it_off_and_space_turns_it_on_again(make_daemon, cluster):
    with Port() as port:
        databases = [quick("main", cluster.conninfo()), refused(port.number) | {"retry_interval": "20ms", "down_interval": "20ms"}]
        daemon = on_a_disk(make_daemon, databases, SMALL_DISK).start()
        daemon.wait_state("main", "awake")
        wait_for_health(daemon, "ok")
        ballast = seen_inside(daemon) / "ballast"
        until(lambda: daemon.get("/history/gone?kind=states").json["rows"], 20, "something is written of both")

        def fill():
            try:
                with open(ballast, "ab", buffering=0) as file:
                    while True:
                        file.write(b"x" * 4096)
            except OSError:
                pass
            for length in ("1h", "0s"):
                daemon.get(f"/pause/main?for={length}", method="POST")
            return daemon.get("/status").json["history"]["health"] == "full"

        until(fill, 30, "the disk is full")
        assert "the disk is full" in wait_for_health(daemon, "full")["message"]
        # What was written before can be read, and the watching goes on.
        answer = daemon.get("/history/gone?kind=states")
        assert answer.status == 200 and answer.json["rows"]
        daemon.wait_state("main", "awake")
        failures = daemon.status("gone")["failures"]["total"]
        wait_for(daemon, "gone", lambda status: status["failures"]["total"] > failures)
        assert daemon.get("/pause/main?for=2h", method="POST").status == 200
        ballast.unlink()
        wait_for_health(daemon, "ok")
        states = daemon.get("/history/main?kind=states").json["rows"]
        assert states[-1]["reason"] == "paused", "what happened meanwhile was not lost"
        said = [entry["message"] for entry in daemon.log_entries() if OFF in entry["message"] or "is kept again" in entry["message"]]
        assert len(said) == 2 and OFF in said[0], said
        assert daemon.stop()[0] == 0


@needs_namespaces
def test_a_read_only_folder_is_said_once_and_what_is_in_it_is_known(make_daemon, cluster):
    databases = [quick("main", cluster.conninfo())]
    daemon = on_a_disk(make_daemon, databases, None).start()
    settled(daemon)
    attempts = daemon.status("main")["generation"]
    assert daemon.stop()[0] == 0
    before = daemon.history_path.read_bytes()
    daemon = on_a_disk_again(daemon)
    daemon.start()
    daemon.wait_state("main", "awake")
    health = wait_for_health(daemon, "read_only")
    assert "cannot be written" in health["message"] and daemon.status("main")["generation"] >= attempts
    answer = daemon.get("/history/main?kind=states")
    assert answer.status == 200 and answer.json["rows"][-1]["state"] == "awake", answer.text
    assert len([entry for entry in daemon.log_entries() if OFF in entry["message"]]) == 1
    assert daemon.stop()[0] == 0 and daemon.history_path.read_bytes() == before


def on_a_disk_again(daemon):
    daemon.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", READ_ONLY, str(daemon.history_path.parent)]
    return daemon


def test_a_file_that_is_full_of_the_past_makes_room(make_daemon):
    with Port() as port:
        settings = {"history": {"max_size": "1MB"}}
        databases = [refused(port.number) | {"retry_interval": "20ms", "down_interval": "20ms"}]
        daemon = make_daemon(databases, settings=settings).start()
        wait_rows(daemon, "SELECT state FROM state", lambda found: ("down",) in found, "it is in the file")
        daemon.stop()
        # Old rows, as many as go into it.
        with closing(sqlite3.connect(daemon.history_path)) as connection, connection:
            connection.execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3999) INSERT INTO state"
                               " SELECT id, 1700000000000000 + i * 1000000, 0, 'awake', 'down', 'ok', NULL, printf('%0100d', i), i FROM database, n")
        daemon.start()

        def left():
            for length in ("1h", "0s"):
                daemon.get(f"/pause/gone?for={length}", method="POST")
            assert sum(path.stat().st_size for path in daemon.folder.glob("history.db*") if path.suffix != ".db-shm") <= 1000000
            assert daemon.get("/status").json["history"]["health"] == "ok"
            return daemon.get("/history/gone?kind=states&since=2023-01-01T00:00:00Z&limit=100000").json["rows"]

        first = until(lambda: len(found := left()) < 3000 and found, 60, "the oldest made room")
        generations = [row["generation"] for row in first if row["at"].startswith("2023")]
        assert generations == list(range(4000 - len(generations), 4000)) or len(generations) <= 1, "the oldest went first"
        assert not [entry for entry in daemon.log_entries() if OFF in entry["message"]]


def test_another_path_takes_force_at_the_next_start_and_a_reload_says_so(make_daemon):
    daemon = make_daemon().start()
    daemon.settings = {"history": {"path": daemon.folder / "other.db", "max_size": "1MB"}}
    daemon.configure()
    answer = daemon.reload()
    assert answer.status == 200
    complaint, = answer.json["complaints"]
    assert "history.path takes force only at the next restart" in complaint["message"]
    assert not (daemon.folder / "other.db").exists()


def test_without_a_path_nothing_is_kept(make_daemon, cluster):
    daemon = make_daemon([quick("main", cluster.conninfo())], settings={"history": {"path": ""}}).start()
    daemon.wait_state("main", "awake")
    assert "history" not in {path.name for path in daemon.folder.iterdir()}
    threads = [path.read_text() for path in configuration.Path(f"/proc/{daemon.pid}/task").glob("*/comm")]
    assert "history\n" not in threads
    assert daemon.stop()[0] == 0
    assert not list(daemon.folder.glob("*.db*"))


def test_sighup_and_stop_under_load_leave_a_whole_file(make_daemon):
    with Port() as port:
        many = [refused(port.number) | {"name": f"db{i}", "down_interval": "100ms", "retry_interval": "100ms"} for i in range(200)]
        daemon = make_daemon(many, settings={"ready": {"on": "start"}}).start()
        for i in range(5):
            daemon.configure(many[:200 - i])
            daemon.signal(signal.SIGHUP)
            wait_for(daemon, "db0", lambda status, least=5 * i: status["failures"]["total"] > least)
        wanted = daemon.status("db0")["failures"]["total"]
        assert daemon.stop()[0] == 0
    done = subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
                           "print(c.execute('PRAGMA integrity_check').fetchone()[0], c.execute('SELECT count(*) FROM database').fetchone()[0])",
                           str(daemon.history_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ok", "200"]
    kept, = rows(daemon, "SELECT value FROM counter JOIN database ON database = id WHERE counter.name = 'failures.tcp.refused'"
                         " AND database.name = 'db0'")
    assert kept[0] >= wanted


def lock_as_daemon(path):
    file = open(path, "rb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def lock_as_sqlite(path):
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        connection.execute(statement).fetchall()
    return connection


@pytest.mark.parametrize("lock", [lock_as_daemon, lock_as_sqlite])
@pytest.mark.parametrize("noticed", [False, True], ids=["short", "long"])
def test_a_lock_at_the_start_costs_neither_pauses_leases_budget_nor_counters(make_daemon, lock, noticed):
    """One that is over while it waits for it, and one that lasts until it goes on without what it knew."""
    with Port() as port:
        nowhere = f"host=127.0.0.1 port={port.number} user=app dbname=app"
        databases = [refused(port.number), quick("calm", nowhere), quick("lent", nowhere, policy="on-demand", wake_at_start=False),
                     quick("poor", nowhere, policy="keep-awake", budget={"awake_hours": 0.01})]
        daemon = make_daemon(databases, settings={"ready": {"on": "start"}}).start()
        wait_for(daemon, "gone", lambda status: status["failures"]["total"] >= 3)
        assert daemon.get("/pause/calm?for=1h", method="POST").status == 200
        lease = daemon.get("/lease/lent?for=1h&owner=nightly", method="POST").json["lease"]
        before, calm = daemon.status("gone")["failures"]["total"], daemon.status("calm")
        assert daemon.stop()[0] == 0
        now = datetime.now(timezone.utc)
        with closing(sqlite3.connect(daemon.history_path)) as connection, connection:
            connection.execute("UPDATE database SET month = ?, month_awake_usec = 40000000, awake_usec = 40000000 WHERE name = 'poor'",
                               ((now.year - 1970) * 12 + now.month - 1,))
        held = lock(daemon.history_path)
        release = threading.Timer(0.5, held.close)
        if not noticed:
            release.start()
        daemon.start()
        if noticed:
            wait_for_health(daemon, "locked")
            # Meanwhile it counts what it sees itself, and knows of nothing else.
            wait_for(daemon, "gone", lambda status: 0 < status["failures"]["total"])
            assert daemon.status("calm")["reason"] != "paused"
            held.close()
        else:
            release.join()
        wait_for_health(daemon, "ok")
        paused = wait_for(daemon, "calm", lambda status: status["reason"] == "paused")
        assert abs((datetime.fromisoformat(paused["paused_until"]) - datetime.fromisoformat(calm["paused_until"])).total_seconds()) < 0.001
        again, = wait_for(daemon, "lent", lambda status: status["leases"])["leases"]
        assert {each: again[each] for each in ("id", "owner", "until")} == {each: lease[each] for each in ("id", "owner", "until")}
        assert daemon.status("poor")["budget"]["spent"] and daemon.status("poor")["awake_seconds"] >= 40
        total = wait_for(daemon, "gone", lambda status: status["failures"]["total"] > before)["failures"]["total"]
        wait_rows(daemon, "SELECT value FROM counter JOIN database ON id = database WHERE counter.name = 'failures.tcp.refused'"
                          " AND database.name = 'gone'", lambda found: found and found[0][0] >= total, "the sum is in the file")
        daemon.kill9()
        daemon.start()
        assert daemon.status("calm")["reason"] == "paused" and daemon.status("lent")["leases"] and daemon.status("poor")["budget"]["spent"]
        assert daemon.status("gone")["failures"]["total"] >= total
        said = [entry["message"] for entry in daemon.log_entries() if OFF in entry["message"] or "is kept again" in entry["message"]]
        assert [OFF in message for message in said] == [True, False] or not noticed and not said, said


def start_locked(daemon):
    """Starts it with a history that somebody else has; awake, it knows nothing of before. Closing what is answered lets it know."""
    lock = lock_as_daemon(daemon.history_path)
    daemon.start()
    wait_for_health(daemon, "locked")
    daemon.wait_state("main", "awake", 20)
    assert daemon.status("main")["generation"] == 0
    return lock


def test_a_database_that_stayed_awake_over_a_locked_start_was_woken_by_nobody_else(make_neon, make_daemon):
    neon = make_neon(suspend_after=300, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([quick("main", neon.conninfo(), provider="neon", policy="keep-awake", suspend_after="300s", login_interval="200ms")],
                         settings={"ready": {"on": "start"}}).start()
    daemon.wait_state("main", "awake")
    assert daemon.stop()[0] == 0
    lock = start_locked(daemon)
    lock.close()
    wait_for(daemon, "main", lambda status: status["wakes"]["count"] >= 1)
    for _ in range(2):  # logins that know
        at = daemon.status("main")["last_attempt"]["at"]
        wait_for(daemon, "main", lambda status: status["last_attempt"]["at"] != at and status["last_attempt"]["kind"] == "login")
    wakes = daemon.status("main")["wakes"]
    assert wakes["count"] == neon.status()["wakes"] == 1 and wakes["last"]["cause"] == "start"


def test_a_server_that_restarted_before_a_locked_start_is_a_new_generation(make_fake, make_daemon):
    def row(started):
        return [("a", "5000000"), ("b", str(started)), ("c", "f"), ("d", "150018"), ("e", "off")]

    fake = make_fake(answer=row(1760000000000000))
    daemon = make_daemon([quick("main", fake.conninfo())], settings={"ready": {"on": "start"}}).start()
    daemon.wait_state("main", "awake")
    fake.cut()
    before = wait_for(daemon, "main", lambda status: status["generation"] >= 1 and status["state"] == "awake")["generation"]
    assert daemon.stop()[0] == 0
    fake.answer = row(1760000500000000)
    lock = start_locked(daemon)
    lock.close()
    wait_for(daemon, "main", lambda status: status["generation"] == before + 1)


# With a file of the first version on it, and full.
FULL_DISK = 'mount -t tmpfs -o size=1m none "$0" && cp "$0.old" "$0/history.db" && { cat /dev/zero >"$0/ballast" 2>/dev/null || :; } && exec "$@"'


@needs_namespaces
def test_a_file_of_the_first_version_on_a_full_disk_is_read_and_goes_on_when_there_is_space(make_daemon):
    with Port() as port:
        nowhere = f"host=127.0.0.1 port={port.number} user=app dbname=app"
        daemon = on_a_disk(make_daemon, [refused(port.number), quick("main", nowhere, policy="observe", door_interval="0s")], FULL_DISK)
        now = int(time.time() * 1e6)
        with closing(sqlite3.connect(daemon.folder / "disk.old")) as connection:
            connection.executescript(configuration.Path(__file__).with_name("history-version-1.sql").read_text(encoding="utf-8"))
            connection.execute("UPDATE lease SET since = ?, until = ?", (now, now + HOUR))
            connection.commit()
        daemon.start()
        wait_for_health(daemon, "full")
        assert daemon.status("main")["wakes"]["count"] == 2 and daemon.status("gone")["failures"]["total"] >= 11
        assert [each["owner"] for each in daemon.status("main")["leases"]] == ["nightly"]
        assert daemon.get("/pause/gone?for=1h", method="POST").status == 200
        total = daemon.status("gone")["failures"]["total"]
        (seen_inside(daemon) / "ballast").unlink()
        wait_for_health(daemon, "ok")

        def kept():
            # SQLite finds no way into another's folder.
            for name in ("history.db", "history.db-wal"):
                shutil.copy(seen_inside(daemon) / name, daemon.folder / name)
            try:
                return rows(SimpleNamespace(history_path=daemon.folder / "history.db"),
                            "SELECT paused_until > 0, (SELECT sum(value) FROM counter WHERE database = id AND counter.name LIKE 'failures.%')"
                            " FROM database WHERE name = 'gone'")
            except sqlite3.DatabaseError:
                return []

        until(lambda: kept() == [(1, total)], 20, "all of it is in the file")
        assert daemon.stop()[0] == 0


DAY, HOUR = 86400 * 10**6, 3600 * 10**6


def test_what_is_old_goes_with_the_names_of_which_nothing_else_is_left_but_no_hour_that_reaches_into_what_is_kept(make_daemon, cluster):
    now = int(time.time() * 1e6)
    # What is kept begins in the middle of this hour.
    kept = (now - 90 * DAY) // HOUR * HOUR
    databases = [quick("main", cluster.conninfo()),
                 quick("still", "host=127.0.0.1 port=1 user=app dbname=app", policy="observe", door_interval="0s")]
    daemon = make_daemon(databases, settings={"history": {"keep": f"{(now - kept - HOUR // 2) // 10**6}s"}}).start()
    settled(daemon)
    assert daemon.stop()[0] == 0
    with closing(sqlite3.connect(daemon.history_path)) as connection, connection:
        for name, saved in [("still", 1), ("gone", 1), ("gone too", 1), ("left", now - 80 * DAY)]:
            connection.execute("INSERT INTO database (name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
                               " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec)"
                               " VALUES (?, ?, 0, 'awake', 'ok', 1, 1, 0, 0, 0, 0, 0, 0, 0)", (name, saved))
        connection.execute("INSERT INTO counter SELECT id, 'failures.tcp.refused', 7 FROM database WHERE name <> 'main'")
        connection.execute("INSERT INTO state SELECT id, 5, 0, 'awake', 'down', 'ok', NULL, NULL, 1 FROM database WHERE name <> 'main'")
        connection.executemany("INSERT INTO hour (database, hour, awake_usec, awake_ours_usec, counts) SELECT id, ?, 60000000, 0, ''"
                               " FROM database WHERE name = 'main'", [(kept - 2 * HOUR,), (kept - HOUR,), (kept,), (kept + HOUR,)])
    daemon.start()
    daemon.wait_state("main", "awake")
    wait_rows(daemon, "SELECT name FROM database ORDER BY name", lambda found: found == [("left",), ("main",), ("still",)],
              "the names are forgotten")
    assert rows(daemon, "SELECT hour FROM hour WHERE awake_usec = 60000000 ORDER BY hour") == [(kept,), (kept + HOUR,)]
    assert rows(daemon, "SELECT count(*) FROM counter WHERE value = 7") == [(2,)]
    assert daemon.status("still")["failures"]["total"] == 7
    assert daemon.get("/history/gone?kind=states").status == 404


def test_who_reads_the_file_for_ever_makes_it_no_larger_than_it_may_be_and_is_told_of(make_daemon):
    with Port() as port:
        databases = [refused(port.number) | {"retry_interval": "20ms", "down_interval": "20ms"}]
        daemon = make_daemon(databases, settings={"history": {"max_size": "1MB"}}).start()
        wait_rows(daemon, "SELECT state FROM state", lambda found: ("down",) in found, "it is in the file")

        def write_more():
            for length in ("1h", "0s"):
                daemon.get(f"/pause/gone?for={length}", method="POST")
            # The file that both map is left out: it is as large as a page of the kernel's for each 4 MB of the log.
            assert sum(path.stat().st_size for path in daemon.folder.glob("history.db*") if path.suffix != ".db-shm") <= 1000000
            return daemon.get("/status").json["history"]

        with closing(sqlite3.connect(f"file:{daemon.history_path}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM state").fetchall()
            told = until(lambda: (found := write_more())["health"] == "locked" and found, 60, "it is held")
            assert "reads the file for so long" in told["message"]
            for _ in range(50):
                write_more()
            # Our own reader beside it is answered, and the other one has what it had.
            assert daemon.get("/history/gone?kind=report").status == 200
            assert reader.execute("SELECT count(*) FROM state").fetchall() == before
        until(lambda: write_more()["health"] == "ok", 30, "it is kept again")
        last = daemon.get("/history/gone?kind=states").json["rows"][-1]["at"]
        until(lambda: write_more() and daemon.get("/history/gone?kind=states").json["rows"][-1]["at"] > last, 20, "what happens is kept")
        said = [entry["message"] for entry in daemon.log_entries() if OFF in entry["message"] or "is kept again" in entry["message"]]
        assert [OFF in message for message in said] == [True, False], said
        assert daemon.stop()[0] == 0
        with closing(sqlite3.connect(daemon.history_path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# The file and what lies beside it, while the daemon runs


def states_of(daemon, name="main"):
    return daemon.get(f"/history/{name}?kind=states", timeout=30)


@pytest.fixture
def quiet(make_daemon, refused_port):
    """A daemon that has failures in its history, and to which nothing happens any more: its database is paused."""
    daemon = make_daemon([refused(refused_port)]).start()
    wait_for(daemon, "gone", lambda status: status["failures"]["total"] >= 3)
    assert daemon.get("/pause/gone?for=1h", method="POST").status == 200
    wait_rows(daemon, "SELECT reason FROM state ORDER BY at DESC LIMIT 1", lambda found: found == [("paused",)], "the pause is in the file")
    return daemon


@pytest.fixture
def refused_port():
    with Port() as port:
        yield port.number


def test_a_log_that_somebody_removed_is_noticed_and_a_kill_loses_nothing(quiet):
    before = quiet.status("gone")["failures"]
    assert quiet.get("/pause/gone?for=0s", method="POST").status == 200
    wait_for(quiet, "gone", lambda status: status["failures"]["total"] > before["total"])
    quiet.history_path.with_name(quiet.history_path.name + "-wal").unlink()
    quiet.wait_log(20, message=f"The history's log {quiet.history_path}-wal was removed or replaced: what it had is written into the history itself")
    assert until(lambda: states_of(quiet, "gone").status == 200, 10, "it can be read")
    seen = quiet.status("gone")["failures"]["total"]
    wait_rows(quiet, "SELECT value FROM counter WHERE name = 'failures.tcp.refused'", lambda found: found and found[0][0] >= seen, "all of it is there")
    quiet.kill9()
    quiet.start()
    assert quiet.status("gone")["failures"]["total"] >= seen


def test_a_file_that_somebody_removed_is_noticed_by_who_asks_though_nothing_happens(quiet):
    before = quiet.status("gone")["failures"]
    quiet.history_path.unlink()
    until(lambda: states_of(quiet, "gone").status == 200, 20, "it is begun anew")
    assert "somebody removed, moved or replaced it" in quiet.output()
    wait_rows(quiet, "SELECT value FROM counter WHERE name = 'failures.tcp.refused'", lambda found: found == [(before["total"],)], "what is known")
    quiet.kill9()
    quiet.start()
    assert quiet.status("gone")["failures"]["total"] >= before["total"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path)], ids=["pipe", "link to itself"])
def test_what_is_no_file_in_its_place_ends_no_question_but_with_an_answer(quiet, make):
    real = quiet.history_path.with_suffix(".real")
    quiet.history_path.rename(real)
    make(quiet.history_path)
    assert states_of(quiet, "gone").status == 503
    quiet.history_path.unlink()
    real.rename(quiet.history_path)
    until(lambda: states_of(quiet, "gone").status == 200, 40, "it is read again")
    assert quiet.stop()[0] == 0
