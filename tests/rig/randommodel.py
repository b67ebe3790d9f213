"""What the random client knows of a daemon: its databases, which are scripted, its leases, and those who wait and watch."""

from dataclasses import dataclass, field

from rig.edges import quick
from rig.exact import Wire
from rig.fake import Fake
from rig.ports import Port
from rig.unixhttp import EventStream

ROW = [("uptime", "3600000000"), ("started", "1700000000000000"), ("recovery", "f"), ("version", "150014"), ("read_only", "off")]
KINDS = ("plain", "naps", "wrong", "dead")
BROKEN = {"unknown key": "nonsense = 1;\n", "syntax": "databases: (", "empty": "",
          "twice": "databases: ( { name = \"a\"; }, { name = \"a\"; } );\n"}


class Servers:
    """What the databases are, for as many daemons as there are."""

    def __init__(self) -> None:
        self.plain = Fake("ok", answer=ROW)
        self.naps = Fake("naps", answer=ROW)
        self.wrong = Fake("asks-password")
        self.nobody = Port()

    def conninfo(self, kind: str) -> str:
        if kind == "dead":
            return f"host=127.0.0.1 port={self.nobody.number} user=app dbname=app sslmode=disable"
        return getattr(self, kind).conninfo(password="secret", sslmode="disable")

    def database(self, name: str, kind: str, variant: int) -> dict:
        """Its keys. A variant is another setting, not another server."""
        settings = {"retry_interval": "20ms", "down_interval": "40ms", "linger": f"{10 * (1 + variant)}ms", "required": variant == 0,
                    "blocked_interval": "1h"}
        if kind == "naps":
            settings |= {"provider": "neon", "suspend_after": "50ms", "door_interval": "30ms", "slow": "40ms",
                         "wake_at_start": variant == 0}
        if kind == "dead":
            settings |= {"policy": "observe", "door_interval": "0s"}
        return quick(name, self.conninfo(kind), **settings)

    def close(self) -> None:
        for each in (self.plain, self.naps, self.wrong, self.nobody):
            each.close()


@dataclass
class Known:
    """A database as the model knows it."""

    kind: str
    variant: int
    paused: bool | None = None  # None: whether a pause from before is still in force
    counts: dict = field(default_factory=dict)  # what only grows

    def as_now(self, kind: str, variant: int) -> "Known":
        """The same one, configured otherwise."""
        return Known(kind, variant, self.paused, self.counts)


@dataclass
class Lease:
    name: str
    owner: str
    stream: EventStream | None = None  # None: by the clock


@dataclass
class Waiter:
    """A request that is held, and how it may be answered."""

    wire: Wire
    name: str
    allowed: set[int]
    over: bool = False  # something has happened after which it must have been answered


@dataclass
class Watcher:
    stream: EventStream
    name: str | None
    since: int  # what comes after this it must have heard
