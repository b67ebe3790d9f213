"""pgwaked under a real systemd: its sockets outlive it, and who may ask what."""

import os
import signal
import socket
import threading

import pytest

from rig.machine import Machine, needs_machine
from rig.patience import patient, until
from rig.residents import postgres

pytestmark = needs_machine()
ASKS = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def connect(machine: Machine, name: str = "status") -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(patient(10))
    client.connect(str(machine.path(f"/run/pgwaked/{name}.sock")))
    return client


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture
def real(machine: Machine) -> Machine:
    """With a real PostgreSQL, configured as main."""
    machine.systemctl("start", "pg")
    machine.configure([postgres()])
    return machine


def test_the_first_question_starts_the_daemon_and_is_answered_by_it(real):
    assert real.state("pgwaked.service") == "inactive"
    with connect(real) as client:
        client.sendall(ASKS)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    real.wait_state("pgwaked.service", "active")


def test_an_order_starts_it_too(real):
    done = real.run("pgwake", "wake", "main", "--wait", "20s")
    assert done.stdout.startswith("main is awake"), done.stdout
    assert real.state("pgwaked.service") == "active"


def test_during_restarts_no_connect_is_refused_and_everybody_is_answered(real):
    """Clients that ask all the time, over restarts by order and a kill: who was in flight has 503, and only the kill may cut somebody off."""
    real.systemctl("start", "pgwaked")
    answers, refused, cut, over = [], [], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                with connect(real) as client:
                    client.sendall(ASKS)
                    answers.append(int(read_all(client).split()[1]))
            except (ConnectionRefusedError, FileNotFoundError) as error:
                refused.append(repr(error))
            except (OSError, IndexError) as error:
                cut.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    real.systemctl("restart", "pgwaked")
    real.systemctl("restart", "pgwaked")
    assert not cut
    os.kill(int(real.outer_pid("pgwaked")), signal.SIGKILL)
    seen = len(answers)
    until(lambda: len(answers) > seen + 50, 10, "clients are answered after the kill")
    over.set()
    for thread in threads:
        thread.join()
    print({status: answers.count(status) for status in set(answers)}, f"{len(cut)} cut off by the kill")
    assert not refused and set(answers) <= {200, 503}


def test_the_sockets_are_the_same_files_after_a_restart_and_a_kill(real):
    def numbers() -> list[int]:
        return [real.path(f"/run/pgwaked/{name}.sock").stat().st_ino for name in ("status", "control")]

    real.systemctl("start", "pgwaked")
    before = numbers()
    real.systemctl("restart", "pgwaked")
    os.kill(real.outer_pid("pgwaked"), signal.SIGKILL)
    until(lambda: int(real.show("pgwaked", "NRestarts")) == 1, 10, "systemd has started it again")
    real.systemctl("stop", "pgwaked")
    assert numbers() == before


def test_a_waiting_request_ends_with_503_and_a_stream_comes_back_by_its_number(real):
    real.configure([postgres(wake_at_start=False, policy="observe", provider="neon")])
    real.systemctl("start", "pgwaked")
    held: list = []
    waiter = threading.Thread(target=lambda: held.append(real.request("/readyz/main?wait=60s", timeout=60)))
    waiter.start()
    stream = real.stream("/events")
    real.request("/wake/main", "POST")
    waiter.join(patient(20))
    last = stream.wait(lambda event: event.event == "state" and event.data["state"] == "awake").id
    assert held.pop().status == 200
    real.systemctl("stop", "pg")
    real.wait_database(lambda status: not status["ready"])
    waiter = threading.Thread(target=lambda: held.append(real.request("/readyz/main?wait=60s", timeout=60)))
    waiter.start()
    until(lambda: real.request("/livez").status == 200, 5, "a turn of the daemon's loop")
    real.systemctl("restart", "pgwaked")
    waiter.join(patient(20))
    assert held[0].status == 503
    stream.close()
    with real.stream("/events", last_id=last) as again:
        again.wait(lambda event: event.event == "gap")
        real.systemctl("start", "pg")
        real.request("/wake/main", "POST")
        assert int(again.wait(lambda event: event.event == "state" and event.data["state"] == "awake").id) > int(last)


def test_a_daemon_whose_sockets_are_stopped_stays_stopped(real):
    real.systemctl("start", "pgwaked")
    real.systemctl("stop", "pgwaked.socket", "pgwaked-control.socket")
    real.wait_state("pgwaked", "inactive")
    assert real.run("pgwake", "status", check=False).returncode == 2
    assert real.state("pgwaked") == "inactive" and not list(real.path("/run/pgwaked").iterdir())


def test_the_runtime_folder_is_the_sockets_and_only_the_awake_files_go_with_the_daemon(real):
    real.systemctl("start", "pgwaked")
    assert real.path("/run/pgwaked/awake/main").exists()
    assert real.run("cat", "/run/pgwaked/awake/main", user="alice").stdout.startswith("20")
    real.systemctl("stop", "pgwaked")
    assert sorted(path.name for path in real.path("/run/pgwaked").iterdir()) == ["control.sock", "status.sock"]


def test_a_bad_configuration_is_not_started_for_ever_and_a_better_one_starts_again(machine):
    """Whoever asks would start it again and again: after some tries the sockets give up, and say so; a start brings everything back."""
    machine.write("/etc/pgwaked/pgwaked.conf", "databases = nonsense\n")
    mark = machine.now()
    with connect(machine) as client:
        client.sendall(ASKS)
        machine.wait_state("pgwaked.socket", "failed", 30)
        # The start that was its last try is over too: another would be one with it.
        machine.wait_state("pgwaked.service", "failed", 30)
        assert machine.show("pgwaked.service", "ExecMainStatus") == "78"
    assert machine.show("pgwaked.socket", "Result") == "trigger-limit-hit"
    starts = machine.journal("_PID=1", "UNIT=pgwaked.service", "MESSAGE_ID=7d4958e842da4a758f6c1cdc7b36dcc5", since=mark)
    assert 1 <= len(starts) <= 25, len(starts)
    machine.configure()
    machine.systemctl("start", "pgwaked")
    assert machine.request("/livez", socket="status").status == 200


# Who may what


def test_an_unprivileged_user_reads_and_cannot_order(real):
    real.systemctl("start", "pgwaked")
    assert "main" in real.run("pgwake", "status", user="alice").stdout
    assert real.run("pgwake", "check", "main", user="alice").returncode == 0
    for order in (["wake", "main"], ["hold", "main", "--for", "1min"], ["pause", "main", "--for", "1min"], ["reload"]):
        done = real.run("pgwake", *order, user="alice", check=False)
        assert done.returncode not in (0, 2), (order, done)
        assert "group pgwake" in done.stderr, done.stderr
    assert real.run("pgwake", "--socket", "/run/pgwaked/control.sock", "status", user="alice", check=False).returncode == 2
    assert not real.status()["leases"]


def test_a_member_of_the_group_orders(real):
    real.systemctl("start", "pgwaked")
    real.run("pgwake", "wake", "main", user="bob")
    real.run("pgwake", "hold", "main", "--for", "1min", user="bob")
    assert real.status()["leases"][0]["owner"].startswith("user bob")
    real.run("pgwake", "reload", user="bob")


def test_nobody_reads_the_history_or_a_credential(real):
    real.write("/etc/pgwaked/main.password", "secret\n", 0o600)
    real.unit("pgwaked.service.d/test.conf", "[Service]\nLoadCredential=main.password:/etc/pgwaked/main.password\n")
    real.systemctl("start", "pgwaked")
    until(lambda: real.path("/var/lib/pgwaked/history.db").exists(), 5, "the history is there")
    for user in ("alice", "bob"):
        for path in ("/var/lib/pgwaked/history.db", "/run/credentials/pgwaked.service/main.password", "/etc/pgwaked/main.password"):
            done = real.run("cat", path, user=user, check=False)
            assert done.returncode != 0 and "Permission denied" in done.stderr, (user, path, done)
        assert real.run("ls", "/var/lib/pgwaked", user=user, check=False).returncode != 0


def test_the_tcp_socket_of_the_example_reads_and_refuses_every_post(real):
    """The drop-in as it is shipped, put in under a daemon that runs."""
    real.systemctl("start", "pgwaked")
    invocation = real.show("pgwaked", "InvocationID")
    real.unit("pgwaked.socket.d/tcp.conf", real.path("/usr/share/doc/pgwaked/examples/tcp.conf").read_text())
    real.systemctl("restart", "pgwaked.socket")
    real.wait_state("pgwaked", "active")
    assert real.show("pgwaked", "InvocationID") != invocation
    program = ("import http.client\n"
               "for method, path in (('GET', '/readyz'), ('GET', '/status'), ('POST', '/wake/main'), ('POST', '/lease/main'), ('POST', '/reload'),\n"
               "                     ('POST', '/pause/main?for=1h'), ('DELETE', '/lease/1')):\n"
               "    c = http.client.HTTPConnection('127.0.0.1', 9817, timeout=10)\n"
               "    c.request(method, path)\n"
               "    print(c.getresponse().status)\n")
    assert real.run("/usr/bin/python3", "-c", program, user="alice").stdout.split() == ["200", "200"] + ["403"] * 5
