/* Events as rows: states, outages, wakes, hours, runs. history/schema.h explains the rows. All functions need a transaction. */
#pragma once

#include "history/event-record.h"
#include "history/snapshot.h"

struct event_rows;
struct sqlite;

/*
 * The counters of one hour of one database; zeros are left out. They are the difference between two snapshots (history/pending.c), so that
 * nothing is counted twice: whatever is not yet in the file is not yet in the file's snapshot either.
 */
struct hour {
        struct hour *next; /* an earlier one, of the list that it is in */
        uint64_t begin_real_usec;
        uint64_t awake_usec, ours_usec;
        size_t n, allocated;
        struct counter *counters; /* by kind, then by index */
};

/* SQLITE must outlive it. */
int event_rows_new(struct sqlite *sqlite, struct event_rows **ret_rows);
/* Takes NULL. */
struct event_rows *event_rows_free(struct event_rows *rows);

/*
 * Writes one event. A state change begins and ends outages too. An event never has a place before an earlier one: if the clock was ahead
 * and was set back, states and outages that lie in the future are dropped. A database without a row gets one, with little in it.
 */
int event_rows_write(struct event_rows *rows, const struct event_record *record);
/* Adds HOUR to the row of that hour, if there is one. DATABASE is the row of its database. */
int event_rows_add_hour(struct event_rows *rows, uint64_t database, const struct hour *hour);
/* The daemon has watched since BEGAN, which is not later than NOW, and still does. */
int event_rows_run_on(struct event_rows *rows, uint64_t began_real_usec, uint64_t now_real_usec);

/* 0 or -ENOMEM. */
int hour_add(struct hour *hour, enum counter_kind kind, unsigned index, uint64_t value);
/*
 * Adds the counters of WORDS ("attempts.login.ok=7 failures.tcp.refused=1 phases.connect=1024:6,1088:1"); words that this version does not
 * know are ignored. 0 or -ENOMEM.
 */
int hour_read_words(struct hour *hour, const char *words);
/* The value; 0 if nothing was counted. */
uint64_t hour_value(const struct hour *hour, enum counter_kind kind, unsigned index);
/* Adds HOUR's durations of PHASE. The largest value is known only to the precision of its bucket. */
void hour_add_phase(const struct hour *hour, enum phase phase, struct histogram *histogram);
