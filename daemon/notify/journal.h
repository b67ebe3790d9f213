/* One journal entry for each change of a database's state, with everything that led to it as fields. A check alone has no entry. */
#pragma once

#include "scheduler/engine.h"

struct journal;

/* Observes ENGINE, which must outlive it. */
int journal_new(struct engine *engine, struct journal **ret_journal);
/* Takes NULL. */
struct journal *journal_free(struct journal *journal);
