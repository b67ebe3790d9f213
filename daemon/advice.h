/* What a configuration keeps awake, in hours a month: waking costs money where sleeping saves some. */
#pragma once

#include "conf/config.h"

#include <stdio.h>

/* A warning for each database that the configuration keeps awake for good although its provider would suspend it. */
void cost_complain(const struct config *config, struct complaints *complaints);
/* One line a database that may sleep, and a last one that counts all. */
void cost_print(const struct config *config, FILE *file);
