"""./dev itself, ended in the middle of what it builds and runs."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from rig import children
from rig.patience import patient, until

TOP = Path(__file__).resolve().parents[2]
# Stands in for each program that a build runs: has a child, as make has compilers, and neither of them ends by itself.
ENDLESS = '#!/bin/sh\nsleep 1000 &\necho $! >"$PIDS/$$.new" && mv "$PIDS/$$.new" "$PIDS/$$"\nwait\n'
COMMANDS = [["build"], ["quick"], ["check"], ["test", "test-store"], ["bench"], ["simulate"], ["fuzz"], ["allocations"], ["soak"],
            ["soak", "--sanitized"], ["coverage"], ["demo"]]


@pytest.fixture
def tree(tmp):
    """What of the tree ./dev reads, where nothing is built; and nothing is ever missing."""
    copy = tmp / "tree"
    (copy / "tests").mkdir(parents=True)
    shutil.copy(TOP / "dev", copy)
    shutil.copytree(TOP / "tests/dev", copy / "tests/dev")
    (tmp / "bin").mkdir()
    (tmp / "pids").mkdir()
    for name, text in [("autoreconf", ENDLESS), ("make", ENDLESS), ("dpkg-query", "#!/bin/sh\necho installed\n")]:
        (tmp / "bin" / name).write_text(text, encoding="utf-8")
        (tmp / "bin" / name).chmod(0o755)
    return copy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_signal_ends_it_with_all_that_it_has_started(tree, tmp, command, number):
    environment = {**os.environ, "PATH": f"{tmp / 'bin'}:{os.environ['PATH']}", "PIDS": str(tmp / "pids")}
    with (tmp / "dev.log").open("wb") as log:
        dev = children.start([str(tree / "dev"), *command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        def building():
            return [int(pid) for path in (tmp / "pids").iterdir() if path.suffix != ".new" for pid in (path.name, path.read_text())]

        with children.Watch(until(building, 20, "it builds")) as started:
            dev.send_signal(number)
            assert dev.wait(patient(20)) == 128 + number
            ended = started.wait(patient(20))
            started.send(signal.SIGKILL)
        assert ended, "what it started has ended"
    finally:
        dev.kill()
        dev.wait()
