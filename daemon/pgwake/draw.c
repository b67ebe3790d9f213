#include "pgwake/draw.h"

#include "pgwake/clean.h"

#include <langinfo.h>
#include <locale.h>

/* Asked of a locale of our own: to set the process's would change how numbers are read and written. */
static bool locale_is_utf8(void) {
        locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
        bool utf8;

        if (!locale)
                return false;
        utf8 = streq(nl_langinfo_l(CODESET, locale), "UTF-8");
        freelocale(locale);
        return utf8;
}

void drawing_init(struct drawing *ret, const struct terminal *terminal) {
        size_t columns = terminal->columns ? terminal->columns : 80;

        *ret = (struct drawing){
                .terminal = terminal,
                .utf8 = locale_is_utf8(),
                .columns = MIN(MAX(columns, (size_t)DRAW_COLUMNS_MIN), (size_t)DRAW_COLUMNS_MAX),
        };
}

void draw_repeat(struct buffer *buffer, const char *text, size_t count) {
        for (; count > 0; count--)
                buffer_append_string(buffer, text);
}

/* The bytes of at most COLUMNS columns of TEXT. */
static size_t bytes_of(const char *text, size_t size, size_t columns) {
        size_t i = 0;

        for (; i < size; i++)
                if (((unsigned char)text[i] & 0xC0) != 0x80 && columns-- == 0)
                        break;
        return i;
}

static size_t width_of(const char *text, size_t size) {
        size_t width = 0;

        for (size_t i = 0; i < size; i++)
                width += ((unsigned char)text[i] & 0xC0) != 0x80;
        return width;
}

static void append_label(struct buffer *buffer, const char *label, size_t indent) {
        size_t room = indent > DRAW_INDENT ? indent - DRAW_INDENT : 0, size = bytes_of(label, strlen(label), room ? room - 1 : 0);

        buffer_printf(buffer, "%*s", (int)(indent - room), "");
        buffer_append(buffer, label, size);
        buffer_printf(buffer, "%*s", (int)(room - width_of(label, size)), "");
}

/* The bytes of the word at TEXT, and with a number those of its unit: they stay together. */
static size_t word_size(const char *text) {
        size_t size = strcspn(text, " "), unit;

        if (text[size - 1] < '0' || text[size - 1] > '9' || !text[size])
                return size;
        unit = strspn(text + size + 1, "abcdefghijklmnopqrstuvwxyz");
        return unit > 0 && unit <= 3 ? size + 1 + unit + strcspn(text + size + 1 + unit, " ") : size;
}

void draw_paragraph(struct buffer *buffer, const struct drawing *drawing, const char *label, size_t indent, const char *text) {
        size_t room = drawing->columns > indent ? drawing->columns - indent : 1, column = 0;

        append_label(buffer, label, indent);
        while (*(text += strspn(text, " "))) {
                size_t size = word_size(text), width;

                if (column > 0 && column + 1 + width_of(text, size) > room) {
                        buffer_printf(buffer, "\n%*s", (int)indent, "");
                        column = 0;
                }
                size = bytes_of(text, size, column > 0 ? size : room);
                width = width_of(text, size);
                buffer_append(buffer, " ", column > 0);
                buffer_append(buffer, text, size);
                column += width + (column > 0);
                text += size;
        }
        buffer_append(buffer, "\n", 1);
}

void draw_heading(struct buffer *buffer, const struct drawing *drawing, const char *text) {
        buffer_append(buffer, "\n", 1);
        style_append(buffer, drawing->terminal, STYLE_HEAD, text);
        buffer_append(buffer, "\n", 1);
}
