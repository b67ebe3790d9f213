#include "pgwake/terminal.h"

#include "base/error.h"
#include "pgwake/sanitize.h"

#include <poll.h>
#include <sys/ioctl.h>

static unsigned environment_number(const char *name) {
        const char *text = getenv(name);
        long value = text ? strtol(text, NULL, 10) : 0;

        return value > 0 && value < 10000 ? (unsigned)value : 0;
}

void terminal_measure(struct terminal *terminal) {
        struct winsize size = {0};

        terminal->columns = terminal->rows = 0;
        if (terminal->is_terminal && ioctl(fileno(terminal->file), TIOCGWINSZ, &size) == 0) {
                terminal->columns = size.ws_col;
                terminal->rows = size.ws_row;
        }
        if (terminal->columns == 0)
                terminal->columns = environment_number("COLUMNS");
}

void terminal_open(struct terminal *terminal, FILE *file) {
        const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");

        *terminal = (struct terminal){.file = file};
        terminal->is_terminal = isatty(fileno(file)) && term && *term && !streq(term, "dumb");
        /* no-color.org: any non-empty value. */
        terminal->colour = terminal->is_terminal && !(no_colour && *no_colour);
        terminal_measure(terminal);
}

void style_append(struct buffer *buffer, const struct terminal *terminal, enum style style, const char *text) {
        static const char *const codes[] = {
                [STYLE_PLAIN] = NULL,
                [STYLE_GOOD] = "32",
                [STYLE_BUSY] = "36",
                [STYLE_QUIET] = "34",
                [STYLE_WARN] = "33",
                [STYLE_BAD] = "1;31",
                [STYLE_HEAD] = "1",
        };

        if (terminal->colour && codes[style])
                buffer_printf(buffer, "\033[%sm%s\033[0m", codes[style], text);
        else
                buffer_append_string(buffer, text);
}

enum style style_of_state(const char *name) {
        enum state state;

        if (state_from_name(name, &state) < 0)
                return STYLE_PLAIN;
        switch (state) {
        case STATE_AWAKE:
                return STYLE_GOOD;
        case STATE_WAKING:
                return STYLE_BUSY;
        case STATE_ASLEEP:
                return STYLE_QUIET;
        case STATE_UNKNOWN:
        case STATE_DEGRADED:
        case STATE_FULL:
                return STYLE_WARN;
        case STATE_DOWN:
        case STATE_BLOCKED:
                return STYLE_BAD;
        case _STATE_MAX:
                break;
        }
        return STYLE_PLAIN;
}

int terminal_write(const struct terminal *terminal, const struct buffer *buffer) {
        if (buffer_finish(buffer) < 0)
                return -ENOMEM;
        errno = 0;
        if (buffer->size && fwrite(buffer->data, 1, buffer->size, terminal->file) != buffer->size)
                return error_from_errno();
        if (fflush(terminal->file) != 0)
                return error_from_errno();
        return 0;
}

bool terminal_is_gone(const struct terminal *terminal) {
        struct pollfd fd = {.fd = fileno(terminal->file)};

        return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLHUP | POLLNVAL));
}

static int write_dump(const struct terminal *terminal, const json_t *json, size_t flags) {
        /* 15 digits: a double preserves that many of a decimal number. */
        _cleanup_free_ char *text = json_dumps(json, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        _cleanup_(buffer_deinit) struct buffer buffer = {0};
        const char *p = text, *del;

        if (!text)
                return -ENOMEM;
        /* DEL is the one control character that JSON and jansson let through; it can only be inside a string. */
        for (; (del = strchr(p, 0x7F)); p = del + 1) {
                buffer_append(&buffer, p, (size_t)(del - p));
                buffer_append_string(&buffer, "\\u007f");
        }
        buffer_append_string(&buffer, p);
        buffer_append(&buffer, "\n", 1);
        return terminal_write(terminal, &buffer);
}

int terminal_write_json(const struct terminal *terminal, const json_t *json) {
        return write_dump(terminal, json, terminal->is_terminal ? JSON_INDENT(2) : 0);
}

int terminal_write_json_line(const struct terminal *terminal, const json_t *json) {
        return write_dump(terminal, json, 0);
}

static struct {
        FILE *file;
        const char *prefix;
        bool chosen;
} complaints;

void complain_to(FILE *file, const char *prefix) {
        complaints.file = file;
        complaints.prefix = prefix;
        complaints.chosen = true;
}

void complain(const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer text = {0}, line = {0};
        FILE *file = complaints.chosen ? complaints.file : stderr;
        va_list arguments;

        if (!file)
                return;
        va_start(arguments, format);
        buffer_vprintf(&text, format, arguments);
        va_end(arguments);
        buffer_append_string(&line, complaints.chosen ? complaints.prefix : "pgwake: ");
        sanitize_append(&line, text.data ? text.data : "");
        buffer_append(&line, "\n", 1);
        if (buffer_finish(&text) < 0 || buffer_finish(&line) < 0)
                (void)fputs("pgwake: out of memory\n", file);
        else
                (void)fwrite(line.data, 1, line.size, file);
        (void)fflush(file);
}
