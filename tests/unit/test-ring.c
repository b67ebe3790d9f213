/* The ring of events behind all streams. */
#include "engine-stub.h"

#include "http/ring.h"

#include <jansson.h>

#define SIZE 7

static void push(struct ring *ring, uint64_t sequence) {
        ring_push(ring, &(struct event){.sequence = sequence, .database = "main", .state = STATE_AWAKE, .ready = true});
}

static void an_empty_ring_holds_nothing(void **state) {
        struct ring ring;

        (void)state;
        assert_int_equal(ring_init(&ring, 41, SIZE), 0);
        assert_int_equal(ring.oldest, 42);
        assert_int_equal(ring.newest, 41);
        assert_null(ring_at(&ring, 41));
        assert_null(ring_at(&ring, 42));
        ring_deinit(&ring);
}

static void the_oldest_are_forgotten(void **state) {
        struct ring ring;

        (void)state;
        assert_int_equal(ring_init(&ring, 0, SIZE), 0);
        for (uint64_t i = 1; i <= SIZE; i++)
                push(&ring, i);
        assert_int_equal(ring.oldest, 1);
        assert_int_equal(ring_at(&ring, 1)->sequence, 1);
        push(&ring, SIZE + 1);
        assert_int_equal(ring.oldest, 2);
        assert_null(ring_at(&ring, 1));
        assert_int_equal(ring_at(&ring, 2)->sequence, 2);
        assert_int_equal(ring_at(&ring, SIZE + 1)->sequence, SIZE + 1);
        assert_null(ring_at(&ring, SIZE + 2));
        ring_deinit(&ring);
}

/* From each position at which it may be full. */
static void one_that_may_be_larger_grows_when_it_is_full(void **state) {
        (void)state;
        for (uint64_t first = 1; first <= SIZE; first++) {
                struct ring ring;

                assert_int_equal(ring_init(&ring, first - 1, SIZE), 0);
                ring.limit = 2 * SIZE + 3;
                for (uint64_t i = first; i < first + ring.limit; i++) {
                        push(&ring, i);
                        assert_int_equal(ring.size, i < first + SIZE ? SIZE : ring.limit);
                        for (uint64_t k = first; k <= i; k++)
                                assert_int_equal(ring_at(&ring, k)->sequence, k);
                }
                push(&ring, first + ring.limit);
                assert_int_equal(ring.oldest, first + 1);
                assert_null(ring_at(&ring, first));
                assert_int_equal(ring_at(&ring, first + ring.limit)->sequence, first + ring.limit);
                ring_deinit(&ring);
        }
}

static void a_hole_in_the_numbers_forgets_what_was_before(void **state) {
        struct ring ring;

        (void)state;
        assert_int_equal(ring_init(&ring, 0, SIZE), 0);
        push(&ring, 1);
        push(&ring, 5);
        assert_int_equal(ring.oldest, 5);
        assert_null(ring_at(&ring, 1));
        assert_null(ring_at(&ring, 4));
        assert_int_equal(ring_at(&ring, 5)->sequence, 5);
        ring_deinit(&ring);
}

static json_t *data_of(const struct event *event, const char *head) {
        _cleanup_(buffer_deinit) struct buffer text = {0};
        struct ring ring;
        json_t *json;

        assert_int_equal(ring_init(&ring, event->sequence - 1, SIZE), 0);
        ring_push(&ring, event);
        event_format(ring_at(&ring, event->sequence), &text);
        ring_deinit(&ring);
        assert_int_equal(starts_with(text.data, head), strlen(head));
        assert_string_equal(text.data + text.size - 2, "\n\n");
        json = json_loads(text.data + strlen(head), JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(json);
        return json;
}

static void an_edge_reads_as_an_event(void **state) {
        json_t *json = data_of(&(struct event){.sequence = 7, .kind = EVENT_STATE, .database = "main", .state = STATE_DOWN,
                                               .previous = STATE_AWAKE, .reason = REASON_TCP_REFUSED, .real_usec = 1, .generation = 3},
                               "id: 7\nevent: state\ndata: ");
        const char *kind, *database, *is, *was, *reason, *message;
        int sequence, ready, generation;

        (void)state;
        assert_int_equal(json_unpack(json, "{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:i,s:n,s:n,s:n,s:s!}", "sequence", &sequence, "kind", &kind,
                                     "database", &database, "state", &is, "previous", &was, "reason", &reason, "message", &message, "ready",
                                     &ready, "generation", &generation, "latency_seconds", "cause", "cold", "at", &message),
                         0);
        assert_int_equal(sequence, 7);
        assert_string_equal(kind, "state");
        assert_string_equal(database, "main");
        assert_string_equal(is, "down");
        assert_string_equal(was, "awake");
        assert_string_equal(reason, "tcp.refused");
        assert_false(ready);
        assert_int_equal(generation, 3);
        assert_string_equal(message, "1970-01-01T00:00:00.000001Z");
        json_decref(json);
}

static void a_wake_has_its_latency_and_no_reason(void **state) {
        json_t *json = data_of(&(struct event){.sequence = 8, .kind = EVENT_WAKE, .database = "main", .state = STATE_AWAKE, .ready = true,
                                               .latency_usec = 1240000, .cause = WAKE_CALL, .cold = true},
                               "id: 8\nevent: wake\ndata: ");
        const char *cause;
        double latency;
        int cold;

        (void)state;
        assert_int_equal(json_unpack(json, "{s:n,s:F,s:s,s:b}", "reason", "latency_seconds", &latency, "cause", &cause, "cold", &cold), 0);
        assert_true(latency > 1.239 && latency < 1.241);
        assert_string_equal(cause, "wake");
        assert_true(cold);
        json_decref(json);
}

static void a_wake_by_somebody_else_has_no_latency(void **state) {
        json_t *json = data_of(&(struct event){.sequence = 9, .kind = EVENT_WAKE, .database = "main", .state = STATE_AWAKE, .ready = true,
                                               .latency_usec = USEC_INFINITY, .cause = WAKE_OTHER},
                               "id: 9\nevent: wake\ndata: ");
        const char *cause;
        int cold;

        (void)state;
        assert_int_equal(json_unpack(json, "{s:n,s:s,s:b}", "latency_seconds", "cause", &cause, "cold", &cold), 0);
        assert_string_equal(cause, "other");
        json_decref(json);
}

static void a_spent_budget_is_told_with_its_reason(void **state) {
        json_t *json = data_of(&(struct event){.sequence = 10, .kind = EVENT_BUDGET, .database = "main", .state = STATE_ASLEEP,
                                               .previous = STATE_ASLEEP, .reason = REASON_BUDGET_SPENT},
                               "id: 10\nevent: budget\ndata: ");
        const char *kind, *reason;

        (void)state;
        assert_int_equal(json_unpack(json, "{s:s,s:s,s:n}", "kind", &kind, "reason", &reason, "latency_seconds"), 0);
        assert_string_equal(kind, "budget");
        assert_string_equal(reason, "budget.spent");
        json_decref(json);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                UNIT_TEST(an_empty_ring_holds_nothing),
                UNIT_TEST(the_oldest_are_forgotten),
                UNIT_TEST(one_that_may_be_larger_grows_when_it_is_full),
                UNIT_TEST(a_hole_in_the_numbers_forgets_what_was_before),
                UNIT_TEST(an_edge_reads_as_an_event),
                UNIT_TEST(a_wake_has_its_latency_and_no_reason),
                UNIT_TEST(a_wake_by_somebody_else_has_no_latency),
                UNIT_TEST(a_spent_budget_is_told_with_its_reason),
        };

        return UNIT_RUN(tests);
}
