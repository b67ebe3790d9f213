"""What a database went through, as pgwaked told it: one log entry for an edge, the same edge on /events, none for a check."""

import json

from rig.daemon import Daemon
from rig.logs import Entry
from rig.patience import Late, until

# Settings of a database under test: quick intervals, and nothing that a busy machine could turn into an edge of its own (a
# verdict gone stale, a login past `slow`, an attempt that ran out of time).
QUICK = {"ping_interval": "100ms", "login_interval": "400ms", "retry_interval": "50ms", "down_interval": "150ms",
         "blocked_interval": "150ms", "attempt_timeout": "20s", "slow": "20s", "fresh_for": "60s"}


def quick(name: str, conninfo: str, **more: object) -> dict:
    """A database with QUICK settings, and those in `more` over them."""
    return {"name": name, "conninfo": conninfo, **QUICK, **more}


def edge(state: str, reason: str | None) -> str:
    return f"{state}/{reason}" if reason else state


def _told(daemon: Daemon, name: str) -> list[tuple[str, str, str | None, int]]:
    """(previous, state, reason, generation) of every edge on /events, from the first on."""
    text = daemon.get(f"/events?follow=0&db={name}").text
    return [(each["previous"], each["state"], each["reason"], each["generation"]) for each in _events(text) if each["kind"] == "state"]


def _events(text: str) -> list[dict]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def entries(daemon: Daemon, name: str) -> list[Entry]:
    """The log's entries about a database's state."""
    return [entry for entry in daemon.log_entries(database=name) if "state" in entry]


def edges(daemon: Daemon, name: str) -> list[str]:
    """The edges so far, as "awake" or "down/tcp.refused". Asserts that log and /events tell the same ones, each once, and that
    each is one: something changed, and from where the last one led to."""

    def both() -> list | None:
        told = _told(daemon, name)
        logged = [(entry["previous"], entry["state"], entry.get("reason"), int(entry["generation"])) for entry in entries(daemon, name)]
        both.seen = told, logged
        return [told] if told == logged else None

    try:
        told = until(both, 5, "log and /events tell the same edges")[0]
    except Late:
        raise AssertionError("on /events: %s\nin the log: %s" % both.seen) from None
    before = ("unknown", "not_checked", None)
    for previous, state, reason, generation in told:
        assert previous == before[0], f"an edge from {previous} after one to {before}: {told}"
        assert (state, reason) != before[:2] or generation != before[2], f"no edge, and told as one: {told}"
        before = (state, reason, generation)
    return [edge(state, reason) for _, state, reason, _ in told]


def assert_edges(daemon: Daemon, name: str, *expected: str) -> None:
    """The edges so far are these, in this order. One in brackets may be there or not; "[a|b]" is any number of a and b."""
    seen = edges(daemon, name)
    assert _fits(seen, list(expected)), f"edges of {name}: {seen}\nexpected: {list(expected)}\n{daemon.output()[-4000:]}"


def _fits(seen: list[str], expected: list[str]) -> bool:
    if not expected:
        return not seen
    first, rest = expected[0], expected[1:]
    if not first.startswith("["):
        return bool(seen) and seen[0] == first and _fits(seen[1:], rest)
    return _fits(seen, rest) or (bool(seen) and seen[0] in first[1:-1].split("|") and _fits(seen[1:], expected))


def assert_phases(status: dict, *entered: str, last: float = 0.0) -> dict:
    """The last attempt entered these phases and no others, they add up to its time, and the last took at least `last` seconds."""
    attempt = status["last_attempt"]
    phases = {phase: seconds for phase, seconds in attempt["phases"].items() if seconds is not None}
    assert list(phases) == list(entered), attempt
    assert abs(sum(phases.values()) - attempt["total_seconds"]) < 0.001, attempt
    assert phases[entered[-1]] >= last, attempt
    return phases


def wait_failures(daemon: Daemon, name: str, reason: str, count: int, timeout: float = 10.0) -> dict:
    """Waits until a reason was counted so often; repeated failures are no edges, so nothing tells of them."""

    def look() -> dict | None:
        status = daemon.status(name)
        return status if status["failures"]["by_reason"].get(reason, 0) >= count else None

    return until(look, timeout, f"{count} x {reason}")
