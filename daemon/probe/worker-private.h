/* What the rooms of a worker share (worker.c, worker-attempt.c, worker-message.c); nobody else. */
#pragma once

#include "probe/worker.h"

/* worker-attempt.c */

/* CHANNEL's event, if any, was seen in this turn. */
void worker_stamp(const struct worker *worker, struct channel *channel);
/* The worker must wake in time for the attempt of SLOT. */
void worker_arm(struct worker *worker, const struct slot *slot);
/* Has epoll watch CHANNEL for what its connection waits for. 0 or a negative errno. */
int worker_watch(struct worker *worker, struct channel *channel);
/* Takes SLOT, whose attempt was accepted, among the active ones; worker_finish() takes it out. */
void worker_activate(struct worker *worker, struct slot *slot);
/* Starts the attempt of SLOT. */
bool worker_begin(struct worker *worker, struct slot *slot);
/* Performs OP on CHANNEL and whatever follows from it without waiting. */
bool worker_drive(struct worker *worker, struct channel *channel, enum op op);
/* An operation has been performed on CHANNEL: draws the conclusions. Answers whether *RET_OP is to be performed next. */
bool worker_settle(struct worker *worker, struct channel *channel, enum op *ret_op);
/* The attempt of SLOT has ended. */
void worker_finish(struct worker *worker, struct slot *slot);
/* Reports all that ended. */
void worker_report_done(struct worker *worker);
/* Frees SLOT at the end of the turn, when nothing of it is under way any more. */
void worker_free_later(struct worker *worker, struct slot *slot);

/* The worker is stopping, and the server of SLOT does something about the attempt: each can say so only so often. */
void worker_note_answer(struct worker *worker, struct slot *slot);

/* worker-message.c */

/* Some messages; the rest stays for the next turn. */
bool worker_take_messages(struct worker *worker);
/* Lets go of what MESSAGE owns. */
void worker_drop_message(struct worker_message *message);
