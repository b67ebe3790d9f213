/* The time below a strip: marks at moments that people count in. */
#pragma once

#include "pgwake/draw.h"

#include <stdint.h>

/* One line of CELLS columns for the time from SINCE_USEC to UNTIL_USEC (real time): marks in local time, as many as have their label. */
void axis_append(struct buffer *buffer, const struct drawing *drawing, uint64_t since_usec, uint64_t until_usec, size_t cells);
