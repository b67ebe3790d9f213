/* Small language helpers: automatic cleanup, array lengths, minima. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* strlen() of PREFIX if TEXT starts with it, or 0. */
static inline size_t starts_with(const char *text, const char *prefix) {
        size_t length = strlen(prefix);

        return strncmp(text, prefix, length) == 0 ? length : 0;
}

static inline void *steal_pointer(void *pointer) {
        void **address = pointer, *value = *address;

        *address = NULL;
        return value;
}

static inline void free_pointer(void *pointer) {
        free(*(void **)pointer);
}

/* `_cleanup_free_ char *x = NULL;` is freed at the end of its scope. */
#define _cleanup_free_ _cleanup_(free_pointer)

static inline void close_fd(int *fd);
#define _cleanup_close_ _cleanup_(close_fd)

#include <unistd.h>

static inline void close_fd(int *fd) {
        if (*fd >= 0)
                (void)close(*fd);
        *fd = -1;
}
