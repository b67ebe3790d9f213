/*
 * What a fuzzer is: one function that reads any bytes and returns, or aborts when something that must hold does not. ./dev fuzz links it
 * with libFuzzer, which looks for such bytes; `make check` with driver.c, which reads those of the corpus once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, and so tells a finding, unless CONDITION holds. */
static inline void fuzz_check(bool condition, const char *what) {
        if (condition)
                return;
        fprintf(stderr, "%s\n", what);
        abort();
}
