"""Listening sockets that a daemon does not make itself, but is passed at its start (sd_listen_fds(3)), as a service manager does it.

Run as a program, `passing.py NAME=FD ... -- COMMAND`: puts the descriptors where they belong and becomes COMMAND.
"""

import fcntl
import os
import socket
import sys
from pathlib import Path

_FIRST = 3


class Passed:
    """Sockets that the test owns, so that they outlive a daemon: Passed(status=path, control=path, other=("127.0.0.1", 0)).
    Give it to Daemon(passed=...)."""

    def __init__(self, **places: Path | tuple[str, int]):
        self.sockets = {name: self._listen(place) for name, place in places.items()}

    @staticmethod
    def _listen(place: Path | tuple[str, int]) -> socket.socket:
        family = socket.AF_UNIX if not isinstance(place, tuple) else socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        made = socket.socket(family)
        made.bind(place if isinstance(place, tuple) else str(place))
        made.listen(128)
        return made

    @property
    def descriptors(self) -> list[int]:
        return [each.fileno() for each in self.sockets.values()]

    @property
    def prefix(self) -> list[str]:
        return [sys.executable, "-S", __file__, *(f"{name}={each.fileno()}" for name, each in self.sockets.items()), "--"]

    def port(self, name: str) -> int:
        return self.sockets[name].getsockname()[1]

    def close(self) -> None:
        for each in self.sockets.values():
            each.close()

    def __enter__(self) -> "Passed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    end = sys.argv.index("--")
    given = [each.rpartition("=") for each in sys.argv[1:end]]
    # Out of the way first: one may stand where another has to go.
    moved = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, _FIRST + len(given)) for _, _, number in given]
    for at, number in enumerate(moved, _FIRST):
        os.dup2(number, at)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=":".join(name for name, _, _ in given))
    os.execvp(sys.argv[end + 1], sys.argv[end + 1:])


if __name__ == "__main__":
    main()
