#include "history/chronicle.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"

enum statement {
        FIND_DATABASE,
        MAKE_DATABASE,
        DROP_STATES,
        FIND_MOMENT,
        PUT_STATE,
        PUT_WAKE,
        DROP_OUTAGES,
        CUT_OUTAGE,
        BEGIN_OUTAGE,
        END_OUTAGE,
        GET_HOUR,
        PUT_HOUR,
        DROP_RUNS,
        CUT_RUN,
        PUT_RUN,
        _STATEMENT_MAX,
};

/*
 * What is later than now was told by a clock that was ahead and has been set back: when its time comes it would hold once more. Less than
 * JITTER is no such clock: in one turn of the loop it is read in another order than what happened is told. And where all is later than
 * SET_BACK_MAX it is rather the clock that is behind, as without a battery it is at boot: that shall not cost the history.
 */
#define JITTER "1000000"
#define SET_BACK_MAX "86400000000"
#define IS_AHEAD(column) column " > ?2 + " JITTER " AND " column " <= ?2 + " SET_BACK_MAX

/* Behind those of the same microsecond. */
#define PLACE(table) "(SELECT coalesce(max(place) + 1, 0) FROM " table " WHERE database = ?1 AND at = ?2)"

static const char *const statements[_STATEMENT_MAX] = {
        [FIND_DATABASE] = "SELECT id FROM database WHERE name = ?",
        [MAKE_DATABASE] = "INSERT INTO database (name, saved_at, held, state, reason, since, generation, wakes_timed, wakes_sum_usec,"
                          " wakes_max_usec, awake_usec, awake_ours_usec, month, month_awake_usec)"
                          " VALUES (?1, ?2, 0, ?3, ?4, ?2, ?5, 0, 0, 0, 0, 0, 0, 0) RETURNING id",
        [DROP_STATES] = "DELETE FROM state WHERE database = ?1 AND " IS_AHEAD("at"),
        [FIND_MOMENT] = "SELECT coalesce(max(at), ?2) FROM state WHERE database = ?1 AND at >= ?2 AND at <= ?2 + " JITTER,
        [PUT_STATE] = "INSERT INTO state (database, at, place, state, previous, reason, sqlstate, detail, generation)"
                      " VALUES (?1, ?2, " PLACE("state") ", ?3, ?4, ?5, ?6, ?7, ?8)",
        [PUT_WAKE] = "INSERT INTO wake (database, at, place, latency_usec, cause, cold, attempts,"
                     " resolve_usec, connect_usec, tls_usec, auth_usec, query_usec)"
                     " VALUES (?1, ?2, " PLACE("wake") ", ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        [DROP_OUTAGES] = "DELETE FROM outage WHERE database = ?1 AND " IS_AHEAD("began"),
        [CUT_OUTAGE] = "UPDATE outage SET ended = ?2 WHERE database = ?1"
                       " AND began = (SELECT max(began) FROM outage WHERE database = ?1 AND began <= ?2) AND " IS_AHEAD("ended"),
        /* One that ended in this microsecond goes on. */
        [BEGIN_OUTAGE] = "INSERT INTO outage (database, began, state, reason) SELECT ?1, ?2, ?3, ?4"
                         " WHERE NOT EXISTS (SELECT 1 FROM outage WHERE database = ?1 AND ended IS NULL)"
                         " ON CONFLICT (database, began) DO UPDATE SET ended = NULL, state = excluded.state, reason = excluded.reason",
        /* A clock that was set back ends none before it began. */
        [END_OUTAGE] = "UPDATE outage SET ended = max(began, ?2) WHERE database = ?1 AND ended IS NULL",
        [GET_HOUR] = "SELECT awake_usec, awake_ours_usec, counts FROM hour WHERE database = ? AND hour = ?",
        [PUT_HOUR] = "INSERT OR REPLACE INTO hour (database, hour, awake_usec, awake_ours_usec, counts) VALUES (?, ?, ?, ?, ?)",
        [DROP_RUNS] = "DELETE FROM run WHERE began > ?1 AND began <= ?1 + " SET_BACK_MAX,
        /* The file is one daemon's at a time. */
        [CUT_RUN] = "UPDATE run SET ended = ?1 WHERE began = (SELECT max(began) FROM run WHERE began < ?1) AND ended > ?1",
        [PUT_RUN] = "INSERT INTO run (began, ended) VALUES (?1, max(?1, ?2)) ON CONFLICT (began) DO UPDATE SET ended = excluded.ended",
};

struct chronicle {
        struct sqlite_statement *statements[_STATEMENT_MAX];
};

int chronicle_new(struct sqlite *sqlite, struct chronicle **ret_chronicle) {
        struct chronicle *chronicle = calloc(1, sizeof(*chronicle));
        int r = chronicle ? 0 : -ENOMEM;

        for (size_t i = 0; i < _STATEMENT_MAX && r >= 0; i++)
                r = sqlite_prepare(sqlite, statements[i], &chronicle->statements[i]);
        if (r < 0)
                return (void)chronicle_free(chronicle), r;
        *ret_chronicle = chronicle;
        return 0;
}

struct chronicle *chronicle_free(struct chronicle *chronicle) {
        if (!chronicle)
                return NULL;
        for (size_t i = 0; i < _STATEMENT_MAX; i++)
                (void)sqlite_finalize(chronicle->statements[i]);
        free(chronicle);
        return NULL;
}

/* The first number of the one row that is answered, to its end. 1, or 0 when there is none. */
static int read_one(struct sqlite_statement *statement, uint64_t *ret_number) {
        int r = sqlite_step(statement);

        if (r <= 0)
                return r;
        *ret_number = sqlite_number(statement, 0);
        r = sqlite_step(statement);
        return r < 0 ? r : 1;
}

static int find_database(struct chronicle *chronicle, const struct happening *happening, uint64_t *ret_id) {
        struct sqlite_statement *find = chronicle->statements[FIND_DATABASE], *make = chronicle->statements[MAKE_DATABASE];
        int r;

        sqlite_bind_text(find, 1, happening->name);
        r = read_one(find, ret_id);
        if (r != 0)
                return MIN(r, 0);
        sqlite_bind_text(make, 1, happening->name);
        sqlite_bind_number(make, 2, happening->at_real_usec);
        sqlite_bind_text(make, 3, state_name(happening->state));
        sqlite_bind_text(make, 4, reason_slug(happening->reason));
        sqlite_bind_number(make, 5, happening->generation);
        r = read_one(make, ret_id);
        return r == 0 ? -EIO : MIN(r, 0);
}

static const char *or_null(const char *text) {
        return *text ? text : NULL;
}

static int change(struct chronicle *chronicle, enum statement which, uint64_t first, uint64_t second) {
        struct sqlite_statement *statement = chronicle->statements[which];

        sqlite_bind_number(statement, 1, first);
        sqlite_bind_number(statement, 2, second);
        return sqlite_step(statement);
}

/* Drops what cannot have happened before HAPPENING, and answers when that is: no earlier than what was told before it. */
static int find_moment(struct chronicle *chronicle, uint64_t id, const struct happening *happening, uint64_t *ret_at) {
        static const enum statement drops[] = {DROP_STATES, DROP_OUTAGES, CUT_OUTAGE};
        struct sqlite_statement *find = chronicle->statements[FIND_MOMENT];
        int r = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(drops) && r >= 0; i++)
                r = change(chronicle, drops[i], id, happening->at_real_usec);
        if (r < 0)
                return r;
        sqlite_bind_number(find, 1, id);
        sqlite_bind_number(find, 2, happening->at_real_usec);
        r = read_one(find, ret_at);
        return MIN(r, 0);
}

static int put_state(struct chronicle *chronicle, uint64_t id, uint64_t at, const struct happening *happening) {
        struct sqlite_statement *put = chronicle->statements[PUT_STATE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, at);
        sqlite_bind_text(put, 3, state_name(happening->state));
        sqlite_bind_text(put, 4, state_name(happening->previous));
        sqlite_bind_text(put, 5, reason_slug(happening->reason));
        sqlite_bind_text(put, 6, or_null(happening->sqlstate));
        sqlite_bind_text(put, 7, or_null(happening->detail));
        sqlite_bind_number(put, 8, happening->generation);
        return sqlite_step(put);
}

/* What was down when a daemon ended is not known to be up when the next one has not found out yet. */
static bool tells_nothing(const struct happening *happening) {
        return happening->state == STATE_UNKNOWN && happening->previous == STATE_UNKNOWN && happening->reason != REASON_PAUSED;
}

static int put_outage(struct chronicle *chronicle, uint64_t id, uint64_t at, const struct happening *happening) {
        bool begins = state_is_outage(happening->state);
        struct sqlite_statement *put = chronicle->statements[begins ? BEGIN_OUTAGE : END_OUTAGE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, at);
        if (begins) {
                sqlite_bind_text(put, 3, state_name(happening->state));
                sqlite_bind_text(put, 4, reason_slug(happening->reason));
        }
        return sqlite_step(put);
}

static int tell_state(struct chronicle *chronicle, uint64_t id, const struct happening *happening) {
        uint64_t at = 0;
        int r;

        r = find_moment(chronicle, id, happening, &at);
        if (r >= 0)
                r = put_state(chronicle, id, at, happening);
        return r < 0 || tells_nothing(happening) ? r : put_outage(chronicle, id, at, happening);
}

static int put_wake(struct chronicle *chronicle, uint64_t id, const struct happening *happening) {
        struct sqlite_statement *put = chronicle->statements[PUT_WAKE];

        sqlite_bind_number(put, 1, id);
        sqlite_bind_number(put, 2, happening->at_real_usec);
        sqlite_bind_or_null(put, 3, happening->latency_usec, USEC_INFINITY);
        sqlite_bind_text(put, 4, wake_cause_name(happening->cause));
        sqlite_bind_number(put, 5, happening->cold);
        sqlite_bind_number(put, 6, happening->attempts);
        for (int phase = 0; phase < _PHASE_MAX; phase++)
                sqlite_bind_or_null(put, 7 + phase, happening->phase_usec[phase], 0);
        return sqlite_step(put);
}

int chronicle_tell(struct chronicle *chronicle, const struct happening *happening) {
        uint64_t id = 0;
        int r;

        r = find_database(chronicle, happening, &id);
        if (r < 0)
                return r;
        switch (happening->kind) {
        case HAPPENING_STATE:
                return tell_state(chronicle, id, happening);
        case HAPPENING_WAKE:
                return put_wake(chronicle, id, happening);
        }
        return -EINVAL;
}

/* What is there, and HOUR, in SUM. */
static int add_up(struct sqlite_statement *get, uint64_t database, const struct hour *hour, struct hour *sum) {
        int r;

        *sum = (struct hour){.begin_real_usec = hour->begin_real_usec, .awake_usec = hour->awake_usec, .ours_usec = hour->ours_usec};
        sqlite_bind_number(get, 1, database);
        sqlite_bind_number(get, 2, hour->begin_real_usec);
        r = sqlite_step(get);
        if (r > 0) {
                sum->awake_usec += sqlite_number(get, 0);
                sum->ours_usec += sqlite_number(get, 1);
                r = hour_read_words(sum, sqlite_text(get, 2));
                sqlite_reset(get);
        }
        for (size_t i = 0; i < hour->n && r >= 0; i++)
                r = hour_add(sum, hour->counters[i].kind, hour->counters[i].index, hour->counters[i].value);
        return r;
}

int chronicle_add_hour(struct chronicle *chronicle, uint64_t database, const struct hour *hour) {
        struct sqlite_statement *put = chronicle->statements[PUT_HOUR];
        _cleanup_(buffer_deinit) struct buffer words = {0};
        struct hour sum;
        int r;

        r = add_up(chronicle->statements[GET_HOUR], database, hour, &sum);
        if (r >= 0) {
                buffer_append_string(&words, "");
                hour_write_words(&sum, &words);
                r = buffer_finish(&words);
        }
        if (r >= 0) {
                sqlite_bind_number(put, 1, database);
                sqlite_bind_number(put, 2, sum.begin_real_usec);
                sqlite_bind_number(put, 3, sum.awake_usec);
                sqlite_bind_number(put, 4, sum.ours_usec);
                sqlite_bind_text(put, 5, words.data);
                r = sqlite_step(put);
        }
        free(sum.counters);
        return r;
}

int chronicle_run_on(struct chronicle *chronicle, uint64_t began_real_usec, uint64_t now_real_usec) {
        struct sqlite_statement *drop = chronicle->statements[DROP_RUNS], *cut = chronicle->statements[CUT_RUN];
        int r;

        sqlite_bind_number(drop, 1, now_real_usec);
        r = sqlite_step(drop);
        if (r < 0)
                return r;
        sqlite_bind_number(cut, 1, began_real_usec);
        r = sqlite_step(cut);
        return r < 0 ? r : change(chronicle, PUT_RUN, began_real_usec, now_real_usec);
}
