/*
 * Names and addresses: the resolver's threads against a system resolver that this test plays itself (names that hang until they are let
 * go), literals, and the order in which addresses are tried.
 */
#include "unit.h"

#include "probe/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>

#define PATIENCE_MSEC 20000
#define MANY 40

/* The system's resolver. Ours, because a program's own function comes before the C library's. */

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned hanging; /* threads inside */
        bool let_go;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void hang(void) {
        (void)pthread_mutex_lock(&fake.lock);
        fake.hanging++;
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
        if (starts_with(host, "hangs"))
                hang();
        if (streq(host, "not-now"))
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

/* Who asks. */

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

static void ask(const struct fixture *f, const char *host, uint64_t id) {
        assert_int_equal(resolver_ask(f->resolver, host, f->answers, id), 0);
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

static void names_that_hang_delay_no_other(void **state) {
        struct fixture *f = *state;
        struct resolved answer;

        for (uint64_t id = 1; id <= 10; id++)
                ask(f, "hangs.example", id);
        wait_for_hanging(10);
        ask(f, "db.example", 99);
        answer = next_answer(f);
        assert_int_equal(answer.id, 99);
        free(answer.addresses);
}

static void there_are_never_too_many_threads_and_all_are_answered(void **state) {
        struct fixture *f = *state;
        uint64_t sum = 0;

        for (uint64_t id = 1; id <= MANY; id++)
                ask(f, "hangs.example", id);
        wait_for_hanging(16);
        assert_int_equal(resolver_threads(f->resolver), 16);
        let_go(true);
        for (unsigned i = 0; i < MANY; i++) {
                struct resolved answer = next_answer(f);

                sum += answer.id;
                free(answer.addresses);
        }
        assert_int_equal(sum, MANY * (MANY + 1) / 2);
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
                cmocka_unit_test_setup_teardown(names_that_hang_delay_no_other, set_up, tear_down),
                cmocka_unit_test_setup_teardown(there_are_never_too_many_threads_and_all_are_answered, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_late_answer_is_dropped, set_up, tear_down),
                cmocka_unit_test(only_a_name_must_be_asked_for),
                cmocka_unit_test(the_last_good_address_comes_first),
                cmocka_unit_test(an_address_is_written_with_its_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
