"""What a psycopg2 session was told when its server went away."""

import os
import select
import time

import psycopg2

from rig import wire
from rig.patience import Late, patient


def last_words(connection: "psycopg2.extensions.connection", timeout: float = 5.0) -> str:
    """Waits for the end of an idle, unencrypted session and returns the server's messages before it, "" for a bare end
    of the stream. Closes the session. Read beside libpq: a FATAL that comes while a session is idle is a mere notice
    to libpq, and psycopg2 drops it with the connection."""
    socket = connection.fileno()
    said = b""
    deadline = time.monotonic() + patient(timeout)
    try:
        while select.select([socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                piece = os.read(socket, 65536)  # libpq's own descriptor: it is not reading meanwhile
            except ConnectionResetError:
                piece = b""
            if not piece:
                return "\n".join(wire.parse_report(payload)["M"] for kind, payload in wire.split(said)[0]
                                 if kind in b"EN")
            said += piece
        raise Late(f"the session did not end within {timeout} s")
    finally:
        connection.close()
