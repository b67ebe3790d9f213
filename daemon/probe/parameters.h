/* The keywords and values with which libpq is to connect. They borrow from what they are made of. */
#pragma once

#include "config/conninfo.h"

#define PARAMETERS_MAX 96

struct parameters {
        const char *keywords[PARAMETERS_MAX + 1];
        const char *values[PARAMETERS_MAX + 1];
        size_t n;
};

/* To the numeric ADDRESS, or the UNIX socket ("") of CONNINFO; for a DOOR without any password; one to KEEP may become a session. */
void parameters_fill(struct parameters *parameters, const struct conninfo *conninfo, const char *address, bool door, bool keep);
