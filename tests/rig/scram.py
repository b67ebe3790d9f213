"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677; channel binding tls-server-end-point, RFC 5929). Pure.

Of a role only PostgreSQL's own verifier is known, never the password. For a role that does not exist the exchange runs to its end
against a mock secret, so that nothing before the end tells the difference.
"""

import base64
import hashlib
import hmac
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from rig import wire

BINDING = "tls-server-end-point"
MECHANISMS = (wire.SCRAM_PLUS, wire.SCRAM)
_GS2 = re.compile(r"(?P<header>(?P<flag>n|y|p=(?P<binding>[^,]+)),(?:a=[^,]*)?,)(?P<bare>n=[^,]*,r=(?P<nonce>[!-+\--~]+)(?:,.*)?)")
_FINAL = re.compile(r"(?P<unproven>c=(?P<binding>[^,]+),r=(?P<nonce>[^,]+)(?:,.*)?),p=(?P<proof>[^,]+)")
# DER of the object identifiers ecdsa-with-SHA256 and sha256WithRSAEncryption.
_SIGNED_WITH_SHA256 = (bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06092a864886f70d01010b"))


class Violation(Exception):
    """The client breaks the protocol, or somebody sits between: the text is what it is told."""


class WrongPassword(Exception):
    """The proof does not fit, or there is no such role."""


@dataclass(frozen=True)
class Secret:
    """What a server keeps of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, verifier: str) -> "Secret":
        """From pg_authid.rolpassword."""
        method, head, keys = verifier.split("$")
        if method != wire.SCRAM:
            raise ValueError(f"a verifier of {method}")
        iterations, salt = head.split(":")
        return cls(int(iterations), *(base64.b64decode(each) for each in (salt, *keys.split(":"))))

    @classmethod
    def mock(cls, user: str, key: bytes) -> "Secret":
        """The same for the same role and key, and no password fits."""
        salt = hmac.digest(key, user.encode(), "sha256")[:16]
        return cls(4096, salt, os.urandom(32), os.urandom(32))


def endpoint_binding(certificate: Path) -> bytes:
    """tls-server-end-point of a PEM certificate: its hash with the hash of its signature."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    if not any(oid in der for oid in _SIGNED_WITH_SHA256):
        raise ValueError(f"{certificate}: signed with another hash than SHA-256")
    return hashlib.sha256(der).digest()


class Exchange:
    """One login. first() and final() take the client's messages and give the server's answers."""

    def __init__(self, secret: Secret, binding: bytes):
        self._secret = secret
        self._binding = binding
        self._expected = ""
        self._nonce = ""
        self._said = ""

    def first(self, mechanism: str, message: bytes) -> bytes:
        """The client-first-message -> the server-first-message. Raises Violation."""
        if mechanism not in MECHANISMS:
            raise Violation(f"Unsupported authentication method: {mechanism}")
        said = self._read(_GS2, message)
        flag = said["flag"]
        if flag == "y":
            raise Violation("SCRAM-PLUS not used")  # we offered it: somebody took it away on the way to the client
        if said["binding"] and said["binding"] != BINDING:
            raise Violation(f"unsupported channel binding method {said['binding']}")
        if (flag == "n") != (mechanism == wire.SCRAM):
            raise Violation("authentication protocol violation")
        self._expected = _text(said["header"].encode() + (self._binding if said["binding"] else b""))
        self._nonce = said["nonce"] + _text(os.urandom(18))
        answer = f"r={self._nonce},s={_text(self._secret.salt)},i={self._secret.iterations}"
        self._said = f"{said['bare']},{answer}"
        return answer.encode()

    def final(self, message: bytes) -> bytes:
        """The client-final-message -> the server-final-message. Raises Violation or WrongPassword."""
        said = self._read(_FINAL, message)
        if said["binding"] != self._expected:
            raise Violation("insecure connection: secure channel data mismatch")
        if said["nonce"] != self._nonce:
            raise Violation("authentication protocol violation")
        signed = f"{self._said},{said['unproven']}".encode()
        signature = hmac.digest(self._secret.stored_key, signed, "sha256")
        try:
            proof = base64.b64decode(said["proof"], validate=True)
        except ValueError as bad:
            raise Violation("authentication protocol violation") from bad
        key = bytes(a ^ b for a, b in zip(proof, signature))
        if len(proof) != 32 or not hmac.compare_digest(hashlib.sha256(key).digest(), self._secret.stored_key):
            raise WrongPassword
        return b"v=" + base64.b64encode(hmac.digest(self._secret.server_key, signed, "sha256"))

    @staticmethod
    def _read(form: re.Pattern[str], message: bytes) -> re.Match[str]:
        found = form.fullmatch(message.decode("utf-8", "replace"))
        if not found:
            raise Violation("authentication protocol violation")
        return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
