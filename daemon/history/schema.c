#include "history/schema.h"

#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"

#include <stdio.h>

/* "pgwd" */
#define APPLICATION_ID UINT64_C(0x70677764)

static int to_version_1(struct sqlite *sqlite) {
        return sqlite_run(sqlite,
                          "CREATE TABLE database ("
                          " id INTEGER PRIMARY KEY,"
                          " name TEXT NOT NULL UNIQUE,"
                          " saved_at INTEGER NOT NULL,"
                          " held INTEGER NOT NULL,"         /* 1: it had a lease that ends with its connection */
                          " state TEXT NOT NULL,"
                          " reason TEXT NOT NULL,"
                          " since INTEGER NOT NULL,"
                          " generation INTEGER NOT NULL,"
                          " server_started_at INTEGER,"     /* NULL: unknown */
                          " last_success_at INTEGER,"       /* NULL: never */
                          " last_wake_at INTEGER,"          /* NULL: never */
                          " last_wake_usec INTEGER,"        /* NULL: unknown */
                          " last_wake_cause TEXT,"
                          " last_wake_cold INTEGER,"
                          " wakes_timed INTEGER NOT NULL,"  /* how many wakes are in wake_latency */
                          " wakes_sum_usec INTEGER NOT NULL,"
                          " wakes_max_usec INTEGER NOT NULL,"
                          " awake_usec INTEGER NOT NULL,"
                          " awake_ours_usec INTEGER NOT NULL," /* the part that we caused */
                          " month INTEGER NOT NULL,"        /* months since January 1970 */
                          " month_awake_usec INTEGER NOT NULL"
                          ") STRICT;"
                          "CREATE TABLE counter ("
                          " database INTEGER NOT NULL,"
                          " name TEXT NOT NULL,"
                          " value INTEGER NOT NULL,"
                          " PRIMARY KEY (database, name)"
                          ") STRICT, WITHOUT ROWID;"
                          "CREATE TABLE wake_latency ("
                          " database INTEGER NOT NULL,"
                          " from_usec INTEGER NOT NULL,"
                          " count INTEGER NOT NULL,"
                          " PRIMARY KEY (database, from_usec)"
                          ") STRICT, WITHOUT ROWID;"
                          "CREATE TABLE lease ("
                          " database INTEGER NOT NULL,"
                          " id INTEGER NOT NULL,"
                          " owner TEXT NOT NULL,"
                          " since INTEGER NOT NULL,"
                          " until INTEGER NOT NULL,"
                          " PRIMARY KEY (database, id)"
                          ") STRICT, WITHOUT ROWID;");
}

static int to_version_2(struct sqlite *sqlite) {
        return sqlite_run(sqlite,
                          "CREATE TABLE run ("
                          " began INTEGER PRIMARY KEY,"
                          " ended INTEGER NOT NULL"        /* or the last time that the daemon wrote */
                          ") STRICT;"
                          "CREATE TABLE state ("
                          " database INTEGER NOT NULL,"
                          " at INTEGER NOT NULL,"
                          " place INTEGER NOT NULL,"       /* among those of the same microsecond */
                          " state TEXT NOT NULL,"
                          " previous TEXT NOT NULL,"
                          " reason TEXT NOT NULL,"
                          " sqlstate TEXT,"
                          " detail TEXT,"
                          " generation INTEGER NOT NULL,"
                          " PRIMARY KEY (database, at, place)"
                          ") STRICT, WITHOUT ROWID;"
                          "CREATE TABLE wake ("
                          " database INTEGER NOT NULL,"
                          " at INTEGER NOT NULL,"          /* its end */
                          " place INTEGER NOT NULL,"
                          " latency_usec INTEGER,"         /* NULL: unknown */
                          " cause TEXT NOT NULL,"
                          " cold INTEGER NOT NULL,"
                          " attempts INTEGER NOT NULL,"
                          " resolve_usec INTEGER,"         /* of the answered attempt; NULL: not entered */
                          " connect_usec INTEGER,"
                          " tls_usec INTEGER,"
                          " auth_usec INTEGER,"
                          " query_usec INTEGER,"
                          " PRIMARY KEY (database, at, place)"
                          ") STRICT, WITHOUT ROWID;"
                          "CREATE TABLE outage ("
                          " database INTEGER NOT NULL,"
                          " began INTEGER NOT NULL,"
                          " ended INTEGER,"                /* NULL: it has not ended */
                          " state TEXT NOT NULL,"          /* at its beginning */
                          " reason TEXT NOT NULL,"
                          " PRIMARY KEY (database, began)"
                          ") STRICT, WITHOUT ROWID;"
                          "CREATE TABLE hour ("
                          " database INTEGER NOT NULL,"
                          " hour INTEGER NOT NULL,"        /* its beginning */
                          " awake_usec INTEGER NOT NULL,"
                          " awake_ours_usec INTEGER NOT NULL,"
                          " counts TEXT NOT NULL,"
                          " PRIMARY KEY (database, hour)"
                          ") STRICT, WITHOUT ROWID;"
                          "ALTER TABLE database ADD COLUMN paused_until INTEGER;"); /* NULL: not paused */
}

static int to_version_3(struct sqlite *sqlite) {
        return sqlite_run(sqlite, "ALTER TABLE database ADD COLUMN awake_counted_until INTEGER;"); /* NULL: unknown */
}

/* steps[N] turns version N into version N + 1. */
static int (*const steps[SCHEMA_VERSION])(struct sqlite *sqlite) = {
        to_version_1,
        to_version_2,
        to_version_3,
};

int schema_look(struct sqlite *sqlite) {
        uint64_t application = 0, version = 0, tables = 0;
        int r;

        r = sqlite_read_number(sqlite, "PRAGMA application_id", &application);
        if (r >= 0)
                r = sqlite_read_number(sqlite, "PRAGMA user_version", &version);
        if (r >= 0)
                r = sqlite_read_number(sqlite, "SELECT count(*) FROM sqlite_schema", &tables);
        if (r < 0)
                return r;
        if (application == 0 && version == 0 && tables == 0)
                return SCHEMA_EMPTY;
        if (application != APPLICATION_ID)
                return SCHEMA_FOREIGN;
        if (version > SCHEMA_VERSION)
                return SCHEMA_NEWER;
        return version == SCHEMA_VERSION ? SCHEMA_GOOD : SCHEMA_OLD;
}

static int climb(struct sqlite *sqlite) {
        char mark[96];
        uint64_t version;
        int r;

        r = sqlite_read_number(sqlite, "PRAGMA user_version", &version);
        for (; r >= 0 && version < SCHEMA_VERSION; version++)
                r = steps[version](sqlite);
        if (r < 0)
                return r;
        (void)snprintf(mark, sizeof(mark), "PRAGMA application_id = %u; PRAGMA user_version = %d", (unsigned)APPLICATION_ID,
                       SCHEMA_VERSION);
        return sqlite_run(sqlite, mark);
}

int schema_bring_up(struct sqlite *sqlite) {
        int r;

        r = sqlite_run(sqlite, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = climb(sqlite);
        if (r >= 0)
                r = sqlite_run(sqlite, "COMMIT");
        if (r < 0)
                (void)sqlite_run(sqlite, "ROLLBACK");
        return r;
}

int schema_check(struct sqlite *sqlite) {
        static const char *const checks[] = {
                "PRAGMA quick_check(database)",
                "PRAGMA quick_check(counter)",
                "PRAGMA quick_check(wake_latency)",
                "PRAGMA quick_check(lease)",
        };
        int r = 1;

        for (size_t i = 0; i < ARRAY_LENGTH(checks) && r > 0; i++)
                r = sqlite_says(sqlite, checks[i], "ok");
        return r == 0 ? -EUCLEAN : MIN(r, 0);
}

static struct schema_word *word_of(struct schema_word *words, const char *text) {
        size_t n = strlen(text);
        unsigned char first = (unsigned char)text[0], middle = (unsigned char)text[n / 2], last = n > 0 ? (unsigned char)text[n - 1] : 0;

        return &words[(n * 37 + first * 5u + middle * 11u + last * 3u) % SCHEMA_WORDS_MAX];
}

/* The number of a word that was seen before; otherwise that which FIND returns. */
static unsigned schema_look_up(struct schema_word *words, const char *text, unsigned (*find)(const char *text)) {
        struct schema_word *word = word_of(words, text);

        if (word->text[0] && streq(word->text, text))
                return word->value;
        word->value = find(text);
        (void)text_copy(word->text, sizeof(word->text), text);
        return word->value;
}

static unsigned find_state(const char *text) {
        enum state state = STATE_UNKNOWN;

        (void)state_from_name(text, &state);
        return state;
}

static unsigned find_reason(const char *text) {
        enum reason reason;

        return reason_from_slug(text, &reason) < 0 ? REASON_UNCLASSIFIED : reason;
}

static unsigned find_cause(const char *text) {
        enum wake_cause cause;

        return wake_cause_from_name(text, &cause) < 0 ? WAKE_OTHER : cause;
}

enum state schema_state(struct schema_words *words, const char *text) {
        return (enum state)schema_look_up(words->states, text, find_state);
}

enum reason schema_reason(struct schema_words *words, const char *text) {
        return (enum reason)schema_look_up(words->reasons, text, find_reason);
}

enum wake_cause schema_cause(struct schema_words *words, const char *text) {
        return (enum wake_cause)schema_look_up(words->causes, text, find_cause);
}
