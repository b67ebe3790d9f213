/* Questions about the past, and their answers: whole texts, composed off the main loop. */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

enum ask_kind {
        ASK_WAKES,
        ASK_STATES,
        ASK_OUTAGES,
        ASK_HOURS,
        ASK_REPORT,
        _ASK_KIND_MAX,
};

/* "wakes", "states", "outages", "hours", "report" */
const char *ask_kind_name(enum ask_kind kind);
/* -EINVAL for a word that names none. */
int ask_kind_from_name(const char *name, enum ask_kind *ret_kind);

/* Questions at a time that are not urgent. */
#define ASK_ORDINARY_MAX 12
/* Rows at most. */
#define ASK_LIMIT_MAX 100000

struct ask {
        char name[64]; /* of the database */
        enum ask_kind kind;
        uint64_t since_real_usec;
        uint64_t until_real_usec; /* not with it */
        uint64_t now_real_usec;
        size_t limit;             /* the newest so many rows */
        bool csv;                 /* not of ASK_REPORT */
        bool detail;              /* with the raw texts of failures */
        bool watched;             /* it is configured: what goes on goes on */
        bool urgent;              /* answered before those that are not, of which there are fewer at a time */
};

enum ask_result {
        ASK_ANSWERED,
        ASK_UNKNOWN, /* nothing was ever known of a database of that name */
        ASK_LATE,    /* it took too long */
        ASK_FAILED,  /* the file cannot be read */
};

struct ask_answer {
        enum ask_result result;
        struct buffer content; /* ASK_ANSWERED: JSON or CSV; who is given the answer may take it */
        int error;             /* ASK_FAILED: a negative errno */
};
