/*
 * A world as text that an administrator can read: who is there, what happens when, what is expected. README.md here describes the format.
 */
#pragma once

#include "plan.h"

/* Complains on stderr; returns 0 or -EINVAL. */
int scenario_read(const char *path, struct plan_of_world *ret_plan);
/* Prints a scenario that scenario_read() can read. */
void scenario_print(const struct plan_of_world *plan, struct buffer *buffer);
/* "day 2 10:00:05.123" */
void scenario_print_time(uint64_t usec, struct buffer *buffer);
