/* The keywords and values for libpq's connect, borrowed from their sources. */
#pragma once

#include "config/conninfo.h"

#define PARAMETERS_MAX 96

struct parameters {
        const char *keywords[PARAMETERS_MAX + 1];
        const char *values[PARAMETERS_MAX + 1];
        size_t n;
};

/* For the numeric ADDRESS, or CONNINFO's UNIX socket (""). DOOR: without any password. KEEP: it may become a held session. */
void parameters_fill(struct parameters *parameters, const struct conninfo *conninfo, const char *address, bool door, bool keep);
