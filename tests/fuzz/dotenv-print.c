/*
 * Prints what the dotenv reader reads, for the test that holds it against python-dotenv.
 *
 * In: for each text a line with its size in bytes, and the text. Out: for each a line of JSON: an object of names and values (null without
 * "="), or null where the whole text is refused.
 */
#include "base/json.h"
#include "config/dotenv.h"

#include <stdio.h>

static void print(const char *text, size_t size) {
        _cleanup_(complaints_deinit) struct complaints complaints = {0};
        const struct complaint_place place = {.complaints = &complaints, .file = "stdin"};
        struct dotenv dotenv = {0};
        struct buffer line = {0};

        if (dotenv_parse(&dotenv, text, size, &place) == 0) {
                for (size_t i = 0; i < dotenv.n; i++) {
                        const struct dotenv_entry *entry = &dotenv.entries[i];

                        if (entry != dotenv_find(&dotenv, entry->name))
                                continue;
                        buffer_append_string(&line, line.size ? "," : "{");
                        json_append_string(&line, entry->name);
                        buffer_append_string(&line, ":");
                        if (entry->value)
                                json_append_string(&line, entry->value);
                        else
                                buffer_append_string(&line, "null");
                }
                buffer_append_string(&line, line.size ? "}" : "{}");
                puts(buffer_finish(&line) == 0 ? line.data : "out of memory");
        } else
                puts("null");
        buffer_deinit(&line);
        dotenv_deinit(&dotenv);
}

int main(void) {
        size_t size;

        while (scanf("%zu", &size) == 1 && getchar() == '\n') {
                char *text = malloc(size + 1);

                if (!text || fread(text, 1, size, stdin) != size)
                        return EXIT_FAILURE;
                text[size] = '\0';
                print(text, size);
                free(text);
        }
        return feof(stdin) ? EXIT_SUCCESS : EXIT_FAILURE;
}
