"""The rig's moved clocks and its balancer do what they say."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from rig import children
from rig.balancer import Balancer
from rig.clocks import Clocks
from rig.fake import Fake

# Says what its clocks say whenever it is asked to.
TELLER = """
import json, sys, time
for line in sys.stdin:
    print(json.dumps([time.time(), time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)]), flush=True)
"""


@pytest.fixture
def clocks(tmp):
    return Clocks(tmp)


def test_moved_clocks_are_moved_for_their_program_alone_and_while_it_runs(clocks):
    teller = children.start([sys.executable, "-c", TELLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                            env={**os.environ, **clocks.env})

    def now() -> tuple[float, ...]:
        return time.time(), time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)

    def assert_moved(*by: int) -> None:
        """Its clocks stand so many seconds beside ours: the one of people, the monotonic one, that of the boot."""
        before = now()
        teller.stdin.write("\n")
        told = json.loads(teller.stdout.readline())
        after = now()
        assert all(begun + moved <= value <= ended + moved for begun, moved, value, ended in zip(before, by, told, after)), (before, told, after)

    try:
        assert_moved(0, 0, 0)
        clocks.suspend_host(1000)
        assert_moved(1000, 0, 1000)
        clocks.pass_time(50)
        assert_moved(1050, 50, 1050)
        clocks.set_real(-9000)
        assert_moved(-9000, 50, 1050)
        before, said, after = time.time(), clocks.time(), time.time()
        assert before - 1 < said + 9000 < after + 1
    finally:
        teller.stdin.close()
        assert teller.wait(10) == 0
        teller.stdout.close()


def test_a_balancer_gives_connections_to_its_servers_in_turn():
    with Fake("silence-at-accept") as one, Fake("silence-at-accept") as two, Balancer([(one.host, one.port), (two.host, two.port)]) as balancer:
        for number in range(1, 4):
            for each in (one, two):
                with socket.create_connection((balancer.host, balancer.port)) as client:
                    each.wait_connections(number)
                    client.sendall(b"x")
                assert each.wait_ended(number)[-1].received == b"x"
