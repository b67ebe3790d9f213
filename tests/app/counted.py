"""One of the applications, $COUNTED, and what becomes of its connections at GET /counts: how the tests see into its pool."""

import importlib
import os
import select
from collections import Counter

from sqlalchemy import event

module = importlib.import_module(os.environ["COUNTED"])
app = module.app
# A pool that is disposed of hands its listeners on.
counts: Counter = Counter(connect=0, checkout=0, stale_checkout=0, invalidate=0, error=0)


def count(name: str, engine_event: bool = False):
    def listener(*_: object) -> None:
        counts[name] += 1

    event.listen(module.engine if engine_event else module.engine.pool, name if name != "error" else "handle_error", listener)


@event.listens_for(module.engine.pool, "checkout")
def look_at(connection, *_: object) -> None:
    """An idle session has nothing to read, unless the server has ended it. Called after the pool's own ping."""
    counts["checkout"] += 1
    if select.select([connection], [], [], 0)[0]:
        counts["stale_checkout"] += 1


count("connect")
count("invalidate")
count("error", engine_event=True)


@app.get("/counts")
def read_counts():
    return counts
