/* Pictures of pgwake: the strip of states with its axis, the bars of a distribution, paragraphs. Exact texts, and no line too long. */
#include "unit.h"

#include "base/clock.h"
#include "pgwake/charts.h"
#include "pgwake/format.h"

#include <stdio.h>
#include <time.h>

/* 2026-11-22 16:00:00 UTC, a Sunday. */
#define NOW (UINT64_C(1795363200) * USEC_PER_SEC)
#define MANY 2000

static const struct terminal plain, colours = {.colour = true};

static void set_zone(const char *zone) {
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
}

static struct drawing drawing_of(size_t columns, bool utf8) {
        return (struct drawing){.terminal = &plain, .utf8 = utf8, .columns = columns};
}

static void assert_text(struct buffer *buffer, const char *expected) {
        assert_int_equal(buffer_finish(buffer), 0);
        assert_string_equal(buffer->data ? buffer->data : "", expected);
        buffer_deinit(buffer);
}

static void assert_strip(const struct timeline *strip, size_t columns, bool utf8, const char *expected) {
        struct drawing drawing = drawing_of(columns, utf8);
        struct buffer buffer = {0};

        timeline_append(&buffer, &drawing, strip);
        assert_text(&buffer, expected);
}

static void assert_bars(const struct bars_entry *entries, size_t n, size_t columns, bool utf8, const char *expected) {
        struct drawing drawing = drawing_of(columns, utf8);
        struct buffer buffer = {0};

        bars_append(&buffer, &drawing, entries, n);
        assert_text(&buffer, expected);
}

/* No line is longer than COLUMNS or ends in a space; empties BUFFER. Answers how many lines there are. */
static size_t assert_fits(struct buffer *buffer, size_t columns) {
        size_t lines = 0;

        assert_int_equal(buffer_finish(buffer), 0);
        for (char *line = buffer->data, *end; line && *line; line = end + 1, lines++) {
                end = strchr(line, '\n');
                assert_non_null(end);
                *end = '\0';
                assert_true(format_width(line) <= columns);
                assert_true(end == line || end[-1] != ' ');
        }
        buffer_clear(buffer);
        return lines;
}

static void a_week_is_a_strip_of_states(void **state) {
        static const struct timeline_entry entries[] = {
                {NOW - 6 * USEC_PER_DAY, STATE_ASLEEP},
                {NOW - 4 * USEC_PER_DAY, STATE_AWAKE},
                {NOW - 2 * USEC_PER_DAY, STATE_BLOCKED},
                {NOW - USEC_PER_DAY, STATE_WAKING},
        };
        const struct timeline strip = {NOW - 7 * USEC_PER_DAY, NOW, entries, ARRAY_LENGTH(entries)};

        (void)state;
        assert_strip(&strip, 40, true,
                "  ·····▁▁▁▁▁▁▁▁▁▁▁███████████▚▚▚▚▚▚▄▄▄▄▄\n"
                "  ?    z          a          B     w\n"
                "         │Nov 17    │Nov 19   │Nov 21\n"
                "  · ? unknown   ▁ z asleep   ▄ w waking\n"
                "  █ a awake   ▚ B blocked\n");
        assert_strip(&strip, 40, false,
                "  ?????zzzzzzzzzzzaaaaaaaaaaaBBBBBBwwwww\n"
                "         |Nov 17    |Nov 19   |Nov 21\n"
                "  ? unknown   z asleep   w waking\n"
                "  a awake   B blocked\n");
        assert_strip(&strip, 80, true,
                "  ···········▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁██████████████████████▚▚▚▚▚▚▚▚▚▚▚▚▄"
                "▄▄▄▄▄▄▄▄▄▄\n"
                "  ?          z                     a                     B           w\n"
                "     │Nov 16    │Nov 17     │Nov 18    │Nov 19    │Nov 20    │Nov 21    │Nov 22\n"
                "  · ? unknown   ▁ z asleep   ▄ w waking   █ a awake   ▚ B blocked\n");
        assert_strip(&strip, 120, false,
                "  ?????????????????zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaBBBBBBBBBBBBBBBBBBwwwwwwwwwwwwwwww\n"
                "       |Nov 16          |Nov 17          |Nov 18          |Nov 19          |Nov 20         |Nov 21          |Nov 22\n"
                "  ? unknown   z asleep   w waking   a awake   B blocked\n");
}

static void one_state_only(void **state) {
        static const struct timeline_entry entries[] = {{NOW - 30 * USEC_PER_DAY, STATE_AWAKE}};
        const struct timeline strip = {NOW - USEC_PER_DAY, NOW, entries, 1};

        (void)state;
        assert_strip(&strip, 40, true,
                "  ██████████████████████████████████████\n"
                "  a\n"
                "              │Nov 22            │12:00\n"
                "  █ a awake\n");
        assert_strip(&strip, 40, false,
                "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                "              |Nov 22            |12:00\n"
                "  a awake\n");
}

static void an_empty_history_is_unknown_and_not_good(void **state) {
        const struct timeline strip = {NOW - USEC_PER_DAY, NOW, NULL, 0};

        (void)state;
        assert_strip(&strip, 40, true,
                "  ······································\n"
                "  ?\n"
                "              │Nov 22            │12:00\n"
                "  · ? unknown\n");
        assert_strip(&strip, 40, false,
                "  ??????????????????????????????????????\n"
                "              |Nov 22            |12:00\n"
                "  ? unknown\n");
}

static void a_time_without_length_is_not_drawn(void **state) {
        const struct timeline strip = {NOW, NOW, NULL, 0}, backwards = {NOW, NOW - 1, NULL, 0};

        (void)state;
        assert_strip(&strip, 40, true, "");
        assert_strip(&backwards, 40, true, "");
}

static void all_states_have_a_letter_and_a_block_of_their_own(void **state) {
        struct timeline_entry entries[_STATE_MAX];
        const struct timeline strip = {NOW - _STATE_MAX * USEC_PER_HOUR, NOW, entries, _STATE_MAX};

        (void)state;
        for (enum state each = 0; each < _STATE_MAX; each++)
                entries[each] = (struct timeline_entry){NOW - (_STATE_MAX - each) * USEC_PER_HOUR, each};
        assert_strip(&strip, 42, true,
                "  ·····▁▁▁▁▁▄▄▄▄▄█████▓▓▓▓▓▒▒▒▒▒░░░░░▚▚▚▚▚\n"
                "  ?    z    w    a    G    F    D    B\n"
                "       │09:00         │12:00         │\n"
                "  · ? unknown   ▁ z asleep   ▄ w waking\n"
                "  █ a awake   ▓ G degraded   ▒ F full\n"
                "  ░ D down   ▚ B blocked\n");
        assert_strip(&strip, 42, false,
                "  ?????zzzzzwwwwwaaaaaGGGGGFFFFFDDDDDBBBBB\n"
                "       |09:00         |12:00         |\n"
                "  ? unknown   z asleep   w waking\n"
                "  a awake   G degraded   F full   D down\n"
                "  B blocked\n");
}

/* A cell is 38 minutes: a moment of trouble is seen, the worst of several; a second of anything else is not. */
static void trouble_is_seen_however_short(void **state) {
        static const struct timeline_entry entries[] = {
                {NOW - USEC_PER_DAY, STATE_AWAKE},
                {NOW - 20 * USEC_PER_HOUR, STATE_DOWN},
                {NOW - 20 * USEC_PER_HOUR + 1, STATE_BLOCKED},
                {NOW - 20 * USEC_PER_HOUR + 2, STATE_DOWN},
                {NOW - 20 * USEC_PER_HOUR + 3, STATE_AWAKE},
                {NOW - 15 * USEC_PER_HOUR, STATE_UNKNOWN},
                {NOW - 15 * USEC_PER_HOUR + USEC_PER_SEC, STATE_AWAKE},
                {NOW - 10 * USEC_PER_HOUR, STATE_DEGRADED},
                {NOW - 10 * USEC_PER_HOUR + USEC_PER_SEC, STATE_AWAKE},
                {NOW - 5 * USEC_PER_HOUR, STATE_WAKING},
                {NOW - 5 * USEC_PER_HOUR + USEC_PER_SEC, STATE_AWAKE},
        };
        const struct timeline strip = {NOW - USEC_PER_DAY, NOW, entries, ARRAY_LENGTH(entries)};

        (void)state;
        assert_strip(&strip, 40, false,
                "  aaaaaaBaaaaaaaaaaaaaaaGaaaaaaaaaaaaaaa\n"
                "              |Nov 22            |12:00\n"
                "  a awake   G degraded   B blocked\n");
}

/* Entries that begin before the period or last beyond it are cut, and of several at one time the last counts. */
static void the_edges_of_the_time(void **state) {
        static const struct timeline_entry entries[] = {
                {1, STATE_DOWN},
                {NOW - 2 * USEC_PER_DAY, STATE_AWAKE},
                {NOW - USEC_PER_DAY / 2, STATE_DOWN},
                {NOW - USEC_PER_DAY / 2, STATE_ASLEEP},
                {NOW, STATE_DOWN},
                {NOW + USEC_PER_DAY, STATE_BLOCKED},
        };
        const struct timeline strip = {NOW - USEC_PER_DAY, NOW, entries, ARRAY_LENGTH(entries)};

        (void)state;
        assert_strip(&strip, 40, false,
                "  aaaaaaaaaaaaaaaaaaazzzzzzzzzzzzzzzzzzz\n"
                "              |Nov 22            |12:00\n"
                "  z asleep   a awake\n");
}

static void two_thousand_states_fit_every_width(void **state) {
        static struct timeline_entry entries[MANY];
        const struct timeline strip = {NOW - 90 * USEC_PER_DAY, NOW, entries, MANY};
        struct buffer buffer = {0};

        (void)state;
        for (size_t i = 0; i < MANY; i++)
                entries[i] = (struct timeline_entry){NOW - (MANY - i) * (90 * USEC_PER_DAY / MANY), (enum state)(i / 50 % _STATE_MAX)};
        assert_strip(&strip, 40, false,
                "  ?zwGFDBB?zaGFDBBzwaFDBB?zwGFDBBzwaGFDB\n"
                "     |2026-09    |2026-10     |2026-11\n"
                "  ? unknown   z asleep   w waking\n"
                "  a awake   G degraded   F full   D down\n"
                "  B blocked\n");
        for (size_t columns = DRAW_COLUMNS_MIN; columns <= DRAW_COLUMNS_MAX; columns++)
                for (unsigned utf8 = 0; utf8 < 2; utf8++) {
                        struct drawing drawing = drawing_of(columns, utf8);

                        timeline_append(&buffer, &drawing, &strip);
                        assert_in_range(assert_fits(&buffer, columns), 3 + utf8, 6);
                }
        buffer_deinit(&buffer);
}

static void colour_only_repeats(void **state) {
        static const struct timeline_entry entries[] = {{NOW - USEC_PER_DAY, STATE_AWAKE}, {NOW - USEC_PER_DAY / 2, STATE_DOWN}};
        const struct timeline strip = {NOW - USEC_PER_DAY, NOW, entries, ARRAY_LENGTH(entries)};
        const struct drawing drawing = {&colours, false, 40};
        struct buffer buffer = {0};

        (void)state;
        timeline_append(&buffer, &drawing, &strip);
        assert_text(&buffer,
                "  \033[32maaaaaaaaaaaaaaaaaaa\033[0m\033[1;31mDDDDDDDDDDDDDDDDDDD\033[0m\n"
                "              |Nov 22            |12:00\n"
                "  \033[32ma awake\033[0m   \033[1;31mD down\033[0m\n");
}

static void assert_axis(uint64_t since, uint64_t until, size_t cells, const char *expected) {
        struct drawing drawing = drawing_of(cells + DRAW_INDENT, false);
        struct buffer buffer = {0};

        axis_append(&buffer, &drawing, since, until, cells);
        assert_text(&buffer, expected);
}

static void the_axis_has_marks_that_people_count_in(void **state) {
        (void)state;
        assert_axis(NOW - 20 * USEC_PER_SEC, NOW, 60, "  |15:59:40      |15:59:45      |15:59:50      |15:59:55\n");
        assert_axis(NOW - 10 * USEC_PER_MINUTE, NOW, 60, "  |15:50                        |15:55\n");
        assert_axis(NOW - USEC_PER_HOUR, NOW, 60, "  |15:00         |15:15         |15:30         |15:45\n");
        assert_axis(NOW - 36 * USEC_PER_HOUR, NOW, 60, "     |06:00    |12:00    |18:00    |Nov 22   |06:00    |12:00\n");
        assert_axis(NOW - 30 * USEC_PER_DAY, NOW, 60, "      |Oct 26       |Nov 02       |Nov 09       |Nov 16\n");
        assert_axis(NOW - 90 * USEC_PER_DAY, NOW, 60, "      |2026-09            |2026-10             |2026-11\n");
        assert_axis(NOW - 365 * USEC_PER_DAY, NOW, 60, "        |2026-01       |2026-04       |2026-07       |2026-10\n");
        assert_axis(USEC_PER_DAY, NOW, 38, "                  |1995-01         |\n");
        /* Nothing that is counted in falls into it. */
        assert_axis(NOW + 1, NOW + 1000, 60, "");
}

/* On 2026-03-29 the clocks of central Europe went from 2 to 3, on 2026-10-25 from 3 to 2: days of 23 and of 25 hours. */
static void the_axis_follows_the_local_clock(void **state) {
        const uint64_t spring = UINT64_C(1774738800) * USEC_PER_SEC, autumn = UINT64_C(1792879200) * USEC_PER_SEC;

        (void)state;
        set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_axis(spring, spring + USEC_PER_DAY, 96,
                "  |Mar 29 |03:00      |06:00      |09:00      |12:00      |15:00      |18:00      |21:00      |\n");
        assert_axis(autumn, autumn + 26 * USEC_PER_HOUR, 96,
                "  |Oct 25       |03:00     |06:00     |09:00      |12:00     |15:00     |18:00     |21:00     |\n");
        assert_axis(spring - 3 * USEC_PER_DAY, spring + 3 * USEC_PER_DAY, 60,
                "  |Mar 26   |Mar 27   |Mar 28   |Mar 29  |Mar 30   |Mar 31   |\n");
        set_zone("UTC");
}

static void one_wake_is_one_bar(void **state) {
        static const struct bars_entry one[] = {{2 * USEC_PER_SEC, 1}};

        (void)state;
        assert_bars(one, 1, 40, true, "   ≤ 2 s  1 ████████████████████████████\n");
        assert_bars(one, 1, 40, false, "  <= 2 s  1 ############################\n");
}

static void no_wake_is_no_bar(void **state) {
        static const struct bars_entry none[] = {{USEC_PER_SEC, 0}, {USEC_INFINITY, 0}};

        (void)state;
        assert_bars(NULL, 0, 40, true, "");
        assert_bars(none, ARRAY_LENGTH(none), 40, true, "");
}

static void a_million_wakes_in_one_row(void **state) {
        static const struct bars_entry million[] = {{2 * USEC_PER_SEC, 1000000}};
        static const struct bars_entry beside[] = {{USEC_PER_SEC, 1}, {2 * USEC_PER_SEC, 1000000}};

        (void)state;
        assert_bars(million, 1, 40, true, "   ≤ 2 s  1000000 ██████████████████████\n");
        /* One in a million is small, but visible. */
        assert_bars(beside, 2, 40, true,
                "   ≤ 1 s        1 ▏\n"
                "   ≤ 2 s  1000000 ██████████████████████\n");
        assert_bars(beside, 2, 40, false,
                "  <= 1 s        1 .\n"
                "  <= 2 s  1000000 ######################\n");
}

static void a_distribution(void **state) {
        static const struct bars_entry entries[] = {
                {100 * USEC_PER_MSEC, 0}, {200 * USEC_PER_MSEC, 3}, {500 * USEC_PER_MSEC, 0}, {USEC_PER_SEC, 90},
                {2 * USEC_PER_SEC, 17},   {5 * USEC_PER_SEC, 1},    {10 * USEC_PER_SEC, 0},
        };

        (void)state;
        assert_bars(entries, ARRAY_LENGTH(entries), 40, true,
                "   ≤ 200 ms   3 ▊\n"
                "   ≤ 500 ms   0\n"
                "   ≤    1 s  90 ████████████████████████\n"
                "   ≤    2 s  17 ████▌\n"
                "   ≤    5 s   1 ▎\n");
        assert_bars(entries, ARRAY_LENGTH(entries), 80, true,
                "   ≤ 200 ms   3 ██▏\n"
                "   ≤ 500 ms   0\n"
                "   ≤    1 s  90 ██████████████████████████████████████████████████████"
                "██████████\n"
                "   ≤    2 s  17 ████████████▏\n"
                "   ≤    5 s   1 ▊\n");
        assert_bars(entries, ARRAY_LENGTH(entries), 80, false,
                "  <= 200 ms   3 ##\n"
                "  <= 500 ms   0\n"
                "  <=    1 s  90 ################################################################\n"
                "  <=    2 s  17 ############\n"
                "  <=    5 s   1 #\n");
}

static void bounds_are_as_people_say_them(void **state) {
        static const struct bars_entry entries[] = {
                {500, 1},
                {1 * USEC_PER_MSEC, 1},
                {1500, 1},
                {1250 * USEC_PER_MSEC, 1},
                {50 * USEC_PER_SEC, 1},
                {100 * USEC_PER_SEC, 1},
                {5000 * USEC_PER_SEC, 1},
                {USEC_INFINITY, 1},
        };

        (void)state;
        assert_bars(entries, ARRAY_LENGTH(entries), 40, false,
                "  <=     500 us  1 #####################\n"
                "  <=       1 ms  1 #####################\n"
                "  <=     1.5 ms  1 #####################\n"
                "  <=     1.25 s  1 #####################\n"
                "  <=       50 s  1 #####################\n"
                "  <= 1 min 40 s  1 #####################\n"
                "  <= 1 h 23 min  1 #####################\n"
                "           more  1 #####################\n");
}

/* All that the daemon has are drawn; of more, neighbours go together, and none is lost. */
static void of_very_many_neighbours_go_together(void **state) {
        struct bars_entry entries[49];

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(entries); i++)
                entries[i] = (struct bars_entry){(i + 1) * USEC_PER_SEC, 1};
        assert_bars(entries, 24, 40, false,
                "  <=  1 s  1 ###########################\n"
                "  <=  2 s  1 ###########################\n"
                "  <=  3 s  1 ###########################\n"
                "  <=  4 s  1 ###########################\n"
                "  <=  5 s  1 ###########################\n"
                "  <=  6 s  1 ###########################\n"
                "  <=  7 s  1 ###########################\n"
                "  <=  8 s  1 ###########################\n"
                "  <=  9 s  1 ###########################\n"
                "  <= 10 s  1 ###########################\n"
                "  <= 11 s  1 ###########################\n"
                "  <= 12 s  1 ###########################\n"
                "  <= 13 s  1 ###########################\n"
                "  <= 14 s  1 ###########################\n"
                "  <= 15 s  1 ###########################\n"
                "  <= 16 s  1 ###########################\n"
                "  <= 17 s  1 ###########################\n"
                "  <= 18 s  1 ###########################\n"
                "  <= 19 s  1 ###########################\n"
                "  <= 20 s  1 ###########################\n"
                "  <= 21 s  1 ###########################\n"
                "  <= 22 s  1 ###########################\n"
                "  <= 23 s  1 ###########################\n"
                "  <= 24 s  1 ###########################\n");
        assert_bars(entries, 49, 40, false,
                "  <=  3 s  3 ###########################\n"
                "  <=  6 s  3 ###########################\n"
                "  <=  9 s  3 ###########################\n"
                "  <= 12 s  3 ###########################\n"
                "  <= 15 s  3 ###########################\n"
                "  <= 18 s  3 ###########################\n"
                "  <= 21 s  3 ###########################\n"
                "  <= 24 s  3 ###########################\n"
                "  <= 27 s  3 ###########################\n"
                "  <= 30 s  3 ###########################\n"
                "  <= 33 s  3 ###########################\n"
                "  <= 36 s  3 ###########################\n"
                "  <= 39 s  3 ###########################\n"
                "  <= 42 s  3 ###########################\n"
                "  <= 45 s  3 ###########################\n"
                "  <= 48 s  3 ###########################\n"
                "  <= 49 s  1 #########\n");
}

static void bars_fit_every_width(void **state) {
        struct bars_entry entries[480];
        struct buffer buffer = {0};

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(entries); i++)
                entries[i] = (struct bars_entry){UINT64_C(1) << (i / 16 + 4), i % 7 ? UINT64_MAX / 8 : 0};
        for (size_t columns = DRAW_COLUMNS_MIN; columns <= DRAW_COLUMNS_MAX; columns++)
                for (unsigned utf8 = 0; utf8 < 2; utf8++) {
                        struct drawing drawing = drawing_of(columns, utf8);

                        bars_append(&buffer, &drawing, entries, ARRAY_LENGTH(entries));
                        assert_int_equal(assert_fits(&buffer, columns), 24);
                }
        buffer_deinit(&buffer);
}

static void assert_paragraph(const char *label, size_t indent, const char *text, const char *expected) {
        struct drawing drawing = drawing_of(40, true);
        struct buffer buffer = {0};

        draw_paragraph(&buffer, &drawing, label, indent, text);
        assert_text(&buffer, expected);
}

static void paragraphs_are_broken_between_words(void **state) {
        (void)state;
        assert_paragraph("label", 10, "short", "  label   short\n");
        assert_paragraph("", 2, "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii", "  aaaa bbbb cccc dddd eeee ffff gggg\n  hhhh iiii\n");
        /* Exactly as wide as there is room, and one more. */
        assert_paragraph("", 30, "12345 7890", "                              12345 7890\n");
        assert_paragraph("", 30, "12345 78901", "                              12345\n                              78901\n");
        assert_paragraph("", 30, "of 4.60 s it is", "                              of 4.60 s\n                              it is\n");
        assert_paragraph("", 30, "of it 4.60 s", "                              of it\n                              4.60 s\n");
        assert_paragraph("", 35, "abcdefghijkl m", "                                   abcde\n                                   fghij\n"
                                                "                                   kl m\n");
        assert_paragraph("", 35, "äöüßéàñ", "                                   äöüßé\n                                   àñ\n");
        assert_paragraph("too long a label", 10, "x", "  too lon x\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                UNIT_TEST(a_week_is_a_strip_of_states),
                UNIT_TEST(one_state_only),
                UNIT_TEST(an_empty_history_is_unknown_and_not_good),
                UNIT_TEST(a_time_without_length_is_not_drawn),
                UNIT_TEST(all_states_have_a_letter_and_a_block_of_their_own),
                UNIT_TEST(trouble_is_seen_however_short),
                UNIT_TEST(the_edges_of_the_time),
                UNIT_TEST(two_thousand_states_fit_every_width),
                UNIT_TEST(colour_only_repeats),
                UNIT_TEST(the_axis_has_marks_that_people_count_in),
                UNIT_TEST(the_axis_follows_the_local_clock),
                UNIT_TEST(one_wake_is_one_bar),
                UNIT_TEST(no_wake_is_no_bar),
                UNIT_TEST(a_million_wakes_in_one_row),
                UNIT_TEST(a_distribution),
                UNIT_TEST(bounds_are_as_people_say_them),
                UNIT_TEST(of_very_many_neighbours_go_together),
                UNIT_TEST(bars_fit_every_width),
                UNIT_TEST(paragraphs_are_broken_between_words),
        };

        set_zone("UTC");
        return UNIT_RUN(tests);
}
