"""Clients that mean no good, on the sockets: they get a plain refusal or are cut off, delay nobody and leave nothing behind."""

import fcntl
import json
import re
import socket
import struct
import termios
import threading
import time
from pathlib import Path

import pytest

from rig.build import figure, sanitized
from rig.exact import Wire
from rig.patience import patient, until
from rig.ports import Port
from rig.process import cpu_seconds, descriptors, rss_anon_kb
from rig.rawhttp import Crowd, ask, connect, connected, get, read_to_end, status_of
from rig.witness import Asker

READYZ_WORST = 0.5 if sanitized() else 0.25  # 50 ms are promised; the figure itself is printed
REQUEST_SECONDS = 10  # given for a whole request
BEHIND_SECONDS = 5  # given to an event stream whose next event is gone


def quiet(name: str, port: int, **keys: object) -> dict:
    """Never asked anything by the daemon itself."""
    return {"name": name, "conninfo": f"host=127.0.0.1 port={port} user=app dbname=app sslmode=disable", "policy": "observe",
            "door_interval": "0s", **keys}


@pytest.fixture
def port():
    with Port() as refused:
        yield refused.number


@pytest.fixture
def daemon(make_daemon, port):
    """One database, `main`, that is asked nothing. At the end everybody is gone, answers come as ever, and nothing has leaked."""
    listen = Port()
    made = make_daemon([quiet("main", port)], settings={"status": {"listen": [f"127.0.0.1:{listen.number}"]}})
    made.tcp = ("127.0.0.1", listen.number)
    made.start()
    until(lambda: nobody(made), 5, "nobody is connected")
    before = settled(made, 0.05)
    yield made
    for which in ("status", "control"):
        answer = made.get("/readyz", which)
        assert answer.status == 503 and answer.seconds < patient(3.0)
    until(lambda: nobody(made), 10, "nobody is connected any more")
    until(lambda: len(descriptors(made.pid)) == before, 10, f"{before} descriptors as before: {descriptors(made.pid)}")
    code, _ = made.stop()
    listen.close()
    assert code == 0


def nobody(daemon) -> bool:
    return connected(daemon.status_socket) + connected(daemon.control_socket) == 0


def settled(daemon, every: float = 0.3) -> int:
    """The descriptors of the daemon when no more come or go."""
    counts = [-1, len(descriptors(daemon.pid))]
    until(lambda: counts.append(len(descriptors(daemon.pid))) or counts[-1] == counts[-2] == counts[-3], 30, "no more come", every=every)
    return counts[-1]


def check_asker(asker: Asker, what: str, bound: float = READYZ_WORST) -> None:
    answers = asker.stop()
    print(f"{what}: /readyz {answers}")
    assert answers.worst - answers.stall < patient(bound)


def test_who_sends_a_byte_now_and_then_is_cut_off(daemon):
    with Asker(daemon.status_socket) as asker:
        begun = time.monotonic()
        with Crowd(daemon.status_socket, 100) as crowd:
            for byte in get("/readyz", "GET", "X-Slow: " + "x" * 1000):
                if crowd.ended:
                    break
                crowd.say(bytes([byte]))
                crowd.read(0.2)
            crowd.wait_ended(5)
        elapsed = time.monotonic() - begun
        check_asker(asker, f"100 who drip are cut off after {elapsed:.1f} s")
    assert elapsed < patient(REQUEST_SECONDS + 5)


def test_a_thousand_who_say_nothing_delay_nobody(daemon):
    with Crowd(daemon.status_socket, 1000), Asker(daemon.status_socket) as asker:
        until(lambda: connected(daemon.status_socket) >= 1000, 10, "all of them are accepted")
        for _ in range(20):
            assert daemon.get("/status/main", "status").status == 200
        check_asker(asker, "1000 idle connections")


def test_a_full_status_socket_never_locks_out_control(daemon):
    with Crowd(daemon.status_socket, 1500), Asker(daemon.control_socket) as asker:
        until(lambda: connected(daemon.status_socket) >= 1024, 10, "as many are accepted as may be: half, for there is a TCP socket too")
        assert daemon.get("/pause/main?for=1h", "control", "POST").status == 200
        check_asker(asker, "1500 connections on the status socket; on the control socket")
    # They left without a word: those that waited outside are taken in and gone as well.


def test_huge_things_are_refused(daemon):
    before = rss_anon_kb(daemon.pid)
    huge = {
        "header": get("/readyz", "GET", "X-Huge: " + "x" * (1 << 20)),
        "headers": get("/readyz", "GET", *(f"X-{i}: {i}" for i in range(20_000))),
        "url": get("/readyz?" + "x" * (1 << 20)),
        "method": get("/readyz", "G" * (1 << 20)),
        "body": get("/readyz", "POST", f"Content-Length: {32 << 20}") + bytes(32 << 20),
        "endless chunks": get("/reload", "POST", "Transfer-Encoding: chunked") + b"10000\r\n" + bytes(65536) + b"\r\n" * 300,
        "length": get("/readyz", "POST", "Content-Length: 99999999999999999999999"),
        "negative length": get("/readyz", "POST", "Content-Length: -1"),
    }
    for where in (daemon.status_socket, daemon.control_socket, daemon.tcp):
        for what, request in huge.items():
            status = status_of(ask(where, request))
            assert status == 0 or 400 <= status < 500, (what, where, status)
    after = rss_anon_kb(daemon.pid)
    print(f"RssAnon {before} kB before, {after} kB after")
    assert after < before + (8 << 10)


def test_a_body_is_refused_with_a_sentence(daemon):
    answer = daemon.get("/reload", "control", "POST", body=b"x" * 1000)
    assert answer.status == 413 and answer.json["error"] and answer.json["message"]


def test_pipelined_requests_are_answered_in_order(daemon):
    paths = ["/livez", "/status/main", "/nothing", "/readyz"] * 50
    answer = ask(daemon.status_socket, b"".join(get(path) for path in paths[:-1]) + get(paths[-1], "GET", "Connection: close"))
    statuses = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    # A body has no line feed at its end, so the next status line follows it on the same line.
    statuses = [int(piece[:3]) for piece in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 404, 503] * 50


# Where several are given, versions of libmicrohttpd differ.
ODD = {
    "/readyz%00": 400, "/readyz%00x": 400, "/%00": 400, "/readyz\0x": 400, "/status/main%00": 400, "/status/%6dain": 200,
    "/%72eadyz": 503, "/status/main%2f..": 404, "/status/../status/main": 404, "//readyz": 404, "/readyz/": 404, "/readyz//main": 404,
    "/READYZ": 404, "/status/" + "x" * 4000: 404, "/status/MAIN": 404, "/status/m\xe4in": 400, "/status/%ff%fe": 400, "/status/%": 400,
    "/status/%zz": 400, "/status/main%0d%0aX-Evil:%201": 400, "/readyz?wait": 400, "/readyz?wait=": 400, "/readyz?wait=-1s": 400,
    "/readyz?wait=1e9h": 400, "/readyz?wait=99999999999999999999s": 400, "/readyz?wait=1s&wait=2s": 400, "/readyz?wait=%00": 400,
    "/readyz?accept=everything": 400, "/readyz?nonsense=1": 400, "/readyz?&&&": 400, "/readyz?=": 400, "/events?db=nobody": 404,
    "/events?follow=maybe": 400, "/status?db=main": 400, "/metrics/../readyz": 404, "*": 404, "": (0, 400, 404), "readyz": 404,
    "/wake/main": 405, "/pause/main": 405, "/reload": 405, "/lease/main": 405, "/lease": 404, "/lease/": 404, "/lease/main/1": 404,
    "/readyz?%ff=1": 400, "/readyz?wait=%ff": 400, "/events?db=%C3%A4": 400, "/events?db=%ff%fe": 400, "/readyz?owner=x": 400,
}


def either(status):
    return status if isinstance(status, tuple) else (status,)


@pytest.mark.parametrize("which", ["status", "control", "tcp"])
def test_odd_urls_get_a_plain_answer(daemon, which):
    where = {"status": daemon.status_socket, "control": daemon.control_socket, "tcp": daemon.tcp}[which]
    wrong = {}
    for url, status in ODD.items():
        answer = ask(where, get(url, "GET", "Connection: close"))
        body = answer.partition(b"\r\n\r\n")[2]
        if status_of(answer) not in either(status) and not (status in (0, 400) and status_of(answer) in (0, 400)):
            wrong[url] = (status, answer[:300])
        assert b"\r\nX-Evil" not in answer
        if status_of(answer) >= 400 and b"application/json" in answer:
            json.loads(body)
    assert not wrong


ODD_REQUESTS = {
    b"\r\n\r\n\r\n": 0, b"\0\0\0\0\r\n\r\n": 400, b"GET\r\n\r\n": 400, b"GET /readyz\r\n\r\n": 400, b"GET /readyz HTTP/9.9\r\n\r\n": 505,
    b"GET /readyz HTTP/1.1\r\n\r\n": 400, b"GET /readyz HTTP/1.0\r\n\r\n": 503, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 0,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 505, get("/readyz") + b"\xff" * 100: 503, b"GET /readyz HTTP/1.1\nHost: x\n\n": 503,
    get("/readyz", "GET", "Host: y"): 400, get("/readyz", "GET", "No colon here"): 400, 
    # RFC 9112, 5.2: refused, or read as one line.
    get("/readyz", "GET", " folded: 1"): (400, 503),
    get("/readyz", "GET", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n": 503,
    get("/readyz", "GET", "Expect: 100-continue", "Content-Length: 3") + b"abc": (100, 413), get("/events", "GET", "Last-Event-ID: -1"): 400,
}


def test_odd_requests_get_a_plain_answer_or_the_end_at_once(daemon):
    """Their senders say no more: who cannot be answered is not kept until its time is over."""
    for request, status in ODD_REQUESTS.items():
        got = status_of(ask(daemon.status_socket, request, REQUEST_SECONDS / 2))
        assert got in (*either(status), 0), (request, got)


def test_who_says_a_little_and_leaves_in_the_same_moment_is_not_kept(daemon):
    """The end comes with the last bytes, in one event of the socket."""
    for where in (daemon.tcp, daemon.status_socket):
        for said in (get("/status")[:20], get("/readyz"), get("/events"), get("/readyz/main?wait=1h"), b""):
            idle = len(descriptors(daemon.pid))
            for _ in range(50):
                with connect(where) as client:
                    client.sendall(said)
            until(lambda: len(descriptors(daemon.pid)) <= idle, REQUEST_SECONDS / 2, f"all who said {said!r} to {where} are gone")


def test_unknown_methods_are_refused(daemon):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "X" * 200):
        for where in (daemon.status_socket, daemon.control_socket, daemon.tcp):
            changes = method == "DELETE" and where != daemon.control_socket
            for path, wanted in (("/readyz", 403 if changes else 405), ("/reload", 403 if changes else 405), ("/nothing", 404)):
                assert status_of(ask(where, get(path, method, "Connection: close"))) == wanted, (method, where, path)


def test_nothing_can_be_changed_where_only_reading_is_allowed(daemon):
    for where in (daemon.status_socket, daemon.tcp):
        for path in ("/wake/main", "/pause/main?for=1h", "/reload", "/readyz", "/status"):
            assert status_of(ask(where, get(path, "POST", "Content-Length: 0", "Connection: close"))) == 403
        for method, path in (("POST", "/lease/main"), ("POST", "/lease/main?for=1h"), ("DELETE", "/lease/1"), ("DELETE", "/status/main")):
            assert status_of(ask(where, get(path, method, "Connection: close"))) == 403
        assert status_of(ask(where, get("/pause/main?for=1h", "POST", "X-HTTP-Method-Override: GET", "Content-Length: 0",
                                        "Connection: close"))) == 403
    status = daemon.status("main")
    assert status["reason"] == "not_checked" and status["leases"] == []


def test_a_thousand_event_streams_all_hear_it_at_once(daemon, stall):
    with Crowd(daemon.status_socket, 1000, get("/events")) as crowd:
        crowd.wait(b": pgwaked", 20)
        crowd.forget()
        with Asker(daemon.control_socket) as asker:
            begun = time.monotonic()
            daemon.get("/pause/main?for=1h", method="POST")
            answered = time.monotonic() - begun
            crowd.wait(b'"reason":"paused"', 20)
            heard = time.monotonic() - begun
            check_asker(asker, f"1000 streams: the pause is answered in {answered * 1e3:.0f} ms, the last has heard it after {heard * 1e3:.0f} ms")
    assert heard < stall.late(2.0)


def test_a_thousand_streams_of_one_database_miss_none_of_its_events_while_another_changes(daemon, port):
    """They cannot all be served in one run: the others have not heard it yet when something happens that they do not want."""
    daemon.configure([quiet("main", port), quiet("other", port)])
    assert daemon.reload().status == 200
    with Crowd(daemon.status_socket, 1000, get("/events?db=main")) as crowd, Wire(daemon.control_socket) as wire:
        crowd.wait(b": pgwaked", 20)
        crowd.forget()
        for i in range(10):
            for name in ("main", "other"):
                assert wire.ask(f"/pause/{name}?for={1 - i % 2}h", "POST").status == 200
        told = re.findall(rb"\nid: (\d+)", daemon.get("/events?db=main&follow=0", "control").text.encode())[-10:]
        crowd.wait(b"id: " + told[-1] + b"\n", 20)
        missed = sum(re.findall(rb"id: (\d+)\n", got) != told for got in crowd.got)
        assert missed == 0, f"{missed} streams miss an event"


def test_who_does_not_read_its_events_is_dropped_and_the_others_miss_nothing(daemon, port):
    crowd_of = [quiet(f"d{i:04}", port) for i in range(1500)]
    rounds = 8
    deaf = connect(daemon.status_socket)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(get("/events"))
    until(lambda: connected(daemon.status_socket) == 1, 5, "the deaf one is connected")
    with daemon.stream() as good, Asker(daemon.control_socket) as asker:
        for i in range(rounds):  # 1500 events each time; the daemon remembers 4096 and two for each database
            daemon.configure([quiet("main", port)] + (crowd_of if i % 2 == 0 else []))
            answer = daemon.reload(30).json
            assert answer["added" if i % 2 == 0 else "removed"] == 1500
            good.wait(lambda _: len(good.events) >= 1500 * (i + 1), 20)
        begun = time.monotonic()

        def dropped() -> bool:
            daemon.get("/pause/main?for=1h", method="POST")  # it is looked at when something happens
            daemon.get("/pause/main?for=0s", method="POST")
            return connected(daemon.status_socket) == 0

        until(dropped, BEHIND_SECONDS + 10, "the deaf one is dropped", every=0.1)
        elapsed = time.monotonic() - begun
        check_asker(asker, f"one who does not read is dropped {elapsed:.1f} s after the flood, reloads included", 2.0)
        numbers = [int(event.id) for event in good.events if event.id]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and not any(e.event == "gap" for e in good.events)
    said = read_to_end(deaf)
    deaf.close()
    assert said.startswith(b"HTTP/1.1 200")
    daemon.configure([quiet("main", port)])


def test_who_vanishes_while_waiting_leaves_nothing(daemon, stall):
    for _ in range(3):
        with Crowd(daemon.status_socket, 300, get("/readyz/main?wait=1h")), \
                Crowd(daemon.control_socket, 300, get("/wake/main?wait=1h", "POST", "Content-Length: 0")), \
                Crowd(daemon.status_socket, 100, get("/events")):
            until(lambda: connected(daemon.status_socket) >= 400 and connected(daemon.control_socket) >= 300, 10, "all are there")
            assert daemon.get("/readyz", "status").seconds < stall.late(1.0)
        until(lambda: nobody(daemon), 10, "all are gone")


LONG = "x" * 12_000  # of the 16 KiB that libmicrohttpd has for a connection
CROWDS = {
    "nothing": b"",
    "a header without end": get("/readyz", "GET", f"X-Long: {LONG}")[:-4],
    "a body": get("/readyz", "POST", "Content-Length: 8000000") + b"x" * 50_000,
    "events that nobody reads": get("/events", "GET", f"X-Long: {LONG}"),
    "waits": get("/readyz/main?wait=1h", "GET", f"X-Long: {LONG}"),
    "requests behind a wait": get("/readyz/main?wait=1h") + get("/status") * 150,
    "long answers that nobody reads": get("/metrics"),
}
CROWD = 1200  # more than each of two sockets serves at a time
STRANGERS_MB = 64  # what all clients of the sockets that are everybody's may take, whatever they send


def come(where, request: bytes) -> list[socket.socket]:
    """As many as find a place, on a socket or in its queue."""
    clients = []
    for _ in range(CROWD):
        client = socket.socket(socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET)
        client.settimeout(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        clients.append(client)
        try:
            client.connect(str(where) if isinstance(where, Path) else where)
            client.setblocking(False)
            client.send(request)
        except TimeoutError:
            break
        except OSError:
            pass
    return clients


@figure
def test_whatever_strangers_send_their_memory_has_a_bound_and_their_leaving_costs_what_their_coming_did(daemon, port):
    daemon.configure([quiet("main", port)] + [quiet(f"d{i:03}", port) for i in range(300)])
    assert daemon.reload(30).json["added"] == 300
    before, here, most = rss_anon_kb(daemon.pid), settled(daemon), {}
    for what, request in CROWDS.items():
        spent = [cpu_seconds(daemon.pid)]
        clients = come(daemon.status_socket, request) + come(daemon.tcp, request)
        there = settled(daemon) - here
        spent.append(cpu_seconds(daemon.pid))
        most[what] = (rss_anon_kb(daemon.pid) - before) / 1024
        assert daemon.get("/readyz/main", "control", timeout=30).status == 503
        for client in clients:
            client.close()
        until(lambda: len(descriptors(daemon.pid)) <= here, 60, "all are gone")
        spent.append(cpu_seconds(daemon.pid))
        came, left = spent[1] - spent[0], spent[2] - spent[1]
        print(f"{what}: {there} of {len(clients)} are there and take {most[what]:.1f} MB; {came:.2f} s of CPU to come, {left:.2f} to leave")
        assert left < 3 * came + 1
    assert max(most.values()) < STRANGERS_MB or sanitized()
    daemon.configure([quiet("main", port)])
    daemon.reload(30)


def unread_bytes(clients, port: int) -> int:
    """What the kernel keeps for them on our side: what they did not take of a UNIX socket, and what is to be sent to them from that port."""
    if clients[0].family == socket.AF_UNIX:
        return sum(struct.unpack("i", fcntl.ioctl(client, termios.FIONREAD, b"\0\0\0\0"))[0] for client in clients)
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(words[4].split(":")[0], 16) for words in lines if words[1].endswith(f":{port:04X}") and words[3] == "01")


@pytest.mark.parametrize("where, kib", [("status", 32), ("tcp", 96)])
def test_what_strangers_do_not_read_takes_little_of_the_kernel_s_memory_too(where, kib, make_daemon, port):
    with Port() as listening:
        databases = [quiet(f"d{i:03}", port) for i in range(200)]
        daemon = make_daemon(databases, settings={"status": {"listen": [f"127.0.0.1:{listening.number}"]}}).start()
        path = daemon.status_socket if where == "status" else ("127.0.0.1", listening.number)
        with Crowd(path, 50, get("/metrics") * 60) as crowd:
            seen = [0, 1]
            until(lambda: seen.append(unread_bytes(crowd.clients, listening.number)) or 0 < seen[-1] == seen[-2] == seen[-3], 30,
                  "nothing more is sent", every=0.05)
            print(f"50 clients of {where} that ask for much and read nothing: {seen[-1] >> 10} KiB in the kernel")
            assert seen[-1] < 50 * kib * 1024
        assert daemon.stop()[0] == 0


def test_who_leaves_is_not_kept_as_long_as_an_older_connection_stays(daemon):
    """One that asks again and again on the same connection may stay for months."""
    asks = {daemon.status_socket: (get("/events"), get("/events?db=main"), get("/readyz/main?wait=1h")),
            daemon.control_socket: (get("/events"), get("/lease/main", "POST"), get("/wake/main?wait=1h", "POST"))}
    for where, requests in asks.items():
        for request in requests:
            with Wire(where) as older:
                assert older.ask("/livez").status == 200
                with Crowd(where, 10, request):
                    until(lambda where=where: connected(where) == 11, 10, "all are there")
                until(lambda where=where: connected(where) == 1, 5, f"all who said {request!r} are gone")
                assert daemon.status("main")["leases"] == []
                assert older.ask("/livez").status == 200


def test_clients_that_come_and_go_by_the_thousand(daemon):
    """Connects, half requests, resets: from four threads at once."""
    failures = []

    def storm(where) -> None:
        try:
            for i in range(500):
                with connect(where) as client:
                    if i % 3:
                        client.sendall(get("/status")[: 5 + i % 30])
                    if i % 5 == 0:
                        client.sendall(get("/events") * 3)
                    if i % 2:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except ConnectionError:
            pass
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    with Asker(daemon.status_socket) as asker:
        threads = [threading.Thread(target=storm, args=(where,))
                   for where in (daemon.status_socket, daemon.control_socket, daemon.tcp, daemon.tcp)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        check_asker(asker, "a storm of 2000 clients, most of them before it in the queue", 2.0)
    assert not failures
