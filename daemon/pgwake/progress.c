#include "pgwake/progress.h"

#include "base/clock.h"
#include "pgwake/clean.h"
#include "pgwake/say.h"

#define BAR_WIDTH 20

/* "[########............]": how much of the expected time is over. */
static void append_bar(struct buffer *buffer, uint64_t elapsed_usec, uint64_t total_usec) {
        size_t full = total_usec ? (size_t)(elapsed_usec * BAR_WIDTH / total_usec) : BAR_WIDTH;

        buffer_append(buffer, " [", 2);
        for (size_t i = 0; i < BAR_WIDTH; i++)
                buffer_append(buffer, i < full ? "#" : ".", 1);
        buffer_append(buffer, "]", 1);
}

static void append_expectation(struct buffer *buffer, uint64_t elapsed_usec, uint64_t total_usec) {
        char span[DURATION_MAX];

        if (total_usec == USEC_INFINITY)
                return;
        if (elapsed_usec <= total_usec)
                buffer_printf(buffer, " of about %s", say_span(span, total_usec));
        else
                buffer_printf(buffer, ", longer than the expected %s", say_span(span, total_usec));
}

/* Whole tenths: more would only flicker. */
static void append_elapsed(struct buffer *buffer, uint64_t elapsed_usec) {
        char span[DURATION_MAX];

        if (elapsed_usec < USEC_PER_MINUTE)
                buffer_printf(buffer, " %.1f s", (double)(elapsed_usec / 100000) / 10);
        else
                buffer_printf(buffer, " %s", say_span(span, elapsed_usec));
}

void progress_draw(struct progress *progress, uint64_t now_boot_usec, const struct progress_view *view) {
        uint64_t elapsed = usec_sub(now_boot_usec, progress->started_boot_usec);
        uint64_t total = usec_sub(view->expected_boot_usec, progress->started_boot_usec);
        _cleanup_(buffer_deinit) struct buffer text = {0}, line = {0}, out = {0};

        if (!progress->terminal->is_terminal)
                return;
        if (view->total > 1)
                buffer_printf(&text, "%zu of %zu; ", view->done, view->total);
        buffer_printf(&text, "%s: %s", view->name, view->state ? view->state : "waiting");
        if (view->reason && !streq(view->reason, "ok"))
                buffer_printf(&text, " (%s)", view->reason);
        if (total != USEC_INFINITY)
                append_bar(&text, elapsed, total);
        append_elapsed(&text, elapsed);
        append_expectation(&text, elapsed, total);
        if (buffer_finish(&text) < 0)
                return;
        clean_append(&line, text.data);
        if (buffer_finish(&line) < 0)
                return;
        /* One column stays free: some terminals wrap at the last one. */
        clean_cut(line.data, progress->terminal->columns > 1 ? progress->terminal->columns - 1 : 79);
        buffer_printf(&out, "\r%s\033[K", line.data);
        (void)terminal_write(progress->terminal, &out);
        progress->shown = true;
}

void progress_clear(struct progress *progress) {
        _cleanup_(buffer_deinit) struct buffer buffer = {0};

        if (!progress->shown)
                return;
        buffer_append_string(&buffer, "\r\033[K");
        (void)terminal_write(progress->terminal, &buffer);
        progress->shown = false;
}
