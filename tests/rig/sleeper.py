"""The real PostgreSQL behind a napping one: started once for all who wait, stopped when nobody is active."""

import asyncio
import os
import time
from typing import Callable

from rig.cluster import Cluster
from rig.patience import patient
from rig.truth import TruthLog


class CannotWake(Exception):
    """PostgreSQL did not start."""


class Sleeper:
    """Activity is told by hold() and release(); `suspend_after` seconds without any holder the server is stopped
    with a fast shutdown, as the compute of a serverless service is."""

    def __init__(self, cluster: Cluster, truth: TruthLog, suspend_after: float, wake_delay: float):
        self.cluster = cluster
        self.suspend_after = suspend_after
        self.wake_delay = wake_delay
        self.state = "asleep"
        self.wakes = 0
        self._truth = truth
        self._active: set[object] = set()
        self._waking: asyncio.Task | None = None
        self._suspending: asyncio.Task | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watched: int | None = None
        self._crashed_before = False
        self._loop = asyncio.get_running_loop()

    # Activity

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

    # Waking

    async def awake(self, cause: str) -> None:
        """Returns when PostgreSQL accepts connections; starts it if nobody has yet. Raises CannotWake."""
        while self._suspending:
            await asyncio.shield(self._suspending)
        if self.state == "awake":
            return
        if self._waking is None:
            self._waking = self._loop.create_task(self._wake(cause))
        await asyncio.shield(self._waking)

    async def _wake(self, cause: str) -> None:
        self.state = "waking"
        self.wakes += 1
        begun = time.monotonic_ns()
        self._truth.emit("wake_begin", cause=cause, wake=self.wakes)
        try:
            await asyncio.sleep(self.wake_delay)
            await self._start()
        except AssertionError as failure:
            self.state = "asleep"
            self._truth.emit("wake_failed", wake=self.wakes, error=str(failure))
            raise CannotWake(str(failure)) from failure
        finally:
            self._waking = None
        self.state = "awake"
        self._watch()
        at = self.cluster.accepting_at_usec
        self._truth.emit("started", at=at, wake=self.wakes, pid=self.cluster.pid, took_usec=at[1] - begun // 1000)
        self._start_timer()

    async def _start(self) -> None:
        """After a crash the orphans of the old postmaster keep its shared memory for a moment, and no new one starts beside them."""
        deadline = time.monotonic() + (patient(5) if self._crashed_before else 0)
        while True:
            try:
                await asyncio.to_thread(self.cluster.start)
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                self._crashed_before = False
                return

    # Suspending

    def suspend_soon(self, cause: str) -> asyncio.Task:
        """Begins a suspend, or joins the one that runs."""
        self._stop_timer()
        if self._suspending is None:
            self._suspending = self._loop.create_task(self._suspend(cause))
        return self._suspending

    async def _suspend(self, cause: str) -> None:
        try:
            if self._waking:
                await asyncio.wait([self._waking])
            if self.state != "awake":
                return
            self.state = "suspending"
            self._unwatch()
            self._truth.emit("suspend_begin", cause=cause, wake=self.wakes)
            await asyncio.to_thread(self.cluster.stop, "fast")
            self.state = "asleep"
            self._truth.emit("suspended", cause=cause, wake=self.wakes)
        finally:
            self._suspending = None

    # A PostgreSQL that ends by itself

    def _watch(self) -> None:
        self._watched = os.pidfd_open(self.cluster.pid)
        self._loop.add_reader(self._watched, self._crashed)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def _crashed(self) -> None:
        self._unwatch()
        self._stop_timer()
        self._crashed_before = True
        self.state = "asleep"
        self._truth.emit("crashed", exit_code=self.cluster.wait_stopped(), wake=self.wakes)

    async def close(self) -> None:
        """Suspends for good."""
        await self.suspend_soon("quit")


class Activity:
    """Whether one session is active, told by its messages: a client's message makes it so, a ReadyForQuery outside
    a transaction ends it. Calls `changed(active)` at each change. A session is born active."""

    def __init__(self, changed: Callable[[bool], None]):
        self.active = True
        self._changed = changed
        self._syncs = 1  # the ReadyForQuery that ends the login
        self._unsynced = False
        self._status = b"I"

    def client_said(self, kind: bytes) -> None:
        if kind == b"X":
            return
        if kind in (b"Q", b"S", b"F"):
            self._syncs += 1
            self._unsynced = False
        elif kind in (b"P", b"B", b"D", b"E", b"C", b"H"):
            self._unsynced = True
        self._judge()

    def server_said(self, kind: bytes, payload: bytes) -> None:
        if kind == b"Z":
            self._syncs = max(0, self._syncs - 1)
            self._status = payload[:1]
            self._judge()

    def _judge(self) -> None:
        active = self._syncs > 0 or self._unsynced or self._status != b"I"
        if active != self.active:
            self.active = active
            self._changed(active)
