/* Connects everything: the loop, the engine, the servers and the observers; signals, reload, and an orderly stop. */
#pragma once

#include "config/config.h"

/*
 * Watches until SIGTERM or SIGINT. PATH is read again on reload; takes over CONFIG. Returns 0 after a signal, or a negative errno (logged).
 */
int app_run(const char *path, const struct config_environment *environment, struct config *config);
