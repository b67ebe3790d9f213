"""The form of a database's status, and of an error, member by member."""

import re

from rig.exact import Exact

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
STATES = ("unknown", "asleep", "waking", "awake", "degraded", "full", "down", "blocked")
PHASES = ("resolve", "connect", "tls", "auth", "query")


def _time(value: object) -> bool:
    return isinstance(value, str) and bool(_TIME.fullmatch(value))


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: object) -> bool:
    return isinstance(value, str)


def _bool(value: object) -> bool:
    return isinstance(value, bool)


def _or_null(form):
    return lambda value: value is None or _fits(form, value)


def _counts(value: object) -> bool:
    return isinstance(value, dict) and all(_count(each) for each in value.values())


def _seconds_of(*names: str) -> dict:
    return {f"{name}_seconds": _or_null(_number) for name in names}


_LEASE = {"id": _count, "owner": _text, "since": _time, "until": _or_null(_time)}

STATUS = {
    "name": _text, "state": lambda value: value in STATES, "ready": _bool, "reason": _or_null(_text), "message": _or_null(_text),
    "advice": _or_null(_text), "since": _time, "age_seconds": _or_null(_number), "fresh_until": _or_null(_time), "generation": _count,
    "policy": _text, "provider": _text, "endpoint": _text,
    "last_attempt": _or_null({"kind": _text, "at": _time, "outcome": _or_null(_text), "sqlstate": _or_null(_text),
                              "address": _or_null(_text), "phases": {phase: _or_null(_number) for phase in PHASES}, "total_seconds": _number}),
    "session": {"held": _bool, "since": _or_null(_time)},
    "server": _or_null({"version": _text, "started_at": _or_null(_time), "in_recovery": _bool}),
    "wakes": {"count": _count, "by_cause": _counts,
              "last": _or_null({"at": _time, "latency_seconds": _or_null(_number), "cause": _text, "cold": _bool}),
              **_seconds_of("p50", "p95", "p99")},
    "expected_ready_in_seconds": _or_null(_number), "failures": {"consecutive": _count, "total": _count, "by_reason": _counts},
    "awake_seconds": _number, "awake_on_our_demand_seconds": _number,
    "budget": _or_null({"awake_seconds": _number, "used_seconds": _number, "spent": _bool, "month": _text}),
    "demand": _or_null({"cause": _text, "until": _or_null(_time)}),
    "leases": lambda value: isinstance(value, list) and all(_fits(_LEASE, each) for each in value),
    "next_check": _or_null({"kind": _text, "in_seconds": _number}),
}


def _fits(form, value: object) -> bool:
    if not isinstance(form, dict):
        return bool(form(value))
    return isinstance(value, dict) and value.keys() == form.keys() and all(_fits(form[key], value[key]) for key in form)


def check_status(status: dict, detail: bool) -> None:
    """Raises where a member is missing, is one too many, or is of another kind. `detail`: as on the control socket."""
    form = dict(STATUS)
    if "paused_until" in status:
        form["paused_until"] = _time
    status = dict(status)
    if detail:
        form["detail"] = _or_null(_text)
        if status["last_attempt"]:
            attempt = dict(status["last_attempt"])
            assert _or_null(_text)(attempt.pop("detail"))
            status["last_attempt"] = attempt
    assert status.keys() == form.keys(), (status.keys() ^ form.keys(), status)
    wrong = {key: status[key] for key in form if not _fits(form[key], status[key])}
    assert not wrong, wrong
    assert status["ready"] == (status["state"] == "awake") and (status["reason"] is None or not status["ready"]), status


def check_error(answer: Exact) -> None:
    """An object with a word and a sentence."""
    assert answer.headers["content-type"] == "application/json"
    said = answer.json
    assert isinstance(said["error"], str) and isinstance(said["message"], str) and said["error"] and said["message"], said
