/*
 * Cost accounting: how long a database was awake, how much of that pgwaked caused, and the month's budget. Internal to health/.
 *
 * Awake time is the server's: it begins with the server's start, derived from the uptime in its first answer, and ends when the held
 * session ends. Where neither is seen (no session, network gone), the account relies on what the checks saw.
 */
#pragma once

#include "health/step.h"

/* Starts counting at an answer from a server that has been up for UPTIME_USEC. The uptime counts too, back to where the account ended. */
void account_begin(struct database *database, uint64_t uptime_usec, struct instant now);
/*
 * Counts the time until now, and stops if the database is not known to be awake any longer. Call after each step, and before demand
 * changes.
 */
void account_settle(struct database *database, struct instant now);
/* Continues the account from saved values. Whether the budget is spent follows from them; no event reports it. */
void account_restore(struct database *database, const struct memory *memory, struct instant now);
/*
 * BEFORE was read after the database has been watched for a while: SUM is what both counted. The time between the two, when nobody watched,
 * is counted back as far as the uptime of the server that answered last proves it.
 */
void account_restore_late(struct database *database, const struct account *sum, const struct memory *before, struct instant now);
/*
 * When the account needs its next step: the budget is spent, a month may begin, or a sentinel's time is to be counted; USEC_INFINITY:
 * never.
 */
uint64_t account_due(const struct database *database);
/* Adds an event if the month's budget is now spent, or if a new month provides one again. Call after account_settle(). */
void account_check_budget(struct database *database, struct instant now, struct event_list *events);
