/*
 * Log entries with fields: to the journal, or as logfmt or JSON lines on stderr with the same fields.
 *
 * One entry an event, and none a check but those of LOG_DEBUG. Levels are syslog's. Nothing here knows what is said. Safe from any thread.
 *
 * From log_start() on nobody waits for whatever reads the entries: a thread hands them over, and what does not fit into its queue is
 * dropped and counted. Lines to a regular file are written at once, for they have no reader.
 */
#pragma once

#include "base/macro.h"

#include <stdint.h>
#include <syslog.h>

enum log_format {
        LOG_FORMAT_AUTO, /* the journal where stderr is connected to it, else logfmt */
        LOG_FORMAT_JOURNAL, /* logfmt where there is none */
        LOG_FORMAT_LOGFMT,
        LOG_FORMAT_JSON,
};

struct log_field {
        const char *name;  /* a journal field: [A-Z][A-Z0-9_]*; a literal */
        const char *value; /* NULL: the field is left out */
};

/* Whether stderr is connected to the journal, so that entries with fields can go there. */
bool log_stderr_is_journal(void);

/* Chooses where entries go and the least important LEVEL that is said. May be called again after a reload. */
void log_open(enum log_format format, int level);

/* Before other threads are started. May be called once. */
int log_start(void);
/* Waits until all entries have been handed over, but no longer than TIMEOUT_USEC. Those that come later are said at once. */
void log_end(uint64_t timeout_usec);

/* Whether entries of LEVEL are said: to be asked before one is composed that costs more than its words. */
bool log_is_said(int level);

/*
 * One entry. MESSAGE_ID is one of base/message-id.h or NULL. FIELDS may be NULL when N is 0. Never fails: a log that cannot be written
 * must not stop the watching.
 */
_printf_(5, 6) void log_entry(int level, const char *message_id, const struct log_field *fields, size_t n, const char *format, ...);

#define log_message(level, ...) log_entry(level, NULL, NULL, 0, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

/* "err", "warning", ...: syslog's own short names, and back (-EINVAL for an unknown one; "error", "warn" are understood too). */
const char *log_level_name(int level);
int log_level_from_name(const char *name);
