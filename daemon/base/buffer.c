#include "base/buffer.h"

#include <errno.h>
#include <stdio.h>

static bool buffer_reserve(struct buffer *buffer, size_t more) {
        size_t need = buffer->size + more + 1, allocated = buffer->allocated ? buffer->allocated : 256;
        char *data;

        if (buffer->failed)
                return false;
        if (need <= buffer->allocated)
                return true;
        while (allocated < need)
                allocated *= 2;
        data = realloc(buffer->data, allocated);
        if (!data) {
                buffer->failed = true;
                return false;
        }
        buffer->data = data;
        buffer->allocated = allocated;
        return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size) {
        if (!buffer_reserve(buffer, size))
                return;
        if (size)
                memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
        buffer->data[buffer->size] = '\0';
}

void buffer_append_string(struct buffer *buffer, const char *text) {
        buffer_append(buffer, text, strlen(text));
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments) {
        va_list again;
        int length;

        va_copy(again, arguments);
        length = vsnprintf(NULL, 0, format, arguments);
        if (length >= 0 && buffer_reserve(buffer, (size_t)length)) {
                (void)vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
                buffer->size += (size_t)length;
        }
        va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        buffer_vprintf(buffer, format, arguments);
        va_end(arguments);
}

void buffer_clear(struct buffer *buffer) {
        buffer->size = 0;
        buffer->failed = false;
        if (buffer->data)
                buffer->data[0] = '\0';
}

int buffer_finish(const struct buffer *buffer) {
        return buffer->failed ? -ENOMEM : 0;
}

char *buffer_steal(struct buffer *buffer) {
        char *data;

        if (!buffer->data)
                buffer_append(buffer, "", 0);
        data = buffer->failed ? NULL : buffer->data;
        if (data)
                *buffer = (struct buffer){0};
        else
                buffer_deinit(buffer);
        return data;
}

void buffer_deinit(struct buffer *buffer) {
        free(buffer->data);
        *buffer = (struct buffer){0};
}
