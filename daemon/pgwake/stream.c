#include "pgwake/stream.h"

#include "base/random.h"
#include "base/clock.h"

#include <errno.h>

#define RETRY_FLOOR_USEC (100 * USEC_PER_MSEC)
#define RETRY_CEILING_USEC (2 * USEC_PER_SEC)

static int receive(void *userdata, const char *data, size_t size) {
        struct stream *stream = userdata;

        return sse_feed(&stream->sse, data, size, stream->handler, stream->userdata);
}

static int start(struct stream *stream) {
        const char *last = stream->sse.last_id[0] ? stream->sse.last_id : stream->replay ? "0" : NULL;
        struct request request = {
                .path = stream->path,
                .timeout_usec = USEC_INFINITY,
                .last_event_id = last,
                .receive = receive,
                .userdata = stream,
        };

        sse_restart(&stream->sse);
        stream->retry_boot_usec = USEC_INFINITY;
        return client_start(stream->client, &request, &stream->exchange);
}

int stream_init(struct stream *stream, struct client *client, const char *database, sse_handler handler, void *userdata) {
        *stream = (struct stream){.client = client, .handler = handler, .userdata = userdata};
        stream->path = client_path("/events", NULL, (const struct parameter[]){{"db", database}, {0}});
        return stream->path ? 0 : -ENOMEM;
}

/* What is refused or not understood will be so again; 429 and 503 pass. */
static bool may_pass(const struct stream *stream) {
        const struct exchange *exchange = stream->exchange;

        if (exchange->error < 0)
                return stream->stood && exchange->error != -EBADMSG && exchange->error != -EMSGSIZE && exchange->error != -ENOMEM;
        return stream->stood && (exchange->status == 200 || exchange->status == 429 || exchange->status == 503);
}

static int on_end(struct stream *stream, uint64_t now_boot_usec) {
        bool stands = stream->stands;

        stream->stands = false;
        if (!may_pass(stream))
                return STREAM_ENDED;
        stream->failures++;
        stream->retry_boot_usec = usec_add(now_boot_usec, backoff_usec(stream->failures, RETRY_FLOOR_USEC, RETRY_CEILING_USEC));
        stream->exchange = exchange_free(stream->exchange);
        return stands ? STREAM_LOST : 0;
}

int stream_turn(struct stream *stream, uint64_t now_boot_usec) {
        if (!stream->exchange)
                return stream->retry_boot_usec > now_boot_usec ? 0 : start(stream);
        if (!stream->stands && stream->exchange->status == 200) {
                stream->stands = stream->stood = true;
                stream->failures = 0;
                return STREAM_OPENED;
        }
        return stream->exchange->done ? on_end(stream, now_boot_usec) : 0;
}

void stream_deinit(struct stream *stream) {
        exchange_free(stream->exchange);
        sse_deinit(&stream->sse);
        free(stream->path);
        *stream = (struct stream){0};
}
