/*
 * HAProxy's agent-check: a TCP connection, a line in one of its words, and the end. Reading only; nobody's demand.
 *
 * HAProxy may send a line first (agent-send): "NAME", "accept=asleep", or both; it sends it with the connection, and one that sends none
 * asks for all required databases. The answer is "up WEIGHT%", where the weight grows from 10 to 100 over the time of the ramp after a wake,
 * or "down #REASON". The words ready, drain and maint are never said: they would undo what a person has set in HAProxy.
 */
#pragma once

#include "http/server-private.h"

struct agent;

/* ADDRESS as config/address.h takes it; RAMP_USEC 0: full weight at once. Answers as listen_tcp(). */
int agent_new(struct server *server, const char *address, uint64_t ramp_usec, struct agent **ret_agent);
/* Whoever still waits gets no answer. Takes NULL. */
struct agent *agent_free(struct agent *agent);
