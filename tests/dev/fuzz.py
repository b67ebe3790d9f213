"""./dev fuzz: runs the libFuzzer fuzzers that are built below build/fuzz, and prints what each has seen.

Each begins with its corpus of the tree (tests/fuzz/corpus/NAME) and with what earlier runs found here (build/fuzz/corpus/NAME, where new
inputs go). An input at which it fails is left in build/fuzz/findings, and makes the exit code 1. With --merge, instead: the corpus of the
tree becomes the fewest inputs of both that cover as much code, and finding-*: inputs at which something failed once.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).parents[2]
TREE = TOP / "tests/fuzz"
BUILT = TOP / "build/fuzz"
FINDINGS = BUILT / "findings"
NAMES = sorted(path.stem.removeprefix("fuzz-") for path in TREE.glob("fuzz-*.c"))
# libpq makes room for what a length word announces, up to 2 GB, and touches none of it before it comes; probe/connection.c bounds that.
LIMITS = ["-max_len=4096", "-timeout=20", "-rss_limit_mb=2560", "-malloc_limit_mb=4096"]
SEEN = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)")


def program(name: str) -> str:
    return str(BUILT / "tests/fuzz" / f"fuzz-{name}")


def environment(folder: str) -> dict[str, str]:
    """Files of the fuzzers go to a folder that is in memory where there is such a place."""
    return dict(os.environ, TMPDIR=folder, ASAN_OPTIONS="detect_stack_use_after_return=1", UBSAN_OPTIONS="print_stacktrace=1")


def in_memory() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="pgwaked-fuzz.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def corpora(name: str) -> list[Path]:
    found = [BUILT / "corpus" / name, TREE / "corpus" / name]
    for folder in found:
        folder.mkdir(parents=True, exist_ok=True)
    return found


def fuzz(name: str, seconds: int) -> tuple[str, bool]:
    """Its row of the table, and whether it found nothing."""
    log = FINDINGS / f"{name}.log"
    with in_memory() as folder, log.open("w") as output:
        done = subprocess.run([program(name), *LIMITS, f"-max_total_time={seconds}", f"-dict={TREE / 'dictionary' / name}",
                               f"-artifact_prefix={FINDINGS}/{name}-", "-print_final_stats=1", *map(str, corpora(name))],
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment(folder), check=False)
    text = log.read_text(errors="replace")
    executed = re.findall(r"stat::number_of_executed_units: *(\d+)", text) or ["-"]
    coverage, features, inputs, size = (SEEN.findall(text) or [("-",) * 4])[-1]
    if done.returncode == 0:
        log.unlink()
    found = "" if done.returncode == 0 else f"  FINDING: {log.relative_to(TOP)}"
    return f"{name:10} {executed[-1]:>12} {coverage:>9} {features:>9} {inputs:>8} {size:>8}{found}", done.returncode == 0


def merge(name: str) -> None:
    found, tree = corpora(name)
    with tempfile.TemporaryDirectory(dir=BUILT) as fewest, in_memory() as folder:
        # Without counters: one input an edge, not one for each number of times that an edge was taken.
        subprocess.run([program(name), *LIMITS, "-merge=1", "-use_counters=0", fewest, str(tree), str(found)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(folder), check=True)
        for path in tree.iterdir():
            if not path.name.startswith("finding-"):
                path.unlink()
        shutil.copytree(fewest, tree, dirs_exist_ok=True)
    print(f"{name:10} {len(list(tree.iterdir())):>8} inputs")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merge", action="store_true", help="renew the corpus of the tree instead")
    parser.add_argument("minutes", nargs="?", default="1", help="for each (default 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default all)")
    arguments = parser.parse_args()
    try:
        seconds = int(60 * float(arguments.minutes))
    except ValueError:
        parser.error(f"MINUTES is a number, not {arguments.minutes!r}")
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"there is no fuzzer {min(unknown)!r}; there are {', '.join(NAMES)}")
    names = arguments.names or NAMES
    if arguments.merge:
        for name in names:
            merge(name)
        return 0
    FINDINGS.mkdir(parents=True, exist_ok=True)
    print(f"{'fuzzer':10} {'executions':>12} {'edges':>9} {'features':>9} {'inputs':>8} {'size':>8}", flush=True)
    good = True
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for row, is_good in pool.map(lambda name: fuzz(name, max(seconds, 1)), names):
            print(row, flush=True)
            good = good and is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
