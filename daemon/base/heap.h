/*
 * A binary heap of items that are embedded in other structs and know their place, so that moving or removing one costs O(log n). The
 * smallest key is first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
        uint64_t key;
        size_t place; /* 1-based; 0: in no heap */
};

struct heap {
        struct heap_item **items; /* items[0] is not used */
        size_t n;
        size_t allocated;
};

/* Adds ITEM with KEY, or moves it there. 0, or -ENOMEM for a new item, which is then not in the heap. */
int heap_set(struct heap *heap, struct heap_item *item, uint64_t key);
/* Removes ITEM; no effect if it is not in the heap. */
void heap_remove(struct heap *heap, struct heap_item *item);
/* The item with the smallest key, or NULL. */
struct heap_item *heap_first(const struct heap *heap);
void heap_deinit(struct heap *heap);
