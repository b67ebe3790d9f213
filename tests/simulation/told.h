/* What is told: every change, in its order, and nothing that its own step takes back. */
#pragma once

#include "view.h"

#include "health/step.h"

void told_begin(void);
/* It is watched from now on, and nothing was told of it yet. */
void told_from(unsigned database, const struct view *view);
/* An event of the step that runs; VIEW: what is said when that is over. */
void told_event(unsigned database, const struct event *event, const struct view *view);
void told_step_over(unsigned database);
/* Nothing is another than was told. */
void told_assert(unsigned database, const struct view *view);
/* Ready rests on an answer that is fresh, or on a session that lives while nobody needs more. */
void told_assert_ready(unsigned database, bool asks);
