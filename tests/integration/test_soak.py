"""A few seconds of ./dev soak, so that it works when it is wanted."""

import signal
import subprocess
import sys
from pathlib import Path

from rig import children
from rig.patience import patient

SOAK = Path(__file__).parents[1] / "dev/soak.py"


def test_a_short_soak_is_flat_and_always_answered():
    done = subprocess.run([sys.executable, "-B", SOAK, "--minute", "3", "0"], capture_output=True, text=True, timeout=patient(120),
                          check=False)
    print(done.stdout)
    assert done.returncode == 0 and "flat, and control always answered" in done.stdout, done.stdout + done.stderr


def test_sigterm_ends_a_soak_early_and_leaves_nothing():
    soak = children.start([sys.executable, "-B", str(SOAK), "--minute", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert soak.stdout.readline().split()[0] == "minute"
        soak.send_signal(signal.SIGTERM)
        said, complained = soak.communicate(timeout=patient(120))
    finally:
        soak.kill()
    assert soak.returncode == 1 and not complained and ("too few" in said or not said), said + complained
    assert not list(Path("/dev/shm").glob(f"pgsoak-{soak.pid}.*")) + list(Path("/tmp").glob(f"pgsoak-{soak.pid}.*"))
