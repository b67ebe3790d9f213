"""A program on a terminal of its own; all that it writes is collected."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from rig.daemon import check_sanitizers


class Terminal:
    """Runs ARGV as the leader of a session on a new terminal, which it `controls` (jobs, Ctrl-C) or not; `text` is what it has written so
    far. Every wait is for `deadline` seconds at most."""

    def __init__(self, argv: list[str], env: dict[str, str], deadline: float, columns: int = 100, rows: int = 30, controls: bool = False):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
                                        preexec_fn=(lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0)) if controls else None)
        os.close(slave)
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")  # a character may come in two reads
        self._deadline = deadline

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read(self, seconds: float) -> bool | None:
        """False when nothing came in time, None at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return None
        self.text += self._decoder.decode(data)
        return True if data else None

    def expect(self, pattern: str, after: int = 0) -> re.Match:
        """Waits for a pattern in the text from `after` on."""
        end = time.monotonic() + self._deadline
        while not (found := re.search(pattern, self.text[after:])):
            assert time.monotonic() < end, f"no {pattern!r} in {self.text[after:]!r}"
            if self.read(0.1) is None and not re.search(pattern, self.text[after:]):
                raise AssertionError(f"it ended without {pattern!r}: {self.text!r}")
        return found

    def finish(self) -> int:
        """Waits for its end; the exit code."""
        end = time.monotonic() + self._deadline
        while self.read(0.1) is not None:
            assert time.monotonic() < end, self.text
        os.close(self.master)
        check_sanitizers(self.text)
        return self.process.wait(self._deadline)
