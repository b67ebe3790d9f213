/* Maps the failure of a check to a reason: pure, by tables (the provider's texts first, then SQLSTATEs, then libpq's own texts). */
#pragma once

#include "model/check.h"
#include "model/provider.h"
#include "model/reason.h"

#define SQLSTATE_LENGTH 5

enum failure_kind {
        FAILURE_DEADLINE, /* the deadline of the attempt or of the address passed in `phase` */
        FAILURE_RESOLVE,  /* getaddrinfo() returned `eai` */
        FAILURE_SYSTEM,   /* a system call failed with `error`, without libpq */
        FAILURE_LIBPQ,    /* libpq failed; `text` is PQerrorMessage with PQERRORS_VERBOSE, or an error result's fields */
};

struct failure {
        enum failure_kind kind;
        enum phase phase;      /* where it happened */
        int error;             /* errno, or 0 */
        int eai;               /* EAI_*, or 0 */
        const char *severity;  /* "FATAL", not localised, or NULL */
        const char *sqlstate;  /* 5 characters, or NULL */
        const char *text;      /* never NULL for FAILURE_LIBPQ */
        bool session;          /* the end of a held session, not a failed check */
};

/* Never REASON_NONE; REASON_UNCLASSIFIED if no row fits. */
enum reason classify(const struct failure *failure, const struct provider *provider);

/* Whether TEXT begins with a word of letters and digits that has the form of an SQLSTATE. */
bool classify_begins_with_sqlstate(const char *text);

/*
 * libpq 15 has no accessor for the SQLSTATE of a failed connect; with PQERRORS_VERBOSE its message reads
 * "connection to server at ... failed: FATAL:  57P03: the database system is starting up\nLOCATION: ...".
 * Finds severity, code and primary text in TEXT. Returns whether they were found; if not, the outputs are "".
 */
#define SEVERITY_MAX 16
bool classify_parse_message(const char *text, char ret_severity[SEVERITY_MAX], char ret_sqlstate[SQLSTATE_LENGTH + 1],
                            char *ret_primary, size_t primary_size);
