/* Makes a world that breaks an invariant small: what is not needed for the same breach is left out. */
#pragma once

#include "world.h"

/* PLAN breaks what FOUND says; it breaks the same invariant afterwards, and is as small as a few hundred runs make it. */
void shrink_world(struct plan_of_world *plan, const struct breach *found);
