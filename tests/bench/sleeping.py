"""What sleeping saves and what watching costs, against the stand-in for Neon: the parts of ./dev bench that take minutes."""

import contextlib
import time
from pathlib import Path
from typing import Callable, Iterator

from rig import day
from rig.ca import CA
from rig.daemon import Daemon
from rig.folder import make_folder
from rig.neon import Neon, issue

SUSPEND = 5.0
DAY = 240.0
SLEEP = 600.0
MONITOR_EVERY = 1.0

Say = Callable[..., None]


@contextlib.contextmanager
def neons(folder: Path, count: int, **options: object) -> Iterator[list[Neon]]:
    ca = CA(make_folder(folder, "ca-"))
    opened: list[Neon] = []
    try:
        for number in range(count):
            opened.append(Neon(make_folder(folder, "n-"), ca, issue(ca), folder, f"neon{number}", **options))
        yield opened
    finally:
        for each in opened:
            each.close()


@contextlib.contextmanager
def daemon_of(folder: Path, neon: Neon, **more: object) -> Iterator[Daemon]:
    database = {"name": "main", "conninfo": neon.conninfo(), "provider": "neon", "suspend_after": f"{SUSPEND}s", "wake_at_start": False,
                "login_interval": "1h", **more}
    daemon = Daemon(make_folder(folder, "d-"), [database])
    try:
        yield daemon.start()
    finally:
        daemon.close()


def measure_day(folder: Path, say: Say) -> None:
    """The same bursts three times at once: under leases, without anybody, and beside a naive monitor."""
    bursts = day.plan(DAY, SUSPEND, seed=11)
    worked = sum(burst.length for burst in bursts)
    with neons(folder, 3, suspend_after=SUSPEND, wake_delay="lognormal 0.5 1.2", seed=5) as (watched, alone, monitored):
        with daemon_of(folder, watched, door_interval="1s", ping_interval="500ms", linger="200ms") as daemon, \
                day.Unwatched(alone, bursts) as first, day.Unwatched(monitored, bursts) as second, \
                day.NaiveMonitor(monitored, MONITOR_EVERY) as monitor:
            told, application = day.live(daemon, watched, bursts)
            first.join()
            second.join()
            monitor.stop()
            awake = [day.true_awake(neon) for neon in (watched, alone, monitored)]
        wakes = [sum(day.true_wakes(neon).values()) for neon in (watched, alone, monitored)]
    stray = len(day.wakes_without_demand(watched, application))
    say(f"a day in {DAY:.0f} s, {len(bursts)} bursts ({worked:.0f} s of work), asleep after {SUSPEND:g} s: awake under leases",
        f"{awake[0]:.1f} s, {wakes[0]} wakes", f"{awake[1]:.1f} s, {wakes[1]} wakes with nobody watching", f"{awake[0] / awake[1]:.2f} x")
    say(f"the same beside a monitor that asks SELECT 1 every {MONITOR_EVERY:g} s", f"{awake[2]:.1f} s, {wakes[2]} wakes",
        f"{awake[1]:.1f} s, {wakes[1]} wakes with nobody watching", f"{awake[2] / awake[1]:.2f} x")
    say("seconds awake that pgwaked told of that day", f"{told.awake:.1f} s", f"{awake[0]:.1f} s in truth", f"{told.awake / awake[0]:.3f} x",
        "0.98 to 1.02 x")
    say("wakes that pgwaked caused without demand", str(stray), target="0")


def measure_asleep(folder: Path, say: Say) -> None:
    """Ten minutes of sleep by the clock, with the door checks of a default configuration sixty times as often."""
    with neons(folder, 1, suspend_after=SUSPEND, wake_delay="fixed 0.5") as (neon,):
        with daemon_of(folder, neon, door_interval="500ms", linger="0s", retry_interval="50ms") as daemon:
            assert daemon.get("/wake/main?wait=30s", method="POST", timeout=40).status == 200
            daemon.wait_state("main", "asleep", 60)
            before, begun = neon.status(), time.monotonic()
            with daemon.stream("main") as stream:
                time.sleep(SLEEP)
                changes, after = len(stream.events), neon.status()
                slept = time.monotonic() - begun
                neon.command("refuse on")
                down = stream.wait(lambda event: event.data.get("state") == "down", 30).data
            failed = daemon.status("main")["failures"]["consecutive"]
    say(f"logins in {slept / 60:.0f} minutes of sleep with {after['doors'] - before['doors']} door checks",
        str(sum(after["logins"].values()) - sum(before["logins"].values())), target="0")
    say("wakes in that time", str(after["wakes"] - before["wakes"]), target="0")
    say("changes of its state (asleep) in that time", str(changes), target="0")
    say(f"door checks from the proxy's end to {down['state']}/{down['reason']}", str(failed), target="3 (fall)")
