#include "conf/complaint.h"

#include "base/log.h"
#include "base/message-id.h"

#include "base/text.h"

static bool reserve(struct complaints *complaints) {
        size_t allocated = complaints->allocated ? complaints->allocated * 2 : 16;
        struct complaint *items;

        if (complaints->n < complaints->allocated)
                return true;
        items = reallocarray(complaints->items, allocated, sizeof(*items));
        if (!items)
                return false;
        complaints->items = items;
        complaints->allocated = allocated;
        return true;
}

_printf_(6, 0) static void add(struct complaints *complaints, enum complaint_severity severity, const char *file, unsigned line,
                               const char *key, const char *format, va_list arguments) {
        struct complaint complaint = {.severity = severity, .line = line, .order = complaints->n};
        struct buffer text = {0};

        /* The error counts even where it cannot be kept: a configuration with an error must never be taken. */
        if (severity == COMPLAINT_ERROR)
                complaints->n_errors++;
        if (key)
                buffer_printf(&text, "%s: ", key);
        buffer_vprintf(&text, format, arguments);
        complaint.text = buffer_steal(&text);
        complaint.file = strdup(file);
        if (!complaint.text || !complaint.file || !reserve(complaints)) {
                free(complaint.text);
                free(complaint.file);
                complaints->failed = true;
                return;
        }
        text_flatten(complaint.text);
        complaints->items[complaints->n++] = complaint;
}

void complaint_add(struct complaints *complaints, enum complaint_severity severity, const char *file, unsigned line, const char *format,
                   ...) {
        va_list arguments;

        va_start(arguments, format);
        add(complaints, severity, file, line, NULL, format, arguments);
        va_end(arguments);
}

void place_error(const struct complaint_place *place, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        add(place->complaints, COMPLAINT_ERROR, place->file, place->line, place->key, format, arguments);
        va_end(arguments);
}

void place_warning(const struct complaint_place *place, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        add(place->complaints, COMPLAINT_WARNING, place->file, place->line, place->key, format, arguments);
        va_end(arguments);
}

static int compare(const void *left, const void *right) {
        const struct complaint *a = left, *b = right;
        int r = strcmp(a->file, b->file);

        if (r)
                return r;
        if (a->line != b->line)
                return a->line < b->line ? -1 : 1;
        return (a->order > b->order) - (a->order < b->order);
}

void complaints_sort(struct complaints *complaints) {
        if (complaints->n)
                qsort(complaints->items, complaints->n, sizeof(*complaints->items), compare);
}

void complaint_format(const struct complaint *complaint, struct buffer *buffer) {
        const char *severity = complaint->severity == COMPLAINT_ERROR ? "error" : "warning";

        if (complaint->line)
                buffer_printf(buffer, "%s:%u: %s: %s", complaint->file, complaint->line, severity, complaint->text);
        else
                buffer_printf(buffer, "%s: %s: %s", complaint->file, severity, complaint->text);
}

void complaints_log(const struct complaints *complaints) {
        for (size_t i = 0; i < complaints->n; i++) {
                bool error = complaints->items[i].severity == COMPLAINT_ERROR;
                _cleanup_(buffer_deinit) struct buffer line = {0};

                complaint_format(&complaints->items[i], &line);
                if (buffer_finish(&line) == 0)
                        log_entry(error ? LOG_ERR : LOG_WARNING, error ? MESSAGE_ID_CONFIG_ERROR : MESSAGE_ID_CONFIG_WARNING, NULL, 0, "%s",
                                  line.data);
        }
}

void complaints_deinit(struct complaints *complaints) {
        for (size_t i = 0; i < complaints->n; i++) {
                free(complaints->items[i].file);
                free(complaints->items[i].text);
        }
        free(complaints->items);
        *complaints = (struct complaints){0};
}
