/*
 * Warnings about settings that are allowed but cost money or surprise: awake hours per month, and connections that a provider will refuse.
 */
#pragma once

#include "config/config.h"

#include <stdio.h>

/*
 * Warns about each database that the configuration keeps awake forever although its provider would suspend it, whose pings are too rare to
 * keep it awake under a lease, whose budget will not last or saves nothing, or whose connection may lack the TLS that its provider
 * requires; and if the process may have fewer file descriptors than all databases can need.
 */
void advice_complain(const struct config *config, struct complaints *complaints);
/* One line per database that may sleep, and a last one with the total. */
void advice_print(const struct config *config, FILE *file);
