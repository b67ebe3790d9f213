#include "scheduler/lease.h"

#include "base/error.h"
#include "base/text.h"
#include "scheduler/inside.h"

static const char *const end_names[_LEASE_END_MAX] = {
        [LEASE_END_EXPIRED] = "expired",
        [LEASE_END_DELETED] = "deleted",
        [LEASE_END_REMOVED] = "removed",
        [LEASE_END_BUDGET] = "budget.spent",
};

const char *lease_end_name(enum lease_end end) {
        return end_names[end];
}

/* The timer follows the wall clock: the kernel moves it when the clock is set. */
static void arm_expiry(struct engine *engine) {
        const struct heap_item *first = heap_first(&engine->expiring);

        timer_set(&engine->expiry_timer, first ? first->key : USEC_INFINITY);
}

static int lease_add(struct engine *engine, struct database *database, const struct lease *model, struct instant now,
                     struct lease **ret_lease) {
        struct lease *lease;

        if (engine->n_leases >= LEASES_MAX)
                return -ENOSPC;
        lease = malloc(sizeof(*lease));
        if (!lease)
                return -ENOMEM;
        *lease = *model;
        if (lease->record.until_real_usec)
                lease->due_boot_usec = usec_add(now.boot_usec, usec_sub(lease->record.until_real_usec, now.real_usec));
        if (lease->record.until_real_usec && heap_set(&engine->expiring, &lease->expiry, lease->record.until_real_usec) < 0) {
                free(lease);
                return -ENOMEM;
        }
        (void)text_copy(lease->record.database, sizeof(lease->record.database), database->config->name);
        lease->database = database;
        TAILQ_INSERT_TAIL(&database->leases, lease, link);
        database->n_timed_leases += lease->record.until_real_usec > 0;
        engine->n_leases++;
        arm_expiry(engine);
        *ret_lease = lease;
        return 0;
}

static void lease_drop(struct engine *engine, struct lease *lease) {
        TAILQ_REMOVE(&lease->database->leases, lease, link);
        lease->database->n_timed_leases -= lease->record.until_real_usec > 0;
        heap_remove(&engine->expiring, &lease->expiry);
        engine->n_leases--;
        free(lease);
}

/* Demand changed: starts or reschedules checks. */
static void follow(struct engine *engine, struct database *database, struct instant now) {
        drive_attend(engine, database, now);
        drive_arm(engine);
}

static enum reason step(struct engine *engine, struct database *database, enum input_kind kind, struct instant now) {
        return drive_step(engine, database, &(struct input){.kind = kind}, now);
}

int lease_take(struct engine *engine, struct database *database, const struct lease_request *request, enum reason *ret_refusal,
               struct lease **ret_lease) {
        struct instant now = drive_observe_clock(engine);
        struct lease model = {
                .record = {.id = engine->next_lease_id, .since_real_usec = now.real_usec},
                .ended = request->ended,
                .userdata = request->userdata,
        };
        struct lease *lease;
        int r;

        if (request->for_usec > 0)
                model.record.until_real_usec = usec_add(now.real_usec, request->for_usec);
        (void)text_copy(model.record.owner, sizeof(model.record.owner), request->owner);
        r = lease_add(engine, database, &model, now, &lease);
        if (r < 0)
                return r;
        *ret_refusal = step(engine, database, INPUT_LEASE, now);
        if (*ret_refusal != REASON_NONE) {
                lease_drop(engine, lease);
                arm_expiry(engine);
                return -EPERM;
        }
        engine->next_lease_id++;
        follow(engine, database, now);
        *ret_lease = lease;
        return 0;
}

/*
 * How long ago the time limit passed, if the host was suspended since. A clock that was set forward makes the limit pass at once, and not
 * long ago.
 */
static uint64_t late_usec(const struct lease *lease, struct instant now) {
        uint64_t until = lease->record.until_real_usec;

        return until ? MIN(usec_sub(now.real_usec, until), usec_sub(now.boot_usec, lease->due_boot_usec)) : 0;
}

static void lease_finish(struct engine *engine, struct lease *lease, struct instant now) {
        struct input input = {.kind = INPUT_LEASE_END, .for_usec = late_usec(lease, now)};
        struct database *database = lease->database;

        lease_drop(engine, lease);
        arm_expiry(engine);
        (void)drive_step(engine, database, &input, now);
        /* If several leases end together, only the demand that remains after the last one counts. */
        drive_look_soon(engine, database, now);
}

static void end_for(struct engine *engine, struct lease *lease, enum lease_end why, struct instant now) {
        void (*ended)(void *userdata, enum lease_end lease_finish) = lease->ended;
        void *userdata = lease->userdata;

        /* A removed database takes no more steps. */
        if (why == LEASE_END_REMOVED) {
                lease_drop(engine, lease);
                arm_expiry(engine);
        } else
                lease_finish(engine, lease, now);
        if (ended)
                ended(userdata, why);
}

void lease_release(struct engine *engine, struct lease *lease) {
        if (lease)
                lease_finish(engine, lease, clock_now()); /* a look at whether the host was suspended could end this very lease */
}

bool lease_delete(struct engine *engine, uint64_t id) {
        struct instant now = drive_observe_clock(engine);
        struct database *database;
        struct lease *lease;

        for (size_t i = 0; (database = registry_at(engine->registry, i)); i++)
                TAILQ_FOREACH(lease, &database->leases, link)
                        if (lease->record.id == id) {
                                end_for(engine, lease, LEASE_END_DELETED, now);
                                return true;
                        }
        return false;
}

int lease_restore(struct engine *engine, const struct lease_record *record) {
        struct database *database = registry_by_name(engine->registry, record->database);
        struct instant now = drive_observe_clock(engine);
        struct lease model = {.record = *record}, *lease;
        int r;

        if (!database || record->until_real_usec <= now.real_usec)
                return 0;
        r = lease_add(engine, database, &model, now, &lease);
        if (r < 0)
                return r;
        (void)step(engine, database, INPUT_LEASE_AGAIN, now);
        follow(engine, database, now);
        return 0;
}

void leases_end(struct engine *engine, struct database *database, enum lease_end why, struct instant now) {
        while (!TAILQ_EMPTY(&database->leases))
                end_for(engine, TAILQ_FIRST(&database->leases), why, now);
}

void leases_move(struct engine *engine, struct database *from, struct database *to, struct instant now) {
        struct lease *lease;

        TAILQ_FOREACH(lease, &from->leases, link)
                lease->database = to;
        TAILQ_CONCAT(&to->leases, &from->leases, link);
        to->n_timed_leases += from->n_timed_leases;
        from->n_timed_leases = 0;
        for (; from->n_leases > 0; from->n_leases--)
                (void)step(engine, to, INPUT_LEASE_AGAIN, now);
}

void leases_expire(struct engine *engine, struct instant now) {
        struct heap_item *first;

        while ((first = heap_first(&engine->expiring)) && first->key <= now.real_usec)
                end_for(engine, container_of(first, struct lease, expiry), LEASE_END_EXPIRED, now);
        arm_expiry(engine);
}

static void on_expiry(void *userdata) {
        struct engine *engine = userdata;

        leases_expire(engine, drive_observe_clock(engine));
}

int leases_init(struct engine *engine, uint64_t now_real_usec) {
        /* Begins at the present time, so that two successive daemons never use the same id. */
        engine->next_lease_id = now_real_usec;
        return timer_init(&engine->expiry_timer, engine->event, CLOCK_REALTIME, USEC_PER_MSEC, "lease-expiry", on_expiry, engine);
}

void leases_deinit(struct engine *engine) {
        struct database *database;

        for (size_t i = 0; engine->registry && (database = registry_at(engine->registry, i)); i++)
                while (!TAILQ_EMPTY(&database->leases))
                        lease_drop(engine, TAILQ_FIRST(&database->leases));
        timer_deinit(&engine->expiry_timer);
        heap_deinit(&engine->expiring);
}
