/*
 * A world as text, that an administrator reads: who is there, what happens when, what is expected. README.md here says how it is written.
 */
#pragma once

#include "plan.h"

/* Complains on stderr; 0 or -EINVAL. */
int scenario_read(const char *path, struct plan_of_world *ret_plan);
/* The same, which scenario_read() reads again. */
void scenario_print(const struct plan_of_world *plan, struct buffer *buffer);
/* "day 2 10:00:05.123" */
void scenario_print_time(uint64_t usec, struct buffer *buffer);
