#include "history/rows.h"

#include "base/array.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/text.h"

#include <stdio.h>

enum statement {
        PUT_DATABASE,
        PUT_COUNTER,
        PUT_LATENCY,
        DROP_LEASES,
        PUT_LEASE,
        _STATEMENT_MAX,
};

#define COLUMNS_OF_1                                                                                                                 \
        "name, saved_at, held, state, reason, since, generation, server_started_at, last_success_at, last_wake_at, last_wake_usec, " \
        "last_wake_cause, last_wake_cold, wakes_timed, wakes_sum_usec, wakes_max_usec, awake_usec, awake_ours_usec, month, "        \
        "month_awake_usec"
#define COLUMNS COLUMNS_OF_1 ", paused_until, awake_counted_until"

static const char *const statements[_STATEMENT_MAX] = {
        [PUT_DATABASE] = "INSERT INTO database (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                         " ON CONFLICT (name) DO UPDATE SET saved_at = excluded.saved_at, held = excluded.held, state = excluded.state,"
                         " reason = excluded.reason, since = excluded.since, generation = excluded.generation,"
                         " server_started_at = excluded.server_started_at, last_success_at = excluded.last_success_at,"
                         " last_wake_at = excluded.last_wake_at, last_wake_usec = excluded.last_wake_usec,"
                         " last_wake_cause = excluded.last_wake_cause, last_wake_cold = excluded.last_wake_cold,"
                         " wakes_timed = excluded.wakes_timed, wakes_sum_usec = excluded.wakes_sum_usec,"
                         " wakes_max_usec = excluded.wakes_max_usec, awake_usec = excluded.awake_usec,"
                         " awake_ours_usec = excluded.awake_ours_usec, month = excluded.month,"
                         " month_awake_usec = excluded.month_awake_usec, paused_until = excluded.paused_until,"
                         " awake_counted_until = excluded.awake_counted_until"
                         " RETURNING id",
        [PUT_COUNTER] = "INSERT INTO counter (database, name, value) VALUES (?, ?, ?)"
                        " ON CONFLICT (database, name) DO UPDATE SET value = value + excluded.value",
        [PUT_LATENCY] = "INSERT INTO wake_latency (database, from_usec, count) VALUES (?, ?, ?)"
                        " ON CONFLICT (database, from_usec) DO UPDATE SET count = count + excluded.count",
        [DROP_LEASES] = "DELETE FROM lease WHERE database = ?",
        [PUT_LEASE] = "INSERT OR REPLACE INTO lease (database, id, owner, since, until) VALUES (?, ?, ?, ?, ?)",
};

struct rows_writer {
        struct sqlite_statement *statements[_STATEMENT_MAX];
};

int rows_writer_new(struct sqlite *sqlite, struct rows_writer **ret_writer) {
        struct rows_writer *writer = calloc(1, sizeof(*writer));
        int r = writer ? 0 : -ENOMEM;

        for (size_t i = 0; i < _STATEMENT_MAX && r >= 0; i++)
                r = sqlite_prepare(sqlite, statements[i], &writer->statements[i]);
        if (r < 0)
                return (void)rows_writer_free(writer), r;
        *ret_writer = writer;
        return 0;
}

struct rows_writer *rows_writer_free(struct rows_writer *writer) {
        if (!writer)
                return NULL;
        for (size_t i = 0; i < _STATEMENT_MAX; i++)
                (void)sqlite_finalize(writer->statements[i]);
        free(writer);
        return NULL;
}

static void bind_wake(struct sqlite_statement *statement, int place, const struct wake_record *wake) {
        bool any = wake->at_real_usec > 0;

        sqlite_bind_or_null(statement, place, wake->at_real_usec, 0);
        sqlite_bind_or_null(statement, place + 1, any ? wake->latency_usec : USEC_INFINITY, USEC_INFINITY);
        sqlite_bind_text(statement, place + 2, any ? wake_cause_name(wake->cause) : NULL);
        sqlite_bind_or_null(statement, place + 3, any ? wake->cold : USEC_INFINITY, USEC_INFINITY);
}

static int write_database(struct rows_writer *writer, const struct snapshot *snapshot, uint64_t *ret_id) {
        struct sqlite_statement *statement = writer->statements[PUT_DATABASE];
        int r;

        sqlite_bind_text(statement, 1, snapshot->name);
        sqlite_bind_number(statement, 2, snapshot->saved_real_usec);
        sqlite_bind_number(statement, 3, snapshot->held);
        sqlite_bind_text(statement, 4, state_name(snapshot->state));
        sqlite_bind_text(statement, 5, reason_slug(snapshot->reason));
        sqlite_bind_number(statement, 6, snapshot->since_real_usec);
        sqlite_bind_number(statement, 7, snapshot->generation);
        sqlite_bind_or_null(statement, 8, snapshot->server_started_real_usec, 0);
        sqlite_bind_or_null(statement, 9, snapshot->last_success_real_usec, 0);
        bind_wake(statement, 10, &snapshot->last_wake);
        sqlite_bind_number(statement, 14, snapshot->latency_count);
        sqlite_bind_number(statement, 15, snapshot->latency_sum_usec);
        sqlite_bind_number(statement, 16, snapshot->latency_max_usec);
        sqlite_bind_number(statement, 17, snapshot->account.awake_usec);
        sqlite_bind_number(statement, 18, snapshot->account.ours_usec);
        sqlite_bind_number(statement, 19, snapshot->account.month);
        sqlite_bind_number(statement, 20, snapshot->account.month_awake_usec);
        sqlite_bind_or_null(statement, 21, snapshot->paused_until_real_usec, 0);
        sqlite_bind_or_null(statement, 22, snapshot->account.counted_real_usec, 0);
        r = sqlite_step(statement);
        if (r <= 0)
                return r < 0 ? r : -EIO;
        *ret_id = sqlite_number(statement, 0);
        /* The statement must run to its end: its first row does not complete it. */
        return sqlite_step(statement);
}

static int write_counter(struct rows_writer *writer, uint64_t id, const struct counter *counter, uint64_t pending) {
        bool latency = counter->kind == COUNTER_LATENCY;
        struct sqlite_statement *statement = writer->statements[latency ? PUT_LATENCY : PUT_COUNTER];
        char name[COUNTER_NAME_MAX];

        sqlite_bind_number(statement, 1, id);
        if (latency)
                sqlite_bind_number(statement, 2, histogram_bucket_from(counter->index));
        else
                sqlite_bind_text(statement, 2, counter_name(name, counter));
        sqlite_bind_number(statement, 3, pending);
        return sqlite_step(statement);
}

static int rows_write_leases(struct rows_writer *writer, uint64_t id, const struct snapshot *snapshot) {
        struct sqlite_statement *drop = writer->statements[DROP_LEASES], *put = writer->statements[PUT_LEASE];
        int r;

        sqlite_bind_number(drop, 1, id);
        r = sqlite_step(drop);
        for (size_t i = 0; i < snapshot->n_leases && r >= 0; i++) {
                const struct lease_record *lease = &snapshot->leases[i];

                sqlite_bind_number(put, 1, id);
                sqlite_bind_number(put, 2, lease->id);
                sqlite_bind_text(put, 3, lease->owner);
                sqlite_bind_number(put, 4, lease->since_real_usec);
                sqlite_bind_number(put, 5, lease->until_real_usec);
                r = sqlite_step(put);
        }
        return r;
}

int rows_write(struct rows_writer *writer, const struct snapshot *snapshot, uint64_t *ret_id) {
        uint64_t id = 0;
        int r;

        r = write_database(writer, snapshot, &id);
        *ret_id = id;
        for (size_t i = 0; i < snapshot->n_counters && r >= 0; i++)
                if (snapshot->pending[i] > 0)
                        r = write_counter(writer, id, &snapshot->counters[i], snapshot->pending[i]);
        if (r >= 0 && snapshot->leases_dirty)
                r = rows_write_leases(writer, id, snapshot);
        return r;
}

static void read_counter(struct sqlite_statement *row, struct memory *memory) {
        struct counter counter;

        if (!counter_from_name(sqlite_text(row, 0), &counter))
                return;
        counter.value = sqlite_number(row, 1);
        snapshot_set_counter(memory, &counter);
}

static void read_latency(struct sqlite_statement *row, struct memory *memory) {
        uint32_t *bucket = &memory->wake_latency.buckets[histogram_bucket(sqlite_number(row, 0))];

        /* Two buckets of another version may be one of ours. */
        *bucket = (uint32_t)MIN(*bucket + sqlite_number(row, 1), (uint64_t)UINT32_MAX);
}

static void read_database(struct sqlite_statement *row, struct memory *memory) {
        struct wake_record *wake = &memory->counts.last_wake;

        memory->saved_real_usec = sqlite_number(row, 2);
        memory->held = sqlite_number(row, 3) > 0;
        (void)state_from_name(sqlite_text(row, 4), &memory->state);
        if (reason_from_slug(sqlite_text(row, 5), &memory->reason) < 0)
                memory->reason = REASON_UNCLASSIFIED;
        memory->since_real_usec = sqlite_number(row, 6);
        memory->counts.generation = sqlite_number(row, 7);
        memory->counts.server_started_real_usec = sqlite_number(row, 8);
        memory->counts.last_success_real_usec = sqlite_number(row, 9);
        wake->at_real_usec = sqlite_number(row, 10);
        wake->latency_usec = sqlite_is_null(row, 11) && wake->at_real_usec > 0 ? USEC_INFINITY : sqlite_number(row, 11);
        if (wake->at_real_usec > 0 && wake_cause_from_name(sqlite_text(row, 12), &wake->cause) < 0)
                wake->cause = WAKE_OTHER;
        wake->cold = sqlite_number(row, 13) > 0;
        memory->wake_latency.count = sqlite_number(row, 14);
        memory->wake_latency.sum_usec = sqlite_number(row, 15);
        memory->wake_latency.max_usec = sqlite_number(row, 16);
        memory->account.awake_usec = sqlite_number(row, 17);
        memory->account.ours_usec = sqlite_number(row, 18);
        memory->account.month = (unsigned)MIN(sqlite_number(row, 19), (uint64_t)UINT32_MAX);
        memory->account.month_awake_usec = sqlite_number(row, 20);
        memory->paused_until_real_usec = sqlite_number(row, 21);
        memory->account.counted_real_usec = sqlite_number(row, 22);
}

struct reading {
        struct sqlite_statement *databases, *counters, *latencies, *leases;
        struct lease_record *lease_list;
        size_t n_leases, allocated;
};

static int read_each(struct sqlite_statement *statement, uint64_t id, void (*read)(struct sqlite_statement *row, struct memory *memory),
                     struct memory *memory) {
        int r;

        sqlite_bind_number(statement, 1, id);
        while ((r = sqlite_step(statement)) > 0)
                read(statement, memory);
        return r;
}

static int read_lease(struct reading *reading, const char *name) {
        struct lease_record *lease;

        if (array_reserve((void **)&reading->lease_list, reading->n_leases, &reading->allocated, sizeof(*reading->lease_list)) < 0)
                return -ENOMEM;
        lease = &reading->lease_list[reading->n_leases++];
        *lease = (struct lease_record){
                .id = sqlite_number(reading->leases, 0),
                .since_real_usec = sqlite_number(reading->leases, 2),
                .until_real_usec = sqlite_number(reading->leases, 3),
        };
        (void)text_copy(lease->database, sizeof(lease->database), name);
        (void)text_copy(lease->owner, sizeof(lease->owner), sqlite_text(reading->leases, 1));
        return 0;
}

static int read_leases(struct reading *reading, uint64_t id, const char *name) {
        int r;

        reading->n_leases = 0;
        sqlite_bind_number(reading->leases, 1, id);
        while ((r = sqlite_step(reading->leases)) > 0) {
                r = read_lease(reading, name);
                if (r < 0) {
                        sqlite_reset(reading->leases);
                        return r;
                }
        }
        return r;
}

/* Reads the database that reading->databases is at. An invalid name is skipped: RET_SNAPSHOT is NULL. */
static int rows_read_one(struct reading *reading, struct snapshot **ret_snapshot) {
        uint64_t id = sqlite_number(reading->databases, 0);
        const char *name = sqlite_text(reading->databases, 1);
        struct memory memory = {0};
        int r;

        *ret_snapshot = NULL;
        if (!text_is_name(name))
                return 0;
        read_database(reading->databases, &memory);
        r = read_each(reading->counters, id, read_counter, &memory);
        if (r >= 0)
                r = read_each(reading->latencies, id, read_latency, &memory);
        if (r >= 0)
                r = read_leases(reading, id, name);
        if (r < 0)
                return r;
        *ret_snapshot = snapshot_new(name, &memory, reading->lease_list, reading->n_leases, NULL, 0);
        if (!*ret_snapshot)
                return -ENOMEM;
        snapshot_written(*ret_snapshot);
        return 0;
}

static int rows_read_all(struct reading *reading, struct snapshot **snapshots) {
        int r;

        while ((r = sqlite_step(reading->databases)) > 0) {
                struct snapshot *snapshot;

                r = rows_read_one(reading, &snapshot);
                if (r < 0)
                        return r;
                if (snapshot) {
                        snapshot->next = *snapshots;
                        *snapshots = snapshot;
                }
        }
        return r;
}

/* An older version has fewer columns. */
static int prepare_databases(struct sqlite *sqlite, struct sqlite_statement **ret_statement) {
        static const char *const queries[] = {
                "SELECT id, " COLUMNS_OF_1 ", NULL, NULL FROM database",
                "SELECT id, " COLUMNS_OF_1 ", paused_until, NULL FROM database",
                "SELECT id, " COLUMNS " FROM database",
        };
        uint64_t version = 0;
        int r;

        r = sqlite_read_number(sqlite, "PRAGMA user_version", &version);
        return r < 0 ? r : sqlite_prepare(sqlite, queries[MIN(MAX(version, UINT64_C(1)), ARRAY_LENGTH(queries)) - 1], ret_statement);
}

int rows_read(struct sqlite *sqlite, struct snapshot **ret_snapshots) {
        struct reading reading = {0};
        struct snapshot *snapshots = NULL;
        int r;

        r = prepare_databases(sqlite, &reading.databases);
        if (r >= 0)
                r = sqlite_prepare(sqlite, "SELECT name, value FROM counter WHERE database = ?", &reading.counters);
        if (r >= 0)
                r = sqlite_prepare(sqlite, "SELECT from_usec, count FROM wake_latency WHERE database = ?", &reading.latencies);
        if (r >= 0)
                r = sqlite_prepare(sqlite, "SELECT id, owner, since, until FROM lease WHERE database = ? ORDER BY since, id",
                                   &reading.leases);
        if (r >= 0)
                r = rows_read_all(&reading, &snapshots);
        (void)sqlite_finalize(reading.databases);
        (void)sqlite_finalize(reading.counters);
        (void)sqlite_finalize(reading.latencies);
        (void)sqlite_finalize(reading.leases);
        free(reading.lease_list);
        if (r < 0)
                snapshot_list_free(snapshots);
        else
                *ret_snapshots = snapshots;
        return r;
}
