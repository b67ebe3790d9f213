"""pgwake history and report, against a scripted daemon."""

import csv
import datetime
import io
import json
import re
import subprocess

import pytest

from test_pgwake import PGWAKE, Terminal, daemon, folder, run  # noqa: F401  (fixtures)
from test_pgwake import pytestmark  # noqa: F401

UNTIL = datetime.datetime(2025, 11, 22, 16, 0, tzinfo=datetime.timezone.utc)
HOUR, DAY = 3600, 86400
EVIL = "\x1b]0;owned\x07\x1b[2J\x7f\x9b1m\u202e|\r\n\t"
# What must never be seen, beside the colours of our own.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def at(seconds_before):
    return (UNTIL - datetime.timedelta(seconds=seconds_before)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def spread(count, p50, p95, p99):
    return {"count": count, "p50_seconds": p50, "p95_seconds": p95, "p99_seconds": p99}


def distribution(*pairs):
    return [{"up_to_seconds": up_to, "count": count} for up_to, count in pairs]


def report(**more):
    value = {
        "seconds": 6 * DAY, "availability": 0.999421, "awake_seconds": 43380.5, "awake_on_our_demand_seconds": 10800,
        "states_seconds": {"asleep": 475000.5, "awake": 43080, "down": 300.5},
        "wakes": {"count": 13, "by_cause": {"lease": 7, "wake": 4, "other": 2}, "cold": 10, "p50_seconds": 1.1, "p95_seconds": 2.25,
                  "p99_seconds": 4.5, "max_seconds": 4.6, "distribution": distribution((0.5, 1), (1.0, 0), (2.0, 8), (None, 2))},
        "phases": {"resolve": spread(20, 0.0004, 0.001, 0.002), "connect": spread(20, 0.012, 0.02, 0.03),
                   "auth": spread(19, 0.1, 0.2, 0.3)},
        "outages": [{"reason": "tcp.refused", "count": 2, "seconds": 290.5}, {"reason": "dns.failed", "count": 1, "seconds": 10}],
        "failures": {"tcp.refused": 31, "dns.failed": 2},
        "timeline": [{"from": at(6 * DAY), "state": "asleep", "reason": "ok"}, {"from": at(4 * DAY), "state": "awake", "reason": "ok"},
                     {"from": at(3 * DAY), "state": "down", "reason": "tcp.refused"},
                     {"from": at(3 * DAY - 300), "state": "asleep", "reason": "ok"}],
    }
    value.update(more)
    return {"name": "main", "kind": "report", "since": at(7 * DAY), "until": at(0), "report": value}


EMPTY = report(seconds=0, availability=None, awake_seconds=0, awake_on_our_demand_seconds=0, states_seconds={}, phases={}, outages=[],
               failures={}, timeline=[],
               wakes={"count": 0, "by_cause": {}, "cold": 0, "p50_seconds": None, "p95_seconds": None, "p99_seconds": None,
                      "max_seconds": None, "distribution": []})


def rows(kind, *values, truncated=False):
    return {"name": "main", "kind": kind, "since": at(7 * DAY), "until": at(0), "truncated": truncated, "rows": list(values)}


WAKE = {"at": at(HOUR), "latency_seconds": 1.24, "cause": "lease", "cold": True, "attempts": 3,
        "phases": {"resolve": 0.0004, "connect": 0.012, "tls": 0.014, "auth": 0.01, "query": 0.006}}
FOUND = {"at": at(HOUR / 2), "latency_seconds": None, "cause": "other", "cold": False, "attempts": 1,
         "phases": {"resolve": None, "connect": None, "tls": None, "auth": None, "query": 0.006}}
STATE = {"at": at(2 * HOUR), "state": "down", "previous": "awake", "reason": "server.crashed", "sqlstate": "57P02", "generation": 3,
         "detail": "FATAL: " + "a long story " * 30 + "with an end"}
OUTAGE = {"from": at(2 * HOUR), "to": None, "seconds": 7200, "state": "down", "reason": "server.crashed"}
HOURLY = {"hour": at(3 * HOUR), "attempts": {"login": {"ok": 3, "failed": 2}, "ping": {"ok": 40}},
          "failures": {"tcp.refused": 1, "dns.failed": 1},
          "phases": {"connect": {"count": 5, "p50_seconds": 0.01, "p95_seconds": 0.02, "p99_seconds": 0.03}},
          "awake_seconds": 3600, "awake_on_our_demand_seconds": 12.5, "wakes": {"lease": 2, "wake": 1}}


def screen(daemon, *args, columns=100, **env):
    """What a terminal shows, and the exit code."""
    terminal = Terminal(["--socket", daemon.path, *args], columns=columns, **{"LC_ALL": "C.UTF-8", **env})
    code = terminal.finish()
    return terminal.text.replace("\r\n", "\n"), code


def bare(text):
    """Without the colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


# -------------------------------------------------------------------------------------------------------------------- the usage


@pytest.mark.parametrize("args, hint", [
    (["history"], "which database?"),
    (["history", "main", "app"], "one word too many"),
    (["history", "main", "--kind", "wake"], 'did you mean "wakes"?'),
    (["history", "main", "--kind", "report"], "no kind of history"),
    (["history", "main", "--since", "7"], "its unit"),
    (["history", "main", "--until", "yesterday"], "a moment (2026-"),
    (["history", "main", "--limit", "0"], "1 to 100000"),
    (["history", "main", "--limit", "100001"], "1 to 100000"),
    (["history", "main", "--limit", "-1"], "1 to 100000"),
    (["history", "main", "--limit", "1e3"], "1 to 100000"),
    (["history", "main", "--json", "--csv"], "exclude each other"),
    (["history", "main", "--plain", "--csv"], "exclude each other"),
    (["report"], "which database?"),
    (["report", "main", "--since", "week"], "its unit"),
    (["report", "main", "--json", "--plain"], "exclude each other"),
    (["report", "main", "--kind", "wakes"], "unknown option"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_usage_exits_3_and_says_what_would_be_right(daemon, args, hint):  # noqa: F811
    result = run(daemon.path, *args)
    assert (result.returncode, result.stdout, daemon.requests) == (3, "", [])
    assert hint in result.stderr


@pytest.mark.parametrize("args, query", [
    (["history", "main"], "kind=wakes"),
    (["history", "main", "--kind", "hours", "--since", "1h 30min", "--until", "2026-11-22T16:00:00+01:00", "--limit", "5"],
     "kind=hours&since=1h%2030min&until=2026-11-22T16%3A00%3A00%2B01%3A00&limit=5"),
    (["history", "main", "--csv"], "kind=wakes&format=csv"),
    (["report", "main"], "kind=report"),
    (["report", "main", "--since", "30d"], "kind=report&since=30d"),
])
def test_what_is_asked_reaches_the_daemon(daemon, args, query):  # noqa: F811
    run(daemon.path, *args)
    assert [request[:2] for request in daemon.requests] == [("GET", f"/history/main?{query}")]


@pytest.mark.parametrize("command", ["history", "report"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_refusals(daemon, command, flags):  # noqa: F811
    for status, error in ((503, "history_off"), (429, "busy"), (400, "bad_since")):
        daemon.routes["GET", "/history/main"] = (status, {"error": error, "message": "the disk is full"})
        result = run(daemon.path, command, "main", *flags)
        assert result.returncode == (3 if status == 400 else 1) and result.stderr == f"pgwake: main: the disk is full ({error})\n"
        assert (json.loads(result.stdout)["error"] == error) if flags else result.stdout == ""
    result = run(daemon.path, command, "mian", *flags)
    assert result.returncode == 3 and 'did you mean "main"?' in result.stderr


def test_a_refusal_of_csv_is_told_and_not_passed_on(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (503, {"error": "history_off", "message": "the disk is full"})
    result = run(daemon.path, "history", "main", "--csv")
    assert (result.returncode, result.stdout) == (1, "") and "history_off" in result.stderr


@pytest.mark.parametrize("args", [["history", "main"], ["history", "main", "--csv"], ["report", "main"]], ids=" ".join)
def test_without_a_daemon_it_exits_2(folder, args):  # noqa: F811
    result = run(folder + "/none", *args)
    assert (result.returncode, result.stdout) == (2, "") and folder + "/none" in result.stderr and result.stderr.count("\n") == 1


# -------------------------------------------------------------------------------------------------------------------- the report


def lines_of(daemon, value, *flags, **env):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, value)
    result = run(daemon.path, "report", "main", *flags, **env)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_a_report_without_a_terminal_is_a_fact_a_line(daemon):  # noqa: F811
    lines = lines_of(daemon, report())
    assert lines == lines_of(daemon, report(), "--plain", COLUMNS="40")
    assert all(line.isascii() and line.isprintable() for line in lines)
    for line in ("name main", "since 2025-11-15T16:00:00.000000Z", "known_seconds 518400", "availability 0.99942100",
                 "awake_seconds 43380.500000", "awake_on_our_demand_seconds 10800", "state_seconds down 300.500000", "wakes 13",
                 "wakes_cold 10",
                 "wakes_by_cause lease 7", "wakes_p95_seconds 2.250000", "wakes_up_to_seconds 2 8", "wakes_up_to_seconds - 2",
                 "phase connect count 20 p50_seconds 0.012000 p95_seconds 0.020000 p99_seconds 0.030000",
                 "phase tls count 0 p50_seconds - p95_seconds - p99_seconds -", "failures tcp.refused 31",
                 "outages tcp.refused count 2 seconds 290.500000 meaning The host is there, but nothing listens on that port or socket."):
        assert line in lines


def test_a_report_of_nothing_claims_nothing(daemon):  # noqa: F811
    lines = lines_of(daemon, EMPTY)
    assert {"availability -", "wakes 0", "wakes_p50_seconds -", "known_seconds 0"} <= set(lines)
    text, code = screen(daemon, "report", "main")
    assert code == 0 and "█" not in text and "available" not in text
    assert re.search(r"known +nothing\n", bare(text)) and re.search(r"^  ·{98}\n  \?\n", bare(text), re.M)


def test_json_is_what_the_daemon_says(daemon):  # noqa: F811
    assert json.loads("".join(lines_of(daemon, report(), "--json"))) == report()
    assert json.loads(screen(daemon, "report", "main", "--json")[0]) == report()


def test_a_report_is_drawn_on_a_terminal(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, report())
    text, code = screen(daemon, "report", "main", columns=80)
    assert code == 0
    assert "\x1b[32m" in text and "\x1b[1;31m" in text
    assert re.search(r"^  ·+▁+█+░▁+\n  \? +z +a +Dz\n +│Nov 16 +│Nov 17 ", bare(text), re.M)
    assert "  · ? unknown   ▁ z asleep   █ a awake   ░ D down\n" in bare(text)
    assert "99.942% of the known time" in text and "12 h 3 min, 3 h of it (24.9%) on our demand" in text
    assert "13, 10 of them cold; caused by lease 7, wake 4, other 2" in text
    assert "p50 1.10 s, p95 2.25 s, p99 4.50 s" in text and "of 2 it is not" in text
    assert re.search(r"^   ≤    2 s  8 █+\n", bare(text), re.M) and re.search(r"^connect +20 +12 ms +20 ms +30 ms\n", bare(text), re.M)
    assert "  tcp.refused: 4 min 50 s, 2 outages\n    The host is there" in text


@pytest.mark.parametrize("value, said", [(1, "100%"), (0.99999999, "99.999%"), (0.9995, "99.950%"), (0.5, "50.000%"), (0.0, "0.000%")])
def test_only_the_whole_is_a_hundred_percent(daemon, value, said):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, report(availability=value))
    assert re.search(rf" {re.escape(said)} of the known time", screen(daemon, "report", "main")[0])


def test_an_outage_without_a_reason_is_told(daemon):  # noqa: F811
    outages = [{"reason": None, "count": 1, "seconds": 5}]
    assert "outages - count 1 seconds 5" in lines_of(daemon, report(outages=outages))
    assert "\n  -: 5.00 s, 1 outage\n" in screen(daemon, "report", "main")[0]


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
@pytest.mark.parametrize("columns", [40, 41, 60, 80, 120, 200])
def test_the_drawing_fits_the_terminal(daemon, columns, locale):  # noqa: F811
    long = report(outages=[{"reason": "x" * 300, "count": 1, "seconds": 1}], failures={"y" * 300: 1, "tls.verify": 2},
                  wakes={**report()["report"]["wakes"], "by_cause": {"cause" * 30: 1, "lease": 10 ** 15}})
    daemon.routes["GET", "/history/main"] = (200, long)
    text, code = screen(daemon, "report", "main", columns=columns, LC_ALL=locale)
    assert code == 0 and all(len(line) <= columns for line in bare(text).split("\n"))
    assert max(len(line) for line in bare(text).split("\n")) == columns
    assert text.isascii() == (locale == "C")


def test_the_width_is_bounded_and_taken_from_columns_where_the_terminal_has_none(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, EMPTY)
    for columns, env, width in ((300, {}, 200), (20, {}, 40), (0, {"COLUMNS": "60"}, 60), (0, {}, 80), (70, {"COLUMNS": "60"}, 70)):
        text, _ = screen(daemon, "report", "main", columns=columns, **env)
        assert re.search(rf"^  ·{{{width - 2}}}$", bare(text), re.M), (columns, env)


@pytest.mark.parametrize("env, flags", [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--plain"])], ids=str)
def test_nothing_is_drawn_for_who_does_not_want_it(daemon, env, flags):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, report())
    text, code = screen(daemon, "report", "main", *flags, **env)
    assert code == 0 and text.isascii() and "\x1b" not in text
    assert text == run(daemon.path, "report", "main").stdout


def test_times_are_local(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, {**report(), "since": "2025-06-01T22:00:00Z", "until": "2025-06-02T22:00:00Z"})
    text, _ = screen(daemon, "report", "main", TZ="CET-1CEST,M3.5.0,M10.5.0/3")
    assert "2025-06-02 00:00:00 to 2025-06-03 00:00:00, 24 h" in text and re.search(r"^  │Jun 02 +│03:00 ", text, re.M)


# ------------------------------------------------------------------------------------------------------------------- the history


def test_wakes_are_a_table(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("wakes", WAKE, FOUND))
    result = run(daemon.path, "history", "main", COLUMNS="40")
    assert [line.split() for line in result.stdout.splitlines()] == [
        "AT LATENCY CAUSE COLD ATTEMPTS RESOLVE CONNECT TLS AUTH QUERY".split(),
        f"{at(HOUR)} 1.240000 lease yes 3 0.000400 0.012000 0.014000 0.010000 0.006000".split(),
        f"{at(HOUR / 2)} - other no 1 - - - - 0.006000".split()]
    assert (result.returncode, result.stderr) == (0, "")


def test_states_outages_and_hours_are_tables(daemon):  # noqa: F811
    for kind, row, expected in (
            ("states", STATE, [at(2 * HOUR), "down", "awake", "server.crashed", "57P02", "3", *STATE["detail"].split()]),
            ("outages", OUTAGE, [at(2 * HOUR), "-", "7200.000000", "down", "server.crashed"]),
            ("hours", HOURLY, [at(3 * HOUR), "45", "3600.000000", "12.500000", "-", "0.020000", "-", "-", "-", "lease=2,wake=1",
                               "tcp.refused=1,dns.failed=1"])):
        daemon.routes["GET", "/history/main"] = (200, rows(kind, row))
        result = run(daemon.path, "history", "main", "--kind", kind, "--plain", COLUMNS="40")
        assert (result.returncode, result.stderr) == (0, "")
        assert [line.split() for line in result.stdout.splitlines()[1:]] == [expected]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_a_table_is_cut_to_the_terminal_and_has_local_times(daemon, columns):  # noqa: F811
    for kind, row, words in (("wakes", WAKE, ["2025-11-22 17:00:00", r"1\.24 s"]), ("states", STATE, ["2025-11-22 16:00:00", "down"]),
                             ("outages", OUTAGE, ["2025-11-22 16:00:00", "2 h", "down"]), ("hours", HOURLY, ["2025-11-22 15:00:00"])):
        daemon.routes["GET", "/history/main"] = (200, rows(kind, row))
        text, code = screen(daemon, "history", "main", "--kind", kind, columns=columns, TZ="XXX-2")
        assert code == 0 and all(len(line) <= columns for line in bare(text).split("\n"))
        assert all(re.search(word, bare(text)) for word in words)
        text, code = screen(daemon, "history", "main", "--kind", kind, "--plain", columns=columns, TZ="XXX-2")
        assert text == run(daemon.path, "history", "main", "--kind", kind).stdout and "Z" in text


def test_a_history_of_nothing(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("outages"))
    assert screen(daemon, "history", "main", "--kind", "outages") == ("No outages in this time.\n", 0)
    assert run(daemon.path, "history", "main", "--kind", "outages").stdout.split() == ["FROM", "TO", "LASTED", "STATE", "REASON"]


def test_it_says_that_there_is_more_and_how_to_get_it(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("wakes", WAKE, FOUND, truncated=True))
    result = run(daemon.path, "history", "main", "--limit", "2")
    assert result.returncode == 0 and result.stdout.count("\n") == 3
    assert result.stderr == (f"pgwake: there is more: these are the newest 2 rows; --limit N (at most 100000) shows more, "
                             f"--until {at(HOUR)} those before\n")
    result = run(daemon.path, "history", "main", "--json")
    assert json.loads(result.stdout) == rows("wakes", WAKE, FOUND, truncated=True) and result.stderr == ""


def test_100000_rows(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("wakes", *[WAKE] * 100000, truncated=True))
    result = run(daemon.path, "history", "main", "--limit", "100000")
    assert result.returncode == 0 and result.stdout.count("\n") == 100001
    assert f"the newest 100000 rows; --until {at(HOUR)} shows those before" in result.stderr


def passing(body):
    return lambda handler: handler.send_bytes(200, body, "text/csv")


def test_csv_is_passed_on(daemon):  # noqa: F811
    body = 'at,detail\r\n2026-11-22T15:00:00Z,"a ""long""\r\nstory; ä"\r\n'.encode()
    daemon.routes["GET", "/history/main"] = passing(body)
    result = run(daemon.path, "history", "main", "--kind", "states", "--csv")
    assert (result.returncode, result.stderr) == (0, "")
    assert list(csv.reader(io.StringIO(result.stdout))) == [["at", "detail"], ["2026-11-22T15:00:00Z", 'a "long"\nstory; ä']]
    result = run(daemon.path, "history", "main", "--kind", "states", "--csv", "--limit", "1")
    assert result.returncode == 0 and "there may be more" in result.stderr


def test_csv_says_nothing_to_a_terminal(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = passing(b"at,detail\r\n1," + EVIL.encode() + b"\x00\xff,seen\r\n")
    for env in ({}, {"TERM": "dumb"}):
        text, code = screen(daemon, "history", "main", "--csv", **env)
        assert code == 0 and "seen" in text and not CONTROL.search(text)


# ------------------------------------------------------------------------------------------------------------------ hostile answers


def changed(value, path, new):
    copy = json.loads(json.dumps(value))
    *above, last = path.split(".")
    inside = copy
    for key in above:
        inside = inside[int(key) if key.isdigit() else key]
    inside[int(last) if last.isdigit() else last] = new
    return copy


@pytest.mark.parametrize("path, new", [
    ("name", None), ("since", "soon"), ("until", "2025-11-01T00:00:00Z"), ("report", []), ("report.seconds", -1), ("report.seconds", "7d"),
    ("report.availability", 1.5), ("report.availability", "all"), ("report.states_seconds", {"awake": "long"}),
    ("report.states_seconds", []),
    ("report.wakes", None), ("report.wakes.count", 1.5), ("report.wakes.by_cause", {"lease": -1}), ("report.wakes.p50_seconds", {}),
    ("report.wakes.distribution", {}), ("report.wakes.distribution.0.count", -1), ("report.wakes.distribution.0.up_to_seconds", 3),
    ("report.phases.connect", 3), ("report.phases.connect.p95_seconds", "x"), ("report.outages", None), ("report.outages.0.reason", 7),
    ("report.availability", -0.1),
    ("report.outages.0.seconds", -1), ("report.failures", {"x": "y"}), ("report.timeline.1.from", "2025-01-01T00:00:00Z"),
    ("report.timeline.1.from", "then"), ("report.timeline.1.state", None), ("report.timeline.0", 3)])
def test_reports_of_a_wrong_shape_are_not_believed(daemon, path, new):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, changed(report(), path, new))
    result = run(daemon.path, "report", "main")
    assert (result.returncode, result.stdout) == (2, "")
    assert "not understood" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("kind, row, path, new", [
    ("wakes", WAKE, "truncated", None), ("wakes", WAKE, "rows", {}), ("wakes", WAKE, "rows.0", 5), ("wakes", WAKE, "rows.0.at", None),
    ("wakes", WAKE, "rows.0.at", "noon"), ("wakes", WAKE, "rows.0.latency_seconds", -1), ("wakes", WAKE, "rows.0.cold", "yes"),
    ("wakes", WAKE, "rows.0.phases", [1]), ("states", STATE, "rows.0.state", 3), ("states", STATE, "rows.0.generation", -1),
    ("outages", OUTAGE, "rows.0.to", 5), ("hours", HOURLY, "rows.0.attempts", {"login": "many"}),
    ("hours", HOURLY, "rows.0.attempts", {"login": {"ok": {"deep": 1}}}), ("hours", HOURLY, "rows.0.failures", {"x": 1.5})])
def test_rows_of_a_wrong_shape_are_not_believed(daemon, kind, row, path, new):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, changed(rows(kind, row), path, new))
    result = run(daemon.path, "history", "main", "--kind", kind)
    assert (result.returncode, result.stdout) == (2, "")
    assert "not understood" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b'{"a":1,"a":2}', b"[" * 100000, b'{"a":"\xff"}'], ids=repr)
def test_what_is_no_answer_is_told(daemon, body):  # noqa: F811
    daemon.routes["GET", "/history/main"] = lambda handler: handler.send_bytes(200, body)
    for args in (["history", "main"], ["report", "main"], ["report", "main", "--json"]):
        result = run(daemon.path, *args)
        assert (result.returncode, result.stdout) == (2, "") and result.stderr.count("\n") == 1


def test_json_is_no_csv(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("wakes", WAKE))
    result = run(daemon.path, "history", "main", "--csv")
    assert (result.returncode, result.stdout) == (2, "") and "no CSV" in result.stderr


def test_control_characters_never_reach_the_terminal(daemon):  # noqa: F811
    hostile = report(states_seconds={EVIL: 1, "awake": 2}, failures={EVIL: 3}, outages=[{"reason": EVIL, "count": 1, "seconds": 1}],
                     wakes={**report()["report"]["wakes"], "by_cause": {EVIL: 1}},
                     timeline=[{"from": at(DAY), "state": EVIL, "reason": EVIL}])
    state = {**STATE, **dict.fromkeys(("state", "previous", "reason", "sqlstate", "detail"), EVIL)}
    cases = [(["report"], {**hostile, "name": EVIL}), (["history"], rows("wakes", {**WAKE, "cause": EVIL}, truncated=True)),
             (["history", "--kind", "states"], rows("states", state)),
             (["history", "--kind", "outages"], rows("outages", {**OUTAGE, "state": EVIL, "reason": EVIL})),
             (["history", "--kind", "hours"], rows("hours", {**HOURLY, "wakes": {EVIL: 1}, "failures": {EVIL: 1}}))]
    for (command, *flags), value in cases:
        daemon.routes["GET", "/history/main"] = (200, value)
        for more in ([], ["--plain"], ["--json"]):
            text, code = screen(daemon, command, "main", *flags, *more)
            assert code == 0 and text and not CONTROL.search(bare(text)), (command, more)
    # What is no time is no answer, and is not repeated either.
    daemon.routes["GET", "/history/main"] = (200, {**hostile, "since": EVIL})
    text, code = screen(daemon, "report", "main")
    assert code == 2 and not CONTROL.search(bare(text))


def test_a_closed_pipe_ends_quietly(daemon):  # noqa: F811
    daemon.routes["GET", "/history/main"] = (200, rows("wakes", *[WAKE] * 5000))
    done = subprocess.run(f"{PGWAKE} --socket {daemon.path} history main | head -n 1", shell=True, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1
