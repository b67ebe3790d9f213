"""PostgreSQL's programs, the user they run as, and a template data folder made once and copied."""

import fcntl
import json
import os
import pwd
import re
import subprocess
from pathlib import Path

from rig.folder import make_folder, remove_folder

SUPERUSER = "postgres"
# A role that may log in, its password, and the database that it owns: nearly every test wants them, so they are in every copy of the template.
APP = ("app", "secret", "app")
# The roles' verifiers, in a data folder where PostgreSQL leaves them alone: who stands in front of it knows them while it sleeps.
VERIFIERS = "verifiers.json"


def find_bin() -> Path:
    """The folder of the programs of the newest PostgreSQL that there is."""
    found = [(int(version[0]), path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")
             if (version := re.findall(r"\d+", str(path)))]
    if not found:
        raise FileNotFoundError("no PostgreSQL server programs: apt-get install postgresql")
    return max(found)[1]


def identity() -> dict:
    """Popen options that run a program as PostgreSQL's own user when we are root: it refuses root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def owner() -> tuple[int, int]:
    """Who must own the files that PostgreSQL writes or that it demands to be private: (uid, gid)."""
    as_user = identity()
    return (as_user["user"], as_user["group"]) if as_user else (os.geteuid(), os.getegid())


def environment() -> dict[str, str]:
    """A clean environment: no PG* variable and no locale of ours reaches the server."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _add_app(data: Path) -> None:
    """Without a server: one that is started and stopped takes a second."""
    user, password, dbname = APP
    statements = f"""CREATE ROLE "{user}" LOGIN PASSWORD '{password}';
CREATE DATABASE "{dbname}" OWNER "{user}";
SELECT rolpassword FROM pg_authid WHERE rolname = '{user}';
"""
    done = subprocess.run([find_bin() / "postgres", "--single", "-D", data, "-c", "fsync=off", "postgres"], input=statements, capture_output=True,
                          text=True, env=environment(), cwd="/", check=False, **identity())
    verifiers = re.findall(r'rolpassword = "([^"]+)"', done.stdout)
    if done.returncode != 0 or len(verifiers) != 1:
        raise RuntimeError(f"postgres --single: {done.stdout}{done.stderr}")
    kept = data / VERIFIERS
    kept.write_text(json.dumps({user: verifiers[0]}), encoding="utf-8")
    os.chown(kept, *owner())


class Template:
    """A data folder from initdb, with APP in it, made at first use; processes that share the folder share the one initdb."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.data = self.folder / "template"

    def copy(self, target: Path) -> None:
        """Makes `target`, which must not exist, a copy of the template."""
        self.make()
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.data), str(target)], check=True)

    def make(self) -> None:
        """initdb, unless it was done."""
        with open(self.folder / "template.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.data.exists():
                return
            nursery = make_folder(self.folder, "initdb-")
            os.chown(nursery, *owner())
            done = subprocess.run(
                [find_bin() / "initdb", "-D", nursery / "data", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                 "--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=1"],
                capture_output=True, text=True, env=environment(), cwd="/", check=False, **identity())
            if done.returncode != 0:
                remove_folder(nursery)
                raise RuntimeError(f"initdb: {done.stderr}")
            _add_app(nursery / "data")
            (nursery / "data").rename(self.data)
            nursery.rmdir()
