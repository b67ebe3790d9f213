/*
 * The file of the history, as the one thread that writes it has it: read once, then written, made anew when it is damaged, and tried again, more
 * and more slowly, when it cannot be written. All is that thread's but what says otherwise.
 */
#pragma once

#include "history/happening.h"
#include "history/snapshot.h"
#include "history/store.h"

struct keeper;

int keeper_new(const char *path, const struct store_bounds *bounds, struct keeper **ret_keeper);
/* What was not written is lost. Takes NULL. */
struct keeper *keeper_free(struct keeper *keeper);

/* The first call: tries to read what is in the file, and answers as keeper_past(). */
struct snapshot *keeper_read(struct keeper *keeper);
/* What was read of the file since, once, for who puts what follows it; NULL: nothing. Until keeper_past_taken() nothing is written. */
struct snapshot *keeper_past(struct keeper *keeper);
/* What is put from now on has gone on from it. */
void keeper_past_taken(struct keeper *keeper);

/* SNAPSHOT is the keeper's. */
void keeper_put(struct keeper *keeper, struct snapshot *snapshot);
/* HAPPENING is the keeper's. */
void keeper_tell(struct keeper *keeper, struct happening *happening);
/* Every database that is watched was put or recalled, so that it is known which are not: from now on what is old is dropped. */
void keeper_all_recalled(struct keeper *keeper);
/* Somebody thinks that the file is damaged: the next write looks at it. */
void keeper_doubt(struct keeper *keeper);

/* Whether something is not in the file that was put or told. */
bool keeper_is_behind(const struct keeper *keeper);
/* Milliseconds until it is time for keeper_write() or keeper_prune(); -1: nothing is due. */
int keeper_wait_msec(const struct keeper *keeper);
/* Writes all that waits when it is time for that, or when this is the LAST try. */
void keeper_write(struct keeper *keeper, bool last);
/* Drops a slice of what is old, when it is time for that. */
void keeper_prune(struct keeper *keeper);
/* Says in the file that the databases were watched until now, and closes it. */
void keeper_close(struct keeper *keeper);

/* Any thread; in force with the next write. */
void keeper_limit(struct keeper *keeper, const struct store_bounds *bounds);
/* Any thread. RET_SENTENCE is for people; "" where there is nothing to say. */
enum store_health keeper_health(struct keeper *keeper, char *ret_sentence, size_t size);
