#include "happening.h"

#include "base/duration.h"
#include "base/macro.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* A word in angle brackets stands for a field; all others stand for themselves. */
static const struct {
        enum happening_kind kind;
        enum trouble trouble;
        const char *words;
} rows[] = {
        {PERSON_TAKES_LEASE_FOR, 0, "<person> takes a lease on <database> for <time>"},
        {PERSON_TAKES_LEASE, 0, "<person> takes a lease on <database>"},
        {PERSON_RELEASES_LEASE, 0, "<person> releases the lease on <database>"},
        {PERSON_WAKES, 0, "<person> wakes <database>"},
        {PERSON_PAUSES, 0, "<person> pauses <database> for <time>"},
        {PERSON_RESUMES, 0, "<person> resumes <database>"},
        {RELOAD_CHANGES, 0, "reload sets <key> of <database> to <value>"},
        {RELOAD_ADDS, 0, "reload adds <database>"},
        {RELOAD_REMOVES, 0, "reload removes <database>"},
        {DAEMON_CRASHES, 0, "daemon crashes for <time>"},
        {DAEMON_RESTARTS, 0, "daemon restarts within <time>"},
        {HOST_SUSPENDS, 0, "host suspends for <time>"},
        {CLOCK_FORWARD, 0, "clock is set forward by <time>"},
        {CLOCK_BACK, 0, "clock is set back by <time>"},
        {NETWORK_AWAY, 0, "network is away for <time>"},
        {HOST_LACKS_DESCRIPTORS, 0, "host lacks descriptors for <time>"},
        {RESOLVER_FAILS, 0, "resolver fails for <time>"},
        {RESOLVER_HANGS, 0, "resolver hangs for <time>"},
        {SERVER_SUSPENDS, 0, "server <server> suspends"},
        {SERVER_RESTARTS, 0, "server <server> restarts within <time>"},
        {SERVER_CRASHES, 0, "server <server> crashes for <time>"},
        {SERVER_STOPS, 0, "server <server> stops"},
        {SERVER_STARTS, 0, "server <server> starts within <time>"},
        {SERVER_IS_USED, 0, "server <server> is used by others for <time>"},
        {SERVER_WAKES_SLOWLY, 0, "server <server> needs <time> to wake"},
        {SERVER_PROMOTED, 0, "server <server> is promoted"},
        {SERVER_LAGS, 0, "server <server> lags by <time>"},
        {SERVER_TROUBLE, TROUBLE_HANGS, "server <server> hangs for <time>"},
        {SERVER_TROUBLE, TROUBLE_VANISHES, "server <server> vanishes for <time>"},
        {SERVER_TROUBLE, TROUBLE_UNREACHABLE, "server <server> is unreachable for <time>"},
        {SERVER_TROUBLE, TROUBLE_NAME_FAILS, "server <server> has no answer from its resolver for <time>"},
        {SERVER_TROUBLE, TROUBLE_NAME_HANGS, "server <server> is not answered for by its resolver for <time>"},
        {SERVER_TROUBLE, TROUBLE_NAME_UNKNOWN, "server <server> has no name for <time>"},
        {SERVER_TROUBLE, TROUBLE_REFUSES, "server <server> refuses connections for <time>"},
        {SERVER_TROUBLE, TROUBLE_THROTTLES, "server <server> throttles for <time>"},
        {SERVER_TROUBLE, TROUBLE_QUOTA, "server <server> is over its quota for <time>"},
        {SERVER_TROUBLE, TROUBLE_PASSWORD, "server <server> refuses the password for <time>"},
        {SERVER_TROUBLE, TROUBLE_DISABLED, "server <server> is disabled for <time>"},
        {SERVER_TROUBLE, TROUBLE_TRANSIENT, "server <server> has a proxy in trouble for <time>"},
        {SERVER_TROUBLE, TROUBLE_GARBAGE, "server <server> answers garbage for <time>"},
        {SERVER_TROUBLE, TROUBLE_FULL, "server <server> is full for <time>"},
        {SERVER_TROUBLE, TROUBLE_SLOW, "server <server> is slow for <time>"},
        {SERVER_TROUBLE, TROUBLE_ERRORS, "server <server> answers with errors for <time>"},
        {NAME_MOVES, 0, "name <database> leads to <server>"},
        {EXPECT_STATE, 0, "expect <database> <key> <value>"},
        {EXPECT_STATE_ALONE, 0, "expect <database> <key>"},
        {EXPECT_LOGINS, 0, "expect <number> logins to <database>"},
        {EXPECT_DOORS, 0, "expect <number> doors to <database>"},
        {EXPECT_WAKES, 0, "expect <number> wakes of <database>"},
        {EXPECT_GENERATION, 0, "expect generation <number> of <database>"},
        {EXPECT_LATENCY, 0, "expect the last wake of <database> took <time>"},
        {EXPECT_CAUSE, 0, "expect the last wake of <database> caused by <key>"},
        {EXPECT_MONTH, 0, "expect <database> awake for <time> this month"},
        {EXPECT_READY_OR_ASLEEP, 0, "expect <database> accepted as asleep"},
        {EXPECT_NOT_READY_OR_ASLEEP, 0, "expect <database> not accepted as asleep"},
};

bool happening_is_expectation(const struct happening *h) {
        return h->kind >= EXPECT_STATE;
}

/* The text field of H for "<person>" and the like; NULL for a number. */
static char *text_field(struct happening *h, const char *word) {
        static const struct {
                const char *word;
                size_t offset;
        } fields[] = {
                {"<person>", offsetof(struct happening, person)}, {"<database>", offsetof(struct happening, database)},
                {"<server>", offsetof(struct happening, server)}, {"<key>", offsetof(struct happening, key)},
                {"<value>", offsetof(struct happening, value)},
        };

        for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
                if (streq(word, fields[i].word))
                        return (char *)h + fields[i].offset;
        return NULL;
}

static bool read_number(const char *word, uint64_t *ret_number) {
        char *end;

        *ret_number = strtoull(word, &end, 10);
        return end != word && *end == '\0';
}

static bool read_word(const char *pattern, const char *word, struct happening *h) {
        char *text = text_field(h, pattern);

        if (text)
                return strlen(word) < WORLD_NAME_MAX && text_copy(text, WORLD_NAME_MAX, word);
        if (streq(pattern, "<time>"))
                return duration_parse(word, &h->usec) == 0;
        if (streq(pattern, "<number>"))
                return read_number(word, &h->number);
        return streq(pattern, word);
}

/* Reads the next word of *TEXT, and moves *TEXT past it. */
static bool next_word(const char **text, char word[2 * WORLD_NAME_MAX]) {
        size_t length;

        *text += strspn(*text, " \t");
        length = strcspn(*text, " \t");
        if (length == 0 || length >= 2 * WORLD_NAME_MAX)
                return false;
        memcpy(word, *text, length);
        word[length] = '\0';
        *text += length;
        return true;
}

static bool read_row(const char *pattern, const char *words, struct happening *h) {
        char expected[2 * WORLD_NAME_MAX], word[2 * WORLD_NAME_MAX];

        while (next_word(&pattern, expected))
                if (!next_word(&words, word) || !read_word(expected, word, h))
                        return false;
        return !next_word(&words, word);
}

bool happening_parse(const char *words, struct happening *ret_happening) {
        /* The last row that matches: rows with specific words come after general ones. */
        for (size_t i = ARRAY_LENGTH(rows); i-- > 0;) {
                struct happening h = {.at_usec = ret_happening->at_usec, .line = ret_happening->line, .kind = rows[i].kind,
                                      .trouble = rows[i].trouble};

                if (!read_row(rows[i].words, words, &h))
                        continue;
                *ret_happening = h;
                return true;
        }
        return false;
}

static const char *words_of(const struct happening *h) {
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
                if (rows[i].kind == h->kind && rows[i].trouble == h->trouble)
                        return rows[i].words;
        return "";
}

void happening_print(const struct happening *h, struct buffer *buffer) {
        const char *words = words_of(h), *separator = "";
        char word[2 * WORLD_NAME_MAX], time[DURATION_MAX];

        while (next_word(&words, word)) {
                struct happening copy = *h;
                const char *text = text_field(&copy, word);

                buffer_append_string(buffer, separator);
                if (streq(word, "<number>"))
                        buffer_printf(buffer, "%llu", (unsigned long long)h->number);
                else
                        buffer_append_string(buffer, streq(word, "<time>") ? duration_format(time, h->usec) : text ? text : word);
                separator = " ";
        }
}
