/* Shared by worker.c, worker-attempt.c and worker-message.c alone. */
#pragma once

#include "probe/worker.h"

/* worker-attempt.c */

/* CHANNEL's event, if any, was seen in this iteration. */
void worker_stamp(const struct worker *worker, struct channel *channel);
/* Has the worker wake in time for the attempt of SLOT. */
void worker_arm(struct worker *worker, const struct slot *slot);
/* Has epoll watch CHANNEL for what its connection waits for. 0 or a negative errno. */
int worker_watch(struct worker *worker, struct channel *channel);
/* Adds SLOT, whose attempt was accepted, to the active ones; worker_finish() removes it. */
void worker_activate(struct worker *worker, struct slot *slot);
/* Starts the attempt of SLOT. */
bool worker_begin(struct worker *worker, struct slot *slot);
/* Performs OP on CHANNEL, and whatever follows without waiting. */
bool worker_drive(struct worker *worker, struct channel *channel, enum op op);
/* Handles the result of an operation on CHANNEL. Returns whether *RET_OP is to be performed next. */
bool worker_settle(struct worker *worker, struct channel *channel, enum op *ret_op);
/* The attempt of SLOT has ended. */
void worker_finish(struct worker *worker, struct slot *slot);
/* Reports all attempts that ended. */
void worker_report_done(struct worker *worker);
/* Frees SLOT at the end of the iteration, if nothing of it is under way any more. */
void worker_free_later(struct worker *worker, struct slot *slot);

/* While the worker stops: counts a reaction of SLOT's server to the attempt. Each slot may count only so many. */
void worker_note_answer(struct worker *worker, struct slot *slot);

/* worker-message.c */

/* Handles some messages; the rest waits for the next iteration. */
bool worker_take_messages(struct worker *worker);
/* Frees what MESSAGE owns. */
void worker_drop_message(struct worker_message *message);
