/* Queries of the past and their answers: complete texts, written off the main loop. */
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
/* -EINVAL for an unknown word. */
int query_kind_from_name(const char *name, enum query_kind *ret_kind);

/* How many queries that are not urgent there may be at a time. */
#define QUERY_ORDINARY_MAX 12
/* The most rows. */
#define QUERY_LIMIT_MAX 100000

struct history_query {
        char name[64]; /* of the database */
        enum query_kind kind;
        uint64_t since_real_usec;
        uint64_t until_real_usec; /* exclusive */
        uint64_t now_real_usec;
        size_t limit;             /* this many of the newest rows */
        bool csv;                 /* not for QUERY_REPORT */
        bool detail;              /* with the raw texts of failures */
        bool watched;             /* the database is configured: what has not ended goes on */
        bool urgent;              /* comes before queries that are not, of which fewer are allowed */
};

enum query_result {
        QUERY_ANSWERED,
        QUERY_UNKNOWN, /* the database is not known, and never was */
        QUERY_LATE,    /* it took too long */
        QUERY_FAILED,  /* the file cannot be read */
};

struct query_answer {
        enum query_result result;
        struct buffer content; /* QUERY_ANSWERED: JSON or CSV; the receiver may take it */
        int error;             /* QUERY_FAILED: a negative errno */
};

/* The beginning of every answer in JSON; its texts live as long as QUERY. */
struct history_head query_head(const struct history_query *query);

/* Writes the file's answer to QUERY into BUFFER. 0; 1: the database is not known, and never was; -EINTR; or another negative errno. */
int query_run(struct sqlite *sqlite, const struct history_query *query, struct buffer *buffer);
