"""What the daemon says where two things meet: an end of demand and an outage, a reload and a verdict, a month and a clock, leases and a
budget that is spent in the same moment."""

import os
import signal
import socket

import pytest

from rig.clocks import Clocks
from rig.edges import edges, quick
from rig.network import NameServer, laid_over
from rig.patience import until
from rig.rawhttp import connect, get, status_of

HOUR = 3600
SPENT = {"awake_hours": 0.001}  # 3.6 s
UNNEEDED = {"policy": "on-demand", "wake_at_start": False, "linger": "0s"}


@pytest.fixture
def clocks(tmp):
    return Clocks(tmp)


def row(uptime: float, started: float = 1.7e9) -> list[tuple[str, str]]:
    """What a server tells of itself."""
    return [("uptime", str(int(uptime * 1e6))), ("started", str(int(started * 1e6))), ("recovery", "f"), ("version", "150000"), ("read_only", "off")]


def look(daemon) -> dict:
    """After whatever has fallen due."""
    daemon.get("/livez")
    return daemon.status("main")


def pass_hours(daemon, clocks: Clocks, hours: int) -> dict:
    for _ in range(hours * 12):
        clocks.pass_time(HOUR // 12)
        look(daemon)
    return look(daemon)


def lease(daemon, query: str = "for=10h&owner=x") -> None:
    assert daemon.get(f"/lease/main?{query}", method="POST").status == 201


def let_go(daemon) -> None:
    only, = daemon.status("main")["leases"]
    assert daemon.get(f"/lease/{only['id']}", method="DELETE").status == 200


def awake_for(daemon, seconds: float) -> None:
    until(lambda: (daemon.status("main").get("awake_seconds") or 0) > seconds, 30, f"awake for {seconds} s")


# -- the account and the budget -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uptime", [1, 0])
def test_the_first_answer_of_a_month_whose_last_spent_its_budget(make_fake, make_daemon, clocks, uptime):
    """0: as of a server whose clock was set back."""
    fake = make_fake("ok", answer=row(60))
    daemon = make_daemon([quick("main", fake.conninfo(password="secret", sslmode="disable"), provider="aurora", policy="keep-awake",
                                suspend_after="1s", budget=SPENT)], env=clocks.env).start()
    until(lambda: daemon.status("main")["budget"]["spent"], 30, "the budget is spent")
    fake.answer = row(uptime)
    clocks.pass_time(HOUR // 2)
    look(daemon)
    clocks.set_real(31 * 24 * HOUR)
    until(lambda: clocks.pass_time(HOUR // 4) or (budget := look(daemon)["budget"]) and not budget["spent"], 20, "another month is seen", 0.2)
    daemon.wait_state("main", "awake")
    assert look(daemon)["budget"]["used_seconds"] < HOUR


def test_a_month_that_the_clock_leaves_and_comes_back_to_has_cost_what_it_had(cluster, make_daemon, clocks):
    clocks.set_day(15)
    true = clocks.real
    daemon = make_daemon([quick("main", cluster.conninfo(), policy="keep-awake", budget=SPENT)], env=clocks.env).start()
    until(lambda: daemon.status("main")["budget"]["spent"], 20, "the budget is spent")
    before = daemon.status("main")["budget"]
    clocks.set_real(true - 35 * 24 * HOUR)
    for _ in range(3):
        clocks.pass_time(HOUR // 2)
        wrong = look(daemon)["budget"]
    clocks.set_real(true + 2 * HOUR)
    until(lambda: clocks.pass_time(1) or look(daemon)["budget"]["month"] == before["month"], 10, "it is that month again", 0.2)
    after = look(daemon)["budget"]
    print(before, wrong, after)
    assert wrong["month"] != before["month"] and after["spent"] and after["used_seconds"] >= HOUR * SPENT["awake_hours"]


def test_another_address_brings_no_time_of_its_own(make_fake, make_daemon, clocks):
    one, two = make_fake("ok", answer=row(60)), make_fake("ok", answer=row(30 * 24 * HOUR))

    def config(fake) -> list[dict]:
        return [quick("main", fake.conninfo(password="secret", sslmode="disable"), policy="keep-awake", budget={"awake_hours": 5})]

    daemon = make_daemon(config(one), env=clocks.env).start()
    daemon.wait_state("main", "awake")
    one.close()
    daemon.wait_state("main", "down", 20)
    before = pass_hours(daemon, clocks, 10)["budget"]
    daemon.configure(config(two))
    assert daemon.reload().status == 200
    daemon.wait_state("main", "awake")
    assert look(daemon)["budget"]["used_seconds"] < before["used_seconds"] + 60, "ten hours in which main was down are counted"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_another_connection_and_a_spent_budget_end_the_leases(cluster, make_daemon, n):
    daemon = make_daemon([quick("main", cluster.conninfo())]).start()
    daemon.wait_state("main", "awake")
    awake_for(daemon, 4)
    for i in range(n):
        lease(daemon, f"for=1h&owner=o{i}")
    daemon.configure([quick("main", cluster.conninfo() + " options='-c statement_timeout=9999'", budget=SPENT)])
    assert daemon.reload().status == 200
    until(lambda: daemon.status("main")["leases"] == [], 10, "they end with the budget")
    assert daemon.status("main")["budget"]["spent"]


def test_thousands_of_leases_end_with_the_budget(cluster, make_daemon):
    settings = {"ping_interval": "1s", "login_interval": "10s"}
    daemon = make_daemon([quick("main", cluster.conninfo(), **settings)]).start()
    daemon.wait_state("main", "awake")
    awake_for(daemon, 4)
    with connect(daemon.control_socket, 60) as client:
        for start in range(0, 9999, 99):
            client.sendall(b"".join(get(f"/lease/main?for=1h&owner=o{i}", "POST") for i in range(start, start + 99)))
            text = b""
            while text.count(b"HTTP/1.1 201") < 99:
                piece = client.recv(1 << 20)
                assert piece and b" 4" not in piece[:12]
                text += piece
    daemon.configure([quick("main", cluster.conninfo(), **settings, budget=SPENT)])
    assert daemon.reload(60).status == 200
    until(lambda: daemon.status("main")["leases"] == [], 30, "all of them ended")


@pytest.mark.parametrize("query", ["for=1h&owner=x", "owner=x"])
def test_a_lease_that_is_asked_for_as_the_budget_ends_is_refused(cluster, make_daemon, query):
    daemon = make_daemon([quick("main", cluster.conninfo(), budget=SPENT, ping_interval="10s", login_interval="60s")]).start()
    daemon.wait_state("main", "awake")
    until(lambda: daemon.status("main")["budget"]["used_seconds"] > 3.0, 20, "nearly spent")
    assert not daemon.status("main")["budget"]["spent"]
    with connect(daemon.control_socket) as client:
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            client.sendall(get(f"/lease/main?{query}", "POST", "Connection: close"))
            with pytest.raises(TimeoutError):  # the time that is left of the budget
                client.settimeout(1)
                client.recv(1, socket.MSG_PEEK)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        client.settimeout(20)
        assert status_of(client.recv(65536)) == 409
    assert daemon.status("main")["leases"] == []


# -- what nobody needs any longer --------------------------------------------------------------------------------------------------------


def test_full_does_not_turn_green_by_growing_old(cluster, make_daemon, clocks):
    daemon = make_daemon([quick("main", cluster.conninfo(), **UNNEEDED, fresh_for="10s")], env=clocks.env).start()
    lease(daemon)
    daemon.wait_state("main", "awake")
    cluster.sql("ALTER ROLE app CONNECTION LIMIT 1")  # the session that it holds is the one
    daemon.wait_state("main", "full")
    let_go(daemon)
    pass_hours(daemon, clocks, 1)
    assert "awake" not in edges(daemon, "main")[2:] and daemon.get("/readyz/main").status == 503


def test_down_does_not_turn_green_by_growing_old(cluster, make_daemon, clocks):
    daemon = make_daemon([quick("main", cluster.conninfo(), **{**UNNEEDED, "attempt_timeout": "1s"})], env=clocks.env).start()
    lease(daemon)
    daemon.wait_state("main", "awake")
    cluster.sigstop(backends=False)  # the postmaster: sessions go on, nobody can log in
    try:
        daemon.wait_state("main", "down", 30)
        assert daemon.status("main")["session"]["held"]
        let_go(daemon)
        pass_hours(daemon, clocks, 1)
        assert daemon.get("/readyz/main").status == 503
    finally:
        cluster.sigcont()


@pytest.mark.parametrize("more", [{"provider": "aurora"}, {"provider": "postgres", "door_interval": "0s"}], ids=["aurora", "no doors"])
def test_that_our_network_was_gone_is_no_news_of_today(cluster, make_daemon, tmp, clocks, more):
    def at(host: str) -> str:
        return f"host={host} port={cluster.port} user=app dbname=app password=secret"

    with NameServer() as names:
        prefix = laid_over(resolv_conf=names.write_resolv_conf(tmp / "resolv.conf"))
        names.close()
        daemon = make_daemon([quick("main", at("one.example"), **UNNEEDED, **more), quick("other", at("two.example"))], prefix=prefix,
                             env=clocks.env).start()
        lease(daemon)
        daemon.wait_reason("main", "host.network")
        let_go(daemon)
        names.open()
        names.names["one.example"] = names.names["two.example"] = ["127.0.0.1"]
        daemon.wait_state("other", "awake", 30)
        until(lambda: clocks.pass_time(60) or look(daemon)["reason"] == "stale", 20, "it is not known any more", 0.2)


def test_one_answer_of_two_before_the_host_slept_is_no_answer_after(cluster, make_daemon, clocks):
    daemon = make_daemon([quick("main", cluster.conninfo(), **{**UNNEEDED, "provider": "aurora", "rise": 2, "fall": 9, "jitter": "0%",
                                                               "retry_interval": "20s", "down_interval": "20s", "fresh_for": "60s"})],
                         env=clocks.env)
    cluster.stop()
    daemon.start()
    lease(daemon, "for=60s&owner=x")
    daemon.wait_reason("main", "tcp.refused")
    cluster.start()
    clocks.pass_time(20)
    until(lambda: look(daemon)["last_attempt"]["outcome"] == "ok", 10, "answered once")
    cluster.stop()
    with daemon.stream("main") as stream:
        clocks.suspend_host(8 * HOUR)
        until(lambda: look(daemon)["leases"] == [], 10, "the lease is over")
        assert "awake" not in [event.data["state"] for event in stream.events if event.event == "state"]


# -- reloads and restarts --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, after", [({"expect": {"primary": False}}, {}), ({}, {"expect": {"primary": False}})], ids=["gone", "new"])
def test_what_is_expected_anew_no_old_answer_has_met(cluster, make_daemon, before, after):
    daemon = make_daemon([quick("main", cluster.conninfo(), **UNNEEDED, **before)]).start()
    daemon.get("/wake/main?wait=10s", method="POST", timeout=30)
    until(lambda: daemon.status("main")["next_check"] is None and daemon.status("main")["state"] in ("awake", "degraded"), 20, "idle")
    daemon.configure([quick("main", cluster.conninfo(), **UNNEEDED, **after)])
    assert daemon.reload().status == 200
    status = daemon.status("main")
    assert (status["state"], status["reason"]) == ("unknown", "stale")
    daemon.get("/wake/main", method="POST")
    daemon.wait_state("main", "degraded" if after else "awake")


@pytest.mark.parametrize("key, state", [("blocked_interval", "blocked"), ("down_interval", "down")])
def test_a_shorter_rhythm_of_retries_is_followed_at_once(cluster, make_daemon, key, state):
    slow = {"policy": "keep-awake", "jitter": "0%", key: "1h", **({"retry_interval": "40min", "fall": 1} if state == "down" else {})}
    if state == "blocked":
        cluster.sql("ALTER ROLE app PASSWORD 'other'")
    else:
        cluster.stop()
    daemon = make_daemon([quick("main", cluster.conninfo(), **slow)]).start()
    daemon.wait_state("main", state)
    if state == "blocked":
        cluster.sql("ALTER ROLE app PASSWORD 'secret'")
    else:
        cluster.start()
    quickly = {"blocked_interval": "200ms", "down_interval": "300ms", "retry_interval": "100ms"}
    daemon.configure([quick("main", cluster.conninfo(), **{**slow, **quickly})])
    assert daemon.reload().status == 200
    daemon.wait_state("main", "awake", 20)


def test_a_wrong_password_is_wrong_after_a_restart(make_neon, make_daemon):
    neon = make_neon(suspend_after=30, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([quick("main", neon.conninfo(password="wrong"), provider="neon", suspend_after="30s", door_interval="200ms",
                                **UNNEEDED)]).start()
    daemon.get("/wake/main?wait=5s", method="POST", timeout=20)
    daemon.wait_state("main", "blocked")
    assert daemon.stop()[0] == 0
    daemon.start()
    until(lambda: (last := daemon.status("main")["last_attempt"]) and last["kind"] == "door", 10, "a door")
    assert daemon.get("/readyz/main?accept=asleep").status == 503
    daemon.configure([quick("main", neon.conninfo(), provider="neon", suspend_after="30s", door_interval="200ms", **UNNEEDED)])
    assert daemon.reload().status == 200
    until(lambda: daemon.get("/readyz/main?accept=asleep").status == 200, 10, "another password is another question")


def test_a_start_that_a_wrong_clock_told_hides_no_later_one(make_fake, make_daemon):
    now = 1.8e9
    fake = make_fake("ok", answer=row(0, now + 10 * 365 * 24 * HOUR))
    daemon = make_daemon([quick("main", fake.conninfo(password="secret", sslmode="disable"), policy="keep-awake")]).start()
    daemon.wait_state("main", "awake")
    seen = [daemon.status("main")["generation"]]
    for i in range(3):
        assert daemon.stop()[0] == 0
        fake.answer = row(1, now - 1e6 + i)  # it was restarted meanwhile, with a clock that is right
        daemon.start()
        daemon.wait_state("main", "awake")
        seen.append(daemon.status("main")["generation"])
    assert seen == sorted(set(seen)), seen
