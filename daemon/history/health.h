/* What became of a try with the file, as the health of the history: its word, its sentence, and whether another try could change it. Pure. */
#pragma once

#include "history/store.h"

#include <stdbool.h>

/* R is what became of it. */
enum store_health health_of(int r);
/* Nothing but a restart, or a person and a restart, can change it. */
bool health_is_final(int r);
/* One sentence about the file PATH for people; "" where there is nothing to say. HEALTH is R's. */
void health_describe(char *ret_sentence, size_t size, const char *path, enum store_health health, int r);
