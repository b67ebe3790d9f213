/*
 * The keywords of a conninfo, and what becomes of each here: those of the libpq that runs, and those of newer ones that are worth a word
 * of their own. Not for several threads.
 */
#pragma once

#include "config/complaint.h"

#include <stdbool.h>

#define KEYWORDS_MAX 96

enum keyword_use {
        KEYWORD_KEPT,   /* given to libpq */
        KEYWORD_SECRET, /* given to libpq, shown to nobody */
        KEYWORD_PASSWORD,
        KEYWORD_SERVICE, /* read by us */
        KEYWORD_IGNORED, /* the probe sets it itself, or it means nothing here */
        KEYWORD_NEWER,   /* this libpq does not know it, and leaving it out would not be what was meant */
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
        const char *advice;       /* why it is ignored, or what to do without it; NULL: nothing */
        const char *harmless;     /* a value that is ignored without a word */
};

/* Row I, NULL past the end. */
const struct keyword *keyword_at(size_t i);
/* The index of NAME, or -1. */
int keyword_find(const char *name);
/* The nearest name, or NULL. */
const char *keyword_nearest(const char *name);

/*
 * Complains at PLACE when libpq would refuse VALUE, or when it is ignored. The value itself is never repeated.
 * Answers 0 or -EINVAL.
 */
int keyword_check(const struct keyword *keyword, const char *value, const struct complaint_place *place);

/* libpq's own reading of a conninfo, and the keywords that it knows: a newer library brings its own. Connections are made in probe/. */

/* For each keyword, with its value or NULL where the text gives none. IS_SECRET: libpq would not show it. Answers 0 to go on. */
typedef int (*libpq_keyword)(void *userdata, const char *keyword, const char *value, bool is_secret);

/*
 * Answers 1; 0 when libpq refuses TEXT (why is told to nobody: its words may repeat a secret) or has no memory; or what FUNCTION answered.
 * Nothing is looked up in files or the environment.
 */
int libpq_parse(const char *text, libpq_keyword function, void *userdata);
/* 15, 18: of the library that runs. */
unsigned libpq_major_version(void);
