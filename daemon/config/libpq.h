/* libpq's own reading of a conninfo, and the keywords that it knows: a newer library brings its own. Connections are made in probe/. */
#pragma once

#include <stdbool.h>

/* For each keyword, with its value or NULL where the text gives none. IS_SECRET: libpq would not show it. Answers 0 to go on. */
typedef int (*libpq_keyword)(void *userdata, const char *keyword, const char *value, bool is_secret);

/*
 * Answers 1; 0 when libpq refuses TEXT (why is told to nobody: its words may repeat a secret) or has no memory; or what FUNCTION answered.
 * Nothing is looked up in files or the environment.
 */
int libpq_parse(const char *text, libpq_keyword function, void *userdata);
/* 15, 18: of the library that runs. */
unsigned libpq_major_version(void);
