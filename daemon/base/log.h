/*
 * Log entries with fields: to the journal, or as logfmt or JSON lines on stderr with the same fields.
 *
 * One entry per event, and none per check except at LOG_DEBUG. Levels are syslog's. Safe from any thread.
 *
 * After log_start() no caller waits for a slow reader: a thread hands the entries over, and entries that do not fit into its queue are
 * dropped and counted. Lines to a regular file are written directly, since that has no reader.
 */
#pragma once

#include "base/macro.h"

#include <stdint.h>
#include <syslog.h>

enum log_format {
        LOG_FORMAT_AUTO, /* the journal if stderr is connected to it, else logfmt */
        LOG_FORMAT_JOURNAL, /* logfmt if there is none */
        LOG_FORMAT_LOGFMT,
        LOG_FORMAT_JSON,
};

struct log_field {
        const char *name;  /* a journal field: [A-Z][A-Z0-9_]*; a literal */
        const char *value; /* NULL: the field is left out */
};

/* Whether stderr is connected to the journal, so that entries with fields can go there. */
bool log_stderr_is_journal(void);

/* Chooses the destination, and the least important LEVEL that is logged. May be called again after a reload. */
void log_open(enum log_format format, int level);

/* Before other threads are started. May be called once. */
int log_start(void);
/* Waits until all entries are handed over, at most TIMEOUT_USEC. Later ones are written directly. */
void log_end(uint64_t timeout_usec);

/* Whether entries of LEVEL are logged. Check this before preparing an expensive one. */
bool log_is_said(int level);

/*
 * Logs one entry. MESSAGE_ID is one of base/message-id.h or NULL. FIELDS may be NULL if N is 0. Never fails: a log that cannot be written
 * must not stop the watching.
 */
_printf_(5, 6) void log_entry(int level, const char *message_id, const struct log_field *fields, size_t n, const char *format, ...);

#define log_message(level, ...) log_entry(level, NULL, NULL, 0, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

/* "err", "warning", ...: syslog's short names, and back (-EINVAL for an unknown one; "error", "warn" are understood too). */
const char *log_level_name(int level);
int log_level_from_name(const char *name);
