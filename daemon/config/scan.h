/*
 * A look at a configuration file's words before libconfig reads them.
 *
 * libconfig 1.5 damages integers that do not fit (99999999999 becomes 1215752191), stops at the first syntax error without a word about it,
 * leaks the text at which it stopped, and follows @include to files that nobody checked. So the words are read here first: every integer
 * is rewritten in its 64-bit form, at the range's end where it does not fit; the usual slips are all told, and the first place where the
 * grammar is left, each with its line and what would be right; comments are blanked; @include is refused (conf.d is there for that).
 * Lines stay where they are.
 */
#pragma once

#include "config/complaint.h"

/* Appends TEXT (SIZE bytes) as libconfig shall read it. Answers 0; -EINVAL when it complained about FILE; -ENOMEM. */
int scan_rewrite(const char *text, size_t size, const char *file, struct complaints *complaints, struct buffer *buffer);
