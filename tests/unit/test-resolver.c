/*
 * Names and addresses: the resolver's threads against a system resolver that this test plays itself (names that hang until they are let
 * go), literals, and the order in which addresses are tried.
 */
#include "unit.h"

#include "base/error.h"
#include "probe/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

#define PATIENCE_MSEC 60000
#define MANY 40
/* The resolver's shares: all threads, those that names may hold of which nothing good is known, and those for names that failed. */
#define THREADS_MAX 48
#define ANY_MAX 40
#define SLOW_MAX 20

/* The system's resolver. Ours, because a program's own function comes before the C library's. */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned hanging; /* threads inside */
        unsigned asked;   /* questions that hung */
        bool let_go;
        bool dead; /* names that begin with "dead" hang, and do not fail at once */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void hang(void) {
        (void)pthread_mutex_lock(&fake.lock);
        fake.hanging++;
        fake.asked++;
        (void)pthread_cond_broadcast(&fake.changed);
        while (!fake.let_go)
                (void)pthread_cond_wait(&fake.changed, &fake.lock);
        fake.hanging--;
        (void)pthread_cond_broadcast(&fake.changed);
        (void)pthread_mutex_unlock(&fake.lock);
}

static void let_go(bool yes) {
        (void)pthread_mutex_lock(&fake.lock);
        fake.let_go = yes;
        (void)pthread_cond_broadcast(&fake.changed);
        (void)pthread_mutex_unlock(&fake.lock);
}

static void wait_for_hanging(unsigned n) {
        (void)pthread_mutex_lock(&fake.lock);
        while (fake.hanging != n)
                (void)pthread_cond_wait(&fake.changed, &fake.lock);
        (void)pthread_mutex_unlock(&fake.lock);
}

static void make_dead(bool yes) {
        (void)pthread_mutex_lock(&fake.lock);
        fake.dead = yes;
        (void)pthread_mutex_unlock(&fake.lock);
}

static bool is_dead(void) {
        bool dead;

        (void)pthread_mutex_lock(&fake.lock);
        dead = fake.dead;
        (void)pthread_mutex_unlock(&fake.lock);
        return dead;
}

static struct addrinfo *make_info(struct addrinfo *next, int family, const char *address) {
        struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_storage));

        assert_non_null(info);
        info->ai_family = family;
        info->ai_next = next;
        info->ai_addr = (struct sockaddr *)(info + 1);
        info->ai_addr->sa_family = (sa_family_t)family;
        if (family == AF_INET) {
                info->ai_addrlen = sizeof(struct sockaddr_in);
                assert_int_equal(inet_pton(family, address, &((struct sockaddr_in *)info->ai_addr)->sin_addr), 1);
        } else {
                info->ai_addrlen = sizeof(struct sockaddr_in6);
                assert_int_equal(inet_pton(family, address, &((struct sockaddr_in6 *)info->ai_addr)->sin6_addr), 1);
        }
        return info;
}

int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret_info) {
        (void)service;
        if (hints && (hints->ai_flags & AI_NUMERICHOST)) {
                if (!streq(host, "127.1"))
                        return EAI_NONAME;
                *ret_info = make_info(NULL, AF_INET, "127.0.0.1");
                return 0;
        }
        if (starts_with(host, "hangs") || (starts_with(host, "dead") && is_dead()))
                hang();
        if (streq(host, "not-now") || starts_with(host, "dead"))
                return EAI_AGAIN;
        if (streq(host, "missing"))
                return EAI_NONAME;
        *ret_info = make_info(NULL, AF_INET, "192.0.2.1");
        *ret_info = make_info(*ret_info, AF_INET, "192.0.2.2");
        *ret_info = make_info(*ret_info, AF_INET, "192.0.2.1");
        *ret_info = make_info(*ret_info, AF_INET6, "2001:db8::1");
        return 0;
}

void freeaddrinfo(struct addrinfo *info) {
        for (struct addrinfo *next; info; info = next) {
                next = info->ai_next;
                free(info);
        }
}

/* The caller. */

static bool deliver(void *asker, const struct resolved *answer) {
        return queue_push(asker, answer) == 0;
}

struct fixture {
        struct resolver *resolver;
        struct queue *answers;
};

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        let_go(false);
        make_dead(false);
        fake.asked = 0;
        if (!f || resolver_new(deliver, &f->resolver) < 0 || queue_new(sizeof(struct resolved), &f->answers) < 0)
                return -1;
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;
        struct resolved answer;

        resolver_free(f->resolver);
        let_go(true);
        wait_for_hanging(0);
        while (queue_pop(f->answers, &answer) > 0)
                free(answer.addresses);
        queue_free(f->answers);
        free(f);
        return 0;
}

static struct resolved next_answer(const struct fixture *f) {
        struct pollfd poll_fd = { .fd = queue_fd(f->answers), .events = POLLIN };
        struct resolved answer;

        assert_int_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        assert_int_equal(queue_pop(f->answers, &answer), 1);
        return answer;
}

/* Answers whether it has to wait for a thread. */
static bool ask(const struct fixture *f, const char *host, uint64_t id) {
        int r = resolver_ask(f->resolver, host, f->answers, id, 1000 + id);

        assert_in_range(r, 0, 1);
        return r == 1;
}

/* Names PREFIX0, PREFIX1, ... with the ids from 1 on. Answers how many have to wait. */
static unsigned ask_many(const struct fixture *f, const char *prefix, unsigned n) {
        unsigned waiting = 0;

        for (unsigned i = 0; i < n; i++) {
                char host[64];

                (void)snprintf(host, sizeof(host), "%s%u.example", prefix, i);
                waiting += ask(f, host, 1 + i);
        }
        return waiting;
}

static void answer_comes_for(const struct fixture *f, uint64_t id) {
        struct resolved answer = next_answer(f);

        assert_int_equal(answer.id, id);
        assert_int_equal(answer.attempt, 1000 + id);
        assert_false(answer.begun);
        free(answer.addresses);
}

static void an_answer_has_each_address_once_in_order(void **state) {
        struct resolved answer;

        ask(*state, "db.example", 7);
        answer = next_answer(*state);
        assert_int_equal(answer.id, 7);
        assert_int_equal(answer.eai, 0);
        assert_int_equal(answer.addresses->n, 3);
        assert_string_equal(answer.addresses->list[0], "2001:db8::1");
        assert_string_equal(answer.addresses->list[1], "192.0.2.1");
        assert_string_equal(answer.addresses->list[2], "192.0.2.2");
        free(answer.addresses);
}

static void a_failure_keeps_its_code(void **state) {
        ask(*state, "not-now", 1);
        assert_int_equal(next_answer(*state).eai, EAI_AGAIN);
        ask(*state, "missing", 2);
        assert_int_equal(next_answer(*state).eai, EAI_NONAME);
}

static void no_thread_is_started_before_it_is_needed(void **state) {
        struct fixture *f = *state;

        assert_int_equal(resolver_threads(f->resolver), 0);
        for (uint64_t id = 1; id <= 20; id++) {
                ask(f, "missing", id);
                assert_int_equal(next_answer(f).id, id);
        }
        /* Each ask may have come before the only thread was back at its place, so a second one may exist. */
        assert_in_range(resolver_threads(f->resolver), 1, 2);
}

static void equal_names_are_one_look_up_and_all_who_asked_are_answered(void **state) {
        struct fixture *f = *state;
        uint64_t sum = 0;

        for (uint64_t id = 1; id <= MANY; id++)
                assert_false(ask(f, "hangs.example", id));
        wait_for_hanging(1);
        assert_int_equal(resolver_threads(f->resolver), 1);
        let_go(true);
        for (unsigned i = 0; i < MANY; i++) {
                struct resolved answer = next_answer(f);

                assert_int_equal(answer.addresses->n, 3);
                sum += answer.id;
                free(answer.addresses);
        }
        assert_int_equal(sum, MANY * (MANY + 1) / 2);
        assert_int_equal(fake.asked, 1);
}

static void names_that_hang_delay_none_that_answers(void **state) {
        struct fixture *f = *state;

        assert_false(ask(f, "db.example", 900));
        answer_comes_for(f, 900);
        assert_int_equal(ask_many(f, "hangs", 100), 100 - ANY_MAX);
        wait_for_hanging(ANY_MAX);
        for (uint64_t id = 901; id < 1000; id++) {
                assert_false(ask(f, id % 2 ? "db.example" : "localhost", id));
                answer_comes_for(f, id);
        }
        assert_in_range(resolver_threads(f->resolver), ANY_MAX + 1, THREADS_MAX);
        assert_int_equal(resolver_waiting(f->resolver), 100 - ANY_MAX);
}

static void names_that_failed_share_a_part_of_the_threads(void **state) {
        struct fixture *f = *state;

        (void)ask_many(f, "dead", MANY);
        for (unsigned i = 0; i < MANY; i++)
                assert_int_equal(next_answer(f).eai, EAI_AGAIN);
        make_dead(true);
        assert_int_equal(ask_many(f, "dead", MANY), MANY - SLOW_MAX);
        wait_for_hanging(SLOW_MAX);
        /* A name of which nothing is known is not among them. */
        assert_false(ask(f, "new.example", 99));
        answer_comes_for(f, 99);
        assert_int_equal(resolver_waiting(f->resolver), MANY - SLOW_MAX);
}

static void there_are_never_too_many_threads_and_all_are_answered_once(void **state) {
        struct fixture *f = *state;
        unsigned begun = 0, answered = 0;

        assert_int_equal(ask_many(f, "hangs", 100), 100 - ANY_MAX);
        wait_for_hanging(ANY_MAX);
        assert_int_equal(resolver_threads(f->resolver), ANY_MAX);
        let_go(true);
        while (answered < 100) {
                struct resolved answer = next_answer(f);

                begun += answer.begun;
                answered += !answer.begun;
                free(answer.addresses);
        }
        assert_int_equal(begun, 100 - ANY_MAX);
        assert_int_equal(resolver_waiting(f->resolver), 0);
        assert_int_equal(queue_length(f->answers), 0);
}

static void what_nobody_waits_for_is_not_begun(void **state) {
        struct fixture *f = *state;

        (void)ask_many(f, "hangs", ANY_MAX);
        wait_for_hanging(ANY_MAX);
        assert_true(ask(f, "hangs-too.example", 901));
        assert_true(ask(f, "hangs-too.example", 902));
        resolver_cancel(f->resolver, "hangs-too.example", f->answers, 1000 + 901);
        assert_int_equal(resolver_waiting(f->resolver), 1);
        resolver_cancel(f->resolver, "hangs-too.example", f->answers, 1000 + 902);
        resolver_cancel(f->resolver, "never-asked.example", f->answers, 1);
        assert_int_equal(resolver_waiting(f->resolver), 0);
        let_go(true);
        for (unsigned i = 0; i < ANY_MAX; i++) {
                struct resolved answer = next_answer(f);

                assert_in_range(answer.id, 1, ANY_MAX);
                free(answer.addresses);
        }
        assert_int_equal(fake.asked, ANY_MAX);
}

static void without_a_descriptor_nothing_is_asked_and_it_is_ours(void **state) {
        struct fixture *f = *state;
        struct rlimit limit, none;
        struct resolved answer;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = limit;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        (void)ask(f, "missing", 1);
        answer = next_answer(f);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(answer.eai, EAI_SYSTEM);
        assert_int_equal(answer.error, EMFILE);
}

/* The asker is gone with resolver_free(); sanitizers and valgrind see to it that nothing is touched or lost. */
static void a_late_answer_is_dropped(void **state) {
        struct fixture *f = *state;

        ask(f, "hangs.example", 1);
        wait_for_hanging(1);
        f->resolver = resolver_free(f->resolver);
        let_go(true);
        wait_for_hanging(0);
        assert_int_equal(queue_length(f->answers), 0);
}

/* Addresses. */

/* A conninfo of up to three keywords; only addresses_*() look at it. */
static struct conninfo make_conninfo(const char **keywords, char **values, const char *host, const char *hostaddr) {
        size_t n = 0;

        keywords[n] = "port";
        values[n++] = (char *)"5432";
        if (host) {
                keywords[n] = "host";
                values[n++] = (char *)host;
        }
        if (hostaddr) {
                keywords[n] = "hostaddr";
                values[n++] = (char *)hostaddr;
        }
        return (struct conninfo){ .n = n, .keywords = keywords, .values = values };
}

static void only_a_name_must_be_asked_for(void **state) {
        static const struct {
                const char *host, *hostaddr;
                int answer;
                const char *text;
        } rows[] = {
                { "db.example", NULL, 1, NULL },         { "127.0.0.1", NULL, 0, "127.0.0.1" }, { "::1", NULL, 0, "::1" },
                { "127.1", NULL, 0, "127.0.0.1" },       { "/run/postgresql", NULL, 0, "" },    { "@abstract", NULL, 0, "" },
                { "db.example", "192.0.2.7", 0, "192.0.2.7" }, { NULL, "2001:db8::7", 0, "2001:db8::7" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                const char *keywords[3];
                char *values[3], text[ADDRESS_TEXT_MAX];
                struct conninfo conninfo = make_conninfo(keywords, values, rows[i].host, rows[i].hostaddr);

                assert_int_equal(addresses_literal(&conninfo, text), rows[i].answer);
                if (rows[i].text)
                        assert_string_equal(text, rows[i].text);
        }
}

static void the_last_good_address_comes_first(void **state) {
        struct addresses addresses = { .n = 3, .list = { "a", "b", "c" } };

        (void)state;
        addresses_prefer(&addresses, "c");
        assert_string_equal(addresses.list[0], "c");
        assert_string_equal(addresses.list[1], "a");
        assert_string_equal(addresses.list[2], "b");
        addresses_prefer(&addresses, "gone");
        addresses_prefer(&addresses, "");
        assert_string_equal(addresses.list[0], "c");
}

static void an_address_is_written_with_its_port(void **state) {
        const char *keywords[3];
        char *values[3], text[24];
        struct conninfo conninfo = make_conninfo(keywords, values, "/run/a/rather/long/folder", NULL);

        (void)state;
        addresses_format(&conninfo, "127.0.0.1", text, sizeof(text));
        assert_string_equal(text, "127.0.0.1:5432");
        addresses_format(&conninfo, "::1", text, sizeof(text));
        assert_string_equal(text, "[::1]:5432");
        addresses_format(&conninfo, "", text, sizeof(text));
        assert_string_equal(text, "ng/folder/.s.PGSQL.5432");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_answer_has_each_address_once_in_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_failure_keeps_its_code, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_thread_is_started_before_it_is_needed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(equal_names_are_one_look_up_and_all_who_asked_are_answered, set_up, tear_down),
                cmocka_unit_test_setup_teardown(names_that_hang_delay_none_that_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(names_that_failed_share_a_part_of_the_threads, set_up, tear_down),
                cmocka_unit_test_setup_teardown(there_are_never_too_many_threads_and_all_are_answered_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_nobody_waits_for_is_not_begun, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_a_descriptor_nothing_is_asked_and_it_is_ours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_late_answer_is_dropped, set_up, tear_down),
                cmocka_unit_test(only_a_name_must_be_asked_for),
                cmocka_unit_test(the_last_good_address_comes_first),
                cmocka_unit_test(an_address_is_written_with_its_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
