"""Names: those that do not resolve, resolvers that do not answer, addresses that lead nowhere, and a network that is our own."""

import re
import time
from datetime import datetime

import pytest

from rig.clocks import Clocks
from rig.edges import assert_edges, assert_phases, quick, wait_failures
from rig.network import NameServer, Network, laid_over, needs_namespaces
from rig.patience import patient, until
from rig.unixhttp import EventStream

pytestmark = needs_namespaces

# What the probe query is answered with.
ROW = [("uptime", "3600000000"), ("started", "1700000000000000"), ("recovery", "f"), ("version", "150000"), ("read_only", "off")]


@pytest.fixture
def names(tmp):
    """A name server of the test's own; names.prefix makes a daemon ask it."""
    with NameServer() as server:
        server.prefix = laid_over(resolv_conf=server.write_resolv_conf(tmp / "resolv.conf"))
        yield server


def at(host: str, port: int = 5432, **more) -> str:
    parts = {"host": host, "port": port, "user": "app", "dbname": "app", "password": "secret", **more}
    return " ".join(f"{key}={value}" for key, value in parts.items())


def test_a_name_that_does_not_exist_is_down_and_never_our_own_network(names, make_daemon):
    daemon = make_daemon([quick("one", at("one.invalid")), quick("two", at("two.invalid"))], prefix=names.prefix).start()
    for name in ("one", "two"):
        status = daemon.wait_state(name, "down")
        assert status["reason"] == "dns.failed" and status["last_attempt"]["address"] is None
        assert_phases(status, "resolve")
        wait_failures(daemon, name, "dns.failed", 6)
        assert_edges(daemon, name, "unknown/dns.failed", "down/dns.failed")
        print(status["detail"])


def test_a_name_that_comes_to_exist_is_awake(cluster, names, make_daemon):
    daemon = make_daemon([quick("main", at("db.example", cluster.port), ping_interval="1h")], prefix=names.prefix).start()
    daemon.wait_state("main", "down")
    names.names["db.example"] = ["127.0.0.1"]
    status = daemon.wait_state("main", "awake")
    assert_phases(status, "resolve", "connect", "tls", "auth", "query")
    assert status["last_attempt"]["address"] == f"127.0.0.1:{cluster.port}"
    assert_edges(daemon, "main", "unknown/dns.failed", "down/dns.failed", "awake")


def gaps(cluster, since: int) -> list[float]:
    """Seconds between the pings that the server's log has from a mark on."""
    times = [datetime.fromisoformat(text) for text in
             re.findall(r"^(\S+ \S+) UTC \[\d+\] pgwaked LOG:  statement: ", cluster.log_text()[since:], re.MULTILINE)]
    return [(b - a).total_seconds() for a, b in zip(times, times[1:])]


@pytest.mark.parametrize("timeout", ["600ms", "3s"])
def test_a_resolver_that_answers_for_no_name_is_our_own_network(names, make_daemon, timeout):
    """Whether the attempt ends before the resolver gives up, or after."""
    names.silent = True
    databases = [quick(f"db{number}", at(f"db{number}.example"), attempt_timeout=timeout, retry_interval="200ms", down_interval="500ms",
                       fresh_for="20s")
                 for number in range(4)]
    daemon = make_daemon(databases, prefix=names.prefix).start()
    for each in databases:
        status = daemon.wait_reason(each["name"], "host.network", 30)
        # A look-up that began for an earlier attempt may give up within this one.
        assert status["state"] == "unknown" and status["last_attempt"]["outcome"] in ("dns.timeout", "dns.failed")
    for each in databases:
        wait_failures(daemon, each["name"], "host.network", 3, 30)
        assert_edges(daemon, each["name"], "[unknown/dns.timeout]", "unknown/host.network")


def test_a_name_that_is_not_answered_for_while_another_host_is_reached_is_its_own_fault(cluster, names, make_daemon):
    names.names["good.example"], names.silent = ["127.0.0.1"], {"dead.example"}
    daemon = make_daemon([quick("good", at("good.example", cluster.port), login_interval="200ms"),
                          quick("dead", at("dead.example"), attempt_timeout="600ms")], prefix=names.prefix).start()
    assert daemon.wait_state("dead", "down", 20)["reason"] == "dns.timeout"
    wait_failures(daemon, "dead", "dns.timeout", 6, 20)
    assert "host.network" not in daemon.status("dead")["failures"]["by_reason"]
    assert_edges(daemon, "good", "awake")


def test_a_resolver_that_does_not_answer_is_a_timeout_and_delays_nobody_else(make_cluster, names, make_daemon, stall):
    """Eight names hang; what needs no name, and what /etc/hosts knows, is checked on time."""
    cluster = make_cluster(log_statement="all")
    cluster.start()
    names.silent = True
    # That our own network is at fault is believed for 2.5 of down_interval: a busy machine may keep an attempt from its end for some time.
    dead = [quick(f"dead{number}", at(f"dead{number}.example"), attempt_timeout="600ms", down_interval="2s", fresh_for="20s") for number in range(8)]
    daemon = make_daemon([*dead, quick("literal", cluster.conninfo(), login_interval="1h"),
                          quick("hosts", cluster.conninfo(host="localhost"), login_interval="200ms", ping_interval="1h")],
                         prefix=names.prefix).start()
    daemon.wait_state("literal", "awake")
    daemon.wait_state("hosts", "awake")
    mark = cluster.log_size()
    for each in dead:
        status = daemon.wait_reason(each["name"], "host.network", 20)  # no remote host is reached
        assert status["last_attempt"]["outcome"] == "dns.timeout"
        assert_phases(status, "resolve", last=0.55)
        assert status["last_attempt"]["total_seconds"] < stall.late(0.5)
        wait_failures(daemon, each["name"], "host.network", 6, 20)
        # Where no prober came to an attempt in time, because the machine is busy, that is said of it.
        assert_edges(daemon, each["name"], "[unknown/dns.timeout|unknown/host.resources]", "unknown/host.network",
                     "[unknown/host.resources|unknown/host.network]")
    seen = gaps(cluster, mark)
    print(f"meanwhile {len(seen)} checks of the others, worst gap {1000 * max(seen):.0f} ms")
    assert len(seen) > 20 and max(seen) < stall.late(0.5)
    for name in ("literal", "hosts"):
        assert_edges(daemon, name, "awake")
    names.silent = False  # it answers the next question: there is no such name
    assert daemon.wait_state("dead0", "down", 20)["reason"] == "dns.failed"


@pytest.mark.parametrize("count", [40, 100])
def test_dead_names_take_no_healthy_database_down(cluster, names, make_daemon, count):
    """The name server is silent. `localhost` is looked up for every login, and its databases stay awake, as those that need no name;
    what a dead name waits for a thread is no failure of its database, and no time of an attempt."""
    names.silent = True
    dead = [quick(f"dead{number}", at(f"dead{number}.example"), attempt_timeout="1s", retry_interval="200ms", down_interval="1s")
            for number in range(count)]
    healthy = [quick(f"healthy{number}", cluster.conninfo(host=host), ping_interval="1h", login_interval="300ms",
                     attempt_timeout="15s", fresh_for="20s")
               for number, host in enumerate(["localhost", "localhost", "localhost", "127.0.0.1", str(cluster.socket_dir)])]
    daemon = make_daemon([*dead, *healthy], settings={"limits": {"attempts_in_flight": 256}}, prefix=names.prefix).start()
    for each in healthy:
        daemon.wait_state(each["name"], "awake", 30)

    def failures(name: str) -> dict:
        return daemon.status(name)["failures"]

    for each in dead:
        until(lambda name=each["name"]: failures(name)["total"] >= 4, 60, f"4 failures of {each['name']}")
    for each in healthy:
        assert_edges(daemon, each["name"], "awake")
        assert failures(each["name"])["total"] == 0
    reasons = {}
    for each in dead:
        for reason, times in failures(each["name"])["by_reason"].items():
            reasons[reason] = reasons.get(reason, 0) + times
        attempt = daemon.status(each["name"])["last_attempt"]
        if attempt["outcome"] == "host.resources":
            assert attempt["phases"]["resolve"] is None and attempt["total_seconds"] < 0.01
        else:
            assert attempt["total_seconds"] < 1 + patient(0.5)
    print(f"{count} dead names: {reasons}")
    # A look-up that began for an earlier attempt may give up within this one.
    assert set(reasons) <= {"dns.timeout", "dns.failed", "host.network", "host.resources"} and "dns.timeout" in reasons


def test_a_hundred_hosts_that_no_name_server_answers_for_are_our_own_network(tmp, names, make_daemon):
    """Each look-up holds a thread for a second. That they wait for one another is booked on none of them."""
    names.silent = True
    names.write_resolv_conf(tmp / "resolv.conf", "timeout:1 attempts:1")
    databases = [quick(f"db{number}", at(f"db{number}.example"), attempt_timeout="3s", retry_interval="1s", down_interval="2s")
                 for number in range(100)]
    daemon = make_daemon(databases, prefix=names.prefix).start()
    for each in databases:
        daemon.wait_reason(each["name"], "host.network", 60)
    for each in databases:
        reasons = daemon.status(each["name"])["failures"]["by_reason"]
        assert set(reasons) <= {"dns.failed", "host.network", "host.resources"}, reasons


def test_a_resolver_that_nobody_runs_is_our_own_network_with_two_hosts_and_a_failure_with_one(cluster, names, make_daemon):
    names.close()
    daemon = make_daemon([quick("one", at("one.example", cluster.port)), quick("two", at("two.example", cluster.port)),
                          quick("local", cluster.conninfo())], prefix=names.prefix).start()
    for name in ("one", "two"):
        status = daemon.wait_reason(name, "host.network")
        assert status["state"] == "unknown" and status["last_attempt"]["outcome"] == "dns.failed"
        wait_failures(daemon, name, "host.network", 6)
        assert_edges(daemon, name, "[unknown/dns.failed]", "unknown/host.network")
    assert_edges(daemon, "local", "awake")

    names.open()  # one name exists now, the other does not: that is its own fault
    names.names["one.example"] = ["127.0.0.1"]
    daemon.wait_state("one", "awake")
    assert daemon.wait_state("two", "down")["reason"] == "dns.failed"
    assert_edges(daemon, "one", "[unknown/dns.failed]", "unknown/host.network", "[unknown/dns.failed]", "awake")
    assert_edges(daemon, "two", "[unknown/dns.failed]", "unknown/host.network", "[unknown/dns.failed]", "down/dns.failed")


def test_one_remote_host_alone_does_not_prove_our_own_network(names, make_daemon):
    names.close()
    daemon = make_daemon([quick("one", at("one.example")), quick("again", at("one.example", 5433))], prefix=names.prefix).start()
    for name in ("one", "again"):
        daemon.wait_state(name, "down")
        assert_edges(daemon, name, "unknown/dns.failed", "down/dns.failed")


def test_a_host_that_was_out_of_reach_and_is_asked_no_more_says_nothing_of_our_network_in_the_end(cluster, names, make_daemon, tmp):
    clocks = Clocks(tmp)
    names.names["two.example"] = ["127.0.0.1"]
    quiet = quick("quiet", at("one.example"), policy="on-demand", wake_at_start=False, door_interval="0s", linger="0s")
    daemon = make_daemon([quiet, quick("main", at("two.example", cluster.port))], prefix=names.prefix, env=clocks.env).start()
    daemon.wait_state("main", "awake")
    names.close()
    with EventStream(daemon.control_socket, "/lease/quiet?owner=me", method="POST"):
        daemon.wait_reason("quiet", "dns.failed")
    until(lambda: daemon.status("quiet")["next_check"] is None, 10, "nobody asks it any more")
    clocks.pass_time(int(2 * 60 + patient(20)) + 10)  # past two of the longest rhythm, and an attempt
    cluster.stop()
    assert daemon.wait_state("main", "down")["reason"] == "dns.failed"


# Addresses


@pytest.fixture
def network():
    with Network() as made:
        yield made


@pytest.fixture
def inner(make_cluster, network):
    """A cluster that runs inside the network, on its loopback."""
    cluster = make_cluster("inner", log_statement="all")
    with network.inside():
        cluster.start(wait=False)
    cluster.wait_log("ready to accept connections")
    return cluster


def start_inside(network, daemon):
    with network.inside():
        return daemon.start()


def write_hosts(tmp, **hosts: list[str]):
    path = tmp / "hosts"
    path.write_text("".join(f"{address} {name.replace('_', '.')}\n" for name, addresses in hosts.items() for address in addresses))
    return path


def test_an_ipv6_black_hole_does_not_hide_ipv4_and_costs_its_share_once(network, inner, make_daemon, tmp, stall):
    network.add_black_hole("hole", "fd00:53::2/64")
    hosts = write_hosts(tmp, db_example=["fd00:53::1", "127.0.0.1"])
    prefix = laid_over(hosts=hosts)
    order = network.run(*prefix, "getent", "ahosts", "db.example").split()
    assert order[0] == "fd00:53::1", "the black hole is tried first"
    daemon = start_inside(network, make_daemon([quick("main", at("db.example", inner.port), attempt_timeout="2s", slow="700ms",
                                                      ping_interval="1h")],
                                               prefix=prefix))
    first = daemon.wait_state("main", "awake")
    assert first["last_attempt"]["address"] == f"127.0.0.1:{inner.port}"
    phases = assert_phases(first, "resolve", "connect", "tls", "auth", "query")
    print(f"connect took {phases['connect']:.2f} s of an attempt_timeout of 2 s for two addresses")
    assert 0.9 < phases["connect"] < 1 + stall.late(0.2)

    def next_login() -> dict | None:
        status = daemon.status("main")
        return status if status["session"]["since"] > first["session"]["since"] else None

    later = until(next_login, 10, "the next login")
    assert later["last_attempt"]["phases"]["connect"] < stall.late(0.2), "the address that was good is tried first"
    # What is left of an attempt after its share may be too little for a login to a busy machine.
    assert_edges(daemon, "main", "[unknown/server.slow]", "[unknown/auth.timeout]", "awake")


@pytest.mark.parametrize("provider", ["postgres", "aurora"])
def test_the_last_address_has_all_the_time_that_is_left(make_fake, make_daemon, provider):
    """A connect that hangs, as while Aurora wakes: the kernel answers the SYN that it repeats after 7 s."""
    fake = make_fake("silence-at-connect", answer=ROW)
    daemon = make_daemon([quick("main", fake.conninfo(), provider=provider, attempt_timeout="40s", slow="30s",
                                ping_interval="1h")]).start()
    hangs_until = time.monotonic() + 6
    until(lambda: daemon.status("main")["failures"]["total"] > 0 or time.monotonic() > hangs_until, 10, "6 s, or a failure")
    fake.script = "ok"
    status = daemon.wait_state("main", "awake", 30)
    connect = status["last_attempt"]["phases"]["connect"]
    print(f"{provider}: connected after {connect:.1f} s")
    assert connect > 5 and status["failures"]["total"] == 0
    assert_edges(daemon, "main", "awake")


def test_ipv6_without_a_route_or_without_a_listener_does_not_hide_ipv4(network, inner, make_daemon, tmp, stall):
    hosts = write_hosts(tmp, route_example=["2001:db8::1", "127.0.0.1"], listener_example=["::1", "127.0.0.1"])
    inner_only = {"attempt_timeout": "5s", "ping_interval": "1h"}
    daemon = start_inside(network, make_daemon([quick("route", at("route.example", inner.port), **inner_only),
                                                quick("listener", at("listener.example", inner.port), **inner_only),
                                                quick("literal", at("2001:db8::1", inner.port), **inner_only)],
                                               prefix=laid_over(hosts=hosts)))
    for name in ("route", "listener"):
        status = daemon.wait_state(name, "awake")
        assert status["last_attempt"]["address"] == f"127.0.0.1:{inner.port}"
        assert status["last_attempt"]["phases"]["connect"] < stall.late(1)
        assert_edges(daemon, name, "awake")
    status = daemon.wait_reason("literal", "tcp.unreachable")
    assert status["last_attempt"]["address"] == f"[2001:db8::1]:{inner.port}"


def test_of_several_addresses_that_all_fail_the_one_that_tells_most_is_told(network, make_daemon, tmp):
    network.add_black_hole("hole", "fd00:53::2/64")
    hosts = write_hosts(tmp, refused_example=["fd00:53::1", "127.0.0.1", "2001:db8::1"], silent_example=["fd00:53::1", "2001:db8::1"])
    daemon = start_inside(network, make_daemon([quick("refused", at("refused.example"), attempt_timeout="600ms"),
                                                quick("silent", at("silent.example"), attempt_timeout="600ms")],
                                               prefix=laid_over(hosts=hosts)))
    assert daemon.wait_state("refused", "down")["reason"] == "tcp.refused"
    status = daemon.wait_state("silent", "down")
    assert status["reason"] == "tcp.timeout"
    assert_phases(status, "resolve", "connect")
    assert_edges(daemon, "silent", "unknown/tcp.timeout", "down/tcp.timeout")


def test_no_route_at_all_is_our_own_network_until_there_is_one(network, inner, make_daemon):
    daemon = make_daemon([quick("one", at("192.0.2.1"), attempt_timeout="500ms"), quick("two", at("198.51.100.1"), attempt_timeout="500ms"),
                          quick("local", inner.conninfo()), quick("unix", inner.conninfo(host=str(inner.socket_dir)))])
    start_inside(network, daemon)
    for name in ("one", "two"):
        status = daemon.wait_reason(name, "host.network")
        assert status["state"] == "unknown" and status["last_attempt"]["outcome"] == "tcp.unreachable"
        wait_failures(daemon, name, "host.network", 6)
        assert_edges(daemon, name, "[unknown/tcp.unreachable]", "unknown/host.network")
    network.add_black_hole("hole", "192.0.2.2/24")  # a way to one of them, and no answer from it
    assert daemon.wait_state("one", "down")["reason"] == "tcp.timeout"
    assert daemon.wait_state("two", "down")["reason"] == "tcp.unreachable"
    for name in ("local", "unix"):
        assert_edges(daemon, name, "awake")
