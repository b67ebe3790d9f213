/* Where the daemon is asked: the sockets that the service manager passed, and those of the configuration that it did not pass. */
#pragma once

#include "config/config.h"
#include "http/server.h"

/*
 * Opens them all. Of passed sockets (sd_listen_fds(3)) the name says what may be asked: a UNIX socket "control" takes everything; "status",
 * any other name, and TCP whatever its name, only read. Their paths are the service manager's: neither made nor removed here.
 * Answers 0, or a negative errno (said in the log).
 */
int listeners_open(struct server *server, const struct config *config);
