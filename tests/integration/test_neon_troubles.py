"""Every text of Neon's proxy: the reason and the state that pgwaked makes of it, and the rhythm in which it asks again."""

import itertools
import time

import pytest

from rig.edges import quick
from rig.patience import patient, until
from rig.troubles import TROUBLES

RETRY, DOWN, BLOCKED = 0.05, 0.15, 0.2
GROUPS = 4
# A state by what the reason's class is; what has no row here is a failure that passes: down after `fall` of them.
STATES = {"provider.quota": "blocked", "provider.disabled": "blocked", "provider.config": "blocked", "auth.password": "blocked",
          "auth.rejected": "blocked", "database.missing": "blocked", "database.denied": "blocked", "server.full": "full",
          "server.starting": "waking", "server.recovering": "waking"}


def asked(name: str, conninfo: str, **more) -> dict:
    """A database that is asked by logins alone, under demand, in an exact rhythm."""
    settings = {"provider": "neon", "policy": "on-demand", "wake_at_start": False, "door_interval": "0s", "jitter": "0%",
                "retry_interval": f"{RETRY}s", "down_interval": f"{DOWN}s", "blocked_interval": f"{BLOCKED}s", "wake_timeout": "1h"}
    return quick(name, conninfo, **{**settings, **more})


def rhythm(reason: str) -> list[float]:
    """The least time before the second, third, fourth ... attempt."""
    if STATES.get(reason) == "blocked":
        return [BLOCKED] * 3
    if STATES.get(reason) == "waking":
        return [RETRY] * 3
    ceiling = 300 if reason == "provider.throttled" else DOWN
    return [min(ceiling, RETRY * 2 ** i) for i in range(3)]


def refusals(neon, since: int) -> list[float]:
    return [event["monotonic_usec"] / 1e6 for event in neon.truth.of("refused", since) if event.get("application") == "pgwaked"]


@pytest.mark.parametrize("group", range(GROUPS))
def test_each_text_has_its_reason_its_state_and_its_rhythm(make_neon, make_daemon, group):
    neon = make_neon(suspend_after=60, look_every=0.1)
    troubles = dict(itertools.islice(TROUBLES.items(), group, None, GROUPS))
    assert troubles
    daemon = make_daemon([asked(name, neon.conninfo(pooled=trouble.pooled, **trouble.cause)) for name, trouble in troubles.items()]).start()
    for name, trouble in troubles.items():
        if not trouble.cause:
            neon.trouble(name)
        mark, least = neon.truth.mark(), rhythm(trouble.reason)
        assert daemon.get(f"/wake/{name}", method="POST").status == 202
        until(lambda: len(refusals(neon, mark)) > len(least), 20, f"{name}: {len(least) + 1} attempts")
        status = daemon.wait_reason(name, trouble.reason)
        gaps = [after - before for before, after in itertools.pairwise(refusals(neon, mark))]
        print(f"{name}: {status['state']}/{status['reason']}; asked again after {', '.join(f'{1000 * gap:.0f}' for gap in gaps)} ms")
        assert status["state"] == STATES.get(trouble.reason, "down"), status
        assert set(status["failures"]["by_reason"]) == {trouble.reason}, status["failures"]
        # Counted from the end of the one before: never sooner.
        assert all(gap > expected - 0.005 for gap, expected in zip(gaps, least)), (gaps, least)
        if trouble.text:
            assert trouble.text.split("{")[0][:60] in daemon.status(name)["detail"]
        assert daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
        # The pause has cut an attempt short that the proxy may still be busy with: it would be refused as one of the next database's.
        until(lambda: neon.status()["connections"] == 0, 20, f"{name}: the proxy has noticed that pgwaked left")
        neon.trouble("off")


def test_a_disabled_endpoint_that_is_enabled_is_noticed_within_blocked_interval(make_neon, make_daemon, stall):
    neon = make_neon(suspend_after=60)
    blocked = 1.0
    daemon = make_daemon([asked("main", neon.conninfo(), blocked_interval=f"{blocked}s")]).start()
    neon.trouble("disabled")
    with daemon.stream("main") as stream:
        assert daemon.get("/wake/main", method="POST").status == 202
        stream.wait(lambda event: event.data.get("reason") == "provider.disabled")
        refused = daemon.get("/wake/main", method="POST")
        assert refused.status == 409 and refused.json["error"] == "provider.disabled"
        neon.trouble("off")
        enabled = time.monotonic()
        awake = stream.wait(lambda event: event.data.get("state") == "awake", 20).monotonic_usec / 1e6
    print(f"enabled, and awake {awake - enabled:.2f} s later; blocked_interval {blocked} s")
    assert awake - enabled < stall.late(blocked + 0.5)


@pytest.mark.parametrize("trouble", ["quota", "throttled"])
def test_calls_and_leases_cause_no_more_attempts_than_the_rhythm_allows(make_neon, make_daemon, trouble):
    neon = make_neon(suspend_after=60)
    daemon = make_daemon([asked("main", neon.conninfo(), blocked_interval="400ms")]).start()
    neon.trouble(trouble)
    mark, begun = neon.truth.mark(), time.monotonic()
    calls = 0
    # A busy machine may take seconds for one attempt: two of them at least, or there is no rhythm to look at.
    while (span := time.monotonic() - begun) < 3 or (span < patient(20) and len(refusals(neon, mark)) < 2):
        daemon.get("/wake/main", method="POST")
        daemon.get("/lease/main?for=1min", method="POST")
        calls += 2
    attempts = len(refusals(neon, mark))
    if trouble == "quota":
        most = span / 0.4 + 1
    else:  # doubling from RETRY
        most = next(n for n in itertools.count(1) if RETRY * (2 ** n - 1) > span) + 1
    print(f"{trouble}: {calls} calls in {span:.1f} s, {attempts} attempts, at most {most:.1f} in its rhythm")
    assert 2 <= attempts <= most
    assert daemon.status("main")["reason"] == TROUBLES[trouble].reason
