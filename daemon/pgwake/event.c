#include "pgwake/event.h"

#include "base/clock.h"
#include "pgwake/clean.h"
#include "pgwake/fields.h"
#include "pgwake/say.h"

#include <errno.h>

#define AT(member) offsetof(struct event, member)

static const struct field fields[] = {
        {"kind", FIELD_TEXT, true, AT(kind)},
        {"database", FIELD_TEXT, true, AT(database)},
        {"sequence", FIELD_COUNT, false, AT(sequence)},
        {"at", FIELD_TEXT, false, AT(at)},
        {"state", FIELD_TEXT, false, AT(state)},
        {"previous", FIELD_TEXT, false, AT(previous)},
        {"reason", FIELD_TEXT, false, AT(reason)},
        {"message", FIELD_TEXT, false, AT(message)},
        {"ready", FIELD_BOOL, false, AT(ready)},
        {"generation", FIELD_COUNT, false, AT(generation)},
        {"latency_seconds", FIELD_SECONDS, false, AT(latency_usec)},
        {"cause", FIELD_TEXT, false, AT(cause)},
        {"cold", FIELD_BOOL, false, AT(cold)},
};

int event_read(const char *data, bool raw, json_t **ret_json, struct event *ret_event) {
        _cleanup_(json_freep) json_t *json = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
        struct event event = {.latency_usec = USEC_INFINITY};
        const char *wrong;

        if (!json)
                return -EBADMSG;
        if (!raw && clean_json(json) < 0)
                return -ENOMEM;
        if (fields_read(json, fields, ARRAY_LENGTH(fields), &event, &wrong) < 0)
                return -EBADMSG;
        *ret_json = steal_pointer(&json);
        *ret_event = event;
        return 0;
}

static void append_state(struct buffer *buffer, const struct terminal *terminal, const struct event *event) {
        if (event->previous) {
                style_append(buffer, terminal, style_of_state(event->previous), event->previous);
                buffer_append_string(buffer, " -> ");
        }
        style_append(buffer, terminal, style_of_state(event->state), event->state);
        if (event->reason && !streq(event->reason, "ok"))
                buffer_printf(buffer, "  %s", event->reason);
        if (event->message && *event->message)
                buffer_printf(buffer, "  %s", event->message);
}

static void append_wake(struct buffer *buffer, const struct event *event) {
        char span[DURATION_MAX];

        /* Nobody saw when that began. */
        if (event->latency_usec == USEC_INFINITY) {
                buffer_printf(buffer, "found awake, woken by %s", !event->cause || streq(event->cause, "other") ? "somebody else" : event->cause);
                return;
        }
        buffer_printf(buffer, "woken in %s", say_span(span, event->latency_usec));
        buffer_printf(buffer, " (%s%s%s)", event->cold ? "cold" : "not proven cold", event->cause ? ", caused by " : "",
                      event->cause ? event->cause : "");
}

static void append_budget(struct buffer *buffer, const struct terminal *terminal, const struct event *event) {
        if (event->reason && !streq(event->reason, "ok"))
                style_append(buffer, terminal, STYLE_WARN, "the month's budget of awake hours is spent");
        else
                buffer_append_string(buffer, "a new month, and its budget of awake hours");
}

void event_append(struct buffer *buffer, const struct terminal *terminal, const struct event *event) {
        char time[SAY_TIME_MAX];

        buffer_printf(buffer, "%s  ", say_time(time, say_parse_time(event->at), true));
        style_append(buffer, terminal, STYLE_HEAD, event->database);
        buffer_append_string(buffer, "  ");
        if (streq(event->kind, "wake"))
                append_wake(buffer, event);
        else if (streq(event->kind, "budget"))
                append_budget(buffer, terminal, event);
        else if (streq(event->kind, "state") && event->state)
                append_state(buffer, terminal, event);
        else
                buffer_printf(buffer, "%s", event->kind);
        buffer_append(buffer, "\n", 1);
}
