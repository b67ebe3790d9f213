"""A real HAProxy in the foreground, and what it thinks of its servers."""

import csv
import io
import socket
import subprocess
from pathlib import Path

from rig import children
from rig.patience import patient, until


class HAProxy:
    """Runs a configuration that has one proxy, db, with one server, main. Global section and timeouts are added."""

    def __init__(self, folder: Path, sections: str):
        self.socket = folder / "haproxy.sock"
        path = folder / "haproxy.cfg"
        path.write_text(f"""global
    stats socket {self.socket} mode 600 level admin
defaults
    timeout connect 2s
    timeout client 30s
    timeout server 30s
{sections}""")
        checked = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        with open(folder / "haproxy.log", "ab") as log:
            self.process = children.start(["haproxy", "-db", "-f", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.socket.exists, 10, "HAProxy's socket is there")

    def command(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(text.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def server(self) -> dict:
        """What HAProxy says of the server: "up" is whether it is given connections, "maint" what a person has set."""
        rows = csv.DictReader(io.StringIO(self.command("show stat").lstrip("# ")))
        row = next(each for each in rows if each["svname"] == "main")
        _, names, values, *_ = self.command("show servers state db").splitlines()
        state = dict(zip(names.lstrip("# ").split(), values.split()))
        return {"up": state["srv_op_state"] == "2", "maint": state["srv_admin_state"] == "1", "weight": int(state["srv_uweight"]),
                "agent": f"{row['agent_status']} {row['last_agt']}", "check": f"{row['check_status']} {row['check_code']}",
                "changed": int(row["lastchg"] or 0)}

    def wait(self, look, what: str) -> dict:
        return until(lambda: look(server := self.server()) and server, 10, what, every=0.02)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(patient(10))
