/* `pgwake reasons`: the meaning of each reason, and advice. From our own table: it needs no daemon. */
#include "base/text.h"
#include "model/reason.h"
#include "pgwake/command.h"
#include "pgwake/format.h"
#include "pgwake/request.h"

#include <errno.h>

static const struct column reasons_columns[] = {
        {"REASON", false, 0},
        {"CLASS", false, 1},
        {"MEANING", false, 0},
};

/* The consequence of a class, for people. */
static const char *reasons_class_sentence(enum reason_class class) {
        switch (class) {
        case CLASS_OK:
                return "nothing to explain";
        case CLASS_TRANSIENT:
                return "may pass by itself; asked again soon";
        case CLASS_THROTTLED:
                return "asked too often; asked again ever more slowly";
        case CLASS_FULL:
                return "awake, without a free connection slot";
        case CLASS_BLOCKED:
                return "a person must act";
        case CLASS_CUT:
                return "the held session ended; the next check tells more";
        case CLASS_DEGRADED:
                return "the database answers, but not as expected";
        case CLASS_OURS:
                return "nothing is known against the database";
        case _REASON_CLASS_MAX:
                break;
        }
        return "";
}

static json_t *reasons_reason_to_json(enum reason reason) {
        const struct reason_info *info = reason_info(reason);

        return json_pack("{s:s, s:s, s:s, s:s?}", "reason", info->slug, "class", reason_class_name(info->class), "sentence", info->sentence,
                         "advice", info->advice);
}

/* A single reason as an object, all of them as a list. */
static int reasons_tell_json(const struct terminal *terminal, enum reason reason, bool all) {
        _cleanup_(json_freep) json_t *json = all ? json_array() : reasons_reason_to_json(reason);

        for (reason = REASON_NONE + 1; json && all && reason < _REASON_MAX; reason++)
                if (json_array_append_new(json, reasons_reason_to_json(reason)) < 0)
                        return -ENOMEM;
        return json ? terminal_write_json(terminal, json) : -ENOMEM;
}

static int reasons_tell_all(const struct terminal *terminal) {
        _cleanup_(table_deinit) struct table table = {.columns = reasons_columns, .n_columns = ARRAY_LENGTH(reasons_columns)};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        int r;

        for (enum reason reason = REASON_NONE + 1; reason < _REASON_MAX; reason++) {
                const struct reason_info *info = reason_info(reason);

                table_add(&table, STYLE_HEAD, info->slug);
                table_add(&table, STYLE_PLAIN, reason_class_name(info->class));
                table_add(&table, STYLE_PLAIN, info->sentence);
        }
        r = table_render(&table, terminal, &buffer);
        return r < 0 ? r : terminal_write(terminal, &buffer);
}

static int reasons_tell_one(const struct terminal *terminal, enum reason reason) {
        const struct reason_info *info = reason_info(reason);
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        style_append(&buffer, terminal, STYLE_HEAD, info->slug);
        buffer_printf(&buffer, " (%s: %s)\n  %s\n", reason_class_name(info->class), reasons_class_sentence(info->class), info->sentence);
        if (info->advice && *info->advice)
                buffer_printf(&buffer, "  %s\n", info->advice);
        return terminal_write(terminal, &buffer);
}

static int reasons_usage_error_slug(const char *word) {
        const char *slugs[_REASON_MAX], *nearest;

        for (enum reason reason = 0; reason < _REASON_MAX; reason++)
                slugs[reason] = reason_slug(reason);
        nearest = text_nearest(word, slugs, ARRAY_LENGTH(slugs));
        complain("reasons: \"%s\" is no reason; pgwake reasons lists them%s%s%s", word, nearest ? "; did you mean \"" : "",
                 nearest ? nearest : "", nearest ? "\"?" : "");
        return EXIT_CODE_USAGE;
}

static int reasons_exec(struct context *context) {
        const struct options *options = &context->options;
        bool all = options->n_operands == 0;
        enum reason reason = REASON_NONE;
        int r;

        if (!all && reason_from_slug(options->operands[0], &reason) < 0)
                return reasons_usage_error_slug(options->operands[0]);
        if (options->json)
                r = reasons_tell_json(&context->out, reason, all);
        else
                r = all ? reasons_tell_all(&context->out) : reasons_tell_one(&context->out, reason);
        return tell_error(r, EXIT_CODE_DONE);
}

const struct command command_reasons = {
        .name = "reasons",
        .arguments = "[SLUG]",
        .summary = "Explain why a database is not ready.",
        .description = "Lists all reasons, or says what one means and what to do. Needs no daemon.\n",
        .max_operands = 1,
        .offline = true,
        .exec = reasons_exec,
};
