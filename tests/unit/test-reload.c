/*
 * A reload in steps. Readers see none of it before it takes force, and all of it from then on; observers hear of each database before
 * anything else happens to it, whatever comes between two steps.
 */
#include "stage.h"

#include "base/random.h"
#include "scheduler/lease.h"

#define OLD 20             /* db00 to db19 */
#define SPIN_USEC (5 * MSEC) /* longer than a step: each thing that takes so long has one of its own */

static void spin(void) {
        uint64_t until = clock_monotonic_usec() + SPIN_USEC;

        while (clock_monotonic_usec() < until)
                ;
}

static bool slow_recall(void *userdata, const char *name, struct memory *ret_memory) {
        (void)name;
        (void)ret_memory;
        if (*(bool *)userdata)
                spin();
        return false;
}

struct listener {
        struct observer observer;
        char heard[DATABASES_MAX][32]; /* "added db07" */
        unsigned n_heard;
        bool slow;
};

static void hear(void *userdata, const struct event *event, const struct database *database) {
        struct listener *l = userdata;

        (void)database;
        assert_true(l->n_heard < ARRAY_LENGTH(l->heard));
        (void)snprintf(l->heard[l->n_heard++], sizeof(l->heard[0]), "%.8s %.16s", event_kind_name(event->kind), event->database);
        if (l->slow)
                spin();
}

/* The place of WHAT among the things heard, and that it was heard once. */
static unsigned place_of(const struct listener *l, const char *kind, const char *name) {
        unsigned place = DATABASES_MAX;
        char what[32];

        (void)snprintf(what, sizeof(what), "%s %s", kind, name);
        for (unsigned i = 0; i < l->n_heard; i++)
                if (streq(l->heard[i], what)) {
                        assert_int_equal(place, DATABASES_MAX);
                        place = i;
                }
        assert_int_not_equal(place, DATABASES_MAX);
        return place;
}

/* db00 to db04 stay, of db05 to db09 the settings change, of db10 to db14 the server; db15 to db19 go, and db20 to db24 come. */
struct play {
        struct stage *s, *next;
        struct listener l;
        bool slow;
        struct reload_summary summary;
};

static struct play *play_begin(void) {
        struct play *p = calloc(1, sizeof(*p));
        const struct engine_past past = {.recall = slow_recall, .userdata = &p->slow};
        struct database_config *databases;

        p->s = stage_new(OLD);
        p->next = calloc(1, sizeof(*p->next));
        stage_config(p->next, 25);
        databases = p->next->databases;
        for (size_t i = 0; i < 5; i++) {
                databases[5 + i].linger_usec = 7 * SEC;
                databases[10 + i].provider = "neon";
                databases[10 + i].policy = POLICY_KEEP_AWAKE;
                databases[15 + i] = databases[20 + i];
        }
        p->next->config.n_databases = 20;
        for (size_t i = 0; i < 20; i++)
                p->next->by_name[i] = &databases[i];
        assert_int_equal(engine_new(p->s->event, &p->s->config, &past, &p->s->engine), 0);
        for (size_t i = 0; i < OLD; i++)
                report(p->s, database_named(p->s, p->s->names[i]), REASON_NONE);
        p->l.observer = (struct observer){.notify = hear, .userdata = &p->l};
        engine_observe(p->s->engine, &p->l.observer);
        p->slow = p->l.slow = true;
        assert_int_equal(engine_reload_begin(p->s->engine, &p->next->config), 0);
        return p;
}

static void play_end(struct play *p) {
        stage_end(p->s);
        free(p->next);
        free(p);
}

static struct database *look_up(const struct play *p, const char *name) {
        return registry_by_name(engine_registry(p->s->engine), name);
}

static bool has_force(const struct play *p) {
        return look_up(p, "db20");
}

static int step(struct play *p) {
        return engine_reload_step(p->s->engine, &p->summary);
}

/* All that there is, or all that there was. */
static void assert_whole(const struct play *p) {
        const struct registry *registry = engine_registry(p->s->engine);
        bool force = has_force(p);
        const struct config *config = force ? &p->next->config : &p->s->config;

        assert_int_equal(registry_count(registry), 20);
        for (size_t i = 0; i < 20; i++) {
                const struct database *database = registry_at(registry, i);

                assert_ptr_equal(database->config, &config->databases[i]);
                assert_ptr_equal(registry_by_id(registry, database->id), database);
                assert_int_equal(database->counts.generation, force && i >= 10 && i < 15); /* a database that begins anew has one more */
                assert_int_equal(database->counts.attempts[CHECK_LOGIN][CLASS_OK], !force || i < 15); /* and goes on counting */
                if (!force || i < 10)
                        assert_int_equal(database->state, STATE_AWAKE);
        }
        assert_int_equal(registry_not_ready(registry), force ? 10 : 0);
}

static void assert_all_told(struct play *p) {
        assert_int_equal(p->summary.unchanged, 5);
        assert_int_equal(p->summary.changed, 10);
        assert_int_equal(p->summary.removed, 5);
        assert_int_equal(p->summary.added, 5);
        for (size_t i = 0; i < 5; i++) {
                (void)place_of(&p->l, "state", p->next->names[10 + i]);
                (void)place_of(&p->l, "removed", p->next->names[15 + i]);
                (void)place_of(&p->l, "added", p->next->names[20 + i]);
        }
}

static void nobody_sees_half_of_it(void **state) {
        struct play *p = play_begin();
        unsigned before = 0, after = 0;

        (void)state;
        do {
                assert_whole(p);
                *(has_force(p) ? &after : &before) += 1;
        } while (step(p) > 0);
        assert_whole(p);
        assert_true(before >= 5 && after >= 10); /* one for each added, and for each reported */
        assert_int_equal(p->l.n_heard, 15);
        assert_all_told(p);
        assert_int_equal(pool->forgotten, 10);
        assert_int_equal(stats(p->s).in_flight, 10);
        for (size_t i = 0; i < 5; i++) {
                assert_non_null(running(look_up(p, p->next->names[20 + i])->id));
                assert_non_null(running(look_up(p, p->next->names[10 + i])->id));
        }
        play_end(p);
}

static void run_until_force(struct play *p) {
        while (!has_force(p))
                assert_int_equal(step(p), 1);
}

static void finish(struct play *p) {
        int r;

        do
                r = step(p);
        while (r > 0);
        assert_int_equal(r, 0);
        assert_all_told(p);
}

/* A call, a lease or an answer that comes before observers were told of the database is reported after that. */
static void who_comes_between_two_steps_finds_what_is_in_force(void **state) {
        struct play *p = play_begin();
        enum reason refusal;
        struct lease *lease, *later;

        (void)state;
        assert_int_equal(lease_take(p->s->engine, look_up(p, "db13"), &(struct lease_request){.owner = "a"}, &refusal, &lease), 0);
        run_until_force(p);
        assert_null(look_up(p, "db15"));
        assert_ptr_equal(lease->database, look_up(p, "db13"));
        assert_int_equal(lease_take(p->s->engine, look_up(p, "db24"), &(struct lease_request){.owner = "b"}, &refusal, &later), 0);
        report(p->s, look_up(p, "db24"), REASON_NONE);
        assert_int_equal(look_up(p, "db24")->state, STATE_AWAKE);
        assert_int_equal(engine_wake(p->s->engine, look_up(p, "db14"), WAKE_CALL), REASON_NONE);
        assert_true(place_of(&p->l, "added", "db24") < place_of(&p->l, "state", "db24"));
        (void)place_of(&p->l, "state", "db14");
        lease_release(p->s->engine, lease);
        finish(p);
        play_end(p);
}

/* One of the things that people, servers and time do to a database. */
static void happen(struct play *p, struct database *database, unsigned what) {
        enum reason refusal;
        struct lease *lease;

        switch (what % 7) {
        case 0:
                (void)engine_wake(p->s->engine, database, WAKE_CALL);
                break;
        case 1:
                (void)lease_take(p->s->engine, database, &(struct lease_request){.owner = "a"}, &refusal, &lease);
                break;
        case 2:
                engine_pause(p->s->engine, database, SEC);
                break;
        case 3:
                engine_pause(p->s->engine, database, 0);
                break;
        case 4:
                cut_session(database);
                break;
        case 5:
                (void)turn(p->s, 0);
                break;
        default:
                if (database->in_flight.id)
                        report(p->s, database, what % 2 ? REASON_NONE : REASON_TCP_REFUSED);
                break;
        }
        (void)stats(p->s); /* as many places are taken as attempts run */
}

/* The pool asserts at each check that no database has two. */
static void whatever_comes_between_two_steps_nothing_is_asked_twice_at_once(void **state) {
        uint64_t seed = 7;

        (void)state;
        for (unsigned round = 0; round < 4; round++) {
                struct play *p = play_begin();
                int r;

                do {
                        p->l.slow = false;
                        for (unsigned i = 0; i < 20; i++) {
                                uint64_t drawn = random_next(&seed);

                                happen(p, registry_at(engine_registry(p->s->engine), drawn % 20), (unsigned)(drawn >> 32));
                                p->l.n_heard = 0;
                        }
                        p->l.slow = true;
                        r = step(p);
                } while (r > 0);
                play_end(p);
        }
}

struct holder {
        unsigned ended, heard_before;
        struct listener *l;
};

static void on_ended(void *userdata, enum lease_end end) {
        struct holder *holder = userdata;

        assert_int_equal(end, LEASE_END_REMOVED);
        holder->heard_before = place_of(holder->l, "removed", "db17") + 1;
        holder->ended++;
}

static void a_lease_of_what_is_removed_ends_with_its_force(void **state) {
        struct play *p = play_begin();
        struct holder holder = {.l = &p->l};
        struct lease_request request = {.owner = "a", .ended = on_ended, .userdata = &holder};
        enum reason refusal;
        struct lease *lease;

        (void)state;
        assert_int_equal(step(p), 1);
        assert_int_equal(lease_take(p->s->engine, look_up(p, "db17"), &request, &refusal, &lease), 0);
        assert_int_equal(holder.ended, 0);
        run_until_force(p);
        assert_int_equal(holder.ended, 1);
        assert_true(holder.heard_before > 0);
        finish(p);
        play_end(p);
}

/* Reports on a removed database are dropped, and its slot goes to another. */
static void an_answer_for_what_is_gone_is_dropped(void **state) {
        struct play *p = play_begin();
        struct probe_report late;

        (void)state;
        assert_int_equal(engine_wake(p->s->engine, look_up(p, "db12"), WAKE_CALL), REASON_NONE);
        late = report_of(look_up(p, "db12"), REASON_TCP_REFUSED);
        cut_session(look_up(p, "db19"));
        p->l.n_heard = 0; /* that one was */
        run_until_force(p);
        pool->handler(pool->userdata, &late);
        assert_int_equal(database_failures(look_up(p, "db12")), 0);
        finish(p);
        assert_int_equal(stats(p->s).in_flight, 10);
        play_end(p);
}

/* The daemon stops: a reload that has no force yet leaves nothing behind, one that has is reported. */
static void an_end_between_two_steps_leaves_nothing_half_done(void **state) {
        struct play *p = play_begin();

        (void)state;
        assert_int_equal(step(p), 1);
        assert_false(engine_reload_end(p->s->engine));
        assert_whole(p);
        assert_int_equal(p->l.n_heard, 0);
        play_end(p);

        p = play_begin();
        run_until_force(p);
        engine_stop(p->s->engine);
        assert_true(engine_reload_end(p->s->engine));
        assert_whole(p);
        assert_int_equal(p->l.n_heard, 15);
        assert_int_equal(pool->n_running, 0); /* nothing is asked any more */
        play_end(p);

        p = play_begin();
        run_until_force(p);
        play_end(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(nobody_sees_half_of_it),
                UNIT_TEST(who_comes_between_two_steps_finds_what_is_in_force),
                UNIT_TEST(whatever_comes_between_two_steps_nothing_is_asked_twice_at_once),
                UNIT_TEST(a_lease_of_what_is_removed_ends_with_its_force),
                UNIT_TEST(an_answer_for_what_is_gone_is_dropped),
                UNIT_TEST(an_end_between_two_steps_leaves_nothing_half_done),
        };

        return UNIT_RUN(tests);
}
