#!/usr/bin/env python3
"""Sums up test results: automake's .trs files and pytest's JUnit files below a folder. Prints what failed and what was skipped, and as the
last line `N passed, N failed, N skipped`. Exit code 1 when something failed, or nothing ran. The figures that tests printed are put
together in FOLDER/results/figures.txt."""

import argparse
import contextlib
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

_KINDS = {"PASS": "passed", "XFAIL": "passed", "SKIP": "skipped"}  # everything else failed


def results_of_trs(path: Path):
    """The results are in the .trs file; where it does not name them, the .log beside it does, line by line: `FAIL: test 3 - what`."""
    log = path.with_suffix(".log")
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    named = {kind: re.findall(rf"^{kind}: \S*{re.escape(path.stem)} ?(.*)", text, flags=re.M) for kind in ("FAIL", "ERROR", "XPASS", "SKIP")}
    for kind, name in re.findall(r"^:test-result: (\w+) ?(.*)", path.read_text(encoding="utf-8"), flags=re.M):
        if not name and named.get(kind):
            name = named[kind].pop(0)
        yield _KINDS.get(kind, "failed"), f"{path.with_suffix('')}: {name}"


def results_of_junit(path: Path):
    try:
        root = ElementTree.parse(path)
    except ElementTree.ParseError as wrong:
        yield "failed", f"{path}: {wrong}"
        return
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        tags = {child.tag: child.get("message") or "" for child in case}
        if "failure" in tags or "error" in tags:
            yield "failed", name
        elif "skipped" in tags:
            yield "skipped", f"{name} ({tags['skipped']})"
        else:
            yield "passed", name


def figures_of_junit(path: Path):
    """What passed tests printed, under their names."""
    with contextlib.suppress(ElementTree.ParseError):
        for case in ElementTree.parse(path).iter("testcase"):
            printed = [line for line in (case.findtext("system-out") or "").splitlines() if line.strip() and not line.startswith("---")]
            if printed:
                yield "\n  ".join([f"{case.get('classname')}: {case.get('name')}", *printed])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-skips", action="store_true", help="a skipped test is a failure")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()

    names: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for path in sorted(each for kind in ("*.trs", "*.xml") for each in options.folder.rglob(kind)):
        if path.relative_to(options.folder).parts[0].startswith("pgwaked-"):
            continue  # what a failed distcheck left behind: its tests are not counted twice
        for kind, name in results_of_trs(path) if path.suffix == ".trs" else results_of_junit(path):
            names[kind].append(name)

    figures = [text for path in sorted(options.folder.rglob("*.xml")) for text in figures_of_junit(path)]
    if figures:
        (options.folder / "results" / "figures.txt").write_text("\n".join(figures) + "\n", encoding="utf-8")
        print(f"The figures that the tests measured are in {options.folder / 'results' / 'figures.txt'}.")

    for kind in ("skipped", "failed"):
        for name in names[kind]:
            print(f"{kind}: {name}")
    if options.no_skips and names["skipped"]:
        print("Here a skipped test is a failure.")
    print(", ".join(f"{len(each)} {kind}" for kind, each in names.items()))
    bad = names["failed"] or not names["passed"] or options.no_skips and names["skipped"]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
