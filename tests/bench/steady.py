"""What watching costs while nothing happens: a lone database, and ten thousand healthy sessions, each against a loop on bare libpq that
sleeps as long between two checks. A loop that never sleeps finds everything in the caches, and is woken by nobody."""

import json
import re
import statistics
import subprocess
import time
from typing import Callable

from rig.ca import CA
from rig.daemon import Daemon
from rig.patience import until
from rig.process import rss_anon_kb
from rig.replay import Recording, Replay
from rig.witness import Asker

ROUNDS = 3
LONE_EVERY = 0.05  # seconds between two checks of the lone database
LONE_SECONDS = 6
MANY = 10_000
MANY_EVERY = 10
MANY_SECONDS = 20
SETTLES = 3  # seconds after which the start of all is over, and written


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process, so far."""
    return time.clock_gettime((~pid << 3) | 2)  # its CPU clock (clock_getcpuclockid(3))


def attempts(daemon: Daemon, kind: str) -> int:
    text = daemon.get("/metrics", timeout=60).text
    return sum(int(float(count)) for count in re.findall(rf'^pgwake_attempts_total{{[^}}]*kind="{kind}"[^}}]*}} (\S+)', text, re.M))


def cpu_each(daemon: Daemon, kind: str, seconds: float) -> float:
    """What a check costs; the two questions for their number are not counted."""
    count, cpu = attempts(daemon, kind), cpu_seconds(daemon.pid)
    time.sleep(seconds)
    cpu = cpu_seconds(daemon.pid) - cpu
    return cpu / (attempts(daemon, kind) - count)


def bare_each(bench, kind: str, conninfo: str, query: str, count: int, connections: int, every: float) -> float:
    command = [bench.bare, kind, str(count), conninfo, str(connections), str(round(every * 1e6))]
    done = subprocess.run(command, capture_output=True, check=True, env={"PROBE_QUERY": query, "HOME": str(bench.folder)})
    said = json.loads(done.stdout)
    return said["asking_cpu_seconds"] / said["answered"]


def say_ratio(bench, what: str, ours: list[float], floors: list[float], target: str) -> None:
    mine, floor = statistics.median(ours), statistics.median(floors)
    bench.say(what, f"{mine * 1e6:.0f} us", f"{floor * 1e6:.0f} us paced libpq loop", f"{mine / floor:.2f} x", f"<= {target} x")


def measure_lone(bench, query: str) -> None:
    for kind, target in (("ping", "2.5"), ("login", "1.5")):
        ours, floors = [], []
        for _ in range(ROUNDS):
            with bench.daemon([bench.database(**{f"{kind}_interval": f"{LONE_EVERY * 1e3:.0f}ms"})]) as daemon:
                daemon.wait_state("main", "awake")
                time.sleep(SETTLES)
                ours.append(cpu_each(daemon, kind, LONE_SECONDS))
            floors.append(bare_each(bench, kind, bench.conninfo(), query, round(LONE_SECONDS / LONE_EVERY), 1, LONE_EVERY))
        say_ratio(bench, f"CPU per {kind} of a lone database, {1 / LONE_EVERY:.0f}/s (trust, no TLS)", ours, floors, target)


def seconds_of(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def many(bench, replay: Replay, count: int) -> list[dict]:
    return [bench.database(f"d{i:05}", conninfo=replay.conninfo(), ping_interval=f"{MANY_EVERY}s") for i in range(count)]


def memory_of_one(bench, replay: Replay) -> int:
    with bench.daemon(many(bench, replay, 1)) as daemon:
        daemon.wait_state("d00000", "awake")
        time.sleep(SETTLES)
        return rss_anon_kb(daemon.pid)


def all_ready(daemon: Daemon) -> bool:
    return daemon.get("/readyz", timeout=60).status == 200


def measure_tls(bench) -> None:
    """What TLS adds to each of as many."""
    with Replay(certificate=CA(bench.folder / "ca").issue()) as replay:
        one = memory_of_one(bench, replay)
        with bench.daemon(many(bench, replay, MANY), {"ready": {"on": "start"}}) as daemon:
            with Asker(daemon.status_socket, "/livez") as asker:
                until(lambda: all_ready(daemon), 300, "all are awake", every=0.05)
                alive = asker.stop()
            started = time.monotonic() - daemon.started_monotonic_usec / 1e6
            time.sleep(SETTLES + MANY_EVERY)
            each = (rss_anon_kb(daemon.pid) - one) / (MANY - 1)
            stopped = daemon.stop(timeout=60)[1]
    bench.say(f"memory of each further of {MANY:,} sessions over TLS (RssAnon)", f"{each:.1f} KiB")
    bench.say("their start, from the process to all ready", f"{started:.2f} s")
    bench.say("/livez meanwhile, worst", f"{alive.worst * 1e3:.0f} ms", f"{alive.stall * 1e3:.0f} ms the machine's own worst stall")
    bench.say("SIGTERM to their end", f"{stopped:.2f} s", target="<= 2 s")


def measure_many(bench, query: str) -> None:
    """Against a server that replays what PostgreSQL sent: it is not to be what is measured."""
    recording = Recording.of(bench.cluster.host, bench.cluster.port, query, user="app", database="app", application_name="pgwaked",
                             client_encoding="UTF8")
    with Replay(recording) as replay:
        one = memory_of_one(bench, replay)
        with bench.daemon(many(bench, replay, MANY), {"ready": {"on": "start"}}) as daemon:
            until(lambda: all_ready(daemon), 120, "all are awake", every=0.05)
            started = time.monotonic() - daemon.started_monotonic_usec / 1e6
            time.sleep(SETTLES + MANY_EVERY)
            every = MANY_EVERY / MANY
            floors = [bare_each(bench, "ping", replay.conninfo(), query, 5000, 1000, every)]
            ours = [cpu_each(daemon, "ping", MANY_SECONDS)]
            floors.append(bare_each(bench, "ping", replay.conninfo(), query, 5000, 1000, every))
            each = (rss_anon_kb(daemon.pid) - one) / (MANY - 1)
            with Asker(daemon.status_socket, "/livez") as asker:
                took = {path: seconds_of(lambda path=path: daemon.get(path, timeout=60)) for path in ("/status", "/metrics")}
                took["a reload that changes nothing"] = daemon.reload(60).seconds
                alive = asker.stop()
            stopped = daemon.stop(timeout=60)[1]
    say_ratio(bench, f"CPU per ping of {MANY:,} healthy sessions, {1 / every:.0f}/s (no TLS)", ours, floors, "2.0")
    bench.say("memory of each further session of them (RssAnon)", f"{each:.1f} KiB", target="<= 22 KiB")
    bench.say("their start, from the process to all ready", f"{started:.2f} s")
    for what, seconds in took.items():
        bench.say(f"{what}, of them", f"{seconds:.2f} s")
    bench.say("/livez meanwhile, worst", f"{alive.worst * 1e3:.0f} ms", f"{alive.stall * 1e3:.0f} ms the machine's own worst stall", target="<= 50 ms")
    bench.say("SIGTERM to their end", f"{stopped:.2f} s", target="<= 2 s")
