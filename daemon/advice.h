/* What is allowed and will cost money or surprise: hours awake a month, and a connection that a provider will refuse. */
#pragma once

#include "config/config.h"

#include <stdio.h>

/*
 * A warning for each database that the configuration keeps awake for good although its provider would suspend it, whose pings are too rare
 * to keep it awake for who needs it, whose budget will not last or saves nothing, and that may come without the TLS that its provider
 * requires; and one when the process may not have as many file descriptors as all of them can need.
 */
void advice_complain(const struct config *config, struct complaints *complaints);
/* One line a database that may sleep, and a last one that counts all. */
void advice_print(const struct config *config, FILE *file);
