/* The tables that classify() walks: messages of servers and poolers, and messages of libpq itself. REASON_NONE: no row fits. */
#pragma once

#include "model/check.h"
#include "model/reason.h"

/* By SQLSTATE; TEXT (the primary message) refines it where one code has several meanings. */
enum reason classify_server_code(const char *sqlstate, const char *text, enum phase phase);
/* By the text alone: for proxies that relay a server's message under a code of their own. */
enum reason classify_server_text(const char *text);
/* By libpq's own texts (LC_MESSAGES=C). */
enum reason classify_libpq_text(const char *text, enum phase phase);
enum reason classify_errno(int error);
/* The deadline passed in PHASE. */
enum reason classify_deadline(enum phase phase);
