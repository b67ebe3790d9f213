#include "notify/summary.h"

#include "base/duration.h"

#define NAMES_MAX 3
/* How many databases are looked at to find names worth telling; the counts are of all. */
#define LOOKED_AT_MAX 256

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

/* The best first, as people ask. */
static const enum state order[_STATE_MAX] = {STATE_AWAKE, STATE_ASLEEP, STATE_WAKING, STATE_DEGRADED,
                                             STATE_FULL,  STATE_DOWN,   STATE_BLOCKED, STATE_UNKNOWN};

static void write_counts(struct buffer *buffer, const struct registry *registry) {
        const char *separator = ": ";

        for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
                size_t n = registry_count_in_state(registry, order[i]);

                if (n == 0)
                        continue;
                buffer_printf(buffer, "%s%zu %s", separator, n, state_name(order[i]));
                separator = ", ";
        }
}

static bool is_trouble(const struct database *database) {
        return database->state != STATE_AWAKE && database->state != STATE_ASLEEP;
}

static void write_troubled(struct buffer *buffer, const struct registry *registry) {
        size_t well = registry_count_in_state(registry, STATE_AWAKE) + registry_count_in_state(registry, STATE_ASLEEP);
        size_t troubled = registry_count(registry) - well, named = 0;
        const struct database *database;

        if (troubled == 0)
                return;
        for (size_t i = 0; named < NAMES_MAX && i < LOOKED_AT_MAX && (database = registry_at(registry, i)); i++) {
                if (!is_trouble(database))
                        continue;
                buffer_printf(buffer, "%s%s: %s", named ? ", " : " (", database->config->name,
                              database->reason == REASON_NONE ? state_name(database->state) : reason_slug(database->reason));
                named++;
        }
        if (named > 0)
                buffer_append_string(buffer, named < troubled ? ", ...)" : ")");
}

void summary_running(struct buffer *buffer, const struct registry *registry) {
        size_t n = registry_count(registry);

        if (n == 0) {
                buffer_append_string(buffer, "no databases are configured, see pgwaked.conf(5)");
                return;
        }
        buffer_printf(buffer, "%zu database%s", n, plural(n));
        write_counts(buffer, registry);
        write_troubled(buffer, registry);
}

static void write_missing(struct buffer *buffer, const struct database *database, struct instant now) {
        uint64_t expected = database_expected_ready_usec(database, now);
        char span[DURATION_MAX];

        buffer_printf(buffer, "%s (%s", database->config->name, state_name(database->state));
        if (database->reason != REASON_NONE)
                buffer_printf(buffer, ", %s", reason_slug(database->reason));
        if (expected != USEC_INFINITY && expected > 0)
                buffer_printf(buffer, ", expected in %s", duration_format_human(span, expected));
        buffer_append_string(buffer, ")");
}

/* What to do about the first that waits for a person. */
static void write_advice(struct buffer *buffer, const struct registry *registry, const struct missing *missing) {
        for (size_t i = 0; i < missing->n && i < LOOKED_AT_MAX; i++) {
                const struct database *database = registry_by_id(registry, missing->ids[i]);

                if (!database || database->state != STATE_BLOCKED)
                        continue;
                buffer_printf(buffer, ". %s", reason_info(database->reason)->advice);
                return;
        }
}

void summary_waiting(struct buffer *buffer, const struct registry *registry, const struct missing *missing, struct instant now) {
        size_t n = registry_count(registry), named = 0;

        buffer_printf(buffer, "waiting for %zu of %zu database%s", missing->n, n, plural(n));
        for (size_t i = 0; i < missing->n && named < NAMES_MAX; i++) {
                const struct database *database = registry_by_id(registry, missing->ids[i]);

                if (!database)
                        continue;
                buffer_append_string(buffer, named++ ? ", " : ": ");
                write_missing(buffer, database, now);
        }
        if (named < missing->n)
                buffer_append_string(buffer, ", ...");
        write_advice(buffer, registry, missing);
}
