"""The journal: one structured entry per edge and none per check; and the same as logfmt and JSON where there is no journal.

The daemon runs in a mount namespace in which /run/systemd/journal/socket is a socket of the test.
"""

import json
import os
import re
import socket
import struct
import threading
from pathlib import Path

import pytest

from rig import logs
from rig.patience import patient, until
from rig.unixhttp import EventStream

ROOT = Path(__file__).resolve().parents[2]
FAST = {"ping_interval": "20ms", "login_interval": "300ms", "retry_interval": "30ms", "down_interval": "50ms", "attempt_timeout": "10s",
        "jitter": "0%", "fresh_for": "20s"}
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]
PRIVATE_RUN = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&'
               ' ln -s "$0" /run/systemd/journal/socket && exec "$@"']
# The word for a session that the server cuts, and its priority: a ping that is under way may meet a reset.
LOST = {"session.cut": "5", "tcp.reset": "4"}
PRIORITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")


class Journal:
    """systemd-journald's socket, as far as sd_journal_send(3) needs it."""

    def __init__(self, folder):
        self.path = folder / "journal.sock"
        self.entries = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.path.chmod(0o666)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while datagram := self._socket.recv(1 << 20):
            self.entries.append(parse_native(datagram))

    def of(self, **fields):
        return [entry for entry in list(self.entries) if all(entry.get(key) == value for key, value in fields.items())]

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", str(self.path))
        self._thread.join(2)
        self._socket.close()


def parse_native(datagram):
    """systemd's native protocol: NAME=value lines, or NAME, the length as 64 bits and the bytes."""
    fields = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = struct.unpack_from("<Q", rest)[0]
            value, rest = rest[8:8 + length], rest[8 + length + 1:]
        assert name.decode() not in fields, f"{name} twice"
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.fixture(name="journal")
def journal_socket(tmp):
    made = Journal(tmp)
    yield made
    made.close()


def stop(daemon, journal=None):
    """Ends it, and waits until all that it said has been read."""
    assert daemon.stop()[0] == 0
    if journal:
        until(lambda: journal.entries[-1]["MESSAGE"] == "pgwaked ends", 5, "the last entry")


def with_journal(journal):
    return [*PRIVATE_RUN, str(journal.path)]


def entry(name, fake, **more):
    return {"name": name, "conninfo": fake.conninfo(), **FAST, **more}


def from_log(daemon):
    """The lines of stderr as entries of the journal would be."""
    found = []
    for each in logs.parse(daemon.stderr_path.read_text()):
        raw = json.loads(each.line) if each.line.startswith("{") else None
        fields = raw or dict(pair for pair in parse_pairs(each.line))
        fields["MESSAGE"] = fields.pop("message")
        fields["PRIORITY"] = str(PRIORITIES.index(fields.pop("level")))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", fields.pop("time"))
        found.append(fields)
    return found


def parse_pairs(line):
    for name, value in re.findall(r'([A-Za-z_]+)=("(?:[^"\\]|\\.)*"|\S*)', line):
        yield name, json.loads(value) if value.startswith('"') else value


def play(daemon, fake):
    """Awake, many checks, lost, down, awake again; the state events of it."""
    with daemon.stream("main") as stream:
        daemon.wait_state("main", "awake")
        until(lambda: sum(len(each.queries) for each in fake.seen) >= 20, 10, "twenty checks")
        fake.refuse()
        fake.cut()
        daemon.wait_state("main", "down")
        refused = daemon.status("main")["failures"]["total"]
        until(lambda: daemon.status("main")["failures"]["total"] >= refused + 5, 10, "it fails again and again")
        fake.script = "ok"
        daemon.wait_state("main", "awake")
        until(lambda: daemon.status("main")["ready"] and stream.events and stream.events[-1].data["state"] == "awake", 5, "the last event")
    with EventStream(daemon.control_socket, "/events?follow=0&db=main", 0) as whole:
        until(lambda: whole.ended, 5, "all events")
        return [event.data for event in whole.events if event.event == "state"]


def expect_one_entry_per_edge(entries, events):
    edges = [each for each in entries if "PGWAKE_DATABASE" in each]
    assert [(each["PGWAKE_STATE"], each["PGWAKE_PREVIOUS"], each.get("PGWAKE_REASON")) for each in edges] == [
        (each["state"], each["previous"], each["reason"]) for each in events]
    assert [each["state"] for each in events if each["state"] != each["previous"]] == ["awake", "unknown", "down", "awake"]
    for each, event in zip(edges, events):
        assert each["PGWAKE_GENERATION"] == str(event["generation"])
        assert each["MESSAGE"].startswith(f"main is {'' if event['state'] != event['previous'] else 'still '}{event['state']}")
    return edges


@needs_root
def test_there_is_one_entry_for_each_edge_with_its_fields_and_none_for_a_check(make_daemon, make_fake, journal):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)], log_format="journal", prefix=with_journal(journal)).start()
    events = play(daemon, fake)
    stop(daemon, journal)
    edges = expect_one_entry_per_edge(journal.entries, events)
    assert daemon.output() == "", "and nothing on stderr"
    assert all(each["SYSLOG_IDENTIFIER"] == "pgwaked" and each["PRIORITY"] in "01234567" for each in journal.entries)
    awake, lost, *_, down, again = edges
    assert awake["PGWAKE_ADDRESS"] == f"127.0.0.1:{fake.port}" and "PGWAKE_REASON" not in awake and "PGWAKE_SQLSTATE" not in awake
    for phase in ("CONNECT", "AUTH", "QUERY", "LATENCY"):
        assert 0 < int(awake[f"PGWAKE_{phase}_USEC"]) < 10_000_000
    assert int(awake["PGWAKE_LATENCY_USEC"]) >= sum(int(awake[f"PGWAKE_{phase}_USEC"]) for phase in ("CONNECT", "AUTH", "QUERY"))
    assert lost["PGWAKE_STATE"] == "unknown" and LOST[lost["PGWAKE_REASON"]] == lost["PRIORITY"]
    assert lost["PGWAKE_REASON"] == "tcp.reset" or "administrator" in lost["PGWAKE_DETAIL"]
    assert (down["PGWAKE_REASON"], down["PGWAKE_DETAIL"]) == ("tcp.refused", "Connection refused")
    assert int(down["PRIORITY"]) <= 4 and again["PRIORITY"] == "5", "the end of trouble is a notice"
    assert int(again["PGWAKE_REPEATED"]) >= 5, "what repeated was counted"
    others = [each["MESSAGE"] for each in journal.entries if "PGWAKE_DATABASE" not in each]
    assert others[0] == "pgwaked 0.1.0 watches 1 database" and others[1].startswith("ready: ") and others[-1] == "pgwaked ends"
    assert len(others) == 3


def picture(fields):
    """An entry without its times. Whether a ping was under way as the session was cut, and then met a reset, is nobody's to say."""
    if fields.get("PGWAKE_REASON") in LOST:
        return fields["MESSAGE_ID"], "lost"
    return (sorted(fields), re.sub(r"[\d.]+ (us|ms|s)\b", "T", fields["MESSAGE"]), fields["PRIORITY"], fields["MESSAGE_ID"],
            fields.get("PGWAKE_REASON"), fields.get("PGWAKE_DETAIL"))


@needs_root
def test_journal_logfmt_and_json_carry_the_same(make_daemon, make_fake, journal):
    pictures = {}
    for log_format in ("journal", "logfmt", "json"):
        fake = make_fake(answer=ROW)
        daemon = make_daemon([entry("main", fake, fall=1)], log_format=log_format, prefix=with_journal(journal))
        daemon.start()
        events = play(daemon, fake)
        stop(daemon, journal if log_format == "journal" else None)
        entries = [dict(each) for each in journal.entries] if log_format == "journal" else from_log(daemon)
        for each in entries:
            each.pop("SYSLOG_IDENTIFIER", None)
            # What collectors of JSON look for is said in their word too.
            assert (each.pop("severity", None) is not None) == (log_format == "json")
        expect_one_entry_per_edge(entries, events)
        pictures[log_format] = [picture(each) for each in entries]
    assert pictures["journal"] == pictures["logfmt"] == pictures["json"]


@needs_root
def test_every_message_id_that_is_sent_is_explained_by_the_catalog(make_daemon, make_fake, journal):
    """Provoked here: states, start, ready, end, reloads good and bad, warnings, an open door."""
    catalog = (ROOT / "systemd" / "pgwaked.catalog").read_text()
    fakes = {name: make_fake(answer=ROW) for name in ("main", "full", "blocked", "open", "degraded")}
    fakes["full"].script, fakes["full"].error = "error-after-startup", ("FATAL", "53300", "sorry, too many clients already")
    fakes["blocked"].script, fakes["blocked"].error = "error-after-startup", ("FATAL", "3D000", 'database "app" does not exist')
    databases = [entry(name, fake) for name, fake in fakes.items()]
    databases[3].update(policy="on-demand", wake_at_start=False, door_interval="50ms")
    databases[4].update(expect={"read_only": True})
    daemon = make_daemon(databases, log_format="journal", prefix=with_journal(journal)).start()
    for name, state in (("main", "awake"), ("full", "full"), ("blocked", "blocked"), ("degraded", "degraded")):
        daemon.wait_state(name, state)
    until(lambda: [each for each in journal.of(PGWAKE_DATABASE="open") if "without a password" in each["MESSAGE"]], 10, "the open door")
    fakes["main"].refuse()
    fakes["main"].cut()
    daemon.wait_state("main", "down")
    databases[0]["fresh_for"] = "10ms"  # a warning
    daemon.configure(databases)
    assert daemon.reload().status == 200
    daemon.config_path.write_text("}")
    assert daemon.reload().status == 422
    stop(daemon, journal)
    sent = {each["MESSAGE_ID"] for each in journal.entries}
    names = dict(re.findall(r'#define MESSAGE_ID_(\w+) "([0-9a-f]{32})"', (ROOT / "daemon" / "base" / "message-id.h").read_text()))
    expected = {"DATABASE_UNKNOWN", "DATABASE_AWAKE", "DATABASE_DEGRADED", "DATABASE_FULL", "DATABASE_DOWN", "DATABASE_BLOCKED", "STARTED", "STOPPING",
                "RELOADED", "RELOAD_FAILED", "CONFIG_ERROR", "CONFIG_WARNING", "DOOR_OPEN"}
    assert {names[name] for name in expected} <= sent <= set(names.values())
    for each in sent:
        assert f"-- {each}\nSubject: " in catalog
    # What the catalog's text names stands in the entry.
    for each in journal.entries:
        text = catalog.split(f"-- {each['MESSAGE_ID']}\n")[1].split("\n-- ")[0]
        missing = set(re.findall(r"@([A-Z_]+)@", text.splitlines()[0])) - each.keys()
        assert not missing, (each["MESSAGE"], missing)


@needs_root
def test_a_wake_is_one_entry_with_its_cause_its_latency_and_the_proof_of_the_cold(make_daemon, make_nap, journal):
    nap = make_nap(wake_delay=0.6, suspend_after=60)
    daemon = make_daemon([{"name": "main", "conninfo": nap.conninfo(), "policy": "observe", "door_interval": "0s", "linger": "1h"}],
                         log_format="journal", prefix=with_journal(journal)).start()
    assert daemon.get("/wake/main?wait=30s", method="POST", timeout=40).status == 200
    until(lambda: journal.of(PGWAKE_STATE="awake"), 5, "the entry")
    late, awake = journal.of(PGWAKE_DATABASE="main")
    assert (late["PGWAKE_STATE"], late["PGWAKE_REASON"]) == ("unknown", "server.slow") and late["MESSAGE_ID"] != awake["MESSAGE_ID"]
    assert (awake["PGWAKE_PREVIOUS"], awake["PGWAKE_CAUSE"], awake["PGWAKE_COLD"]) == ("unknown", "wake", "yes")
    latency = daemon.status("main")["wakes"]["last"]["latency_seconds"]
    assert abs(int(awake["PGWAKE_LATENCY_USEC"]) / 1e6 - latency) < 1e-6 and 0.6 < latency < 0.6 + patient(10)
    assert "cold start proven" in awake["MESSAGE"]


@needs_root
def test_words_of_a_server_cannot_forge_an_entry(make_daemon, make_fake, journal):
    evil = ('no\nMESSAGE_ID=00000000000000000000000000000000\nPGWAKE_STATE=awake\n\n'
            'time=2000-01-01T00:00:00Z level=info message="root is awake" PGWAKE_DATABASE=root \x1b[2J\x07 "} {"level":"info","message":"x"}')
    for log_format in ("journal", "logfmt", "json"):
        fake = make_fake("error-after-startup")
        fake.error = ("FATAL", "28000", evil)
        daemon = make_daemon([entry("main", fake)], log_format=log_format, prefix=with_journal(journal)).start()
        daemon.wait_state("main", "blocked")
        stop(daemon, journal if log_format == "journal" else None)
        entries = journal.entries if log_format == "journal" else from_log(daemon)
        assert len(entries) == 3, "the start, the edge, the end"
        blocked, = [each for each in entries if "PGWAKE_DATABASE" in each]
        assert blocked["PGWAKE_STATE"] == "blocked" and blocked["PGWAKE_DATABASE"] == "main" and "PGWAKE_DETAIL" in blocked
        raw = daemon.stderr_path.read_bytes()
        assert b"\x1b" not in raw and b"\x07" not in raw
        if log_format != "journal":
            assert raw.count(b"\n") == len(raw.splitlines()) == len(entries)


@needs_root
def test_auto_is_the_journal_where_stderr_is_connected_to_it_and_logfmt_elsewhere(make_daemon, journal):
    daemon = make_daemon(log_format="auto", prefix=with_journal(journal))
    daemon.stderr_path.touch()
    facts = daemon.stderr_path.stat()
    daemon.env["JOURNAL_STREAM"] = f"{facts.st_dev}:{facts.st_ino}"
    daemon.start()
    until(lambda: journal.of(MESSAGE="pgwaked 0.1.0 watches 0 databases"), 5, "the entry")
    stop(daemon, journal)
    assert daemon.output() == ""
    daemon.env["JOURNAL_STREAM"] = f"{facts.st_dev}:{facts.st_ino + 1}"
    mark = len(journal.entries)
    daemon.start()
    assert daemon.wait_log(message="pgwaked 0.1.0 watches 0 databases")[0].line.startswith("time=")
    assert daemon.stop()[0] == 0 and len(journal.entries) == mark


def test_without_a_journal_to_write_to_nothing_is_lost(make_daemon):
    """log.format says journal, and there is none: the lines go to stderr."""
    if Path("/run/systemd/journal/socket").exists():
        pytest.skip("this machine has a journal")
    daemon = make_daemon(log_format="journal").start()
    assert daemon.wait_log(message="pgwaked 0.1.0 watches 0 databases")


def test_the_level_leaves_out_what_is_less_important(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake, fall=1)], settings={"log": {"level": "warning"}}).start()
    play(daemon, fake)
    assert daemon.stop()[0] == 0
    assert {each["PRIORITY"] for each in from_log(daemon)} == {"4"} and len(from_log(daemon)) == 1


def test_many_databases_that_fail_alike_are_one_entry_each(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry(f"db{i}", fake) for i in range(50)]).start()
    for i in range(50):
        daemon.wait_state(f"db{i}", "awake")
    fake.refuse()
    fake.cut()
    for i in range(50):
        daemon.wait_state(f"db{i}", "down")
    until(lambda: daemon.status("db7")["failures"]["total"] > 20, 20, "many failures")
    for i in range(50):
        assert len(daemon.log_entries(database=f"db{i}", state="down")) == 1
