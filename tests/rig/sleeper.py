"""The real PostgreSQL behind a napping one: stopped when no session is active, told by the sessions' own messages."""

import asyncio

from rig.cluster import Cluster
from rig.lifecycle import Lifecycle
from rig.truth import TruthLog


class Sleeper(Lifecycle):
    """Activity is told by hold() and release(); `suspend_after` seconds without any holder the server is stopped
    with a fast shutdown, as the compute of a serverless service is."""

    def __init__(self, cluster: Cluster, truth: TruthLog, suspend_after: float, wake_delay: float):
        super().__init__(cluster, truth, lambda: self.wake_delay)
        self.suspend_after = suspend_after
        self.wake_delay = wake_delay
        self._active: set[object] = set()
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, who: object) -> None:
        """`who` is new or active: no suspend before its release()."""
        self._active.add(who)
        self._stop_timer()

    def release(self, who: object) -> None:
        """`who` is idle or gone."""
        if who in self._active:
            self._active.discard(who)
            self._start_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        self._stop_timer()
        if not self._active and self.state == "awake":
            self._timer = self._loop.call_later(self.suspend_after, self.suspend_soon, "idle")

    def set_suspend_after(self, seconds: float) -> None:
        self.suspend_after = seconds
        self._start_timer()

    def suspend_soon(self, cause: str) -> asyncio.Task:
        self._stop_timer()
        return super().suspend_soon(cause)

    def _is_awake(self) -> None:
        self._start_timer()

    def _is_ending(self) -> None:
        self._stop_timer()
