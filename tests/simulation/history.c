#include "history.h"

#include "clocks.h"
#include "daemon.h"
#include "scheduler/lease.h"

#include <string.h>

static struct {
        struct record records[DATABASES_MAX];
        unsigned noted; /* bits */
        uint64_t written_usec[DATABASES_MAX], written_real_usec[DATABASES_MAX];
        struct world_timer timer;
} history;

static void on_timer(void *userdata) {
        (void)userdata;
        /* Nothing is written before it is known what it continues from (history/writer.c). */
        if (daemon_knows_past())
                history_flush();
        else
                timer_set_host(&history.timer, clock_monotonic_usec() + HISTORY_FLUSH_USEC);
}

void history_begin(void) {
        for (unsigned i = 0; i < DATABASES_MAX; i++) {
                history.records[i].known = false;
                history.records[i].n_leases = 0;
        }
        memset(history.written_usec, 0, sizeof(history.written_usec));
        history.noted = 0;
        history.timer = (struct world_timer){.fire = on_timer};
}

void history_note(unsigned database) {
        if (history.noted == 0)
                timer_set_host(&history.timer, clock_monotonic_usec() + HISTORY_FLUSH_USEC);
        history.noted |= 1u << database;
}

uint64_t history_written_usec(unsigned database) {
        return history.written_usec[database];
}

uint64_t history_written_real_usec(unsigned database) {
        return history.written_real_usec[database];
}

static void write_record(struct record *record, const struct database *db) {
        const struct memory before = record->memory;
        bool adds = record->known && !daemon_knows_past();
        const struct lease *lease;

        database_remember(db, clock_now(), &record->memory);
        if (adds)
                memory_add(&record->memory, &before);
        else
                record->n_leases = 0;
        record->known = true;
        TAILQ_FOREACH(lease, &db->leases, link)
                if (lease->record.until_real_usec > 0 && record->n_leases < HISTORY_LEASES_MAX)
                        record->leases[record->n_leases++] = lease->record;
}

void history_flush_one(unsigned database) {
        const struct database *db = history.noted & 1u << database ? daemon_database(database) : NULL;

        if (!db)
                return;
        write_record(&history.records[database], db);
        history.written_usec[database] = clock_boot_usec();
        history.written_real_usec[database] = clock_real_usec();
        history.noted &= ~(1u << database);
}

void history_flush(void) {
        for (unsigned i = 0; i < DATABASES_MAX; i++)
                history_flush_one(i);
        history_lose();
}

void history_lose(void) {
        history.noted = 0;
        timer_stop(&history.timer);
}

struct record *history_of(unsigned database) {
        return &history.records[database];
}
