"""Temporary folders that PostgreSQL's own user can pass, with paths short enough for sockets in them."""

import os
import shutil
import tempfile
from pathlib import Path

_LONGEST = 40  # a socket's path has 107 bytes, and ours add up to some 60 below the folder
_ROOM = 2 << 30
_MEMORY = Path("/dev/shm")


def _passable(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _roomy(folder: Path) -> bool:
    """A container's /dev/shm is often small, and may forbid the programs that tests write."""
    try:
        facts = os.statvfs(folder)
    except OSError:
        return False
    return facts.f_bavail * facts.f_frsize >= _ROOM and not facts.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


def _choose_parent() -> Path:
    """$TMPDIR where it is given; else memory, because copies of data folders are most of a test's time."""
    if "TMPDIR" not in os.environ and _roomy(_MEMORY):
        return _MEMORY
    parent = Path(tempfile.gettempdir())
    return parent if len(str(parent)) <= _LONGEST and _passable(parent) else Path("/tmp")


def make_folder(parent: Path | None = None, prefix: str = "pgrig-") -> Path:
    """A new folder, mode 0711: others may pass it, not list it. Who makes it removes it; what a killed process left
    behind, outside of any `parent`, the next one removes."""
    if parent is None:
        parent = _choose_parent()
        _sweep(parent, prefix)
        prefix = f"{prefix}{os.getpid()}.{_processes()}-"
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    made.chmod(0o711)
    return made


def _processes() -> str:
    """Tells apart who has other processes than we see (a container) and may share the folder's parent."""
    return f"{os.stat('/proc/self/ns/pid').st_ino:x}"[-4:]


def _sweep(parent: Path, prefix: str) -> None:
    for left in parent.glob(f"{prefix}[0-9]*.{_processes()}-*"):
        maker = left.name.removeprefix(prefix).split(".")[0]
        if maker.isdigit() and left.stat().st_uid == os.geteuid() and not Path("/proc", maker).exists():
            remove_folder(left)


def remove_folder(folder: Path) -> None:
    """Removes a folder and all in it, unless RIG_KEEP asks to keep it for looking."""
    if not os.environ.get("RIG_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)
