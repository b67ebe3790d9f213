"""A month's budget of awake hours, spent in seconds: what ends, what is refused, what it says, and what it is after a restart."""

import pytest

from rig.edges import quick
from rig.patience import until
from rig.unixhttp import EventStream

SUSPEND = 1.0
BUDGET = 0.001  # hours: 3.6 s


def bounded(conninfo: str, **more) -> dict:
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "linger": "0s", "slow": "200ms",
                "wake_at_start": False, "budget": {"awake_hours": BUDGET}}
    return quick("main", conninfo, **{**settings, **more})


def refused(daemon, path: str) -> bool:
    answer = daemon.get(path, method="POST")
    return answer.status == 409 and answer.json["error"] == "budget.spent"


def test_a_spent_budget_ends_leases_refuses_wakes_and_lets_it_sleep(make_neon, make_daemon):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([bounded(neon.conninfo())]).start()
    with EventStream(daemon.control_socket, "/lease/main?owner=spender", method="POST") as lease, daemon.stream("main") as stream:
        end = lease.wait(lambda event: event.event == "end", 30).data
        assert end["reason"] == "budget.spent" and end["message"]
        until(lambda: lease.ended, 10, "the lease's stream ends")
        told = stream.wait(lambda event: event.event == "budget", 10).data
        assert told["reason"] == "budget.spent"
        asleep = stream.wait(lambda event: event.data.get("state") == "asleep", 20).data
        assert asleep["reason"] == "budget.spent" and not asleep["ready"]
    spent = neon.status()
    print(f"a budget of {3600 * BUDGET:.1f} s: awake for {spent['awake_seconds']:.2f} s in truth, of which {SUSPEND:g} s is the provider's")
    assert spent["wakes"] == 1 and spent["awake_seconds"] > 3600 * BUDGET
    assert refused(daemon, "/wake/main?wait=10s") and refused(daemon, "/lease/main") and refused(daemon, "/lease/main?for=1h")
    status = daemon.status("main")
    assert status["budget"]["spent"] is True and status["budget"]["used_seconds"] >= 3600 * BUDGET and status["leases"] == []
    held = daemon.pgwake("hold", "main", "--", "true")
    assert held.returncode == 125 and "budget.spent" in held.stderr, held.stderr
    entry, = daemon.log_entries(reason="budget.spent", level="warning")
    assert "budget" in entry["message"]

    assert daemon.stop()[0] == 0
    daemon.start()
    assert daemon.status("main")["budget"]["spent"] is True and refused(daemon, "/wake/main")
    doors = neon.status()["doors"]
    until(lambda: neon.status()["doors"] >= doors + 3, 10, "three doors")
    assert neon.status()["logins"] == spent["logins"] and neon.status()["wakes"] == 1
    assert daemon.status("main")["reason"] == "budget.spent"


def test_a_spent_budget_stops_keep_awake_and_a_greater_one_goes_on(make_neon, make_daemon):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="fixed 0.3", look_every=0.1)
    daemon = make_daemon([bounded(neon.conninfo(), policy="keep-awake")], settings={"ready": {"timeout": "1s"}}).start()
    daemon.wait_state("main", "awake")
    assert daemon.wait_state("main", "asleep", 30)["reason"] == "budget.spent"
    assert neon.status()["wakes"] == 1
    daemon.configure([bounded(neon.conninfo(), policy="keep-awake", budget={"awake_hours": 1})])
    assert daemon.reload().status == 200
    status = daemon.wait_state("main", "awake", 20)
    assert status["budget"]["spent"] is False and status["budget"]["used_seconds"] > 3600 * BUDGET


@pytest.mark.parametrize("left", ["0s", "1h"])
def test_others_may_spend_it_too(make_neon, make_daemon, left):
    """What counts is the time awake, whoever pays for it; only what we do ends with the budget."""
    neon = make_neon(suspend_after=60, wake_delay="fixed 0.1", look_every=0.1)
    daemon = make_daemon([bounded(neon.conninfo(), suspend_after="60s", linger=left)]).start()
    visitor = neon.connect(application_name="visitor")
    with daemon.stream("main") as stream:
        assert daemon.get("/wake/main?wait=10s", method="POST", timeout=20).status == 200
        stream.wait(lambda event: event.event == "budget", 20)
    assert daemon.status("main")["state"] == "awake" and refused(daemon, "/lease/main")
    assert neon.status()["state"] == "awake"
    visitor.close()
