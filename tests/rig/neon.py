"""The stand-in for Neon as a process of its own, driven from a test."""

from dataclasses import dataclass
from pathlib import Path

import psycopg2

from rig.ca import CA, Certificate
from rig.driver import Driver
from rig.patience import until
from rig.postgres import SUPERUSER
from rig.troubles import TROUBLES, Trouble

DOMAIN = "eu-central-1.aws.neon.test"


def issue(ca: CA, domain: str = DOMAIN) -> Certificate:
    """A certificate for every endpoint of a region."""
    return ca.issue(dns=(f"*.{domain}",), ips=())


class Neon(Driver):
    """Starts neonserver.py, waits until it listens, reads its truth and gives it commands.

    Options are neonserver.py's: Neon(folder, ca, certificate, suspend_after=2, wake_delay="lognormal 0.5 1.2", seed=1,
    set=["max_connections=5"]). `endpoint` and `domain` make the host's name; with domain="eu-central-1.aws.neon.tech" and a
    certificate for it pgwaked knows the provider by itself: nothing is looked up in the DNS.
    status(): state, awake_seconds, wakes, wakes_by_cause, wakes_by_application, logins, wrong_passwords, doors,
    doors_by_application, sessions, connections.
    """

    def __init__(self, folder: Path, ca: CA, certificate: Certificate, template: Path | None = None, name: str = "neon",
                 user: str = "app", password: str = "secret", db: str = "app", host: str = "127.0.0.1", port: int = 0,
                 endpoint: str = "ep-cool-1", domain: str = DOMAIN, **options: object):
        self.endpoint, self.domain = endpoint, domain
        self._ca = ca
        super().__init__("neonserver.py", folder, template, name, user, password, db, host, port,
                         {"endpoint": endpoint, "domain": domain, "certificate": certificate.cert, "key": certificate.key, **options})

    def conninfo(self, pooled: bool = False, **more: object) -> str:
        """As Neon's console gives it, through the pooler or not; with `more` over it, where None takes a key away."""
        parts = {"host": f"{self.endpoint}{'-pooler' if pooled else ''}.{self.domain}", "hostaddr": self.host, "port": self.port,
                 "user": self.user, "password": self.password, "dbname": self.db, "sslmode": "verify-full",
                 "sslrootcert": self._ca.cert, "channel_binding": "require", **more}
        return " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)

    def sql(self, query: str) -> list[tuple]:
        """Runs a query inside the compute as the service's own superuser: no activity, and no wake."""
        inside = self.truth.of("listening")[0]["compute"]
        connection = psycopg2.connect(host=inside["host"], port=inside["port"], user=SUPERUSER, dbname="postgres")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def trouble(self, name: str) -> Trouble:
        """From now on logins fail with this one of TROUBLES; "off" ends it."""
        self.command(f"trouble {name}")
        return TROUBLES.get(name)


def awake_usec(events: list[dict], until_usec: int | None = None) -> int:
    """The time awake that a truth log tells, up to a monotonic moment (by default: up to its last event)."""
    total = 0
    since: int | None = None
    for event in events:
        at = event["monotonic_usec"]
        if until_usec is not None and at > until_usec:
            continue
        if event["event"] == "started":
            since = at
        elif event["event"] in ("suspend_begin", "crashed") and since is not None:
            total += at - since
            since = None
    if since is not None:
        total += (until_usec if until_usec is not None else events[-1]["monotonic_usec"]) - since
    return total


@dataclass(frozen=True)
class Wake:
    """One wake in truth; times are monotonic microseconds, None for what did not come."""

    number: int
    cause: str
    application: str | None
    begun_usec: int  # of a login: its TCP accept
    started_usec: int | None
    answered_usec: int | None  # the first query of the same application, perhaps in a later session than the one that began it
    ended_usec: int | None

    @property
    def latency_seconds(self) -> float:
        """From the first byte of the login that began it to the answer."""
        return (self.answered_usec - self.begun_usec) / 1e6


def true_latencies(neon: "Neon", application: str = "pgwaked") -> list[float]:
    """Of each wake that an application's login caused: from its first byte at the proxy to the answer of its first query, over all attempts.
    Waits for the last: the stand-in notes an answer when it has passed it on."""

    def answered() -> list[Wake] | None:
        caused = [each for each in wakes(neon.truth.events) if each.application == application]
        return caused if all(each.answered_usec for each in caused) else None

    return [each.latency_seconds for each in until(answered, 10, f"every wake by {application} was answered") or []]


def wakes(events: list[dict]) -> list[Wake]:
    """The wakes that a truth log tells."""
    begins = [index for index, event in enumerate(events) if event["event"] == "wake_begin"]
    found = []
    for begin, end in zip(begins, [*begins[1:], len(events)]):
        first, rest = events[begin], events[begin:end]

        def at(*kinds: str, application: str | None = None) -> int | None:
            return next((event["monotonic_usec"] for event in rest if event["event"] in kinds
                         and (application is None or event["application"] == application)), None)

        found.append(Wake(first["wake"], first["cause"], first.get("application"), first.get("accepted_usec", first["monotonic_usec"]),
                          at("started"), at("answered", application=first.get("application")), at("suspend_begin", "crashed")))
    return found


__all__ = ["DOMAIN", "Neon", "TROUBLES", "Trouble", "Wake", "awake_usec", "issue", "wakes"]
