/* Reading severity, code and text out of libpq's message; and that no bytes of a hostile server break it or the classification. */
#include "model/classify.h"

#include "base/macro.h"
#include "base/random.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#define TRY "connection to server at \"127.0.0.1\", port 5432 failed: "

static const struct {
        const char *text;
        const char *severity;
        const char *sqlstate;
        const char *primary;
} rows[] = {
        { TRY "FATAL:  57P03: the database system is starting up\nLOCATION:  ProcessStartupPacket, postmaster.c:2421\n", "FATAL", "57P03",
          "the database system is starting up" },
        { "ERROR:  22012: division by zero\nLOCATION:  int4div, int.c:869\n", "ERROR", "22012", "division by zero" },
        { "ERROR:  XX000: Control plane request failed", "ERROR", "XX000", "Control plane request failed" },
        { "FATAL:  57P01: ", "FATAL", "57P01", "" },
        { TRY "FATAL:  42501: permission denied for database \"p\"\nDETAIL:  User does not have CONNECT privilege.\n", "FATAL", "42501",
          "permission denied for database \"p\"" },
        { "ERROR:  P0001: it failed: ERROR:  22012: inner\n", "ERROR", "P0001", "it failed: ERROR:  22012: inner" },
        { "ERROR:  P0001: it\nDETAIL:  57P03: not this\nHINT:  28P01: nor this\n", "ERROR", "P0001", "it" },
        /* Translated severities; the longest is cut at a character's edge. */
        { TRY "\xd0\x92\xd0\x90\xd0\x96\xd0\x9d\xd0\x9e:  57P03: \xd0\xb7\n",
          "\xd0\x92\xd0\x90\xd0\x96\xd0\x9d\xd0\x9e", "57P03", "\xd0\xb7" },
        { TRY "\xd0\xa4\xd0\x90\xd0\xa2\xd0\x90\xd0\x9b\xd0\xac\xd0\x9d\xd0\x9e:  57P03: x\n",
          "\xd0\xa4\xd0\x90\xd0\xa2\xd0\x90\xd0\x9b\xd0\xac\xd0\x9d", "57P03", "x" },
        { TRY "\xc3\x96L\xc3\x9cMC\xc3\x9cL (FATAL):  57P03: x\n", "\xc3\x96L\xc3\x9cMC\xc3\x9cL (FAT", "57P03", "x" },
        /* Two tries: the last, except when it only says that there is no rule. */
        { TRY "FATAL:  28000: no rule\n" TRY "FATAL:  28P01: wrong\n", "FATAL", "28P01", "wrong" },
        { TRY "FATAL:  28P01: wrong\n" TRY "FATAL:  28000: no rule\n", "FATAL", "28P01", "wrong" },
        { TRY "FATAL:  28000: no rule, SSL\n" TRY "FATAL:  28000: no rule, no encryption\n", "FATAL", "28000", "no rule, SSL" },
};

static void severity_code_and_text_are_found(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
                char severity[SEVERITY_MAX], sqlstate[SQLSTATE_LENGTH + 1], primary[128];

                assert_true(classify_parse_message(rows[i].text, severity, sqlstate, primary, sizeof(primary)));
                assert_string_equal(severity, rows[i].severity);
                assert_string_equal(sqlstate, rows[i].sqlstate);
                assert_string_equal(primary, rows[i].primary);
        }
}

static void what_has_no_code_leaves_the_outputs_empty(void **state) {
        static const char *const texts[] = {
                "", "\n", ":  ", "FATAL:  ", "FATAL:  57P03", "FATAL:  57P03:", "FATAL:  57p03: x", "FATAL:  57P0: x", "FATAL:  57P033: x",
                "FATAL: 57P03: x", ":  57P03: x", "DETAIL:  57P03: x", TRY "Connection refused\n", TRY ":  57P03: x",
                "FATAL:  the database system is starting up", "FATAL:\n  57P03: x",
                "this cannot be the name of a severity in any language:  57P03: x",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                char severity[SEVERITY_MAX] = "?", sqlstate[SQLSTATE_LENGTH + 1] = "?", primary[8] = "?";

                assert_false(classify_parse_message(texts[i], severity, sqlstate, primary, sizeof(primary)));
                assert_string_equal(severity, "");
                assert_string_equal(sqlstate, "");
                assert_string_equal(primary, "");
        }
}

static void a_long_text_is_cut_at_a_characters_edge(void **state) {
        char severity[SEVERITY_MAX], sqlstate[SQLSTATE_LENGTH + 1], primary[4];

        (void)state;
        assert_true(classify_parse_message("FATAL:  57P03: ab\xc3\xa4", severity, sqlstate, primary, sizeof(primary)));
        assert_string_equal(primary, "ab");
        assert_true(classify_parse_message("FATAL:  57P03: ab", severity, sqlstate, primary, 0));
}

/* Pieces that lead deep into the tables, mixed with noise. */
static const char *const pieces[] = {
        TRY, "connection to server ", " failed: ", "FATAL", "ERROR:  ", ":  ", "57P03: ", "XX000: ", "28000", ": ", "\n", "\nLOCATION:  ",
        "Control plane request failed", "exceeded the ", "quota", "Project name (", "must contain only", "role \"", "\" does not exist",
        "Connection refused", "SSL error: ", "alert ", "certificate", "message type 0x", "while idle", "\xd0", "\xc3\xa4", " ",
};

static void compose(char *text, size_t size, uint64_t *random) {
        size_t length = 0, parts = random_next(random) % 12;

        text[0] = '\0';
        for (size_t i = 0; i < parts && length + 1 < size; i++) {
                uint64_t draw = random_next(random);

                if (draw % 4 == 0) {
                        text[length++] = (char)(draw >> 8 & 0xff);
                        text[length] = '\0';
                } else {
                        (void)snprintf(text + length, size - length, "%s", pieces[(draw >> 8) % ARRAY_LENGTH(pieces)]);
                }
                length = strlen(text);
        }
}

static void random_failure(struct failure *e, const char *text, char code[SQLSTATE_LENGTH + 1], uint64_t *random) {
        static const char *const codes[] = { "XX000", "57P03", "28000", "08P01", "", "long code" };
        uint64_t draw = random_next(random);

        for (size_t i = 0; i < SQLSTATE_LENGTH; i++)
                code[i] = (char)(random_next(random) & 0xff);
        code[SQLSTATE_LENGTH] = '\0';
        *e = (struct failure){
                .kind = (enum failure_kind)(draw % 4),
                .phase = (enum phase)((draw >> 4) % _PHASE_MAX),
                .error = (int)((draw >> 8) % 140),
                .eai = -(int)((draw >> 16) % 12),
                .session = (draw >> 20) % 4 == 0,
                .severity = (draw >> 22) % 2 ? "FATAL" : NULL,
                .text = text,
        };
        if ((draw >> 24) % 2)
                e->sqlstate = (draw >> 25) % 2 ? code : codes[(draw >> 26) % ARRAY_LENGTH(codes)];
}

static void no_bytes_break_the_parser_or_the_tables(void **state) {
        uint64_t random = 42;

        (void)state;
        for (unsigned i = 0; i < 100000; i++) {
                char severity[SEVERITY_MAX], sqlstate[SQLSTATE_LENGTH + 1], primary[16], code[SQLSTATE_LENGTH + 1];
                char *text = malloc(256), *exact;
                struct failure e;
                enum reason reason;

                /* In a block of its exact size, so that a sanitizer sees every access beyond it. */
                assert_non_null(text);
                compose(text, 256, &random);
                exact = strdup(text);
                free(text);
                assert_non_null(exact);
                if (classify_parse_message(exact, severity, sqlstate, primary, sizeof(primary)))
                        assert_int_equal(strlen(sqlstate), SQLSTATE_LENGTH);
                random_failure(&e, exact, code, &random);
                reason = classify(&e, provider_at(random_next(&random) % 4));
                assert_in_range(reason, REASON_NONE + 1, _REASON_MAX - 1);
                free(exact);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(severity_code_and_text_are_found),
                cmocka_unit_test(what_has_no_code_leaves_the_outputs_empty),
                cmocka_unit_test(a_long_text_is_cut_at_a_characters_edge),
                cmocka_unit_test(no_bytes_break_the_parser_or_the_tables),
        };

        return cmocka_run_group_tests_name("classify-parse", tests, NULL, NULL);
}
