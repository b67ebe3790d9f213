"""Clients that read nothing of what they asked for, on each endpoint by itself: their answers have one bound together, whatever is asked."""

import re
import socket
import sqlite3
import time
from collections import Counter
from contextlib import ExitStack, closing

from rig.build import figure, sanitized
from rig.patience import until
from rig.process import descriptors, rss_anon_kb
from rig.rawhttp import connect, get

CLIENTS = 600
TOGETHER_MB = 16  # for all answers that are counted
EACH_KB = 24  # for each client: what libmicrohttpd keeps for it, and a short answer
KINDS = ("wakes", "states", "outages", "hours", "report")
# Beside those that the daemon lists itself, with what each is asked for.
MORE = ["/nothing", "/status/nobody", "/status/" + "x" * 4000, "/readyz?accept=asleep", "/events?follow=0", "/events?db=nobody",
        *(f"/history/main?kind={kind}&limit=500" for kind in KINDS), "/history/main?kind=states&limit=100000&format=csv"]
PAST = 500  # states
LEASES = 300
OWNER = "o" * 255


def database(name: str, policy: str) -> str:
    return f'{{ name = "{name}"; conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; {policy} }}'


def endpoints(daemon) -> list[str]:
    """What can be read, as the daemon lists it."""
    listed = [each.partition(" ") for each in daemon.get("/nothing", "status").json["endpoints"]]
    return [path.replace("/NAME", "/main") for method, _, path in listed if method == "GET" and not path.startswith("/history")]


def fill(daemon) -> None:
    """Everything of which an answer may have much."""
    daemon.stop()
    now = time.time_ns() // 1000
    with closing(sqlite3.connect(daemon.history_path)) as history, history:
        history.executemany("INSERT INTO state SELECT id, ?, 0, 'down', 'awake', 'tcp.refused', NULL, NULL, 1 FROM database WHERE name = 'main'",
                            [(now - i * 10**6,) for i in range(1, PAST)])
    daemon.start()
    for _ in range(LEASES):
        assert daemon.get(f"/lease/main?for=1h&owner={OWNER}", method="POST").status == 201
    assert len(daemon.get("/history/main?kind=states").json["rows"]) >= PAST // 2


@figure
def test_no_answer_that_nobody_reads_takes_memory_beyond_the_bound(make_daemon):
    others = [database(f"database-{i:03}-{'n' * 50}", 'policy = "observe"; door_interval = "0s";') for i in range(100)]
    daemon = make_daemon(",\n".join([database("main", 'policy = "keep-awake";'), *others])).start()
    fill(daemon)
    idle, here = rss_anon_kb(daemon.pid), len(descriptors(daemon.pid))
    grown = {}
    for path in endpoints(daemon) + MORE:
        with ExitStack() as stack:
            said: Counter = Counter()
            for _ in range(CLIENTS):
                client = stack.enter_context(connect(daemon.status_socket, 60))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(get(path))
                said[re.match(rb"HTTP/1.1 (\d+)", client.recv(12, socket.MSG_PEEK))[1].decode()] += 1
            grown[path] = (rss_anon_kb(daemon.pid) - idle) / 1024
            print(f"{path[:60]}: {dict(said)}, {grown[path]:.1f} MB more")
            assert "400" not in said, f"what does {path} want?"
            assert daemon.get("/status", timeout=60).status == 200
            assert daemon.get("/livez", "status").status == 200
        until(lambda: len(descriptors(daemon.pid)) <= here, 30, "all are gone", every=0.05)
    assert max(grown.values()) < TOGETHER_MB + CLIENTS * EACH_KB / 1024 or sanitized()
    assert daemon.stop()[0] == 0
