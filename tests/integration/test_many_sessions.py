"""Thousands of sessions: a reload of all of them delays nobody and is seen whole or not at all; and the end."""

import json
import signal
import threading
import time

import pytest

from rig.build import figure, plain, sanitized
from rig.exact import Wire
from rig.patience import Stall, patient, until
from rig.replay import Replay
from rig.witness import Asker

SIZES = [1000] if sanitized() else [100, 1000, 3000, 10_000]
START = 60  # seconds that the start of many may take
SHARE = 3  # a reload in pieces may keep /livez waiting for less than this part of it


def many(replay: Replay, count: int, **keys: str) -> str:
    """As configuration text; `user` is one of the keys of the connection."""
    user = keys.pop("user", "app")
    more = "".join(f' {key} = "{value}";' for key, value in keys.items())
    return ",\n".join(f'{{ name = "d{i:05}"; conninfo = "host=127.0.0.1 port={replay.port} user={user} dbname=app sslmode=disable";'
                      f' policy = "keep-awake"; ping_interval = "10s"; login_interval = "30d"; fresh_for = "10min";{more} }}'
                      for i in range(count))


@pytest.fixture(name="replay", scope="module")
def replay_of_all():
    with Replay() as replay:
        yield replay


@pytest.fixture(name="begin")
def begin_many(make_daemon, replay):
    def begin(count: int):
        daemon = make_daemon(many(replay, count), settings={"ready": {"on": "start"}})
        begun = time.monotonic()
        daemon.start(timeout=START)
        until(lambda: all_ready(daemon), START, f"all {count} are awake", every=0.1)
        daemon.seconds_to_ready = time.monotonic() - begun
        return daemon
    return begin


def all_ready(daemon) -> bool:
    return daemon.get("/readyz", timeout=60).status == 200


def names(daemon) -> list[str]:
    return [each["name"] for each in daemon.get("/status", timeout=60).json["databases"]]


# A reload


def reload_beside(daemon, what: str):
    """Its answer, and how long /livez took meanwhile: no longer than while nothing happens, or than a small part of it all."""
    with Asker(daemon.status_socket, "/livez") as asker:
        idle = asker.stop()
    with Asker(daemon.status_socket, "/livez") as asker:
        answer = daemon.reload(START)
        beside = asker.stop()
    assert answer.status == 200, answer.text
    print(f"{what}: {answer.seconds:.3f} s, /livez {beside}; idle {idle}")
    machine = Stall.HOPS * max(beside.stall, idle.stall)  # what it keeps everybody waiting
    bound = max(answer.seconds / SHARE, 3 * idle.worst + patient(0.1)) + machine
    assert beside.worst < bound, f"{what} kept /livez waiting for {beside.worst:.3f} s of {answer.seconds:.3f} s"
    return answer.json


@figure
@pytest.mark.parametrize("count", SIZES)
def test_a_reload_of_many_sessions_delays_nobody(begin, replay, count):
    daemon = begin(count)
    assert reload_beside(daemon, "the same")["unchanged"] == count
    daemon.configure(many(replay, count, slow="700ms"))
    assert reload_beside(daemon, "other settings")["changed"] == count
    daemon.configure(many(replay, count // 2, slow="700ms"))
    assert reload_beside(daemon, "half of them go")["removed"] == count - count // 2
    until(lambda: len(list(daemon.awake_dir.iterdir())) == count // 2, 30, "their awake files are gone")
    daemon.configure(many(replay, count, slow="700ms"))
    assert reload_beside(daemon, "and come back")["added"] == count - count // 2
    until(lambda: all_ready(daemon), START, "all are awake", every=0.1)
    daemon.configure(many(replay, count, slow="700ms", user="other"))
    assert reload_beside(daemon, "another server for all")["changed"] == count
    until(lambda: all_ready(daemon), START, "all are awake on the other", every=0.1)
    assert names(daemon) == [f"d{i:05}" for i in range(count)]


def not_ready(wire: Wire) -> int:
    answer = wire.ask("/readyz")
    return answer.json["count"] if answer.status == 503 else 0


def test_nobody_sees_half_of_a_reload(begin, replay):
    """All begin anew at one moment; from then on they only come to be awake. In halves their number would grow twice."""
    count = 1000 if sanitized() else 3000
    daemon = begin(count)
    daemon.configure(many(replay, count, user="other"))
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        with Wire(daemon.status_socket, 60) as wire:
            while not over.is_set():
                seen.append(not_ready(wire))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        until(lambda: len(seen) > 3, 10, "somebody looks")
        assert daemon.reload(START).json["changed"] == count
        until(lambda: all_ready(daemon), START, "all are awake again", every=0.1)
    finally:
        over.set()
        looking.join()
    first = next(i for i, each in enumerate(seen) if each)
    print(f"{len(seen)} looks; the first that saw it: {seen[first]} of {count}")
    assert seen[first:] == sorted(seen[first:], reverse=True)


def test_who_asks_while_a_reload_goes_on_gets_one_of_their_own(begin, replay):
    daemon = begin(1000)
    answers: dict[int, dict] = {}

    def reload(which: int) -> None:
        answers[which] = daemon.reload(START).json

    asking = []
    for which, count in enumerate((900, 800, 700)):
        daemon.configure(many(replay, count))
        asking.append(threading.Thread(target=reload, args=[which]))
        asking[-1].start()
    for each in asking:
        each.join()
    daemon.configure(many(replay, 600))
    for _ in range(5):
        daemon.signal(signal.SIGHUP)
    until(lambda: len(names(daemon)) == 600, 20, "what SIGHUP was sent for")
    print(json.dumps({which: {key: answer[key] for key in ("removed", "unchanged")} for which, answer in answers.items()}))
    # Whichever file each of them met: each came after its own was written.
    assert sum(answer["removed"] for answer in answers.values()) >= 300
    assert all(answer["unchanged"] <= 900 - 100 * which for which, answer in answers.items())


def test_a_lease_lives_through_a_reload_that_keeps_its_database(begin, replay):
    daemon = begin(1000)
    daemon.configure(many(replay, 500, user="other"))
    asking = threading.Thread(target=lambda: daemon.reload(START))
    asking.start()
    taken = {}
    while asking.is_alive():
        for name in ("d00007", "d00999"):
            answer = daemon.get(f"/lease/{name}?for=10min", method="POST")
            if answer.status == 201:
                taken.setdefault(name, []).append(answer.json["lease"]["id"])
            else:
                assert (name, answer.status) == ("d00999", 404)
    asking.join()
    held = {lease["id"] for lease in daemon.status("d00007")["leases"]}
    assert taken["d00007"] and held == set(taken["d00007"])
    assert daemon.get("/status/d00999").status == 404


# The end


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3])
def test_sigterm_in_the_middle_of_a_reload_ends_it(begin, replay, delay):
    """Whether it is being read, has no force yet, or is being told."""
    daemon = begin(1000)
    daemon.configure(many(replay, 500, user="other"))
    for _ in range(3):
        daemon.signal(signal.SIGHUP)
    threading.Event().wait(delay)
    code, seconds = daemon.stop()
    print(f"after {delay} s: stopped in {seconds:.3f} s")
    assert code == 0
    assert not list(daemon.awake_dir.iterdir())


@plain
@pytest.mark.parametrize("count", SIZES)
def test_many_sessions_end_in_a_part_of_the_time_that_they_took_to_open(begin, count):
    """2 s are promised for ten thousand; the machine's own speed is in the time that it took to open them."""
    daemon = begin(count)
    code, seconds = daemon.stop(timeout=30)
    print(f"{count} sessions: stopped in {seconds:.3f} s; their start took {daemon.seconds_to_ready:.3f} s")
    assert code == 0
    assert seconds < max(patient(2.0), daemon.seconds_to_ready / 2)
