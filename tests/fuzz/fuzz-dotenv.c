/*
 * Dotenv texts: the reader, and what is made of an application's settings.
 *
 * Beyond "nothing crashes": a refusal is told; no complaint holds the word that stands in every password of the seeds; the same text with
 * other line ends means the same; what was read and written back reads the same.
 */
#include "fuzz.h"

#include "config/dotenv.h"

#include <errno.h>
#include <stdio.h>

#define SECRET "geheim"

static int read_text(struct dotenv *dotenv, const char *text, size_t size, bool is_secret_kept) {
        struct complaints complaints = {0};
        const struct complaint_place place = {.complaints = &complaints, .file = ".env"};
        int r;

        r = dotenv_parse(dotenv, text, size, &place);
        fuzz_check(r == 0 || r == -EINVAL, "an answer that is none");
        fuzz_check((r < 0) == (complaints.n_errors > 0), "a refusal without a complaint, or the other way round");
        for (size_t i = 0; is_secret_kept && i < complaints.n; i++)
                fuzz_check(!strstr(complaints.items[i].text, SECRET), "a complaint tells a secret");
        complaints_deinit(&complaints);
        return r;
}

static bool is_same(const struct dotenv *a, const struct dotenv *b, bool with_lines) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++) {
                const struct dotenv_entry *left = &a->entries[i], *right = &b->entries[i];

                if (!streq(left->name, right->name) || !left->value != !right->value ||
                    (left->value && !streq(left->value, right->value)) || (with_lines && left->line != right->line))
                        return false;
        }
        return true;
}

/* Each "\n" as "\r\n". */
static void check_line_ends(const struct dotenv *dotenv, const char *text, size_t size) {
        struct buffer other = {0};
        struct dotenv again = {0};

        if (memchr(text, '\r', size))
                return;
        for (size_t i = 0; i < size; i++)
                buffer_append(&other, text[i] == '\n' ? "\r\n" : text + i, text[i] == '\n' ? 2 : 1);
        if (buffer_finish(&other) == 0 && other.size <= DOTENV_BYTES_MAX &&
            read_text(&again, other.data ? other.data : "", other.size, true) == 0)
                fuzz_check(is_same(dotenv, &again, true), "other line ends mean something else");
        dotenv_deinit(&again);
        buffer_deinit(&other);
}

/* Written with quotes as the reader understands them. A "${" cannot be: it has no escape. */
static void check_writing(const struct dotenv *dotenv) {
        struct buffer text = {0};
        struct dotenv again = {0};
        bool can_be_written = true;

        for (size_t i = 0; i < dotenv->n; i++) {
                const struct dotenv_entry *entry = &dotenv->entries[i];

                can_be_written = can_be_written && !strchr(entry->name, '\'') && !(entry->value && strstr(entry->value, "${"));
                /* A carriage return that came out of an escape would be read as a line end. */
                can_be_written = can_be_written && !(entry->value && strchr(entry->value, '\r'));
                buffer_printf(&text, "'%s'%s", entry->name, entry->value ? "=\"" : "");
                for (const char *p = entry->value ? entry->value : ""; *p; p++)
                        buffer_printf(&text, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
                buffer_append_string(&text, entry->value ? "\"\n" : "\n");
        }
        /* Python-dotenv takes every quote behind a backslash for an escaped one: a value that ends in one has no quoted form. */
        for (size_t i = 0; i < dotenv->n; i++) {
                const char *value = dotenv->entries[i].value;

                can_be_written = can_be_written && !(value && strchr(value, '\\'));
        }
        if (can_be_written && buffer_finish(&text) == 0 && text.size && text.size <= DOTENV_BYTES_MAX) {
                fuzz_check(read_text(&again, text.data, text.size, true) == 0, "what was written is refused");
                fuzz_check(is_same(dotenv, &again, false), "what was written reads as something else");
        }
        dotenv_deinit(&again);
        buffer_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct dotenv dotenv = {0};

        if (read_text(&dotenv, (const char *)data, size, true) == 0) {
                for (size_t i = 0; i < dotenv.n; i++)
                        fuzz_check(dotenv_find(&dotenv, dotenv.entries[i].name) >= &dotenv.entries[i], "a name that was read is not found");
                check_line_ends(&dotenv, (const char *)data, size);
                check_writing(&dotenv);
        }
        dotenv_deinit(&dotenv);
        return 0;
}
