"""Certificate authorities for tests, made by the openssl command."""

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path


_CA_CONFIG = """[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Certificate:
    """Paths of a PEM certificate and its key."""

    cert: Path
    key: Path


def _openssl(*argv: object) -> None:
    done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {argv[0]}: {done.stderr}")


class CA:
    """One authority. A second CA object is the "wrong CA": same make, another key and name."""

    def __init__(self, folder: Path, name: str = "Rig CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.cert = self.folder / "ca.crt"
        self.key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30,
                 "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert,
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, dns: tuple[str, ...] = ("localhost",), ips: tuple[str, ...] = ("127.0.0.1",),
              name: str | None = None, days: int = 30) -> Certificate:
        """A server's certificate for these DNS names and addresses; negative `days` makes an expired one."""
        alternatives = [f"DNS:{each}" for each in dns] + [f"IP:{each}" for each in ips]
        extensions = ["extendedKeyUsage=serverAuth"]
        if alternatives:
            extensions.append("subjectAltName=" + ",".join(alternatives))
        return self._sign(name or (dns[0] if dns else "server"), extensions, days)

    def issue_client(self, user: str, days: int = 30) -> Certificate:
        """A client's certificate, for hba method `cert`: its common name is the role."""
        return self._sign(user, ["extendedKeyUsage=clientAuth"], days)

    def _sign(self, common_name: str, extensions: list[str], days: int) -> Certificate:
        number = len(list(self.folder.glob("*.csr"))) + 1
        stem = self.folder / f"issued-{number}"
        made = Certificate(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        request, config = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        config.write_text("\n".join(["basicConstraints=critical,CA:FALSE", *extensions]) + "\n")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", f"/CN={common_name}", "-keyout", made.key, "-out", request)
        # `openssl x509` of OpenSSL 3.5 makes no certificate that has ended already.
        begins = datetime.now(timezone.utc) + timedelta(days=min(0, days) - 1)
        ends = datetime.now(timezone.utc) + timedelta(days=days)
        (self.folder / "ca.conf").write_text(_CA_CONFIG.format(folder=self.folder))
        (self.folder / "index").touch()
        _openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.conf", "-in", request, "-cert", self.cert, "-keyfile", self.key,
                 "-startdate", f"{begins:%Y%m%d%H%M%SZ}", "-enddate", f"{ends:%Y%m%d%H%M%SZ}", "-extfile", config, "-out", made.cert)
        return made
