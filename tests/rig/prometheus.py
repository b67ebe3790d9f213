"""A real Prometheus, and what is read with the tools of its house."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from rig import children
from rig.patience import patient, until
from rig.ports import Port

TEXT = "text/plain"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def tool(name: str) -> str:
    """Where prometheus or promtool is; skips the test without it."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"no {name}")
    return found


def promtool(*argv: object, given: bytes | None = None, folder: Path | None = None) -> None:
    """Runs promtool to its end; it must have nothing to complain of."""
    done = subprocess.run([tool("promtool"), *map(str, argv)], input=given, capture_output=True, cwd=folder, timeout=patient(120),
                          check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said[-4000:]


class Series:
    """An answer of /metrics, read strictly by hand: contiguous families, no series twice."""

    def __init__(self, text: str):
        self.types: dict[str, str] = {}
        self.help: dict[str, str] = {}
        self.values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.labels: dict[str, set[str]] = {}
        family, heads = "", Counter()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                _, _, family, told = line.split(" ", 3)
                self.help[family] = told
                heads[line] += 1
            elif line.startswith("# TYPE "):
                assert line.split()[2] == family
                self.types[family] = line.split()[3]
            elif line.startswith("#"):
                assert line.startswith(f"# UNIT {family} ") or line == "# EOF", line
            else:
                found = _SAMPLE.match(line)
                assert found, line
                labels = tuple(_LABEL.findall(found[2] or ""))
                assert self._belongs(found[1], family), f"{line} stands in {family}"
                assert (found[1], labels) not in self.values, f"{line} comes twice"
                self.values[found[1], labels] = float(found[3])
                self.labels.setdefault(family, set()).update(name for name, _ in labels)
        assert max(heads.values()) == 1

    def _belongs(self, name: str, family: str) -> bool:
        suffixes = ["_bucket", "_count", "_sum"] if self.types[family] == "histogram" else ["", "_total", "_info"]
        return name in {family + suffix for suffix in suffixes}

    def get(self, name: str, **labels: str) -> float | None:
        """The value of one series."""
        return self.values.get((name, tuple(labels.items())))

    def of(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """All of a name with at least these labels: the values of the others -> the value."""
        found = {}
        for (each, pairs), value in self.values.items():
            if each == name and labels.items() <= set(pairs):
                found[tuple(text for key, text in pairs if key not in labels)] = value
        return found


class Prometheus:
    """Scrapes once in a while what its configuration says; ends with the test."""

    def __init__(self, folder: Path, configuration: str):
        self._port = Port()
        self.url = f"http://127.0.0.1:{self._port.number}"
        path = folder / "prometheus.yml"
        path.write_text(configuration, encoding="utf-8")
        promtool("check", "config", path)
        self.log = folder / "prometheus.log"
        with open(self.log, "wb") as log:
            self._process = children.start([tool("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                            f"--web.listen-address=127.0.0.1:{self._port.number}"],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        until(self._ready, 60, "Prometheus is ready", every=0.05)

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=patient(5)) as answer:
                return answer.status == 200
        except OSError:
            return False

    def api(self, path: str, **arguments: str) -> object:
        """The data of an answer of its API."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=patient(30)) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{arguments}: {refusal.read().decode()}") from None
        assert said["status"] == "success"
        return said["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What an expression is now: labels and value of each series."""
        return [(each["metric"], float(each["value"][1])) for each in self.api("query", query=expression)["result"]]

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(patient(20))
        finally:
            self._process.kill()
            self._process.wait()
            self._port.close()

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
