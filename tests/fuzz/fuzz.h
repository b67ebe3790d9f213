/*
 * What a fuzzer is: libFuzzer's entry, and what the driver beside it needs. With clang the same file is a libFuzzer:
 *
 *      clang -fsanitize=fuzzer,address,undefined -Idaemon tests/fuzz/fuzz-dotenv.c daemon/libconf.a daemon/libbase.a ...
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_text {
        const char *text;
        size_t size; /* 0: strlen() */
};

/* What is damaged, and what it is damaged with. Both end with a NULL text. */
extern const struct fuzz_text fuzz_seeds[], fuzz_pieces[];
