/* All databases together: found by name and id, counted by state, and whether it is our own network that is gone. */
#include "scene.h"

#include "base/random.h"
#include "health/network.h"
#include "health/registry.h"

#include <stdio.h>

#define CROWD 2000

/* Database I of many, with everything that it borrows. */
struct member {
        struct unit_conninfo conninfo;
        struct database_config config;
        char name[TEXT_NAME_MAX + 1];
        struct database *t;
};

static const struct instant now = {.boot_usec = 1000 * SEC, .real_usec = UINT64_C(1800000000) * SEC};

static void member_new(struct member *m, uint64_t id, const char *name, const char *host) {
        (void)text_copy(m->name, sizeof(m->name), name);
        m->config = unit_config(m->name, unit_conninfo(&m->conninfo, host));
        assert_int_equal(database_new(id, &m->config, now, &m->t), 0);
}

static void move(struct registry *registry, struct database *t, enum state to) {
        enum state previous = t->state;

        t->state = to;
        registry_note_state(registry, t, previous);
}

static void an_empty_registry_is_ready(void **state) {
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        assert_int_equal(registry_count(registry), 0);
        assert_int_equal(registry_not_ready(registry), 0);
        assert_null(registry_at(registry, 0));
        assert_null(registry_by_name(registry, "main"));
        assert_null(registry_by_id(registry, 1));
        assert_null(registry_free(registry));
        assert_null(registry_free(NULL));
}

static void all_are_found_by_name_and_id_whatever_comes_and_goes(void **state) {
        struct member *crowd = calloc(CROWD, sizeof(*crowd));
        bool in[CROWD] = {false};
        uint64_t dice = 11, next_id = 0;
        struct registry *registry;
        size_t n = 0;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        for (unsigned round = 0; round < 3 * CROWD; round++) {
                size_t i = random_next(&dice) % CROWD;
                char name[TEXT_NAME_MAX + 1];

                (void)snprintf(name, sizeof(name), "db-%zu", i * 7919 % CROWD);
                if (in[i]) {
                        registry_remove(registry, crowd[i].t);
                        assert_null(registry_by_name(registry, name));
                        assert_null(registry_by_id(registry, crowd[i].t->id));
                        crowd[i].t = database_free(crowd[i].t);
                        n--;
                } else {
                        member_new(&crowd[i], ++next_id, name, i % 2 ? "a.example" : "b.example");
                        assert_int_equal(registry_add(registry, crowd[i].t), 0);
                        n++;
                }
                in[i] = !in[i];
                assert_int_equal(registry_count(registry), n);
                if (in[i]) {
                        assert_ptr_equal(registry_by_name(registry, name), crowd[i].t);
                        assert_ptr_equal(registry_by_id(registry, crowd[i].t->id), crowd[i].t);
                }
        }
        for (size_t i = 0; i < CROWD; i++)
                if (in[i]) {
                        assert_ptr_equal(registry_by_name(registry, crowd[i].name), crowd[i].t);
                        assert_ptr_equal(registry_by_id(registry, crowd[i].t->id), crowd[i].t);
                }
        for (size_t i = 0; i + 1 < n; i++)
                assert_true(strcmp(registry_at(registry, i)->config->name, registry_at(registry, i + 1)->config->name) < 0);
        assert_null(registry_at(registry, n));
        assert_null(registry_by_id(registry, next_id + 1));
        assert_null(registry_by_id(registry, 0));
        assert_null(registry_by_name(registry, ""));
        assert_null(registry_by_name(registry, "zz"));
        registry_free(registry);
        free(crowd);
}

static void a_walk_goes_on_by_name(void **state) {
        struct member members[3] = {0};
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        assert_int_equal(registry_place_after(registry, ""), 0);
        for (unsigned i = 0; i < 3; i++) {
                member_new(&members[i], i + 1, (const char *[]){"d", "b", "f"}[i], "127.0.0.1");
                assert_int_equal(registry_add(registry, members[i].t), 0);
        }
        assert_int_equal(registry_place_after(registry, ""), 0);
        assert_int_equal(registry_place_after(registry, "a"), 0);
        assert_int_equal(registry_place_after(registry, "b"), 1);
        assert_int_equal(registry_place_after(registry, "c"), 1);
        assert_int_equal(registry_place_after(registry, "d"), 2);
        assert_int_equal(registry_place_after(registry, "dd"), 2);
        assert_int_equal(registry_place_after(registry, "f"), 3);
        assert_int_equal(registry_place_after(registry, "z"), 3);
        assert_null(registry_free(registry));
}

static void counts_follow_the_states(void **state) {
        struct member members[3] = {0};
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        for (size_t i = 0; i < 3; i++) {
                member_new(&members[i], i + 1, (const char *[]){"a", "b", "c"}[i], "x.example");
                members[i].config.required = i < 2;
                assert_int_equal(registry_add(registry, members[i].t), 0);
        }
        assert_int_equal(registry_not_ready(registry), 2);
        assert_int_equal(registry_count_in_state(registry, STATE_UNKNOWN), 3);
        move(registry, members[0].t, STATE_AWAKE);
        move(registry, members[2].t, STATE_AWAKE);
        assert_int_equal(registry_not_ready(registry), 1);
        move(registry, members[2].t, STATE_DOWN); /* not required: readiness does not care */
        assert_int_equal(registry_not_ready(registry), 1);
        move(registry, members[1].t, STATE_WAKING);
        move(registry, members[1].t, STATE_AWAKE);
        move(registry, members[1].t, STATE_AWAKE);
        assert_int_equal(registry_not_ready(registry), 0);
        assert_int_equal(registry_count_in_state(registry, STATE_AWAKE), 2);
        assert_int_equal(registry_count_in_state(registry, STATE_DOWN), 1);
        assert_int_equal(registry_count_in_state(registry, STATE_UNKNOWN), 0);
        move(registry, members[0].t, STATE_ASLEEP);
        assert_int_equal(registry_not_ready(registry), 1);
        registry_remove(registry, members[0].t);
        assert_int_equal(registry_not_ready(registry), 0);
        registry_remove(registry, members[1].t);
        assert_int_equal(registry_not_ready(registry), 0);
        assert_int_equal(registry_count_in_state(registry, STATE_AWAKE), 0);
        database_free(members[0].t);
        database_free(members[1].t);
        registry_free(registry);
}

static bool note_at(struct registry *registry, const struct database *t, bool suspect, struct instant when) {
        const struct attempt attempt = {.reason = suspect ? REASON_DNS_FAILED : REASON_NONE, .own_network_suspect = suspect};

        return registry_note_network(registry, t, &attempt, when);
}

static bool note(struct registry *registry, const struct database *t, bool suspect) {
        return note_at(registry, t, suspect, now);
}

static void a_suspicion_ages_and_a_living_session_is_none(void **state) {
        struct member members[2] = {0};
        struct instant later = now;
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        member_new(&members[0], 1, "a", "a.example");
        member_new(&members[1], 2, "b", "b.example");
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(registry_add(registry, members[i].t), 0);
        assert_false(note(registry, members[0].t, true));
        assert_true(note(registry, members[1].t, true));
        /* The host has not been tried for an hour: that is no suspicion against the present network. */
        later.boot_usec += USEC_PER_HOUR;
        assert_false(note_at(registry, members[1].t, true, later));
        assert_true(note_at(registry, members[0].t, true, later));
        /* A ping on its session is answered. */
        assert_false(note_at(registry, members[0].t, false, later));
        assert_false(note_at(registry, members[1].t, true, later));
        registry_free(registry);
}

/* A reload changes whether it is required, while it is ready and while it is not. */
static void required_follows_a_reload(void **state) {
        struct member m = {0};
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        member_new(&m, 1, "a", "a.example");
        assert_int_equal(registry_add(registry, m.t), 0);
        assert_int_equal(registry_not_ready(registry), 1);
        for (unsigned round = 0; round < 2; round++) {
                registry_note_required(registry, m.t, false);
                m.config.required = false;
                assert_int_equal(registry_not_ready(registry), 0);
                registry_note_required(registry, m.t, true);
                m.config.required = true;
                assert_int_equal(registry_not_ready(registry), round == 0);
                move(registry, m.t, STATE_AWAKE);
                assert_int_equal(registry_not_ready(registry), 0);
        }
        registry_free(registry);
}

static void our_network_is_gone_only_when_no_remote_host_at_all_is_reached(void **state) {
        static const char *const hosts[] = {
                "a.example", "b.example", "a.example", "localhost", "127.0.0.1", "::1", "/run/postgresql", "@abstract",
        };
        struct member members[ARRAY_LENGTH(hosts)] = {0};
        struct registry *registry;

        (void)state;
        assert_int_equal(registry_new(&registry), 0);
        for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
                char name[2] = {(char)('a' + i), '\0'};

                member_new(&members[i], i + 1, name, hosts[i]);
                assert_int_equal(registry_add(registry, members[i].t), 0);
        }
        assert_false(note(registry, members[0].t, true));
        assert_false(note(registry, members[0].t, true)); /* one host, however often */
        assert_false(note(registry, members[2].t, true)); /* the same host under another name */
        for (size_t i = 3; i < ARRAY_LENGTH(hosts); i++)
                assert_false(note(registry, members[i].t, true)); /* not remote */
        assert_true(note(registry, members[1].t, true));
        assert_true(note(registry, members[0].t, true));
        assert_false(note(registry, members[1].t, false)); /* one answers */
        assert_false(note(registry, members[0].t, true));
        assert_true(note(registry, members[1].t, true));
        assert_false(note(registry, members[2].t, false)); /* the last attempt at a host counts, of any database */
        assert_true(note(registry, members[0].t, true));
        /* With one remote host left, a fault of our network cannot be told from the host's. */
        registry_remove(registry, members[1].t);
        assert_false(note(registry, members[0].t, true));
        registry_remove(registry, members[0].t);
        assert_false(note(registry, members[2].t, true));
        database_free(members[0].t);
        database_free(members[1].t);
        registry_free(registry);
}

static void a_host_that_is_named_twice_goes_with_its_last_name(void **state) {
        struct unit_conninfo a, again, b, other, dotted;
        struct network network = {0};

        (void)state;
        assert_int_equal(network_add(&network, unit_conninfo(&a, "a.example")), 0);
        assert_int_equal(network_add(&network, unit_conninfo(&again, "a.example")), 0);
        assert_int_equal(network_add(&network, unit_conninfo(&b, "b.example")), 0);
        /* The same names, written otherwise. */
        assert_int_equal(network_add(&network, unit_conninfo(&other, "B.Example")), 0);
        assert_int_equal(network_add(&network, unit_conninfo(&dotted, "b.example.")), 0);
        assert_int_equal(network.n_hosts, 2);
        network_remove(&network, &other.conninfo);
        network_remove(&network, &dotted.conninfo);
        assert_int_equal(network.n_hosts, 2);
        assert_false(network_note(&network, &a.conninfo, 2, 1));
        network_remove(&network, &again.conninfo);
        assert_int_equal(network.n_hosts, 2);
        assert_int_equal(network.n_suspect, 1);
        network_remove(&network, &a.conninfo);
        assert_int_equal(network.n_hosts, 1);
        assert_int_equal(network.n_suspect, 0);
        assert_false(network_note(&network, &a.conninfo, 2, 1)); /* not there any more */
        network_remove(&network, &a.conninfo);
        network_deinit(&network);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(an_empty_registry_is_ready),
                UNIT_TEST(all_are_found_by_name_and_id_whatever_comes_and_goes),
                UNIT_TEST(a_walk_goes_on_by_name),
                UNIT_TEST(counts_follow_the_states),
                UNIT_TEST(a_suspicion_ages_and_a_living_session_is_none),
                UNIT_TEST(required_follows_a_reload),
                UNIT_TEST(our_network_is_gone_only_when_no_remote_host_at_all_is_reached),
                UNIT_TEST(a_host_that_is_named_twice_goes_with_its_last_name),
        };

        return UNIT_RUN(tests);
}
