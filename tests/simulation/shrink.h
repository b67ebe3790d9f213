/* Reduces a world that breaks an invariant, by leaving out everything that the breach does not need. */
#pragma once

#include "world.h"

/* PLAN breaks the invariant of FOUND. It still does afterwards, and is as small as a few hundred runs can make it. */
void shrink_world(struct plan_of_world *plan, const struct breach *found);
