"""The truth log: what really happened and when, for a test to hold pgwaked's measurements against."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Callable, IO

from rig.patience import Late, patient


class TruthLog:
    """Writes events as JSON lines: event, realtime_usec, monotonic_usec, and what belongs to the event."""

    def __init__(self, stdout: bool = False, path: Path | None = None):
        self._outputs: list[IO[str]] = [sys.stdout] if stdout else []
        self._file = open(path, "a", encoding="utf-8") if path else None
        if self._file:
            self._outputs.append(self._file)

    def emit(self, event: str, at: tuple[int, int] | None = None, **fields: object) -> None:
        """`at` is (realtime, monotonic) in microseconds when the event was earlier than now."""
        realtime, monotonic = at or (time.time_ns() // 1000, time.monotonic_ns() // 1000)
        line = json.dumps({"event": event, "realtime_usec": realtime, "monotonic_usec": monotonic, **fields})
        for output in self._outputs:
            try:
                output.write(line + "\n")
                output.flush()
            except (BrokenPipeError, ValueError):
                pass  # nobody reads any more; the other output still counts

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._outputs.remove(self._file)
            self._file = None


class TruthReader:
    """Reads such lines from a stream in a thread of its own, for tests that wait for them."""

    def __init__(self, stream: IO[str]):
        self.events: list[dict] = []
        self.ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), name="truth", daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self.ended = True
            self._news.notify_all()

    def mark(self) -> int:
        """A place to wait from: events before it do not count."""
        return len(self.events)

    def of(self, event: str, since: int = 0) -> list[dict]:
        """All events of a kind so far."""
        return [each for each in self.events[since:] if each["event"] == event]

    def wait(self, event: str, timeout: float = 10.0, since: int = 0, count: int = 1,
             where: Callable[[dict], bool] = lambda _: True) -> dict:
        """Waits until `count` such events came after the mark, and returns the last of them."""

        def found() -> list[dict]:
            return [each for each in self.of(event, since) if where(each)]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= count or self.ended, patient(timeout))
            got = found()
        if len(got) < count:
            raise Late(f"{count} x {event!r} not within {timeout} s; so far: {[e['event'] for e in self.events]}")
        return got[count - 1]

    def join(self, timeout: float = 5.0) -> None:
        self._thread.join(timeout)
