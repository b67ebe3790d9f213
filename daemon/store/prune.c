#include "store/prune.h"

#include "base/error.h"
#include "base/macro.h"

/* Databases at a time. */
#define DATABASES_MAX 100

/*
 * The time of the last row that goes now: at most ?3 of them. An outage that goes on has no end, and one state is kept. ?1 is the
 * database, ?2 the time.
 */
#define LAST_OF(column, table, condition) \
        "(SELECT max(t) FROM (SELECT " column " AS t FROM " table " WHERE database = ?1 AND " condition " ORDER BY " column " LIMIT ?3))"

static const char *const statements[] = {
        "DELETE FROM state WHERE database = ?1 AND at <= "
        LAST_OF("at", "state", "at < (SELECT max(at) FROM state WHERE database = ?1 AND at < ?2)"),
        "DELETE FROM wake WHERE database = ?1 AND at <= " LAST_OF("at", "wake", "at < ?2"),
        "DELETE FROM outage WHERE database = ?1 AND ended < ?2 AND began <= " LAST_OF("began", "outage", "ended < ?2"),
        "DELETE FROM hour WHERE database = ?1 AND hour <= " LAST_OF("hour", "hour", "hour < ?2"),
};

struct pruning {
        struct sqlite *sqlite;
        uint64_t rows_max; /* of one table and database at a time */
        struct sqlite_statement *next, *drops[ARRAY_LENGTH(statements)];
};

static int next_database(const struct pruning *pruning, struct prune *prune) {
        int r;

        sqlite_bind_number(pruning->next, 1, prune->last);
        r = sqlite_step(pruning->next);
        if (r > 0) {
                prune->last = sqlite_number(pruning->next, 0);
                sqlite_reset(pruning->next);
        }
        return r;
}

/* The rows of one database; RET_DROPPED grows. 1 when there is more of it. */
static int drop_rows(const struct pruning *pruning, uint64_t database, uint64_t before, uint64_t *dropped) {
        bool more = false;
        int r = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(statements) && r >= 0; i++) {
                sqlite_bind_number(pruning->drops[i], 1, database);
                sqlite_bind_number(pruning->drops[i], 2, before);
                sqlite_bind_number(pruning->drops[i], 3, pruning->rows_max);
                r = sqlite_step(pruning->drops[i]);
                if (r < 0)
                        return r;
                *dropped += sqlite_changed(pruning->sqlite);
                more = more || sqlite_changed(pruning->sqlite) >= pruning->rows_max;
        }
        return more;
}

/* 1: there is more. */
static int drop_slice(const struct pruning *pruning, struct prune *prune, uint64_t before, uint64_t *dropped) {
        struct prune at = *prune;
        int r;

        for (unsigned n = 0; n < DATABASES_MAX && *dropped < pruning->rows_max; n++) {
                r = next_database(pruning, &at);
                if (r < 0)
                        return r;
                if (r == 0) {
                        prune->last = 0;
                        return 0;
                }
                r = drop_rows(pruning, at.last, before, dropped);
                if (r < 0)
                        return r;
                /* Else this one once more. */
                if (r == 0)
                        *prune = at;
                else
                        at = *prune;
        }
        return 1;
}

/* The state that is kept lasted until the daemon of then ended, and no longer: one run is kept as well. */
static int drop_runs(struct sqlite *sqlite, uint64_t before) {
        struct sqlite_statement *drop;
        int r;

        r = sqlite_prepare(sqlite, "DELETE FROM run WHERE ended < (SELECT max(ended) FROM run WHERE ended < ?)", &drop);
        if (r < 0)
                return r;
        sqlite_bind_number(drop, 1, before);
        r = sqlite_step(drop);
        (void)sqlite_finalize(drop);
        return r;
}

static int prepare(struct sqlite *sqlite, struct pruning *pruning) {
        int r;

        pruning->sqlite = sqlite;
        r = sqlite_prepare(sqlite, "SELECT id FROM database WHERE id > ? ORDER BY id LIMIT 1", &pruning->next);
        for (size_t i = 0; i < ARRAY_LENGTH(statements) && r >= 0; i++)
                r = sqlite_prepare(sqlite, statements[i], &pruning->drops[i]);
        return r;
}

int prune_slice(struct sqlite *sqlite, struct prune *prune, uint64_t before_real_usec, uint64_t rows_max, uint64_t *ret_dropped) {
        struct pruning pruning = {.rows_max = rows_max};
        struct prune at = *prune;
        uint64_t dropped = 0;
        int r, more = 0;

        r = sqlite_run(sqlite, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = prepare(sqlite, &pruning);
        if (r >= 0)
                r = more = drop_slice(&pruning, &at, before_real_usec, &dropped);
        (void)sqlite_finalize(pruning.next);
        for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
                (void)sqlite_finalize(pruning.drops[i]);
        if (r == 0)
                r = drop_runs(sqlite, before_real_usec);
        if (r >= 0)
                r = sqlite_run(sqlite, "COMMIT");
        if (r < 0)
                return (void)sqlite_run(sqlite, "ROLLBACK"), r;
        *prune = at;
        *ret_dropped = dropped;
        return more;
}

int prune_oldest(struct sqlite *sqlite, uint64_t *ret_real_usec) {
        static const char sql[] = "SELECT min(t) FROM (SELECT (SELECT min(at) FROM state WHERE database = id) AS t FROM database"
                                  " UNION ALL SELECT (SELECT min(at) FROM wake WHERE database = id) FROM database"
                                  " UNION ALL SELECT (SELECT min(hour) FROM hour WHERE database = id) FROM database)"
                                  " HAVING min(t) IS NOT NULL";

        return sqlite_read_number(sqlite, sql, ret_real_usec);
}
