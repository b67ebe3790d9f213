/* How all databases are, in one line for people: what `systemctl status` shows. Names a few; never walks ten thousand. Pure. */
#pragma once

#include "base/buffer.h"
#include "notify/missing.h"

/* "3 databases: 2 awake, 1 down (main: tcp.refused)" */
void summary_running(struct buffer *buffer, const struct registry *registry);
/*
 * "waiting for 2 of 3 databases: main (down, tcp.refused, expected in 2.1 s), app (waking)"; when one is blocked, what to do follows.
 */
void summary_waiting(struct buffer *buffer, const struct registry *registry, const struct missing *missing, struct instant now);
