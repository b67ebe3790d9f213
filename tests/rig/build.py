"""What kind of build is tested."""

import functools

import pytest

from rig.daemon import built


@functools.cache
def sanitized() -> bool:
    """Built with a sanitizer: its figures of memory say nothing, and valgrind cannot run it."""
    try:
        program = built("pgwaked").read_bytes()
    except FileNotFoundError:
        return False
    return any(name in program for name in (b"__asan_init", b"__tsan_init"))


def plain(test):
    """For tests that want the plain build: `-m plain` selects them, and a build with sanitizers skips them."""
    return pytest.mark.plain(pytest.mark.skipif(sanitized(), reason="wants the plain build")(test))
