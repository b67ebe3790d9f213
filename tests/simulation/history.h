/* What outlives the daemon in a world: what history/ would hold on disk. */
#pragma once

#include "plan.h"

#include "model/memory.h"

/* As notify/recorder.c, which waits for more to come before it writes. */
#define HISTORY_FLUSH_USEC (900 * USEC_PER_MSEC)
#define HISTORY_LEASES_MAX 16

struct record {
        bool known;
        struct memory memory;
        struct lease_record leases[HISTORY_LEASES_MAX];
        size_t n_leases;
};

void history_begin(void);
/* DB, which is DATABASE, may have changed. */
void history_note(unsigned database);
/* When its record was written last (boot clock), and what the clock of people showed then. */
uint64_t history_written_usec(unsigned database);
uint64_t history_written_real_usec(unsigned database);
/* Writes what was noted; at the end of a daemon that ends well too. */
void history_flush(void);
/* What was noted and not written is lost. */
void history_lose(void);
struct record *history_of(unsigned database);
