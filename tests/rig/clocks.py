"""Clocks of a test's own for one program: they stand beside the kernel's by as much as the test says, and may be moved while it runs.

A few lines of C, loaded before all libraries, answer clock_gettime(), and arm timers so that they fall due by those clocks. A timer that
is armed already falls due by a moved clock when its program looks at the clock next: give it something to do.
"""

import mmap
import os
import struct
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096
enum { REAL, MONOTONIC, BOOT };
static volatile int64_t *shifts; /* seconds */
static int clock_of_timer[FDS];

__attribute__((constructor)) static void begin(void) {
        int fd = open(getenv("RIG_CLOCKS"), O_RDONLY | O_CLOEXEC);

        shifts = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        if (shifts == MAP_FAILED)
                abort();
        close(fd);
}

static int64_t shift_of(clockid_t clock) {
        switch (clock) {
        case CLOCK_REALTIME:
        case CLOCK_REALTIME_COARSE:
                return shifts ? shifts[REAL] : 0;
        case CLOCK_MONOTONIC:
        case CLOCK_MONOTONIC_COARSE:
                return shifts ? shifts[MONOTONIC] : 0;
        case CLOCK_BOOTTIME:
        case CLOCK_BOOTTIME_ALARM:
                return shifts ? shifts[BOOT] : 0;
        default:
                return 0;
        }
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
        int r = (int)syscall(SYS_clock_gettime, clock, ts);

        ts->tv_sec += shift_of(clock);
        return r;
}

int timerfd_create(int clock, int flags) {
        int fd = (int)syscall(SYS_timerfd_create, clock, flags);

        if (fd >= 0 && fd < FDS)
                clock_of_timer[fd] = clock;
        return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) {
        struct itimerspec true = *new;

        if (flags & TFD_TIMER_ABSTIME && fd < FDS && (new->it_value.tv_sec || new->it_value.tv_nsec)) {
                true.it_value.tv_sec -= shift_of(clock_of_timer[fd]);
                if (true.it_value.tv_sec < 0)
                        true.it_value = (struct timespec){.tv_nsec = 1};
        }
        return (int)syscall(SYS_timerfd_settime, fd, flags, &true, old);
}
"""


class Clocks:
    """`env` is what its program is started with. All in whole seconds; what has passed stays passed."""

    def __init__(self, folder: Path):
        source, library, shifts = folder / "clocks.c", folder / "clocks.so", folder / "clocks.shifts"
        source.write_text(_SOURCE, encoding="ascii")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        shifts.write_bytes(bytes(mmap.PAGESIZE))
        with open(shifts, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        # AddressSanitizer wants to be the first; what is loaded before it here allocates nothing.
        options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        self.env = {"LD_PRELOAD": str(library), "RIG_CLOCKS": str(shifts), "ASAN_OPTIONS": options}
        self.real = self.monotonic = self.boot = 0

    def _write(self) -> None:
        struct.pack_into("qqq", self._map, 0, self.real, self.monotonic, self.boot)

    def suspend_host(self, seconds: int) -> None:
        """The host was suspended for so long: the monotonic clock stood still."""
        self.real += seconds
        self.boot += seconds
        self._write()

    def pass_time(self, seconds: int) -> None:
        """So much time passes, and nothing happens meanwhile."""
        self.real += seconds
        self.boot += seconds
        self.monotonic += seconds
        self._write()

    def set_real(self, seconds: int) -> None:
        """The clock of people is set, so far from what it is in truth."""
        self.real = seconds
        self._write()

    def set_day(self, day: int) -> None:
        """The clock of people says noon of that day of this month, by UTC: a test of months begins far from where two of them meet."""
        now = datetime.now(timezone.utc)
        self.set_real(round((now.replace(day=day, hour=12) - now).total_seconds()))

    def time(self) -> float:
        """What the clock of people says to the program."""
        return time.time() + self.real
