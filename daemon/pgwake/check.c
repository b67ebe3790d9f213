/* `pgwake check`: one database, one line, one exit code; for people and scripts, and with --nagios for monitoring systems. */
#include "base/clock.h"
#include "pgwake/format.h"
#include "pgwake/request.h"

#include <inttypes.h>

enum nagios {
        NAGIOS_OK,
        NAGIOS_WARNING,
        NAGIOS_CRITICAL,
        NAGIOS_UNKNOWN,
};

#define UNKNOWN_PREFIX "PGWAKE UNKNOWN - "

static const char *const nagios_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* A planned pause is no alarm. A sleep that was not accepted, or trouble that passes by itself, is a warning. */
static enum nagios check_judge(const struct database_status *database, bool accepted) {
        enum state state;

        if (accepted || (database->reason && streq(database->reason, "paused")))
                return NAGIOS_OK;
        if (state_from_name(database->state, &state) < 0)
                return NAGIOS_UNKNOWN;
        switch (state) {
        case STATE_UNKNOWN:
        case _STATE_MAX:
                return NAGIOS_UNKNOWN;
        case STATE_ASLEEP:
        case STATE_WAKING:
        case STATE_AWAKE:
        case STATE_DEGRADED:
                return NAGIOS_WARNING;
        case STATE_FULL:
        case STATE_DOWN:
        case STATE_BLOCKED:
                return NAGIOS_CRITICAL;
        }
        return NAGIOS_UNKNOWN;
}

/* In Nagios output the text ends at the first bar or newline. */
static void check_append_plain(struct buffer *buffer, const char *text) {
        for (; *text; text++)
                buffer_append(buffer, *text == '|' ? "/" : text, 1);
}

static void check_append_seconds(struct buffer *buffer, const char *label, uint64_t usec) {
        if (usec != USEC_INFINITY)
                buffer_printf(buffer, " %s=%" PRIu64 ".%06" PRIu64 "s;;;0", label, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
}

/* label=value[unit];[warn];[crit];[min];[max], by the Monitoring Plugins' guidelines. */
static void check_append_perfdata(struct buffer *buffer, const struct database_status *verdict, const struct database_status *status) {
        buffer_printf(buffer, " | ready=%d;;;0;1", verdict->ready);
        check_append_seconds(buffer, "age", verdict->age_usec);
        check_append_seconds(buffer, "expected", verdict->expected_ready_usec);
        if (!status)
                return;
        check_append_seconds(buffer, "latency", status->last_attempt.total_usec);
        check_append_seconds(buffer, "wake_p95", status->wakes.p95_usec);
        buffer_printf(buffer, " failures=%" PRIu64 "c;;;0 wakes=%" PRIu64 "c;;;0", status->failures.total,
                      status->wakes.count);
}

static void check_append_line(struct buffer *buffer, const struct terminal *terminal, const struct database_status *database, bool people) {
        char span[DURATION_MAX];

        check_append_plain(buffer, database->name);
        buffer_append_string(buffer, " is ");
        if (people)
                style_append(buffer, terminal, style_of_state(database->state), database->state);
        else
                check_append_plain(buffer, database->state);
        if (database->reason && !streq(database->reason, "ok")) {
                buffer_append_string(buffer, " (");
                check_append_plain(buffer, database->reason);
                buffer_append_string(buffer, ")");
        }
        if (database->age_usec != USEC_INFINITY)
                buffer_printf(buffer, ", seen %s ago", format_span(span, database->age_usec));
        if (!database->ready && database->message && *database->message) {
                buffer_append_string(buffer, ": ");
                check_append_plain(buffer, database->message);
        }
}

/* The figures of /status are optional: without them the verdict stands. */
static int check_ask_status(struct context *context, const char *name, struct answer *ret_answer, struct database_status *ret_database) {
        char wrong[DECODE_PATH_MAX];
        int r;

        r = request_get(context, "/status", name, ret_answer);
        if (r != 0)
                return r;
        return ret_answer->status == 200 && decode(ret_answer->json, database_fields, ret_database, wrong) == 0 ? 0 : EXIT_CODE_NO_ANSWER;
}

static int check_tell_nagios(struct context *context, const struct database_status *database, bool accepted) {
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        enum nagios nagios = check_judge(database, accepted);
        struct database_status status;
        bool known;

        complain_to(NULL, NULL);
        known = check_ask_status(context, context->options.operands[0], &answer, &status) == 0;
        complain_to(context->out.file, UNKNOWN_PREFIX);
        buffer_printf(&buffer, "PGWAKE %s - ", nagios_names[nagios]);
        check_append_line(&buffer, &context->out, database, false);
        check_append_perfdata(&buffer, database, known ? &status : NULL);
        buffer_append(&buffer, "\n", 1);
        return tell_error(terminal_write(&context->out, &buffer), (int)nagios);
}

static int check_tell_people(struct context *context, const struct database_status *database, bool accepted) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        check_append_line(&buffer, &context->out, database, true);
        buffer_append(&buffer, "\n", 1);
        return tell_error(terminal_write(&context->out, &buffer), accepted ? EXIT_CODE_DONE : EXIT_CODE_NOT_READY);
}

/* *RET_JUDGED tells whether the answer contains the daemon's verdict. */
static int check_ask(struct context *context, bool *ret_judged) {
        const struct options *options = &context->options;
        const char *name = options->operands[0];
        const struct parameter parameters[] = {{"accept", option_text(options, "accept")}, {0}};
        _cleanup_free_ char *path = client_path("/readyz", name, parameters);
        _cleanup_(answer_deinit) struct answer answer = {0};
        _cleanup_free_ struct database_status *databases = NULL;
        bool accepted;
        size_t n;
        int r;

        r = request_send(context, &(struct request){.path = path, .timeout_usec = CLIENT_ANSWER_USEC}, &answer);
        if (r != 0)
                return r;
        if ((answer.status != 200 && answer.status != 503) || json_object_get(answer.json, "error"))
                return tell_refusal(context, &answer, name);
        accepted = answer.status == 200;
        r = answer_databases(context, answer.json, &databases, &n);
        if (r != 0)
                return r;
        if (n != 1)
                return tell_malformed(context, "not exactly one database");
        *ret_judged = true;
        if (option_is_given(options, "nagios"))
                return check_tell_nagios(context, &databases[0], accepted);
        if (options->json)
                return tell_error(terminal_write_json(&context->out, answer.json), accepted ? EXIT_CODE_DONE : EXIT_CODE_NOT_READY);
        return check_tell_people(context, &databases[0], accepted);
}

static int check_exec(struct context *context) {
        const struct options *options = &context->options;
        const char *accept = option_text(options, "accept");
        bool nagios = option_is_given(options, "nagios"), judged = false;
        int r;

        if (accept && !streq(accept, "asleep")) {
                complain("check: --accept knows only asleep, not \"%s\"", accept);
                return EXIT_CODE_USAGE;
        }
        /* Monitoring reads only stdout, and only this form. */
        if (nagios) {
                complain_to(context->out.file, UNKNOWN_PREFIX);
                context->options.json = false;
        }
        r = check_ask(context, &judged);
        return nagios && !judged ? NAGIOS_UNKNOWN : r;
}

const struct command command_check = {
        .name = "check",
        .arguments = "NAME [--accept asleep] [--nagios]",
        .summary = "Judge one database by an exit code.",
        .description =
                "Says in one line whether NAME is ready and why not: exit code 0 or 1. With --nagios the codes are 0 OK\n"
                "(ready, accepted or paused), 1 WARNING (asleep, waking, degraded), 2 CRITICAL (full, down, blocked) and\n"
                "3 UNKNOWN (unknown, or no answer from the daemon).\n",
        .options = (const struct command_option[]){
                {"accept", "asleep", "A sleeping database that could be woken is fine too."},
                {"nagios", NULL, "Answer as a monitoring plugin: one line with figures, exit codes 0 to 3."},
                {0},
        },
        .min_operands = 1,
        .max_operands = 1,
        .exec = check_exec,
};
