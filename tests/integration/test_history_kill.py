"""kill -9 at any moment, again and again, while much is written: the file is whole each time, and nothing that is a second old is lost."""

import json
import random
import sqlite3
import threading
import time
from contextlib import closing

from rig.edges import quick
from rig.patience import patient, until
from rig.ports import Port

KILLS = 30
# Each so many lives one lasts until so much is in the file, and so much older than what may be lost.
LONG_EVERY = 5
ROWS = 11 * LONG_EVERY
OLD = 6
FLUSHED = 1.0
BUSY = {"ping_interval": "20ms", "login_interval": "100ms", "retry_interval": "20ms", "down_interval": "20ms"}


class Commits:
    """Does what the daemon's writer does, a commit that is on the disk, again and again: how late the machine is with it is not the daemon's
    lateness."""

    EVERY = 0.05

    def __init__(self, folder):
        self.latest = 0.0
        self._path = folder / "commits.db"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE commits (at)")
            while not self._over.is_set():
                begun = time.monotonic()
                self._over.wait(self.EVERY)
                with connection:
                    connection.execute("INSERT INTO commits VALUES (1)")
                self.latest = max(self.latest, time.monotonic() - begun - self.EVERY)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Pauses:
    """A pause and its end for one database after the other, hundreds a second: edges."""

    def __init__(self, daemon, names):
        self._daemon, self._names = daemon, names
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._over.is_set():
            for name in self._names:
                for length in ("1h", "0s"):
                    try:
                        self._daemon.get(f"/pause/{name}?for={length}", method="POST")
                    except OSError:
                        return  # it was killed
                    self._over.wait(0.003)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def in_file(connection):
    """Every state row: of which database, when, and what."""
    return set(connection.execute("SELECT name, at, state.state, state.reason FROM state JOIN database ON id = database"))


def refusals_in_file(connection):
    """How often gone0 was refused."""
    found = connection.execute("SELECT value FROM counter JOIN database ON id = database"
                               " WHERE database.name = 'gone0' AND counter.name = 'failures.tcp.refused'").fetchone()
    return found[0] if found else 0


def read(daemon, look):
    """From the file of a daemon that runs or is dead; there is none before its first life."""
    with closing(sqlite3.connect(f"file:{daemon.history_path}?mode=ro", uri=True, timeout=patient(10))) as reader:
        return look(reader)


def told(daemon):
    """(wall clock time, (database, state, reason)) of the edges that the daemon told so far."""
    events = [json.loads(line.removeprefix("data: ")) for line in daemon.get("/events?follow=0").text.splitlines() if line.startswith("data: ")]
    return [(event["at"], event["database"], event["state"], event["reason"] or "ok") for event in events if event["kind"] == "state"]


def assert_adds_up(connection):
    """What the hours counted is what the counters say: they are of one moment."""
    counters = dict(connection.execute("SELECT database || ' ' || name, value FROM counter WHERE name NOT LIKE 'wakes.%' AND value > 0"))
    sums = {}
    for database, counts in connection.execute("SELECT database, counts FROM hour"):
        for word in counts.split():
            name, value = word.split("=")
            if not name.startswith(("phases.", "wakes.")):
                sums[f"{database} {name}"] = sums.get(f"{database} {name}", 0) + int(value)
    assert sums == counters


def assert_whole(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert_adds_up(connection)
        assert connection.execute("SELECT database FROM outage WHERE ended IS NULL GROUP BY database HAVING count(*) > 1").fetchall() == []
        assert connection.execute("SELECT count(*) FROM outage a JOIN outage b ON a.database = b.database AND a.began < b.began"
                                  " AND (a.ended IS NULL OR a.ended > b.began)").fetchall() == [(0,)]
        return in_file(connection)


def stamp(real_seconds):
    whole, part = divmod(int(real_seconds * 10**6), 10**6)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:06}Z"


def test_thirty_kills_under_load_lose_nothing_that_is_older_than_a_second(make_daemon, cluster, tmp):
    chance = random.Random(4)
    with Port() as port, Commits(tmp) as commits:
        awake = [quick(f"awake{i}", cluster.conninfo(), **BUSY) for i in range(6)]
        gone = [quick(f"gone{i}", f"host=127.0.0.1 port={port.number} user=app dbname=app", **BUSY) for i in range(6)]
        daemon = make_daemon([*awake, *gone])
        kept, old_edges = set(), 0

        def surely_kept(edges, asked):
            """Those that were told longer ago than what may be lost."""
            return {edge for edge in edges if edge[0] < stamp(asked - patient(FLUSHED) - commits.latest)}

        for kill in range(KILLS):
            daemon.start()
            with Pauses(daemon, ["awake0", "gone1", "awake1"]):  # gone0 is refused all the while
                if kill % LONG_EVERY == 0:
                    until(lambda: len(read(daemon, in_file)) >= len(kept) + ROWS, 30, f"{ROWS} more states are in the file", every=0.05)
                    until(lambda: read(daemon, refusals_in_file) > kill + LONG_EVERY, 30, "it was often refused", every=0.05)
                    until(lambda: len(surely_kept(told(daemon), time.time())) >= OLD, 30, "edges are old enough", every=0.05)
                time.sleep(chance.uniform(0.02, 0.5))  # it dies at any moment
                acknowledged = read(daemon, in_file)
                edges, asked = told(daemon), time.time()
                daemon.kill9()
            again = assert_whole(daemon.history_path)
            # What was read from the file, by us or before an earlier kill, is there for ever.
            assert acknowledged <= again and kept <= again
            stamped = {(stamp(at / 10**6), name, state, reason) for name, at, state, reason in again}
            old = surely_kept(edges, asked)
            assert old <= stamped, sorted(old - stamped)[:5]
            kept, old_edges = again, old_edges + len(old)
        assert len(kept) > 10 * KILLS and old_edges > 50, (len(kept), old_edges)
        refused = read(daemon, refusals_in_file)
        daemon.start()
        # And the next daemon goes on from it.
        assert daemon.get("/status").json["history"]["health"] == "ok"
        assert daemon.get("/history/gone0?kind=report").json["report"]["failures"]["tcp.refused"] >= refused > KILLS
        print(f"{len(kept)} states, {old_edges} edges told more than a second before a kill; our own commits were at most"
              f" {commits.latest * 1000:.0f} ms late")
