/*
 * What the file looks like. Its version is PRAGMA user_version; an older one is brought up step by step when it is opened, in one
 * transaction. PRAGMA application_id says that it is ours.
 *
 * Version 1. Times are microseconds since 1970 UTC, durations microseconds. Words are the slugs of model/: a reader ignores those that it
 * does not know.
 *   database      a row for each database that was ever watched: what it was last, and what being awake has cost
 *   counter       what only grows, by name: attempts.CHECK.OUTCOME, failures.REASON, wakes.CAUSE
 *   wake_latency  how long wakes took: `count` of them from `from_usec` to where the next bucket begins (model/histogram.h)
 *   lease         leases with a time limit
 * Version 2 adds what happened, for a time (history.keep):
 *   run           when a daemon watched; between two of them nothing is known
 *   state         a row for each change of a database's state or its reason
 *   wake          a row for each wake
 *   outage        a row for each time in which a database was down, blocked, full or degraded
 *   hour          what was counted in an hour, as words (history/event-rows.h); an hour in which nothing was counted has no row
 */
#pragma once

#include "history/sqlite.h"
#include "model/event.h"

#define SCHEMA_VERSION 3

enum schema_answer {
        SCHEMA_GOOD,
        SCHEMA_EMPTY, /* nothing is in it yet */
        SCHEMA_OLD,   /* ours, of an older version */
        SCHEMA_NEWER, /* ours, of a version that this program does not know */
        SCHEMA_FOREIGN, /* of another program */
};

/* Reads which of them the file is; writes nothing. Answers a schema_answer or a negative errno. */
int schema_look(struct sqlite *sqlite);
/* Makes SCHEMA_GOOD of SCHEMA_EMPTY or SCHEMA_OLD. */
int schema_bring_up(struct sqlite *sqlite);
/*
 * 0, or -EUCLEAN when it is damaged. Of the tables that are read at start alone: the time that this takes must not grow with what happened
 * in a year.
 */
int schema_check(struct sqlite *sqlite);

/* The words of a million rows are few: each is looked up once. */
#define SCHEMA_WORDS_MAX 128

struct schema_words {
        struct schema_word {
                char text[32];
                unsigned value;
        } states[SCHEMA_WORDS_MAX], reasons[SCHEMA_WORDS_MAX], causes[SCHEMA_WORDS_MAX];
};

/* The meaning of the word TEXT in a row; a word that this version does not know is STATE_UNKNOWN, REASON_UNCLASSIFIED, WAKE_OTHER. */
enum state schema_state(struct schema_words *words, const char *text);
enum reason schema_reason(struct schema_words *words, const char *text);
enum wake_cause schema_cause(struct schema_words *words, const char *text);
