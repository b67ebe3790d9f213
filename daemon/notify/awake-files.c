#include "notify/awake-files.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "base/timer.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* For a file that is not complete. No database's name begins with a dot. */
#define TEMPORARY_PREFIX ".new-"
#define FILE_NAME_MAX (TEXT_NAME_MAX + sizeof(TEMPORARY_PREFIX))

/* Changes that others make together are repaired together. */
#define MEND_AFTER_USEC (100 * USEC_PER_MSEC)
#define RETRY_MIN_USEC USEC_PER_SEC
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)
/* Files per loop iteration. */
#define MEND_MAX 128

/* Watched parent folders. */
#define ABOVE_MAX 16

/* The registry decides which files there should be. */
struct awake_files {
        sd_event *event;
        struct engine *engine;
        struct observer observer;
        char *path;
        int folder_fd;    /* open only during an operation: inotify does not report the removal of an open folder */
        struct stat left; /* the folder of our last operation */
        bool wrong;       /* something in it is not as it should be */
        bool mending;     /* the databases up to MENDED were checked */
        char mended[TEXT_NAME_MAX + 1];
        int error;         /* of this repair so far, or 0: other files are repaired all the same */
        unsigned failures; /* in a row; only the first is logged */
        struct timer timer;
        sd_event_source *watch, *above[ABOVE_MAX];
};

static int make_folder(const char *path) {
        char part[PATH_MAX];

        if (strlen(path) >= sizeof(part))
                return -ENAMETOOLONG;
        (void)text_copy(part, sizeof(part), path);
        for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(part, 0755) < 0 && errno != EEXIST)
                        return error_from_errno();
                *slash = '/';
        }
        return mkdir(part, 0755) < 0 && errno != EEXIST ? error_from_errno() : 0;
}

static int open_folder(struct awake_files *files) {
        static const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
        int r;

        if (files->folder_fd < 0)
                files->folder_fd = open(files->path, flags);
        if (files->folder_fd < 0 && errno == ENOENT) {
                r = make_folder(files->path);
                if (r < 0)
                        return r;
                files->folder_fd = open(files->path, flags);
        }
        return files->folder_fd < 0 ? error_from_errno() : 0;
}

#define CONTENT_MAX (CLOCK_RFC3339_MAX + 2)

static size_t compose(char content[CONTENT_MAX], uint64_t since_real_usec) {
        char since[CLOCK_RFC3339_MAX + 1];

        return (size_t)snprintf(content, CONTENT_MAX, "%s\n", clock_format_rfc3339(since, since_real_usec));
}

static int write_temporary(int folder_fd, const char *name, uint64_t since_real_usec) {
        char content[CONTENT_MAX];
        size_t length = compose(content, since_real_usec);
        _cleanup_close_ int fd = -1;
        ssize_t written;

        fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_from_errno();
        /* Regardless of our umask: the file is for everybody. */
        if (fchmod(fd, 0644) < 0)
                return error_from_errno();
        written = write(fd, content, length);
        if (written < 0)
                return error_from_errno();
        return (size_t)written == length ? 0 : -ENOSPC;
}

static int write_file(struct awake_files *files, const char *name, uint64_t since_real_usec) {
        char temporary[FILE_NAME_MAX];
        int r;

        r = open_folder(files);
        if (r < 0)
                return r;
        (void)snprintf(temporary, sizeof(temporary), TEMPORARY_PREFIX "%s", name);
        r = write_temporary(files->folder_fd, temporary, since_real_usec);
        if (r >= 0 && renameat(files->folder_fd, temporary, files->folder_fd, name) < 0)
                r = error_from_errno();
        if (r < 0)
                (void)unlinkat(files->folder_fd, temporary, 0);
        return r;
}

static int remove_file(struct awake_files *files, const char *name) {
        int r = open_folder(files);

        if (r < 0)
                return r;
        return unlinkat(files->folder_fd, name, 0) < 0 && errno != ENOENT ? error_from_errno() : 0;
}

/* Logged once until it works again: a full or read-only disk would otherwise cause an entry per event. */
static void awake_files_fail(struct awake_files *files, int error) {
        if (files->failures == 0)
                log_error("cannot keep the awake files in %s: %s; going on without", files->path, strerror(-error));
        files->wrong = true;
        files->mending = false;
        files->failures++;
        timer_set_after(&files->timer, backoff_usec(files->failures, RETRY_MIN_USEC, RETRY_MAX_USEC));
}

static void note_wrong(struct awake_files *files) {
        files->wrong = true;
        files->mending = false;
}

/* The folder may have been replaced. */
static void note_others(struct awake_files *files) {
        struct stat now;

        if (stat(files->path, &now) < 0 || now.st_dev != files->left.st_dev || now.st_ino != files->left.st_ino)
                note_wrong(files);
}

static void leave(struct awake_files *files) {
        if (files->folder_fd >= 0)
                (void)fstat(files->folder_fd, &files->left);
        close_fd(&files->folder_fd);
}

/* After a failure the retry keeps its own time, whatever changes. */
static void mend_soon(struct awake_files *files) {
        if (files->wrong && !timer_is_set(&files->timer))
                timer_set_after(&files->timer, MEND_AFTER_USEC);
}

static const struct database *awake_database(const struct awake_files *files, const char *name) {
        const struct database *database = registry_by_name(engine_registry(files->engine), name);

        return database && database->state == STATE_AWAKE ? database : NULL;
}

/* Whether the file NAME is ours: others may have put anything there. */
static bool stands(int folder_fd, const char *name, uint64_t since_real_usec) {
        char content[CONTENT_MAX], found[CONTENT_MAX + 1];
        size_t length = compose(content, since_real_usec);
        _cleanup_close_ int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        ssize_t got;

        if (fd < 0)
                return false;
        got = read(fd, found, sizeof(found));
        return got == (ssize_t)length && memcmp(found, content, length) == 0;
}

static bool is_right(struct awake_files *files, const char *name) {
        const struct database *database = awake_database(files, name);
        struct stat st;

        if (open_folder(files) < 0)
                return false;
        if (database)
                return stands(files->folder_fd, name, database->since_real_usec);
        return fstatat(files->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* inotify also reports our own changes. Only names that we keep are checked; other files there are not ours. */
static int on_change(sd_event_source *source, const struct inotify_event *change, void *userdata) {
        struct awake_files *files = userdata;
        bool is_file = change->len > 0;

        (void)source;
        if (!is_file || (text_is_name(change->name) && !is_right(files, change->name)))
                note_wrong(files);
        close_fd(&files->folder_fd);
        mend_soon(files);
        return 0;
}

static void unwatch(struct awake_files *files) {
        files->watch = sd_event_source_disable_unref(files->watch);
        for (size_t i = 0; i < ABOVE_MAX; i++)
                files->above[i] = sd_event_source_disable_unref(files->above[i]);
}

/*
 * Watches the folder and its parents for changes by others. If a watch cannot be had (their number per user is limited), changes are
 * noticed later.
 */
static void watch_folder(struct awake_files *files) {
        char above[PATH_MAX];
        char *slash;

        unwatch(files);
        (void)sd_event_add_inotify(files->event, &files->watch, files->path,
                                   IN_ONLYDIR | IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF, on_change, files);
        (void)text_copy(above, sizeof(above), files->path);
        for (size_t i = 0; i < ABOVE_MAX && (slash = strrchr(above, '/')) && slash != above; i++) {
                *slash = '\0';
                (void)sd_event_add_inotify(files->event, &files->above[i], above, IN_ONLYDIR | IN_DELETE_SELF | IN_MOVE_SELF, on_change, files);
        }
}

static void awake_files_on_event(void *userdata, const struct event *event, const struct database *database) {
        struct awake_files *files = userdata;
        bool was = event->previous == STATE_AWAKE, is = event->state == STATE_AWAKE && event->kind != EVENT_REMOVED;
        int r = 0;

        (void)database;
        if (is == was && event->kind != EVENT_REMOVED)
                return;
        note_others(files);
        /* Without a watch, changes must be looked for. A repair in progress is not restarted: it would never end. */
        files->wrong |= !files->watch;
        if (is)
                r = write_file(files, event->database, event->real_usec);
        else
                r = remove_file(files, event->database);
        leave(files);
        mend_soon(files);
        /* After an earlier failure the retry is already scheduled. */
        if (r < 0 && !files->failures)
                awake_files_fail(files, r);
}

static bool awake_files_is_ours(const char *name) {
        return text_is_name(name) || starts_with(name, TEMPORARY_PREFIX);
}

/* Removes our files: all of them, or those that should not exist. */
static int sweep(struct awake_files *files, bool all) {
        struct dirent *entry;
        int fd, r = 0;
        DIR *folder;

        fd = openat(files->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_from_errno();
        folder = fdopendir(fd);
        if (!folder) {
                close_fd(&fd);
                return -ENOMEM;
        }
        while ((entry = readdir(folder))) {
                const char *name = entry->d_name;

                if (!awake_files_is_ours(name) || (!all && awake_database(files, name)) || unlinkat(files->folder_fd, name, 0) == 0 || errno == ENOENT)
                        continue;
                /* A folder of such a name belongs to others, and is misleading only if a database has that name. */
                if (errno != EISDIR || registry_by_name(engine_registry(files->engine), name))
                        r = error_from_errno();
        }
        closedir(folder);
        return r;
}

/* The folder may have been replaced. ALL: no file in it can be trusted. */
static int begin_mending(struct awake_files *files, bool all) {
        int r;

        r = open_folder(files);
        if (r < 0)
                return r;
        watch_folder(files);
        files->error = sweep(files, all);
        files->mending = true;
        files->mended[0] = '\0';
        return 0;
}

static int mend_one(struct awake_files *files, const struct database *database) {
        if (database->state != STATE_AWAKE || stands(files->folder_fd, database->config->name, database->since_real_usec))
                return 0;
        return write_file(files, database->config->name, database->since_real_usec);
}

/* Writes the next missing files. Returns whether there may be more. */
static bool mend_some(struct awake_files *files) {
        const struct registry *registry = engine_registry(files->engine);
        size_t place = registry_place_after(registry, files->mended);
        const struct database *database = NULL;

        for (size_t i = 0; i < MEND_MAX && (database = registry_at(registry, place + i)); i++) {
                int r = mend_one(files, database);

                (void)text_copy(files->mended, sizeof(files->mended), database->config->name);
                if (r < 0)
                        files->error = r;
        }
        return database != NULL;
}

static void mend(struct awake_files *files, bool all) {
        bool more = false;
        int r;

        r = files->mending ? open_folder(files) : begin_mending(files, all);
        if (r >= 0)
                more = mend_some(files);
        leave(files);
        if (more) {
                timer_set_after(&files->timer, 0);
                return;
        }
        if (r >= 0)
                r = files->error;
        if (r < 0) {
                awake_files_fail(files, r);
                return;
        }
        if (files->failures > 0)
                log_info("the awake files in %s are kept again", files->path);
        files->wrong = files->mending = false;
        files->failures = 0;
}

static void awake_files_on_timer(void *userdata) {
        struct awake_files *files = userdata;

        note_others(files);
        if (files->wrong)
                mend(files, false);
}

int awake_files_new(sd_event *event, struct engine *engine, const char *folder, struct awake_files **ret_files) {
        struct awake_files *files;
        int r;

        if (!*folder) {
                *ret_files = NULL;
                return 0;
        }
        files = calloc(1, sizeof(*files));
        if (!files)
                return -ENOMEM;
        files->event = event;
        files->engine = engine;
        files->folder_fd = -1;
        files->path = strdup(folder);
        r = files->path ? timer_init(&files->timer, event, CLOCK_MONOTONIC, USEC_PER_MSEC, "awake-files", awake_files_on_timer, files) : -ENOMEM;
        if (r < 0) {
                free(files->path);
                free(files);
                return r;
        }
        files->wrong = true;
        mend(files, true);
        files->observer = (struct observer){.notify = awake_files_on_event, .userdata = files};
        engine_observe(engine, &files->observer);
        *ret_files = files;
        return 0;
}

void awake_files_stop(struct awake_files *files) {
        engine_unobserve(files->engine, &files->observer);
        timer_deinit(&files->timer);
        unwatch(files);
}

struct awake_files *awake_files_free(struct awake_files *files) {
        if (!files)
                return NULL;
        awake_files_stop(files);
        files->folder_fd = open(files->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files->folder_fd >= 0)
                (void)sweep(files, true);
        close_fd(&files->folder_fd);
        free(files->path);
        free(files);
        return NULL;
}
