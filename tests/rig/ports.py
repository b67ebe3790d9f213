"""TCP ports of 127.0.0.1 that nobody takes between choosing them and using them."""

import socket


class Port:
    """A port kept reserved by a bound socket that never listens.

    The kernel gives a bound port to no other caller who asks for "any" port, yet lets a server that sets SO_REUSEADDR
    (PostgreSQL and this rig do) bind and listen on it. While nobody listens a connect is refused, so a Port by itself
    is also the way to a reliable "connection refused".
    """

    def __init__(self, host: str = "127.0.0.1", number: int = 0):
        self.host = host
        self._socket = reusable_socket(host, number)
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Port":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reusable_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket with SO_REUSEADDR, not listening."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound
