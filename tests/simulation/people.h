/*
 * People and programs that need databases. Each holds at most one lease per database, and comes back after a restart as `pgwake hold` does.
 */
#pragma once

#include "happening.h"

void people_begin(void);
void people_take_lease(const char *person, unsigned database, uint64_t for_usec);
void people_release_lease(const char *person, unsigned database);
void people_wake(unsigned database);
void people_pause(unsigned database, uint64_t for_usec);
/* The daemon stops, and the connections of lease holders with it; the daemon is there again. */
void people_lose_daemon(void);
void people_meet_daemon(void);
