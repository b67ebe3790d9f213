/* Dotenv texts, beyond python-dotenv's own tests: complaints with their lines, bounds, and intended differences. */
#include "config/dotenv.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct reading {
        struct complaints complaints;
        struct dotenv dotenv;
        struct buffer said;
};

static int read_bytes(struct reading *reading, const char *text, size_t size) {
        const struct complaint_place place = {.complaints = &reading->complaints, .file = ".env"};
        int r;

        *reading = (struct reading){0};
        r = dotenv_parse(&reading->dotenv, text, size, &place);
        for (size_t i = 0; i < reading->complaints.n; i++) {
                complaint_format(&reading->complaints.items[i], &reading->said);
                buffer_append_string(&reading->said, "\n");
        }
        return r;
}

static void reading_deinit(struct reading *reading) {
        complaints_deinit(&reading->complaints);
        dotenv_deinit(&reading->dotenv);
        buffer_deinit(&reading->said);
}

static const char *said(const struct reading *reading) {
        return reading->said.data ? reading->said.data : "";
}

/* TEXT gives NAME this value (NULL: none), and says SAYS. */
static void expect(const char *text, const char *name, const char *value, const char *says) {
        struct reading reading;
        const struct dotenv_entry *entry;

        assert_int_equal(read_bytes(&reading, text, strlen(text)), 0);
        assert_string_equal(said(&reading), says);
        entry = dotenv_find(&reading.dotenv, name);
        if (!value)
                assert_true(!entry || !entry->value);
        else {
                assert_non_null(entry);
                assert_non_null(entry->value);
                assert_string_equal(entry->value, value);
        }
        reading_deinit(&reading);
}

static void values_are_read(void **state) {
        (void)state;
        expect("A=1", "A", "1", "");
        expect("export A = 'it\\'s # not' # this is\r\n", "A", "it's # not", "");
        expect("A=\"a\\nb\\t\\\"\\z\"\n", "A", "a\nb\t\"\\z", "");
        expect("A=p#w # x\n", "A", "p#w", "");
        expect("A=1\nA=2\n", "A", "2", "");
        expect("A=1\nA\n", "A", NULL, "");
        expect("B=1\n", "A", NULL, "");
        expect("X=1\nA='${X}${Y:-2}${Z}'\n", "A", "12", "");
        expect("A=${X}\nX=1\n", "A", "", "");
        expect("\xEF\xBB\xBF"
               "A=1\n",
               "A", "1", "");
        expect("A=\"one\r\ntwo\"\r", "A", "one\ntwo", "");
}

static void what_is_not_understood_is_skipped_and_told(void **state) {
        (void)state;
        expect("geheim geheim\nA=1\n", "A", "1",
               ".env:1: warning: this line is not understood, and is skipped as python-dotenv skips it; expected NAME=value\n");
        expect("\n\nP='geheim\nA=1\n", "A", "1",
               ".env:3: warning: this line is not understood, and is skipped as python-dotenv skips it; expected NAME=value\n");
        expect("P=\"1\n2\" geheim\nA=1\n", "A", "1",
               ".env:1: warning: this line is not understood, and is skipped as python-dotenv skips it; expected NAME=value\n");
}

static void a_file_that_is_something_else_is_not_told_line_by_line(void **state) {
        struct buffer text = {0};
        struct reading reading;

        (void)state;
        for (unsigned i = 0; i < 1000; i++)
                buffer_append_string(&text, "<p>this is a page</p>\n");
        assert_int_equal(read_bytes(&reading, text.data, text.size), 0);
        assert_int_equal(reading.complaints.n, 11);
        assert_non_null(strstr(said(&reading), ".env: warning: 990 further lines are not understood and skipped\n"));
        reading_deinit(&reading);
        buffer_deinit(&text);
}

static void lines_are_counted_as_they_stand(void **state) {
        struct reading reading;
        static const char text[] = "# 1\r\n\r\nA=1\rB=\"\r\n\r\n\"\nC=1\n\n\n  export\tD=1";

        (void)state;
        assert_int_equal(read_bytes(&reading, text, strlen(text)), 0);
        assert_int_equal(dotenv_find(&reading.dotenv, "A")->line, 3);
        assert_int_equal(dotenv_find(&reading.dotenv, "B")->line, 4);
        assert_int_equal(dotenv_find(&reading.dotenv, "C")->line, 7);
        assert_int_equal(dotenv_find(&reading.dotenv, "D")->line, 10);
        reading_deinit(&reading);
}

static void expect_refusal(const char *text, size_t size, const char *says) {
        struct reading reading;

        assert_int_equal(read_bytes(&reading, text, size), -EINVAL);
        assert_string_equal(said(&reading), says);
        reading_deinit(&reading);
}

static void what_is_no_text_is_refused(void **state) {
        (void)state;
        expect_refusal("A=1\nB=\xff\n", 7, ".env:2: error: this line is not UTF-8; expected a text file in UTF-8\n");
        expect_refusal("A=1\r\n\r\0B=2\n", 11, ".env:3: error: a NUL byte stands here; expected a text file in UTF-8\n");
        expect_refusal("\xFF\xFE"
                       "A\0",
                       4, ".env:1: error: this line is not UTF-8; expected a text file in UTF-8\n");
}

static void nothing_grows_without_bound(void **state) {
        struct buffer text = {0};

        (void)state;
        buffer_append_string(&text, "A=0123456789\n");
        for (unsigned i = 0; i < 60; i++)
                buffer_append_string(&text, "A=${A}${A}\n");
        expect_refusal(text.data, text.size, ".env:17: error: with its ${...} replaced the file grows past a megabyte\n");
        for (unsigned i = 0; i < 20000; i++)
                buffer_append_string(&text, "A=${A}${A}\n");
        expect_refusal(text.data, text.size, ".env: error: the file is too large; expected at most 131072 bytes\n");
        buffer_deinit(&text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_read),
                cmocka_unit_test(what_is_not_understood_is_skipped_and_told),
                cmocka_unit_test(a_file_that_is_something_else_is_not_told_line_by_line),
                cmocka_unit_test(lines_are_counted_as_they_stand),
                cmocka_unit_test(what_is_no_text_is_refused),
                cmocka_unit_test(nothing_grows_without_bound),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
