#include "base/heap.h"

#include <errno.h>
#include <stdlib.h>

static void heap_put(struct heap *heap, size_t place, struct heap_item *item) {
        heap->items[place] = item;
        item->place = place;
}

static void sift_up(struct heap *heap, size_t place, struct heap_item *item) {
        while (place > 1 && heap->items[place / 2]->key > item->key) {
                heap_put(heap, place, heap->items[place / 2]);
                place /= 2;
        }
        heap_put(heap, place, item);
}

static void sift_down(struct heap *heap, size_t place, struct heap_item *item) {
        for (size_t child = 2 * place; child <= heap->n; child = 2 * place) {
                if (child < heap->n && heap->items[child + 1]->key < heap->items[child]->key)
                        child++;
                if (heap->items[child]->key >= item->key)
                        break;
                heap_put(heap, place, heap->items[child]);
                place = child;
        }
        heap_put(heap, place, item);
}

static int heap_reserve(struct heap *heap) {
        size_t allocated = heap->allocated ? 2 * heap->allocated : 16;
        struct heap_item **items;

        if (heap->n + 1 < heap->allocated)
                return 0;
        items = realloc(heap->items, allocated * sizeof(*items));
        if (!items)
                return -ENOMEM;
        heap->items = items;
        heap->allocated = allocated;
        return 0;
}

static void settle(struct heap *heap, size_t place, struct heap_item *item) {
        if (place > 1 && heap->items[place / 2]->key > item->key)
                sift_up(heap, place, item);
        else
                sift_down(heap, place, item);
}

int heap_set(struct heap *heap, struct heap_item *item, uint64_t key) {
        int r;

        if (item->place) {
                item->key = key;
                settle(heap, item->place, item);
                return 0;
        }
        r = heap_reserve(heap);
        if (r < 0)
                return r;
        item->key = key;
        sift_up(heap, ++heap->n, item);
        return 0;
}

void heap_remove(struct heap *heap, struct heap_item *item) {
        size_t place = item->place;
        struct heap_item *last;

        if (!place)
                return;
        item->place = 0;
        last = heap->items[heap->n--];
        if (last != item)
                settle(heap, place, last);
}

struct heap_item *heap_first(const struct heap *heap) {
        return heap->n ? heap->items[1] : NULL;
}

void heap_deinit(struct heap *heap) {
        free(heap->items);
        *heap = (struct heap){0};
}
