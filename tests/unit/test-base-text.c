/* Words: copies at the edges of UTF-8, names, the nearest known word. */
#include "unit.h"

#include "base/nearest.h"
#include "base/text.h"

#include <stdio.h>

static void a_copy_never_ends_in_half_a_character(void **state) {
        /* Characters of one, two, three and four bytes. */
        const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\xb4z";
        const size_t edges[] = {0, 1, 3, 6, 10, 11};
        size_t edge = 0;

        (void)state;
        for (size_t size = 1; size <= 16; size++) {
                char buffer[16];

                memset(buffer, 'x', sizeof(buffer));
                while (edge + 1 < ARRAY_LENGTH(edges) && edges[edge + 1] < size)
                        edge++;
                assert_ptr_equal(text_copy(buffer, size, text), buffer);
                assert_int_equal(strlen(buffer), edges[edge]);
                assert_memory_equal(buffer, text, edges[edge]);
                for (size_t i = size; i < sizeof(buffer); i++)
                        assert_int_equal(buffer[i], 'x');
        }
}

static void a_copy_takes_nothing_and_garbage(void **state) {
        char buffer[4] = "xyz";

        (void)state;
        assert_string_equal(text_copy(buffer, sizeof(buffer), NULL), "");
        assert_string_equal(text_copy(buffer, sizeof(buffer), ""), "");
        /* Nothing but continuation bytes: no edge to cut at. */
        assert_string_equal(text_copy(buffer, sizeof(buffer), "\x80\x80\x80\x80\x80"), "");
        assert_string_equal(text_copy(buffer, 1, "abc"), "");
}

static void names(void **state) {
        char longest[TEXT_NAME_MAX + 2];

        (void)state;
        memset(longest, 'a', sizeof(longest));
        longest[TEXT_NAME_MAX] = '\0';
        assert_true(text_is_name("main"));
        assert_true(text_is_name("0-a_b"));
        assert_true(text_is_name(longest));
        longest[TEXT_NAME_MAX] = 'a';
        longest[TEXT_NAME_MAX + 1] = '\0';
        assert_false(text_is_name(longest));
        assert_false(text_is_name(""));
        assert_false(text_is_name("-a"));
        assert_false(text_is_name("_a"));
        assert_false(text_is_name("A"));
        assert_false(text_is_name("a b"));
        assert_false(text_is_name("a/b"));
        assert_false(text_is_name("a.b"));
        assert_false(text_is_name("\xc3\xa4"));
        assert_false(text_is_name("a\n"));
}

static void the_nearest_word_is_suggested(void **state) {
        static const char *const words[] = {"ping_interval", "login_interval", "policy", "provider", "rise", "fall"};
        char long_word[200];

        (void)state;
        assert_string_equal(text_nearest("ping_intervall", words, ARRAY_LENGTH(words)), "ping_interval");
        assert_string_equal(text_nearest("pingintervall", words, ARRAY_LENGTH(words)), "ping_interval");
        assert_string_equal(text_nearest("polciy", words, ARRAY_LENGTH(words)), "policy");
        assert_string_equal(text_nearest("riset", words, ARRAY_LENGTH(words)), "rise");
        assert_string_equal(text_nearest("fall", words, ARRAY_LENGTH(words)), "fall");
        assert_null(text_nearest("xyzzy", words, ARRAY_LENGTH(words)));
        assert_null(text_nearest("", words, ARRAY_LENGTH(words)));
        assert_null(text_nearest("rise", NULL, 0));
        memset(long_word, 'p', sizeof(long_word));
        long_word[sizeof(long_word) - 1] = '\0';
        assert_null(text_nearest(long_word, words, ARRAY_LENGTH(words)));
}

/* Optimal string alignment, as the book has it. */
static size_t edits_between(const char *a, const char *b) {
        size_t rows[16][16], n = strlen(a), m = strlen(b);

        for (size_t i = 0; i <= n; i++)
                for (size_t j = 0; j <= m; j++) {
                        if (i == 0 || j == 0) {
                                rows[i][j] = i + j;
                                continue;
                        }
                        rows[i][j] = MIN(MIN(rows[i - 1][j], rows[i][j - 1]) + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                rows[i][j] = MIN(rows[i][j], rows[i - 2][j - 2] + 1);
                }
        return rows[n][m];
}

static void random_word(char *word, size_t most) {
        size_t length = (size_t)rand() % (most + 1);

        for (size_t i = 0; i < length; i++)
                word[i] = "abc"[rand() % 3];
        word[length] = '\0';
}

static int compare_words(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In any order, with common beginnings or without: the first of the nearest, as if each had been compared in full. */
static void no_nearer_word_is_missed(void **state) {
        char texts[24][16], word[16];
        const char *words[24];
        unsigned found = 0;

        (void)state;
        for (unsigned round = 0; round < 20000; round++) {
                size_t n = 1 + (size_t)rand() % ARRAY_LENGTH(words), least;
                const char *nearest = NULL;

                random_word(word, 11);
                for (size_t i = 0; i < n; i++) {
                        random_word(texts[i], 13);
                        words[i] = texts[i];
                }
                if (round % 2)
                        qsort(words, n, sizeof(*words), compare_words);
                least = MIN(MAX(strlen(word) / 3, (size_t)1), (size_t)NEAREST_EDITS_MAX) + 1;
                for (size_t i = 0; i < n; i++)
                        if (edits_between(word, words[i]) < least) {
                                least = edits_between(word, words[i]);
                                nearest = words[i];
                        }
                assert_ptr_equal(text_nearest(word, words, n), nearest);
                found += nearest != NULL;
        }
        assert_in_range(found, 1000, 19000);
}

/* Words of every length, at every distance: nothing is written or read beside the rows. */
static void words_of_every_length_are_compared(void **state) {
        char word[NEAREST_WORD_MAX + 4], candidate[2 * NEAREST_WORD_MAX];
        const char *candidates[] = {candidate};

        (void)state;
        for (size_t n = 0; n < sizeof(word); n++)
                for (size_t m = 0; m < sizeof(candidate); m++) {
                        size_t most = MIN(MAX(n / 3, (size_t)1), (size_t)NEAREST_EDITS_MAX);
                        bool near = n <= NEAREST_WORD_MAX && MAX(n, m) - MIN(n, m) <= most;

                        memset(word, 'x', n);
                        word[n] = '\0';
                        memset(candidate, 'x', m);
                        candidate[m] = '\0';
                        assert_ptr_equal(text_nearest(word, candidates, 1), near ? candidate : NULL);
                }
}

/* Names that differ at their beginnings, and a word that is like all of them up to its end: each is compared to its end. */
static void no_more_steps_are_taken_than_are_allowed(void **state) {
        static char names[1000][64];
        const char *word = "00500-customer-database-production-shard-eu-central-1-replicaaaa";
        struct nearest nearest;

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                (void)snprintf(names[i], sizeof(names[i]), "%05zu-customer-database-production-shard-eu-central-1-replica-b", i);
        for (size_t steps = 0; steps < 5000; steps += 100) {
                size_t i = 0;

                nearest_init(&nearest, word);
                nearest.steps_left = steps;
                for (; i < ARRAY_LENGTH(names) && nearest.steps_left > 0; i++)
                        nearest_try(&nearest, names[i]);
                assert_int_equal(nearest.steps_left, 0);
                assert_null(nearest.found);
                assert_true(i <= steps / 2);
                nearest_try(&nearest, word);
                assert_null(nearest.found);
        }
        nearest_init(&nearest, word);
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
                nearest_try(&nearest, names[i]);
        assert_string_equal(nearest.found, names[500]);
}

static void flattening_leaves_one_line(void **state) {
        static const struct {
                const char *from, *to;
        } rows[] = {
                {"", ""},
                {" \n\t", ""},
                {"a", "a"},
                {"  a  b\r\n\tc ", "a b c"},
                {"a\x01\x1b[31mb\x7f", "a [31mb"},
                {"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac"},
                {"\xff\xfe", "\xff\xfe"},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                char *text = strdup(rows[i].from);

                assert_string_equal(text_flatten(text), rows[i].to);
                free(text);
        }
}

static void contains_ignores_case(void **state) {
        (void)state;
        assert_true(text_contains("Too Many connections", "too many"));
        assert_true(text_contains("abc", ""));
        assert_false(text_contains("abc", "abcd"));
}

static void only_well_formed_characters_are_decoded(void **state) {
        static const struct {
                const char *text;
                size_t length;
                uint32_t character;
        } rows[] = {
                {"a", 1, 'a'},          {"", 1, 0},
                {"\xC3\xA9", 2, 0xE9}, {"\xE2\x82\xAC", 3, 0x20AC},
                {"\xF0\x9F\x90\x98", 4, 0x1F418}, {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
                {"\x80", 0, 0},         {"\xC3", 0, 0},
                {"\xC0\xAF", 0, 0},     {"\xE0\x80\xAF", 0, 0},
                {"\xED\xA0\x80", 0, 0}, {"\xF4\x90\x80\x80", 0, 0},
                {"\xF0\x9F\x90", 0, 0}, {"\xFF", 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                uint32_t character = 0;

                assert_int_equal(text_decode(rows[i].text, &character), rows[i].length);
                assert_int_equal(character, rows[i].character);
                assert_int_equal(text_decode(rows[i].text, NULL), rows[i].length);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_copy_never_ends_in_half_a_character),
                UNIT_TEST(a_copy_takes_nothing_and_garbage),
                UNIT_TEST(names),
                UNIT_TEST(the_nearest_word_is_suggested),
                UNIT_TEST(no_nearer_word_is_missed),
                UNIT_TEST(words_of_every_length_are_compared),
                UNIT_TEST(no_more_steps_are_taken_than_are_allowed),
                UNIT_TEST(flattening_leaves_one_line),
                UNIT_TEST(contains_ignores_case),
                UNIT_TEST(only_well_formed_characters_are_decoded),
        };

        return UNIT_RUN(tests);
}
