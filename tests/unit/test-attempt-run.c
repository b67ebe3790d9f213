/* The time of one attempt: the share of each address, and the part that counts while its name waits for a thread. */
#include "unit.h"

#include "base/clock.h"
#include "base/error.h"
#include "probe/attempt-run.h"

#include <netdb.h>

#define START_USEC (1000 * USEC_PER_SEC)
#define BOOT_USEC (5000 * USEC_PER_SEC)
#define TIMEOUT_USEC (30 * USEC_PER_SEC)

struct fixture {
        const char *keywords[2];
        char *values[2];
        struct conninfo conninfo;
        struct connection connection;
        struct attempt_run run;
};

static struct fixture *make_fixture(const char *host) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct attempt_request request;

        assert_non_null(f);
        f->keywords[0] = "port";
        f->values[0] = (char *)"5432";
        f->keywords[1] = "host";
        f->values[1] = (char *)host;
        f->conninfo = (struct conninfo){ .references = 1, .n = 2, .keywords = f->keywords, .values = f->values };
        request = (struct attempt_request){
                .attempt = 1,
                .check = CHECK_LOGIN,
                .conninfo = conninfo_ref(&f->conninfo),
                .provider = provider_by_name("aurora"),
                .timeout_usec = TIMEOUT_USEC,
                .in_flight = in_flight_new(),
        };
        assert_non_null(request.in_flight);
        (void)in_flight_unref(request.in_flight); /* the other side's */
        attempt_accept(&f->run, &request, START_USEC, BOOT_USEC);
        return f;
}

static void free_fixture(struct fixture *f) {
        attempt_clear(&f->run);
        connection_close(&f->connection);
        free(f);
}

static enum attempt_todo resolve(struct fixture *f, unsigned n, uint64_t at_usec) {
        static const char *const texts[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };
        struct resolved answer = { .addresses = calloc(1, sizeof(struct addresses)) };

        assert_non_null(answer.addresses);
        for (unsigned i = 0; i < n; i++)
                memcpy(answer.addresses->list[i], texts[i], strlen(texts[i]) + 1);
        answer.addresses->n = n;
        return attempt_resolved(&f->run, &answer, at_usec);
}

static void the_only_address_has_all_the_time(void **state) {
        struct fixture *f = make_fixture("192.0.2.1");

        (void)state;
        assert_int_equal(attempt_start(&f->run, &f->connection, START_USEC), ATTEMPT_PERFORM);
        assert_int_equal(attempt_due(&f->run), START_USEC + TIMEOUT_USEC);
        assert_int_equal(attempt_expired(&f->run, false, START_USEC + TIMEOUT_USEC), ATTEMPT_ENDED);
        assert_int_equal(f->run.attempt.reason, REASON_TCP_TIMEOUT);
        free_fixture(f);
}

static void the_last_address_has_what_is_left_and_those_before_it_five_seconds(void **state) {
        struct fixture *f = make_fixture("db.example");
        uint64_t now = START_USEC + USEC_PER_SEC;

        (void)state;
        assert_int_equal(attempt_start(&f->run, &f->connection, START_USEC), ATTEMPT_LOOK_UP);
        assert_int_equal(resolve(f, 3, now), ATTEMPT_PERFORM);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(attempt_due(&f->run), now + 5 * USEC_PER_SEC);
                now = attempt_due(&f->run);
                assert_int_equal(attempt_expired(&f->run, false, now), ATTEMPT_PERFORM);
        }
        assert_string_equal(f->run.attempt.address, "192.0.2.3:5432");
        assert_int_equal(attempt_due(&f->run), START_USEC + TIMEOUT_USEC);
        free_fixture(f);
}

static void time_in_our_queue_is_not_the_databases(void **state) {
        struct fixture *f = make_fixture("db.example");
        uint64_t begun = START_USEC + 20 * USEC_PER_SEC;

        (void)state;
        assert_int_equal(attempt_start(&f->run, &f->connection, START_USEC), ATTEMPT_LOOK_UP);
        attempt_queue(&f->run);
        assert_int_equal(attempt_due(&f->run), START_USEC + TIMEOUT_USEC);
        attempt_begun(&f->run, begun);
        assert_int_equal(attempt_due(&f->run), begun + TIMEOUT_USEC);
        assert_int_equal(f->run.attempt.started_boot_usec, BOOT_USEC + 20 * USEC_PER_SEC);
        assert_int_equal(f->run.request.in_flight->queued_usec, 20 * USEC_PER_SEC);
        assert_int_equal(attempt_expired(&f->run, false, begun + TIMEOUT_USEC), ATTEMPT_ENDED);
        assert_int_equal(f->run.attempt.reason, REASON_DNS_TIMEOUT);
        assert_true(f->run.attempt.own_network_suspect); /* as where the resolver says that it cannot now */
        assert_int_equal(f->run.attempt.phase_usec[PHASE_RESOLVE], TIMEOUT_USEC);
        assert_int_equal(f->run.attempt.total_usec, TIMEOUT_USEC);
        free_fixture(f);
}

static void an_attempt_that_only_waited_in_our_queue_is_ours(void **state) {
        struct fixture *f = make_fixture("db.example");

        (void)state;
        assert_int_equal(attempt_start(&f->run, &f->connection, START_USEC), ATTEMPT_LOOK_UP);
        attempt_queue(&f->run);
        assert_int_equal(attempt_expired(&f->run, false, START_USEC + TIMEOUT_USEC), ATTEMPT_ENDED);
        assert_int_equal(f->run.attempt.reason, REASON_HOST_RESOURCES);
        assert_int_equal(f->run.attempt.phase_usec[PHASE_RESOLVE], 0);
        assert_int_equal(f->run.attempt.total_usec, 1);
        assert_false(f->run.attempt.own_network_suspect);
        free_fixture(f);
}

static void a_resolver_without_means_is_ours_and_one_that_cannot_now_is_suspect(void **state) {
        static const struct {
                int eai, error;
                enum reason reason;
                bool suspect;
        } rows[] = {
                { EAI_SYSTEM, EMFILE, REASON_HOST_RESOURCES, false },
                { EAI_MEMORY, 0, REASON_HOST_RESOURCES, false },
                { EAI_AGAIN, 0, REASON_DNS_FAILED, true },
                { EAI_NONAME, 0, REASON_DNS_FAILED, false },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                struct fixture *f = make_fixture("db.example");
                struct resolved answer = { .eai = rows[i].eai, .error = rows[i].error };

                assert_int_equal(attempt_start(&f->run, &f->connection, START_USEC), ATTEMPT_LOOK_UP);
                assert_int_equal(attempt_resolved(&f->run, &answer, START_USEC + 1), ATTEMPT_ENDED);
                assert_int_equal(f->run.attempt.reason, rows[i].reason);
                assert_int_equal(f->run.attempt.own_network_suspect, rows[i].suspect);
                free_fixture(f);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_only_address_has_all_the_time),
                cmocka_unit_test(the_last_address_has_what_is_left_and_those_before_it_five_seconds),
                cmocka_unit_test(time_in_our_queue_is_not_the_databases),
                cmocka_unit_test(an_attempt_that_only_waited_in_our_queue_is_ours),
                cmocka_unit_test(a_resolver_without_means_is_ours_and_one_that_cannot_now_is_suspect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
