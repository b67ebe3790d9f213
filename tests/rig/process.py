"""What /proc says of a process."""

import os
import re
from pathlib import Path


def status_field(pid: int, field: str) -> int:
    """A number of /proc/PID/status: kB for memory."""
    return int(re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), flags=re.M)[1])


def rss_anon_kb(pid: int) -> int:
    """Private memory that is really there."""
    return status_field(pid, "RssAnon")


def descriptors(pid: int) -> list[str]:
    """What every open file descriptor leads to."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(each))
        except FileNotFoundError:
            pass
    return found


def is_asleep(pid: int) -> bool:
    """Its main thread waits for something."""
    return Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


def cpu_seconds(pid: int) -> float:
    """What all its threads have computed, in the kernel too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> list[str]:
    """The names of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found.append((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def switches(pid: int) -> dict[str, int]:
    """How often each thread gave up its processor by itself: each wait that ended is one."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text()
        name = re.search(r"^Name:\s+(.*)", text, flags=re.M)[1]
        found[f"{task.name} {name}"] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, flags=re.M)[1])
    return found
