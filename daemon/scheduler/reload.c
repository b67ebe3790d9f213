/*
 * A reload is mark and sweep, so that unchanged databases keep their state, session and counters.
 *
 * For ten thousand databases that takes longer than a client should wait for an answer. So it runs in pieces: first everything that can be
 * prepared; then, at one moment, the new configuration takes force, so that nobody sees half of it; then the consequences, in pieces again:
 * observers are told, sessions are closed, checks are started. Events about a database follow the news that it was added, removed or
 * replaced (drive_step()).
 */
#include "scheduler/inside.h"

#include "base/error.h"

/* The approximate duration of a piece. */
#define PIECE_USEC (4 * USEC_PER_MSEC)

enum change {
        CHANGE_NONE,
        CHANGE_SETTINGS, /* other settings for the same server */
        CHANGE_SERVER,   /* another server: it begins anew */
        CHANGE_NEW,
};

enum stage {
        STAGE_COMPARE, /* the configuration with the registry; databases are made for what begins anew */
        STAGE_SEARCH,  /* for databases that are not configured any more */
        STAGE_WELCOME,
        STAGE_SWITCH,
        STAGE_TELL_REMOVED,
        STAGE_FOLLOW,
        STAGE_OVER,
};

struct entry {
        struct database *database;
        enum change change;
};

struct transition {
        const struct config *config;
        enum stage stage;
        size_t next;           /* index in the list of the stage */
        struct entry *entries; /* one for each database of the configuration */
        struct database **removed, **by_name, **by_id;
        size_t n_removed;
        struct reload_summary summary;
};

static void free_lists(struct transition *transition) {
        free(transition->entries);
        free(transition->removed);
        free(transition->by_name);
        free(transition->by_id);
        free(transition);
}

/* Frees a database that the registry does not hold. */
static struct database *transition_discard(struct engine *engine, struct database *database) {
        if (!database)
                return NULL;
        registry_remove_host(engine->registry, database->config->conninfo);
        (void)database_free(database);
        return NULL;
}

static bool is_made(const struct entry *entry) {
        return entry->change == CHANGE_SERVER || entry->change == CHANGE_NEW;
}

static void drop_what_was_made(struct engine *engine, struct transition *transition) {
        for (size_t i = 0; i < transition->config->n_databases; i++)
                if (is_made(&transition->entries[i]))
                        (void)transition_discard(engine, transition->entries[i].database);
}

/* Preparation. */

static int make(struct engine *engine, const struct database_config *config, struct instant now, struct database **ret_database) {
        struct database *database = NULL;
        int r;

        r = registry_add_host(engine->registry, config->conninfo);
        if (r < 0)
                return r;
        r = database_new(++engine->next_database_id, config, now, &database);
        if (r < 0) {
                registry_remove_host(engine->registry, config->conninfo);
                return r;
        }
        *ret_database = database;
        return 0;
}

static enum change transition_compare(const struct database *database, const struct database_config *config) {
        if (!database)
                return CHANGE_NEW;
        if (database_config_equal(database->config, config))
                return CHANGE_NONE;
        return database_config_same_server(database->config, config) ? CHANGE_SETTINGS : CHANGE_SERVER;
}

static int compare_next(struct engine *engine, struct transition *transition, struct instant now) {
        const struct database_config *config = &transition->config->databases[transition->next];
        struct database *database = registry_by_name(engine->registry, config->name);
        struct entry entry = {.database = database, .change = transition_compare(database, config)};
        struct reload_summary *summary = &transition->summary;
        int r;

        if (is_made(&entry)) {
                r = make(engine, config, now, &entry.database);
                if (r < 0)
                        return r;
                entry.database->predecessor = database;
        }
        transition->entries[transition->next] = entry;
        *(entry.change == CHANGE_NONE ? &summary->unchanged : entry.change == CHANGE_NEW ? &summary->added : &summary->changed) += 1;
        return 0;
}

static void search_next(struct engine *engine, struct transition *transition) {
        struct database *database = registry_at(engine->registry, transition->next);

        if (config_database(transition->config, database->config->name))
                return;
        transition->removed[transition->n_removed++] = database;
        transition->summary.removed++;
}

/* The switch. */

/*
 * Takes slot and demand from a database whose removal is not told yet, and sends it no more checks: the next check may be its successor's,
 * and no server is checked twice at once. An idle session ends only when the removal is told; there may be thousands.
 */
static void dismiss(struct engine *engine, struct database *database, struct instant now) {
        /* The time until now counts for the leases; saved state must not say that they hold it still. */
        if (database->n_leases > 0) {
                struct step unheard;

                database_step(database, &(struct input){.kind = INPUT_TIME}, now, &unheard);
                database->n_leases = 0;
        }
        /* Lease holders hear of the removal before their lease ends. */
        if (!TAILQ_EMPTY(&database->leases))
                engine_tell_news(engine, database, now);
        leases_end(engine, database, LEASE_END_REMOVED, now);
        if (database->in_flight.id)
                probe_pool_forget(engine->pool, database->id);
        drive_give_place_back(engine, database);
        database->in_flight.id = 0;
        heap_remove(&engine->waiting, &database->waiting);
        heap_remove(&engine->due, &database->due);
}

/* Demand for the old one is demand for the new one: leases, waiting calls and linger. */
static void move_demand(struct engine *engine, struct database *old, struct database *database, struct instant now) {
        if (old->demand_until_boot_usec > now.boot_usec) {
                engine_presume(engine, database, old->demand_until_boot_usec - now.boot_usec, now);
                database->demand_cause = old->demand_cause;
                database->presumed_until_boot_usec = old->presumed_until_boot_usec;
        }
        leases_move(engine, old, database, now);
}

/*
 * A database whose connection changed begins anew, except for its counters and its demand. Its generation grows: other clients' sessions
 * may be those of another server.
 */
static void succeed(struct engine *engine, struct database *database, struct instant now) {
        struct memory memory;

        database_remember(database->predecessor, now, &memory);
        memory.counts.generation++;
        /* The old server's past is not the new one's: neither when it started, nor what blocked it, nor how long it was awake unseen. */
        memory.counts.server_started_real_usec = 0;
        memory.state = STATE_UNKNOWN;
        memory.account.counted_real_usec = now.real_usec;
        database_restore(database, &memory, REASON_NOT_CHECKED, now);
        database->past_is_to_come = database->predecessor->past_is_to_come;
        move_demand(engine, database->predecessor, database, now);
        dismiss(engine, database->predecessor, now);
        database->news = NEWS_REPLACES;
}

/* Other settings for the same server: state, session and counters stay. */
static void transition_reconfigure(struct engine *engine, struct database *database, const struct database_config *config, struct instant now) {
        registry_note_required(engine->registry, database, config->required);
        (void)drive_step(engine, database, &(struct input){.kind = INPUT_RECONFIGURED, .config = config}, now);
}

static void take_force(struct engine *engine, const struct entry *entry, const struct database_config *config, struct instant now) {
        switch (entry->change) {
        case CHANGE_NONE:
                database_replace_config(entry->database, config);
                return;
        case CHANGE_SETTINGS:
                transition_reconfigure(engine, entry->database, config, now);
                return;
        case CHANGE_SERVER:
                succeed(engine, entry->database, now);
                return;
        case CHANGE_NEW:
                entry->database->news = NEWS_ADDED;
                return;
        }
}

/* Ids only grow: new databases come after those that stay. */
static void exchange_members(struct engine *engine, struct transition *transition) {
        const struct config *config = transition->config;
        size_t n = 0;

        for (size_t i = 0; i < transition->n_removed; i++)
                transition->removed[i]->news = NEWS_REMOVED;
        for (size_t i = 0; i < config->n_databases; i++) {
                transition->by_name[i] = transition->entries[config->by_name[i] - config->databases].database;
                if (transition->by_name[i]->predecessor)
                        transition->by_name[i]->predecessor->news = NEWS_REPLACED;
        }
        for (size_t i = 0; i < registry_count(engine->registry); i++)
                if (registry_in_order(engine->registry, i)->news == NEWS_NONE)
                        transition->by_id[n++] = registry_in_order(engine->registry, i);
        for (size_t i = 0; i < config->n_databases; i++)
                if (is_made(&transition->entries[i]))
                        transition->by_id[n++] = transition->entries[i].database;
        registry_exchange(engine->registry, steal_pointer(&transition->by_name), steal_pointer(&transition->by_id), n);
}

static void switch_over(struct engine *engine, struct transition *transition, struct instant now) {
        exchange_members(engine, transition);
        engine->config = transition->config;
        for (size_t i = 0; i < transition->n_removed; i++)
                dismiss(engine, transition->removed[i], now);
        for (size_t i = 0; i < transition->config->n_databases; i++)
                take_force(engine, &transition->entries[i], &transition->config->databases[i], now);
}

/* Consequences. */

static void tell_next_removed(struct engine *engine, struct transition *transition, struct instant now) {
        struct database **database = &transition->removed[transition->next];

        engine_tell_news(engine, *database, now);
        probe_pool_forget(engine->pool, (*database)->id);
        *database = transition_discard(engine, *database);
}

static void follow_next(struct engine *engine, struct transition *transition, struct instant now) {
        const struct entry *entry = &transition->entries[transition->next];
        struct database *database = entry->database;

        if (entry->change == CHANGE_NONE)
                return;
        engine_tell_news(engine, database, now);
        if (database->predecessor)
                probe_pool_forget(engine->pool, database->predecessor->id);
        database->predecessor = transition_discard(engine, database->predecessor);
        drive_attend(engine, database, now);
}

/* The stages. */

static size_t length_of_stage(const struct engine *engine, const struct transition *transition) {
        switch (transition->stage) {
        case STAGE_COMPARE:
        case STAGE_WELCOME:
        case STAGE_FOLLOW:
                return transition->config->n_databases;
        case STAGE_SEARCH:
                return registry_count(engine->registry);
        case STAGE_TELL_REMOVED:
                return transition->n_removed;
        case STAGE_SWITCH:
                return 1;
        case STAGE_OVER:
                break;
        }
        return 0;
}

static int do_next(struct engine *engine, struct transition *transition, struct instant now) {
        const struct entry *entry = &transition->entries[transition->next];

        switch (transition->stage) {
        case STAGE_COMPARE:
                return compare_next(engine, transition, now);
        case STAGE_SEARCH:
                search_next(engine, transition);
                return 0;
        case STAGE_WELCOME:
                if (entry->change == CHANGE_NEW)
                        engine_welcome(engine, entry->database, now);
                return 0;
        case STAGE_SWITCH:
                switch_over(engine, transition, now);
                return 0;
        case STAGE_TELL_REMOVED:
                tell_next_removed(engine, transition, now);
                return 0;
        case STAGE_FOLLOW:
                follow_next(engine, transition, now);
                return 0;
        case STAGE_OVER:
                break;
        }
        return 0;
}

/* Skips stages whose list is done. Returns whether there is one that is not. */
static bool find_work(const struct engine *engine, struct transition *transition) {
        while (transition->stage != STAGE_OVER && transition->next == length_of_stage(engine, transition)) {
                transition->stage++;
                transition->next = 0;
        }
        return transition->stage != STAGE_OVER;
}

/* Returns 1 if there is more to do, or a negative errno. */
static int do_piece(struct engine *engine, struct transition *transition) {
        struct instant now = drive_observe_clock(engine);
        uint64_t until = clock_monotonic_usec() + PIECE_USEC;

        while (find_work(engine, transition)) {
                int r;

                r = do_next(engine, transition, now);
                if (r < 0)
                        return r;
                transition->next++;
                if (clock_monotonic_usec() >= until)
                        return find_work(engine, transition);
        }
        return 0;
}

static struct transition *transition_new(const struct engine *engine, const struct config *config) {
        struct transition *transition = calloc(1, sizeof(*transition));
        size_t n = config->n_databases;

        if (!transition)
                return NULL;
        transition->config = config;
        transition->entries = calloc(n + 1, sizeof(*transition->entries));
        transition->removed = calloc(registry_count(engine->registry) + 1, sizeof(struct database *));
        transition->by_name = calloc(n + 1, sizeof(struct database *));
        transition->by_id = calloc(n + 1, sizeof(struct database *));
        if (transition->entries && transition->removed && transition->by_name && transition->by_id)
                return transition;
        free_lists(transition);
        return NULL;
}

int engine_reload_begin(struct engine *engine, const struct config *config) {
        engine->transition = transition_new(engine, config);
        return engine->transition ? 0 : -ENOMEM;
}

int engine_reload_step(struct engine *engine, struct reload_summary *ret_summary) {
        struct transition *transition = engine->transition;
        int r;

        r = do_piece(engine, transition);
        drive_start_waiting(engine, clock_now());
        drive_arm(engine);
        if (r > 0)
                return r;
        engine->transition = NULL;
        if (r < 0)
                drop_what_was_made(engine, transition);
        else
                *ret_summary = transition->summary;
        free_lists(transition);
        return r;
}

bool engine_reload_end(struct engine *engine) {
        struct transition *transition = engine->transition;
        struct reload_summary summary;

        if (!transition)
                return false;
        if (transition->stage <= STAGE_SWITCH) {
                engine->transition = NULL;
                drop_what_was_made(engine, transition);
                free_lists(transition);
                return false;
        }
        while (engine->transition)
                (void)engine_reload_step(engine, &summary);
        return true;
}

int engine_reload(struct engine *engine, const struct config *config, struct reload_summary *ret_summary) {
        int r;

        r = engine_reload_begin(engine, config);
        if (r < 0)
                return r;
        do
                r = engine_reload_step(engine, ret_summary);
        while (r > 0);
        return r;
}
