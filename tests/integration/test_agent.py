"""status.agent_listen: what HAProxy's agent-check asks and is told, and a real HAProxy that takes a backend out and in by it."""

import re
import socket
import time

import psycopg2
import pytest

from rig.edges import quick
from rig.haproxy import HAProxy
from rig.patience import patient, until
from rig.ports import Port
from rig.process import descriptors

FAST = {"ping_interval": "50ms", "login_interval": "30s", "retry_interval": "50ms", "down_interval": "50ms", "attempt_timeout": "5s", "fall": 1,
        "fresh_for": "20s"}


def ask(port, line=b"", close=False):
    """(answer, seconds): what an agent-check gets that sends LINE with its connection."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), patient(5)) as connection:
        if line:
            connection.sendall(line)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    return answer.decode(), time.monotonic() - begun


@pytest.fixture(name="agent")
def agent_port():
    with Port() as port:
        yield port.number


def with_agent(agent, **more):
    return {"status": {"agent_listen": [f"127.0.0.1:{agent}"], **more}, "ready": {"on": "start"}}


def test_each_connection_gets_one_line_about_whom_it_names(make_daemon, cluster, agent):
    with Port() as closed:
        daemon = make_daemon([{"name": "main", "conninfo": cluster.conninfo(), **FAST},
                              {"name": "gone", "conninfo": f"host=127.0.0.1 port={closed.number} user=a", **FAST},
                              {"name": "extra", "conninfo": f"host=127.0.0.1 port={closed.number} user=a", "required": False, **FAST}],
                             settings=with_agent(agent, agent_ramp="0s")).start()
        daemon.wait_state("main", "awake")
        daemon.wait_state("gone", "down")
        for line, answer in ((b"main\n", "up 100%\n"), (b"main\r\n", "up 100%\n"), (b" main \n", "up 100%\n"), (b"accept=asleep main\n", "up 100%\n"),
                             (b"gone\n", "down #tcp.refused\n"), (b"main\nrubbish", "up 100%\n"), (b"\n", "down #gone tcp.refused\n"),
                             (b"nobody\n", "down #no such database\n"),
                             (b"GET / HTTP/1.1\r\n\r\n", "down #agent-send is NAME, accept=asleep, or both\n"),
                             (b"main gone\n", "down #agent-send is NAME, accept=asleep, or both\n"),
                             (b"x" * 5000, "down #agent-send is NAME, accept=asleep, or both\n")):
            if len(line) > 1000:
                # What was not read resets the connection; the answer may be lost with it, the daemon is not.
                try:
                    assert ask(agent, line)[0] in (answer, "")
                except ConnectionError:
                    pass
                continue
            assert ask(agent, line)[0] == answer, line
        # Without agent-send: at once when the other side has closed, else after a moment.
        assert ask(agent, close=True)[0] == "down #gone tcp.refused\n"
        answer, seconds = ask(agent)
        assert answer == "down #gone tcp.refused\n" and seconds >= 0.19
        assert ask(agent, b"main")[0] == "up 100%\n", "a name without an end of line is a name after the same moment"


def test_all_required_are_up_together(make_daemon, cluster, agent):
    daemon = make_daemon([{"name": name, "conninfo": cluster.conninfo(), **FAST} for name in ("one", "two")],
                         settings=with_agent(agent, agent_ramp="0s")).start()
    for name in ("one", "two"):
        daemon.wait_state(name, "awake")
    assert ask(agent, close=True)[0] == "up 100%\n"
    daemon.get("/pause/two?for=1h", method="POST")
    until(lambda: ask(agent, b"\n")[0] == "down #two paused\n", 5, "a paused one is told")


def test_nobody_who_asks_is_kept_and_nobody_is_demand(make_daemon, agent):
    with Port() as closed:
        daemon = make_daemon([{"name": "main", "conninfo": f"host=127.0.0.1 port={closed.number} user=a", "provider": "neon",
                               "policy": "on-demand", "wake_at_start": False, "door_interval": "0s"}],
                             settings=with_agent(agent)).start()
        before = len(descriptors(daemon.pid))
        silent = [socket.create_connection(("127.0.0.1", agent), patient(5)) for _ in range(300)]
        assert ask(agent, b"main\n")[0] == "down #not_checked\n", "256 at a time; who comes after them waits for a moment"
        for each in silent:
            each.settimeout(patient(5))
            assert each.recv(100) == b"down #main not_checked\n"
            each.close()
        until(lambda: len(descriptors(daemon.pid)) <= before, 5, "every connection is closed")
        assert ask(agent, b"main\n")[0] == "down #not_checked\n"
        assert daemon.status("main")["last_attempt"] is None
        code, _ = daemon.stop()
        assert code == 0


def test_after_a_wake_the_weight_grows_from_10_to_100(make_nap, make_daemon, agent, stall):
    nap = make_nap(suspend_after=60, wake_delay=0.5)
    daemon = make_daemon([quick("main", nap.conninfo(), slow="200ms")], settings=with_agent(agent, agent_ramp=f"{patient(2)}s")).start()
    daemon.wait_state("main", "awake", 20)
    begun, slope = time.monotonic(), 90 / patient(2)
    seen = []
    while not seen or (seen[-1][1] < 100 and time.monotonic() < begun + patient(20)):
        answer, _ = ask(agent, b"main\n")
        seen.append((time.monotonic() - begun, int(re.fullmatch(r"up (\d+)%\n", answer)[1])))
        time.sleep(0.02)
    weights = [weight for _, weight in seen]
    assert weights == sorted(weights) and 10 <= weights[0] < 60 and weights[-1] == 100
    assert len(set(weights)) > 5
    # On its line: from 10% to 100% in agent_ramp.
    for at, weight in seen[:-1]:
        assert abs(weight - (10 + slope * at)) < 10 + slope * stall.late(0.1), seen
    # A restart of the daemon is no wake.
    daemon.stop()
    daemon.start()
    daemon.wait_state("main", "awake", 20)
    assert ask(agent, b"main\n")[0] == "up 100%\n"


@pytest.fixture(name="make_haproxy")
def haproxy_factory(tmp):
    """make_haproxy(cluster, agent, front): one of TCP with one backend that it is told about by agent-check."""
    opened = []

    def make(cluster, agent, front):
        opened.append(HAProxy(tmp, f"""listen db
    mode tcp
    bind 127.0.0.1:{front}
    server main {cluster.host}:{cluster.port} weight 100 agent-check agent-addr 127.0.0.1 agent-port {agent} agent-inter 50ms agent-send "main\\n"
"""))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_real_haproxy_takes_the_backend_out_and_in(make_daemon, cluster, make_haproxy, agent):
    daemon = make_daemon([{"name": "main", "conninfo": cluster.conninfo(), **FAST}], settings=with_agent(agent, agent_ramp="0s")).start()
    daemon.wait_state("main", "awake")
    with Port() as front:
        haproxy = make_haproxy(cluster, agent, front.number)

        def connect():
            connection = psycopg2.connect(host="127.0.0.1", port=front.number, user="app", password="secret", dbname="app", connect_timeout=5)
            connection.close()

        haproxy.wait(lambda server: "L7OK" in server["agent"] and server["up"], "the agent was understood")
        connect()
        cluster.stop()
        begun = time.monotonic()
        server = haproxy.wait(lambda server: not server["up"], "out")
        print(f"out {1000 * (time.monotonic() - begun):.0f} ms after the server's end: {server['agent']}")
        with pytest.raises(psycopg2.OperationalError):
            connect()
        cluster.start()
        begun = time.monotonic()
        haproxy.wait(lambda server: server["up"], "in again")
        print(f"in {1000 * (time.monotonic() - begun):.0f} ms after the server's start")
        connect()
        # What a person sets stays: the agent's "up" is no "ready".
        haproxy.command("set server db/main state maint")
        haproxy.wait(lambda server: server["maint"] and server["changed"] >= 1, "still in maintenance a second later")


def test_a_real_haproxy_follows_the_ramp(make_nap, make_daemon, make_haproxy, agent):
    nap = make_nap(suspend_after=60, wake_delay=0.5)
    daemon = make_daemon([quick("main", nap.conninfo(), slow="200ms")], settings=with_agent(agent, agent_ramp=f"{patient(2)}s"))
    with Port() as front:
        haproxy = make_haproxy(nap, agent, front.number)
        daemon.start()
        # It is looked at from before the wake on: the weight is small for a moment. HAProxy begins with the weight of its file, until the first "up" after the wake.
        haproxy.wait(lambda server: server["up"] and server["weight"] < 60, "a small weight")
        haproxy.wait(lambda server: server["up"] and server["weight"] == 100, "the whole weight")
