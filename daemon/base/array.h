/* Arrays that grow, and arrays that are kept sorted. */
#pragma once

#include <stddef.h>

/*
 * Makes room for one more element after the N elements of SIZE bytes in *ARRAY, which has room for *ALLOCATED and grows by doubling. 0 or
 * -ENOMEM.
 */
int array_reserve(void **array, size_t n, size_t *allocated, size_t size);

/*
 * The index of the first of N elements of SIZE bytes in ARRAY that does not come before KEY; N: all do. (bsearch(3) only finds existing
 * elements.) COMPARE(key, element) returns as strcmp(3) does, and ARRAY is sorted by it.
 */
size_t sorted_place(const void *key, const void *array, size_t n, size_t size, int (*compare)(const void *key, const void *element));
