"""./dev bench, ended in the middle."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig import children
from rig.patience import patient, until
from rig.unixhttp import request

BENCH = Path(__file__).resolve().parents[1] / "bench/run"
ENDED = 20  # seconds that its servers may take to stop


def works_under_a_lease(folder: Path) -> bool:
    """The part `day`: its first burst has begun, also of those who live the same day beside it."""
    try:
        sockets = list(folder.rglob("control.sock"))
        return bool(sockets) and bool(request(sockets[0], "/status/main", timeout=5).json["leases"])
    except (OSError, KeyError):  # not there yet
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bench_that_is_ended_ends_and_leaves_nothing(number, tmp):
    output = tmp / "bench.txt"
    with output.open("w") as file:
        bench = children.start([sys.executable, "-B", str(BENCH), "day"], stdout=file, stderr=subprocess.STDOUT)
    try:
        def folders() -> list[Path]:
            return [each for parent in ("/dev/shm", "/tmp") for each in Path(parent).glob(f"pgwaked-bench-{bench.pid}.*")]

        until(lambda: any(works_under_a_lease(each) for each in folders()), 60, "a day is being lived", every=0.1)
        with children.Watch(children.family(bench.pid)[1:]) as started:
            bench.send_signal(number)
            code = bench.wait(patient(ENDED))
            assert started.wait(patient(ENDED)), "what it started has ended"
        assert code == 128 + number and not folders()
        assert "Traceback" not in output.read_text()
    finally:
        bench.kill()
        bench.wait()
