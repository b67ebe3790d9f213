"""Waiting with a deadline: a test waits for an event, never for a guessed time."""

import os
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


def until(look: Callable[[], T], timeout: float, what: str, every: float = 0.005) -> T:
    """Looks until the answer is true, and returns it. For facts that send no event of their own."""
    deadline = time.monotonic() + patient(timeout)
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() >= deadline:
            raise Late(f"not within {timeout} s: {what}")
        time.sleep(every)
