/*
 * What pgwake reads of /events: the stream, the JSON of each event, and the line that is drawn of it. The first byte says in pieces of
 * which size the rest comes; in which it comes must not matter.
 */
#include "fuzz.h"

#include "pgwake/event-stream.h"
#include "pgwake/sanitize.h"

static int take(void *userdata, const char *kind, const char *data) {
        const struct terminal terminal = {.colour = false};
        struct buffer *lines = userdata, line = {0};
        json_t *json;
        struct event_status event;
        int r;

        buffer_printf(lines, "%s: %s\n", kind, data);
        r = event_read(data, false, &json, &event);
        if (r == 0) {
                event_append(&line, &terminal, &event);
                json_decref(json);
                fuzz_check(buffer_finish(&line) == 0 && line.size > 0 && line.data[line.size - 1] == '\n', "no whole line");
                line.data[--line.size] = '\0';
                fuzz_check(sanitize_is_clean(line.data), "a line that can move the cursor");
                buffer_append(lines, line.data, line.size);
        }
        buffer_deinit(&line);
        return 0;
}

/* All of it, in pieces of STEP bytes, and the last id; answers what sse_feed() did. */
static int feed(const char *data, size_t size, size_t step, struct buffer *lines) {
        struct sse sse = {0};
        int r = 0;

        for (size_t at = 0; at < size && r == 0; at += step)
                r = sse_feed(&sse, data + at, MIN(step, size - at), take, lines);
        for (const char *p = sse.last_id; *p; p++)
                fuzz_check(*p > ' ' && *p < 0x7F, "an id that does not fit into a header");
        buffer_printf(lines, "%s\n", sse.last_id);
        sse_restart(&sse);
        sse_deinit(&sse);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct buffer whole = {0}, pieces = {0};
        const char *text;

        if (size < 2)
                return 0;
        text = (const char *)data + 1;
        fuzz_check(feed(text, size - 1, size - 1, &whole) == feed(text, size - 1, 1 + data[0] % 16, &pieces), "another answer in pieces");
        fuzz_check(whole.size == pieces.size && memcmp(whole.data, pieces.data, whole.size) == 0, "other events in pieces");
        buffer_deinit(&whole);
        buffer_deinit(&pieces);
        return 0;
}
