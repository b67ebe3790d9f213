"""Whether a session is active, as its messages tell."""

from typing import Callable


class Activity:
    """Whether one session is active, told by its messages: a client's message makes it so, a ReadyForQuery outside
    a transaction ends it. Calls `changed(active)` at each change. A session is born active, in its login, unless
    that is over already (`active` is False)."""

    def __init__(self, changed: Callable[[bool], None], active: bool = True):
        self.active = active
        self._changed = changed
        self._syncs = int(active)  # the ReadyForQuery that ends the login
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
