"""The receiving end of sd_notify: what systemd would have heard, with the time it was heard."""

import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Iterator

from rig.patience import Late, patient


_END = b"\0the rig has heard enough"


@dataclass(frozen=True)
class Note:
    """One datagram. `fields` maps READY, STATUS, WATCHDOG ... to their values."""

    monotonic_usec: int
    realtime_usec: int
    fields: dict[str, str]


class NotifySocket:
    """A $NOTIFY_SOCKET in the abstract namespace: no file to remove, and any user may write to it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind("")
        self.address = "@" + os.fsdecode(self._socket.getsockname()[1:])
        self.notes: list[Note] = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="notify", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            datagram = self._socket.recv(65536)
            heard = Note(time.monotonic_ns() // 1000, time.time_ns() // 1000, _fields(datagram))
            with self._news:
                if datagram == _END:
                    return
                self.notes.append(heard)
                self._news.notify_all()

    def of(self, key: str) -> list[Note]:
        """The notes so far that carry a field."""
        return [note for note in list(self.notes) if key in note.fields]

    def wait(self, key: str, value: str | None = None, timeout: float = 10.0, after: int = 0) -> Note:
        """The first note, from index `after` on, that has the field (with this value, if one is given)."""

        def found() -> Note | None:
            for note in self.notes[after:]:
                if key in note.fields and value in (None, note.fields[key]):
                    return note
            return None

        with self._news:
            note = self._news.wait_for(found, patient(timeout))
        if note is None:
            raise Late(f"no {key}={value or '...'} within {timeout} s; heard: {[n.fields for n in self.notes]}")
        return note

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(_END, "\0" + self.address[1:])
        self._thread.join(2)
        self._socket.close()

    def __iter__(self) -> Iterator[Note]:
        return iter(list(self.notes))


def _fields(datagram: bytes) -> dict[str, str]:
    lines = datagram.decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
