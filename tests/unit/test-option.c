/* The option table, row by row: written and read back, held against the sample file. */
#include "config-fixture.h"

#include "config/option-value.h"

static void test_every_row_is_complete(void **state) {
        (void)state;
        for (int scope = OPTION_GLOBAL; scope <= OPTION_DATABASE; scope++)
                for (size_t i = 0; i < option_count((enum option_scope)scope); i++) {
                        const struct option *option = option_at((enum option_scope)scope, i);
                        bool has_words = option->type == OPTION_CHOICE || option->type == OPTION_WORD;
                        struct buffer text = {0};

                        assert_int_equal(option->scope, scope);
                        assert_int_equal(option_find(option->scope, option->path), i);
                        assert_true(option->default_text || option->example);
                        assert_true(option->help && option->help[strlen(option->help) - 1] == '.');
                        assert_true(option->minimum <= option->maximum && option->maximum <= INT64_MAX);
                        assert_int_equal(option->choices || option->words, has_words);
                        assert_true(strlen(option->path) < OPTION_WORD_MAX);
                        option_describe(option, &text);
                        assert_true(text.size > 0);
                        buffer_deinit(&text);
                }
        assert_null(option_at(OPTION_GLOBAL, CONFIG_GLOBAL_OPTIONS));
        assert_null(option_at(OPTION_DATABASE, CONFIG_DATABASE_OPTIONS));
        assert_int_equal(option_find(OPTION_GLOBAL, "status"), -1);
        assert_true(option_is_group(OPTION_GLOBAL, "status") && option_is_group(OPTION_DATABASE, "expect"));
        assert_false(option_is_group(OPTION_GLOBAL, "stat") || option_is_group(OPTION_DATABASE, "name"));
}

static struct option_value value_of(const struct option *option, const char *text) {
        if (option->type == OPTION_BOOL)
                return (struct option_value){.type = OPTION_VALUE_BOOL, .truth = streq(text, "true")};
        if (option->type == OPTION_UNSIGNED || option->type == OPTION_HOURS)
                return (struct option_value){.type = OPTION_VALUE_INTEGER, .integer = atoi(text)};
        return (struct option_value){.type = OPTION_VALUE_TEXT, .text = text};
}

/* Stores TEXT, writes it, copies it, clears it. */
static void check_round(const struct option *option, const char *text) {
        struct complaints complaints = {0};
        struct complaint_place place = {&complaints, "file", 1, option->path};
        union {
                struct config config;
                struct database_config database;
        } *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
        struct option_value value = value_of(option, text);
        struct buffer first = {0}, second = {0};

        assert_false(option->default_text == NULL && option_format(option, a, &first));
        assert_int_equal(option_store(option, &value, a, &place), 0);
        assert_int_equal(complaints.n, 0);
        assert_true(option_is_set(option, a));
        assert_int_equal(option_copy(option, a, b), 0);
        assert_true(option_equal(option, a, b));
        assert_true(option_format(option, a, &first) && option_format(option, b, &second));
        assert_string_equal(first.data, second.data);
        option_clear(option, a);
        assert_false(option->default_text == NULL && option_is_set(option, a));
        option_clear(option, b);
        assert_true(option_equal(option, a, b));
        buffer_deinit(&first);
        buffer_deinit(&second);
        free(a);
        free(b);
}

static void test_every_value_goes_there_and_back(void **state) {
        (void)state;
        for (int scope = OPTION_GLOBAL; scope <= OPTION_DATABASE; scope++)
                for (size_t i = 0; i < option_count((enum option_scope)scope); i++) {
                        const struct option *option = option_at((enum option_scope)scope, i);

                        if (option->type == OPTION_ADDRESSES || option->type == OPTION_HOSTS)
                                continue;
                        check_round(option, option->default_text ? option->default_text : option->example);
                        for (size_t w = 0; (option->choices || option->words) && option_word(option, w); w++)
                                check_round(option, option_word(option, w));
                }
}

static void test_nearest_stays_in_its_group(void **state) {
        char word[OPTION_WORD_MAX];

        (void)state;
        assert_true(option_nearest(OPTION_DATABASE, "expect.qeury", word));
        assert_string_equal(word, "query");
        assert_true(option_nearest(OPTION_DATABASE, "budgte", word));
        assert_string_equal(word, "budget");
        assert_true(option_nearest(OPTION_GLOBAL, "history.pth", word));
        assert_string_equal(word, "path");
        assert_false(option_nearest(OPTION_GLOBAL, "history.socket", word));
        assert_false(option_nearest(OPTION_DATABASE, "nothing.like_it", word));
}

static void test_quotes_what_libconfig_reads_back(void **state) {
        struct buffer text = {0};

        (void)state;
        option_quote("a\"b\\c\n\x7f é", &text);
        assert_string_equal(text.data, "\"a\\\"b\\\\c\\x0A\\x7F é\"");
        buffer_deinit(&text);
}

static char *read_sample(void) {
        const char *top = getenv("top_srcdir") ? getenv("top_srcdir") : getenv("srcdir");
        char path[4096], *text = NULL;
        size_t size = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/etc/pgwaked.conf", top ? top : ".");
        file = fopen(path, "re");
        if (!file)
                fail_msg("%s: %s", path, strerror(errno));
        assert_true(getdelim(&text, &size, '\0', file) > 0);
        (void)fclose(file);
        return text;
}

/* The sample with every "//" at the beginning of a line taken away, and the paths of its files moved into the test's folder. */
static char *uncommented(const char *sample) {
        static const char *const moved[] = {"\"/etc/pgwaked/", "\"/srv/app/"};
        struct buffer out = {0};
        bool begins = true;

        for (const char *p = sample; *p; p++) {
                if (begins && starts_with(p, "//"))
                        p += 2;
                begins = *p == '\n';
                for (size_t i = 0; i < ARRAY_LENGTH(moved); i++)
                        if (starts_with(p, moved[i])) {
                                buffer_append_string(&out, "\"@/");
                                p += strlen(moved[i]);
                        }
                buffer_append(&out, p, 1);
        }
        return buffer_steal(&out);
}

static void test_the_sample_configures_nothing(void **state) {
        struct fixture *f = *state;
        char *sample = read_sample();

        assert_complaints(f, sample, "");
        assert_int_equal(f->config->n_databases, 0);
        for (size_t i = 0; i < CONFIG_GLOBAL_OPTIONS; i++)
                assert_int_equal(f->config->sources[i].file, 0);
        free(sample);
}

/* With everything uncommented each key of the table was read, and has its default where there is one. */
static void test_the_sample_has_every_key(void **state) {
        struct fixture *f = *state;
        char *sample = read_sample(), *all = uncommented(sample);
        bool seen[CONFIG_DATABASE_OPTIONS] = {false};
        struct config *defaults;

        fixture_write(f, "credentials/main.password", "x");
        fixture_write(f, "other.password", "x");
        fixture_write(f, ".env", "DATABASE_URL=postgres://u:p@h/d\n");
        fixture_write(f, "sysconf/pg_service.conf", "[third]\nhost=h\n");
        assert_complaints(f, "databases = ( { name = \"main\"; conninfo = \"host=h\"; } );", "");
        defaults = f->config;
        f->config = NULL;
        assert_complaints(f, all, "");
        assert_int_equal(f->config->n_databases, 4);
        for (size_t i = 0; i < CONFIG_GLOBAL_OPTIONS; i++) {
                const struct option *option = option_at(OPTION_GLOBAL, i);

                if (!f->config->sources[i].file)
                        fail_msg("the sample lacks %s", option->path);
                if (option->default_text && !option_equal(option, f->config, defaults))
                        fail_msg("the sample shows another default of %s", option->path);
        }
        for (size_t i = 0; i < CONFIG_DATABASE_OPTIONS; i++) {
                const struct option *option = option_at(OPTION_DATABASE, i);

                for (size_t j = 0; j < f->config->n_databases; j++)
                        seen[i] = seen[i] || f->config->databases[j].sources[i].file;
                if (!seen[i])
                        fail_msg("the sample lacks %s", option->path);
                if (option->default_text && !option_equal(option, &f->config->databases[0], &defaults->databases[0]))
                        fail_msg("the sample shows another default of %s", option->path);
        }
        config_free(defaults);
        free(all);
        free(sample);
}

int main(void) {
#define FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_row_is_complete),      cmocka_unit_test(test_every_value_goes_there_and_back),
                cmocka_unit_test(test_nearest_stays_in_its_group), cmocka_unit_test(test_quotes_what_libconfig_reads_back),
                FIXTURE(test_the_sample_configures_nothing),       FIXTURE(test_the_sample_has_every_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
