"""What kind of build is tested."""

import functools

import pytest

from rig.daemon import built


@functools.cache
def _has(name: bytes) -> bool:
    try:
        return name in built("pgwaked").read_bytes()
    except FileNotFoundError:
        return False


def sanitized() -> bool:
    """Built with a sanitizer: its figures of memory say nothing, and valgrind cannot run it."""
    return _has(b"__asan_init") or _has(b"__tsan_init")


def counted() -> bool:
    """Built with --coverage: it computes many times more slowly, and the system is as fast as ever. To compare the two says nothing."""
    return _has(b"__gcov_")


# ThreadSanitizer has a thread of its own that wakes up ten times a second.
no_thread_sanitizer = pytest.mark.skipif(_has(b"__tsan_init"), reason="ThreadSanitizer never sleeps")


# For tests whose figures say something in the plain build alone: they run once more with it, by `-m figure`.
figure = pytest.mark.figure


def plain(test):
    """For tests that want the plain build: `-m plain` selects them, and a build with sanitizers skips them."""
    return pytest.mark.plain(pytest.mark.skipif(sanitized(), reason="wants the plain build")(test))
