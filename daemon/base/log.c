#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
/* It would be this file's for every entry. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

#define FIELDS_MAX 32

/* Probers log too, and a reload opens the log anew under them. */
static _Atomic enum log_format log_format = LOG_FORMAT_LOGFMT;
static atomic_int log_level_max = LOG_INFO;

static const char *const level_names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

/* What Google's Cloud Logging reads in a JSON line; others take `level`. */
static const char *const severities[] = {"EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};

const char *log_level_name(int level) {
        return level >= 0 && (size_t)level < ARRAY_LENGTH(level_names) ? level_names[level] : "info";
}

int log_level_from_name(const char *name) {
        for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++)
                if (streq(level_names[i], name))
                        return (int)i;
        if (streq(name, "error"))
                return LOG_ERR;
        if (streq(name, "warn"))
                return LOG_WARNING;
        return -EINVAL;
}

/* systemd.exec(5): JOURNAL_STREAM holds device and inode of the stream that stdout or stderr was connected to. */
bool log_stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return false;
        return st.st_dev == device && st.st_ino == inode;
}

void log_open(enum log_format format, int level) {
        if (format == LOG_FORMAT_AUTO)
                format = log_stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_LOGFMT;
        /* sd_journal_sendv() calls it a success when there is no journal, and nothing would be said anywhere. */
        if (format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) < 0)
                format = LOG_FORMAT_LOGFMT;
        log_format = format;
        log_level_max = level;
}

static int send_to_journal(int level, const char *message, const char *message_id, const struct log_field *fields, size_t n) {
        struct iovec vector[FIELDS_MAX + 3];
        struct buffer lines[FIELDS_MAX + 3] = {0};
        size_t count = 0;
        int r;

        buffer_printf(&lines[count++], "MESSAGE=%s", message);
        buffer_printf(&lines[count++], "PRIORITY=%d", level);
        if (message_id)
                buffer_printf(&lines[count++], "MESSAGE_ID=%s", message_id);
        for (size_t i = 0; i < n && count < ARRAY_LENGTH(lines); i++)
                if (fields[i].value)
                        buffer_printf(&lines[count++], "%s=%s", fields[i].name, fields[i].value);
        for (size_t i = 0; i < count; i++)
                vector[i] = (struct iovec){.iov_base = lines[i].data, .iov_len = lines[i].size};
        r = sd_journal_sendv(vector, (int)count);
        for (size_t i = 0; i < count; i++)
                buffer_deinit(&lines[i]);
        return r;
}

static void append_logfmt(struct buffer *line, const char *name, const char *value) {
        bool plain = *value && !strpbrk(value, "\"=\\");

        buffer_printf(line, "%s%s=", line->size ? " " : "", name);
        for (const char *p = value; plain && *p; p++)
                plain = *p > ' ' && *p < 0x7f;
        if (plain)
                buffer_append_string(line, value);
        else
                json_append_string(line, value);
}

static void append_json(struct buffer *line, const char *name, const char *value) {
        buffer_append_string(line, line->size ? "," : "{");
        json_append_string(line, name);
        buffer_append_string(line, ":");
        json_append_string(line, value);
}

static void write_line(bool json, int level, const char *message, const char *message_id, const struct log_field *fields, size_t n) {
        void (*append)(struct buffer *, const char *, const char *) = json ? append_json : append_logfmt;
        _cleanup_(buffer_deinit) struct buffer line = {0};
        char now[CLOCK_RFC3339_MAX];

        append(&line, "time", clock_format_rfc3339(now, clock_real_usec()));
        append(&line, "level", log_level_name(level));
        if (json && level >= 0 && (size_t)level < ARRAY_LENGTH(severities))
                append(&line, "severity", severities[level]);
        append(&line, "message", message);
        if (message_id)
                append(&line, "MESSAGE_ID", message_id);
        for (size_t i = 0; i < n; i++)
                if (fields[i].value)
                        append(&line, fields[i].name, fields[i].value);
        buffer_append_string(&line, json ? "}\n" : "\n");
        /* One write a line, so that lines of several threads do not mix. */
        if (buffer_finish(&line) == 0 && write(STDERR_FILENO, line.data, line.size) < 0)
                return; /* nowhere left to complain to */
}

void log_entry(int level, const char *message_id, const struct log_field *fields, size_t n, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer message = {0};
        enum log_format form = log_format; /* read once: a reload may change it in the middle of an entry */
        va_list arguments;

        if (level > log_level_max)
                return;
        va_start(arguments, format);
        buffer_vprintf(&message, format, arguments);
        va_end(arguments);
        if (buffer_finish(&message) < 0)
                return;
        if (form == LOG_FORMAT_JOURNAL && send_to_journal(level, message.data, message_id, fields, n) >= 0)
                return;
        write_line(form == LOG_FORMAT_JSON, level, message.data, message_id, fields, n);
}
