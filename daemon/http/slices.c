#include "http/slices.h"

#include "http/answer.h"

/* About what libmicrohttpd takes at a time. */
#define SLICE_BYTES ((size_t)12 * 1024)
/* What one takes while its reader does not read, with the step that went past the slice. */
#define HELD_BYTES ((size_t)16 * 1024)
/* Bounds the time of a slice whose steps add little or nothing. */
#define SLICE_STEPS 512

bool slices_step(struct slices *slices) {
        return slices->text.size < SLICE_BYTES && slices->steps++ < SLICE_STEPS;
}

static void compose_next(struct slices *slices) {
        slices->steps = 0;
        slices->complete = !slices->compose(slices);
}

static ssize_t read_slices(void *userdata, char *buffer, size_t size) {
        struct slices *slices = userdata;
        size_t n;

        while (slices->sent == slices->text.size && buffer_finish(&slices->text) == 0) {
                if (slices->complete)
                        return STREAM_ENDS;
                buffer_clear(&slices->text);
                slices->sent = 0;
                compose_next(slices);
        }
        if (buffer_finish(&slices->text) < 0)
                return STREAM_BREAKS;
        n = MIN(size, slices->text.size - slices->sent);
        memcpy(buffer, slices->text.data + slices->sent, n);
        slices->sent += n;
        return (ssize_t)n;
}

static void free_slices(void *userdata) {
        struct slices *slices = userdata;

        buffer_deinit(&slices->text);
        if (slices->listener)
                answer_held_no_more(slices->listener, HELD_BYTES);
        slices->free(slices);
}

static void stream(struct slices *slices, struct exchange *exchange, const struct reply *head) {
        struct listener *listener = exchange_owner(exchange);

        if (!answer_may_hold(listener, HELD_BYTES)) {
                answer_too_much_held(listener->server, exchange);
                free_slices(slices);
                return;
        }
        slices->listener = listener;
        exchange_stream(exchange, head, false, &(struct stream){.read = read_slices, .free = free_slices, .userdata = slices});
}

void slices_answer(struct slices *slices, struct exchange *exchange, const struct reply *head) {
        struct reply reply = *head;

        compose_next(slices);
        if (!slices->complete) {
                stream(slices, exchange, head);
                return;
        }
        reply.body = &slices->text;
        exchange_reply(exchange, &reply);
        free_slices(slices);
}
