#include "pgwake/options.h"

#include "base/text.h"
#include "pgwake/terminal.h"

#include <errno.h>

const struct option_row options_common[] = {
        {"json", NULL, "Answer with JSON, for programs.", offsetof(struct options, json)},
        {"socket", "PATH", "The daemon's socket ($PGWAKE_SOCKET).", offsetof(struct options, socket)},
        {"help", NULL, "Explain the command.", offsetof(struct options, help)},
        {"version", NULL, "Say the version.", offsetof(struct options, version)},
};
const size_t options_n_common = ARRAY_LENGTH(options_common);

#define OWN_MAX 16

/* The common options and those of the command, as one list. */
static size_t list_options(const struct option_row *own, const struct option_row *ret[OWN_MAX]) {
        size_t n = 0;

        for (; own && own->name && n < OWN_MAX - ARRAY_LENGTH(options_common); own++)
                ret[n++] = own;
        for (size_t i = 0; i < ARRAY_LENGTH(options_common); i++)
                ret[n++] = &options_common[i];
        return n;
}

static int refuse_option(const char *word, const char *command, const struct option_row *const rows[], size_t n) {
        const char *names[OWN_MAX], *nearest;

        for (size_t i = 0; i < n; i++)
                names[i] = rows[i]->name;
        nearest = text_nearest(word, names, n);
        complain("%s%sunknown option --%s%s%s%s", command ? command : "", command ? ": " : "", word, nearest ? "; did you mean --" : "",
                 nearest ? nearest : "", nearest ? "?" : "");
        return 1;
}

/* WORD is "name" or "name=value"; the value may be *NEXT, which is then set to NULL. */
static int take_option(struct options *options, const char *word, const char **next, const struct option_row *own) {
        const struct option_row *rows[OWN_MAX], *row = NULL;
        size_t n = list_options(own, rows), length = strcspn(word, "=");
        _cleanup_free_ char *name = strndup(word, length);
        const char *value = word[length] ? word + length + 1 : NULL;

        if (!name)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (streq(rows[i]->name, name))
                        row = rows[i];
        if (!row)
                return refuse_option(name, options->command, rows, n);
        if (!row->argument) {
                if (value) {
                        complain("--%s takes no value", name);
                        return 1;
                }
                *(bool *)((char *)options + row->offset) = true;
                return 0;
        }
        if (!value)
                value = steal_pointer(next);
        if (!value) {
                complain("--%s wants a value: --%s %s", name, name, row->argument);
                return 1;
        }
        *(const char **)((char *)options + row->offset) = value;
        return 0;
}

int options_parse(struct options *ret_options, int argc, char **argv, const struct option_row *(*find)(const char *command)) {
        _cleanup_free_ const char **operands = calloc((size_t)argc + 1, sizeof(*operands));
        struct options options = {0};
        const struct option_row *own = NULL;
        bool ended = false;
        int r;

        if (!operands)
                return -ENOMEM;
        for (int i = 1; i < argc; i++) {
                const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

                if (!ended && streq(word, "--")) {
                        ended = true;
                        options.program = options.command ? argv + i + 1 : NULL;
                        options.n_before = options.n_operands;
                } else if (!ended && starts_with(word, "--")) {
                        const char *unused = next;

                        r = take_option(&options, word + 2, &unused, own);
                        if (r != 0)
                                return r;
                        i += next && !unused;
                } else if (!ended && streq(word, "-h")) {
                        options.help = true;
                } else if (!ended && word[0] == '-' && word[1]) {
                        complain("unknown option %s; options have two dashes and a word", word);
                        return 1;
                } else if (!options.command) {
                        options.command = word;
                        own = find(word);
                        /* Of an unknown command nobody knows which options are right. */
                        if (!own)
                                break;
                } else
                        operands[options.n_operands++] = word;
        }
        options.operands = steal_pointer(&operands);
        *ret_options = options;
        return 0;
}
