/*
 * The thread that answers questions about the past, one after the other and the urgent ones first, each with a connection of its own that
 * only reads and a deadline. It begins with the first question; without one there is no such thread. Main thread only.
 */
#pragma once

#include "history/query.h"

struct reader;
struct question;

/* PATH is copied. DAMAGED is called in the reader's thread: the file makes no sense. */
int reader_new(const char *path, void (*damaged)(void *userdata), void *userdata, struct reader **ret_reader);
/*
 * Ends what runs, waits for that at most TIMEOUT_USEC. Nobody is told any more. Takes NULL. Answers false when the thread is still there.
 */
bool reader_free(struct reader *reader, uint64_t timeout_usec);

/*
 * A question about the past. ANSWERED is called by reader_take_answers(), once, with an answer whose content it may take. 0; -EBUSY: too
 * many wait already; -ENODATA: READER is NULL, nothing is kept; or what the thread could not be started for.
 */
int reader_ask(struct reader *reader, const struct history_query *query, void (*answered)(void *userdata, struct query_answer *answer),
               void *userdata, struct question **ret_question);
/* The asker does not want to know any more; ANSWERED is not called. */
void reader_cancel(struct question *question);
/* Readable when there are answers; -1 when there never are: READER is NULL. */
int reader_fd(const struct reader *reader);
void reader_take_answers(struct reader *reader);
