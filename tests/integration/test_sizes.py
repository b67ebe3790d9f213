"""Every answer at every size: nothing happens only at 1, at 100 or at 10,000, so each size between them is tried."""

import pytest

from rig.exact import Wire
from rig.prometheus import OPEN_METRICS, TEXT, Series

SIZES = range(1, 141)
QUIET = 'conninfo = "host=127.0.0.1 port=1 user=a dbname=a"; policy = "observe"; door_interval = "0s";'


def databases(count: int, width: int) -> list[str]:
    return [f"d{i:0{width - 1}}" for i in range(count)]


def check_every_answer(wire: Wire, names: list[str]) -> None:
    for accept, end in ((TEXT, ""), (OPEN_METRICS, "# EOF\n")):
        answer = wire.ask("/metrics", "GET", f"Accept: {accept}")
        text = answer.body.decode()
        assert answer.status == 200 and text.endswith(end)
        assert [each for each, in Series(text).of("pgwake_ready")] == names
    status = wire.ask("/status")
    assert status.status == 200 and [each["name"] for each in status.json["databases"]] == names
    ready = wire.ask("/readyz")
    assert ready.status == 503 and ready.json["count"] == len(names)
    assert [each["name"] for each in ready.json["databases"]] == names
    assert wire.ask("/livez").status == 200
    for path, status in (("/metrics", 200), ("/status", 200), ("/readyz", 503), ("/events?follow=0", 200), ("/events", 200), ("/livez", 200)):
        assert wire.ask(path, "HEAD").status == status
        assert wire.ask("/livez").body == b'{"alive":true}'  # nothing of a body stands before it


@pytest.mark.parametrize("width", [4, 63])
def test_answers_are_whole_at_every_number_of_databases(make_daemon, width):
    daemon = make_daemon().start()
    for count in SIZES:
        names = databases(count, width)
        daemon.configure(",\n".join(f'{{ name = "{name}"; {QUIET} }}' for name in names))
        assert daemon.reload().status == 200
        with Wire(daemon.status_socket) as wire:
            check_every_answer(wire, names)
