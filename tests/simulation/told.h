/* What observers are told: every change, in order, and nothing that its own step reverts. */
#pragma once

#include "view.h"

#include "health/step.h"

void told_begin(void);
/* The database is watched from now on, and observers were told nothing of it yet. */
void told_from(unsigned database, const struct view *view);
/* An event of the present step; VIEW: the statements at the end of that step. */
void told_event(unsigned database, const struct event *event, const struct view *view);
void told_step_over(unsigned database);
/* Asserts that nothing differs from what observers were told. */
void told_assert(unsigned database, const struct view *view);
/* Asserts that a ready verdict rests on a fresh answer, or without demand on a live session. */
void told_assert_ready(unsigned database, bool asks);
