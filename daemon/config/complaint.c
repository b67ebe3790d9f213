#include "config/complaint.h"

#include "base/array.h"
#include "base/log.h"
#include "base/message-id.h"
#include "base/text.h"

static int compare_to_file(const void *name, const void *file) {
        return strcmp(name, ((const struct complaint_file *)file)->name);
}

/* The index of NAME among the files, or where to insert it. */
static size_t find_file(const struct complaints *complaints, const char *name) {
        return sorted_place(name, complaints->files, complaints->n_files, sizeof(*complaints->files), compare_to_file);
}

static bool is_file(const struct complaints *complaints, size_t i, const char *name) {
        return i < complaints->n_files && streq(complaints->files[i].name, name);
}

/* NULL if memory runs out. */
static struct complaint_file *file_called(struct complaints *complaints, const char *name) {
        size_t i = is_file(complaints, complaints->last_file, name) ? complaints->last_file : find_file(complaints, name);
        char *copy;

        complaints->last_file = i;
        if (is_file(complaints, i, name))
                return &complaints->files[i];
        copy = strdup(name);
        if (!copy ||
            array_reserve((void **)&complaints->files, complaints->n_files, &complaints->files_allocated, sizeof(*complaints->files)) < 0) {
                free(copy);
                return NULL;
        }
        memmove(&complaints->files[i + 1], &complaints->files[i], (complaints->n_files - i) * sizeof(*complaints->files));
        complaints->n_files++;
        complaints->files[i] = (struct complaint_file){.name = copy};
        return &complaints->files[i];
}

static bool complaint_has_room(const struct complaints *complaints, const struct complaint_file *file) {
        return file->n < COMPLAINTS_FILE_MAX && complaints->n < COMPLAINTS_MAX;
}

bool complaints_have_room(struct complaints *complaints, const char *file) {
        const struct complaint_file *found = file_called(complaints, file);

        return found && complaint_has_room(complaints, found);
}

/* Takes over the text. */
static void keep(struct complaints *complaints, struct complaint complaint) {
        if (!complaint.text ||
            array_reserve((void **)&complaints->items, complaints->n, &complaints->allocated, sizeof(*complaints->items)) < 0) {
                free(complaint.text);
                complaints->failed = true;
                return;
        }
        text_flatten(complaint.text);
        complaints->items[complaints->n++] = complaint;
}

_printf_(6, 0) static void add(struct complaints *complaints, enum complaint_severity severity, const char *name, unsigned line,
                               const char *key, const char *format, va_list arguments) {
        struct complaint_file *file = file_called(complaints, name);
        struct buffer text = {0};

        /* The error counts even if it cannot be kept: a configuration with an error must never be accepted. */
        complaints->n_errors += severity == COMPLAINT_ERROR;
        if (!file) {
                complaints->failed = true;
                return;
        }
        if (!complaint_has_room(complaints, file)) {
                file->more++;
                file->more_errors += severity == COMPLAINT_ERROR;
                return;
        }
        file->n++;
        if (key)
                buffer_printf(&text, "%s: ", key);
        buffer_vprintf(&text, format, arguments);
        keep(complaints, (struct complaint){severity, file->name, line, buffer_steal(&text), complaints->n});
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

static int complaint_compare(const void *left, const void *right) {
        const struct complaint *a = left, *b = right;
        int r = strcmp(a->file, b->file);

        if (r)
                return r;
        if (a->line != b->line && a->order != SIZE_MAX && b->order != SIZE_MAX)
                return a->line < b->line ? -1 : 1;
        return (a->order > b->order) - (a->order < b->order);
}

/* The number of complaints about FILE that were not kept, as its last complaint. */
static void add_rest(struct complaints *complaints, struct complaint_file *file) {
        struct buffer text = {0};

        buffer_printf(&text, "%zu more of this file %s not listed", file->more, file->more == 1 ? "is" : "are");
        keep(complaints, (struct complaint){file->more_errors ? COMPLAINT_ERROR : COMPLAINT_WARNING, file->name, 0, buffer_steal(&text),
                                            SIZE_MAX});
        file->more = file->more_errors = 0;
}

void complaints_sort(struct complaints *complaints) {
        for (size_t i = 0; i < complaints->n_files; i++)
                if (complaints->files[i].more)
                        add_rest(complaints, &complaints->files[i]);
        if (complaints->n)
                qsort(complaints->items, complaints->n, sizeof(*complaints->items), complaint_compare);
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
        for (size_t i = 0; i < complaints->n; i++)
                free(complaints->items[i].text);
        for (size_t i = 0; i < complaints->n_files; i++)
                free(complaints->files[i].name);
        free(complaints->items);
        free(complaints->files);
        *complaints = (struct complaints){0};
}
