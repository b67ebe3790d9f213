"""Sockets that somebody else listens on before, during and after pgwaked: what a service manager passes."""

import socket
import threading
import time

import pytest

from rig import unixhttp
from rig.edges import quick
from rig.passing import Passed
from rig.patience import patient, until
from rig.unixhttp import EventStream

ASKS = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def passing(make_daemon):
    """passing(databases=[...], **more sockets) -> a Daemon that is passed its status and control sockets, not started."""
    opened: list[Passed] = []

    def make(databases=(), more: dict | None = None, **options):
        daemon = make_daemon(databases, **options)
        daemon.passed = Passed(status=daemon.status_socket, control=daemon.control_socket, **(more or {}))
        opened.append(daemon.passed)
        return daemon

    yield make
    for each in opened:
        each.close()


def connect(path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(patient(10))
    client.connect(str(path))
    return client


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def tcp_post(port: int, path: str) -> int:
    with socket.create_connection(("127.0.0.1", port), patient(10)) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return int(read_all(client).split()[1])


def test_who_connects_before_it_runs_is_answered_by_it(passing):
    daemon = passing()
    with connect(daemon.status_socket) as client:
        client.sendall(ASKS)
        daemon.start()
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_connections_are_counted_at_the_door_they_came_by(passing):
    daemon = passing()
    daemon.start()
    with connect(daemon.status_socket), connect(daemon.status_socket), connect(daemon.control_socket):
        until(lambda: 'pgwake_http_connections{socket="status"} 2\n' in (text := daemon.get("/metrics", "control").text)
              and 'pgwake_http_connections{socket="control"} 2\n' in text and 'pgwake_http_connections{socket="tcp"} 0\n' in text,
              10, "two, one beside the one that asks, and none")


def test_the_paths_stay_as_they_are_and_stay_when_it_ends(passing):
    daemon = passing()
    before = [path.stat().st_ino for path in (daemon.status_socket, daemon.control_socket)]
    daemon.status_socket.chmod(0o600)
    daemon.start()
    assert daemon.stop()[0] == 0
    assert [path.stat().st_ino for path in (daemon.status_socket, daemon.control_socket)] == before
    assert daemon.status_socket.stat().st_mode & 0o777 == 0o600


def test_their_names_say_what_may_be_asked(passing):
    """"control" orders; "status", any other name, and TCP only read, even if TCP is called control."""
    daemon = passing([quick("main", "host=127.0.0.1 port=1 user=app", wake_at_start=False)])
    other = daemon.folder / "other.sock"
    daemon.passed.close()
    for path in (daemon.status_socket, daemon.control_socket):
        path.unlink()
    with Passed(**{"control": daemon.control_socket, "anything": other, "status": ("127.0.0.1", 0)}) as sockets:
        daemon.passed = sockets
        daemon.start()
        # No UNIX socket was passed as status: it makes its own.
        assert daemon.get("/livez", socket="status").status == 200
        assert daemon.get("/reload", socket="status", method="POST").status == 403
        assert daemon.get("/reload", method="POST").status == 200
        assert unixhttp.request(other, "/livez").status == 200
        assert unixhttp.request(other, "/reload", "POST").status == 403
        for path in ("/reload", "/wake/main", "/lease/main", "/pause/main?for=1h"):
            assert tcp_post(sockets.port("status"), path) == 403
        daemon.stop()
        assert not daemon.status_socket.exists() and daemon.control_socket.exists() and other.exists()


def test_tcp_that_is_called_control_only_reads_and_that_is_said(passing):
    daemon = passing()
    daemon.passed.close()
    for path in (daemon.status_socket, daemon.control_socket):
        path.unlink()
    with Passed(control=("127.0.0.1", 0)) as sockets:
        daemon.passed = sockets
        daemon.start()
        assert tcp_post(sockets.port("control"), "/reload") == 403
        assert daemon.get("/reload", method="POST").status == 200
        assert "A socket that is no UNIX socket was passed as control: it only reads" in daemon.output()
        daemon.stop()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_on_loopback_however_it_is_written_other_hosts_are_refused(address, passing):
    daemon = passing(more={"web": (address, 0)})
    daemon.start()
    asks = ASKS.replace(b"Host: x", b"Host: evil.example")
    with socket.create_connection((address, daemon.passed.port("web")), patient(10)) as client:
        client.sendall(asks)
        assert read_all(client).startswith(b"HTTP/1.1 421 ")


def test_a_path_that_is_not_the_configured_one_is_used_and_said(passing):
    daemon = passing(settings={"status": {"socket": "/nowhere/status.sock"}})
    daemon.start()
    assert daemon.get("/livez", socket="status").status == 200
    assert f"the service manager listens on {daemon.status_socket} for us" in daemon.output()


def test_during_a_restart_no_connect_is_refused_and_everybody_is_answered(passing):
    """Clients that connect all the time, over three restarts: each gets a whole answer, 503 at worst."""
    daemon = passing()
    daemon.start()
    answers, wrong, over = [], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                with connect(daemon.status_socket) as client:
                    client.sendall(ASKS)
                    answers.append(int(read_all(client).split()[1]))
            except (OSError, IndexError) as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        daemon.stop()
        daemon.start()
        seen = len(answers)
        deadline = time.monotonic() + patient(5)
        while len(answers) < seen + 20 and time.monotonic() < deadline:
            time.sleep(0.005)
    over.set()
    for thread in threads:
        thread.join()
    print({status: answers.count(status) for status in set(answers)})
    assert not wrong and set(answers) <= {200, 503} and len(answers) > 60


def test_requests_in_flight_end_with_503_and_streams_come_back_by_their_number(passing, cluster):
    daemon = passing([quick("main", cluster.conninfo())])
    daemon.start()
    daemon.wait_state("main", "awake")
    stream = EventStream(daemon.status_socket, "/events", 0)
    last = stream.wait(lambda event: event.event == "state" and event.data["state"] == "awake").id
    held: list = []
    waiter = threading.Thread(target=lambda: held.append(unixhttp.request(daemon.status_socket, "/readyz/main?wait=1h", timeout=60)))
    cluster.stop()
    daemon.wait_state("main", "down")
    waiter.start()
    with connect(daemon.status_socket) as half:
        half.sendall(ASKS[:10])
        until(lambda: "pgwake_http_waiting 1\n" in (text := daemon.get("/metrics").text)
              and 'pgwake_http_connections{socket="status"} 3\n' in text, 10, "the stream, who waits, and the half are there")
        daemon.stop()
    waiter.join()
    assert held[0].status == 503
    cluster.start()
    daemon.start()
    daemon.wait_state("main", "awake")
    with EventStream(daemon.status_socket, "/events", last) as again:
        # What the daemon before it said is not held any more: that is told, and what follows is new.
        again.wait(lambda event: event.event == "gap")
        event = again.wait(lambda event: event.event == "state" and event.data["state"] == "awake")
        assert int(event.id) > int(last)
    stream.close()


def test_what_is_no_listening_socket_is_ignored(passing):
    daemon = passing()
    mine, other = socket.socketpair()
    daemon.passed.sockets["stray"] = mine
    with other:
        daemon.start()
        assert daemon.get("/livez").status == 200
    assert "What was passed as stray is no listening socket, ignoring" in daemon.output()
