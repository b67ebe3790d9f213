/* One question to the daemon and its answer as JSON, with every way that it can go wrong told to the user once. */
#pragma once

#include "api/answer.h"
#include "pgwake/client.h"
#include "pgwake/command.h"
#include "pgwake/decode.h"

/* What is read from a file, behind those who asked before, takes longer than what comes from memory. */
#define REQUEST_HISTORY_USEC (30 * UINT64_C(1000000))

/* An answer: what HTTP said and its JSON. */
struct answer {
        int status;
        json_t *json; /* cleaned for the terminal, unless --json */
};

void answer_deinit(struct answer *answer);

/* Starts REQUEST (a path of NULL is one without memory) and waits for its end, whatever that is. Answers 0, or an exit code (told). */
int request_exchange(struct context *context, const struct request *request, struct exchange **ret_exchange);
/* Starts REQUEST, waits for its end and reads the answer. Answers 0, or an exit code when there is none (it was told). */
int request_send(struct context *context, const struct request *request, struct answer *ret_answer);
/* GET of PREFIX/NAME (NAME may be NULL), within the usual time. */
int request_get(struct context *context, const char *prefix, const char *name, struct answer *ret_answer);

/* POST of PREFIX/NAME (NAME may be NULL) with one PARAMETER, left out when its name or VALUE is NULL. */
int request_post(struct context *context, const char *prefix, const char *name, const char *parameter, const char *value,
                 struct answer *ret_answer);

/* Reads the answer of an exchange that is done. */
int answer_read(struct context *context, const struct exchange *exchange, struct answer *ret_answer);

/* Tells an exchange without answer; EXIT_CODE_NO_ANSWER. */
int tell_no_answer(const struct context *context, const struct exchange *exchange);
/* Tells an answer that is not as promised; EXIT_CODE_NO_ANSWER. */
int tell_malformed(const struct context *context, const char *what);
/* ... because the member at PATH is missing or has another type. */
int tell_wrong_member(const struct context *context, const char *path);
/* Tells an error of our own (no memory, a broken pipe on output); ends quietly on -EPIPE with CODE. */
int tell_error(int error, int code);
/*
 * Tells a refusal, {"error", "message", "known"}, and with --json prints it; NAME is what was asked for, or NULL.
 * Answers EXIT_CODE_USAGE for a name or an argument that the daemon does not take, EXIT_CODE_NOT_READY for any other.
 */
int tell_refusal(struct context *context, const struct answer *answer, const char *name);

/* The databases of an answer, or JSON itself as the only one. Answers 0, or an exit code (told). */
int answer_databases(struct context *context, json_t *json, struct database_status **ret_databases, size_t *ret_n);

/* The value of --OPTION as a span; -EINVAL, told, when it is none. */
int request_parse_span(const char *option, const char *text, uint64_t *ret_usec);
/* Whether TEXT may be the value of --OPTION of COMMAND: a duration back from now, or a time. Complains when it is neither. */
bool request_is_past_time(const char *command, const char *option, const char *text);
