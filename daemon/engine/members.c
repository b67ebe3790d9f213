/* Who is watched: a reload is mark and sweep, so that what did not change keeps its state, its session and its counters. */
#include "engine/inside.h"

#include "base/error.h"
#include "base/macro.h"

/* What lies further back than this was no restart: who held a lease then has had the time to come back, or has gone. */
#define PRESUME_WITHIN_USEC USEC_PER_MINUTE

static void presume(struct engine *engine, struct target *target, uint64_t for_usec, struct instant now) {
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_PRESUME, .for_usec = for_usec}, now);
}

/* By a clock that may have been set back since. */
static uint64_t apart_usec(uint64_t a, uint64_t b) {
        return MAX(usec_sub(a, b), usec_sub(b, a));
}

/* What is known from before. Those who held a lease then may come back. */
static void recall(struct engine *engine, struct target *target, struct instant now) {
        struct memory memory;

        if (!engine->past.recall || !engine->past.recall(engine->past.userdata, target->config->name, &memory))
                return;
        target_restore(target, &memory, REASON_STALE, now);
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_TIME}, now); /* what follows from that */
        if (memory.held && apart_usec(now.real_usec, memory.saved_real_usec) < PRESUME_WITHIN_USEC)
                presume(engine, target, target->config->lease_grace_usec, now);
}

int members_add(struct engine *engine, const struct database_config *config, struct instant now, struct target **ret_target) {
        struct target *target = NULL;
        int r;

        r = target_new(++engine->next_target_id, config, now, &target);
        if (r < 0)
                return r;
        r = registry_add(engine->registry, target);
        if (r < 0) {
                (void)target_free(target);
                return r;
        }
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_START}, now);
        recall(engine, target, now);
        *ret_target = target;
        return 0;
}

void members_let_go(struct engine *engine, struct target *target) {
        probe_pool_forget(engine->pool, target->id);
        drive_give_place_back(engine, target);
        heap_remove(&engine->waiting, &target->waiting);
}

/* Of one that the registry does not have, or has no longer. What ends with it may have made something due. */
static void discard_target(struct engine *engine, struct target *target, struct instant now) {
        leases_end(engine, target, LEASE_END_REMOVED, now);
        members_let_go(engine, target);
        heap_remove(&engine->due, &target->due);
        (void)target_free(target);
}

static void remove_target(struct engine *engine, struct target *target, struct instant now) {
        registry_remove(engine->registry, target);
        discard_target(engine, target, now);
}

static void tell_membership(struct engine *engine, const struct target *target, enum event_kind kind, enum state previous,
                            struct instant now) {
        struct edges edges = {.n = 1};

        edges.list[0] = (struct event){
                .kind = kind,
                .database = target->config->name,
                .boot_usec = now.boot_usec,
                .real_usec = now.real_usec,
                .state = target->state,
                .previous = previous,
                .reason = target->reason,
                .ready = target_ready(target),
                .generation = target->generation,
        };
        drive_publish(engine, target, &edges);
}

/* The sweep: what the new configuration does not have, or has in another form. From the end, so that places before it stay. */
static void sweep(struct engine *engine, const struct config *config, struct instant now, struct reload_summary *summary) {
        for (size_t i = registry_count(engine->registry); i-- > 0;) {
                struct target *target = registry_at(engine->registry, i);
                const struct database_config *database = config_database(config, target->config->name);

                if (database && database_config_equal(target->config, database)) {
                        target_replace_config(target, database);
                        summary->unchanged++;
                        continue;
                }
                if (!database) {
                        summary->removed++;
                        tell_membership(engine, target, EVENT_REMOVED, target->state, now);
                        remove_target(engine, target, now);
                }
        }
}

/* Those who needed the old one need the new one: leases, a call that waits, or what lingers. */
static void move_demand(struct engine *engine, struct target *old, struct target *target, struct instant now) {
        if (old->demand_until_boot_usec > now.boot_usec) {
                presume(engine, target, old->demand_until_boot_usec - now.boot_usec, now);
                target->demand_cause = old->demand_cause;
                target->presumed_until_boot_usec = old->presumed_until_boot_usec;
        }
        leases_move(engine, old, target, now);
}

/*
 * A database whose connection changed starts anew, but for what is counted and who needs it. Its generation only grows, for sessions of
 * others may be those of another server.
 */
static int replace_target(struct engine *engine, struct target *old, const struct database_config *config, struct instant now) {
        enum state previous = old->state;
        struct target *target = NULL;
        struct memory memory;
        int r;

        target_remember(old, now, &memory);
        memory.generation++;
        /* What the old server did is nothing of the new one: neither what blocked there, nor how long it was awake unseen. */
        memory.state = STATE_UNKNOWN;
        memory.account.counted_real_usec = now.real_usec;
        r = target_new(++engine->next_target_id, config, now, &target);
        if (r < 0) {
                remove_target(engine, old, now);
                return r;
        }
        target_restore(target, &memory, REASON_NOT_CHECKED, now);
        registry_remove(engine->registry, old);
        r = registry_add(engine->registry, target);
        if (r < 0) {
                (void)target_free(target);
                discard_target(engine, old, now);
                return r;
        }
        tell_membership(engine, target, EVENT_STATE, previous, now);
        move_demand(engine, old, target, now);
        discard_target(engine, old, now);
        drive_attend(engine, target, now);
        return 0;
}

/* Other settings for the same server: state, session and counters stay. */
static void reconfigure(struct engine *engine, struct target *target, const struct database_config *config, struct instant now) {
        registry_note_required(engine->registry, target, config->required);
        (void)drive_step(engine, target, &(struct input){.kind = INPUT_RECONFIGURED, .config = config}, now);
        drive_attend(engine, target, now);
}

static int take_in(struct engine *engine, const struct database_config *config, struct instant now, struct reload_summary *summary) {
        struct target *target = registry_by_name(engine->registry, config->name);
        int r;

        if (target && target->config == config)
                return 0;
        if (target) {
                summary->changed++;
                if (!database_config_same_server(target->config, config))
                        return replace_target(engine, target, config, now);
                reconfigure(engine, target, config, now);
                return 0;
        }
        r = members_add(engine, config, now, &target);
        if (r < 0)
                return r;
        summary->added++;
        tell_membership(engine, target, EVENT_ADDED, target->state, now);
        drive_attend(engine, target, now);
        return 0;
}

int engine_reload(struct engine *engine, const struct config *config, struct reload_summary *ret_summary) {
        struct reload_summary summary = {0};
        struct instant now = drive_observe_clock(engine);
        int r = 0;

        sweep(engine, config, now, &summary);
        engine->config = config;
        /* To the end, whatever fails: nothing may go on borrowing from the old configuration. */
        for (size_t i = 0; i < config->n_databases; i++) {
                int k = take_in(engine, &config->databases[i], now, &summary);

                r = r < 0 ? r : k;
        }
        drive_start_waiting(engine, now);
        drive_arm(engine);
        *ret_summary = summary;
        return r;
}
