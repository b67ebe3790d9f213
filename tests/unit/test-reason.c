/* The vocabulary of reasons: complete, unambiguous, and exactly as in the manual. */
#include "model/reason.h"

#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <syslog.h>

/* Users script against these: changing a slug breaks a promise. */
static const struct {
        const char *slug;
        enum reason reason;
        enum reason_class class;
} promised[] = {
        { "ok", REASON_NONE, CLASS_OK },
        { "not_checked", REASON_NOT_CHECKED, CLASS_OURS },
        { "stale", REASON_STALE, CLASS_OURS },
        { "dns.failed", REASON_DNS_FAILED, CLASS_TRANSIENT },
        { "dns.timeout", REASON_DNS_TIMEOUT, CLASS_TRANSIENT },
        { "tcp.refused", REASON_TCP_REFUSED, CLASS_TRANSIENT },
        { "tcp.unreachable", REASON_TCP_UNREACHABLE, CLASS_TRANSIENT },
        { "tcp.timeout", REASON_TCP_TIMEOUT, CLASS_TRANSIENT },
        { "tcp.reset", REASON_TCP_RESET, CLASS_TRANSIENT },
        { "tls.refused", REASON_TLS_REFUSED, CLASS_BLOCKED },
        { "tls.verify", REASON_TLS_VERIFY, CLASS_BLOCKED },
        { "tls.failed", REASON_TLS_FAILED, CLASS_TRANSIENT },
        { "tls.timeout", REASON_TLS_TIMEOUT, CLASS_TRANSIENT },
        { "auth.password", REASON_AUTH_PASSWORD, CLASS_BLOCKED },
        { "auth.rejected", REASON_AUTH_REJECTED, CLASS_BLOCKED },
        { "auth.method", REASON_AUTH_METHOD, CLASS_BLOCKED },
        { "auth.timeout", REASON_AUTH_TIMEOUT, CLASS_TRANSIENT },
        { "database.missing", REASON_DATABASE_MISSING, CLASS_BLOCKED },
        { "database.denied", REASON_DATABASE_DENIED, CLASS_BLOCKED },
        { "server.starting", REASON_SERVER_STARTING, CLASS_TRANSIENT },
        { "server.stopping", REASON_SERVER_STOPPING, CLASS_TRANSIENT },
        { "server.recovering", REASON_SERVER_RECOVERING, CLASS_TRANSIENT },
        { "server.refusing", REASON_SERVER_REFUSING, CLASS_TRANSIENT },
        { "server.full", REASON_SERVER_FULL, CLASS_FULL },
        { "server.crashed", REASON_SERVER_CRASHED, CLASS_TRANSIENT },
        { "server.slow", REASON_SERVER_SLOW, CLASS_TRANSIENT },
        { "query.failed", REASON_QUERY_FAILED, CLASS_TRANSIENT },
        { "query.timeout", REASON_QUERY_TIMEOUT, CLASS_TRANSIENT },
        { "session.cut", REASON_SESSION_CUT, CLASS_CUT },
        { "session.lost", REASON_SESSION_LOST, CLASS_CUT },
        { "provider.transient", REASON_PROVIDER_TRANSIENT, CLASS_TRANSIENT },
        { "provider.throttled", REASON_PROVIDER_THROTTLED, CLASS_THROTTLED },
        { "provider.quota", REASON_PROVIDER_QUOTA, CLASS_BLOCKED },
        { "provider.disabled", REASON_PROVIDER_DISABLED, CLASS_BLOCKED },
        { "provider.config", REASON_PROVIDER_CONFIG, CLASS_BLOCKED },
        { "expect.read_only", REASON_EXPECT_READ_ONLY, CLASS_DEGRADED },
        { "expect.primary", REASON_EXPECT_PRIMARY, CLASS_DEGRADED },
        { "expect.lag", REASON_EXPECT_LAG, CLASS_DEGRADED },
        { "expect.value", REASON_EXPECT_VALUE, CLASS_DEGRADED },
        { "protocol.garbage", REASON_PROTOCOL_GARBAGE, CLASS_TRANSIENT },
        { "wake.timeout", REASON_WAKE_TIMEOUT, CLASS_TRANSIENT },
        { "budget.spent", REASON_BUDGET_SPENT, CLASS_OURS },
        { "paused", REASON_PAUSED, CLASS_OURS },
        { "host.network", REASON_HOST_NETWORK, CLASS_OURS },
        { "host.resources", REASON_HOST_RESOURCES, CLASS_OURS },
        { "unclassified", REASON_UNCLASSIFIED, CLASS_TRANSIENT },
};

static void the_slugs_are_those_of_the_design_and_no_other(void **state) {
        (void)state;
        assert_int_equal(ARRAY_LENGTH(promised), _REASON_MAX);
        for (size_t i = 0; i < ARRAY_LENGTH(promised); i++) {
                assert_int_equal(promised[i].reason, i);
                assert_string_equal(reason_slug(promised[i].reason), promised[i].slug);
                assert_int_equal(reason_class(promised[i].reason), promised[i].class);
        }
}

static void a_slug_leads_back_to_its_reason_and_to_one_only(void **state) {
        (void)state;
        for (size_t i = 0; i < _REASON_MAX; i++) {
                enum reason reason = REASON_UNCLASSIFIED;

                assert_int_equal(reason_from_slug(reason_slug((enum reason)i), &reason), 0);
                assert_int_equal(reason, i);
        }
}

static void an_unknown_word_is_no_slug_and_changes_nothing(void **state) {
        static const char *const words[] = { "", "OK", "tcp", "tcp.refused ", "tcp.", "up" };
        enum reason reason = REASON_PAUSED;

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
                assert_int_equal(reason_from_slug(words[i], &reason), -EINVAL);
        assert_int_equal(reason, REASON_PAUSED);
}

static void assert_prose(const char *text) {
        assert_non_null(text);
        assert_in_range(strlen(text), 20, 400);
        assert_true(isupper((unsigned char)text[0]));
        assert_int_equal(text[strlen(text) - 1], '.');
        for (const char *p = text; *p; p++)
                assert_in_range(*p, ' ', '~');
        assert_null(strstr(text, "  "));
}

static void every_reason_has_a_sentence_and_advice_of_its_own(void **state) {
        (void)state;
        for (size_t i = 0; i < _REASON_MAX; i++) {
                const struct reason_info *info = reason_info((enum reason)i);

                assert_prose(info->sentence);
                assert_prose(info->advice);
                for (size_t j = 0; j < i; j++) {
                        assert_string_not_equal(info->sentence, reason_info((enum reason)j)->sentence);
                        assert_string_not_equal(info->advice, reason_info((enum reason)j)->advice);
                }
        }
}

static void levels_follow_the_class(void **state) {
        (void)state;
        for (size_t i = 0; i < _REASON_MAX; i++) {
                const struct reason_info *info = reason_info((enum reason)i);

                assert_in_range(info->level, LOG_ERR, LOG_INFO);
                if (info->class == CLASS_BLOCKED)
                        assert_int_equal(info->level, LOG_ERR);
                if (info->class == CLASS_OURS || info->class == CLASS_CUT)
                        assert_in_range(info->level, LOG_NOTICE, LOG_INFO);
        }
}

static void every_class_has_its_name_and_is_used(void **state) {
        static const char *const names[] = { "ok", "transient", "throttled", "full", "blocked", "cut", "degraded", "ours" };

        (void)state;
        assert_int_equal(ARRAY_LENGTH(names), _REASON_CLASS_MAX);
        for (size_t class = 0; class < _REASON_CLASS_MAX; class++) {
                size_t used = 0;

                assert_string_equal(reason_class_name((enum reason_class)class), names[class]);
                for (size_t i = 0; i < _REASON_MAX; i++)
                        used += reason_class((enum reason)i) == (enum reason_class)class;
                assert_true(used > 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_slugs_are_those_of_the_design_and_no_other),
                cmocka_unit_test(a_slug_leads_back_to_its_reason_and_to_one_only),
                cmocka_unit_test(an_unknown_word_is_no_slug_and_changes_nothing),
                cmocka_unit_test(every_reason_has_a_sentence_and_advice_of_its_own),
                cmocka_unit_test(levels_follow_the_class),
                cmocka_unit_test(every_class_has_its_name_and_is_used),
        };

        return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
