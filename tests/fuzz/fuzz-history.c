/*
 * A history file that somebody else has written: read as at the start, written on, and asked every kind of question.
 *
 * The input is the file itself, or, when it does not begin as one, SQL that is run in a file of ours: so values, types and tables go wrong
 * that SQLite itself takes. Whatever is in it, what is read has names of our vocabulary, and answers are JSON.
 */
#include "folder.h"
#include "fuzz.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "history/query.h"
#include "history/schema.h"
#include "history/writer.h"

#include <jansson.h>
#include <sqlite3.h>

#define MAGIC "SQLite format 3"
#define NOW_USEC (UINT64_C(1750000000) * USEC_PER_SEC)
#define FILE_MAX (256 * 1024)

static char path[FUZZ_PATH_MAX];
static char ours[FILE_MAX];
static size_t ours_size;

/* A file of ours without a row, kept as bytes. */
static void make_ours(void) {
        struct sqlite *sqlite;
        FILE *file;

        if (ours_size)
                return;
        log_open(LOG_FORMAT_LOGFMT, -1);
        (void)fuzz_path(path, "history.db");
        fuzz_check(sqlite_open(path, SQLITE_ALONE, &sqlite) == 0 && schema_bring_up(sqlite) >= 0, "no file of ours");
        (void)sqlite_close(sqlite);
        file = fopen(path, "re");
        fuzz_check(file != NULL, "no file of ours");
        ours_size = fread(ours, 1, sizeof(ours), file);
        (void)fclose(file);
}

static int refuse_other_files(void *userdata, int action, const char *a, const char *b, const char *c, const char *d) {
        (void)userdata, (void)a, (void)b, (void)c, (void)d;
        return action == SQLITE_ATTACH || action == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

static int is_long(void *userdata) {
        return ++*(unsigned *)userdata > 100;
}

static void run_sql(const char *sql) {
        sqlite3 *sqlite = NULL;
        unsigned slices = 0;

        fuzz_check(sqlite3_open(path, &sqlite) == SQLITE_OK, "the file of ours cannot be opened");
        (void)sqlite3_limit(sqlite, SQLITE_LIMIT_LENGTH, 100000);
        (void)sqlite3_set_authorizer(sqlite, refuse_other_files, NULL);
        sqlite3_progress_handler(sqlite, 1000, is_long, &slices);
        (void)sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
        (void)sqlite3_close(sqlite);
}

static void write_file(const uint8_t *data, size_t size) {
        char *sql;

        fuzz_clear();
        if (size >= strlen(MAGIC) && memcmp(data, MAGIC, strlen(MAGIC)) == 0) {
                fuzz_write("history.db", data, size);
                return;
        }
        fuzz_write("history.db", ours, ours_size);
        sql = strndup((const char *)data, size);
        run_sql(sql);
        free(sql);
}

static void check_snapshot(const struct snapshot *snapshot) {
        struct memory memory;

        fuzz_check(memchr(snapshot->name, '\0', sizeof(snapshot->name)) != NULL, "a name without an end");
        fuzz_check(snapshot->state < _STATE_MAX && snapshot->reason < _REASON_MAX, "a state or a reason that is none");
        snapshot_expand(snapshot, &memory);
        fuzz_check(memory.counts.last_wake.cause < _WAKE_CAUSE_MAX, "a cause that is none");
        for (size_t i = 0; i < snapshot->n_leases; i++)
                fuzz_check(memchr(snapshot->leases[i].owner, '\0', sizeof(snapshot->leases[i].owner)) != NULL, "an owner without an end");
}

static void ask(struct sqlite *sqlite, const char *name, enum query_kind kind, bool csv) {
        struct history_query question = {
                .kind = kind,
                .since_real_usec = NOW_USEC - 7 * USEC_PER_DAY,
                .until_real_usec = NOW_USEC,
                .now_real_usec = NOW_USEC,
                .limit = 1000,
                .csv = csv,
                .detail = true,
                .watched = kind % 2,
        };
        struct buffer content = {0};

        (void)text_copy(question.name, sizeof(question.name), name);
        if (query_run(sqlite, &question, &content) == 0 && !csv) {
                json_t *json = json_loadb(content.data, content.size, JSON_REJECT_DUPLICATES, NULL);

                fuzz_check(json != NULL, "an answer that is no JSON");
                json_decref(json);
        }
        buffer_deinit(&content);
}

static void ask_all(const char *name) {
        struct sqlite *sqlite;

        if (sqlite_open(path, SQLITE_READER, &sqlite) < 0)
                return;
        if (schema_look(sqlite) == SCHEMA_GOOD)
                for (enum query_kind kind = 0; kind < _QUERY_KIND_MAX; kind++) {
                        ask(sqlite, name, kind, false);
                        if (kind != QUERY_REPORT)
                                ask(sqlite, name, kind, true);
                }
        (void)sqlite_close(sqlite);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct store_bounds bounds = {.max_bytes = 16 * 1024 * 1024, .keep_usec = 90 * USEC_PER_DAY};
        struct snapshot *snapshots;
        struct writer *writer;
        char name[64] = "a";

        make_ours();
        write_file(data, size);
        fuzz_check(writer_new(path, &bounds, &writer) == 0, "no writer");
        snapshots = writer_read(writer);
        writer_past_taken(writer);
        writer_all_recalled(writer);
        for (struct snapshot *s = snapshots; s; s = s->next) {
                check_snapshot(s);
                (void)text_copy(name, sizeof(name), s->name);
        }
        snapshot_list_free(snapshots);
        ask_all(name);
        writer_prune(writer);
        writer_write(writer, true);
        writer_close(writer);
        (void)writer_free(writer);
        return 0;
}
