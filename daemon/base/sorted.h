/* Arrays that are kept sorted. bsearch(3) finds what is in one; this also tells where that which is not would stand. */
#pragma once

#include <stddef.h>

/*
 * The place of the first of N elements of SIZE bytes each in ARRAY that does not come before KEY; N: all do. COMPARE(key, element) answers
 * as strcmp(3) does, and ARRAY is sorted by it.
 */
size_t sorted_place(const void *key, const void *array, size_t n, size_t size, int (*compare)(const void *key, const void *element));
