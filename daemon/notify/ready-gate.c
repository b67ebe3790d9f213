#include "notify/ready-gate.h"

#include "base/array.h"
#include "base/duration.h"
#include "base/error.h"

static bool wants_start(const struct database *database) {
        return policy_of(database) == POLICY_ON_DEMAND && database->config->wake_at_start;
}

/* Whether it is to be awake at start, and we keep it awake: without that it will not wake by itself. */
static bool is_to_be_awake(const struct database *database) {
        return policy_asks(database) && (policy_of(database) == POLICY_KEEP_AWAKE || wants_start(database));
}

/*
 * Whether it has no verdict yet, and one may come: from a login, or from the first check of any kind. Without demand, and behind a good
 * door, "unknown" is the verdict.
 */
static bool may_get_verdict(const struct database *database) {
        if (database->state != STATE_UNKNOWN)
                return false;
        if (policy_asks(database))
                return true;
        return database->last_attempt.id == 0 && (database->in_flight.id || policy_next(database).due_boot_usec != USEC_INFINITY);
}

static bool ready_gate_is_missing(const struct ready_gate *gate, const struct database *database) {
        if (!database->config->required || database->paused_until_boot_usec)
                return false;
        switch (gate->on) {
        case READY_ON_AWAKE:
                return is_to_be_awake(database) && database->state != STATE_AWAKE;
        case READY_ON_VERDICT:
                return may_get_verdict(database);
        case READY_ON_START:
                return false;
        }
        return false;
}

static int compare_ids(const void *id, const void *element) {
        uint64_t a = *(const uint64_t *)id, b = *(const uint64_t *)element;

        return a < b ? -1 : a > b;
}

/* The index of ID, or where to insert it. */
static size_t ready_gate_place_of(const struct ready_gate *gate, uint64_t id) {
        return sorted_place(&id, gate->ids, gate->n, sizeof(*gate->ids), compare_ids);
}

static int ready_gate_add(struct ready_gate *gate, uint64_t id) {
        size_t place = ready_gate_place_of(gate, id);
        uint64_t *ids;

        if (place < gate->n && gate->ids[place] == id)
                return 0;
        ids = realloc(gate->ids, (gate->n + 1) * sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        gate->ids = ids;
        memmove(ids + place + 1, ids + place, (gate->n - place) * sizeof(*ids));
        ids[place] = id;
        gate->n++;
        return 0;
}

/* Returns whether it was waited for. */
static bool ready_gate_drop(struct ready_gate *gate, uint64_t id) {
        size_t place = ready_gate_place_of(gate, id);

        if (place == gate->n || gate->ids[place] != id)
                return false;
        gate->n--;
        memmove(gate->ids + place, gate->ids + place + 1, (gate->n - place) * sizeof(*gate->ids));
        return true;
}

int ready_gate_init(struct ready_gate *gate, enum ready_on on, const struct registry *registry) {
        const struct database *database;

        *gate = (struct ready_gate){.on = on};
        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                if (ready_gate_is_missing(gate, database) && ready_gate_add(gate, database->id) < 0) {
                        ready_gate_deinit(gate);
                        return -ENOMEM;
                }
        return 0;
}

void ready_gate_deinit(struct ready_gate *gate) {
        free(gate->ids);
        *gate = (struct ready_gate){.on = gate->on};
}

/* Once is enough: it may have fallen asleep again in the same moment. */
static bool is_reached(const struct ready_gate *gate, enum state state) {
        return gate->on == READY_ON_AWAKE ? state == STATE_AWAKE : state != STATE_UNKNOWN;
}

int ready_gate_note(struct ready_gate *gate, const struct event *event, const struct database *database) {
        switch (event->kind) {
        case EVENT_ADDED:
                return ready_gate_is_missing(gate, database) ? ready_gate_add(gate, database->id) : 0;
        case EVENT_REMOVED:
                (void)ready_gate_drop(gate, database->id);
                return 0;
        case EVENT_STATE:
                /* Only a new database has this reason: a reload changed it, and it begins anew. */
                if (event->reason == REASON_NOT_CHECKED)
                        return ready_gate_is_missing(gate, database) ? ready_gate_add(gate, database->id) : 0;
                if (is_reached(gate, event->state))
                        (void)ready_gate_drop(gate, database->id);
                return 0;
        case EVENT_BUDGET:
        case EVENT_WAKE:
                return 0;
        }
        return 0;
}

/* Whether the demand of its start ended before it was awake. If the budget or a person decided that, it was not given up. */
static bool is_given_up(const struct ready_gate *gate, const struct database *database) {
        return gate->on == READY_ON_AWAKE && database->config->required && !database->paused_until_boot_usec && !database->budget_spent &&
               wants_start(database);
}

void ready_gate_look(struct ready_gate *gate, const struct database *database) {
        if (!ready_gate_is_missing(gate, database) && ready_gate_drop(gate, database->id))
                gate->given_up += is_given_up(gate, database);
}

void ready_gate_sweep(struct ready_gate *gate, const struct registry *registry) {
        size_t kept = 0;

        for (size_t i = 0; i < gate->n; i++)
                if (registry_by_id(registry, gate->ids[i]))
                        gate->ids[kept++] = gate->ids[i];
        gate->n = kept;
}

/* -- The status line ------------------------------------------------------------------------------------------------------------------- */

#define NAMES_MAX 3
/* How many databases are searched for names to report; the counts are of all. */
#define LOOKED_AT_MAX 256

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

/* The best first. */
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

/* Advice for the first database that waits for a person. */
static void write_advice(struct buffer *buffer, const struct registry *registry, const struct ready_gate *gate) {
        for (size_t i = 0; i < gate->n && i < LOOKED_AT_MAX; i++) {
                const struct database *database = registry_by_id(registry, gate->ids[i]);

                if (!database || database->state != STATE_BLOCKED)
                        continue;
                buffer_printf(buffer, ". %s", reason_info(database->reason)->advice);
                return;
        }
}

void summary_waiting(struct buffer *buffer, const struct registry *registry, const struct ready_gate *gate, struct instant now) {
        size_t n = registry_count(registry), named = 0;

        buffer_printf(buffer, "waiting for %zu of %zu database%s", gate->n, n, plural(n));
        for (size_t i = 0; i < gate->n && named < NAMES_MAX; i++) {
                const struct database *database = registry_by_id(registry, gate->ids[i]);

                if (!database)
                        continue;
                buffer_append_string(buffer, named++ ? ", " : ": ");
                write_missing(buffer, database, now);
        }
        if (named < gate->n)
                buffer_append_string(buffer, ", ...");
        write_advice(buffer, registry, gate);
}
