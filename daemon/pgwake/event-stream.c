#include "pgwake/event-stream.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "pgwake/decode.h"
#include "pgwake/format.h"
#include "pgwake/sanitize.h"

#include <errno.h>

/* An id is sent back in a header line: only ids that are safe there are accepted. */
static bool sse_is_id(const char *text) {
        size_t length = strlen(text);

        for (size_t i = 0; i < length; i++)
                if (text[i] <= ' ' || text[i] >= 0x7F)
                        return false;
        return length < SSE_ID_MAX;
}

static int sse_take_field(struct sse *sse, const char *name, const char *value) {
        if (streq(name, "data")) {
                if (sse->data.size + strlen(value) >= SSE_MAX)
                        return -EMSGSIZE;
                buffer_append_string(&sse->data, value);
                buffer_append(&sse->data, "\n", 1);
                return buffer_finish(&sse->data);
        }
        if (streq(name, "event"))
                (void)text_copy(sse->event, sizeof(sse->event), value);
        else if (streq(name, "id") && sse_is_id(value))
                (void)text_copy(sse->id, sizeof(sse->id), value);
        return 0;
}

/* An empty line completes the event. Without data there is none. */
static int sse_dispatch(struct sse *sse, sse_handler handler, void *userdata) {
        int r = 0;

        (void)text_copy(sse->last_id, sizeof(sse->last_id), sse->id);
        if (sse->data.size > 0) {
                sse->data.data[--sse->data.size] = '\0';
                r = handler(userdata, sse->event[0] ? sse->event : "message", sse->data.data);
        }
        buffer_clear(&sse->data);
        sse->event[0] = '\0';
        return r;
}

static int sse_take_line(struct sse *sse, sse_handler handler, void *userdata) {
        char *line = sse->line.data, *colon;
        int r;

        if (sse->line.size == 0)
                return sse_dispatch(sse, handler, userdata);
        colon = strchr(line, ':');
        /* A comment: the daemon is alive. */
        if (colon == line)
                r = 0;
        else if (!colon)
                r = sse_take_field(sse, line, "");
        else {
                *colon++ = '\0';
                r = sse_take_field(sse, line, colon + (*colon == ' '));
        }
        buffer_clear(&sse->line);
        return r;
}

int sse_feed(struct sse *sse, const char *data, size_t size, sse_handler handler, void *userdata) {
        const char *end = data + size;

        while (data < end) {
                const char *p = data;
                int r;

                /* A line ends with \n, \r or \r\n. */
                if (sse->after_cr && *p == '\n') {
                        sse->after_cr = false;
                        data++;
                        continue;
                }
                sse->after_cr = false;
                while (p < end && *p != '\n' && *p != '\r')
                        p++;
                if (sse->line.size + (size_t)(p - data) > SSE_MAX)
                        return -EMSGSIZE;
                buffer_append(&sse->line, data, (size_t)(p - data));
                if (buffer_finish(&sse->line) < 0)
                        return -ENOMEM;
                if (p == end)
                        return 0;
                sse->after_cr = *p == '\r';
                data = p + 1;
                r = sse_take_line(sse, handler, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

void sse_restart(struct sse *sse) {
        buffer_clear(&sse->line);
        buffer_clear(&sse->data);
        (void)text_copy(sse->id, sizeof(sse->id), sse->last_id);
        sse->event[0] = '\0';
        sse->after_cr = false;
}

void sse_deinit(struct sse *sse) {
        buffer_deinit(&sse->line);
        buffer_deinit(&sse->data);
}

#define RETRY_FLOOR_USEC (100 * USEC_PER_MSEC)
#define RETRY_CEILING_USEC (2 * USEC_PER_SEC)

int event_stream_receive(void *userdata, const char *data, size_t size) {
        struct event_stream *stream = userdata;

        return sse_feed(&stream->sse, data, size, stream->handler, stream->userdata);
}

static int event_stream_start(struct event_stream *stream) {
        const char *last = stream->sse.last_id[0] ? stream->sse.last_id : stream->replay ? "0" : NULL;
        struct request request = {
                .path = stream->path,
                .timeout_usec = USEC_INFINITY,
                .last_event_id = last,
                .receive = event_stream_receive,
                .userdata = stream,
        };

        sse_restart(&stream->sse);
        stream->retry_boot_usec = USEC_INFINITY;
        return client_start(stream->client, &request, &stream->exchange);
}

int event_stream_init(struct event_stream *stream, struct client *client, const char *database, sse_handler handler, void *userdata) {
        *stream = (struct event_stream){.client = client, .handler = handler, .userdata = userdata};
        stream->path = client_path("/events", NULL, (const struct parameter[]){{"db", database}, {0}});
        return stream->path ? 0 : -ENOMEM;
}

/* A refusal or an invalid answer would be repeated; 429 and 503 pass. */
static bool event_stream_may_pass(const struct event_stream *stream) {
        const struct exchange *exchange = stream->exchange;

        if (exchange->error < 0)
                return stream->stood && exchange->error != -EBADMSG && exchange->error != -EMSGSIZE && exchange->error != -ENOMEM;
        return stream->stood && (exchange->status == 200 || exchange->status == 429 || exchange->status == 503);
}

static int event_stream_on_end(struct event_stream *stream, uint64_t now_boot_usec) {
        bool stands = stream->stands;

        stream->stands = false;
        if (!event_stream_may_pass(stream))
                return STREAM_ENDED;
        stream->failures++;
        stream->retry_boot_usec = usec_add(now_boot_usec, backoff_usec(stream->failures, RETRY_FLOOR_USEC, RETRY_CEILING_USEC));
        stream->exchange = exchange_free(stream->exchange);
        return stands ? STREAM_LOST : 0;
}

int event_stream_turn(struct event_stream *stream, uint64_t now_boot_usec) {
        if (!stream->exchange)
                return stream->retry_boot_usec > now_boot_usec ? 0 : event_stream_start(stream);
        if (!stream->stands && stream->exchange->status == 200) {
                stream->stands = stream->stood = true;
                stream->failures = 0;
                return STREAM_OPENED;
        }
        return stream->exchange->done ? event_stream_on_end(stream, now_boot_usec) : 0;
}

void event_stream_deinit(struct event_stream *stream) {
        exchange_free(stream->exchange);
        sse_deinit(&stream->sse);
        free(stream->path);
        *stream = (struct event_stream){0};
}

int event_read(const char *data, bool raw, json_t **ret_json, struct event_status *ret_event) {
        _cleanup_(json_freep) json_t *json = json_loads(data, JSON_REJECT_DUPLICATES, NULL);
        struct event_status event;
        char wrong[DECODE_PATH_MAX];

        if (!json)
                return -EBADMSG;
        if (!raw && sanitize_json(json) < 0)
                return -ENOMEM;
        if (decode(json, event_fields, &event, wrong) < 0)
                return -EBADMSG;
        *ret_json = steal_pointer(&json);
        *ret_event = event;
        return 0;
}

static void event_append_state(struct buffer *buffer, const struct terminal *terminal, const struct event_status *event) {
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

static void event_append_wake(struct buffer *buffer, const struct event_status *event) {
        char span[DURATION_MAX];

        /* Nobody saw when that wake began. */
        if (event->latency_usec == USEC_INFINITY) {
                buffer_printf(buffer, "found awake, woken by %s",
                              !event->cause || streq(event->cause, "other") ? "somebody else" : event->cause);
                return;
        }
        buffer_printf(buffer, "woken in %s", format_span(span, event->latency_usec));
        buffer_printf(buffer, " (%s%s%s)", event->cold > 0 ? "cold" : "not proven cold", event->cause ? ", caused by " : "",
                      event->cause ? event->cause : "");
}

static void event_append_budget(struct buffer *buffer, const struct terminal *terminal, const struct event_status *event) {
        if (event->reason && !streq(event->reason, "ok"))
                style_append(buffer, terminal, STYLE_WARN, "the month's budget of awake hours is spent");
        else
                buffer_append_string(buffer, "a new month, and its budget of awake hours");
}

void event_append(struct buffer *buffer, const struct terminal *terminal, const struct event_status *event) {
        char time[FORMAT_TIME_MAX];

        buffer_printf(buffer, "%s  ", format_time(time, event->at_real_usec, true));
        style_append(buffer, terminal, STYLE_HEAD, event->database);
        buffer_append_string(buffer, "  ");
        if (streq(event->kind, "wake"))
                event_append_wake(buffer, event);
        else if (streq(event->kind, "budget"))
                event_append_budget(buffer, terminal, event);
        else if (streq(event->kind, "state") && event->state)
                event_append_state(buffer, terminal, event);
        else
                buffer_printf(buffer, "%s", event->kind);
        buffer_append(buffer, "\n", 1);
}
