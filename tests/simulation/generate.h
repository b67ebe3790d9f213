/* Generates a world from a seed: all of its happenings, before any of them happens. */
#pragma once

#include "plan.h"

void generate_world(uint64_t seed, uint64_t length_usec, struct plan_of_world *ret_plan);
