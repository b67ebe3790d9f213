"""pgwake history and report against the real daemon: what happened is what they show."""

import csv
import io
import json
import re
import time
from contextlib import ExitStack, closing

import pytest

from rig.daemon import Daemon
from rig.edges import quick
from rig.folder import make_folder, remove_folder
from rig.nap import Nap
from rig.patience import until
from rig.ports import Port
from test_pgwake_real import Terminal

COLUMNS = {
    "wakes": "AT LATENCY CAUSE COLD ATTEMPTS RESOLVE CONNECT TLS AUTH QUERY",
    "states": "AT STATE PREVIOUS REASON SQLSTATE GENERATION DETAIL",
    "outages": "FROM TO LASTED STATE REASON",
    "hours": "HOUR ATTEMPTS AWAKE OURS RESOLVE CONNECT TLS AUTH QUERY WAKES FAILURES",
}


@pytest.fixture(name="past", scope="module")
def daemon_with_a_past(run_folder):
    """main was woken three times; gone was never there; between two daemons nobody watched. One for all tests: they only read."""
    folder = make_folder(run_folder, "past-")
    with ExitStack() as stack:
        stack.callback(remove_folder, folder)
        nap = stack.enter_context(closing(Nap(folder, run_folder, suspend_after=60, wake_delay=0.5)))
        port = stack.enter_context(Port())
        databases = [quick("main", nap.conninfo(), slow="200ms", provider="neon", policy="keep-awake"),
                     quick("gone", f"host=127.0.0.1 port={port.number} user=app dbname=app")]
        daemon = stack.enter_context(closing(Daemon(folder, databases)))
        daemon.born = time.monotonic()
        daemon.start()
        for count in (1, 2):
            until(lambda: (status := daemon.status("main"))["state"] == "awake" and status["wakes"]["count"] == count, 20, "main woke")
            if count == 1:
                nap.command("suspend now")
        until(lambda: daemon.status("gone")["state"] == "down", 20, "gone is down")
        assert daemon.stop()[0] == 0
        # When nobody is there to wake it: a wake that one daemon began and another saw the end of would be nobody's.
        nap.command("suspend now")
        daemon.start()
        until(lambda: daemon.status("main")["state"] == "awake" and daemon.status("gone")["state"] == "down", 20, "both were looked at")
        until(lambda: len(rows_of(daemon, "main", "wakes")) == 3, 20, "all wakes are kept")
        until(lambda: rows_of(daemon, "gone", "hours"), 20, "an hour is kept")
        yield daemon


def ask(daemon, *args):
    done = daemon.pgwake(*args)
    assert (done.returncode, done.stderr) == (0, ""), args
    return done.stdout


def rows_of(daemon, name, kind):
    return json.loads(ask(daemon, "history", name, "--kind", kind, "--json"))["rows"]


def plain(daemon, name, kind, *more):
    """The lines of the table as words, without the heading."""
    head, *lines = ask(daemon, "history", name, "--kind", kind, "--plain", *more).splitlines()
    assert head.split() == COLUMNS[kind].split()
    return [line.split() for line in lines]


def test_history_shows_what_happened(past):
    wakes = plain(past, "main", "wakes")
    served = rows_of(past, "main", "wakes")
    assert len(wakes) == 3 and [each[0] for each in wakes] == [each["at"] for each in served]
    assert [float(each[1]) for each in wakes] == [each["latency_seconds"] for each in served] and [each[2] for each in wakes][0] == "start"
    assert [each[0] for each in wakes] == sorted(each[0] for each in wakes)
    states = plain(past, "gone", "states")
    assert ["down", "tcp.refused"] in [[each[1], each[3]] for each in states]
    assert any("Connection refused" in " ".join(each) for each in states)
    (outage, *_) = plain(past, "gone", "outages")
    assert outage[3:] == ["down", "tcp.refused"]
    hours = plain(past, "gone", "hours")
    assert any("tcp.refused=" in each[-1] and int(each[1]) > 0 for each in hours)


def test_no_more_than_the_newest_rows_are_shown_and_that_is_told(past):
    newest = plain(past, "gone", "states")[-1]
    done = past.pgwake("history", "gone", "--kind", "states", "--limit", "1")
    assert done.returncode == 0 and done.stdout.splitlines()[1].split() == newest
    assert "there is more" in done.stderr and f"--until {newest[0]}" in done.stderr
    # What it says gets what it promises.
    before = plain(past, "gone", "states", "--until", newest[0])
    assert before and newest not in before and before == plain(past, "gone", "states")[:-1]


@pytest.mark.parametrize("kind", COLUMNS)
def test_csv_has_all_rows(past, kind):
    for name in ("main", "gone"):
        head, *rows = csv.reader(io.StringIO(ask(past, "history", name, "--kind", kind, "--csv", "--until", "0s")))
        assert head[0] in ("at", "from", "hour") and all(len(row) == len(head) for row in rows)
        assert [row[0] for row in rows] == [each[0] for each in plain(past, name, kind)]


def test_a_report_adds_it_up(past):
    lines = ask(past, "report", "main").splitlines()
    facts = dict(line.split(" ", 1) for line in lines)
    assert facts["wakes"] == "3" and facts["name"] == "main" and 0 < float(facts["wakes_p50_seconds"]) <= float(facts["wakes_max_seconds"])
    assert 0 < float(facts["known_seconds"]) < 3600 and 0 < float(facts["awake_seconds"]) < 3600
    facts = dict(line.split(" ", 1) for line in ask(past, "report", "gone").splitlines())
    assert 0 <= float(facts["availability"]) < 0.9
    assert facts["outages"].startswith("tcp.refused count ") and "meaning The host" in facts["outages"]
    assert facts["failures"].startswith("tcp.refused ")


def test_a_report_is_drawn(past):
    # main may have been awake for less of a second than it took to wake it.
    # From before its first start on, however long ago that was.
    since = f"{int(time.monotonic() - past.born) + 30}s"
    for name, letters in (("main", "[aw]"), ("gone", "D")):
        terminal = Terminal(past, "report", name, "--since", since, columns=60)
        assert terminal.finish() == 0
        text = re.sub(r"\x1b\[[\d;]*m", "", terminal.text.replace("\r\n", "\n"))
        strip = re.search(r"^  ([?zwaGFDB]{58})$", text, re.M)
        # Nobody watched before the first start: that is no state of the database.
        assert strip and strip[1].startswith("?") and re.search(letters, strip[1]), text
        assert all(len(line) <= 60 for line in text.split("\n"))
    assert "  tcp.refused: " in text and "nothing listens on that port" in " ".join(text.split())


def test_a_name_that_was_never_known(past):
    for command in ("history", "report"):
        done = past.pgwake(command, "mian")
        assert done.returncode == 3 and 'did you mean "main"?' in done.stderr
    done = past.pgwake("report", "main", "--since", "2026-13-01T00:00:00Z")
    assert done.returncode == 3 and "2026-13-01" in done.stderr


def test_who_may_only_read_has_history_too(past):
    done = past.pgwake("history", "gone", "--kind", "states", socket="status")
    assert done.returncode == 0 and "tcp.refused" in done.stdout and "Connection refused" not in done.stdout
