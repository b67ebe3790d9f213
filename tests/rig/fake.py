"""A scripted fake server for what a real PostgreSQL cannot be made to do. The scripts' names: see scripts.py.

Run it: /usr/bin/python3 tests/rig/fake.py --listen 127.0.0.1:0 --script drip
        /usr/bin/python3 tests/rig/fake.py --script error-in-auth --error ERROR XX000 "Internal error"
"""

import argparse
import asyncio
import signal
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Callable

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import scripts, wire
from rig.ca import Certificate
from rig.conversation import ClientGone, Conversation, Seen
from rig.listener import Listener, reset
from rig.patience import Late, patient
from rig.truth import TruthLog

Row = list[tuple[str, str | None]]


class Fake:
    """Serves one script in a thread of its own; attributes may be changed while it runs and hold for what comes next.

    answer            the row that `ok` answers a query with: (name, text) pairs, or a callable query -> pairs
    error             (severity, SQLSTATE, text) of the error-* scripts
    after_queries     queries answered before the script's in-query or after-query happens
    drip_interval     seconds between two bytes          iterations        of scram-iterations
    awake             whether `naps` lets anybody in
    burst_interval    seconds between two bursts         notices_per_burst, garbage_bytes, seed
    """

    def __init__(self, script: str = "ok", answer: Row | Callable[[str], Row] | None = None,
                 error: tuple[str, str, str] = ("FATAL", "57P03", "the database system is starting up"),
                 certificate: Certificate | None = None, host: str = "127.0.0.1", port: int = 0,
                 truth: TruthLog | None = None):
        if script not in scripts.names():
            raise KeyError(f"no script {script!r}; there are: {' '.join(scripts.names())}")
        self.answer = answer if answer is not None else [("?column?", "1")]
        self.error = error
        self.after_queries = 0
        self.drip_interval = 1.0
        self.burst_interval = 0.01
        self.notices_per_burst = 32
        self.iterations = 10_000_000
        self.garbage_bytes = 4096
        self.seed = 1
        self.awake = True
        self.tls = _tls(certificate) if certificate else None
        self.seen: list[Seen] = []
        self._script = script
        self._truth = truth
        self._talks: dict[int, Conversation] = {}
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake", daemon=True)
        self._thread.start()
        self._listener = self._call(self._open(host, port))
        self.host, self.port = self._listener.host, self._listener.port

    def _call(self, coroutine, timeout: float = 10.0):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(patient(timeout))

    async def _open(self, host: str, port: int) -> Listener:
        self._listener = Listener(self._serve, host, port)
        await self._arrange()
        return self._listener

    async def _arrange(self) -> None:
        if self._script == "silence-at-connect":
            await self._listener.overflow()
        else:
            self._listener.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = Seen(len(self.seen) + 1)
        self.seen.append(seen)
        talk = self._talks[seen.number] = Conversation(self, seen, reader, writer)
        self.news()
        self._emit("connected", seen)
        seen.ended_by = "fake"
        try:
            await scripts.play(self._script, talk)
        except ClientGone:
            seen.ended_by = "client"
        except ConnectionError:
            seen.ended_by = "reset"
        except (wire.BadFrame, ssl.SSLError) as bad:
            seen.ended_by = f"fake: {bad}"
        finally:
            seen.ended_monotonic_usec = time.monotonic_ns() // 1000
            self._talks.pop(seen.number, None)
            self.news()
            self._emit("ended", seen, by=seen.ended_by, phase=seen.phase, received=len(seen.received), door=seen.door)

    def _emit(self, event: str, seen: Seen, **fields: object) -> None:
        if self._truth:
            self._truth.emit(event, connection=seen.number, **fields)

    def news(self) -> None:
        """Wakes who waits for a connection to get somewhere."""
        with self._news:
            self._news.notify_all()

    # For tests

    @property
    def script(self) -> str:
        return self._script

    @script.setter
    def script(self, name: str) -> None:
        """For connections from now on; the open ones play theirs to the end."""
        if name not in scripts.names():
            raise KeyError(f"no script {name!r}")
        self._script = name
        self._call(self._arrange())

    def refuse(self) -> None:
        """Makes connects fail with ECONNREFUSED until a script is set."""
        self._loop.call_soon_threadsafe(self._listener.refuse)
        self._call(asyncio.sleep(0))

    @property
    def doors(self) -> int:
        """Connections that left at the password request."""
        return sum(each.door for each in list(self.seen))

    def wait(self, look: Callable[["Fake"], object], timeout: float = 10.0, what: str = "the fake's state") -> None:
        """Waits until look(fake) is true; it is asked again whenever a connection got somewhere."""
        with self._news:
            if not self._news.wait_for(lambda: look(self), patient(timeout)):
                raise Late(f"not within {timeout} s: {what}; seen: {self.seen}")

    def wait_connections(self, count: int, timeout: float = 10.0) -> list[Seen]:
        self.wait(lambda fake: len(fake.seen) >= count, timeout, f"{count} connections")
        return self.seen[:count]

    def wait_phase(self, phase: str, count: int = 1, timeout: float = 10.0) -> list[Seen]:
        """Waits for connections that are in a phase now (also: logged-in, answered)."""

        def there(_: object = None) -> list[Seen]:
            return [each for each in self.seen if each.phase == phase]

        self.wait(lambda _: len(there()) >= count, timeout, f"{count} connections in {phase}")
        return there()

    def wait_ended(self, count: int, timeout: float = 10.0) -> list[Seen]:
        """Waits until so many connections are over."""

        def over(_: object = None) -> list[Seen]:
            return [each for each in self.seen if each.ended_monotonic_usec is not None]

        self.wait(lambda _: len(over()) >= count, timeout, f"{count} connections ended")
        return over()

    def cut(self, how: str = "fatal") -> int:
        """Ends every open connection: "fatal" (57P01 and FIN), "eof" (bare FIN), "reset" (RST). Returns the monotonic
        time in microseconds just before the first of them was touched."""
        return self._call(self._cut(how))

    async def _cut(self, how: str) -> int:
        at = time.monotonic_ns() // 1000
        for talk in list(self._talks.values()):
            if how == "reset":
                reset(talk.writer)
                continue
            if how == "fatal":
                talk.writer.write(wire.error_response("FATAL", "57P01", "terminating connection due to administrator"
                                                      " command"))
            talk.writer.close()
        return at

    def conninfo(self, user: str = "app", dbname: str = "app", password: str | None = None, **more: object) -> str:
        parts = {"host": self.host, "port": self.port, "user": user, "dbname": dbname, "password": password, **more}
        return " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)

    def close(self) -> None:
        if self._thread.is_alive():
            self._call(self._listener.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


def main() -> int:
    head, _, tail = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(description=head, epilog=tail, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--script", default="ok", choices=scripts.names(), metavar="NAME")
    parser.add_argument("--error", nargs=3, metavar=("SEVERITY", "SQLSTATE", "TEXT"))
    parser.add_argument("--answer", action="append", metavar="NAME=TEXT", help="a column of the answered row")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    truth = TruthLog(stdout=True)
    row = [tuple(each.split("=", 1)) for each in options.answer] if options.answer else None
    with Fake(options.script, answer=row, host=host, port=int(port), truth=truth) as fake:
        if options.error:
            fake.error = tuple(options.error)
        truth.emit("listening", host=fake.host, port=fake.port)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    # Before any thread exists, so that none of them takes the signals that main waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
