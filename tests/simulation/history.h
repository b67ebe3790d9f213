/* State that outlives the daemon in a world: it stands for history/ and its file. */
#pragma once

#include "plan.h"

#include "model/memory.h"

/* Like notify/recorder.c, which waits for further changes before it writes. */
#define HISTORY_FLUSH_USEC (900 * USEC_PER_MSEC)
#define HISTORY_LEASES_MAX 16

struct record {
        bool known;
        struct memory memory;
        struct lease_record leases[HISTORY_LEASES_MAX];
        size_t n_leases;
};

void history_begin(void);
/* The state of DATABASE may have changed. */
void history_note(unsigned database);
/* When its record was last written (boot clock), and what the wall clock showed then. */
uint64_t history_written_usec(unsigned database);
uint64_t history_written_real_usec(unsigned database);
/* Writes everything noted; also at the end of a daemon that stops properly. */
void history_flush(void);
/* The same for one, which is removed. */
void history_flush_one(unsigned database);
/* Loses everything that was noted and not written. */
void history_lose(void);
struct record *history_of(unsigned database);
