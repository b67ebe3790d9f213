/* Providers: chosen by host name, and their properties. */
#include "model/provider.h"

#include "base/clock.h"
#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
        const char *host;
        const char *provider;
} hosts[] = {
        { NULL, "postgres" },
        { "", "postgres" },
        { ".", "postgres" },
        { "localhost", "postgres" },
        { "127.0.0.1", "postgres" },
        { "2001:db8::1", "postgres" },
        { "/run/postgresql", "postgres" },
        { "/srv/db.neon.tech", "postgres" },
        { "@db.neon.tech", "postgres" },
        { "db.example.com", "postgres" },
        { "ep-cool-1.eu-central-1.aws.neon.tech", "neon" },
        { "EP-COOL-1-pooler.eu-central-1.aws.Neon.Tech", "neon" },
        { "ep-cool-1.eu-central-1.aws.neon.tech.", "neon" },
        { "ep-x.us-east-2.aws.neon.build", "neon" },
        { "neon.tech", "postgres" },
        { ".neon.tech", "postgres" },
        { "notneon.tech", "postgres" },
        { "db.neon.tech.example.com", "postgres" },
        { "app.cluster-abc123.eu-west-1.rds.amazonaws.com", "aurora" },
        { "app.cluster-ro-abc123.eu-west-1.rds.amazonaws.com", "aurora" },
        { "app.cluster-custom-abc123.eu-west-1.rds.amazonaws.com", "aurora" },
        { "app.cluster-abc123.cn-north-1.rds.amazonaws.com.cn", "aurora" },
        { "app.abc123.eu-west-1.rds.amazonaws.com", "postgres" },
        { "my-cluster-1.abc123.eu-west-1.rds.amazonaws.com", "postgres" },
        { "app.cluster-abc123.example.com", "postgres" },
        { "db.abcdefgh.supabase.co", "supabase" },
        { "aws-0-eu-central-1.pooler.supabase.com", "supabase" },
        { "app.postgres.database.azure.com", "postgres" },
};

static void a_host_names_its_provider(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++)
                assert_string_equal(provider_by_host(hosts[i].host)->name, hosts[i].provider);
}

static void profiles_are_found_by_name_and_by_row(void **state) {
        const struct provider *provider;
        size_t n = 0;

        (void)state;
        for (; (provider = provider_at(n)); n++)
                assert_ptr_equal(provider_by_name(provider->name), provider);
        assert_int_equal(n, 4);
        assert_null(provider_at(SIZE_MAX));
        assert_null(provider_by_name("Neon"));
        assert_null(provider_by_name(""));
        assert_null(provider_by_name("auto"));
        assert_string_equal(provider_at(0)->name, "postgres");
}

static void every_profile_is_whole_and_of_one_piece(void **state) {
        const struct provider *provider;

        (void)state;
        for (size_t i = 0; (provider = provider_at(i)); i++) {
                assert_non_null(provider->host_suffixes);
                assert_non_null(provider->texts);
                assert_int_equal(provider->suspends, provider->suspend_after_usec > 0);
                /* Sleep is proven by a cut session and a good door: one without the other proves nothing. */
                if (provider->direct_signature || provider->pooled_signature)
                        assert_true(provider->suspends && provider->door_is_free && !provider->session_keeps_awake);
                for (const struct provider_text *row = provider->texts; row->contains; row++) {
                        assert_true(strlen(row->contains) >= 8);
                        assert_true(row->reason != REASON_NONE);
                        assert_false(row->and_contains && row->ends_there);
                }
        }
}

static void neon_sleeps_after_five_minutes_and_its_door_is_free(void **state) {
        const struct provider *neon = provider_by_name("neon");

        (void)state;
        assert_true(neon->suspends);
        assert_int_equal(neon->suspend_after_usec, 300 * USEC_PER_SEC);
        assert_true(neon->door_is_free);
        assert_true(neon->tls_required);
        assert_false(neon->session_keeps_awake);
        assert_false(neon->connect_hangs_in_wake);
}

static void aurora_is_kept_awake_by_a_session_and_woken_by_any_connection(void **state) {
        const struct provider *aurora = provider_by_name("aurora");

        (void)state;
        assert_true(aurora->suspends);
        assert_true(aurora->session_keeps_awake);
        assert_true(aurora->connect_hangs_in_wake);
        assert_false(aurora->door_is_free);
}

static void the_others_do_not_sleep(void **state) {
        (void)state;
        assert_false(provider_by_name("postgres")->suspends);
        assert_false(provider_by_name("supabase")->suspends);
}

static void a_pooler_cuts_without_a_word(void **state) {
        const struct provider *neon = provider_by_name("neon"), *postgres = provider_by_name("postgres");

        (void)state;
        assert_int_equal(provider_cut_signature(neon, "ep-cool-1.eu-central-1.aws.neon.tech"), CUT_ADMIN_SHUTDOWN);
        assert_int_equal(provider_cut_signature(neon, "ep-cool-1-pooler.eu-central-1.aws.neon.tech"), CUT_BARE_EOF);
        assert_int_equal(provider_cut_signature(neon, "EP-COOL-1-POOLER.eu-central-1.aws.neon.tech"), CUT_BARE_EOF);
        assert_int_equal(provider_cut_signature(neon, "ep-pooler-1.eu-central-1.aws.neon.tech"), CUT_ADMIN_SHUTDOWN);
        assert_int_equal(provider_cut_signature(neon, "ep.x-pooler.aws.neon.tech"), CUT_ADMIN_SHUTDOWN);
        assert_int_equal(provider_cut_signature(neon, NULL), CUT_ADMIN_SHUTDOWN);
        assert_int_equal(provider_cut_signature(neon, ""), CUT_ADMIN_SHUTDOWN);
        assert_int_equal(provider_cut_signature(postgres, "x-pooler"), CUT_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_host_names_its_provider),
                cmocka_unit_test(profiles_are_found_by_name_and_by_row),
                cmocka_unit_test(every_profile_is_whole_and_of_one_piece),
                cmocka_unit_test(neon_sleeps_after_five_minutes_and_its_door_is_free),
                cmocka_unit_test(aurora_is_kept_awake_by_a_session_and_woken_by_any_connection),
                cmocka_unit_test(the_others_do_not_sleep),
                cmocka_unit_test(a_pooler_cuts_without_a_word),
        };

        return cmocka_run_group_tests_name("provider", tests, NULL, NULL);
}
