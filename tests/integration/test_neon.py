"""pgwaked beside the stand-in for Neon: what it says of sleeping and waking is what really happened."""

import pytest

from rig.edges import assert_edges, quick
from rig.neon import wakes
from rig.patience import until

SUSPEND = 1.0


def on_demand(conninfo: str, **more) -> dict:
    """A database that is asked only under demand; a login past 200 ms is taken for a wake."""
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "500ms", "linger": "0s", "slow": "200ms",
                "wake_at_start": False}
    return quick("main", conninfo, **{**settings, **more})


@pytest.mark.parametrize("pooled, cut", [(False, "session.cut"), (True, "session.lost")])
def test_on_demand_it_wakes_by_a_call_sleeps_by_itself_and_doors_cost_nothing(make_neon, make_daemon, pooled, cut, stall):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.5", look_every=0.1)
    daemon = make_daemon([on_demand(neon.conninfo(pooled))]).start()
    until(lambda: neon.status()["doors"] >= 2, 10, "two doors")
    assert neon.status()["wakes"] == 0 and not neon.status()["logins"]

    answer = daemon.get("/wake/main?wait=20s", method="POST", timeout=30)
    assert answer.status == 200 and answer.json["state"] == "awake"
    neon.truth.wait("answered")
    truth = wakes(neon.truth.events)[0].latency_seconds
    last = daemon.status("main")["wakes"]["last"]
    print(f"woken in {1000 * last['latency_seconds']:.1f} ms, in truth {1000 * truth:.1f} ms")
    assert last["cause"] == "wake" and last["cold"] is True
    assert abs(last["latency_seconds"] - truth) < max(0.05 * truth, stall.late(0.05))

    daemon.wait_state("main", "asleep")
    before = neon.status()
    until(lambda: neon.status()["doors"] >= before["doors"] + 3, 10, "three doors more")
    after = neon.status()
    assert (after["state"], after["wakes"], after["awake_seconds"]) == ("asleep", 1, before["awake_seconds"])
    assert after["wakes_by_application"] == {"pgwaked": 1} and after["logins"] == before["logins"] == {"pgwaked": 1}
    assert daemon.status("main")["state"] == "asleep"
    assert_edges(daemon, "main", "waking/server.starting", "awake", f"unknown/{cut}", f"asleep/{cut}")
