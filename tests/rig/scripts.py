"""The scripts of the fake server, by name: ACTION-PHASE, and a few that are whole scripts of their own.

Phases, in the order a client passes them:
    at-connect        connected, nothing read          after-sslrequest  its SSLRequest (or startup packet) was read
    in-tls            answered S, its hello was read   after-startup     its startup packet was read
    in-auth           its first SASL message was read  in-query          logged in, its query was read
    after-query       logged in, its query was answered
Actions: silence, reset, close, garbage, drip, endless-notices, huge-length, error.
Whole scripts: ok, asks-password, naps, scram-iterations, silence-at-accept (of silence-at-connect not even the SYN is
answered).
"""

import asyncio
import random
import struct

from rig import wire
from rig.conversation import Conversation

_GIGABYTE = 1 << 30


# Phases: each brings the conversation there

async def _at_connect(_: Conversation) -> None:
    pass


async def _in_query(talk: Conversation) -> None:
    talk.extended = await talk.until_query()


async def _after_query(talk: Conversation) -> None:
    await talk.answer(await talk.until_query())


PHASES = {
    "at-connect": _at_connect,
    "after-sslrequest": Conversation.until_encryption_asked,
    "in-tls": Conversation.until_in_tls,
    "after-startup": Conversation.until_startup,
    "in-auth": Conversation.until_sasl,
    "in-query": _in_query,
    "after-query": _after_query,
}


# Actions: what happens then

async def _silence(talk: Conversation, _: str) -> None:
    await talk.read_for_ever()


async def _reset(talk: Conversation, _: str) -> None:
    talk.reset()


async def _close(talk: Conversation, _: str) -> None:
    await talk.close()


async def _garbage(talk: Conversation, _: str) -> None:
    """Bytes from a fixed seed: a failure can be repeated. None of them begins like a valid answer."""
    await talk.send(b"\xff" + random.Random(talk.fake.seed + talk.seen.number).randbytes(talk.fake.garbage_bytes))
    await talk.read_for_ever()


async def _drip(talk: Conversation, phase: str) -> None:
    """Goes on as a valid server, one byte at a time."""
    talk.dripping = True
    if phase == "in-query":
        await talk.answer(talk.extended)
    elif phase == "in-auth":
        await talk.send(wire.error_response("FATAL", "28P01", "password authentication failed"))
    else:
        await talk.send_login()
    while True:
        await talk.answer(await talk.read_query())


async def _endless_notices(talk: Conversation, _: str) -> None:
    notice = wire.notice_response("NOTICE", "00000", "and another thing") * talk.fake.notices_per_burst
    ending = asyncio.ensure_future(talk.read_for_ever())
    try:
        while not ending.done():
            await talk.send(notice)
            await asyncio.sleep(talk.fake.burst_interval)
        await ending
    finally:
        ending.cancel()


async def _huge_length(talk: Conversation, phase: str) -> None:
    """A message that says it has a gigabyte, and a few bytes of it now and then."""
    kind = {"in-query": b"T", "after-query": b"N"}.get(phase, b"R")
    await talk.send(kind + struct.pack("!i", _GIGABYTE))
    ending = asyncio.ensure_future(talk.read_for_ever())
    try:
        while not ending.done():
            await talk.send(bytes(4096))
            await asyncio.sleep(talk.fake.burst_interval)
        await ending
    finally:
        ending.cancel()


async def _error(talk: Conversation, phase: str) -> None:
    """The fake's `error`, then the end; a query's ERROR is followed by ReadyForQuery, and the session goes on."""
    severity, sqlstate, text = talk.fake.error
    await talk.send(wire.error_response(severity, sqlstate, text))
    if phase == "in-query" and severity == "ERROR":
        await talk.send(wire.ready_for_query())
        while True:
            await talk.read_query()
            await talk.send(wire.error_response(severity, sqlstate, text) + wire.ready_for_query())
    await talk.close()


ACTIONS = {
    "silence": _silence, "reset": _reset, "close": _close, "garbage": _garbage, "drip": _drip,
    "endless-notices": _endless_notices, "huge-length": _huge_length, "error": _error,
}


# Whole scripts

async def _ok(talk: Conversation) -> None:
    await talk.until_startup()
    await talk.send_login()
    while True:
        await talk.answer(await talk.read_query())


async def _asks_password(talk: Conversation) -> None:
    await talk.until_sasl()
    await talk.send(wire.error_response("FATAL", "28P01", "password authentication failed for user"))
    await talk.close()


async def _naps(talk: Conversation) -> None:
    """A service that suspends: its door asks for a password at any time; who gives one is let in as soon as it is awake."""
    await talk.until_startup()
    await talk.until_password()
    while not talk.fake.awake:
        await asyncio.sleep(0.01)
    await talk.send_login()
    while True:
        await talk.answer(await talk.read_query())


async def _scram_iterations(talk: Conversation) -> None:
    await talk.send_iterations(await talk.until_sasl())
    await talk.read_for_ever()


async def _tls_garbage(talk: Conversation) -> None:
    """S, and then something that is no TLS record."""
    await talk.until_in_tls()
    await _garbage(talk, "in-tls")


async def _silence_at_accept(talk: Conversation) -> None:
    """Unlike silence-at-connect, where the kernel does not even answer the SYN."""
    await talk.read_for_ever()


WHOLE = {"ok": _ok, "silence-at-accept": _silence_at_accept, "asks-password": _asks_password, "naps": _naps,
         "scram-iterations": _scram_iterations, "garbage-in-tls": _tls_garbage}

# An action without a phase means the one where it hurts first.
ALIASES = {"garbage": "garbage-after-startup", "drip": "drip-after-startup", "error": "error-after-startup",
           "endless-notices": "endless-notices-after-startup", "huge-length": "huge-length-after-startup",
           "silence": "silence-after-startup", "reset": "reset-after-startup", "close": "close-after-startup"}


def names() -> list[str]:
    """Every script there is."""
    return sorted([*WHOLE, *ALIASES, *(f"{action}-{phase}" for action in ACTIONS for phase in PHASES)])


async def play(name: str, talk: Conversation) -> None:
    """Plays one script with one client."""
    name = ALIASES.get(name, name)
    if name in WHOLE:
        await WHOLE[name](talk)
        return
    for action, act in ACTIONS.items():
        phase = name.removeprefix(action + "-")
        if phase != name and phase in PHASES:
            await PHASES[phase](talk)
            await act(talk, phase)
            return
    raise KeyError(f"no script {name!r}; there are: {' '.join(names())}")
