"""Clients that there is no descriptor for: they wait, nothing turns in a circle, and who comes later is answered."""

import resource
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig.exact import Wire
from rig.patience import until
from rig.ports import Port
from rig.rawhttp import Crowd, ask, connect, connected, get, read_to_end, status_of

QUIET = 'conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; policy = "observe"; door_interval = "0s";'
LIMIT = 96
SHORTAGE_SECONDS = 3
CPU_SHARE = 0.2  # of the time: one that turns in a circle takes all of it
SAID = "Cannot accept further clients for now"


@pytest.fixture(name="port")
def reserved_port():
    with Port() as port:
        yield port.number


@pytest.fixture(name="agent_port")
def another_port():
    with Port() as port:
        yield port.number


@pytest.fixture(name="start")
def daemon_starter(make_daemon, port, agent_port):
    """Starts one that may have LIMIT descriptors, and listens on TCP twice."""

    def start():
        daemon = make_daemon(f'{{ name = "main"; {QUIET} }}', prefix=["prlimit", f"--nofile={LIMIT}:{LIMIT}", "--"],
                             settings={"status": {"listen": [f"127.0.0.1:{port}"], "agent_listen": [f"127.0.0.1:{agent_port}"]}}).start()
        daemon.tcp, daemon.agent = ("127.0.0.1", port), ("127.0.0.1", agent_port)
        return daemon

    return start


def open_descriptors(pid: int) -> list[int]:
    return sorted(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def share_of_cpu(pid: int, seconds: float) -> float:
    begun, before = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)  # what is measured is this time
    return (cpu_seconds(pid) - before) / (time.monotonic() - begun)


@pytest.mark.parametrize("stream", [True, False], ids=["beside a stream", "alone"])
def test_without_descriptors_clients_wait_and_are_answered_when_there_are_some(start, stream):
    daemon = start()
    with ExitStack() as stack:
        if stream:
            wire = stack.enter_context(Wire(daemon.status_socket))
            wire.send(get("/events"))
            until(lambda: connected(daemon.status_socket) == 1, 10, "the stream is there")
        shortage = max(open_descriptors(daemon.pid)) + 1
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (shortage, limits[1]))
        waiting = [connect(where) for where in (daemon.status_socket, daemon.control_socket, daemon.tcp) for _ in range(3)]
        asks_agent = connect(daemon.agent)
        for each in waiting:
            each.sendall(get("/livez", "GET", "Connection: close"))
        share = share_of_cpu(daemon.pid, SHORTAGE_SECONDS)
        print(f"{share:.1%} of the CPU while {len(waiting)} clients wait for a descriptor")
        assert share < CPU_SHARE
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        for each in waiting:
            assert status_of(read_to_end(each)) == 200
            each.close()
        assert read_to_end(asks_agent).startswith(b"down ")
        asks_agent.close()
        assert status_of(ask(daemon.status_socket, get("/livez", "GET", "Connection: close"))) == 200
        if stream:
            assert wire.answer_head().status == 200
            wire.socket.close()
            stack.pop_all()
    assert daemon.output().count(SAID) == 1
    assert daemon.stop()[0] == 0


def test_all_listeners_together_leave_descriptors_to_others(start):
    """As many on each as will come: the history can be asked, control is answered, and those who waited are answered when others go."""
    daemon = start()
    with Crowd(daemon.status_socket, LIMIT), Crowd(daemon.tcp, LIMIT), Crowd(daemon.agent, LIMIT, b"main"):
        for _ in range(3):
            assert daemon.get("/livez", "control", timeout=10).status == 200
            assert daemon.get("/history/main?kind=states", "control", timeout=10).status == 200
        share = share_of_cpu(daemon.pid, SHORTAGE_SECONDS)
        used = len(open_descriptors(daemon.pid))
        print(f"{used} descriptors of {LIMIT}, {share:.1%} of the CPU")
        assert used < LIMIT * 3 / 4 and share < CPU_SHARE
    with Crowd(daemon.control_socket, LIMIT):
        assert status_of(ask(daemon.status_socket, get("/livez", "GET", "Connection: close"))) == 200
    assert daemon.get("/livez", "control", timeout=10).status == 200
    assert daemon.stop()[0] == 0
