#include "daemon.h"

#include "clocks.h"
#include "history.h"
#include "invariant.h"
#include "scheduler/lease.h"
#include "settings.h"
#include "told.h"
#include "witness.h"

static struct {
        struct plan_of_world *plan;
        bool present[DATABASES_MAX];
        bool removed[DATABASES_MAX]; /* by a reload, which ended its leases */
        struct settings *settings;
        struct engine *engine;
        struct observer observer;
        bool past_read; /* the history, since this start */
        struct world_timer reads;
        const struct database *databases[DATABASES_MAX];
        unsigned touched; /* bits */
        uint64_t sequence;
} life;

unsigned daemon_places(void) {
        return life.plan->attempts_in_flight;
}

struct engine *daemon_engine(void) {
        return life.engine;
}

struct database *daemon_find(unsigned database) {
        return life.engine ? registry_by_name(engine_registry(life.engine), life.plan->databases[database].name) : NULL;
}

const struct database *daemon_database(unsigned database) {
        return life.databases[database];
}

bool daemon_knows_past(void) {
        return life.past_read;
}

unsigned daemon_take_touched(void) {
        unsigned touched = life.touched;

        life.touched = 0;
        return touched;
}

void daemon_set_present(unsigned database, bool present) {
        life.present[database] = present;
}

static void touch(unsigned database, const struct database *db) {
        life.databases[database] = db;
        life.touched |= 1u << database;
        history_note(database);
}

static void on_touched(void *userdata, const struct database *db) {
        unsigned database = plan_database(life.plan, view_name(db));

        (void)userdata;
        touch(database, db);
        told_step_over(database);
}

static void on_event(void *userdata, const struct event *event, const struct database *db) {
        unsigned database;
        struct view view;

        (void)userdata;
        life.sequence = event->sequence;
        if (!db)
                return;
        database = plan_database(life.plan, view_name(db));
        touch(database, db);
        view_read(db, clock_now(), &view);
        if (witnesses[database].watched)
                told_event(database, event, &view);
        if (event->kind == EVENT_REMOVED) {
                history_flush_one(database);
                life.databases[database] = NULL;
        }
}

static bool recall(void *userdata, const char *name, struct memory *ret_memory) {
        const struct record *record = history_of(plan_database(life.plan, name));

        (void)userdata;
        if (record->known && life.past_read)
                *ret_memory = record->memory;
        return record->known && life.past_read;
}

/* How long after a lease was held its holder is worth waiting for (scheduler/engine.c). */
#define PRESUME_WITHIN_USEC USEC_PER_MINUTE

static bool was_held(unsigned database) {
        const struct record *record = history_of(database);

        return record->known && life.past_read && record->memory.held && !life.removed[database] &&
               usec_apart(clock_real_usec(), record->memory.saved_real_usec) < PRESUME_WITHIN_USEC;
}

/* HELD: the daemon starts, and a former lease holder may come back. */
static void watch(unsigned database, bool held) {
        const struct database_config *config = settings_database(life.settings, life.plan->databases[database].name);

        life.databases[database] = daemon_find(database);
        life.removed[database] = false;
        life.touched |= 1u << database;
        if (!life.databases[database])
                return;
        if (!witnesses[database].watched) {
                struct view view;

                view_read(life.databases[database], clock_now(), &view);
                told_from(database, &view);
        }
        if (!witnesses[database].watched && !life.past_read)
                invariants_expect_restart(database);
        witness_watch(database, config, view_policy(life.databases[database]), held, life.past_read);
}

static void restore_leases(unsigned database) {
        struct record *record = history_of(database);

        for (size_t i = 0; i < record->n_leases; i++) {
                witness_restore_lease(database, record->leases[i].until_real_usec);
                (void)lease_restore(life.engine, &record->leases[i]);
        }
}

static void restore_all_leases(void) {
        for (unsigned i = 0; i < life.plan->n_databases; i++)
                if (life.present[i])
                        restore_leases(i);
}

/* The history was read: like take_past() in app.c. */
static void on_read(void *userdata) {
        (void)userdata;
        life.past_read = true;
        for (unsigned i = 0; i < life.plan->n_databases; i++)
                if (life.databases[i])
                        witness_recall(i, was_held(i));
        engine_recall(life.engine);
        restore_all_leases();
}

void daemon_start(void) {
        const struct engine_past past = {.recall = recall, .is_to_come = life.plan->history_late_usec > 0};

        if (life.engine)
                return;
        life.past_read = !past.is_to_come;
        life.settings = settings_make(life.plan, life.present);
        if (engine_new(loop_event(), settings_config(life.settings), &past, &life.engine) < 0)
                abort();
        engine_number_from(life.engine, life.sequence);
        life.observer = (struct observer){.notify = on_event, .touched = on_touched};
        engine_observe(life.engine, &life.observer);
        for (unsigned i = 0; i < life.plan->n_databases; i++)
                if (life.present[i])
                        watch(i, was_held(i));
        if (life.past_read)
                restore_all_leases();
        else
                timer_set_host(&life.reads, clock_monotonic_usec() + life.plan->history_late_usec);
}

void daemon_stop(bool crash) {
        if (!life.engine)
                return;
        timer_stop(&life.reads);
        for (unsigned i = 0; !crash && i < life.plan->n_databases; i++)
                if (life.databases[i] && life.databases[i]->account_runs)
                        history_note(i); /* like notify/recorder.c */
        if (!crash)
                history_flush();
        history_lose();
        for (unsigned i = 0; i < life.plan->n_databases; i++) {
                if (life.databases[i])
                        invariants_expect_restart(i);
                witness_unwatch(i, crash);
                life.databases[i] = NULL;
        }
        life.engine = engine_free(life.engine, 0);
        life.settings = settings_free(life.settings);
}

static void reconfigure(unsigned database, const struct database_config *config) {
        witness_reconfigure(database, config, policy_choose(config->policy, life.databases[database]->provider));
}

void daemon_reload(void) {
        struct settings *settings, *old = life.settings;
        struct reload_summary summary;

        if (!life.engine)
                return;
        settings = settings_make(life.plan, life.present);
        for (unsigned i = 0; i < life.plan->n_databases; i++)
                if (!life.present[i]) {
                        witness_unwatch(i, false);
                        life.removed[i] = true;
                } else if (witnesses[i].watched)
                        reconfigure(i, settings_database(settings, life.plan->databases[i].name));
        life.settings = settings;
        (void)engine_reload(life.engine, settings_config(settings), &summary);
        (void)settings_free(old);
        for (unsigned i = 0; i < life.plan->n_databases; i++)
                if (life.present[i])
                        watch(i, false);
}

void daemon_begin(struct plan_of_world *plan) {
        life.plan = plan;
        life.sequence = 0;
        life.touched = 0;
        life.reads = (struct world_timer){.fire = on_read};
        history_begin();
        for (unsigned i = 0; i < plan->n_databases; i++) {
                life.present[i] = !plan->databases[i].later;
                life.removed[i] = false;
                life.databases[i] = NULL;
        }
}

void daemon_end(void) {
        daemon_stop(true);
}
