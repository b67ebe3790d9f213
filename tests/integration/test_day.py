"""A day in the life of a database that sleeps, told by pgwaked and by the truth; the long one is ./dev bench day."""

from rig import day
from rig.edges import quick
from rig.neon import true_latencies

SUSPEND = 4.0  # longer than a visitor comes ahead


def sleepy(conninfo: str, **more) -> dict:
    settings = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "ping_interval": "500ms", "linger": "200ms",
                "wake_at_start": False, "login_interval": "1h"}
    return quick("main", conninfo, **{**settings, **more})


def test_a_day_under_leases_costs_what_it_must_and_is_counted_truly(make_neon, make_daemon, stall):
    neon = make_neon(suspend_after=SUSPEND, wake_delay="lognormal 0.5 1.2", seed=7)
    daemon = make_daemon([sleepy(neon.conninfo())]).start()
    bursts = day.plan(55, SUSPEND, seed=7)
    told, application = day.live(daemon, neon, bursts)
    truth = day.true_wakes(neon)
    print(f"{len(bursts)} bursts, {application.queries} queries; wakes told {told.wakes}, in truth {truth}")
    assert told.wakes["other"] == truth["visitor"] >= 1
    assert told.wakes["lease"] == truth["pgwaked"] >= 2  # a slow machine is late with one burst, and the next finds it awake
    assert sum(told.wakes.values()) == sum(truth.values())
    assert not day.wakes_without_demand(neon, application)

    latencies = true_latencies(neon)
    assert len(told.latencies) == len(latencies)
    print(f"wake latencies told {[round(each, 3) for each in told.latencies]}, in truth {[round(each, 3) for each in latencies]}")
    assert all(abs(ours - true) < max(0.05 * true, stall.late(0.02)) for ours, true in zip(told.latencies, latencies))

    awake = day.true_awake(neon)
    print(f"awake for {told.awake:.2f} s, in truth {awake:.2f} s; because of us {told.ours:.2f} s")
    # Each beginning and each end may be seen as late as the machine lets us look.
    assert abs(told.awake - awake) < 0.02 * awake + 2 * sum(truth.values()) * stall.HOPS * stall.worst
    assert told.ours <= told.awake
