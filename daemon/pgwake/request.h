/* One request to the daemon and its answer as JSON. Everything that goes wrong is reported to the user once. */
#pragma once

#include "api/answer.h"
#include "pgwake/client.h"
#include "pgwake/command.h"
#include "pgwake/decode.h"

/* An answer from a file, behind earlier requests, takes longer than one from memory. */
#define REQUEST_HISTORY_USEC (30 * UINT64_C(1000000))

/* An answer: the HTTP status and the JSON. */
struct answer {
        int status;
        json_t *json; /* cleaned for the terminal, unless --json */
};

void answer_deinit(struct answer *answer);

/* Starts REQUEST (a NULL path means that memory ran out) and waits for its end, with any result. Returns 0, or an exit code (reported). */
int request_exchange(struct context *context, const struct request *request, struct exchange **ret_exchange);
/* Starts REQUEST, waits for its end and parses the answer. Returns 0, or an exit code if there is none (reported). */
int request_send(struct context *context, const struct request *request, struct answer *ret_answer);
/* GET of PREFIX/NAME (NAME may be NULL), with the usual timeout. */
int request_get(struct context *context, const char *prefix, const char *name, struct answer *ret_answer);

/* POST of PREFIX/NAME (NAME may be NULL) with one PARAMETER, left out if its name or VALUE is NULL. */
int request_post(struct context *context, const char *prefix, const char *name, const char *parameter, const char *value,
                 struct answer *ret_answer);

/* Parses the answer of an exchange that is done. */
int answer_read(struct context *context, const struct exchange *exchange, struct answer *ret_answer);

/* Reports an exchange without an answer. Returns EXIT_CODE_NO_ANSWER. */
int tell_no_answer(const struct context *context, const struct exchange *exchange);
/* Reports an invalid answer. Returns EXIT_CODE_NO_ANSWER. */
int tell_malformed(const struct context *context, const char *what);
/* The same, if the member at PATH is missing or has the wrong type. */
int tell_wrong_member(const struct context *context, const char *path);
/* Reports an error of our own (no memory, a broken pipe on output); on -EPIPE it is silent. Returns CODE. */
int tell_error(int error, int code);
/*
 * Reports a refusal, {"error", "message", "known"}, and with --json prints it; NAME is the requested name, or NULL. Returns EXIT_CODE_USAGE
 * for a name or an argument that the daemon does not accept, EXIT_CODE_NOT_READY for any other.
 */
int tell_refusal(struct context *context, const struct answer *answer, const char *name);

/* The databases of an answer, or JSON itself as the only one. Returns 0, or an exit code (reported). */
int answer_databases(struct context *context, json_t *json, struct database_status **ret_databases, size_t *ret_n);

/* Parses the value of --OPTION as a span; -EINVAL (reported) if it is none. */
int request_parse_span(const char *option, const char *text, uint64_t *ret_usec);
/* Whether TEXT may be the value of --OPTION of COMMAND: a duration back from now, or a time. Complains if it is neither. */
bool request_is_past_time(const char *command, const char *option, const char *text);
