/*
 * The layout of the file. Its version is PRAGMA user_version; an older one is upgraded step by step when the file is opened, in one
 * transaction. PRAGMA application_id marks it as ours.
 *
 * Version 1. Times are microseconds since 1970 UTC, durations microseconds. Words are the slugs of model/: a reader ignores those that it
 * does not know.
 *   database      a row for each database that was ever watched: its last state, and its account
 *   counter       counters that only grow, by name: attempts.CHECK.OUTCOME, failures.REASON, wakes.CAUSE
 *   wake_latency  durations of wakes: `count` of them from `from_usec` to where the next bucket begins (model/histogram.h)
 *   lease         leases with a time limit
 * Version 2 adds database.paused_until, and events for a time (history.keep):
 *   run           when a daemon watched; between two runs nothing is known
 *   state         a row for each change of a database's state or its reason
 *   wake          a row for each wake
 *   outage        a row for each period in which a database was down, blocked, full or degraded
 *   hour          the counters of an hour, as words (history/event-rows.h); an hour without any has no row
 * Version 3 adds database.awake_counted_until.
 */
#pragma once

#include "history/sqlite.h"
#include "model/event.h"

#define SCHEMA_VERSION 3

enum schema_answer {
        SCHEMA_GOOD,
        SCHEMA_EMPTY, /* it is empty */
        SCHEMA_OLD,   /* ours, of an older version */
        SCHEMA_NEWER, /* ours, of a newer version than this program knows */
        SCHEMA_FOREIGN, /* of another program */
};

/* Determines which of them the file is; writes nothing. Returns a schema_answer or a negative errno. */
int schema_look(struct sqlite *sqlite);
/* Turns SCHEMA_EMPTY or SCHEMA_OLD into SCHEMA_GOOD. */
int schema_bring_up(struct sqlite *sqlite);
/*
 * 0, or -EUCLEAN if it is damaged. Checks only the tables that are read at start: the time that it takes must not grow with a year's
 * events.
 */
int schema_check(struct sqlite *sqlite);

/* A million rows contain few different words: each is looked up once. */
#define SCHEMA_WORDS_MAX 128

struct schema_words {
        struct schema_word {
                char text[32];
                unsigned value;
        } states[SCHEMA_WORDS_MAX], reasons[SCHEMA_WORDS_MAX], causes[SCHEMA_WORDS_MAX];
};

/* The meaning of the word TEXT in a row; an unknown word is STATE_UNKNOWN, REASON_UNCLASSIFIED, WAKE_OTHER. */
enum state schema_state(struct schema_words *words, const char *text);
enum reason schema_reason(struct schema_words *words, const char *text);
enum wake_cause schema_cause(struct schema_words *words, const char *text);
