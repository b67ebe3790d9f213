/* A world from a seed: everything that will happen in it, before anything does. */
#pragma once

#include "plan.h"

void generate_world(uint64_t seed, uint64_t length_usec, struct plan_of_world *ret_plan);
