#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

#define ARRAY_MIN 16

int array_reserve(void **array, size_t n, size_t *allocated, size_t size) {
        size_t more = *allocated ? 2 * *allocated : ARRAY_MIN;
        void *grown;

        if (n < *allocated)
                return 0;
        grown = reallocarray(*array, more, size);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *allocated = more;
        return 0;
}

size_t sorted_place(const void *key, const void *array, size_t n, size_t size, int (*compare)(const void *key, const void *element)) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare(key, (const char *)array + middle * size) > 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}
