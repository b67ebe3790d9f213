"""What the service manager hears of pgwaked (sd_notify), and the watchdog."""

import signal
import time

import pytest

from rig import children
from rig.patience import patient, until

READY_ID = "4bfa719f3fc3464abf802688e87cee4f"
FAST = {"ping_interval": "100ms", "login_interval": "30s", "retry_interval": "50ms", "down_interval": "100ms", "attempt_timeout": "10s",
        "fresh_for": "20s"}
QUIET = {"policy": "observe", "door_interval": "0s"}
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]


def refusing(make_fake):
    fake = make_fake(answer=ROW)
    fake.refuse()
    return fake


def entry(name, fake, **more):
    return {"name": name, "conninfo": fake.conninfo(), **FAST, **more}


def statuses(daemon):
    return [note.fields["STATUS"] for note in daemon.notify.of("STATUS")]


def wait_status(daemon, *words, timeout=10.0, after=0):
    """The first note, from `after` on, whose STATUS has all the words."""
    return until(lambda: next((note for note in daemon.notify.notes[after:] if all(word in note.fields.get("STATUS", "") for word in words)),
                              None), timeout, f"a STATUS with {words}, not only {statuses(daemon)}")


# --------------------------------------------------------------------------------------------------------------------------- READY


def test_ready_on_awake_waits_for_every_required_database_to_be_awake_once(make_daemon, make_fake):
    first, second, never = make_fake(answer=ROW), refusing(make_fake), refusing(make_fake)
    daemon = make_daemon([entry("first", first), entry("second", second), entry("luxury", never, required=False),
                          entry("observed", never, policy="observe")]).start()
    daemon.wait_state("first", "awake")
    daemon.wait_state("second", "down")
    first.refuse()
    first.cut()
    daemon.wait_state("first", "down")  # once is enough
    assert daemon.notify.of("READY") == []
    note = wait_status(daemon, "waiting for 1 of 4 databases: second (down, tcp.refused)")
    assert "READY" not in note.fields
    with daemon.stream("second") as stream:
        second.script = "ok"
        awake = stream.wait(lambda event: event.data["state"] == "awake")
    ready = daemon.notify.wait("READY", "1")
    print(f"READY=1 {(ready.monotonic_usec - awake.monotonic_usec) / 1000:+.1f} ms beside the event")
    assert "4 databases" in ready.fields["STATUS"] and "waiting" not in ready.fields["STATUS"]
    said, = daemon.wait_log(message_id=READY_ID)
    assert said["level"] == "info" and said["message"].startswith("ready: 4 databases")


def test_ready_is_said_once_whatever_is_lost_later(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)]).start()
    daemon.notify.wait("READY", "1")
    for _ in range(3):
        fake.refuse()
        fake.cut()
        daemon.wait_state("main", "down")
        fake.script = "ok"
        daemon.wait_state("main", "awake")
    assert len(daemon.notify.of("READY")) == 1 and len(daemon.log_entries(message_id=READY_ID)) == 1


def test_ready_on_verdict_is_content_with_a_bad_one_and_not_with_none(make_daemon, make_fake):
    hanging, down = make_fake("silence-after-startup"), refusing(make_fake)
    daemon = make_daemon([entry("hanging", hanging), entry("down", down)], settings={"ready": {"on": "verdict"}}).start()
    daemon.wait_state("down", "down")
    wait_status(daemon, "waiting for 1 of 2 databases: hanging")
    assert daemon.notify.of("READY") == []
    hanging.answer, hanging.script = ROW, "ok"
    hanging.cut()
    ready = daemon.notify.wait("READY", "1")
    assert "1 down (down: tcp.refused)" in ready.fields["STATUS"]


@pytest.mark.parametrize("script, settings", [
    ("silence-at-accept", QUIET),
    ("asks-password", {"provider": "neon", "policy": "on-demand", "wake_at_start": False}),
    ("silence-at-accept", {"provider": "neon", "policy": "on-demand", "wake_at_start": False, "door_interval": "0s"}),
    ("silence-at-accept", {"provider": "aurora", "policy": "on-demand", "wake_at_start": False}),
    ("silence-at-accept", {"provider": "aurora", "policy": "observe"}),
], ids=["observed without doors", "a good door", "on demand without doors", "aurora on demand", "aurora observed"])
def test_ready_on_verdict_does_not_wait_for_one_that_nothing_will_bring(make_daemon, make_fake, script, settings):
    fake, down = make_fake(script), refusing(make_fake)
    daemon = make_daemon([entry("main", fake, **settings), entry("down", down)], settings={"ready": {"on": "verdict", "timeout": "infinity"}}).start()
    ready = daemon.notify.wait("READY", "1")
    assert ready.fields["STATUS"].startswith("2 databases: 1 down, 1 unknown (down: tcp.refused, main: ")
    said, = daemon.wait_log(message_id=READY_ID)
    assert said["level"] == "info"


def test_ready_on_verdict_does_not_wait_for_one_whose_budget_is_spent(make_daemon, make_fake):
    fake = make_fake(answer=lambda _: [("a", "5000000"), *ROW[1:]])
    main = entry("main", fake, budget={"awake_hours": 0.001}, door_interval="0s")
    daemon = make_daemon([main], settings={"ready": {"on": "verdict", "timeout": "infinity"}}).start()
    until(lambda: daemon.status("main")["budget"]["spent"], 20, "the budget is spent")
    assert daemon.stop()[0] == 0
    mark, asked = len(daemon.notify.notes), len(fake.seen)
    daemon.start()
    daemon.notify.wait("READY", "1", after=mark)
    status = daemon.status("main")
    assert (status["state"], status["reason"]) == ("unknown", "budget.spent") and len(fake.seen) == asked


def test_ready_on_start_waits_for_nothing(make_daemon, make_fake):
    hanging = make_fake("silence-at-accept")
    daemon = make_daemon([entry("main", hanging)], settings={"ready": {"on": "start"}}).start(wait=False)
    ready = daemon.notify.wait("READY", "1")
    assert "1 database: 1 unknown (main: not_checked)" in ready.fields["STATUS"]
    assert daemon.notify.of("EXTEND_TIMEOUT_USEC") == []
    print(f"READY=1 {(ready.monotonic_usec - daemon.started_monotonic_usec) / 1000:.0f} ms after the start")


def test_ready_timeout_says_ready_and_names_who_is_missing_and_why(make_daemon, make_fake):
    fakes = [refusing(make_fake) for _ in range(2)]
    awake = make_fake(answer=ROW)
    wrong = make_fake("error-in-auth")
    wrong.error = ("FATAL", "28P01", "no")
    daemon = make_daemon([entry("awake", awake), entry("one", fakes[0]), entry("two", fakes[1]), entry("wrong", wrong)],
                         settings={"ready": {"timeout": "1s"}}).start()
    ready = daemon.notify.wait("READY", "1")
    took = ready.monotonic_usec - daemon.started_monotonic_usec
    print(f"ready.timeout of 1 s came after {took / 1e6:.2f} s")
    assert 1_000_000 <= took < 1_000_000 + patient(3) * 1_000_000
    assert ready.fields["STATUS"] == ("waiting for 3 of 4 databases: one (down, tcp.refused), two (down, tcp.refused), wrong (blocked, "
                                      "auth.password). Check the user and the password that this database is configured with, then reload pgwaked.")
    said, = daemon.wait_log(message_id=READY_ID)
    assert said["level"] == "warning"
    assert "ready.timeout is over" in said["message"] and "one (down, tcp.refused)" in said["message"] and "wrong (blocked" in said["message"]
    # From then on it is the ordinary status.
    fakes[0].script = "ok"
    wait_status(daemon, "4 databases: 2 awake, 1 down, 1 blocked (two: tcp.refused, wrong: auth.password)")
    assert len(daemon.notify.of("READY")) == 1


def test_until_ready_more_time_is_asked_for_again_and_again(make_daemon, make_fake):
    fake = refusing(make_fake)
    daemon = make_daemon([entry("main", fake)], settings={"ready": {"timeout": "infinity"}}).start()
    first = daemon.notify.wait("EXTEND_TIMEOUT_USEC")
    assert int(first.fields["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    assert first.fields["STATUS"] == "waiting for 1 of 1 database: main (unknown, not_checked)"
    again = daemon.notify.wait("EXTEND_TIMEOUT_USEC", timeout=12, after=daemon.notify.notes.index(first) + 1)
    apart = again.monotonic_usec - first.monotonic_usec
    print(f"asked again after {apart / 1e6:.2f} s for {int(first.fields['EXTEND_TIMEOUT_USEC']) / 1e6:.0f} s")
    assert apart < int(first.fields["EXTEND_TIMEOUT_USEC"]) / 2, "one that is lost or late does no harm"
    assert "tcp.refused" in again.fields["STATUS"] and daemon.notify.of("READY") == []
    fake.script = "ok"
    ready = daemon.notify.wait("READY", "1")
    mark = daemon.notify.notes.index(ready)
    time.sleep(0.3)
    assert not [note for note in daemon.notify.notes[mark + 1:] if "EXTEND_TIMEOUT_USEC" in note.fields]


def test_a_database_that_a_reload_takes_away_is_not_waited_for_any_more(make_daemon, make_fake):
    good, gone = make_fake(answer=ROW), refusing(make_fake)
    daemon = make_daemon([entry("good", good), entry("gone", gone)]).start()
    daemon.wait_state("good", "awake")
    daemon.wait_state("gone", "down")
    assert daemon.notify.of("READY") == []
    daemon.configure([entry("good", good)])
    assert daemon.reload().json["removed"] == 1
    daemon.notify.wait("READY", "1")
    # Before READY=1 the manager knows no reload: its READY=1 would have been too soon.
    assert daemon.notify.of("RELOADING") == []


def test_a_database_that_a_reload_changes_is_still_waited_for(make_daemon, make_fake):
    fake = refusing(make_fake)
    daemon = make_daemon([entry("main", fake)]).start()
    daemon.wait_state("main", "down")
    daemon.configure([entry("main", fake, fall=2)])
    assert daemon.reload().json["changed"] == 1
    daemon.wait_state("main", "down")
    assert daemon.notify.of("READY") == [] and daemon.log_entries(message_id=READY_ID) == []
    fake.script = "ok"
    assert "1 awake" in daemon.notify.wait("READY", "1").fields["STATUS"]


@pytest.mark.parametrize("change", [{"policy": "observe"}, {"required": False}, {"policy": "on-demand", "wake_at_start": False}],
                         ids=["observed", "not required", "not woken at start"])
def test_a_database_that_a_reload_no_longer_wants_awake_is_not_waited_for(make_daemon, make_fake, change):
    fake, never = refusing(make_fake), refusing(make_fake)
    databases = [entry("main", fake), entry("second", never)]
    daemon = make_daemon(databases, settings={"ready": {"timeout": "infinity"}}).start()
    for name in ("main", "second"):
        daemon.wait_state(name, "down")
    daemon.configure([{**databases[0], **change}, databases[1]])
    assert daemon.reload().json["changed"] == 1
    wait_status(daemon, "waiting for 1 of 2 databases: second (down, tcp.refused)")
    assert daemon.notify.of("READY") == []
    daemon.configure([{**database, **change} for database in databases])
    assert daemon.reload().json["changed"] == 1
    assert daemon.notify.wait("READY", "1").fields["STATUS"] == "2 databases: 2 down (main: tcp.refused, second: tcp.refused)"
    said, = daemon.wait_log(message_id=READY_ID)
    assert said["level"] == "info"


def test_a_database_whose_wake_at_start_was_given_up_is_not_waited_for_and_the_log_warns(make_daemon, make_fake):
    good, fake = make_fake(answer=ROW), refusing(make_fake)
    daemon = make_daemon([entry("good", good), entry("main", fake, policy="on-demand", wake_timeout="1s", linger="0s", door_interval="0s")],
                         settings={"ready": {"timeout": "infinity"}}).start()
    wait_status(daemon, "waiting for 1 of 2 databases: main (down, tcp.refused)")
    assert daemon.notify.of("READY") == []
    ready = daemon.notify.wait("READY", "1")
    assert ready.fields["STATUS"].startswith("2 databases: 1 awake, 1 down (main: ")
    said, = daemon.wait_log(message_id=READY_ID)
    assert said["level"] == "warning"
    assert said["message"].startswith("ready, though 1 of those that were to be awake never was: 2 databases: 1 awake, 1 down")


# -------------------------------------------------------------------------------------------------------------------------- STATUS


def test_status_follows_every_change(make_daemon, make_fake):
    fake, other = make_fake(answer=ROW), make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake), entry("other", other)]).start()
    assert daemon.notify.wait("READY", "1").fields["STATUS"] == "2 databases: 2 awake"
    fake.refuse()
    fake.cut()
    wait_status(daemon, "2 databases: 1 awake, 1 down (main: tcp.refused)")
    fake.script = "ok"
    wait_status(daemon, "2 databases: 2 awake", after=len(daemon.notify.notes))
    assert daemon.get("/pause/other?for=1h", method="POST").status == 200
    wait_status(daemon, "2 databases: 1 awake, 1 unknown (other: paused)")
    said = statuses(daemon)
    assert all(one != two for one, two in zip(said, said[1:])), "the same is not said twice"


def test_a_storm_of_changes_is_a_few_messages_to_the_manager(make_daemon, make_fake):
    fake = make_fake()
    daemon = make_daemon([{"name": "main", "conninfo": fake.conninfo(), **QUIET}], settings={"ready": {"on": "start"}}).start()
    daemon.notify.wait("READY", "1")
    mark, begun = len(daemon.notify.notes), time.monotonic()
    for _ in range(150):
        for span in ("1h", "0s"):
            assert daemon.get(f"/pause/main?for={span}", method="POST").status == 200
    assert daemon.get("/pause/main?for=1h", method="POST").status == 200
    wait_status(daemon, "main: paused", after=mark)
    seconds = time.monotonic() - begun
    said = len(daemon.notify.notes) - mark
    print(f"301 changes in {seconds:.2f} s were {said} messages")
    assert said <= seconds / 0.1 + 2
    until(lambda: statuses(daemon)[-1] == "1 database: 1 unknown (main: paused)", 5, "the last word is the truth")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_announced_and_nothing_is_said_after_it(make_daemon, make_fake, number):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)], env={"WATCHDOG_USEC": "200000"}).start()
    daemon.notify.wait("READY", "1")
    code, seconds = daemon.stop(number)
    assert code == 0
    print(f"ended in {seconds * 1000:.0f} ms")
    stopping = daemon.notify.wait("STOPPING", "1")
    assert daemon.notify.notes[-1] is stopping
    assert fake.seen[-1].terminated


def test_without_a_service_manager_nothing_is_missed(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)], prefix=["env", "-u", "NOTIFY_SOCKET"]).start()
    daemon.wait_state("main", "awake")
    daemon.wait_log(message_id=READY_ID)
    assert daemon.stop()[0] == 0 and daemon.notify.notes == []


# ------------------------------------------------------------------------------------------------------------------------ watchdog


INTERVAL = 0.4  # WATCHDOG_USEC as seconds: long enough for a busy machine to feed in time


def feeds(daemon, after=0):
    return [note for note in daemon.notify.notes[after:] if note.fields.get("WATCHDOG") == "1"]


def test_the_watchdog_is_fed_whatever_becomes_of_the_databases(make_daemon, make_fake):
    databases = [entry("refusing", refusing(make_fake)), entry("silent", make_fake("silence-in-auth"), attempt_timeout="300ms"),
                 entry("garbage", make_fake("garbage")), entry("dripping", make_fake("drip"), attempt_timeout="300ms"),
                 entry("computing", make_fake("scram-iterations"), attempt_timeout="300ms"), entry("good", make_fake(answer=ROW))]
    for database in databases:
        database["conninfo"] += " password=x"
    daemon = make_daemon(databases, env={"WATCHDOG_USEC": str(int(INTERVAL * 1e6))}).start(wait=False)
    first = daemon.notify.wait("WATCHDOG", "1")
    assert first.monotonic_usec - daemon.started_monotonic_usec < patient(5) * 1e6
    until(lambda: len(feeds(daemon)) >= 10, 10, "ten feeds")
    times = [note.monotonic_usec for note in feeds(daemon)]
    longest = max(two - one for one, two in zip(times, times[1:])) / 1e6
    print(f"WATCHDOG_USEC {INTERVAL} s: fed every {(times[-1] - times[0]) / (len(times) - 1) / 1e6:.3f} s, at most {longest:.3f} s apart")
    assert longest < patient(3 * INTERVAL)
    assert daemon.get("/livez").status == 200


def test_the_watchdog_is_left_hungry_by_a_loop_that_does_not_turn(make_daemon):
    """The main thread stands still; the one that talks to the service manager does not."""
    daemon = make_daemon(env={"WATCHDOG_USEC": str(int(INTERVAL * 1e6))}).start()
    until(lambda: len(feeds(daemon)) >= 3, 10, "three feeds")
    with children.main_thread_held(daemon.pid):
        mark = len(daemon.notify.notes) + 1  # one that was under way may come
        hungry_for = patient(5 * INTERVAL)
        begun = time.monotonic()
        while time.monotonic() < begun + hungry_for:
            assert feeds(daemon, mark) == [], f"fed {time.monotonic() - begun:.2f} s after it stood still"
            time.sleep(0.02)
    until(lambda: feeds(daemon, mark), 10, "it turns again and is fed")
    print(f"not fed for {hungry_for:.1f} s ({hungry_for / INTERVAL:.0f} times WATCHDOG_USEC), then again")


def test_a_process_that_stands_still_is_not_fed_by_anybody_else(make_daemon):
    daemon = make_daemon(env={"WATCHDOG_USEC": str(int(INTERVAL * 1e6))}).start()
    until(lambda: len(feeds(daemon)) >= 2, 10, "two feeds")
    children.stop(daemon.pid)
    mark = len(daemon.notify.notes)
    time.sleep(patient(3 * INTERVAL))
    assert feeds(daemon, mark) == []
    daemon.signal(signal.SIGCONT)
    until(lambda: feeds(daemon, mark), 10, "it is fed again")


def test_without_watchdog_usec_or_for_another_process_it_is_not_fed(make_daemon):
    for env in ({}, {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}):
        daemon = make_daemon(env=env).start()
        daemon.notify.wait("READY", "1")
        time.sleep(0.5)
        assert feeds(daemon) == []
