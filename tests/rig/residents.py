"""What lives in a Machine beside pgwaked, each as a unit: a PostgreSQL, the stand-in for Neon, and a name server that knows it."""

import json
import shutil
import socket
from pathlib import Path

from rig.ca import CA
from rig.cluster import Cluster
from rig.machine import Machine
from rig.neon import issue
from rig.patience import patient, until
from rig.postgres import Template, find_bin

DOMAIN = "eu-central-1.aws.neon.test"
HOST = f"ep-cool-1.{DOMAIN}"
PASSWORD = "secret"

_POSTGRES = f"""[Unit]
Description=A PostgreSQL
[Service]
Type=notify
User=postgres
RuntimeDirectory=pg
ExecStart={find_bin()}/postgres -D /srv/pg -c port=5432 -c unix_socket_directories=/run/pg -c listen_addresses=127.0.0.1
KillMode=mixed
KillSignal=SIGINT
"""

_NEON = f"""[Unit]
Description=A database that sleeps, as Neon's do
[Service]
ExecStart=/usr/bin/python3 -B /srv/rig/neonserver.py --listen 127.0.0.1:5433 --control /run/neon.ctl --log /run/neon.truth --quiet \\
    --template /srv/template --data /srv/neon --suspend-after 0.6 --wake-delay "fixed 0.4" --look-every 0.1 --domain {DOMAIN} \\
    --certificate /srv/neon.crt --key /srv/neon.key
KillMode=mixed
StandardInput=null
"""

_NAMES = f"""[Unit]
Description=A name server that knows one name
[Service]
ExecStart=/usr/bin/python3 -B /srv/names.py
"""

_NAMES_PROGRAM = f"""import signal, sys
sys.path.insert(0, "/srv")
from rig.network import NameServer
class Here(NameServer):
    @staticmethod
    def _addresses():
        return ["127.0.0.53"]
with Here({{"{HOST}": ["127.0.0.1"]}}):
    signal.pause()
"""


def move_in_postgres(machine: Machine, folder: Path, template: Template) -> None:
    """Puts pg.service alone into a machine that is not booted: user app, password secret, database app."""
    cluster = Cluster(folder, template, "resident")
    cluster.reload()  # writes its files
    cluster.close()
    machine.outside("cp", "-a", cluster.data, machine.place / "srv/pg")
    machine.write("/etc/systemd/system/pg.service", _POSTGRES)


def move_in(machine: Machine, folder: Path, template: Template, ca: CA) -> None:
    """Puts them all into a machine that is not booted: pg.service, neon.service, names.service, none of them enabled. User app, password
    secret, database app everywhere; alice is nobody in particular, and bob may order pgwaked."""
    move_in_postgres(machine, folder, template)
    machine.outside("mkdir", "-m", "0711", machine.place / "srv/template")
    machine.outside("cp", "-a", template.data, machine.place / "srv/template/template")
    certificate = issue(ca, DOMAIN)
    for source, target in ((certificate.cert, "neon.crt"), (certificate.key, "neon.key"), (ca.cert, "ca.crt")):
        shutil.copy(source, machine.root / "srv" / target)
    (machine.root / "srv/ca.crt").chmod(0o644)
    (machine.root / "etc/resolv.conf").unlink(missing_ok=True)
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
    machine.write("/srv/names.py", _NAMES_PROGRAM)
    for name, text in (("neon", _NEON), ("names", _NAMES)):
        machine.write(f"/etc/systemd/system/{name}.service", text)
    machine.write("/etc/sysusers.d/residents.conf", "u alice - alice\nu bob - bob\nm bob pgwake\n")
    machine.outside("systemd-sysusers", f"--root={machine.place}", "residents.conf")


def postgres(**more: object) -> dict:
    """The configuration of main at the PostgreSQL, quick to see what happens."""
    return {"name": "main", "conninfo": f"host=127.0.0.1 port=5432 user=app dbname=app password={PASSWORD}", "ping_interval": "200ms",
            "login_interval": "1s", "retry_interval": "50ms", "down_interval": "150ms", "blocked_interval": "200ms", **more}


def sleeper(**more: object) -> dict:
    """The configuration of main at the stand-in for Neon: over DNS and verified TLS, on demand."""
    return {"name": "main", "conninfo": f"host={HOST} port=5433 user=app dbname=app password={PASSWORD} sslmode=verify-full "
            "sslrootcert=/srv/ca.crt channel_binding=require", "provider": "neon", "suspend_after": "600ms", "door_interval": "300ms",
            "linger": "0s", "slow": "200ms", "ping_interval": "100ms", "login_interval": "1h", "retry_interval": "50ms",
            "down_interval": "150ms", "wake_at_start": False, **more}


class NeonInside:
    """The stand-in for Neon in a machine: started, asked and ordered."""

    def __init__(self, machine: Machine):
        self._machine = machine

    def start(self) -> "NeonInside":
        self._machine.systemctl("start", "names", "neon")
        until(self._listens, 20, "the stand-in for Neon listens", every=0.02)
        return self

    def _listens(self) -> bool:
        return any(event["event"] == "listening" for event in self.truth())

    def truth(self) -> list[dict]:
        path = self._machine.path("/run/neon.truth")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def command(self, line: str) -> str:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(patient(30))
            control.connect(str(self._machine.path("/run/neon.ctl")))
            control.sendall(line.encode() + b"\n")
            answer = control.makefile(encoding="utf-8").readline().strip()
        assert answer.startswith("ok"), f"{line}: {answer}"
        return answer[2:].strip()

    def status(self) -> dict:
        return json.loads(self.command("status"))

    def wait(self, state: str, timeout: float = 15.0) -> None:
        until(lambda: self.status()["state"] == state, timeout, f"the database is {state} in truth", every=0.02)
