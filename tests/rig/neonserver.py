"""A stand-in for Neon: its proxy in front of a real PostgreSQL that is suspended when idle and woken by a right password.

Run it: /usr/bin/python3 tests/rig/neonserver.py --certificate PEM --key PEM --endpoint ep-cool-1 --domain eu-central-1.aws.neon.test
Log in: psql "host=ep-cool-1.eu-central-1.aws.neon.test hostaddr=127.0.0.1 port=PORT user=app password=secret dbname=app
         sslmode=verify-full sslrootcert=CA channel_binding=require"

One port; the endpoint, and whether it is the pooler (ep-cool-1-pooler), come from the name in the TLS handshake, else from
options=endpoint=NAME. TLS is demanded. SCRAM-SHA-256 and -PLUS are done here, against the verifiers that PostgreSQL had when it was
prepared, and only a right password wakes. Rules of the suspend: see compute.py. Errors: see troubles.py.
It is no PgBouncer: a session through the pooler has a backend of its own, and transactions are not pooled. What differs from a
direct session is what a client can tell from outside: startup parameters are restricted, and when its backend ends it sees a bare end
of the stream (a true pooler would hide a single backend's end from an idle client).

It prints what really happens as JSON lines (see truth.py) and obeys one command a line, on stdin (what there is to
answer goes to stderr) and on a UNIX socket (every line is answered):

    trouble NAME | off              what logins are refused with from now on, by its name in troubles.py, at its moment
    trouble text TEXT               the same with any text, after the password, instead of a wake
    trouble at STAGE TEXT           the same at any moment (access, scram, wake, compute)
    sqlstate CODE                   of all refusals; XX000 at first
    suspend now | wake now          without waiting for idleness or a login
    suspend-after SECONDS | wake-delay DISTRIBUTION (fixed S, uniform FROM TO, lognormal MEDIAN P95)
    wakes-itself every SECONDS|off  the service wakes its database without anybody asking
    refuse on|off                   the proxy goes: its connections are reset and new ones refused; the compute stays as it is
    restart                         the same for a moment
    hang on|off                     accept and read, pass and answer nothing, in sessions that are open too
    crash | crash hard              kill -9 for the compute's postmaster (its sessions are told 57P01), or for all of it at once
    terminate                       pg_terminate_backend for every session; no suspend
    roles                           read the roles' verifiers again; the compute must be awake
    status                          one line of JSON
    quit

Truth: wake_begin (cause login, command, itself; of a login the application, its session, and accepted_usec, its TCP
accept on the monotonic clock), started, suspend_begin, suspended, crashed;
door, login (a right password), refused, session_open (took_usec from the TCP accept to the ReadyForQuery, waited for a wake or not),
session_idle, session_active, answered (took_usec to the first query's answer), session_close (by whom, and the `queries` asked in it).
The seconds awake run from `started` (PostgreSQL says that it accepts connections) to `suspend_begin` or `crashed`.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import program, scram
from rig.cluster import Cluster
from rig.compute import Compute
from rig.delay import Delay
from rig.lifecycle import CannotWake
from rig.listener import Listener
from rig.neonsession import Front, NeonSession
from rig.postgres import VERIFIERS
from rig.troubles import STAGES, TROUBLES, Trouble
from rig.truth import TruthLog

_ROLES = "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256$%'"


class NeonServer:
    """The whole: the proxy and the compute. For one running event loop."""

    def __init__(self, options: argparse.Namespace, cluster: Cluster, truth: TruthLog):
        verifiers = json.loads((cluster.data / VERIFIERS).read_text(encoding="utf-8"))
        self.front = Front(options.endpoint, options.domain, _secrets(verifiers), os.urandom(32),
                           _tls(options.certificate, options.key), scram.endpoint_binding(options.certificate),
                           options.auth_timeout, options.sasl_final)
        self.front.flowing.set()
        self.delay = Delay(options.wake_delay, options.seed)
        self.compute = Compute(cluster, truth, options.suspend_after, self.delay, options.look_every)
        self.listener = Listener(self._serve, *program.listen_address(options))
        self.stopped = asyncio.Event()
        self._truth = truth
        self._count = 0

    async def start(self, refuse: bool = False) -> None:
        if not refuse:
            self.listener.listen()
        cluster = self.compute.cluster
        self._truth.emit("listening", host=self.listener.host, port=self.listener.port, refuse=refuse,
                         compute={"host": str(cluster.socket_dir), "port": cluster.port})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        await NeonSession(self._count, self.front, self.compute, self._truth, reader, writer).run()

    async def stop(self) -> None:
        """Suspends first, so that open sessions see the shutdown, then ends what is left of them."""
        self.listener.refuse()
        await self.compute.close()
        await self.listener.close()
        self._truth.emit("stopped")

    def _go(self) -> None:
        self.listener.refuse()
        for client in list(self.front.clients):
            client.reset()

    # Commands

    async def obey(self, line: str) -> str:
        """Carries out one command and returns its answer, which starts with "ok" or "error"."""
        words = line.split()
        try:
            return await self._obey(words) if words else "error: empty command"
        except (ValueError, IndexError, CannotWake) as wrong:
            return f"error: {wrong}"

    async def _obey(self, words: list[str]) -> str:
        match words:
            case ["trouble", *rest]:
                self.front.trouble = _trouble(rest)
            case ["sqlstate", code] if len(code) == 5:
                self.front.sqlstate = code
            case ["suspend", "now"]:
                await self.compute.suspend_soon("command")
            case ["wake", "now"]:
                await self.compute.awake("command")
            case ["suspend-after", seconds]:
                self.compute.suspend_after = float(seconds)
            case ["wake-delay", *distribution]:
                self.delay.set(" ".join(distribution))
            case ["wakes-itself", "off"]:
                self.compute.wake_by_itself(None)
            case ["wakes-itself", "every", seconds]:
                self.compute.wake_by_itself(float(seconds))
            case _:
                return await self._obey_harm(words)
        return "ok"

    async def _obey_harm(self, words: list[str]) -> str:
        match words:
            case ["refuse", "on"]:
                self._go()
            case ["refuse", "off"]:
                self.listener.listen()
            case ["restart"]:
                self._go()
                self.listener.listen()
            case ["hang", "on"]:
                self.front.flowing.clear()
            case ["hang", "off"]:
                self.front.flowing.set()
            case ["crash"]:
                await self.compute.crash_soon(2.0)
            case ["crash", "hard"]:
                await self.compute.crash_soon(0)
            case ["terminate"]:
                return f"ok {await self.compute.terminate() if self.compute.state == 'awake' else 0}"
            case ["roles"] if self.compute.state == "awake":
                self.front.roles = _secrets(dict(await asyncio.to_thread(self.compute.cluster.sql, _ROLES)))
            case ["status"]:
                return "ok " + json.dumps(self._status())
            case ["quit"]:
                self.stopped.set()
            case _:
                return f"error: unknown command {' '.join(words)!r}"
        return "ok"

    def _status(self) -> dict[str, object]:
        front, compute = self.front, self.compute
        return {"state": compute.state, "awake_seconds": compute.awake_usec / 1e6, "wakes": compute.wakes,
                "wakes_by_cause": compute.wakes_by_cause, "wakes_by_application": compute.wakes_by_application,
                "logins": front.logins, "wrong_passwords": front.wrong, "doors": front.doors.total(),
                "doors_by_application": front.doors, "sessions": front.sessions, "connections": len(front.clients)}


def _secrets(verifiers: dict[str, str]) -> dict[str, scram.Secret]:
    return {role: scram.Secret.parse(verifier) for role, verifier in verifiers.items()}


def _trouble(words: list[str]) -> Trouble | None:
    match words:
        case ["off"]:
            return None
        case ["text", _, *_]:
            return Trouble(" ".join(words[1:]), "wake", "unclassified")
        case ["at", stage, _, *_] if stage in STAGES:
            return Trouble(" ".join(words[2:]), stage, "unclassified")
        case [name] if name in TROUBLES:
            return TROUBLES[name]
    raise ValueError(f"no trouble {' '.join(words)!r}; there are: {' '.join(TROUBLES)}")


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def note(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.sni = name

    context.sni_callback = note
    return context


def _keep_verifiers(cluster: Cluster) -> None:
    (cluster.data / VERIFIERS).write_text(json.dumps(dict(cluster.sql(_ROLES))), encoding="utf-8")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = program.described(__doc__)
    program.common_options(parser)
    parser.add_argument("--certificate", type=Path, required=True, metavar="PEM", help="for ENDPOINT.DOMAIN and ENDPOINT-pooler.DOMAIN")
    parser.add_argument("--key", type=Path, required=True, metavar="PEM")
    parser.add_argument("--endpoint", default="ep-cool-1")
    parser.add_argument("--domain", default="eu-central-1.aws.neon.test")
    parser.add_argument("--wake-delay", default="fixed 0", metavar="DISTRIBUTION", help="on top of PostgreSQL's start; see wake-delay")
    parser.add_argument("--seed", type=int, help="of the wake delays")
    parser.add_argument("--look-every", type=float, default=0.5, metavar="SECONDS", help="how often activity is looked at")
    parser.add_argument("--auth-timeout", type=float, default=15.0, metavar="SECONDS", help="for a client to prove its password")
    parser.add_argument("--sasl-final", choices=("early", "held"), default="early",
                        help="when a right password is acknowledged: at once, or, with\nAuthenticationOk, together with all that follows")
    return parser.parse_args(argv)


def main() -> int:
    options = parse_arguments()
    options.set.insert(0, "max_connections=112")
    let_in = ["local all all trust", "local replication all trust"]  # the proxy has asked for the password
    return program.run(options, "pgneon-", lambda folder: program.prepare_cluster(options, folder, let_in, _keep_verifiers),
                       lambda cluster, truth: NeonServer(options, cluster, truth))


if __name__ == "__main__":
    sys.exit(main())
