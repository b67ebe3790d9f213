#include "report/awake-file.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* Before it has its name. No database's name begins with a dot. */
#define TEMPORARY_PREFIX ".new-"
#define FILE_NAME_MAX (TEXT_NAME_MAX + sizeof(TEMPORARY_PREFIX))

struct awake_files {
        struct engine *engine;
        struct observer observer;
        char *path;
        int folder_fd; /* -1: not there yet */
        bool told;     /* that something could not be written */
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
        int r;

        if (files->folder_fd >= 0)
                return 0;
        r = make_folder(files->path);
        if (r < 0)
                return r;
        files->folder_fd = open(files->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return files->folder_fd < 0 ? error_from_errno() : 0;
}

static int write_temporary(int folder_fd, const char *name, uint64_t since_real_usec) {
        char since[CLOCK_RFC3339_MAX + 1];
        _cleanup_close_ int fd = -1;

        fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_from_errno();
        /* Whatever our umask: it is meant for everybody. */
        if (fchmod(fd, 0644) < 0)
                return error_from_errno();
        return dprintf(fd, "%s\n", clock_format_rfc3339(since, since_real_usec)) < 0 ? error_from_errno() : 0;
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
        if (files->folder_fd < 0)
                return 0;
        return unlinkat(files->folder_fd, name, 0) < 0 && errno != ENOENT ? error_from_errno() : 0;
}

/* Once until it works again: with a full or read-only disk it would be one for each edge. */
static void tell(struct awake_files *files, int error) {
        if (error < 0 && !files->told)
                log_error("cannot keep the awake files in %s: %s; going on without", files->path, strerror(-error));
        files->told = error < 0;
}

static void on_event(void *userdata, const struct event *event, const struct target *target) {
        struct awake_files *files = userdata;
        bool was = event->previous == STATE_AWAKE, is = event->state == STATE_AWAKE && event->kind != EVENT_REMOVED;
        int r;

        (void)target;
        if (is && !was)
                tell(files, write_file(files, event->database, event->real_usec));
        else if (!is && (was || event->kind == EVENT_REMOVED)) {
                r = remove_file(files, event->database);
                /* That nothing was there to remove does not mean that it works again. */
                if (r < 0)
                        tell(files, r);
        }
}

static bool is_ours(const char *name) {
        return text_is_name(name) || starts_with(name, TEMPORARY_PREFIX);
}

/* Removes every file that is ours. */
static int sweep(struct awake_files *files) {
        struct dirent *entry;
        DIR *folder;
        int fd;

        fd = openat(files->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_from_errno();
        folder = fdopendir(fd);
        if (!folder) {
                close_fd(&fd);
                return -ENOMEM;
        }
        while ((entry = readdir(folder)))
                if (is_ours(entry->d_name))
                        (void)unlinkat(files->folder_fd, entry->d_name, 0);
        closedir(folder);
        return 0;
}

static void start(struct awake_files *files) {
        const struct registry *registry = engine_registry(files->engine);
        const struct target *target;
        int r;

        r = open_folder(files);
        if (r >= 0)
                r = sweep(files);
        tell(files, r);
        for (size_t i = 0; (target = registry_at(registry, i)); i++)
                if (target->state == STATE_AWAKE)
                        tell(files, write_file(files, target->config->name, target->since_real_usec));
}

int awake_files_new(struct engine *engine, const char *folder, struct awake_files **ret_files) {
        struct awake_files *files;

        if (!*folder) {
                *ret_files = NULL;
                return 0;
        }
        files = calloc(1, sizeof(*files));
        if (!files)
                return -ENOMEM;
        files->engine = engine;
        files->folder_fd = -1;
        files->path = strdup(folder);
        if (!files->path) {
                free(files);
                return -ENOMEM;
        }
        start(files);
        files->observer = (struct observer){.notify = on_event, .userdata = files};
        engine_observe(engine, &files->observer);
        *ret_files = files;
        return 0;
}

struct awake_files *awake_files_free(struct awake_files *files) {
        if (!files)
                return NULL;
        engine_unobserve(files->engine, &files->observer);
        if (files->folder_fd >= 0)
                (void)sweep(files);
        close_fd(&files->folder_fd);
        free(files->path);
        free(files);
        return NULL;
}
