"""HTTP over a UNIX socket: single answers, and server-sent events with the time each arrived."""

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from rig.patience import Late, patient


class UnixConnection(http.client.HTTPConnection):
    """http.client over a UNIX socket."""

    def __init__(self, path: Path, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    """Unpacks as (status, headers, json). Header names are lower-case; `json` is None when the body is none."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def __iter__(self):
        return iter((self.status, self.headers, self.json))


def request(path: Path, target: str, method: str = "GET", headers: dict | None = None, body: bytes | None = None,
            timeout: float = 10.0) -> Answer:
    """One request over a connection of its own."""
    connection = UnixConnection(path, patient(timeout))
    begun = time.monotonic()
    try:
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        data = response.read()
        named = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, named, data, time.monotonic() - begun)
    finally:
        connection.close()


@dataclass(frozen=True)
class Event:
    """One server-sent event; `monotonic_usec` is when its last byte was read. `data` is parsed JSON, or the text."""

    id: str | None
    event: str
    data: object
    monotonic_usec: int
    realtime_usec: int


class EventStream:
    """Reads /events (or the stream of a lease: POST) in a thread of its own, so that arrival times are true whatever the test is doing."""

    def __init__(self, path: Path, target: str = "/events", last_id: str | int | None = None, timeout: float = 10.0,
                 method: str = "GET"):
        self.events: list[Event] = []
        self.ended = False
        self._news = threading.Condition()
        self._connection = UnixConnection(path, patient(timeout))
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self._connection.request(method, target, headers=headers)
        self._socket = self._connection.sock  # http.client forgets it when the answer has no length
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = {key.lower(): value for key, value in self._response.getheaders()}
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            while line := self._response.readline():
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if not text:
                    self._take(fields)
                    fields = {}
                elif not text.startswith(":"):
                    key, _, value = text.partition(":")
                    value = value.removeprefix(" ")
                    fields[key] = f"{fields[key]}\n{value}" if key == "data" and key in fields else value
        except (OSError, ValueError, http.client.HTTPException):
            pass
        with self._news:
            self.ended = True
            self._news.notify_all()

    def _take(self, fields: dict[str, str]) -> None:
        if "data" not in fields:
            return
        try:
            data: object = json.loads(fields["data"])
        except ValueError:
            data = fields["data"]
        with self._news:
            self.events.append(Event(fields.get("id"), fields.get("event", "message"), data,
                                     time.monotonic_ns() // 1000, time.time_ns() // 1000))
            self._news.notify_all()

    def wait(self, look: Callable[[Event], object], timeout: float = 10.0, since: int = 0) -> Event:
        """The first event, from index `since` on, that `look` says yes to."""

        def found() -> Event | None:
            return next((each for each in self.events[since:] if look(each)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self.ended, patient(timeout))
            event = found()
        if event is None:
            why = "before the stream ended" if self.ended else f"within {timeout} s"
            raise Late(f"no such event {why}; seen: {[e.data for e in self.events[since:]]}")
        return event

    def __iter__(self):
        """Events as they come, until the stream ends."""
        at = 0
        while True:
            with self._news:
                self._news.wait_for(lambda: len(self.events) > at or self.ended)
                if len(self.events) <= at:
                    return
                event = self.events[at]
            at += 1
            yield event

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(2)
        self._response.close()
        self._connection.close()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
