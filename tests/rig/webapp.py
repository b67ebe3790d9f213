"""The example applications of tests/app under uvicorn, and users who ask them in bursts."""

import http.client
import importlib.util
import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from rig import children
from rig.daemon import Daemon, built, clean_environment
from rig.neon import Neon
from rig.patience import patient, until

APPS = Path(__file__).resolve().parents[1] / "app"
NEEDED = ("fastapi", "sqlmodel", "psycopg2", "uvicorn")
TABLE = "CREATE TABLE note (id serial PRIMARY KEY, text text NOT NULL)"


def missing() -> list[str]:
    """The libraries that the applications need and this Python lacks."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def url(neon: Neon, application: str) -> str:
    """The database as SQLAlchemy wants it."""
    host = f"{neon.endpoint}.{neon.domain}"
    parts = dict(re.findall(r"(\w+)='([^']*)'", neon.conninfo(application_name=application)))
    more = {key: value for key, value in parts.items() if key not in ("host", "port", "user", "password", "dbname")}
    return f"postgresql+psycopg2://{neon.user}:{quote(neon.password)}@{host}:{neon.port}/{neon.db}?{urlencode(more)}"


class WebApp:
    """One application: `module` of tests/app, for the database of `neon`; with `hold` under `pgwake hold`; with `counted` it has
    GET /counts. Its name in the database is "web"."""

    def __init__(self, folder: Path, module: str, neon: Neon, daemon: Daemon | None = None, hold: bool = False,
                 counted: bool = False, name: str = "web"):
        self.log = Path(folder) / f"{name}.log"
        environment = {**clean_environment(Path(folder)), "DATABASE_URL": url(neon, "web"), "COUNTED": module,
                       "PYTHONDONTWRITEBYTECODE": "1"}
        if daemon:
            environment["PGWAKE_SOCKET"] = str(daemon.control_socket)
        argv = [sys.executable, "-m", "uvicorn", f"{'counted' if counted else module}:app", "--app-dir", str(APPS), "--port", "0",
                "--no-access-log", "--no-use-colors"]
        if hold:
            argv = [str(built("pgwake")), "hold", "main", "--timeout", "60s", "--", *argv]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = children.start(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            self.port = until(self._port, 30, "the application listens")
        except AssertionError:
            self.close()
            raise

    def _port(self) -> int | None:
        text = self.log.read_text(encoding="utf-8")
        assert self.process.poll() is None, text
        found = re.search(r"Uvicorn running on http://127\.0\.0\.1:(\d+)", text)
        return int(found[1]) if found else None

    def ask(self, path: str = "/notes") -> object:
        """GET, on a connection of its own."""
        user = User(self)
        try:
            return user.ask(path)[1]
        finally:
            user.close()

    def close(self) -> None:
        """SIGTERM; its sessions end in order."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patient(10))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> "WebApp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class User:
    """A browser: one connection, one request after the other."""

    def __init__(self, web: WebApp):
        self._connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=patient(60))

    def ask(self, path: str = "/notes", note: str | None = None) -> tuple[int, object]:
        """Reads, or writes a note. HTTP status and JSON."""
        if note is None:
            self._connection.request("GET", path)
        else:
            self._connection.request("POST", path, json.dumps({"text": note}), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        body = response.read()
        if response.status >= 500:
            self._connection.close()  # uvicorn does after an unhandled error, and does not say so; the next request opens it again
        return response.status, json.loads(body) if response.headers["Content-Type"] == "application/json" else body.decode()

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True)
class Request:
    """One that a user made; `first` of its user in the burst."""

    burst: int
    user: int
    first: bool
    begun_usec: int
    seconds: float
    status: int


APART = 0.1


def burst(web: WebApp, number: int, users: int, requests: int, pause: float) -> list[Request]:
    """Users who come APART seconds after each other, the later ones in the middle of a wake, and each of whom asks so often, one write
    after three reads, with pauses in between."""
    done: list[Request] = []

    def live(who: int) -> None:
        time.sleep(who * APART)
        user = User(web)
        for count in range(requests):
            begun = time.monotonic_ns() // 1000
            status, _ = user.ask(note=f"burst {number}") if count % 4 == 3 else user.ask()
            done.append(Request(number, who, count == 0, begun, time.monotonic() - begun / 1e6, status))
            time.sleep(pause)
        user.close()

    threads = [threading.Thread(target=live, args=(who,), name="user") for who in range(users)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sorted(done, key=lambda each: each.begun_usec)


def prepare(neon: Neon) -> None:
    """Makes the table, and lets the database sleep."""
    with neon.connect(application_name="setup") as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
    connection.close()
    neon.command("suspend now")


def round_trips(neon: Neon, application: str = "web") -> int:
    """How often an application asked the database something and waited, in the sessions that have ended."""
    mine = {event["session"] for event in neon.truth.of("login") if event["application"] == application}
    return sum(event["queries"] for event in neon.truth.of("session_close") if event["session"] in mine)
