"""./dev coverage: how much of daemon/ the tests have run, by folder, out of what a build with --coverage has counted (gcov).

    coverage.py BUILD SUITE     BUILD is the folder of that build, SUITE says what was run
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

TOP = Path(__file__).parents[2]


class Share:
    """So many of so many."""

    def __init__(self) -> None:
        self.taken = self.all = 0

    def add(self, counts) -> None:
        counts = list(counts)
        self.taken += sum(count > 0 for count in counts)
        self.all += len(counts)

    def __str__(self) -> str:
        return f"{self.all:>7} {100 * self.taken / self.all:>6.1f} %" if self.all else f"{0:>7} {'-':>8}"


def reports(build: Path):
    """What gcov says of each object, those that never ran included."""
    for notes in sorted((build / "daemon").rglob("*.gcno")):
        said = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", str(notes)], cwd=build,
                              capture_output=True, text=True, check=True).stdout
        for line in filter(None, said.splitlines()):
            yield json.loads(line)


def count(build: Path):
    """How often each line and each way of each branch was taken, by file: a function of a header is in several objects."""
    lines: dict[Path, dict] = defaultdict(lambda: defaultdict(int))
    branches: dict[Path, dict] = defaultdict(lambda: defaultdict(int))
    for report in reports(build):
        for file in report["files"]:
            path = (Path(report["current_working_directory"]) / file["file"]).resolve()
            if not path.is_relative_to(TOP / "daemon"):
                continue
            for line in file["lines"]:
                lines[path][line["line_number"]] += line["count"]
                for place, branch in enumerate(line["branches"]):
                    branches[path][line["line_number"], line.get("function_name"), place] += branch["count"]
    return lines, branches


def main(build: Path, suite: str) -> int:
    lines, branches = count(build)
    shares: dict[str, tuple[Share, Share]] = defaultdict(lambda: (Share(), Share()))
    for path in lines:
        folder = str(path.parent.relative_to(TOP))
        for name in (folder, "all"):
            shares[name][0].add(lines[path].values())
            shares[name][1].add(branches[path].values())
    print(f"suite: {suite}\n")
    print(f"{'folder':16} {'lines':>7} {'run':>8}  {'branches':>7} {'taken':>7}")
    for name in sorted(shares, key=lambda name: (name == "all", name)):
        print(f"{name:16} {shares[name][0]}  {shares[name][1]}")
    return 0 if shares else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))
