/* A queue of values between threads, and the eventfd that tells of it. */
#include "unit.h"

#include "base/queue.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

struct value {
        unsigned pusher;
        unsigned number;
        char weight[20];
};

static bool is_readable(const struct queue *queue) {
        struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};

        return poll(&fd, 1, 0) == 1;
}

static void the_fd_is_readable_exactly_while_something_is_in(void **state) {
        struct value value = {.number = 1};
        struct queue *queue;

        (void)state;
        assert_int_equal(queue_new(sizeof(value), &queue), 0);
        assert_false(is_readable(queue));
        assert_int_equal(queue_pop(queue, &value), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(queue_push(queue, &value), 0);
        assert_int_equal(queue_length(queue), 3);
        for (unsigned i = 0; i < 3; i++) {
                assert_true(is_readable(queue));
                assert_int_equal(queue_pop(queue, &value), 1);
        }
        assert_false(is_readable(queue));
        assert_int_equal(queue_push(queue, &value), 0);
        assert_true(is_readable(queue));
        assert_null(queue_free(queue));
        assert_null(queue_free(NULL));
}

static void order_survives_growing_around_the_ring(void **state) {
        struct queue *queue;
        unsigned pushed = 0, popped = 0;

        (void)state;
        assert_int_equal(queue_new(sizeof(unsigned), &queue), 0);
        for (unsigned round = 1; round < 60; round++) {
                unsigned value;

                for (unsigned i = 0; i < round; i++, pushed++)
                        assert_int_equal(queue_push(queue, &pushed), 0);
                for (unsigned i = 0; i < round - round / 3; i++, popped++) {
                        assert_int_equal(queue_pop(queue, &value), 1);
                        assert_int_equal(value, popped);
                }
                assert_int_equal(queue_length(queue), pushed - popped);
        }
        queue_free(queue);
}

#define PUSHERS 3
#define EACH 20000

struct pusher {
        struct queue *queue;
        unsigned number;
        pthread_t thread;
};

static void *push_all(void *userdata) {
        struct pusher *pusher = userdata;

        for (unsigned i = 0; i < EACH; i++)
                if (queue_push(pusher->queue, &(struct value){.pusher = pusher->number, .number = i, .weight = "abc"}) < 0)
                        abort();
        return NULL;
}

static void nothing_is_lost_between_threads_and_no_wake_up_either(void **state) {
        struct pusher pushers[PUSHERS];
        unsigned next[PUSHERS] = {0}, taken = 0;
        struct queue *queue;

        (void)state;
        assert_int_equal(queue_new(sizeof(struct value), &queue), 0);
        for (unsigned i = 0; i < PUSHERS; i++) {
                pushers[i] = (struct pusher){.queue = queue, .number = i};
                assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_all, &pushers[i]), 0);
        }
        while (taken < PUSHERS * EACH) {
                struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};
                struct value value;

                /* A lost wake-up would hang here; half a minute stands for forever. */
                assert_int_equal(poll(&fd, 1, 30000), 1);
                while (queue_pop(queue, &value) == 1) {
                        assert_in_range(value.pusher, 0, PUSHERS - 1);
                        assert_int_equal(value.number, next[value.pusher]++);
                        assert_string_equal(value.weight, "abc");
                        taken++;
                }
        }
        for (unsigned i = 0; i < PUSHERS; i++)
                assert_int_equal(pthread_join(pushers[i].thread, NULL), 0);
        assert_int_equal(queue_length(queue), 0);
        /* The last value may have been popped before its pusher wrote the eventfd: one wake-up for nothing is allowed. */
        assert_int_equal(queue_pop(queue, &(struct value){0}), 0);
        assert_false(is_readable(queue));
        queue_free(queue);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(the_fd_is_readable_exactly_while_something_is_in),
                UNIT_TEST(order_survives_growing_around_the_ring),
                UNIT_TEST(nothing_is_lost_between_threads_and_no_wake_up_either),
        };

        return UNIT_RUN(tests);
}
