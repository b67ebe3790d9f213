/*
 * A binary heap of items that live inside other structs and know their place, so that moving or removing one costs O(log n). Smallest
 * key first.
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

/* Puts ITEM in with KEY, or moves it there. 0, or -ENOMEM for a new item (then it is not in). */
int heap_set(struct heap *heap, struct heap_item *item, uint64_t key);
/* Takes ITEM out; nothing happens when it is not in. */
void heap_remove(struct heap *heap, struct heap_item *item);
/* The item with the smallest key, or NULL. */
struct heap_item *heap_first(const struct heap *heap);
void heap_deinit(struct heap *heap);
