/* What a scenario expects at a given time. */
#pragma once

#include "happening.h"
#include "view.h"

void expect_check(const struct happening *happening, unsigned database, const struct view *view);
