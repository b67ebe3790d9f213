#include "http/events.h"

#include "api/event.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/timer.h"
#include "http/answer.h"
#include "http/ring.h"
#include "http/route.h"

#include <assert.h>
#include <inttypes.h>
#include <sys/queue.h>

#define PING_INTERVAL_USEC (15 * USEC_PER_SEC)
/* A stream whose next event has left the ring is dropped if it reads nothing for this long. */
#define BEHIND_MAX_USEC (5 * USEC_PER_SEC)

struct event_stream {
        struct events *events;
        struct exchange *exchange;
        uint64_t seen;              /* the last event that was written or skipped */
        uint64_t behind_since_usec; /* since when its next event is gone; 0: it is not */
        uint64_t behind_max_usec;   /* after that long it is dropped */
        char database[TEXT_NAME_MAX + 1]; /* "": all */
        bool ends;          /* when everything is sent */
        bool ping_due;
        struct buffer rest; /* events that did not fit, and text to send first */
        size_t rest_sent;
        struct buffer last; /* sent after everything else */
        struct stream_owner owner;
        LIST_ENTRY(event_stream) link;
};

struct events {
        struct server *server;
        struct ring ring;
        uint64_t begun; /* the number before the first */
        size_t n_databases;
        LIST_HEAD(, event_stream) streams;
        struct timer ping;
        /* The event composed last: a thousand streams need the same. */
        struct buffer frame;
        uint64_t frame_sequence;
};

/* Writing. */

static const struct buffer *frame_of(struct events *events, const struct event *event) {
        if (events->frame_sequence != event->sequence || events->frame.size == 0 || events->frame.failed) {
                buffer_clear(&events->frame);
                event_format(event, &events->frame);
                events->frame_sequence = event->sequence;
        }
        return &events->frame;
}

static size_t write_rest(struct event_stream *stream, char *buffer, size_t size) {
        size_t n = MIN(size, stream->rest.size - stream->rest_sent);

        if (n > 0)
                memcpy(buffer, stream->rest.data + stream->rest_sent, n);
        stream->rest_sent += n;
        if (n > 0 && stream->rest_sent == stream->rest.size) {
                buffer_deinit(&stream->rest);
                stream->rest_sent = 0;
        }
        return n;
}

static bool wants(const struct event_stream *stream, const char *database) {
        return !*stream->database || streq(stream->database, database);
}

static void write_gap(struct event_stream *stream) {
        const struct ring *ring = &stream->events->ring;
        struct json_writer w = {.buffer = &stream->rest};
        struct gap_status gap = {
                .message = "some events after the last one seen are no longer known",
                .last_seen = stream->seen,
                .oldest = ring->oldest,
                .newest = ring->newest,
        };

        buffer_append_string(&stream->rest, "event: gap\ndata: ");
        field_write_object(&w, NULL, gap_fields, &gap, false);
        buffer_append_string(&stream->rest, "\n\n");
        stream->seen = ring->oldest - 1;
}

/* A number from the future was assigned by an earlier daemon: its events are not known here. */
static bool has_gap(const struct event_stream *stream) {
        const struct ring *ring = &stream->events->ring;

        return stream->seen + 1 < ring->oldest || stream->seen > ring->newest;
}

/* Writes everything that fits as a whole; an event that never fits (the connection's buffer is almost full) goes through `rest`. */
static ssize_t write_events(struct event_stream *stream, char *buffer, size_t size) {
        struct events *events = stream->events;
        size_t n = 0;

        while (stream->seen < events->ring.newest) {
                const struct event *event = ring_at(&events->ring, stream->seen + 1);
                const struct buffer *frame;

                assert(event);
                if (!wants(stream, event->database)) {
                        stream->seen++;
                        continue;
                }
                frame = frame_of(events, event);
                if (buffer_finish(frame) < 0)
                        return STREAM_BREAKS;
                if (frame->size > size - n) {
                        if (n > 0)
                                break;
                        buffer_append(&stream->rest, frame->data, frame->size);
                        stream->seen++;
                        return (ssize_t)write_rest(stream, buffer, size);
                }
                memcpy(buffer + n, frame->data, frame->size);
                n += frame->size;
                stream->seen++;
        }
        return (ssize_t)n;
}

static ssize_t read_stream(void *userdata, char *buffer, size_t size) {
        struct event_stream *stream = userdata;
        struct events *events = stream->events;
        ssize_t n;

        stream->behind_since_usec = 0;
        if (stream->rest.failed || stream->last.failed)
                return STREAM_BREAKS;
        n = (ssize_t)write_rest(stream, buffer, size);
        if (n == 0 && has_gap(stream)) {
                write_gap(stream);
                n = (ssize_t)write_rest(stream, buffer, size);
        }
        if (n == 0)
                n = write_events(stream, buffer, size);
        if (n == 0 && stream->last.size > 0) {
                stream->rest = stream->last;
                stream->last = (struct buffer){0};
                n = (ssize_t)write_rest(stream, buffer, size);
        }
        if (n == 0 && stream->ping_due && !stream->ends) {
                buffer_append_string(&stream->rest, ": ping\n\n");
                n = (ssize_t)write_rest(stream, buffer, size);
        }
        stream->ping_due = false;
        if (stream->rest.failed)
                return STREAM_BREAKS;
        if (n != 0)
                return n;
        return stream->ends || events->server->stopping ? STREAM_ENDS : STREAM_WAITS;
}

/* Life cycle of a stream. */

static void on_ping(void *userdata) {
        struct events *events = userdata;
        struct event_stream *stream;

        LIST_FOREACH(stream, &events->streams, link)
                if (exchange_waits(stream->exchange)) {
                        stream->ping_due = true;
                        exchange_continue(stream->exchange);
                }
        timer_set_after(&events->ping, PING_INTERVAL_USEC);
}

static void add_stream(struct events *events, struct event_stream *stream) {
        if (LIST_EMPTY(&events->streams))
                timer_set_after(&events->ping, PING_INTERVAL_USEC);
        LIST_INSERT_HEAD(&events->streams, stream, link);
}

static void free_stream(void *userdata) {
        struct event_stream *stream = userdata;
        struct events *events = stream->events;

        LIST_REMOVE(stream, link);
        if (LIST_EMPTY(&events->streams))
                timer_set(&events->ping, USEC_INFINITY);
        buffer_deinit(&stream->rest);
        buffer_deinit(&stream->last);
        if (stream->owner.gone)
                stream->owner.gone(stream->owner.userdata);
        free(stream);
}

/* Drops a client that reads too slowly or not at all. Its next connection begins with a gap. */
static void drop_if_stuck(struct event_stream *stream, uint64_t now_usec) {
        if (!has_gap(stream))
                return;
        if (stream->behind_since_usec == 0)
                stream->behind_since_usec = now_usec;
        else if (now_usec >= stream->behind_since_usec + stream->behind_max_usec)
                exchange_drop(stream->exchange);
}

/* The ring never shrinks: events of a removed database may not have been read yet. */
static void count_databases(struct events *events, const struct event *event) {
        if (event->kind == EVENT_ADDED)
                events->n_databases++;
        else if (event->kind == EVENT_REMOVED && events->n_databases > 0)
                events->n_databases--;
        events->ring.limit = MAX(events->ring.limit, ring_size_for(events->n_databases));
}

void events_notify(struct events *events, const struct event *event) {
        struct event_stream *stream;

        count_databases(events, event);
        ring_push(&events->ring, event);
        LIST_FOREACH(stream, &events->streams, link) {
                if (!exchange_waits(stream->exchange))
                        drop_if_stuck(stream, event->boot_usec);
                else if (wants(stream, event->database))
                        exchange_continue(stream->exchange);
                else
                        stream->seen = event->sequence;
        }
}

/* The beginning of a stream. */

/* 0, or -EINVAL if it is no sequence number. */
static int parse_last_event_id(const char *text, uint64_t *ret_last) {
        char *end;

        if (strspn(text, "0123456789") != strlen(text) || !*text)
                return -EINVAL;
        errno = 0;
        *ret_last = strtoull(text, &end, 10);
        return errno == 0 && *ret_last < UINT64_MAX ? 0 : -EINVAL;
}

/* Returns NULL if memory runs out. The stream is not in the list yet. */
static struct event_stream *make_stream(struct events *events, struct exchange *exchange, const char *database) {
        struct event_stream *stream = calloc(1, sizeof(*stream));

        if (!stream)
                return NULL;
        stream->events = events;
        stream->exchange = exchange;
        stream->behind_max_usec = BEHIND_MAX_USEC;
        (void)text_copy(stream->database, sizeof(stream->database), database);
        return stream;
}

static void answer_with(struct event_stream *stream) {
        add_stream(stream->events, stream);
        exchange_stream(stream->exchange, &(struct reply){.status = 200, .content_type = "text/event-stream"}, true,
                        &(struct stream){.read = read_stream, .free = free_stream, .userdata = stream});
}

static void answer_no_stream(struct server *server, struct exchange *exchange) {
        answer_unavailable(server, exchange, RETRY_UNKNOWN_SEC, "no_memory", "no memory is left for another stream");
}

static void events_start(struct request *request, bool has_last, uint64_t last_seen) {
        struct events *events = request->server->events;
        struct event_stream *stream = make_stream(events, request->exchange, request->query.db);

        if (!stream) {
                answer_no_stream(request->server, request->exchange);
                return;
        }
        stream->ends = request->query.no_follow;
        /* This comment makes the headers go out at once. */
        buffer_append_string(&stream->rest, ": pgwaked\n\n");
        /* 0 is before everything, whatever the first number was. */
        if (has_last)
                stream->seen = last_seen ? last_seen : events->begun;
        else
                stream->seen = stream->ends ? events->ring.oldest - 1 : events->ring.newest;
        answer_with(stream);
}

void events_get(struct request *request) {
        const char *id = exchange_header(request->exchange, "Last-Event-ID"), *database = request->query.db;
        uint64_t last_seen = 0;

        if (id && parse_last_event_id(id, &last_seen) < 0)
                answer_error(request->server, request->exchange, 400, "bad_request", "Last-Event-ID: %.40s is no sequence number", id);
        else if (database && !registry_by_name(engine_registry(request->server->engine), database))
                answer_unknown_database(request->server, request->exchange, database);
        else
                events_start(request, id != NULL, last_seen);
}

/* Streams with an owner. */

void events_begin(struct events *events, struct exchange *exchange, const char *database, const struct buffer *head,
                  uint64_t behind_max_usec, const struct stream_owner *owner, struct event_stream **ret_stream) {
        struct event_stream *stream = make_stream(events, exchange, database);

        if (!stream) {
                answer_no_stream(events->server, exchange);
                owner->gone(owner->userdata);
                return;
        }
        buffer_append(&stream->rest, head->data, head->size);
        stream->rest.failed = stream->rest.failed || head->failed;
        stream->seen = events->ring.newest;
        stream->behind_max_usec = behind_max_usec;
        stream->owner = *owner;
        *ret_stream = stream;
        answer_with(stream);
}

void events_end(struct event_stream *stream, const struct buffer *last) {
        if (stream->ends)
                return;
        stream->ends = true;
        buffer_append(&stream->last, last->data, last->size);
        stream->last.failed = stream->last.failed || last->failed;
        exchange_continue(stream->exchange);
}

/* Life cycle of all. */

int events_new(struct server *server, struct events **ret_events) {
        struct events *events = calloc(1, sizeof(*events));
        int r;

        if (!events)
                return -ENOMEM;
        events->server = server;
        events->begun = engine_sequence(server->engine);
        events->n_databases = registry_count(engine_registry(server->engine));
        r = ring_init(&events->ring, events->begun, ring_size_for(events->n_databases));
        if (r >= 0)
                r = timer_init(&events->ping, server->event, CLOCK_BOOTTIME, USEC_PER_SEC, "events-ping", on_ping, events);
        if (r < 0) {
                events_free(events);
                return r;
        }
        *ret_events = events;
        return 0;
}

struct events *events_free(struct events *events) {
        if (!events)
                return NULL;
        assert(LIST_EMPTY(&events->streams));
        timer_deinit(&events->ping);
        ring_deinit(&events->ring);
        buffer_deinit(&events->frame);
        free(events);
        return NULL;
}

void events_stop(struct events *events) {
        struct event_stream *stream;

        LIST_FOREACH(stream, &events->streams, link) {
                if (stream->owner.stopping)
                        stream->owner.stopping(stream->owner.userdata);
                exchange_continue(stream->exchange);
        }
}
