/* What the daemon kept of a database: /history/NAME, asked for and shown. */
#pragma once

#include "pgwake/request.h"
#include "pgwake/format.h"

/* Read from a file, behind those who asked before: that takes longer than what comes from memory. */
#define HISTORY_ANSWER_USEC (30 * UINT64_C(1000000))
#define HISTORY_LIMIT_MAX 100000

/* Whether TEXT may be the value of --OPTION of COMMAND: a duration back from now, or a time. Complains when it is neither. */
bool history_is_time(const char *command, const char *option, const char *text);
/* Whether it is for grep and not for eyes: --plain, or no terminal to look at. */
bool history_is_plain(const struct context *context);

/*
 * The rows of a KIND as a table; PLAIN: every column, whole, times as the daemon writes them and spans in seconds. Answers 0; 1 for a KIND
 * that there is none of; -ENOMEM; or -EBADMSG and the member that is wrong in *ret_wrong.
 */
int history_render(const char *kind, json_t *rows, bool plain, const struct terminal *terminal, struct buffer *buffer,
                   const char **ret_wrong);
/* The kinds' names, ended by NULL. */
extern const char *const history_kinds[];
