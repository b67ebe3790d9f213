"""pgwake against the real daemon: what a person types, what is printed, and how it ends."""

import json
import os
import re
import signal
import statistics
import threading
import time
from pathlib import Path

import pytest

import rig.terminal
from rig.daemon import built, check_sanitizers
from rig.patience import patient, until

FAST = {"ping_interval": "100ms", "login_interval": "30s", "retry_interval": "20ms", "down_interval": "50ms", "attempt_timeout": "10s",
        "fresh_for": "20s", "jitter": "0%"}
QUIET = {"policy": "observe", "door_interval": "0s"}
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]
DATABASE_KEYS = {"name", "reached", "state", "reason", "message"}


def entry(name, fake, **more):
    return {"name": name, "conninfo": fake.conninfo(), **FAST, **more}


class Terminal(rig.terminal.Terminal):
    """pgwake on a terminal, asking a real daemon."""

    def __init__(self, daemon, *argv, columns=100, rows=30):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(daemon.folder), "TERM": "xterm", "TZ": "UTC", "PGWAKE_SOCKET": str(daemon.control_socket),
               **{key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}}
        super().__init__([str(built("pgwake")), *argv], env, patient(10), columns, rows)


@pytest.fixture(name="two")
def two_databases(make_daemon, make_fake):
    """(daemon, fake of good, fake of bad): good is awake, bad is down."""
    good, bad = make_fake(answer=ROW), make_fake(answer=ROW)
    bad.refuse()
    daemon = make_daemon([entry("good", good), entry("bad", bad)]).start()
    daemon.wait_state("good", "awake")
    daemon.wait_state("bad", "down")
    return daemon, good, bad


# --------------------------------------------------------------------------------------------------------------------------- status


def test_status_is_a_table_of_all_and_a_page_of_one(two):
    daemon, good, bad = two
    done = daemon.pgwake("status")
    assert (done.returncode, done.stderr) == (0, "")
    head, first, second, empty, total = done.stdout.splitlines()
    assert (empty, total) == ("", "2 databases: 1 awake, 1 down. Not ready.")
    assert head.split()[:3] == ["NAME", "STATE", "REASON"]
    assert first.split()[:3] == ["bad", "down", "tcp.refused"] and second.split()[:2] == ["good", "awake"]
    page = daemon.pgwake("status", "bad")
    assert page.returncode == 0 and page.stdout.startswith("bad: down, not ready (tcp.refused)\n")
    for words in (f"127.0.0.1:{bad.port}/app", "nothing listens", "Connection refused", "keep-awake", "generation"):
        assert words in page.stdout, words
    assert daemon.pgwake("status", "good").stdout.startswith("good: awake, ready\n")
    # Who may only read sees no raw words.
    assert "Connection refused" not in daemon.pgwake("status", "bad", socket="status").stdout


def test_status_json_is_what_the_daemon_says(two):
    daemon, _, _ = two
    whole, one = json.loads(daemon.pgwake("status", "--json").stdout), json.loads(daemon.pgwake("status", "good", "--json").stdout)
    assert [each["name"] for each in whole["databases"]] == ["bad", "good"] and whole["ready"] is False
    served = daemon.status("good")
    assert one.keys() == served.keys() and all(one[key] == served[key] for key in ("name", "state", "since", "generation", "endpoint", "server"))
    assert len(daemon.pgwake("status", "--json").stdout.splitlines()) == 1


def test_status_of_nothing_says_so(make_daemon):
    done = make_daemon().start().pgwake("status")
    assert done.returncode == 0 and "no database" in (done.stdout + done.stderr).lower()


def test_watch_on_a_terminal_draws_every_change_and_leaves_the_screen_as_it_was(two):
    daemon, good, _ = two
    terminal = Terminal(daemon, "status", "--watch")
    terminal.expect(r"\x1b\[\?1049h")
    terminal.expect(r"good.*awake")
    mark = len(terminal.text)
    good.refuse()
    good.cut()
    terminal.expect(r"good.*down.*tcp\.refused", after=mark)
    mark = len(terminal.text)
    good.script = "ok"
    terminal.expect(r"good.*awake", after=mark)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 0
    assert "\x1b[?1049l" in terminal.text and "\x1b[?25h" in terminal.text.rsplit("\x1b[?25l", 1)[1]


def test_watch_into_a_pipe_writes_a_line_at_every_change(two):
    daemon, good, _ = two
    process = daemon.start_pgwake("status", "good", "--watch", "--json")
    states = []

    def read():
        for line in process.stdout:
            states.append(json.loads(line)["state"])

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: states == ["awake"], 10, "the first picture")
    daemon.get("/pause/good?for=1h", method="POST")
    until(lambda: states[-1] == "unknown", 10, "the second")
    daemon.get("/pause/good?for=0s", method="POST")
    until(lambda: states[-1] == "awake", 10, "the third")
    process.send_signal(signal.SIGTERM)
    assert process.wait(patient(10)) == 0
    reader.join(5)
    check_sanitizers(process.stderr.read())
    process.stdout.close()
    process.stderr.close()
    process.stdin.close()


# ----------------------------------------------------------------------------------------------------------------------------- wait


def test_wait_returns_at_once_for_what_is_ready_and_tells_how_long(two):
    daemon, _, _ = two
    done = daemon.pgwake("wait", "good")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"good is awake after [\d.]+ (us|ms|s)\n", done.stdout)
    assert daemon.pgwake("wait", "good", socket="status").returncode == 0
    told = json.loads(daemon.pgwake("wait", "good", "--json").stdout)
    assert told["reached"] is True and told["elapsed_seconds"] < patient(5) and told["databases"][0].keys() == DATABASE_KEYS


def test_wait_gives_up_after_its_time_with_the_reason(two, stall):
    daemon, _, _ = two
    for names in (["bad"], ["good", "bad"]):
        done = daemon.pgwake("wait", *names, "--timeout", "300ms")
        assert done.returncode == 1 and 0.3 <= done.seconds < 0.3 + stall.late(4)
        assert re.search(r"^pgwake: bad is down after [3-9]\d\d ms \(tcp\.refused\): .*nothing listens", done.stderr, re.M), done.stderr
        assert ("good is awake" in done.stdout) is ("good" in names)
    told = json.loads(daemon.pgwake("wait", "bad", "--timeout", "100ms", "--json").stdout)
    assert told["reached"] is False and told["databases"][0]["reason"] == "tcp.refused"


def test_wait_returns_in_the_moment_of_the_first_answered_query(make_daemon, make_fake):
    """Measured from the server's answer to the printed line, so with all of pgwaked, HTTP and pgwake between."""
    answered = []

    def answer(_):
        answered.append(time.monotonic_ns() // 1000)
        return ROW

    fake = make_fake(answer=answer)
    daemon = make_daemon([entry("main", fake, ping_interval="1h", login_interval="1h")]).start()
    daemon.wait_state("main", "awake")
    took = []
    for _ in range(11):
        fake.refuse()
        fake.cut()
        daemon.wait_state("main", "down")
        process = start_and_connect(daemon, "wait", "main")
        answered.clear()
        fake.script = "ok"
        line = process.stdout.readline()
        at = time.monotonic_ns() // 1000
        assert line.startswith("main is awake after ") and process.wait(patient(10)) == 0
        took.append((at - answered[0]) / 1000)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
    print(f"pgwake wait: {statistics.median(took):.2f} ms after the first answered query, median of {len(took)}; {max(took):.2f} ms at most")
    assert statistics.median(took) < patient(1000)


def clients(daemon):
    """Connections to the daemon's UNIX sockets that are open now."""
    with open("/proc/net/unix", encoding="ascii") as table:
        connected = {line.split()[6] for line in table if line.split()[5] == "03"}
    found = 0
    for descriptor in os.listdir(f"/proc/{daemon.pid}/fd"):
        try:
            found += os.readlink(f"/proc/{daemon.pid}/fd/{descriptor}").removeprefix("socket:[").rstrip("]") in connected
        except FileNotFoundError:
            pass
    return found


def start_and_connect(daemon, *argv):
    """Starts pgwake and waits until it has asked all that it asks at first, and only waits: its connections stay as they are."""
    until(lambda: clients(daemon) == 0, 10, "the callers before are gone", every=0.002)
    process = daemon.start_pgwake(*argv)
    seen = []

    def settled():
        seen.append((clients(daemon), Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]))
        return seen[-1][0] > 0 and len(seen) > 20 and set(seen[-20:]) == {(seen[-1][0], "S")}

    until(settled, 10, "pgwake is connected and sleeps")
    return process


def test_wait_for_many_waits_for_the_last(make_daemon, make_fake):
    fakes = [make_fake(answer=ROW) for _ in range(3)]
    for fake in fakes:
        fake.refuse()
    names = [f"db{i}" for i in range(3)]
    daemon = make_daemon([entry(name, fake) for name, fake in zip(names, fakes)]).start()
    process = daemon.start_pgwake("wait", *names)
    for name, fake in zip(names, fakes):
        daemon.wait_state(name, "down")
        assert process.poll() is None
        fake.script = "ok"
        daemon.wait_state(name, "awake")
    out, err = process.communicate(timeout=patient(10))
    assert process.returncode == 0 and err == ""
    assert [line.split()[:3] for line in out.splitlines()] == [[name, "is", "awake"] for name in names]


def test_wait_on_a_terminal_shows_state_elapsed_and_expected_time(make_daemon, make_nap):
    nap = make_nap(wake_delay=1.2, suspend_after=60)
    daemon = make_daemon([{"name": "main", "conninfo": nap.conninfo(), "slow": "200ms", **QUIET, "linger": "1h"}]).start()
    first = Terminal(daemon, "wait", "main", "--wake")
    first.expect(r"\rmain: unknown")
    first.expect(r"\rmain: unknown \(server\.slow\) .*\d\.\d s")
    assert first.finish() == 0
    assert re.search(r"main is awake after [\d.]+ s\r\n$", first.text)
    nap.command("suspend now")
    daemon.wait_reason("main", "session.cut")
    second = Terminal(daemon, "wait", "main", "--wake")
    second.expect(r"main: .*\[[#.]{20}\] \d\.\d s of about [\d.]+ (ms|s)")
    assert second.finish() == 0 and "\x1b[K" in second.text
    assert nap.status()["wakes"] == 2


def test_wait_alone_wakes_nothing_and_says_so(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}]).start()
    done = daemon.pgwake("wait", "main", "--timeout", "500ms")
    assert done.returncode == 1 and fake.seen == []
    assert "pgwake wait --wake main" in done.stderr, "nothing else will wake it: that is worth a word"
    daemon.pgwake("pause", "main", "--for", "1h")
    assert "pgwake resume main" in daemon.pgwake("wait", "main", "--timeout", "100ms").stderr
    daemon.pgwake("resume", "main")
    assert daemon.pgwake("wait", "main", "--wake", "--timeout", "20s").returncode == 0 and len(fake.seen) == 1


def test_wait_for_a_state_sees_it_fall_asleep(make_daemon, make_nap):
    nap = make_nap(suspend_after=0.5)
    daemon = make_daemon([{"name": "main", "conninfo": nap.conninfo(), "provider": "neon", "suspend_after": "500ms", "door_interval": "300ms",
                           "linger": "0s"}]).start()
    process = daemon.start_pgwake("wait", "main", "--for", "asleep", "--timeout", "30s")
    out, err = process.communicate(timeout=patient(40))
    assert process.returncode == 0 and re.fullmatch(r"main is asleep after [\d.]+ (ms|s)\n", out), (out, err)
    assert nap.status()["wakes"] == 1
    # And while it sleeps:
    done = daemon.pgwake("check", "main")
    assert done.returncode == 1 and done.stdout.startswith("main is asleep")
    assert daemon.pgwake("check", "main", "--accept", "asleep").returncode == 0
    assert daemon.pgwake("check", "main", "--nagios").returncode == 1
    assert daemon.pgwake("check", "main", "--nagios", "--accept", "asleep").returncode == 0
    assert daemon.pgwake("wait", "main", "--for", "awake", "--timeout", "300ms").returncode == 1
    assert nap.status()["wakes"] == 1, "all of these only asked"


def test_wait_lives_through_a_restart_of_the_daemon(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    fake.refuse()
    daemon = make_daemon([entry("main", fake)]).start()
    daemon.wait_state("main", "down")
    process = start_and_connect(daemon, "wait", "main", "--timeout", "30s")
    daemon.stop()
    daemon.start()
    daemon.wait_state("main", "down")
    assert process.poll() is None, process.stderr.read()
    fake.script = "ok"
    out, _ = process.communicate(timeout=patient(20))
    assert process.returncode == 0 and "main is awake" in out


# ----------------------------------------------------------------------------------------------------------------- wake, pause, check


def test_wake_starts_one_and_waits_when_asked(make_daemon, make_nap):
    nap = make_nap(wake_delay=0.5, suspend_after=60)
    daemon = make_daemon([{"name": "main", "conninfo": nap.conninfo(), "slow": "100ms", "linger": "1h", **QUIET}]).start()
    done = daemon.pgwake("wake", "main")
    assert done.returncode == 0 and done.stdout.startswith("main is ") and "wake has begun" in done.stdout
    done = daemon.pgwake("wake", "main", "--wait", "30s")
    assert done.returncode == 0 and done.stdout.startswith("main is awake")
    assert daemon.pgwake("wake", "main").stdout == "main is awake\n"
    assert json.loads(daemon.pgwake("wake", "main", "--json").stdout)["ready"] is True
    assert nap.status()["wakes"] == 1 and daemon.status("main")["wakes"]["count"] == 1


def test_orders_over_the_status_socket_are_refused_and_the_right_one_is_named(two):
    daemon, _, _ = two
    for argv in (["wake", "good"], ["pause", "good", "--for", "1h"], ["resume", "good"], ["reload"]):
        done = daemon.pgwake(*argv, socket="status")
        assert done.returncode == 1 and "control socket" in done.stderr, argv
    assert daemon.status("good")["ready"] is True


def test_pause_and_resume(two):
    daemon, good, _ = two
    done = daemon.pgwake("pause", "good", "--for", "2h")
    assert done.returncode == 0 and re.fullmatch(r"good is paused until [\d: -]+: no checks, no alarms\n", done.stdout)
    assert daemon.status("good")["reason"] == "paused"
    nagios = daemon.pgwake("check", "good", "--nagios")
    assert nagios.returncode == 0 and "paused" in nagios.stdout, "a planned pause is no alarm"
    assert daemon.pgwake("check", "good").returncode == 1
    done = daemon.pgwake("wake", "good")
    assert done.returncode == 1 and "paused" in done.stderr
    assert "until" in daemon.pgwake("status", "good").stdout
    done = daemon.pgwake("resume", "good")
    assert (done.returncode, done.stdout) == (0, "good is watched again\n")
    assert daemon.pgwake("wait", "good", "--timeout", "20s").returncode == 0
    daemon.pgwake("pause", "good", "--for", "1h")
    assert daemon.pgwake("pause", "good", "--off").stdout == "good is watched again\n"
    assert json.loads(daemon.pgwake("pause", "good", "--for", "1h", "--json").stdout)["name"] == "good"


NAGIOS = {
    "awake": (0, "OK", None, {}), "degraded": (1, "WARNING", None, {"expect": {"read_only": True}}),
    "full": (2, "CRITICAL", ("FATAL", "53300", "sorry, too many clients already"), {}),
    "blocked": (2, "CRITICAL", ("FATAL", "3D000", 'database "a|b" does not exist'), {}),
    "down": (2, "CRITICAL", "refuse", {}), "unknown": (3, "UNKNOWN", "silence-at-accept", {}),
    "waking": (1, "WARNING", ("FATAL", "57P03", "the database system is starting up"), {}),
}


def test_check_and_its_nagios_form_in_each_state(make_daemon, make_fake):
    databases = []
    for state, (_, _, how, more) in NAGIOS.items():
        fake = make_fake(answer=ROW)
        if isinstance(how, tuple):
            fake.script, fake.error = "error-after-startup", how
        elif how == "refuse":
            fake.refuse()
        elif how:
            fake.script = how
        databases.append(entry(state, fake, attempt_timeout="60s", slow="60s", **more))
    daemon = make_daemon(databases).start()
    for state, (code, word, _, _) in NAGIOS.items():
        daemon.wait_state(state, state)
        done = daemon.pgwake("check", state)
        assert done.returncode == (0 if state == "awake" else 1) and done.stdout.startswith(f"{state} is {state}"), done.stdout
        done = daemon.pgwake("check", state, "--nagios")
        assert (done.returncode, done.stderr) == (code, ""), (state, done.stdout)
        line, = done.stdout.splitlines()
        assert re.match(rf"PGWAKE {word} - {state} is {state}\b", line), line
        text, _, figures = line.partition(" | ")
        assert "|" not in text and figures
        values = dict(each.split("=") for each in figures.split())
        assert values["ready"] == f"{int(state == 'awake')};;;0;1" and re.fullmatch(r"\d+c;;;0", values["failures"])
        if state not in ("unknown", "waking"):
            assert re.fullmatch(r"\d+\.\d{6}s;;;0", values.get("age", "")), line
    done = daemon.pgwake("check", "awake", "--json")
    assert json.loads(done.stdout)["ready"] is True


# ---------------------------------------------------------------------------------------------------------------- events and reload


def test_events_are_told_and_followed_over_a_restart(two):
    daemon, good, _ = two
    told = daemon.pgwake("events", "good")
    assert told.returncode == 0 and re.search(r"good  unknown -> awake\b", told.stdout, re.M)
    process = start_and_connect(daemon, "events", "good", "--follow", "--json")
    rows = []
    reader = threading.Thread(target=lambda: rows.extend(map(json.loads, process.stdout)))
    reader.start()
    good.cut()
    until(lambda: [row["state"] for row in rows] == ["awake", "unknown", "awake"], 10, "the cut and its end")
    daemon.stop()
    daemon.start()
    daemon.wait_state("good", "awake")
    until(lambda: [row["state"] for row in rows] == ["awake", "unknown", "awake", "awake"], 20, "it is back and tells what it missed")
    daemon.get("/pause/good?for=1h", method="POST")
    until(lambda: rows[-1]["reason"] == "paused", 10, f"the last event, not {rows}")
    process.send_signal(signal.SIGTERM)
    process.wait(patient(10))
    reader.join(5)
    err = process.stderr.read().splitlines()
    assert len(err) == 3 and "is gone; waiting for it" in err[0], err
    for words in ("is back", "events are missing"):
        assert sum(words in line for line in err) == 1, err
    check_sanitizers("\n".join(err))
    seen = [(row["state"], row["reason"]) for row in rows]
    assert seen == [("awake", None), ("unknown", "session.cut"), ("awake", None), ("awake", None), ("unknown", "paused")]
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_waiting_for_a_state_goes_on_over_a_restart(two):
    daemon, good, _ = two
    process = start_and_connect(daemon, "wait", "good", "--for", "blocked", "--timeout", "60s")
    daemon.stop()
    good.script, good.error = "error-after-startup", ("FATAL", "3D000", "no such database")
    daemon.start()
    out, err = process.communicate(timeout=patient(30))
    assert process.returncode == 0 and out.startswith("good is blocked after "), (out, err)


def test_reload_prints_the_complaints_or_what_was_done(two):
    daemon, good, bad = two
    daemon.configure([entry("good", good), entry("bad", bad, rise=0, pollicy="observe")])
    done = daemon.pgwake("reload")
    assert done.returncode == 1 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and lines[-1] == "pgwake: the configuration was refused; the one before stays in force"
    assert all(re.match(rf"{re.escape(str(daemon.config_path))}:\d+: error: ", line) for line in lines[:2])
    done = daemon.pgwake("reload", "--json")
    assert done.returncode == 1 and len(json.loads(done.stdout)["complaints"]) == 2
    daemon.configure([entry("good", good)])
    done = daemon.pgwake("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded: 0 added, 1 removed, 0 changed, 1 unchanged\n", "")


# -------------------------------------------------------------------------------------------------------------------- names, reasons


def test_an_unknown_name_exits_3_and_names_the_known_ones(two):
    daemon, _, _ = two
    for argv in (["status", "godo"], ["status", "godo", "--watch"], ["wait", "godo"], ["wait", "good", "godo"], ["wait", "godo", "--for", "asleep"],
                 ["wake", "godo"], ["check", "godo"], ["events", "godo"], ["events", "godo", "--follow"], ["pause", "godo", "--for", "1h"],
                 ["resume", "godo"]):
        done = daemon.pgwake(*argv)
        assert done.returncode == 3, (argv, done)
        assert 'no database "godo"; did you mean "good"?' in done.stderr and "known: bad, good" in done.stderr, argv
    done = daemon.pgwake("check", "godo", "--nagios")
    assert done.returncode == 3 and done.stdout.startswith("PGWAKE UNKNOWN - ") and done.stderr == ""


def test_what_only_the_daemon_finds_wrong_exits_3_too(two):
    daemon, _, _ = two
    for argv in (["check", "good/"], ["status", "a/b"], ["check", "ä"], ["wait", "good/"], ["wait", "a/b", "--for", "asleep"], ["wake", "good/"],
                 ["resume", "Good%"], ["events", "good/"], ["history", "good/"], ["report", "good/"]):
        done = daemon.pgwake(*argv)
        assert done.returncode == 3 and "no database" in done.stderr, (argv, done)
    for argv in (["pause", "good", "--for", "400d"], ["history", "good", "--until", "8d"], ["report", "good", "--since", "0s"]):
        done = daemon.pgwake(*argv)
        assert done.returncode == 3 and "(bad_request)" in done.stderr, (argv, done)
    done = daemon.pgwake("check", "good/", "--nagios")
    assert done.returncode == 3 and done.stdout.startswith("PGWAKE UNKNOWN - no database") and done.stderr == ""
    assert daemon.pgwake("hold", "good/", "--", "true").returncode == 125


def test_without_a_daemon_everything_exits_2_and_says_where_it_looked(make_daemon):
    daemon = make_daemon()
    commands = (["status"], ["status", "--watch"], ["status", "main", "--json"], ["wait", "main"], ["wait", "main", "--for", "asleep"],
                ["wake", "main"], ["wake", "main", "--wait", "1s"], ["check", "main"], ["events"], ["events", "--follow"],
                ["pause", "main", "--for", "1h"], ["resume", "main"], ["reload"])
    for argv in commands:
        done = daemon.pgwake(*argv)
        assert done.returncode == 2 and done.stdout == "", argv
        assert str(daemon.control_socket) in done.stderr and "does pgwaked run?" in done.stderr, argv
    nagios = daemon.pgwake("check", "main", "--nagios")
    assert nagios.returncode == 3 and nagios.stdout.startswith("PGWAKE UNKNOWN - ")
    daemon.start()
    daemon.kill9()  # its socket is still there
    assert "does pgwaked run?" in daemon.pgwake("status").stderr


def test_reasons_needs_no_daemon_and_knows_what_the_daemon_says(two):
    daemon, _, _ = two
    reason = daemon.status("bad")["reason"]
    daemon.stop()
    done = daemon.pgwake("reasons", reason)
    assert done.returncode == 0 and "listen" in done.stdout
    overview = daemon.pgwake("reasons")
    assert overview.returncode == 0 and len(overview.stdout.splitlines()) >= 42
    assert daemon.pgwake("reasons", "tcp.refusd").returncode == 3


def test_the_socket_is_named_by_option_before_the_environment(two):
    daemon, _, _ = two
    done = daemon.pgwake("--socket", str(daemon.control_socket), "status", env={"PGWAKE_SOCKET": "/nonexistent"})
    assert done.returncode == 0
    assert daemon.pgwake("status", env={"PGWAKE_SOCKET": "/nonexistent"}).returncode == 2
