"""Reload by SIGHUP, POST /reload and `pgwake reload`: a bad file changes nothing, a good one is mark and sweep."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rig.patience import until
from rig.ports import Port

RELOADED = "da96e020901645e5810c310e247d52ec"
REFUSED = "387faf8c032b4f47b65462435a714474"
CONFIG_ERROR = "65bd23bec4a4444f8466b3bbf5d813f1"
CONFIG_WARNING = "e85bacc18e904d4a9736bcf2d64cd446"

# Verdicts that outlive a busy machine: a ping that comes late is not what is tested here.
FAST = {"ping_interval": "100ms", "login_interval": "30s", "retry_interval": "50ms", "down_interval": "100ms", "attempt_timeout": "10s",
        "fresh_for": "20s"}
KEPT = ("name", "state", "reason", "since", "generation", "session", "server", "wakes", "policy", "endpoint")
WAYS = ("hangup", "post", "pgwake")


def line_of(path, text):
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.fixture(name="world")
def world_of_three(make_daemon, cluster, tmp):
    """A daemon with databases one, two and three in one server, each by a role of its own, all awake."""
    for name in ("one", "two", "three", "four"):
        cluster.create_app(name, "secret", None)
    return World(make_daemon(settings={"ready": {"on": "start"}}), cluster)


class World:
    def __init__(self, daemon, cluster):
        self.daemon, self.cluster = daemon, cluster
        self.databases = {name: self.database(name) for name in ("one", "two", "three")}
        self.write()
        daemon.start()
        for name in self.databases:
            daemon.wait_state(name, "awake")

    def database(self, name, **more):
        return {"name": name, "conninfo": self.cluster.conninfo(name), **FAST, **more}

    def write(self, head="", **options):
        self.daemon.configure(list(self.databases.values()), **options)
        if head:
            path = self.daemon.config_path
            path.write_text(head + path.read_text())

    def backends(self):
        rows = self.cluster.sql("SELECT usename, pid FROM pg_stat_activity WHERE application_name = 'pgwaked'")
        found = {}
        for user, pid in rows:
            found.setdefault(user, []).append(pid)
        return found

    def picture(self, *names):
        """What an unchanged database keeps, as lines."""
        return [f"{name}.{key}: {value}" for name in names or self.databases for key, value in self.daemon.status(name).items() if key in KEPT]

    def reload(self, way):
        """(whether it was taken, what was said to the caller)"""
        daemon = self.daemon
        if way == "hangup":
            before = len(daemon.log_entries(message_id=RELOADED)), len(daemon.log_entries(message_id=REFUSED))
            daemon.signal(signal.SIGHUP)
            after = until(lambda: (now := (len(daemon.log_entries(message_id=RELOADED)), len(daemon.log_entries(message_id=REFUSED))))
                          != before and now, 10, "the reload's entry in the log")
            return after[0] > before[0], ""
        if way == "post":
            answer = daemon.reload()
            assert answer.status in (200, 422) and answer.headers["content-type"].startswith("application/json")
            return answer.status == 200, answer.text
        done = daemon.pgwake("reload")
        assert done.returncode in (0, 1)
        return done.returncode == 0, done.stdout + done.stderr


# --------------------------------------------------------------------------------------------------------------------- a bad file


@pytest.mark.parametrize("way", WAYS)
def test_a_bad_file_changes_nothing_and_all_of_it_is_told(world, way):
    daemon = world.daemon
    before, backends = world.picture(), world.backends()
    last_event = daemon.get("/events?follow=0").text
    world.databases["two"]["rise"] = 1000
    world.databases["two"]["linger"] = "for ever"
    world.databases["four"] = world.database("four", pollicy="observe")
    del world.databases["one"]
    world.write()
    taken, said = world.reload(way)
    assert not taken
    path = daemon.config_path
    expected = [(line_of(path, "rise"), "rise: "), (line_of(path, "for ever"), "linger: "), (line_of(path, "pollicy"), '"policy"')]
    logged = daemon.wait_log(message_id=CONFIG_ERROR, count=3)
    assert len(logged) == 3
    for line, words in expected:
        assert any(f"{path}:{line}: error: " in entry["message"] and words in entry["message"] for entry in logged)
        if way == "pgwake":
            assert any(text.startswith(f"{path}:{line}: error: ") and words in text for text in said.splitlines())
    refused, = daemon.wait_log(message_id=REFUSED)
    assert refused["level"] == "err" and "3 errors" in refused["message"]
    if way == "post":
        document = json.loads(said)
        assert document["error"] == "config.invalid" and document["message"]
        assert [(each["file"], each["line"], each["severity"]) for each in document["complaints"]] == [
            (str(path), line, "error") for line, _ in expected]
    if way == "pgwake":
        assert "stays in force" in said
    assert world.picture("one", "two", "three") == before
    assert world.backends() == backends
    assert daemon.get("/events?follow=0").text == last_event
    assert daemon.get("/status/four").status == 404
    # Even a word that libconfig cannot read at all.
    path.write_text("databases = (")
    assert world.reload(way)[0] is False
    path.unlink()
    assert world.reload(way)[0] is False
    assert world.picture("one", "two", "three") == before and world.backends() == backends


@pytest.mark.parametrize("way", WAYS)
def test_one_that_leaves_no_database_must_be_meant(make_daemon, make_fake, way):
    fake = make_fake("asks-password")
    daemon = make_daemon([{"name": name, "conninfo": fake.conninfo()} for name in ("one", "two")]).start()
    daemon.configure()
    if way == "hangup":
        daemon.signal(signal.SIGHUP)
    elif way == "post":
        answer = daemon.reload()
        assert answer.status == 422
        complaint, = answer.json["complaints"]
        assert complaint["file"] == str(daemon.config_path) and "2 are watched" in complaint["message"]
        assert "--remove-all" in complaint["message"] and "?remove=all" in complaint["message"]
    else:
        refused = daemon.pgwake("reload")
        assert refused.returncode == 1 and "--remove-all" in refused.stderr and "stays in force" in refused.stderr
    daemon.wait_log(message_id=REFUSED)
    assert len(daemon.get("/status").json["databases"]) == 2
    if way == "pgwake":
        assert daemon.pgwake("reload", "--remove-all").stdout == "reloaded: 0 added, 2 removed, 0 changed, 0 unchanged\n"
    else:
        assert daemon.get("/reload?remove=one", method="POST").status == 400
        assert daemon.reload(remove_all=True).json["removed"] == 2
    assert daemon.get("/status").json["databases"] == []
    assert daemon.reload().status == 200, "there is nothing to remove any more"


def test_after_a_bad_file_a_good_one_is_taken(world):
    before = world.picture("one", "three")
    world.daemon.config_path.write_text("}")
    assert world.reload("post")[0] is False
    del world.databases["two"]
    world.write()
    assert world.reload("post")[0] is True
    assert world.picture("one", "three") == before and world.daemon.get("/status/two").status == 404


# --------------------------------------------------------------------------------------------------------------------- a good one


@pytest.mark.parametrize("way", WAYS)
def test_what_did_not_change_keeps_state_session_and_counters(world, way):
    """Added, removed and changed beside it; and the unchanged ones moved to other lines and another order."""
    daemon, cluster = world.daemon, world.cluster
    cluster.terminate_backends("pgwaked")  # so that there are counters to keep
    for name in world.databases:
        until(lambda name=name: daemon.status(name)["generation"] == 1 and daemon.status(name)["ready"], 10, f"{name} is back")
    backends = until(lambda: (found := world.backends()).keys() == {"one", "two", "three"}
                     and all(len(pids) == 1 for pids in found.values()) and found, 10, "one session each")
    before = world.picture("one")
    failures = daemon.status("one")["failures"]
    assert failures["total"] > 0 and failures["by_reason"]
    with daemon.stream() as stream:
        del world.databases["three"]
        world.databases["two"]["conninfo"] += " keepalives_idle=20"  # another connection: it begins anew
        world.databases["four"] = world.database("four")
        world.databases["one"] = world.databases.pop("one")
        world.write(head="// some\n// lines\n")
        taken, said = world.reload(way)
        assert taken
        removed = stream.wait(lambda event: event.event == "removed")
        added = stream.wait(lambda event: event.event == "added")
        changed = stream.wait(lambda event: event.event == "state" and event.data["database"] == "two")
        daemon.wait_state("two", "awake")
        daemon.wait_state("four", "awake")
        assert removed.data["database"] == "three" and added.data["database"] == "four"
        assert (changed.data["state"], changed.data["previous"], changed.data["reason"]) == ("unknown", "awake", "not_checked")
        assert changed.data["generation"] == 2
        ids = [int(event.id) for event in stream.events]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert not [event for event in stream.events if event.data["database"] == "one"]
    assert world.picture("one") == before and daemon.status("one")["failures"] == failures
    counts = {"added": 1, "removed": 1, "changed": 1, "unchanged": 1}
    if way == "post":
        assert json.loads(said) == {"ok": True, "complaints": [], **counts}
    elif way == "pgwake":
        assert said == "reloaded: 1 added, 1 removed, 1 changed, 1 unchanged\n"
    entry, = daemon.log_entries(message_id=RELOADED)
    assert entry["message"].endswith("1 added, 1 removed, 1 changed, 1 unchanged")
    now = until(lambda: (found := world.backends()).keys() == {"one", "two", "four"} and found, 10, "the sessions of now")
    assert now["one"] == backends["one"] and now["two"] != backends["two"] and len(now["two"]) == len(now["four"]) == 1
    after = daemon.status("two")
    assert after["generation"] == 2 and after["failures"]["total"] == 1  # what was counted stays
    assert daemon.get("/status/three").status == 404 and not (daemon.awake_dir / "three").exists()
    assert (daemon.awake_dir / "four").exists()
    assert "unexpected EOF" not in cluster.log_text() and "reset by peer" not in cluster.log_text()


def test_a_file_that_says_the_same_in_other_words_changes_nothing(world):
    before, backends = world.picture(), world.backends()
    for database in world.databases.values():
        database.update(ping_interval="0.1s", attempt_timeout="10000ms", rise=1, policy="auto")
    world.write(head="/* the same */ ")
    answer = world.daemon.reload()
    assert (answer.json["unchanged"], answer.json["changed"]) == (3, 0)
    assert world.picture() == before and world.backends() == backends


def test_a_default_reaches_those_that_do_not_say_otherwise(world):
    world.databases["one"]["fall"] = 3
    world.write(settings={"ready": {"on": "start"}, "defaults": {"fall": 4}})
    answer = world.daemon.reload()
    assert (answer.json["unchanged"], answer.json["changed"]) == (1, 2)


def test_a_new_password_in_an_old_file_is_a_change(world):
    daemon = world.daemon
    secret = daemon.folder / "four.password"
    secret.touch(mode=0o600)
    secret.write_text("wrong\n")
    world.databases["four"] = {"name": "four", "conninfo": world.cluster.conninfo("four", None), "password_file": str(secret), **FAST}
    world.write()
    assert daemon.reload().json["added"] == 1
    assert daemon.wait_state("four", "blocked")["reason"] == "auth.password"
    assert daemon.reload().json["changed"] == 0
    secret.write_text("secret\n")
    assert daemon.reload().json["changed"] == 1
    daemon.wait_state("four", "awake")
    assert daemon.reload().json == {"ok": True, "complaints": [], "added": 0, "removed": 0, "changed": 0, "unchanged": 4}


def test_log_format_and_level_change_at_once(world):
    daemon = world.daemon
    daemon.log_format = "json"
    world.write(settings={"ready": {"on": "start"}, "log": {"format": "json", "level": "warning"}})
    assert daemon.reload().json["unchanged"] == 3
    world.cluster.stop()
    daemon.wait_state("one", "down")
    lines = daemon.stderr_path.read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["level"] == "warning" or last["level"] == "err"
    assert not [line for line in lines if line.startswith("{") and json.loads(line)["level"] == "info"]


def test_what_needs_a_restart_is_warned_about_and_stays_as_it_is(world):
    daemon = world.daemon
    elsewhere = {"ready": {"on": "verdict"}, "status": {"socket": daemon.folder / "other.sock", "listen": ["127.0.0.1:1"]}}
    world.write(settings=elsewhere)
    answer = daemon.reload()
    assert answer.status == 200 and answer.json["unchanged"] == 3
    named = {}
    for each in answer.json["complaints"]:
        assert each["severity"] == "warning" and each["file"] == str(daemon.config_path) and "next restart" in each["message"]
        named[each["message"].split()[0]] = each["line"]
    assert named.keys() == {"status.socket", "status.listen", "ready.on"}
    assert named["status.socket"] == line_of(daemon.config_path, "other.sock")
    assert len(daemon.log_entries(message_id=CONFIG_WARNING)) == 3
    done = daemon.pgwake("reload")
    assert done.returncode == 0 and done.stderr.count("next restart") == 3, "it is still so: the next reload says it again"
    assert daemon.get("/livez", "status").status == 200 and not (daemon.folder / "other.sock").exists()
    world.write(settings={"ready": {"on": "start"}})
    assert daemon.reload().json["complaints"] == [], "back to what runs: there is nothing to warn of"


def test_a_key_that_needs_a_restart_and_is_gone_from_the_file_is_warned_about_too(make_daemon):
    with Port() as port:
        daemon = make_daemon(settings={"status": {"listen": [f"{port.host}:{port.number}"]}, "ready": {"timeout": "5s"}}).start()
    daemon.configure(settings={})
    complaints = daemon.reload().json["complaints"]
    assert [(each["file"], each["message"].split()[0]) for each in complaints] == [
        (str(daemon.config_path), "status.listen"), (str(daemon.config_path), "ready.timeout")]
    assert daemon.pgwake("reload").stderr.startswith(f"{daemon.config_path}: warning: ")


def test_whoever_waits_for_a_database_that_changes_goes_on_waiting_and_for_one_that_goes_is_told(world):
    daemon = world.daemon
    world.cluster.stop()
    for name in world.databases:
        daemon.wait_state(name, "down")
    answers = {}

    def wait(name):
        answers[name] = daemon.get(f"/readyz/{name}?wait=60s", timeout=90)

    until(lambda: held(daemon) == 0, 10, "the callers before are gone")
    threads = [threading.Thread(target=wait, args=[name]) for name in world.databases]
    for thread in threads:
        thread.start()
    until(lambda: "pgwake_http_waiting 3\n" in daemon.get("/metrics").text, 10, "three callers wait")
    del world.databases["three"]
    world.databases["two"]["fall"] = 2
    world.write()
    assert daemon.reload().status == 200
    threads[2].join()  # its request has a deadline
    assert answers.keys() == {"three"} and answers["three"].status == 404 and answers["three"].json["known"] == ["one", "two"]
    world.cluster.start()
    for thread in threads:
        thread.join()
    assert answers["one"].status == 200 and answers["two"].status == 200


def held(daemon):
    """How many clients are connected to the daemon's UNIX sockets."""
    with open("/proc/net/unix", encoding="ascii") as table:
        connected = {line.split()[6] for line in table if line.split()[5] == "03"}
    found = 0
    for descriptor in Path(f"/proc/{daemon.pid}/fd").iterdir():
        try:
            found += os.readlink(descriptor).removeprefix("socket:[").rstrip("]") in connected
        except FileNotFoundError:
            pass
    return found


def test_an_attempt_under_way_survives_where_nothing_changed_and_is_dropped_where_something_did(make_daemon, make_fake):
    same, other = make_fake("silence-in-auth"), make_fake("silence-in-auth")
    databases = [{"name": "same", "conninfo": same.conninfo(password="x"), **FAST},
                 {"name": "other", "conninfo": other.conninfo(password="x"), **FAST}]
    daemon = make_daemon(databases).start()
    same.wait_phase("in-auth")
    other.wait_phase("in-auth")
    databases[1]["conninfo"] += " keepalives_idle=20"
    daemon.configure(databases)
    assert daemon.reload().json["changed"] == 1
    assert other.wait_ended(1)[0].number == 1
    other.wait_connections(2)
    assert len(same.seen) == 1 and same.seen[0].ended_monotonic_usec is None


def test_twenty_reloads_in_a_row_under_load_lose_nothing(world):
    daemon = world.daemon
    before, backends = world.picture("one", "two"), world.backends()
    stop, wrong, asked = threading.Event(), [], [0, 0, 0, 0]
    paths = ("/readyz/one", "/status", "/livez", "/readyz/two?wait=1s")

    def ask(number):
        while not stop.is_set():
            answer = daemon.get(paths[number], "status")
            asked[number] += 1
            if answer.status != 200 or answer.seconds > 5:
                wrong.append((paths[number], answer))

    callers = [threading.Thread(target=ask, args=[number]) for number in range(len(paths))]
    for caller in callers:
        caller.start()
    with daemon.stream() as stream:
        begun = time.monotonic()
        for number in range(20):
            world.databases["three"]["conninfo"] = f"{world.cluster.conninfo('three')} keepalives_idle={20 + number % 2}"
            world.databases.pop("four", None)
            if number % 2:
                world.databases["four"] = world.database("four")
            world.write()
            if number % 5 == 4:
                assert world.reload("hangup")[0]
            else:
                answer = daemon.reload()
                assert (answer.json["changed"], answer.json["unchanged"], answer.json["added"] + answer.json["removed"]) == (
                    1, 2, 1 if number else 0)
        seconds = time.monotonic() - begun
        stop.set()
        for caller in callers:
            caller.join()
        daemon.wait_state("three", "awake")
        daemon.wait_state("four", "awake")
        kinds = [event.event for event in stream.events]
        ids = [int(event.id) for event in stream.events]
    assert wrong == [] and min(asked) > 0
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert kinds.count("added") == 10 and kinds.count("removed") == 9
    assert world.picture("one", "two") == before
    now = until(lambda: (found := world.backends()).keys() == {"one", "two", "three", "four"}
                and all(len(pids) == 1 for pids in found.values()) and found, 10, "one session each")
    assert (now["one"], now["two"]) == (backends["one"], backends["two"])
    assert daemon.status("three")["generation"] == 20
    print(f"20 reloads in {seconds:.2f} s beside {sum(asked)} requests")


def test_the_service_manager_hears_of_every_reload(world):
    """RELOADING=1 with MONOTONIC_USEC, then READY=1: also when it was refused, for the daemon goes on."""
    notify = world.daemon.notify
    notify.wait("READY", "1")
    for way, good in (("hangup", True), ("post", True), ("post", False)):
        if not good:
            world.daemon.config_path.write_text("}")
        mark = len(notify.notes)
        begun = time.monotonic_ns() // 1000
        assert world.reload(way)[0] is good
        reloading = notify.wait("RELOADING", "1", after=mark)
        assert begun <= int(reloading.fields["MONOTONIC_USEC"]) <= reloading.monotonic_usec
        ready = notify.wait("READY", "1", after=mark)
        assert ready.monotonic_usec >= reloading.monotonic_usec and "3 awake" in ready.fields["STATUS"]
