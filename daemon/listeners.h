/* The daemon's listening sockets: those that the service manager passed, and the configured ones that it did not pass. */
#pragma once

#include "config/config.h"
#include "http/server.h"

/*
 * Opens them all. The name of a passed socket (sd_listen_fds(3)) decides what it accepts: a UNIX socket "control" accepts everything;
 * "status", any other name, and TCP under any name only read. Their paths belong to the service manager: they are neither made nor removed
 * here. Returns 0, or a negative errno (logged).
 */
int listeners_open(struct server *server, const struct config *config);
