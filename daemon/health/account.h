/*
 * The cost: how long a database was awake, how much of that because of us, and the month's budget. Internal to health/.
 *
 * What is counted is the time on the server's side of the wire: from its start, as its uptime tells when it first answers, to the end that
 * the held session sees at once. Where neither is seen (no session, a network that was away) it is what the checks saw.
 */
#pragma once

#include "health/step.h"

/* An answer came from a server that has been up for UPTIME_USEC: that counts too, back to where the account ends. */
void account_begin(struct database *database, uint64_t uptime_usec, struct instant now);
/* Counts what was until now, and stops where the database is not known to be awake any longer. After each step, and before demand changes. */
void account_settle(struct database *database, struct instant now);
/* The account goes on from what was saved; whether the budget is spent follows from it, and is told to nobody. */
void account_restore(struct database *database, const struct account *account, uint64_t saved_real_usec, struct instant now);
/* When the budget will be spent, the next month is to be looked for, or a sentinel's time is to be counted; USEC_INFINITY: never. */
uint64_t account_due(const struct database *database);
/* Tells that the month's budget is spent, or that a new month has one again. After account_settle(). */
void account_check_budget(struct database *database, struct instant now, struct event_list *events);
