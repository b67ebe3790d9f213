#include "pgwake/sse.h"

#include "base/text.h"

#include <errno.h>

/* An id is sent back inside a header line: only what cannot be mistaken there is taken. */
static bool is_id(const char *text) {
        size_t length = strlen(text);

        for (size_t i = 0; i < length; i++)
                if (text[i] <= ' ' || text[i] >= 0x7F)
                        return false;
        return length < SSE_ID_MAX;
}

static int take_field(struct sse *sse, const char *name, const char *value) {
        if (streq(name, "data")) {
                if (sse->data.size + strlen(value) >= SSE_MAX)
                        return -EMSGSIZE;
                buffer_append_string(&sse->data, value);
                buffer_append(&sse->data, "\n", 1);
                return buffer_finish(&sse->data);
        }
        if (streq(name, "event"))
                (void)text_copy(sse->event, sizeof(sse->event), value);
        else if (streq(name, "id") && is_id(value))
                (void)text_copy(sse->id, sizeof(sse->id), value);
        return 0;
}

/* An empty line: the event is whole. Without data it is none. */
static int dispatch(struct sse *sse, sse_handler handler, void *userdata) {
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

static int take_line(struct sse *sse, sse_handler handler, void *userdata) {
        char *line = sse->line.data, *colon;
        int r;

        if (sse->line.size == 0)
                return dispatch(sse, handler, userdata);
        colon = strchr(line, ':');
        /* A comment: the daemon's sign of life. */
        if (colon == line)
                r = 0;
        else if (!colon)
                r = take_field(sse, line, "");
        else {
                *colon++ = '\0';
                r = take_field(sse, line, colon + (*colon == ' '));
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
                r = take_line(sse, handler, userdata);
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
