"""Waiting with a deadline: a test waits for an event, never for a guessed time."""

import os
import threading
import time
from typing import Callable, TypeVar

T = TypeVar("T")

# A sanitizer or valgrind makes everything slower; its caller stretches every deadline of the rig with one factor.
FACTOR = float(os.environ.get("RIG_PATIENCE", "20" if "valgrind" in os.environ.get("PGWAKE_TEST_WRAPPER", "") else "1"))


class Late(AssertionError):
    """What was waited for did not come before its deadline."""


def patient(seconds: float) -> float:
    """A timeout stretched for slow surroundings."""
    return seconds * FACTOR


class Stall:
    """How late the machine lets a sleeper of ours wake, at worst: what it keeps everybody waiting is not the lateness of what is tested.

    Entered and left; `worst` is in seconds, so far."""

    HOPS = 4  # sleepers that must wake in turn, at most: a client, the daemon's loop, a thread of it, a server
    EVERY = 0.002

    def __init__(self) -> None:
        self.worst = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall", daemon=True)

    def _run(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            time.sleep(self.EVERY)
            self.worst = max(self.worst, time.monotonic() - begun - self.EVERY)

    def late(self, seconds: float) -> float:
        """A bound for what comes so late at most where nobody has to wait for the machine."""
        return patient(seconds) + self.HOPS * self.worst

    def __enter__(self) -> "Stall":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def until(look: Callable[[], T], timeout: float, what: str, every: float = 0.005) -> T:
    """Looks until the answer is true, and returns it. For facts that send no event of their own. What is long in coming is looked for less
    often: a tenth of the time that it took so far between two looks, and 50 ms at most."""
    begun = time.monotonic()
    deadline = begun + patient(timeout)
    while True:
        seen = look()
        if seen:
            return seen
        now = time.monotonic()
        if now >= deadline:
            raise Late(f"not within {timeout} s: {what}")
        time.sleep(max(every, min(0.05, (now - begun) / 10)))
