#include "notify/missing.h"

#include "base/error.h"
#include "base/sorted.h"

static bool is_to_be_awake(const struct database *database) {
        if (database->budget_spent)
                return false;
        switch (database->policy) {
        case POLICY_IS_KEEP_AWAKE:
                return true;
        case POLICY_IS_ON_DEMAND:
                return database->config->wake_at_start;
        case POLICY_IS_OBSERVE:
                return false;
        }
        return false;
}

/*
 * Without a verdict, and there is something that may bring one: a login, or the first check, whichever that is. Where nobody asks, and the
 * door says no more than that it is good, "unknown" is the verdict.
 */
static bool may_get_verdict(const struct database *database) {
        if (database->state != STATE_UNKNOWN)
                return false;
        return policy_asks(database) || (database->last_attempt.id == 0 && (database->in_flight || policy_next(database).due_boot_usec != USEC_INFINITY));
}

static bool is_missing(const struct missing *missing, const struct database *database) {
        if (!database->config->required || database->paused_until_boot_usec)
                return false;
        switch (missing->on) {
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

/* The place of ID, or where it would stand. */
static size_t place_of(const struct missing *missing, uint64_t id) {
        return sorted_place(&id, missing->ids, missing->n, sizeof(*missing->ids), compare_ids);
}

static int add(struct missing *missing, uint64_t id) {
        size_t place = place_of(missing, id);
        uint64_t *ids;

        if (place < missing->n && missing->ids[place] == id)
                return 0;
        ids = realloc(missing->ids, (missing->n + 1) * sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        missing->ids = ids;
        memmove(ids + place + 1, ids + place, (missing->n - place) * sizeof(*ids));
        ids[place] = id;
        missing->n++;
        return 0;
}

static void drop(struct missing *missing, uint64_t id) {
        size_t place = place_of(missing, id);

        if (place == missing->n || missing->ids[place] != id)
                return;
        missing->n--;
        memmove(missing->ids + place, missing->ids + place + 1, (missing->n - place) * sizeof(*missing->ids));
}

int missing_init(struct missing *missing, enum ready_on on, const struct registry *registry) {
        const struct database *database;

        *missing = (struct missing){.on = on};
        for (size_t i = 0; (database = registry_at(registry, i)); i++)
                if (is_missing(missing, database) && add(missing, database->id) < 0) {
                        missing_deinit(missing);
                        return -ENOMEM;
                }
        return 0;
}

void missing_deinit(struct missing *missing) {
        free(missing->ids);
        *missing = (struct missing){.on = missing->on};
}

int missing_note(struct missing *missing, const struct event *event, const struct database *database) {
        switch (event->kind) {
        case EVENT_ADDED:
                return is_missing(missing, database) ? add(missing, database->id) : 0;
        case EVENT_REMOVED:
                drop(missing, database->id);
                return 0;
        case EVENT_STATE:
                /* Only one that is new says that: a reload changed the database, and it starts anew. */
                if (event->reason == REASON_NOT_CHECKED)
                        return is_missing(missing, database) ? add(missing, database->id) : 0;
                /* Once is enough: it may have fallen asleep again in the same moment. A pause may last longer than anybody waits. */
                if (event->reason == REASON_PAUSED || (missing->on == READY_ON_AWAKE ? event->state == STATE_AWAKE : event->state != STATE_UNKNOWN))
                        drop(missing, database->id);
                return 0;
        case EVENT_BUDGET:
                /* Nobody will wake it this month: to wait for it is in vain. */
                if (missing->on == READY_ON_AWAKE && database->budget_spent)
                        drop(missing, database->id);
                return 0;
        case EVENT_WAKE:
                return 0;
        }
        return 0;
}

void missing_look(struct missing *missing, const struct database *database) {
        if (missing->on == READY_ON_VERDICT && missing->n > 0 && !is_missing(missing, database))
                drop(missing, database->id);
}

void missing_sweep(struct missing *missing, const struct registry *registry) {
        size_t kept = 0;

        for (size_t i = 0; i < missing->n; i++)
                if (registry_by_id(registry, missing->ids[i]))
                        missing->ids[kept++] = missing->ids[i];
        missing->n = kept;
}
