"""A client that asks whatever hypothesis makes up, in any order, and a small model that says what must hold after each step.

The databases are scripted: one is always there, one sleeps and wakes, one refuses every password, one is not there at all. What time alone
changes (whether one is awake already) the model does not know; it holds what the daemon says against itself.
"""

import re
import shutil
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote_plus

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rig import asked
from rig.asked import NAMES, Request
from rig.daemon import Daemon
from rig.exact import Exact, Wire
from rig.patience import Late, until
from rig.process import descriptors
from rig.prometheus import Series
from rig.randommodel import BROKEN, KINDS, Known, Lease, Servers, Waiter, Watcher
from rig.rawhttp import connect, connected, get, read_to_end
from rig.statusform import check_error, check_status
from rig.unixhttp import EventStream

# What is chosen by its place among what there is: how much that is may depend on time, and what is asked must not.
PLACES = st.integers(0, 20)
CONFIGURATIONS = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(KINDS), st.integers(0, 1)), min_size=1)
SOCKETS = st.sampled_from(("status", "control"))


class RandomClient(RuleBasedStateMachine):
    """One daemon for all examples, until one fails. `folder` and `servers` are set by the test."""

    folder: Path
    servers: Servers
    daemon: Daemon | None = None
    idle: Counter  # its descriptors when it does nothing
    slowest = 0.0
    steps = 0

    @initialize(wanted=CONFIGURATIONS)
    def start(self, wanted: dict) -> None:
        self.known: dict[str, Known] = {}
        self.file: dict[str, tuple[str, int]] | str = {}
        self.leases: dict[int, Lease] = {}
        self.forgotten: set[int] = set()  # of databases that were not configured at a start: they may come again with them
        self.waiters: list[Waiter] = []
        self.watchers: list[Watcher] = []
        self.servers.naps.awake = True
        self.failed = True  # until its end
        if not self.daemon or not self.daemon.running:
            shutil.rmtree(self.folder / "pgwaked", ignore_errors=True)
            type(self).daemon = Daemon(self.folder, settings={"ready": {"on": "start"}}).start()
            type(self).idle = self.alone()
        self.wires = {which: Wire(self.where(which)) for which in ("status", "control")}
        self.configure_now(wanted)

    def where(self, which: str) -> Path:
        return self.daemon.status_socket if which == "status" else self.daemon.control_socket

    def connected(self) -> int:
        return connected(self.daemon.status_socket) + connected(self.daemon.control_socket)

    def alone(self) -> Counter:
        """The descriptors of a daemon that nobody is connected to, once the history was asked."""
        assert self.daemon.get("/history/main?kind=states").status in (200, 404)
        until(lambda: self.connected() == 0, 10, "nobody is connected")
        return Counter(descriptors(self.daemon.pid))

    # What must hold after each step

    @invariant()
    def control_answers_and_all_is_as_it_must_be(self) -> None:
        type(self).steps += 1
        begun = time.monotonic()
        answer = self.wires["control"].ask("/status")
        type(self).slowest = max(self.slowest, time.monotonic() - begun)
        assert answer.status == 200
        databases = answer.json["databases"]
        assert [each["name"] for each in databases] == sorted(self.known)
        for each in databases:
            check_status(each, detail=True)
            self.check_database(each)
        for each in self.wires["status"].ask("/status").json["databases"]:
            check_status(each, detail=False)

    def check_database(self, status: dict) -> None:
        name, known = status["name"], self.known[status["name"]]
        paused = "paused_until" in status
        assert known.paused in (None, paused), status
        known.paused = paused
        assert not paused or (status["state"], status["reason"]) == ("unknown", "paused"), status
        said = {each["id"]: each["owner"] for each in status["leases"]}
        for number in self.forgotten & said.keys():
            self.leases[number] = Lease(name, said[number])
            self.forgotten.discard(number)
        assert said == {number: lease.owner for number, lease in self.leases.items() if lease.name == name}, status
        assert not said or (status["demand"] or {}).get("cause") == "lease", status
        counts = {"generation": status["generation"], "wakes": status["wakes"]["count"], "failures": status["failures"]["total"],
                  "awake_seconds": status["awake_seconds"], **{f"wakes by {key}": n for key, n in status["wakes"]["by_cause"].items()}}
        assert all(counts[key] >= known.counts.get(key, 0) for key in counts), (known.counts, counts)
        known.counts = counts
        assert known.kind not in ("wrong", "dead") or not status["ready"], status

    # Single requests

    def expected(self, request: Request, may_change: bool) -> set[int]:
        """How it may be answered."""
        route, name = request.route, request.name
        if route.parameter == "name" and "%2f" in name:
            return {404}
        if route.path == "/lease" and request.method in ("POST", "DELETE") and request.method != route.method:
            return {400, 404} if may_change else {403}
        if route.path == "/lease" and request.value.get("for") == "0s" and may_change and request.method == "POST":
            return {400, 404}
        refused = request.refused(may_change)
        if refused:
            return {refused}
        if route.path == "/history":
            if "until" in request.value or "since" in request.value:
                return {200, 400, 404} if name in NAMES else {400, 404}
            return {200} if name in self.known else {200, 404}
        if route.parameter == "name" and name not in self.known or "db" in request.value and request.value["db"] not in self.known:
            return {404}
        return self.answered(request)

    def answered(self, request: Request) -> set[int]:
        """Of one that makes sense, and asks for what there is."""
        if request.route.path == "/readyz":
            return {200, 503}
        if request.route.path == "/wake":
            return {409} if self.known[request.name].paused else {200, 202, 409, 503}
        if request.route.path == "/lease":
            return self.lease_expected(request)
        if request.route.path == "/reload":
            return {self.reload_expected("remove" in request.value)}
        return {200}

    def lease_expected(self, request: Request) -> set[int]:
        if request.method == "DELETE":
            return {200 if self.lease_id(request) in self.leases else 404}
        known = self.known[request.name]
        return {409} if known.paused else {201, 409} if known.kind == "wrong" else {201}

    def lease_id(self, request: Request) -> int:
        numbers = sorted(self.leases)
        return numbers[request.lease] if request.lease < len(numbers) else request.lease

    def settle_pauses(self) -> None:
        """Whether a pause from before is in force, before anything depends on it."""
        if any(known.paused is None for known in self.known.values()):
            for each in self.wires["control"].ask("/status").json["databases"]:
                self.check_database(each)

    def took(self, request: Request, which: str, answer: Exact) -> None:
        """An answer: as it must be, and what follows for the model."""
        wanted = self.expected(request, which == "control")
        assert answer.status in wanted, (request, which, answer.status, wanted, answer.body[:500])
        if request.method == "HEAD":
            return
        if answer.status >= 400 and answer.status != 503 and answer.status != 422:
            check_error(answer)
        if request.route.path == "/readyz" and answer.status in (200, 503):
            assert answer.json["ready"] == (answer.status == 200) and (answer.status == 200 or "retry-after" in answer.headers)
        if request.route.path == "/metrics" and answer.status == 200:
            self.check_metrics(answer)
        if answer.status < 300:
            self.follow(request, answer)

    def check_metrics(self, answer: Exact) -> None:
        leases = Series(answer.body.decode()).of("pgwake_leases")
        assert leases == {(name,): sum(lease.name == name for lease in self.leases.values()) for name in self.known}

    def follow(self, request: Request, answer: Exact) -> None:
        path, value = request.route.path, request.value
        if path == "/lease" and request.method == "POST":
            assert answer.status == 201 and answer.json["name"] == request.name
            owner = unquote_plus(value.get("owner", "unknown"))
            self.leases[answer.json["lease"]["id"]] = Lease(request.name, owner)
        elif path == "/lease" and request.method == "DELETE":
            self.lease_ended(answer.json["id"], "deleted")
        elif path == "/pause":
            self.known[request.name].paused = value["for"] != "0s"
            self.release(request.name, {409}, calls_only=True, over=value["for"] != "0s")
        elif path == "/reload":
            self.reloaded(answer)

    def lease_ended(self, number: int, reason: str) -> None:
        lease = self.leases.pop(number)
        if lease.stream:
            end = lease.stream.wait(lambda event: event.event == "end").data
            assert (end["id"], end["reason"]) == (number, reason)
            until(lambda: lease.stream.ended, 10, "the stream of the lease ends")
            lease.stream.close()

    def ask(self, which: str, request: Request) -> None:
        self.settle_pauses()
        begun = time.monotonic()
        answer = self.wires[which].ask(request.target(self.lease_id(request)), request.method, *request.headers)
        type(self).slowest = max(self.slowest, time.monotonic() - begun)
        self.took(request, which, answer)

    @rule(which=SOCKETS, request=asked.requests())
    def one_request(self, which: str, request: Request) -> None:
        self.ask(which, request)

    @rule(request=asked.requests())
    def one_request_to_control(self, request: Request) -> None:
        self.ask("control", request)

    @rule(which=SOCKETS, requests=st.lists(asked.requests().filter(asked.leaves_the_connection_open), min_size=2, max_size=5))
    def pipelined(self, which: str, requests: list[Request]) -> None:
        self.settle_pauses()
        with Wire(self.where(which)) as wire:
            wire.send(b"".join(get(each.target(), each.method, *each.headers) for each in requests))
            for each in requests:
                self.took(each, which, wire.answer(each.method))
                self.settle_pauses()

    @rule(which=SOCKETS, request=asked.requests(), at=st.integers(0, 400), how=st.sampled_from(("close", "reset", "half")))
    def cut_off(self, which: str, request: Request, at: int, how: str) -> None:
        """A client that leaves in the middle of its request, or with its end where nothing is changed by it."""
        whole = get(request.target(), request.method, *request.headers)
        said = whole[:at] if not request.changes else whole[:min(at, len(whole) - 4)]
        with connect(self.where(which)) as client:
            client.sendall(said)
            if how == "half":
                client.shutdown(socket.SHUT_WR)
                answer = read_to_end(client)
                assert not answer or answer.startswith(b"HTTP/1.1 ")
            elif how == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    # Leases that live as long as their connection

    @precondition(lambda self: self.known)
    @rule(place=PLACES, owner=st.sampled_from(("me", "b%C3%A4r")))
    def hold(self, place: int, owner: str) -> None:
        self.settle_pauses()
        name = self.name_at(place)
        known = self.known[name]
        stream = EventStream(self.daemon.control_socket, f"/lease/{name}?owner={owner}", method="POST")
        if stream.status == 200:
            assert not known.paused
            begun = stream.wait(lambda event: event.event == "lease").data
            assert begun["name"] == name and begun["lease"]["until"] is None
            self.leases[begun["lease"]["id"]] = Lease(name, unquote_plus(owner), stream)
            return
        assert stream.status == 409 and (known.paused or known.kind == "wrong"), (stream.status, known)
        stream.close()

    def held(self) -> list[int]:
        return sorted(number for number, lease in self.leases.items() if lease.stream)

    @rule(place=PLACES)
    def let_go(self, place: int) -> None:
        held = self.held()
        if held:
            self.end_hold(held[place % len(held)])

    def name_at(self, place: int) -> str:
        return sorted(self.known)[place % len(self.known)]

    def end_hold(self, number: int) -> None:
        lease = self.leases.pop(number)
        lease.stream.close()
        until(lambda: number not in [each["id"] for each in self.daemon.status(lease.name)["leases"]], 10, f"lease {number} has ended")

    # Those who wait

    @precondition(lambda self: self.known)
    @rule(place=PLACES, path=st.sampled_from(("/readyz", "/wake")), spread=st.sampled_from(("", "&spread=10ms")))
    def wait(self, place: int, path: str, spread: str) -> None:
        self.settle_pauses()
        name = self.name_at(place)
        wire = Wire(self.daemon.control_socket, 30)
        wire.send(get(f"{path}/{name}?wait=1h{spread}", "POST" if path == "/wake" else "GET"))
        allowed = {200, 409} if path == "/wake" and (self.known[name].paused or self.known[name].kind == "wrong") else {200}
        self.waiters.append(Waiter(wire, name, allowed | ({409} if path == "/wake" else set()),
                                   over=path == "/wake" and bool(self.known[name].paused)))

    def release(self, name: str, status: set[int], calls_only: bool = False, over: bool = True) -> None:
        """Something happened to a database after which those who wait for it are answered, if they were not before."""
        for each in self.waiters:
            if each.name == name and (not calls_only or 409 in each.allowed):
                each.allowed |= status
                each.over = each.over or over

    @rule()
    def collect(self) -> None:
        """Those who must have been answered, were; the others are left waiting."""
        ready = {each["name"] for each in self.wires["control"].ask("/status").json["databases"] if each["ready"]}
        for each in list(self.waiters):
            if each.over or each.name in ready:
                answer = each.wire.answer()
                assert answer.status in each.allowed, (each, answer)
                each.wire.close()
                self.waiters.remove(each)

    @rule(place=PLACES)
    def leave(self, place: int) -> None:
        if self.waiters:
            self.waiters.pop(place % len(self.waiters)).wire.socket.close()

    # Streams of events

    @rule(which=SOCKETS, place=PLACES)
    def watch(self, which: str, place: int) -> None:
        name = self.name_at(place) if self.known and place % 2 else None
        stream = EventStream(self.where(which), f"/events?db={name}" if name else "/events")
        assert stream.status == 200
        told = self.told(name)
        self.watchers.append(Watcher(stream, name, told[-1][0] if told else 0))

    def told(self, name: str | None) -> list[tuple[int, object]]:
        """Every event that the daemon remembers."""
        stream = EventStream(self.daemon.control_socket, f"/events?follow=0&db={name}" if name else "/events?follow=0")
        if stream.status == 404:
            stream.close()
            return [each for each in self.told(None) if each[1]["database"] == name]
        until(lambda: stream.ended, 10, "what is held was said")
        stream.close()
        return [(int(each.id), each.data) for each in stream.events]

    @rule(place=PLACES)
    def unwatch(self, place: int) -> None:
        if self.watchers:
            self.check_watcher(self.watchers.pop(place % len(self.watchers)))

    def check_watcher(self, watcher: Watcher) -> None:
        """It has heard everything since its beginning, once and in order."""
        told = [each for each in self.told(watcher.name) if each[0] > watcher.since]

        def heard() -> list[tuple[int, object]]:
            return [(int(each.id), each.data) for each in watcher.stream.events if int(each.id) > watcher.since]

        until(lambda: len(heard()) >= len(told), 10, f"the stream tells {told}")
        assert heard()[:len(told)] == told
        watcher.stream.close()

    # Configuration

    def write(self, wanted: dict[str, tuple[str, int]] | str) -> None:
        self.file = wanted
        if isinstance(wanted, str):
            self.daemon.configure(text=BROKEN[wanted])
            return
        self.daemon.configure([self.servers.database(name, *each) for name, each in wanted.items()])

    def reload_expected(self, remove_all: bool) -> int:
        """An empty file is an error; so is one that removes everything, unless that is asked for."""
        return 422 if isinstance(self.file, str) or self.known and not self.file and not remove_all else 200

    def reloaded(self, answer: Exact | None) -> None:
        """What is in the file is in force."""
        old, new = self.known, self.file
        counts = {"added": 0, "removed": 0, "changed": 0, "unchanged": 0}
        for name in set(old) - set(new):
            counts["removed"] += 1
            for number in [number for number, lease in self.leases.items() if lease.name == name]:
                self.lease_ended(number, "removed")
            self.release(name, {404})
        self.known = {}
        for name, (kind, variant) in new.items():
            before = old.get(name)
            counts["added" if not before else "unchanged" if (before.kind, before.variant) == (kind, variant) else "changed"] += 1
            self.known[name] = before.as_now(kind, variant) if before else Known(kind, variant)
            if before and before.kind != kind and "wrong" in (before.kind, kind):
                self.release(name, {409}, calls_only=True, over=False)
        if answer:
            assert {key: answer.json[key] for key in counts} == counts

    def configure_now(self, wanted: dict | str) -> None:
        self.write(wanted)
        answer = self.wires["control"].ask("/reload", "POST")
        assert answer.status == self.reload_expected(False), answer
        if answer.status == 200:
            self.reloaded(answer)

    @rule(wanted=st.one_of(CONFIGURATIONS, CONFIGURATIONS, st.just({}), st.sampled_from(sorted(BROKEN))),
          how=st.sampled_from(("post", "hangup", "later")))
    def configure(self, wanted: dict | str, how: str) -> None:
        self.settle_pauses()
        if how == "post":
            self.configure_now(wanted)
            return
        self.write(wanted)
        status = self.reload_expected(False)
        if how == "hangup":
            said = len(self.reloads())
            self.daemon.signal(signal.SIGHUP)
            until(lambda: len(self.reloads()) > said, 10, "the reload is told")
            assert ("was reloaded" in self.reloads()[-1]["message"]) == (status == 200)
            if status == 200:
                self.reloaded(None)

    def reloads(self) -> list:
        return [entry for entry in self.daemon.log_entries() if "was reloaded" in entry.get("message", "")
                or "is not used" in entry.get("message", "")]

    @precondition(lambda self: not isinstance(self.file, str))
    @rule()
    def restart(self) -> None:
        """Leases by the clock and pauses outlive it; leases by connection end with it, and those who wait are told."""
        self.settle_pauses()
        for wire in self.wires.values():
            wire.close()
        code, _ = self.daemon.stop()
        assert code == 0
        for number in self.held():
            self.lease_ended(number, "stopping")
        for each in self.waiters:
            assert each.wire.answer().status in each.allowed | {503}
            each.wire.close()
        for each in self.watchers:
            until(lambda each=each: each.stream.ended, 10, "the stream ends")
            each.stream.close()
        self.waiters, self.watchers = [], []
        gone = {number for number, lease in self.leases.items() if lease.name not in self.file}
        self.forgotten |= gone
        self.leases = {number: lease for number, lease in self.leases.items() if number not in gone}
        before = self.known
        self.known = {name: before[name].as_now(kind, variant) if name in before else Known(kind, variant)
                      for name, (kind, variant) in self.file.items()}
        self.daemon.start()
        self.wires = {which: Wire(self.where(which)) for which in ("status", "control")}

    # What happens to the databases

    @rule()
    def suspend(self) -> None:
        self.servers.naps.awake = False
        self.servers.naps.cut()
        for name in self.running("naps"):
            until(lambda name=name: not self.daemon.status(name)["ready"], 10, f"{name} is not awake")

    @rule()
    def rise(self) -> None:
        self.servers.naps.awake = True
        for name in self.running("naps"):
            if any(lease.name == name for lease in self.leases.values()):
                self.daemon.wait_state(name, "awake", 20)

    @rule(how=st.sampled_from(("fatal", "eof", "reset")))
    def cut(self, how: str) -> None:
        statuses = [self.daemon.status(name) for name in self.running("plain")]
        held = {status["name"]: status["generation"] for status in statuses if status["session"]["held"]}
        self.servers.plain.cut(how)
        for name, generation in held.items():
            until(lambda name=name, old=generation: self.daemon.status(name)["generation"] > old, 10, f"{name}'s sessions are dead")
            self.daemon.wait_state(name, "awake", 20)

    def running(self, kind: str) -> list[str]:
        self.settle_pauses()
        return [name for name, known in self.known.items() if known.kind == kind and not known.paused]

    def left_over(self) -> list:
        """What there is more, or less, than there was at the beginning; sockets are told apart by nothing."""
        def kinds(found: Counter) -> Counter:
            return Counter(re.sub(r"\d+", "N", each) for each in found.elements())

        now, then = kinds(self.alone()), kinds(self.idle)
        return [*(now - then).items(), *(then - now).items()]

    # The end: everybody leaves, and nothing is left of them

    def teardown(self) -> None:
        if not hasattr(self, "wires"):
            return
        try:
            self.everybody_leaves()
            self.failed = False
        finally:
            for each in [*self.watchers, *(lease for lease in self.leases.values() if lease.stream)]:
                each.stream.close()
            for each in self.waiters:
                each.wire.socket.close()
            if self.failed:
                self.daemon.close()

    def everybody_leaves(self) -> None:
        for number in self.held():
            self.end_hold(number)
        self.collect()
        for each in self.waiters:
            each.wire.socket.close()
        while self.watchers:
            self.check_watcher(self.watchers.pop())
        self.write({})
        assert self.wires["control"].ask("/reload?remove=all", "POST").status == 200
        for wire in self.wires.values():
            wire.close()
        try:
            until(lambda: not self.left_over(), 10, "all descriptors are closed")
        except Late:
            raise AssertionError(f"left over: {self.left_over()}") from None
