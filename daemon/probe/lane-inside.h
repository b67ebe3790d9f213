/* What the rooms of a lane share (lane.c, lane-attempt.c, lane-message.c); nobody else. */
#pragma once

#include "probe/lane.h"

/* lane-attempt.c */

/* LINE's event, if any, was seen in this turn. */
void lane_stamp(const struct lane *lane, struct line *line);
/* The lane must wake in time for the attempt of SUBJECT. */
void lane_arm(struct lane *lane, const struct subject *subject);
/* Has epoll watch LINE for what its connection waits for. 0 or a negative errno. */
int lane_watch(struct lane *lane, struct line *line);
/* Takes SUBJECT, whose attempt was accepted, among the active ones; lane_finish() takes it out. */
void lane_activate(struct lane *lane, struct subject *subject);
/* Starts the attempt of SUBJECT. */
bool lane_begin(struct lane *lane, struct subject *subject);
/* Performs OP on LINE and whatever follows from it without waiting. */
bool lane_drive(struct lane *lane, struct line *line, enum op op);
/* An operation has been performed on LINE: draws the conclusions. Answers whether *RET_OP is to be performed next. */
bool lane_settle(struct lane *lane, struct line *line, enum op *ret_op);
/* The attempt of SUBJECT has ended. */
void lane_finish(struct lane *lane, struct subject *subject);
/* Reports all that ended. */
void lane_report_done(struct lane *lane);
/* Frees SUBJECT at the end of the turn, when nothing of it is under way any more. */
void lane_bury_if_over(struct lane *lane, struct subject *subject);

/* The lane is stopping, and the server of SUBJECT does something about the attempt: each can say so only so often. */
void lane_note_answer(struct lane *lane, struct subject *subject);

/* lane-message.c */

/* Some messages; the rest stays for the next turn. */
bool lane_take_messages(struct lane *lane);
/* Lets go of what MESSAGE owns. */
void lane_drop_message(struct lane_message *message);
