#include "notify/journal.h"

#include "base/buffer.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/message-id.h"

#include <inttypes.h>
#include <stdio.h>

struct journal {
        struct engine *engine;
        struct observer observer;
};

static const char *const message_ids[_STATE_MAX] = {
        [STATE_UNKNOWN] = MESSAGE_ID_DATABASE_UNKNOWN,
        [STATE_ASLEEP] = MESSAGE_ID_DATABASE_ASLEEP,
        [STATE_WAKING] = MESSAGE_ID_DATABASE_WAKING,
        [STATE_AWAKE] = MESSAGE_ID_DATABASE_AWAKE,
        [STATE_DEGRADED] = MESSAGE_ID_DATABASE_DEGRADED,
        [STATE_FULL] = MESSAGE_ID_DATABASE_FULL,
        [STATE_DOWN] = MESSAGE_ID_DATABASE_DOWN,
        [STATE_BLOCKED] = MESSAGE_ID_DATABASE_BLOCKED,
};

static const char *const phase_fields[_PHASE_MAX] = {
        [PHASE_RESOLVE] = "PGWAKE_RESOLVE_USEC",
        [PHASE_CONNECT] = "PGWAKE_CONNECT_USEC",
        [PHASE_TLS] = "PGWAKE_TLS_USEC",
        [PHASE_AUTH] = "PGWAKE_AUTH_USEC",
        [PHASE_QUERY] = "PGWAKE_QUERY_USEC",
};

/* The fields of one entry, and the digits of numeric ones. */
struct entry {
        struct log_field fields[24];
        char digits[12][sizeof("18446744073709551615")];
        size_t n_fields, n_digits;
};

static void add_text(struct entry *entry, const char *name, const char *value) {
        if (value && *value && entry->n_fields < ARRAY_LENGTH(entry->fields))
                entry->fields[entry->n_fields++] = (struct log_field){.name = name, .value = value};
}

static void add_number(struct entry *entry, const char *name, uint64_t value) {
        char *digits;

        if (entry->n_digits == ARRAY_LENGTH(entry->digits))
                return;
        digits = entry->digits[entry->n_digits++];
        (void)snprintf(digits, sizeof(entry->digits[0]), "%" PRIu64, value);
        add_text(entry, name, digits);
}

/* EVENT_WAKE follows its EVENT_STATE. Both become one entry, so the wake is looked up at EVENT_STATE. */
static const struct wake_record *wake_of(const struct event *event, const struct database *database) {
        bool woke = event->state != event->previous && database->counts.last_wake.at_real_usec == event->real_usec;

        return woke ? &database->counts.last_wake : NULL;
}

/* The duration of a wake that somebody else caused is unknown. */
static bool journal_is_ours(const struct wake_record *wake) {
        return wake->latency_usec != USEC_INFINITY;
}

static void add_attempt(struct entry *entry, const struct attempt *attempt, bool with_latency) {
        add_text(entry, "PGWAKE_SQLSTATE", attempt->sqlstate);
        if (with_latency)
                add_number(entry, "PGWAKE_LATENCY_USEC", attempt->total_usec);
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++)
                if (attempt->phase_usec[phase] > 0)
                        add_number(entry, phase_fields[phase], attempt->phase_usec[phase]);
        add_text(entry, "PGWAKE_ADDRESS", attempt->address);
        add_text(entry, "PGWAKE_DETAIL", attempt->detail);
}

static void add_fields(struct entry *entry, const struct event *event, const struct database *database, const struct wake_record *wake) {
        add_text(entry, "PGWAKE_DATABASE", event->database);
        add_text(entry, "PGWAKE_STATE", state_name(event->state));
        add_text(entry, "PGWAKE_PREVIOUS", state_name(event->previous));
        add_text(entry, "PGWAKE_REASON", event->reason == REASON_NONE ? NULL : reason_slug(event->reason));
        add_number(entry, "PGWAKE_GENERATION", event->generation);
        if (event->repeated > 0)
                add_number(entry, "PGWAKE_REPEATED", event->repeated);
        if (wake) {
                if (journal_is_ours(wake))
                        add_number(entry, "PGWAKE_LATENCY_USEC", wake->latency_usec);
                add_text(entry, "PGWAKE_CAUSE", wake_cause_name(wake->cause));
                add_text(entry, "PGWAKE_COLD", wake->cold ? "yes" : "no");
        }
        if (event->by_attempt)
                add_attempt(entry, &database->last_attempt, !wake || !journal_is_ours(wake));
        else if (event->reason != REASON_NONE) {
                add_text(entry, "PGWAKE_SQLSTATE", database->sqlstate);
                add_text(entry, "PGWAKE_DETAIL", database->detail);
        }
}

/*
 * "main is awake (was waking): login answered in 1.24 s, cold start proven"
 * "main is awake (was asleep): login answered in 20 ms; it was found awake, somebody else woke it"
 */
static void write_answered(struct buffer *message, const struct event *event, const struct database *database, const struct wake_record *wake) {
        const struct attempt *attempt = event->by_attempt ? &database->last_attempt : NULL;
        char span[DURATION_MAX];

        if (wake && journal_is_ours(wake))
                buffer_printf(message, "%s answered in %s, %s", check_name(attempt ? attempt->check : CHECK_LOGIN),
                              duration_format_human(span, wake->latency_usec), wake->cold ? "cold start proven" : "no cold start proven");
        else if (attempt)
                buffer_printf(message, "%s answered in %s", check_name(attempt->check), duration_format_human(span, attempt->total_usec));
        else
                buffer_append_string(message, state_sentence(event->state));
        if (wake && !journal_is_ours(wake))
                buffer_append_string(message, "; it was found awake, somebody else woke it");
        if (event->previous == event->state)
                buffer_append_string(message, "; the server was started anew, and older sessions are dead");
}

static void write_message(struct buffer *message, const struct event *event, const struct database *database, const struct wake_record *wake) {
        bool other = event->state != event->previous;

        buffer_printf(message, "%s is %s%s", event->database, other ? "" : "still ", state_name(event->state));
        if (other)
                buffer_printf(message, " (was %s)", state_name(event->previous));
        buffer_append_string(message, ": ");
        if (event->reason == REASON_NONE && event->state == STATE_AWAKE)
                write_answered(message, event, database, wake);
        else
                buffer_append_string(message, state_explain(event->state, event->reason));
}

/* The end of trouble is logged as a notice; waking up and falling asleep are routine. */
static int level_of(const struct event *event) {
        bool was_trouble = event->previous == STATE_DEGRADED || event->previous == STATE_FULL || event->previous == STATE_DOWN ||
                event->previous == STATE_BLOCKED;

        if (event->reason != REASON_NONE)
                return reason_info(event->reason)->level;
        return event->state == STATE_AWAKE && was_trouble ? LOG_NOTICE : LOG_INFO;
}

static void tell_budget(const struct event *event) {
        bool spent = event->reason == REASON_BUDGET_SPENT;
        const char *id = spent ? MESSAGE_ID_BUDGET_SPENT : MESSAGE_ID_BUDGET_RENEWED;
        const char *message = spent ? reason_info(event->reason)->sentence : "There are awake hours in its budget again.";
        struct entry entry = {0};

        add_text(&entry, "PGWAKE_DATABASE", event->database);
        add_text(&entry, "PGWAKE_STATE", state_name(event->state));
        add_text(&entry, "PGWAKE_REASON", spent ? reason_slug(event->reason) : NULL);
        add_number(&entry, "PGWAKE_GENERATION", event->generation);
        log_entry(spent ? LOG_WARNING : LOG_NOTICE, id, entry.fields, entry.n_fields, "%s: %s", event->database, message);
}

static void journal_tell_state(const struct event *event, const struct database *database) {
        _cleanup_(buffer_deinit) struct buffer message = {0};
        const struct wake_record *wake;
        struct entry entry = {0};

        wake = wake_of(event, database);
        add_fields(&entry, event, database, wake);
        write_message(&message, event, database, wake);
        if (buffer_finish(&message) == 0)
                log_entry(level_of(event), message_ids[event->state], entry.fields, entry.n_fields, "%s", message.data);
}

static void journal_on_event(void *userdata, const struct event *event, const struct database *database) {
        (void)userdata;
        switch (event->kind) {
        case EVENT_STATE:
                journal_tell_state(event, database);
                return;
        case EVENT_BUDGET:
                tell_budget(event);
                return;
        case EVENT_WAKE: /* logged with the state */
        case EVENT_ADDED:
        case EVENT_REMOVED: /* logged by the reload */
                return;
        }
}

int journal_new(struct engine *engine, struct journal **ret_journal) {
        struct journal *journal = calloc(1, sizeof(*journal));

        if (!journal)
                return -ENOMEM;
        journal->engine = engine;
        journal->observer = (struct observer){.notify = journal_on_event, .userdata = journal};
        engine_observe(engine, &journal->observer);
        *ret_journal = journal;
        return 0;
}

struct journal *journal_free(struct journal *journal) {
        if (!journal)
                return NULL;
        engine_unobserve(journal->engine, &journal->observer);
        free(journal);
        return NULL;
}
