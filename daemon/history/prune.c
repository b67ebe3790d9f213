#include "history/prune.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"

#include <stdio.h>

/*
 * The time of the last row to drop now: at most ?3 rows. An outage that has not ended is kept, and so is one state. ?1 is the database, ?2
 * the time, before which an hour must have ended.
 */
#define LAST_OF(column, table, condition) \
        "(SELECT max(t) FROM (SELECT " column " AS t FROM " table " WHERE database = ?1 AND " condition " ORDER BY " column " LIMIT ?3))"

static const char *const statements[] = {
        "DELETE FROM state WHERE database = ?1 AND at <= "
        LAST_OF("at", "state", "at < (SELECT max(at) FROM state WHERE database = ?1 AND at < ?2)"),
        "DELETE FROM wake WHERE database = ?1 AND at <= " LAST_OF("at", "wake", "at < ?2"),
        "DELETE FROM outage WHERE database = ?1 AND ended < ?2 AND began <= " LAST_OF("began", "outage", "ended < ?2"),
        "DELETE FROM hour WHERE database = ?1 AND hour <= " LAST_OF("hour", "hour", "hour <= ?2 - 3600000000"),
};

/*
 * Drops database ?1 if nothing is left of it but the one state that is always kept, and an outage whose end was not seen. ?2 is the time.
 */
#define NONE_OF(table, condition) " AND NOT EXISTS (SELECT 1 FROM " table " WHERE database = ?1 AND " condition ")"
#define FORGET                                                                                                           \
        "DELETE FROM database WHERE id = ?1" NONE_OF("state", "at >= ?2") NONE_OF("wake", "TRUE") NONE_OF("hour", "TRUE") \
        NONE_OF("outage", "(began >= ?2 OR ended >= ?2)") NONE_OF("lease", "until >= ?2")

static const char *const leftovers[] = {"counter", "wake_latency", "lease", "state", "outage"};

struct pruning {
        struct sqlite *sqlite;
        const struct prune_terms *terms;
        struct sqlite_statement *next, *forget, *drops[ARRAY_LENGTH(statements)];
        bool old; /* nothing was saved of the database for long enough */
        char name[64];
};

static int next_database(struct pruning *pruning, struct prune *prune) {
        int r;

        sqlite_bind_number(pruning->next, 1, prune->last);
        r = sqlite_step(pruning->next);
        if (r > 0) {
                prune->last = sqlite_number(pruning->next, 0);
                (void)text_copy(pruning->name, sizeof(pruning->name), sqlite_text(pruning->next, 1));
                pruning->old = sqlite_number(pruning->next, 2) < pruning->terms->gone_real_usec;
                sqlite_reset(pruning->next);
        }
        return r;
}

/* Drops rows of one database. 1 if there are more. */
static int drop_rows(const struct pruning *pruning, struct prune *prune) {
        bool more = false;
        int r = 0;

        for (size_t i = 0; i < ARRAY_LENGTH(statements) && r >= 0; i++) {
                sqlite_bind_number(pruning->drops[i], 1, prune->last);
                sqlite_bind_number(pruning->drops[i], 2, pruning->terms->before_real_usec);
                sqlite_bind_number(pruning->drops[i], 3, pruning->terms->rows_max);
                r = sqlite_step(pruning->drops[i]);
                if (r < 0)
                        return r;
                prune->dropped += sqlite_changed(pruning->sqlite);
                more = more || sqlite_changed(pruning->sqlite) >= pruning->terms->rows_max;
        }
        return more;
}

/* Drops a database that is long gone, if nothing else is left of it. */
static int prune_forget(const struct pruning *pruning, struct prune *prune) {
        char sql[96];
        int r;

        if (!pruning->old || pruning->terms->is_watched(pruning->terms->userdata, pruning->name))
                return 0;
        sqlite_bind_number(pruning->forget, 1, prune->last);
        sqlite_bind_number(pruning->forget, 2, pruning->terms->before_real_usec);
        r = sqlite_step(pruning->forget);
        if (r < 0 || sqlite_changed(pruning->sqlite) == 0)
                return r;
        for (size_t i = 0; i < ARRAY_LENGTH(leftovers) && r >= 0; i++) {
                (void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE database = %llu", leftovers[i], (unsigned long long)prune->last);
                r = sqlite_run(pruning->sqlite, sql);
        }
        memcpy(prune->forgotten[prune->n_forgotten++], pruning->name, sizeof(pruning->name));
        prune->dropped++;
        return r;
}

/* 1: there is more. */
static int drop_slice(struct pruning *pruning, struct prune *prune) {
        int r;

        for (unsigned n = 0; n < PRUNE_DATABASES_MAX && prune->dropped < pruning->terms->rows_max; n++) {
                uint64_t last = prune->last;

                r = next_database(pruning, prune);
                if (r == 0)
                        prune->last = 0;
                if (r <= 0)
                        return r;
                r = drop_rows(pruning, prune);
                if (r == 0)
                        r = prune_forget(pruning, prune);
                if (r < 0)
                        return r;
                /* The next slice begins with this database again. */
                if (r > 0)
                        prune->last = last;
        }
        return 1;
}

/* The state that is kept lasted until its daemon ended and no longer: so one run is kept as well. */
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

static int prune_prepare(struct pruning *pruning) {
        int r;

        r = sqlite_prepare(pruning->sqlite, "SELECT id, name, saved_at FROM database WHERE id > ? ORDER BY id LIMIT 1", &pruning->next);
        if (r >= 0)
                r = sqlite_prepare(pruning->sqlite, FORGET, &pruning->forget);
        for (size_t i = 0; i < ARRAY_LENGTH(statements) && r >= 0; i++)
                r = sqlite_prepare(pruning->sqlite, statements[i], &pruning->drops[i]);
        return r;
}

int prune_slice(struct sqlite *sqlite, struct prune *prune, const struct prune_terms *terms) {
        struct pruning pruning = {.sqlite = sqlite, .terms = terms};
        uint64_t last = prune->last;
        int r, more = 0;

        prune->dropped = prune->n_forgotten = 0;
        r = sqlite_run(sqlite, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        r = prune_prepare(&pruning);
        if (r >= 0)
                r = more = drop_slice(&pruning, prune);
        (void)sqlite_finalize(pruning.next);
        (void)sqlite_finalize(pruning.forget);
        for (size_t i = 0; i < ARRAY_LENGTH(statements); i++)
                (void)sqlite_finalize(pruning.drops[i]);
        if (r == 0)
                r = drop_runs(sqlite, terms->before_real_usec);
        if (r >= 0)
                r = sqlite_run(sqlite, "COMMIT");
        if (r >= 0)
                return more;
        (void)sqlite_run(sqlite, "ROLLBACK");
        prune->last = last;
        prune->n_forgotten = 0;
        return r;
}

int prune_oldest(struct sqlite *sqlite, uint64_t *ret_real_usec) {
        static const char sql[] = "SELECT min(t) FROM (SELECT (SELECT min(at) FROM state WHERE database = id) AS t FROM database"
                                  " UNION ALL SELECT (SELECT min(at) FROM wake WHERE database = id) FROM database"
                                  " UNION ALL SELECT (SELECT min(hour) FROM hour WHERE database = id) FROM database)"
                                  " HAVING min(t) IS NOT NULL";

        return sqlite_read_number(sqlite, sql, ret_real_usec);
}
