/*
 * A file for each database that exists exactly while the database is awake: for path units, keepalived's track_file, inotify. It appears
 * and goes in one step; its one line says since when. What cannot be written is logged once, stops nothing, and is tried again; what
 * others do in the folder is seen within seconds and mended.
 */
#pragma once

#include "scheduler/engine.h"

struct awake_files;

/*
 * Keeps the files in FOLDER (made, 0755, when missing). What an earlier daemon left there is removed: every file that has a database's
 * name belongs to this folder's purpose. Without a FOLDER ("") RET_FILES is NULL. Observes ENGINE, which must outlive it.
 */
int awake_files_new(sd_event *event, struct engine *engine, const char *folder, struct awake_files **ret_files);
/* From here on nothing that happens changes them. */
void awake_files_stop(struct awake_files *files);
/* Removes the files: nobody keeps them true any more. Takes NULL. */
struct awake_files *awake_files_free(struct awake_files *files);
