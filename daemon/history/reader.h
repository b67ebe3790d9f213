/*
 * The thread that answers queries of the past: one after the other, urgent ones first, each with a read-only connection of its own and a
 * deadline. It starts with the first query. Main thread only.
 */
#pragma once

#include "history/query.h"

struct reader;
struct question;

/* PATH is copied. DAMAGED is called in the reader's thread if the file turns out to be damaged. */
int reader_new(const char *path, void (*damaged)(void *userdata), void *userdata, struct reader **ret_reader);
/*
 * Ends a query in progress, and waits for that at most TIMEOUT_USEC. No callback is called any more. Takes NULL. Returns false if the
 * thread is still there.
 */
bool reader_free(struct reader *reader, uint64_t timeout_usec);

/*
 * Asks QUERY. reader_take_answers() calls ANSWERED once, with an answer whose content it may take. 0; -EBUSY: too many are waiting;
 * -ENODATA: READER is NULL, no history is kept; or the error of starting the thread.
 */
int reader_ask(struct reader *reader, const struct history_query *query, void (*answered)(void *userdata, struct query_answer *answer),
               void *userdata, struct question **ret_question);
/* The caller needs no answer any more: ANSWERED is not called. */
void reader_cancel(struct question *question);
/* Readable when there are answers; -1 if READER is NULL, so that there never are. */
int reader_fd(const struct reader *reader);
void reader_take_answers(struct reader *reader);
