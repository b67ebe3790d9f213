/*
 * The keywords of a conninfo, and how each is treated: those of the libpq in use, and those of newer ones that deserve a message of their
 * own. Not thread-safe.
 */
#pragma once

#include "config/complaint.h"

#include <stdbool.h>

#define KEYWORDS_MAX 96

enum keyword_use {
        KEYWORD_KEPT,   /* passed to libpq */
        KEYWORD_SECRET, /* passed to libpq, never shown */
        KEYWORD_PASSWORD,
        KEYWORD_SERVICE, /* read by us */
        KEYWORD_IGNORED, /* the probe sets it itself, or it has no meaning here */
        KEYWORD_NEWER,   /* this libpq does not know it, and leaving it out would change the meaning */
};

enum keyword_check {
        KEYWORD_ANY,
        KEYWORD_INTEGER,
        KEYWORD_PORT,
        KEYWORD_ADDRESS,
        KEYWORD_WORD,
};

struct keyword {
        const char *name;
        enum keyword_use use;
        enum keyword_check check;
        const char *const *words; /* NULL-terminated, for KEYWORD_WORD */
        const char *advice;       /* why it is ignored, or what to use instead; NULL: nothing */
        const char *harmless;     /* a value that is ignored without a warning */
};

/* Row I, NULL past the end. */
const struct keyword *keyword_at(size_t i);
/* The index of NAME, or -1. */
int keyword_find(const char *name);
/* The nearest name, or NULL. */
const char *keyword_nearest(const char *name);

/* Complains at PLACE if libpq would refuse VALUE, or if it is ignored. Never repeats the value. Returns 0 or -EINVAL. */
int keyword_check(const struct keyword *keyword, const char *value, const struct complaint_place *place);

/* libpq's own parser for a conninfo, and the keywords that it knows: a newer library has its own. Connections are made in probe/. */

/* Called for each keyword, with its value or NULL if the text has none. IS_SECRET: libpq would not show it. Returns 0 to go on. */
typedef int (*libpq_keyword)(void *userdata, const char *keyword, const char *value, bool is_secret);

/*
 * Returns 1; 0 if libpq refuses TEXT (its message is dropped, since it may repeat a secret) or has no memory; or FUNCTION's negative
 * result. Reads no file and no environment variable.
 */
int libpq_parse(const char *text, libpq_keyword function, void *userdata);
/* 15, 18: of the library in use. */
unsigned libpq_major_version(void);
