/* A folder in $TMPDIR for those fuzzers whose parser reads files; it is removed at exit. */
#pragma once

#include <stddef.h>

#define FUZZ_PATH_MAX 256

/* NAME ("": the folder itself) in it; the folder is made at the first call. RET_PATH has FUZZ_PATH_MAX bytes, and is the answer. */
const char *fuzz_path(char *ret_path, const char *name);
/* A new file NAME that only we can read. */
void fuzz_write(const char *name, const void *data, size_t size);
/* Removes all that is in it. */
void fuzz_clear(void);
