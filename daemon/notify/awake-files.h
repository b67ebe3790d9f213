/*
 * One file per database, which exists exactly while the database is awake: for path units, keepalived's track_file, inotify. It appears and
 * disappears atomically; its only line is the time since when. A file that cannot be written is logged once, holds up nothing, and is
 * retried; changes that others make in the folder are noticed within seconds and repaired.
 */
#pragma once

#include "scheduler/engine.h"

struct awake_files;

/*
 * Keeps the files in FOLDER (made, 0755, if missing). Removes what an earlier daemon left there: every file that has a database's name.
 * Without a FOLDER ("") RET_FILES is NULL. Observes ENGINE, which must outlive it.
 */
int awake_files_new(sd_event *event, struct engine *engine, const char *folder, struct awake_files **ret_files);
/* Leaves the files as they are from now on. */
void awake_files_stop(struct awake_files *files);
/* Removes the files, since nothing keeps them correct any more. Takes NULL. */
struct awake_files *awake_files_free(struct awake_files *files);
