/* People and programs that need databases: each holds at most one lease a database, and comes back after a restart as `pgwake hold` does. */
#pragma once

#include "happening.h"

void people_begin(void);
void people_take_lease(const char *person, unsigned database, uint64_t for_usec);
void people_release_lease(const char *person, unsigned database);
void people_wake(unsigned database);
void people_pause(unsigned database, uint64_t for_usec);
/* The daemon is gone, and with it the connections of those who hold a lease; and is there again. */
void people_lose_daemon(void);
void people_meet_daemon(void);
