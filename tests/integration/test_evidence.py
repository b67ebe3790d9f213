"""What it says follows from evidence: what nobody needs, what is old, slow, throttled or answered by another server is told as what it is."""

import itertools
import time

import pytest

from rig.balancer import Balancer
from rig.daemon import Daemon
from rig.edges import assert_edges, edges, quick, wait_failures
from rig.patience import patient, until
from rig.unixhttp import EventStream

SUSPEND = 1.0
RETRY = 0.1
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]


def on_demand(conninfo: str, **more) -> dict:
    """A database that is asked only under demand, in an exact rhythm; a login past 200 ms is taken for a wake."""
    settings = {"provider": "neon", "policy": "on-demand", "suspend_after": f"{SUSPEND}s", "door_interval": "100ms", "linger": "0s",
                "slow": "200ms", "wake_at_start": False, "jitter": "0%"}
    return quick("main", conninfo, **{**settings, **more})


def lease(daemon: Daemon) -> EventStream:
    return EventStream(daemon.control_socket, "/lease/main?owner=holder", method="POST")


def fall_asleep(daemon: Daemon) -> None:
    """Woken by a call, and asleep again."""
    answer = daemon.get("/wake/main?wait=20s", method="POST", timeout=30)
    assert answer.status == 200, answer.text
    daemon.wait_state("main", "asleep", 20)


def more_doors(neon, count: int, timeout: float = 20) -> None:
    doors = neon.status()["doors"]
    until(lambda: neon.status()["doors"] >= doors + count, timeout, f"{count} doors more")


def refusals(neon, since: int = 0) -> list[float]:
    """When pgwaked was refused, in seconds."""
    return [event["monotonic_usec"] / 1e6 for event in neon.truth.of("refused", since) if event.get("application") == "pgwaked"]


# What nobody needs any longer


@pytest.mark.parametrize("attempt_timeout, wake_timeout", [("4s", "2s"), ("1s", "3s")], ids=["in one login", "between logins"])
def test_a_wake_that_nobody_needs_any_longer_is_no_outage(make_neon, make_daemon, attempt_timeout, wake_timeout):
    """Its holder is gone; what its login does until it ends is nobody's outage, though the wake takes longer than wake_timeout."""
    neon = make_neon(suspend_after=60, wake_delay="fixed 6", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(), suspend_after="60s", fall=1, attempt_timeout=attempt_timeout,
                                    wake_timeout=wake_timeout)]).start()
    with lease(daemon):
        neon.truth.wait("wake_begin")
    daemon.wait_state("main", "waking")
    neon.truth.wait("started", 20)
    more_doors(neon, 3)
    status = daemon.status("main")
    assert (status["state"], status["reason"]) == ("unknown", "stale") and status["wakes"]["count"] == 0
    assert "wake.timeout" not in status["failures"]["by_reason"]
    assert not [entry for entry in daemon.log_entries(database="main") if entry["level"] == "err"]
    assert_edges(daemon, "main", "waking/server.starting", "[waking/auth.timeout]", "unknown/stale")


# What a person must change


def test_a_wrong_password_stays_blocked_however_old_it_grows_while_nobody_needs_the_database(make_neon, make_daemon):
    attempt_timeout, door = 2.0, 0.1
    neon = make_neon(suspend_after=60)
    daemon = make_daemon([on_demand(neon.conninfo(password="wrong"), attempt_timeout=f"{attempt_timeout}s", slow="1h",
                                    blocked_interval="100ms", down_interval="100ms", door_interval=f"{door}s")]).start()
    with lease(daemon):
        assert daemon.wait_state("main", "blocked")["reason"] == "auth.password"
    until(lambda: not daemon.status("main")["leases"], 10, "nobody needs it")
    asked = neon.status()["wrong_passwords"]
    with daemon.stream("main") as stream:
        # So many take twice as long as a verdict lived that an attempt had to renew.
        more_doors(neon, int(2 * (attempt_timeout + 2.5 * 0.1) / door), 60)
        assert not stream.events
    status = daemon.status("main")
    assert (status["state"], status["reason"]) == ("blocked", "auth.password") and status["last_attempt"]["kind"] == "door"
    for path in ("/readyz?accept=asleep", "/readyz/main?accept=asleep"):
        assert daemon.get(path).status == 503
    # The last login may have been under way when its holder went.
    assert sum(neon.status()["wrong_passwords"].values()) <= sum(asked.values()) + 1
    assert_edges(daemon, "main", "blocked/auth.password")


# Inside a wake


def test_what_a_wake_met_last_is_its_reason_and_refusals_make_it_ask_less_and_less_often(make_neon, make_daemon):
    tries = 6
    neon = make_neon(suspend_after=60, wake_delay=f"fixed {patient(4)}", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(), suspend_after="60s", retry_interval=f"{RETRY}s", down_interval="1h", linger="1min",
                                    attempt_timeout=f"{patient(1)}s", wake_timeout="1h", door_interval="0s")]).start()
    assert daemon.get("/wake/main", method="POST").status == 202
    daemon.wait_reason("main", "server.starting")
    neon.trouble("control-plane")
    status = daemon.wait_reason("main", "provider.transient")
    assert status["state"] == "waking" and "Control plane request failed" in status["detail"]
    until(lambda: len(refusals(neon)) >= tries, 30, f"{tries} refusals")
    gaps = [after - before for before, after in itertools.pairwise(refusals(neon)[:tries])]
    print(f"asked again after {', '.join(f'{1000 * gap:.0f}' for gap in gaps)} ms")
    # Those before them that hung may have counted too.
    assert all(gap > RETRY * 2 ** i - 0.005 for i, gap in enumerate(gaps)), gaps
    assert daemon.status("main")["state"] == "waking"
    neon.trouble("off")
    assert daemon.wait_state("main", "awake", 30)["wakes"]["count"] == 1
    assert_edges(daemon, "main", "waking/server.starting", "[waking/auth.timeout]", "waking/provider.transient", "[waking/auth.timeout]", "awake")


# A plain server that is slow


def test_a_plain_server_that_takes_a_login_and_is_late_is_slow_and_no_wake(cluster, make_daemon):
    cluster.sigstop()
    daemon = make_daemon([quick("main", cluster.conninfo(sslmode="disable"), slow="200ms", attempt_timeout="2s", wake_timeout="300ms",
                                fall=100)]).start()
    status = daemon.wait_reason("main", "server.slow")
    assert status["state"] == "unknown" and not status["ready"]
    wait_failures(daemon, "main", "auth.timeout", 2, 30)
    cluster.sigcont()
    assert daemon.wait_state("main", "awake", 20)["wakes"]["count"] == 0
    assert_edges(daemon, "main", "unknown/server.slow", "unknown/auth.timeout", "awake")


def test_a_plain_server_whose_new_logins_are_late_stays_awake_by_its_session_and_then_fails_as_a_server(cluster, make_daemon):
    daemon = make_daemon([quick("main", cluster.conninfo(sslmode="disable"), slow="200ms", attempt_timeout="2s", wake_timeout="300ms",
                                fall=100)]).start()
    daemon.wait_state("main", "awake")
    cluster.sigstop(backends=False)
    with daemon.stream("main") as stream:
        answered = daemon.status("main")["last_attempt"]["at"]
        until(lambda: (last := daemon.status("main")["last_attempt"])["kind"] == "ping" and last["at"] > answered, 10, "pings go on")
        wait_failures(daemon, "main", "auth.timeout", 3, 30)
        assert {event.data["state"] for event in stream.events} <= {"unknown"}
    cluster.sigcont()
    assert daemon.wait_state("main", "awake", 20)["wakes"]["count"] == 0
    assert_edges(daemon, "main", "[unknown/server.slow]", "awake", "[unknown/query.timeout]", "unknown/auth.timeout", "awake")


# Two servers behind one address


def test_the_generation_does_not_grow_where_logins_meet_two_servers_in_turn_and_grows_when_one_was_restarted(make_cluster, make_daemon):
    clusters = [make_cluster(name) for name in ("one", "two")]
    for each in clusters:
        each.start()
    with Balancer([(each.host, each.port) for each in clusters]) as balancer:
        daemon = make_daemon([quick("main", clusters[0].conninfo(port=balancer.port), login_interval="50ms", ping_interval="1h",
                                    fresh_for="2h")]).start()
        met: list[str] = []

        def meet(count: int) -> bool:
            """Each of them so often, one after the other."""
            server = daemon.status("main")["server"]
            if server and (not met or met[-1] != server["started_at"]):
                met.append(server["started_at"])
            return len(met) >= count

        until(lambda: meet(2), 20, "both are met")
        generation = daemon.status("main")["generation"]
        until(lambda: meet(14), 60, "each is met again and again")
        assert len(set(met)) == 2
        assert daemon.status("main")["generation"] == generation <= 1
        older = clusters[0]
        older.restart()
        until(lambda: meet(1) and len(set(met)) == 3, 60, "the one that was restarted is met")
        assert daemon.status("main")["generation"] > generation


# A reload


def test_a_reload_that_changes_settings_of_a_sleeping_database_wakes_nobody(make_neon, make_daemon):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    settings = on_demand(neon.conninfo())
    del settings["wake_at_start"]  # the daemon's start is a demand; a reload is none
    daemon = make_daemon([settings], settings={"ready": {"on": "start"}}).start()
    daemon.wait_state("main", "asleep", 20)
    before, truth = daemon.status("main"), neon.status()
    with daemon.stream("main") as stream:
        for databases, more in (([{**settings, "fall": 7}], {}), ([settings], {"defaults": {"rise": 2}}),
                                ([{**settings, "door_interval": "150ms", "linger": "1s"}], {"defaults": {"budget": {"awake_hours": 9}}})):
            daemon.configure(databases, settings={"ready": {"on": "start"}, **more})
            answer = daemon.reload()
            assert (answer.status, answer.json["changed"]) == (200, 1), answer.text
            assert daemon.status("main")["state"] == "asleep"
            more_doors(neon, 3)
        assert not stream.events
    after = daemon.status("main")
    assert all(after[key] == before[key] for key in ("state", "since", "generation", "wakes"))
    now = neon.status()
    assert (now["state"], now["logins"], now["wakes"]) == ("asleep", truth["logins"], truth["wakes"])


def test_a_reload_that_changes_settings_of_an_awake_database_keeps_its_session_and_generation(cluster, make_daemon):
    main = quick("main", cluster.conninfo(), login_interval="1h")
    daemon = make_daemon([main]).start()
    before, backends = daemon.wait_state("main", "awake"), cluster.backends("pgwaked")
    assert len(backends) == 1
    with daemon.stream("main") as stream:
        for databases, more in (([{**main, "fall": 7, "ping_interval": "50ms"}], {}), ([main], {"defaults": {"rise": 2}})):
            daemon.configure(databases, settings=more)
            assert daemon.reload().json["changed"] == 1
            assert daemon.status("main")["state"] == "awake"
            asked = daemon.status("main")["last_attempt"]["at"]
            until(lambda asked=asked: daemon.status("main")["last_attempt"]["at"] > asked, 10, "it is asked by the new settings")
        assert not stream.events
    after = daemon.status("main")
    assert all(after[key] == before[key] for key in ("state", "since", "generation", "session"))
    assert cluster.backends("pgwaked") == backends


# Asked too often


def test_a_door_that_is_throttled_is_asked_less_and_less_often(make_neon, make_daemon):
    tries, door = 7, 0.15
    neon = make_neon(suspend_after=60)
    neon.trouble("endpoint-throttled")
    daemon = make_daemon([on_demand(neon.conninfo(), retry_interval=f"{RETRY}s", down_interval=f"{RETRY}s", door_interval=f"{door}s",
                                    fall=100)]).start()
    until(lambda: len(refusals(neon)) >= tries, 40, f"{tries} doors that were refused")
    gaps = [after - before for before, after in itertools.pairwise(refusals(neon)[:tries])]
    print(f"door checks after {', '.join(f'{1000 * gap:.0f}' for gap in gaps)} ms")
    assert all(gap > max(door, RETRY * 2 ** i) - 0.005 for i, gap in enumerate(gaps)), gaps
    status = daemon.status("main")
    assert set(status["failures"]["by_reason"]) == {"provider.throttled"} and not neon.status()["logins"]


def test_callers_of_a_sleeping_database_that_is_throttled_do_not_repeat_its_login(make_neon, make_daemon):
    callers = 24
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(), retry_interval="1h", down_interval="1h", linger="1s", wake_timeout="1h", fall=100),
                          {**on_demand(neon.conninfo(), door_interval="0s"), "name": "fence"}]).start()
    fall_asleep(daemon)
    neon.trouble("throttled")
    mark = neon.truth.mark()
    for _ in range(callers):
        assert daemon.get("/wake/main?wait=100ms", method="POST").status == 503
    # What they made it ask was asked before this.
    assert daemon.get("/wake/fence", method="POST").status == 202
    wait_failures(daemon, "fence", "provider.throttled", 1)
    attempts = daemon.status("main")["failures"]["by_reason"]["provider.throttled"]
    print(f"{callers} callers, {attempts} login")
    assert attempts == 1 and len(refusals(neon, mark)) == 2


# A provider that wakes on a connect


def test_a_connect_that_hangs_in_a_wake_is_part_of_it_and_the_wake_is_ours(make_fake, make_daemon):
    """Aurora: the connect itself is answered only when the database runs. It hangs longer than an address may take where others follow."""
    fake = make_fake("silence-at-connect", answer=ROW)
    daemon = make_daemon([quick("main", fake.conninfo(sslmode="disable"), provider="aurora", wake_at_start=False, linger="0s", slow="500ms",
                                attempt_timeout="60s", fall=1, retry_interval="1h", down_interval="1h")]).start()
    begun = time.monotonic()
    assert daemon.get("/wake/main", method="POST").status == 202
    status = daemon.wait_state("main", "waking")
    assert status["failures"]["total"] == 0
    until(lambda: time.monotonic() > begun + 6, 30, "longer than the 5 s that one address of several may take")
    assert daemon.status("main")["state"] == "waking"
    started = time.monotonic()
    # The server of this wake began in it.
    fake.answer = lambda _: [("a", "1000"), ("b", str(time.time_ns() // 1000 - 1000)), *ROW[2:]]
    fake.script = "ok"
    status = daemon.wait_state("main", "awake", 40)
    last = status["wakes"]["last"]
    print(f"woken in {last['latency_seconds']:.1f} s: the kernel asks again after 7 s, or 15")
    assert status["wakes"]["by_cause"]["wake"] == status["wakes"]["count"] == 1 and last["cold"] is True
    assert started - begun < last["latency_seconds"] < time.monotonic() - begun
    assert edges(daemon, "main") == ["waking/server.starting", "awake"] and status["failures"]["total"] == 0


# A reload that expects something else


def test_an_answer_from_before_other_expectations_does_not_make_it_ready_when_nobody_needs_it(make_fake, make_daemon):
    fake = make_fake(answer=ROW)
    fake.refuse()
    main = quick("main", fake.conninfo(sslmode="disable"), provider="aurora", rise=2, fall=1, retry_interval="2s", down_interval="200ms",
                 attempt_timeout="1s", jitter="0%", linger="0s")
    daemon = make_daemon([{**main, "policy": "keep-awake"}]).start()
    daemon.wait_state("main", "down")
    fake.script = "ok"
    until(lambda: daemon.status("main")["failures"]["consecutive"] == 0, 20, "one answer, of the two that are wanted")
    daemon.configure([{**main, "policy": "observe", "expect": {"primary": False}}])
    assert daemon.reload().status == 200
    daemon.wait_state("main", "unknown", 20)
    assert edges(daemon, "main") == ["down/tcp.refused", "unknown/stale"]


def test_a_generation_that_grows_while_nothing_else_changes_is_told_by_an_event(make_fake, make_daemon):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([quick("main", fake.conninfo(sslmode="disable"), login_interval="100ms")]).start()
    generation = daemon.wait_state("main", "awake")["generation"]
    with daemon.stream("main") as stream:
        fake.answer = [("a", "5000000"), ("b", "1760000500000000"), *ROW[2:]]
        until(lambda: [event for event in stream.events if event.data.get("generation") == generation + 1], 10, "an event with the new generation")
    (event,) = [event.data for event in stream.events if event.data.get("generation") == generation + 1]
    assert (event["previous"], event["state"], event["ready"]) == ("awake", "awake", True)
    assert edges(daemon, "main") == ["awake", "awake"] and daemon.status("main")["generation"] == generation + 1
