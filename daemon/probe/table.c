#include "probe/table.h"

#include "base/error.h"
#include "base/macro.h"

#define TABLE_MIN 16

/* Ids grow by one; a multiplication spreads them over the high bits. */
static size_t home(const struct table *table, uint64_t id) {
        return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (table->allocated - 1);
}

static size_t next(const struct table *table, size_t at) {
        return (at + 1) & (table->allocated - 1);
}

static struct table_slot *find(const struct table *table, uint64_t id) {
        if (table->allocated == 0)
                return NULL;
        for (size_t at = home(table, id); table->slots[at].id != 0; at = next(table, at))
                if (table->slots[at].id == id)
                        return &table->slots[at];
        return NULL;
}

static void insert(struct table *table, uint64_t id, void *value) {
        size_t at = home(table, id);

        while (table->slots[at].id != 0)
                at = next(table, at);
        table->slots[at] = (struct table_slot){ .id = id, .value = value };
        table->count++;
}

static int grow(struct table *table) {
        struct table bigger = { .allocated = table->allocated ? 2 * table->allocated : TABLE_MIN };

        bigger.slots = calloc(bigger.allocated, sizeof(*bigger.slots));
        if (!bigger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < table->allocated; i++)
                if (table->slots[i].id != 0)
                        insert(&bigger, table->slots[i].id, table->slots[i].value);
        free(table->slots);
        *table = bigger;
        return 0;
}

void *table_get(const struct table *table, uint64_t id) {
        struct table_slot *slot = find(table, id);

        return slot ? slot->value : NULL;
}

int table_put(struct table *table, uint64_t id, void *value) {
        if (4 * (table->count + 1) > 3 * table->allocated) {
                int r = grow(table);

                if (r < 0)
                        return r;
        }
        insert(table, id, value);
        return 0;
}

/* Whether an entry whose home is HOME may not stand at AT once HOLE, before it, is free: the search for it would end at the hole. */
static bool must_move(size_t home_slot, size_t hole, size_t at) {
        return hole <= at ? home_slot <= hole || home_slot > at : home_slot <= hole && home_slot > at;
}

void *table_take(struct table *table, uint64_t id) {
        struct table_slot *slot = find(table, id);
        size_t hole;
        void *value;

        if (!slot)
                return NULL;
        value = slot->value;
        hole = (size_t)(slot - table->slots);
        for (size_t at = next(table, hole); table->slots[at].id != 0; at = next(table, at))
                if (must_move(home(table, table->slots[at].id), hole, at)) {
                        table->slots[hole] = table->slots[at];
                        hole = at;
                }
        table->slots[hole] = (struct table_slot){};
        table->count--;
        return value;
}

void *table_next(const struct table *table, size_t *position) {
        while (*position < table->allocated) {
                const struct table_slot *slot = &table->slots[(*position)++];

                if (slot->id != 0)
                        return slot->value;
        }
        return NULL;
}

void table_deinit(struct table *table) {
        free(table->slots);
        *table = (struct table){};
}
