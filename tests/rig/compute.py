"""The compute behind the stand-in for Neon: a real PostgreSQL that is suspended by the rules of Neon's compute_ctl.

Every `look_every` seconds an observer asks PostgreSQL itself. Activity is: a change in pg_stat_database's sessions or active time
(databases postgres, template0 and template1 not counted); a client backend in any state but idle; a walsender, a subscription's worker,
an autovacuum worker; and the newest state_change of the idle client backends, since statistics are flushed late. An open connection is
none, and neither is a TCP keepalive. The superuser's own sessions are the service's, and do not count.
"""

import asyncio
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Iterator

import psycopg2

from rig.cluster import Cluster
from rig.delay import Delay
from rig.lifecycle import CannotWake, Lifecycle
from rig.postgres import SUPERUSER
from rig.truth import TruthLog

_LOOK = f"""
SELECT (SELECT (coalesce(sum(sessions), 0), coalesce(sum(active_time), 0))::text
        FROM pg_stat_database WHERE datname NOT IN ('postgres', 'template0', 'template1')),
       (SELECT count(*) FROM pg_stat_replication)
       + (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL)
       + count(*) FILTER (WHERE backend_type = 'autovacuum worker')
       + count(*) FILTER (WHERE client AND state <> 'idle'),
       extract(epoch FROM clock_timestamp() - max(state_change) FILTER (WHERE client AND state = 'idle'))::float8
FROM (SELECT *, backend_type = 'client backend' AND usename <> '{SUPERUSER}' AS client FROM pg_stat_activity) activity"""


@dataclass(frozen=True)
class Look:
    """What one look saw: the statistics as a text to compare, who is busy, and how long ago the youngest idle backend became so."""

    statistics: str
    busy: int
    idle_for: float | None


class Compute(Lifecycle):
    """`wakes_by_cause` counts login, command and itself; `wakes_by_application` who logged in."""

    def __init__(self, cluster: Cluster, truth: TruthLog, suspend_after: float, delay: Delay, look_every: float):
        super().__init__(cluster, truth, delay.draw)
        self.suspend_after = suspend_after
        self.look_every = look_every
        self.wakes_by_cause: Counter[str] = Counter(login=0, command=0, itself=0)
        self.wakes_by_application: Counter[str] = Counter()
        self._entering = 0
        self._observer: asyncio.Task | None = None
        self._seen_enough = asyncio.Event()
        self._habit: asyncio.Task | None = None

    # Waking

    async def _wake(self, cause: str, more: dict[str, object]) -> None:
        self.wakes_by_cause[cause] += 1
        if "application" in more:
            self.wakes_by_application[str(more["application"])] += 1
        await super()._wake(cause, more)

    @contextmanager
    def entering(self) -> Iterator[None]:
        """A login on its way in: what the control plane just woke it does not suspend."""
        self._entering += 1
        try:
            yield
        finally:
            self._entering -= 1

    def wake_by_itself(self, every: float | None) -> None:
        """From now on wakes so often without anybody asking, as the service's own checks do; None: no more."""
        if self._habit:
            self._habit.cancel()
            self._habit = None
        if every is not None:
            self._habit = self._loop.create_task(self._wake_by_itself(every))

    async def _wake_by_itself(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await self.awake("itself")
            except CannotWake:
                pass  # told in the truth; the next time may do better

    # Suspending

    def _is_awake(self) -> None:
        self._seen_enough.clear()
        self._observer = self._loop.create_task(self._observe())

    def _is_ending(self) -> None:
        self._seen_enough.set()

    async def _settle(self) -> None:
        """The observer leaves first: libpq would write to stderr what it is told while it logs in."""
        self._seen_enough.set()
        if self._observer:
            await self._observer

    async def _observe(self) -> None:
        eye = _Eye(self.cluster)
        last_active = time.monotonic()
        before: str | None = None
        while not self._seen_enough.is_set():
            look = await asyncio.to_thread(eye.look)
            now = time.monotonic()
            if look:
                if look.busy or before not in (None, look.statistics):
                    last_active = now
                elif look.idle_for is not None:
                    last_active = max(last_active, now - look.idle_for)
                before = look.statistics
                if now - last_active >= self.suspend_after and not self._entering:
                    self.suspend_soon("idle")
                    break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._seen_enough.wait(), self.look_every)
        await asyncio.to_thread(eye.close)

    async def terminate(self) -> int:
        """pg_terminate_backend for every session of a client, without a suspend; how many there were."""
        rows = await asyncio.to_thread(
            self.cluster.sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND usename <> %s", SUPERUSER)
        return len(rows)

    async def close(self) -> None:
        self.wake_by_itself(None)
        await super().close()


class _Eye:
    """The observer's connection, made anew when it was lost. For one thread at a time."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._connection: psycopg2.extensions.connection | None = None

    def look(self) -> Look | None:
        """None when PostgreSQL did not answer."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._cluster.connect(SUPERUSER, host=str(self._cluster.socket_dir), application_name="observer")
            with self._connection.cursor() as cursor:
                cursor.execute(_LOOK)
                return Look(*cursor.fetchone())
        except psycopg2.Error:
            self.close()
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
