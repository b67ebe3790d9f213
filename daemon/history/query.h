/* Queries of the past, and their answers: whole texts, written off the main loop. */
#pragma once

#include "api/report.h"

struct sqlite;

enum query_kind {
        QUERY_WAKES,
        QUERY_STATES,
        QUERY_OUTAGES,
        QUERY_HOURS,
        QUERY_REPORT,
        _QUERY_KIND_MAX,
};

/* "wakes", "states", "outages", "hours", "report" */
const char *query_kind_name(enum query_kind kind);
/* -EINVAL for a word that names none. */
int query_kind_from_name(const char *name, enum query_kind *ret_kind);

/* Queries at a time that are not urgent. */
#define QUERY_ORDINARY_MAX 12
/* Rows at most. */
#define QUERY_LIMIT_MAX 100000

struct history_query {
        char name[64]; /* of the database */
        enum query_kind kind;
        uint64_t since_real_usec;
        uint64_t until_real_usec; /* not with it */
        uint64_t now_real_usec;
        size_t limit;             /* the newest so many rows */
        bool csv;                 /* not of QUERY_REPORT */
        bool detail;              /* with the raw texts of failures */
        bool watched;             /* it is configured: what goes on goes on */
        bool urgent;              /* answered before those that are not, of which there are fewer at a time */
};

enum query_result {
        QUERY_ANSWERED,
        QUERY_UNKNOWN, /* nothing was ever known of a database of that name */
        QUERY_LATE,    /* it took too long */
        QUERY_FAILED,  /* the file cannot be read */
};

struct query_answer {
        enum query_result result;
        struct buffer content; /* QUERY_ANSWERED: JSON or CSV; the caller that gets the answer may take it */
        int error;             /* QUERY_FAILED: a negative errno */
};

/* What every answer in JSON begins with; its texts live as long as QUERY. */
struct history_head query_head(const struct history_query *query);

/* Writes the answer of the file to QUERY into BUFFER. 0; 1: nothing was ever known of that database; -EINTR; or another negative errno. */
int query_run(struct sqlite *sqlite, const struct history_query *query, struct buffer *buffer);
