#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/message-id.h"
#include "base/outbox.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
/* The location would be this file for every entry. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

#define FIELDS_MAX 32

/* The most that may wait for a stalled reader: an entry for each of ten thousand databases. */
#define WAITING_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* An entry to be written. The caller owns everything that it points to. */
struct entry {
        enum log_format form;
        int level;
        uint64_t real_usec;
        const char *message;
        const char *message_id;
        const struct log_field *fields;
        size_t n_fields;
};

/* A waiting entry, with everything that it points to in the same piece of memory. */
struct waiting_entry {
        struct outbox_item item;
        struct entry entry;
        struct log_field fields[];
};

/* Probers log too, while a reload opens the log again. */
static _Atomic enum log_format log_format = LOG_FORMAT_LOGFMT;
static atomic_int log_level_max = LOG_INFO;

/* NULL: entries are written directly. Set before other threads are started. */
static struct outbox *outbox;
static bool stderr_is_file;

static const char *const level_names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

/* Google's Cloud Logging reads these in a JSON line; others read `level`. */
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

/* systemd.exec(5): JOURNAL_STREAM has the device and inode of the stream to which stdout or stderr was connected. */
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
        /* Without a journal sd_journal_sendv() reports success, and the entry would be lost. */
        if (format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) < 0)
                format = LOG_FORMAT_LOGFMT;
        log_format = format;
        log_level_max = level;
}

static int send_to_journal(const struct entry *entry) {
        struct iovec vector[FIELDS_MAX + 3];
        struct buffer lines[FIELDS_MAX + 3] = {0};
        size_t count = 0;
        int r;

        buffer_printf(&lines[count++], "MESSAGE=%s", entry->message);
        buffer_printf(&lines[count++], "PRIORITY=%d", entry->level);
        if (entry->message_id)
                buffer_printf(&lines[count++], "MESSAGE_ID=%s", entry->message_id);
        for (size_t i = 0; i < entry->n_fields && count < ARRAY_LENGTH(lines); i++)
                if (entry->fields[i].value)
                        buffer_printf(&lines[count++], "%s=%s", entry->fields[i].name, entry->fields[i].value);
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

/* Stderr may be shared with another process that has made it non-blocking. */
static void write_all(const char *data, size_t size) {
        struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

        while (size > 0) {
                ssize_t n = write(STDERR_FILENO, data, size);

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return; /* there is nowhere to report this */
                if (n < 0 && errno == EAGAIN)
                        (void)poll(&room, 1, -1);
                data += MAX(n, 0);
                size -= (size_t)MAX(n, 0);
        }
}

static void write_line(const struct entry *entry) {
        bool json = entry->form == LOG_FORMAT_JSON;
        void (*append)(struct buffer *, const char *, const char *) = json ? append_json : append_logfmt;
        _cleanup_(buffer_deinit) struct buffer line = {0};
        char time[CLOCK_RFC3339_MAX];

        append(&line, "time", clock_format_rfc3339(time, entry->real_usec));
        append(&line, "level", log_level_name(entry->level));
        if (json && entry->level >= 0 && (size_t)entry->level < ARRAY_LENGTH(severities))
                append(&line, "severity", severities[entry->level]);
        append(&line, "message", entry->message);
        if (entry->message_id)
                append(&line, "MESSAGE_ID", entry->message_id);
        for (size_t i = 0; i < entry->n_fields; i++)
                if (entry->fields[i].value)
                        append(&line, entry->fields[i].name, entry->fields[i].value);
        buffer_append_string(&line, json ? "}\n" : "\n");
        /* One write per line, so that lines of several threads do not mix. */
        if (buffer_finish(&line) == 0)
                write_all(line.data, line.size);
}

/* May block. */
static void log_say(const struct entry *entry) {
        if (entry->form != LOG_FORMAT_JOURNAL || send_to_journal(entry) < 0)
                write_line(entry);
}

/* Waiting entries. */

static char *put_text(char **at, const char *text) {
        size_t size = strlen(text) + 1;
        char *copy = memcpy(*at, text, size);

        *at += size;
        return copy;
}

/* NULL if memory runs out. Names of fields and MESSAGE_IDs are literals. */
static struct waiting_entry *waiting_entry_new(const struct entry *entry) {
        size_t bytes = sizeof(struct waiting_entry) + entry->n_fields * sizeof(struct log_field) + strlen(entry->message) + 1;
        struct waiting_entry *waiting;
        char *texts;

        for (size_t i = 0; i < entry->n_fields; i++)
                bytes += entry->fields[i].value ? strlen(entry->fields[i].value) + 1 : 0;
        waiting = malloc(bytes);
        if (!waiting)
                return NULL;
        waiting->item.bytes = bytes;
        waiting->entry = *entry;
        waiting->entry.fields = waiting->fields;
        texts = (char *)&waiting->fields[entry->n_fields];
        waiting->entry.message = put_text(&texts, entry->message);
        for (size_t i = 0; i < entry->n_fields; i++) {
                const char *value = entry->fields[i].value;

                waiting->fields[i] = (struct log_field){.name = entry->fields[i].name, .value = value ? put_text(&texts, value) : NULL};
        }
        return waiting;
}

static void log_on_deliver(const struct outbox_item *item) {
        log_say(&container_of(item, struct waiting_entry, item)->entry);
}

/* Logged at any level: the dropped entries were important enough. */
static void log_on_dropped(uint64_t n) {
        char message[160];

        (void)snprintf(message, sizeof(message), "%" PRIu64 " log %s dropped here: what reads the log did not keep up", n,
                       n == 1 ? "entry was" : "entries were");
        log_say(&(struct entry){log_format, LOG_WARNING, clock_real_usec(), message, MESSAGE_ID_LOG_DROPPED, NULL, 0});
}

int log_start(void) {
        static const struct outbox_hooks hooks = {.deliver = log_on_deliver, .dropped = log_on_dropped};
        struct stat st;

        stderr_is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
        return outbox_new("log", WAITING_BYTES_MAX, &hooks, &outbox);
}

void log_end(uint64_t timeout_usec) {
        if (outbox)
                (void)outbox_end(outbox, timeout_usec);
}

static void say_or_wait(const struct entry *entry) {
        struct waiting_entry *waiting;

        if (!outbox || (stderr_is_file && entry->form != LOG_FORMAT_JOURNAL)) {
                log_say(entry);
                return;
        }
        waiting = waiting_entry_new(entry);
        outbox_put(outbox, waiting ? &waiting->item : NULL);
}

bool log_is_said(int level) {
        return level <= log_level_max;
}

void log_entry(int level, const char *message_id, const struct log_field *fields, size_t n, const char *format, ...) {
        _cleanup_(buffer_deinit) struct buffer message = {0};
        enum log_format form = log_format; /* read once: a reload may change it meanwhile */
        va_list arguments;

        if (!log_is_said(level))
                return;
        va_start(arguments, format);
        buffer_vprintf(&message, format, arguments);
        va_end(arguments);
        if (buffer_finish(&message) == 0)
                say_or_wait(&(struct entry){form, level, clock_real_usec(), message.data, message_id, fields, n});
}
