"""The napping PostgreSQL as a process of its own, driven from a test."""

from pathlib import Path

from rig.driver import Driver


class Nap(Driver):
    """Starts napping.py, waits until it listens, reads its truth and gives it commands.

    Options are napping.py's: Nap(folder, suspend_after=2, wake_delay=0.5, refuse=True, set=["max_connections=5"]).
    status(): state, wakes, doors, sessions.
    """

    def __init__(self, folder: Path, template: Path | None = None, name: str = "nap", user: str = "app",
                 password: str = "secret", db: str = "app", host: str = "127.0.0.1", port: int = 0, **options: object):
        super().__init__("napping.py", folder, template, name, user, password, db, host, port, options)

    def conninfo(self, **more: object) -> str:
        parts = {"host": self.host, "port": self.port, "user": self.user, "password": self.password,
                 "dbname": self.db, **more}
        return " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)

    def uri(self, password: bool = True) -> str:
        secret = f":{self.password}" if password else ""
        return f"postgresql://{self.user}{secret}@{self.host}:{self.port}/{self.db}"
