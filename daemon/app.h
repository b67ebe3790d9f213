/* Connects everything: the loop, the engine, the servers and the observers; signals, reload, and an orderly stop. */
#pragma once

#include "config/config.h"

/*
 * Watches until SIGTERM or SIGINT. PATH is read again on reload; takes over CONFIG. READY_FD is told when READY=1 is sent
 * (base/descriptor.h); -1: none. Returns 0 after a signal, or a negative errno (logged).
 */
int app_run(const char *path, const struct config_environment *environment, int ready_fd, struct config *config);
