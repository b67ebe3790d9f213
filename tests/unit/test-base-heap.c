/* The heap against the simplest thing that does the same. */
#include "unit.h"

#include "base/heap.h"
#include "base/random.h"

#define ITEMS 300

struct model {
        struct heap heap;
        struct heap_item items[ITEMS];
        bool in[ITEMS];
        uint64_t keys[ITEMS];
};

static void check(const struct model *m) {
        struct heap_item *first = heap_first(&m->heap);
        uint64_t least = UINT64_MAX;
        size_t n = 0;

        for (size_t i = 0; i < ITEMS; i++) {
                assert_int_equal(m->items[i].place != 0, m->in[i]);
                if (!m->in[i])
                        continue;
                n++;
                least = MIN(least, m->keys[i]);
                assert_int_equal(m->items[i].key, m->keys[i]);
                assert_ptr_equal(m->heap.items[m->items[i].place], &m->items[i]);
        }
        assert_int_equal(m->heap.n, n);
        assert_int_equal(first != NULL, n > 0);
        if (first)
                assert_int_equal(first->key, least);
}

static void random_operations_agree_with_a_naive_model(void **state) {
        struct model *m = calloc(1, sizeof(*m));
        uint64_t random = 99;

        (void)state;
        for (unsigned step = 0; step < 20000; step++) {
                size_t i = random_next(&random) % ITEMS;
                uint64_t key = random_next(&random) % 50;

                if (random_next(&random) % 1000 == 0)
                        key = UINT64_MAX;
                /* Waves: now it grows, now it shrinks. */
                if (random_next(&random) % 10 < (step / 2000 % 2 ? 3u : 7u)) {
                        assert_int_equal(heap_set(&m->heap, &m->items[i], key), 0);
                        m->in[i] = true;
                        m->keys[i] = key;
                } else {
                        heap_remove(&m->heap, &m->items[i]);
                        m->in[i] = false;
                }
                check(m);
        }
        heap_deinit(&m->heap);
        free(m);
}

static void what_is_taken_out_comes_in_order(void **state) {
        struct heap_item items[ITEMS] = {0};
        struct heap heap = {0};
        uint64_t random = 5, last = 0;

        (void)state;
        for (size_t i = 0; i < ITEMS; i++)
                assert_int_equal(heap_set(&heap, &items[i], random_next(&random)), 0);
        for (struct heap_item *first; (first = heap_first(&heap));) {
                assert_true(first->key >= last);
                last = first->key;
                heap_remove(&heap, first);
                heap_remove(&heap, first); /* not in any more: nothing happens */
        }
        assert_int_equal(heap.n, 0);
        heap_deinit(&heap);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(random_operations_agree_with_a_naive_model),
                UNIT_TEST(what_is_taken_out_comes_in_order),
        };

        return UNIT_RUN(tests);
}
