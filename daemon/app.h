/* Joins everything: the loop, the engine, those who serve and those who tell; signals, reload, and an orderly stop. */
#pragma once

#include "config/config.h"

/*
 * Watches until SIGTERM or SIGINT. PATH is read again on reload; CONFIG becomes the app's own.
 * Answers 0 after a signal, or a negative errno (said in the log).
 */
int app_run(const char *path, const struct config_environment *environment, struct config *config);
