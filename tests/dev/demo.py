#!/usr/bin/env python3
"""Shows pgwaked at work. Without an argument: on a private PostgreSQL on loopback that falls asleep when idle, about 40 seconds. With a
conninfo: on that database, until Ctrl-C. Run by ./dev demo, which builds the programs first."""

import argparse
import json
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rig.daemon import Daemon
from rig.folder import make_folder, remove_folder
from rig.nap import Nap
from rig.unixhttp import Event, EventStream

SUSPEND_AFTER = 3.0  # seconds without a query, after which the napping PostgreSQL stops
WAKE_DELAY = 1.0  # what a service needs to find a machine for it
NAME = "napping"
WORK = 4.0  # seconds that a report takes


def span(seconds: float | None) -> str:
    """For people: three digits."""
    if seconds is None:
        return "an unknown time"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s"


class Teller:
    """Lines of plain words with the time since the beginning."""

    def __init__(self):
        self._begun = time.monotonic()
        self._bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")

    def step(self, title: str, text: str) -> None:
        at = time.monotonic() - self._begun
        lines = textwrap.wrap(text, 108)
        print(f"{at:5.1f} s  {self._bold[0]}{title:<8}{self._bold[1]} {lines[0]}")
        for line in lines[1:]:
            print(f"{'':17} {line}")
        sys.stdout.flush()

    def command(self, words: str) -> None:
        print(f"         $ {words}", flush=True)

    def output(self, text: str) -> None:
        print("\n".join(f"         {line}" for line in text.rstrip("\n").splitlines()), flush=True)


class Story:
    """The demonstration on the napping PostgreSQL."""

    def __init__(self, folder: Path, teller: Teller):
        self.nap = Nap(folder, folder, suspend_after=SUSPEND_AFTER, wake_delay=WAKE_DELAY)
        self.daemon: Daemon | None = None
        self.tell = teller
        self.stream = None
        self._folder = folder

    def configuration(self, policy: str) -> list[dict]:
        return [{"name": NAME, "conninfo": self.nap.uri(), "provider": "neon", "policy": policy, "suspend_after": "2s",
                 "wake_at_start": False, "linger": "1s", "ping_interval": "500ms", "retry_interval": "100ms", "down_interval": "500ms"}]

    def run(self) -> None:
        for chapter in (self.found_cold, self.woken, self.asleep, self.held, self.kept, self.lost, self.refused):
            chapter()

    def close(self) -> None:
        if self.stream:
            self.stream.close()
        try:
            if self.daemon:
                self.daemon.close()
        finally:
            self.nap.close()

    def wait(self, mark: int, state: str, kind: str = "state", timeout: float = 30) -> Event:
        """The first such event after the mark."""
        return self.stream.wait(lambda event: event.event == kind and event.data["state"] == state, timeout, since=mark)

    def pgwake(self, *words: str) -> str:
        self.tell.command("pgwake " + " ".join(words))
        return self.daemon.pgwake(*words).stdout

    # The chapters

    def found_cold(self) -> None:
        self.tell.step("asleep", f"A PostgreSQL sleeps behind {self.nap.host}:{self.nap.port}. A login wakes it; after {SUSPEND_AFTER:g} s "
                                 "without a query it stops again.")
        self.daemon = Daemon(self._folder, self.configuration("on-demand"))
        self.daemon.start()
        self.stream = self.daemon.stream()
        ready = self.daemon.get(f"/readyz/{NAME}?accept=asleep&wait=10s").json
        status = self.daemon.status(NAME)
        self.tell.step("found", f"pgwaked knocked at its door, without a password, and was answered in "
                                f"{span((status['last_attempt'] or {}).get('total_seconds'))}: "
                                f"{'good enough' if ready['ready'] else 'not good enough'} for who wakes it himself "
                                f"(/readyz?accept=asleep). Times it was woken so far: {self.nap.status()['wakes']}.")

    def woken(self) -> None:
        mark = len(self.stream.events)
        begun = time.monotonic()
        self.pgwake("wait", NAME, "--wake")
        waited = time.monotonic() - begun
        wake = self.wait(mark, "awake", "wake").data
        started = self.nap.truth.of("started")[-1]
        self.tell.step("woken", f"It answered {span(wake['latency_seconds'])} after the login began, and pgwake returned after "
                                f"{span(waited)} in all. PostgreSQL's own start took {span(started['took_usec'] / 1e6)} of that; a cold "
                                f"start, {'proven by' if wake['cold'] else 'but not seen from'} the server's own clock.")

    def asleep(self) -> None:
        mark, truth = len(self.stream.events), self.nap.truth.mark()
        begun = time.monotonic()
        event = self.wait(mark, "asleep")
        unknown = next(each for each in self.stream.events[mark:] if each.data["reason"] == "session.cut")
        closed = self.nap.truth.wait("suspend_begin", since=truth)
        self.tell.step("asleep", f"Nobody needed it for {time.monotonic() - begun:.1f} s, so it was suspended. The held session's end was on "
                                 f"/events {span((unknown.monotonic_usec - closed['monotonic_usec']) / 1e6)} after the server was told to "
                                 f"stop, and the verdict asleep {span((event.monotonic_usec - unknown.monotonic_usec) / 1e6)} later.")

    def held(self) -> None:
        mark, wakes = len(self.stream.events), self.nap.status()["wakes"]
        self.tell.command(f"pgwake hold {NAME} -- ./report    # which takes {WORK:g} s")
        begun = time.monotonic()
        self.tell.output(self.daemon.pgwake("hold", NAME, "--", "sh", "-c", f"sleep {WORK}; echo the report is written").stdout)
        took = time.monotonic() - begun
        slept = time.monotonic()
        self.wait(mark, "asleep")
        status = self.daemon.status(NAME)
        self.tell.step("held", f"It was woken first ({span(took - WORK)}), then the report was started, and while that ran the database stayed "
                               f"awake, longer than it would by itself. {span(time.monotonic() - slept)} after its end it was asleep again. "
                               f"Cost so far: {self.nap.status()['wakes']} wakes ({self.nap.status()['wakes'] - wakes} for this), "
                               f"{span(status['awake_seconds'])} awake, {span(status['awake_on_our_demand_seconds'])} of them because of us.")

    def kept(self) -> None:
        mark = len(self.stream.events)
        self.daemon.configure(self.configuration("keep-awake"))
        self.tell.command('# in the configuration: policy = "keep-awake"')
        self.tell.output(self.pgwake("reload"))
        self.wait(mark, "awake")
        wakes = self.nap.status()["wakes"]
        begun = time.monotonic()
        pings = []
        while time.monotonic() - begun < 2 * SUSPEND_AFTER:
            attempt = self.daemon.status(NAME)["last_attempt"]
            if attempt["kind"] == "ping" and attempt["at"] not in (at for at, _ in pings):
                pings.append((attempt["at"], attempt["total_seconds"]))
            time.sleep(0.1)
        times = sorted(seconds for _, seconds in pings)
        woken_again = self.nap.status()["wakes"] - wakes
        self.tell.step("kept", f"Awake for {time.monotonic() - begun:.1f} s, twice as long as it would be by itself: {len(pings)} pings on one "
                               f"session, median {span(times[len(times) // 2] if times else None)}. It "
                               f"{'never slept' if not woken_again else 'slept all the same'}.")

    def lost(self) -> None:
        mark, truth = len(self.stream.events), self.nap.truth.mark()
        self.nap.command("suspend now")
        cut = self.stream.wait(lambda event: event.data["reason"] in ("session.cut", "session.lost"), 10, since=mark)
        begun = self.nap.truth.wait("suspend_begin", since=truth)
        back = self.wait(mark, "awake")
        self.tell.step("lost", f"Now the server is stopped under it. The loss was on /events after "
                               f"{span((cut.monotonic_usec - begun['monotonic_usec']) / 1e6)} (not at the next ping), a login followed in "
                               f"the same instant, and it was awake again {span((back.monotonic_usec - cut.monotonic_usec) / 1e6)} later. "
                               f"Generation {back.data['generation']}: pools older than that are dead.")

    def refused(self) -> None:
        mark = len(self.stream.events)
        self.nap.command("refuse on")
        self.nap.command("suspend now")
        down = self.wait(mark, "down")
        cut = self.stream.events[mark]
        self.tell.step("down", f"And now nothing listens there any more: down, with the reason {down.data['reason']}, "
                               f"{span((down.monotonic_usec - cut.monotonic_usec) / 1e6)} after the session was lost, by three attempts.")
        self.tell.output(self.pgwake("status"))
        self.tell.output(self.pgwake("reasons", down.data["reason"]))
        mark = len(self.stream.events)
        self.nap.command("refuse off")
        begun = time.monotonic()
        self.wait(mark, "awake")
        self.tell.step("back", f"It listens again, and was awake {span(time.monotonic() - begun)} later.")


def tell_story(teller: Teller) -> None:
    folder = make_folder(prefix="pgwaked-demo-")
    story = None
    try:
        story = Story(folder, teller)
        story.run()
    finally:
        try:
            if story:
                story.close()
        finally:
            remove_folder(folder)
    teller.step("end", "Everything was stopped, and nothing is left behind.")


def describe(event: Event) -> tuple[str, str]:
    data = event.data
    if event.event == "wake":
        if data["cause"] == "other":
            return "awake", "Somebody else had woken it."
        return "woken", (f"answered {span(data['latency_seconds'])} after the first attempt"
                         + (", a cold start, proven by the server's own clock." if data["cold"] else "."))
    before = "" if data["previous"] == data["state"] else f"was {data['previous']}. "
    return data["state"], before + data["message"] + (f" ({data['reason']})" if data["reason"] else "")


def watch(conninfo: str, teller: Teller) -> int:
    """Watches the reader's own database until Ctrl-C."""
    folder = make_folder(prefix="pgwaked-demo-")
    own = {key: os.environ[key] for key in ("HOME", "PGPASSFILE", "PGSERVICEFILE") if key in os.environ}
    daemon = Daemon(folder, [{"name": "yours", "conninfo": conninfo}], env=own)
    try:
        checked = daemon.run("--check-config")
        teller.output(checked.stderr + checked.stdout)
        if checked.returncode != 0:
            return 1
        daemon.start()
        teller.step("watching", "Until Ctrl-C. The first login wakes it; what comes after follows from its policy.")
        stream = daemon.stream(last_id=0)
        follow(stream, daemon, teller)
        return 1
    finally:
        daemon.close()
        remove_folder(folder)


def follow(stream: EventStream, daemon: Daemon, teller: Teller) -> None:
    """Tells every event, what to do about each reason once, and all that is known when the first things have happened."""
    seen, shown, last = 0, False, time.monotonic()
    explained = set()
    while not stream.ended:
        for event in stream.events[seen:]:
            teller.step(*describe(event))
            reason = event.data["reason"]
            if reason and reason not in explained:
                explained.add(reason)
                teller.output("What to do: " + json.loads(daemon.pgwake("reasons", reason, "--json").stdout)["advice"])
            seen, last = seen + 1, time.monotonic()
        if seen and not shown and time.monotonic() - last > 1:
            teller.command("pgwake status yours")
            teller.output(daemon.pgwake("status", "yours").stdout)
            shown = True
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("conninfo", nargs="?", help="postgresql://user:password@host/db")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.conninfo:
            return watch(options.conninfo, Teller())
        tell_story(Teller())
        return 0
    except KeyboardInterrupt:
        print()
        return 130


if __name__ == "__main__":
    sys.exit(main())
