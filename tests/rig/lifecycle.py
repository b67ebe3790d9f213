"""The life of a real PostgreSQL that sleeps: started once for all who wait, stopped by a fast shutdown, mourned after a crash.

What makes it sleep is not decided here: see sleeper.py (sessions' messages) and compute.py (what PostgreSQL says of itself).
"""

import asyncio
import os
import time
from typing import Callable

from rig.cluster import Cluster
from rig.patience import patient
from rig.truth import TruthLog


class CannotWake(Exception):
    """PostgreSQL did not start."""


class Lifecycle:
    """asleep -> waking -> awake -> suspending -> asleep, and awake -> asleep by a crash. `delay()` gives the seconds that a wake
    takes on top of PostgreSQL's own start. `awake_usec` counts from the moment PostgreSQL says that it accepts connections to the
    moment its shutdown is asked for, or its death is seen."""

    def __init__(self, cluster: Cluster, truth: TruthLog, delay: Callable[[], float]):
        self.cluster = cluster
        self.state = "asleep"
        self.wakes = 0
        self._truth = truth
        self._delay = delay
        self._waking: asyncio.Task | None = None
        self._ending: asyncio.Task | None = None
        self._watched: int | None = None
        self._crashed_before = False
        self._awake_since_usec: int | None = None
        self._awake_usec = 0
        self._loop = asyncio.get_running_loop()

    @property
    def awake_usec(self) -> int:
        since = self._awake_since_usec
        return self._awake_usec + (0 if since is None else time.monotonic_ns() // 1000 - since)

    def _count_awake(self, until_usec: int) -> None:
        if self._awake_since_usec is not None:
            self._awake_usec += until_usec - self._awake_since_usec
            self._awake_since_usec = None

    # What a kind of sleeper adds

    def _is_awake(self) -> None:
        """Called when it has just become awake."""

    def _is_ending(self) -> None:
        """Called when it stops being awake, before anything is done about it."""

    async def _settle(self) -> None:
        """Called before an end that was ordered, while PostgreSQL still runs and nobody new is let in."""

    # Waking

    async def awake(self, cause: str, **more: object) -> None:
        """Returns when PostgreSQL accepts connections; starts it if nobody has yet, and then says why. Raises CannotWake."""
        while self._ending:
            await asyncio.shield(self._ending)
        if self.state == "awake":
            return
        if self._waking is None:
            self._waking = self._loop.create_task(self._wake(cause, more))
        await asyncio.shield(self._waking)

    async def _wake(self, cause: str, more: dict[str, object]) -> None:
        self.state = "waking"
        self.wakes += 1
        begun = time.monotonic_ns()
        self._truth.emit("wake_begin", cause=cause, wake=self.wakes, **more)
        try:
            await asyncio.sleep(self._delay())
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
        self._awake_since_usec = at[1]
        self._truth.emit("started", at=at, wake=self.wakes, pid=self.cluster.pid, took_usec=at[1] - begun // 1000)
        self._is_awake()

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
        """Begins a suspend, or joins the end that is under way."""
        if self._ending is None:
            self._ending = self._loop.create_task(self._suspend(cause))
        return self._ending

    async def _suspend(self, cause: str) -> None:
        try:
            if self._waking:
                await asyncio.wait([self._waking])
            if self.state != "awake":
                return
            self.state = "suspending"
            self._unwatch()
            self._is_ending()
            await self._settle()
            at = (time.time_ns() // 1000, time.monotonic_ns() // 1000)
            self._count_awake(at[1])
            self._truth.emit("suspend_begin", at=at, cause=cause, wake=self.wakes)
            await asyncio.to_thread(self.cluster.stop, "fast")
            self.state = "asleep"
            self._truth.emit("suspended", cause=cause, wake=self.wakes)
        finally:
            self._ending = None

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
        self._is_ending()
        self._crashed_before = True
        self.state = "asleep"
        at = (time.time_ns() // 1000, time.monotonic_ns() // 1000)
        self._count_awake(at[1])
        self._truth.emit("crashed", at=at, exit_code=self.cluster.wait_stopped(), wake=self.wakes)

    def crash_soon(self, grace: float) -> asyncio.Task:
        """Kills the postmaster with SIGKILL, or joins the end that is under way. `grace` as for Cluster.kill9()."""
        if self._ending is None:
            self._ending = self._loop.create_task(self._crash(grace))
        return self._ending

    async def _crash(self, grace: float) -> None:
        """A wake waits until the orphans are gone: what is removed after them must not be the next server's."""
        try:
            if self._waking:
                await asyncio.wait([self._waking])
            if self.state == "awake":
                await self._settle()
                await asyncio.to_thread(self.cluster.kill9, grace)
                if self._watched is not None:
                    self._crashed()
        finally:
            self._ending = None

    async def close(self) -> None:
        """Suspends for good."""
        await self.suspend_soon("quit")
