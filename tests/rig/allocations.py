"""Memory that runs out at the n-th allocation of one program, whoever asks for it there: our own code, or a library.

A few lines of C, loaded before all libraries, count each malloc, calloc, realloc, strdup and aligned allocation, and answer NULL to those
that the test says. Not to libconfig, which uses what it is given without a look: config/loader.c sees to it that there is enough before.
"""

import mmap
import struct
import subprocess
from pathlib import Path

from rig.daemon import clean_environment

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct control {
        _Atomic int64_t left;   /* the one that takes it to 0 fails */
        _Atomic int64_t length; /* so many fail, one after the other */
        _Atomic int64_t failed;
        char where[256];
} *control;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);

/* What dlsym() itself may ask for, before anything else is known. */
static char first[4096];
static size_t first_used;

static void look_up(void) {
        next_calloc = dlsym(RTLD_NEXT, "calloc");
        next_realloc = dlsym(RTLD_NEXT, "realloc");
        next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
        next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
        next_malloc = dlsym(RTLD_NEXT, "malloc");
}

__attribute__((constructor)) static void begin(void) {
        int fd = open(getenv("RIG_ALLOCATIONS_AT"), O_RDWR | O_CLOEXEC);
        void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (memory == MAP_FAILED)
                abort();
        close(fd);
        if (!next_malloc)
                look_up();
        control = memory;
}

/* libconfig uses what it is given without a look. */
static int never_looks(void *caller) {
        Dl_info info = {0};

        return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "/libconfig.so");
}

/*
 * Nor when AddressSanitizer asks where a thread's stack is, or when the C library (2.36) sets up its name service: both end the program when
 * there is no memory for that.
 */
static _Thread_local int spared;

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
        int (*next)(pthread_t, pthread_attr_t *) = dlsym(RTLD_NEXT, "pthread_getattr_np"), r;

        spared++;
        r = next(thread, attributes);
        spared--;
        return r;
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **ret) {
        int (*next)(uid_t, struct passwd *, char *, size_t, struct passwd **) = dlsym(RTLD_NEXT, "getpwuid_r");
        int r;

        spared++;
        r = next(uid, entry, buffer, size, ret);
        spared--;
        return r;
}

static int fails(void *caller) {
        Dl_info info = {0};
        int64_t left;

        if (!control || spared || never_looks(caller))
                return 0;
        left = atomic_fetch_sub(&control->left, 1);
        if (left > 1 || left <= 1 - control->length)
                return 0;
        atomic_fetch_add(&control->failed, 1);
        (void)dladdr(caller, &info);
        (void)snprintf(control->where, sizeof(control->where), "%s+0x%lx (%s)", info.dli_fname ? info.dli_fname : "?",
                       (unsigned long)((char *)caller - (char *)info.dli_fbase), info.dli_sname ? info.dli_sname : "?");
        errno = ENOMEM;
        return 1;
}

void *malloc(size_t size) {
        if (!next_malloc)
                look_up();
        return fails(__builtin_return_address(0)) ? NULL : next_malloc(size);
}

/* The C library's own would be the one that asks for memory. */
char *strdup(const char *text) {
        size_t size = strlen(text) + 1;
        char *copy = fails(__builtin_return_address(0)) ? NULL : next_malloc(size);

        return copy ? memcpy(copy, text, size) : NULL;
}

char *__strdup(const char *text) __attribute__((alias("strdup"), copy(strdup)));

void *calloc(size_t n, size_t size) {
        if (!next_calloc) {
                void *memory = first + first_used;

                first_used += (n * size + 15) & ~(size_t)15;
                return first_used <= sizeof(first) ? memory : NULL;
        }
        return fails(__builtin_return_address(0)) ? NULL : next_calloc(n, size);
}

void *realloc(void *memory, size_t size) {
        if (!next_realloc)
                look_up();
        return fails(__builtin_return_address(0)) ? NULL : next_realloc(memory, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size) {
        if (!next_posix_memalign)
                look_up();
        return fails(__builtin_return_address(0)) ? ENOMEM : next_posix_memalign(ret, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
        if (!next_aligned_alloc)
                look_up();
        return fails(__builtin_return_address(0)) ? NULL : next_aligned_alloc(alignment, size);
}
"""

NEVER = 1 << 60
_FORMAT = "qqq"


class Allocations:
    """`env` is for the program; fail_at(n) may be called before it is started, and again while it runs."""

    def __init__(self, folder: Path):
        library, control = folder / "allocations.so", folder / "allocations"
        if not library.exists():
            source = folder / "allocations.c"
            source.write_text(_SOURCE, encoding="utf-8")
            subprocess.run(["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", library, source], check=True)
        control.write_bytes(bytes(4096))
        with open(control, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 4096)
        self.fail_at(NEVER)
        # AddressSanitizer wants to be loaded before everything else, but does not need it.
        given = clean_environment(folder).get("ASAN_OPTIONS", "")
        options = f"{given}:" if given else ""
        self.env = {"LD_PRELOAD": str(library), "RIG_ALLOCATIONS_AT": str(control),
                    "ASAN_OPTIONS": f"{options}verify_asan_link_order=0:allocator_may_return_null=1"}

    def fail_at(self, number: int, length: int = 1) -> None:
        """The `number`-th from now on fails, and the `length` - 1 that follow it."""
        self._memory[:24] = struct.pack(_FORMAT, number, length, 0)

    def calls(self) -> int:
        """How many there were since fail_at(NEVER)."""
        return NEVER - struct.unpack_from(_FORMAT, self._memory)[0]

    def stop(self) -> int:
        """None fails any more; answers how many did."""
        failed = struct.unpack_from(_FORMAT, self._memory)[2]
        self.fail_at(NEVER)
        return failed

    @property
    def where(self) -> str:
        """Who asked for the last one that failed."""
        return self._memory[24:280].split(b"\0")[0].decode("utf-8", "replace")
