#include "history/timeline.h"

#include "api/report.h"
#include "base/array.h"
#include "base/error.h"
#include "base/macro.h"

/* A slot with two states is drawn as the worse of them. */
static const unsigned char badness[_STATE_MAX] = {
        [STATE_ASLEEP] = 0,
        [STATE_AWAKE] = 1,
        [STATE_UNKNOWN] = 2,
        [STATE_WAKING] = 3,
        [STATE_DEGRADED] = 4,
        [STATE_FULL] = 5,
        [STATE_DOWN] = 6,
        [STATE_BLOCKED] = 7,
};

struct gaps {
        uint64_t *list; /* times at which a daemon ended: nothing is known from there until the next state */
        size_t n, next, allocated;
};

struct state_reading {
        struct sqlite *sqlite;
        const struct history_query *query;
        uint64_t database;
        struct schema_words *words;
        struct gaps gaps;
        struct timeline *timeline;
};

static uint64_t slot_width(const struct timeline *timeline) {
        return (timeline->until - timeline->since + TIMELINE_MAX - 1) / TIMELINE_MAX;
}

static void worsen(struct timeline_slot *slot, enum state state, enum reason reason) {
        if (slot->any && badness[slot->state] >= badness[state])
                return;
        *slot = (struct timeline_slot){.any = true, .state = state, .reason = reason};
}

/* Adds the next span of one state, which ends inside the period. */
static void timeline_add_entry(struct timeline *timeline, uint64_t from, uint64_t to, enum state state, enum reason reason) {
        const struct timeline_entry *last = timeline->n > 0 ? &timeline->entries[timeline->n - 1] : NULL;

        if (from >= to)
                return;
        for (uint64_t i = (from - timeline->since) / slot_width(timeline); i <= (to - 1 - timeline->since) / slot_width(timeline); i++)
                worsen(&timeline->slots[i], state, reason);
        if (last && last->state == state && last->reason == reason)
                return;
        if (timeline->n == TIMELINE_MAX)
                timeline->overflowed = true;
        else
                timeline->entries[timeline->n++] = (struct timeline_entry){from, state, reason};
}

struct moment {
        uint64_t at;
        enum state state;
        enum reason reason;
};

static struct moment read_moment(struct state_reading *reading, struct sqlite_statement *row) {
        return (struct moment){
                .at = sqlite_number(row, 0),
                .state = schema_state(reading->words, sqlite_text(row, 1)),
                .reason = schema_reason(reading->words, sqlite_text(row, 2)),
        };
}

static int add_gap(struct gaps *gaps, uint64_t at) {
        if (array_reserve((void **)&gaps->list, gaps->n, &gaps->allocated, sizeof(*gaps->list)) < 0)
                return -ENOMEM;
        gaps->list[gaps->n++] = at;
        return 0;
}

/*
 * Reads the ends of all daemons since SINCE, except the one that runs, which wrote last. A run in the future comes from a clock that was
 * set back.
 */
static int read_gaps(struct state_reading *reading, uint64_t since) {
        struct sqlite_statement *statement;
        int r;

        r = sqlite_prepare(reading->sqlite,
                           "SELECT ended FROM run WHERE ended < (SELECT max(ended) FROM run WHERE began <= ?3)"
                           " AND ended >= ?1 AND ended < ?2 ORDER BY ended",
                           &statement);
        if (r < 0)
                return r;
        sqlite_bind_number(statement, 1, since);
        sqlite_bind_number(statement, 2, reading->query->until_real_usec);
        sqlite_bind_number(statement, 3, reading->query->now_real_usec);
        while ((r = sqlite_step(statement)) > 0) {
                r = add_gap(&reading->gaps, sqlite_number(statement, 0));
                if (r < 0)
                        break;
        }
        (void)sqlite_finalize(statement);
        return r;
}

static void timeline_add_span(struct state_reading *reading, uint64_t from, uint64_t to, const struct moment *moment) {
        if (from >= to)
                return;
        reading->timeline->states_usec[moment->state] += to - from;
        timeline_add_entry(reading->timeline, from, to, moment->state, moment->reason);
}

/* MOMENT lasts until TO, or until its daemon ended. */
static void add_state(struct state_reading *reading, struct moment *moment, uint64_t to) {
        struct gaps *gaps = &reading->gaps;
        uint64_t from = MAX(moment->at, reading->query->since_real_usec);

        while (gaps->next < gaps->n && gaps->list[gaps->next] < moment->at)
                gaps->next++;
        if (gaps->next < gaps->n && gaps->list[gaps->next] < to) {
                uint64_t end = MAX(gaps->list[gaps->next], from);

                timeline_add_span(reading, from, end, moment);
                *moment = (struct moment){.at = end, .state = STATE_UNKNOWN, .reason = REASON_NOT_CHECKED};
                from = end;
        }
        timeline_add_span(reading, from, to, moment);
}

/* Prepares SQL with ?1 the database and ?2, ?3 the period. */
static int timeline_prepare(const struct state_reading *reading, const char *sql, struct sqlite_statement **ret_statement) {
        int r;

        r = sqlite_prepare(reading->sqlite, sql, ret_statement);
        if (r < 0)
                return r;
        sqlite_bind_number(*ret_statement, 1, reading->database);
        sqlite_bind_number(*ret_statement, 2, reading->query->since_real_usec);
        sqlite_bind_number(*ret_statement, 3, reading->query->until_real_usec);
        return 0;
}

/* Reads the state at the beginning of the period. */
static int read_first(struct state_reading *reading, struct moment *ret_moment) {
        struct sqlite_statement *statement;
        int r;

        *ret_moment = (struct moment){.at = reading->query->since_real_usec, .state = STATE_UNKNOWN, .reason = REASON_NOT_CHECKED};
        r = timeline_prepare(reading,
                             "SELECT at, state, reason FROM state WHERE database = ?1 AND at <= ?2 AND ?3 > 0"
                             " ORDER BY at DESC, place DESC LIMIT 1",
                             &statement);
        if (r < 0)
                return r;
        r = sqlite_step(statement);
        if (r > 0)
                *ret_moment = read_moment(reading, statement);
        (void)sqlite_finalize(statement);
        return r;
}

static int read_states(struct state_reading *reading) {
        uint64_t until = MIN(reading->query->until_real_usec, reading->query->now_real_usec);
        struct sqlite_statement *statement;
        struct moment moment;
        int r;

        r = read_first(reading, &moment);
        if (r >= 0)
                r = read_gaps(reading, moment.at);
        if (r >= 0)
                r = timeline_prepare(reading,
                                     "SELECT at, state, reason FROM state WHERE database = ?1 AND at > ?2 AND at < ?3 ORDER BY at, place",
                                     &statement);
        if (r < 0)
                return r;
        while ((r = sqlite_step(statement)) > 0) {
                struct moment next = read_moment(reading, statement);

                /* After the clock was set back, states in the future have not happened. */
                add_state(reading, &moment, MIN(next.at, until));
                moment = next;
        }
        (void)sqlite_finalize(statement);
        add_state(reading, &moment, until);
        return r;
}

int timeline_read(struct sqlite *sqlite, const struct history_query *query, uint64_t database, struct schema_words *words,
                  struct timeline **ret_timeline) {
        struct timeline *timeline = calloc(1, sizeof(*timeline));
        struct state_reading reading = {.sqlite = sqlite, .query = query, .database = database, .words = words, .timeline = timeline};
        int r;

        if (!timeline)
                return -ENOMEM;
        timeline->since = query->since_real_usec;
        timeline->until = query->until_real_usec;
        r = read_states(&reading);
        free(reading.gaps.list);
        if (r < 0)
                return free(timeline), r;
        *ret_timeline = timeline;
        return 0;
}

static void timeline_report(void *ret_row, uint64_t from, enum state state, enum reason reason) {
        *(struct timeline_report *)ret_row = (struct timeline_report){
                .from_real_usec = from,
                .state = state_name(state),
                .reason = reason == REASON_NONE ? NULL : reason_slug(reason),
        };
}

static bool next_entry(struct field_rows *rows, void *ret_row) {
        const struct timeline *timeline = rows->of;
        const struct timeline_entry *entry = &timeline->entries[rows->index];

        if (rows->index == timeline->n)
                return false;
        rows->index++;
        timeline_report(ret_row, entry->from_real_usec, entry->state, entry->reason);
        return true;
}

/* AT is the previous slot. */
static bool next_slot(struct field_rows *rows, void *ret_row) {
        const struct timeline *timeline = rows->of;
        const struct timeline_slot *last = rows->at;

        while (rows->index < TIMELINE_MAX) {
                size_t i = rows->index++;
                const struct timeline_slot *slot = &timeline->slots[i];

                if (!slot->any || (last && last->state == slot->state && last->reason == slot->reason))
                        continue;
                timeline_report(ret_row, timeline->since + i * slot_width(timeline), slot->state, slot->reason);
                rows->at = slot;
                return true;
        }
        return false;
}

struct field_rows timeline_rows(const struct timeline *timeline) {
        return (struct field_rows){.next = timeline->overflowed ? next_slot : next_entry, .of = timeline};
}
