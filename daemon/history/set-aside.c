/* A damaged file gets another name: see history/history.h. */
#include "history/history.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* OLD becomes NEW, unless something of that name is there: -EEXIST. */
static int move(const char *old, const char *new) {
        if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return error_from_errno();
        /* A file system that cannot promise it. */
        if (access(new, F_OK) == 0)
                return -EEXIST;
        return rename(old, new) < 0 ? error_from_errno() : 0;
}

/* A log without its database, or one beside another database, would be misread: they go together. */
static void move_beside(const char *path, const char *aside, const char *suffix) {
        _cleanup_free_ char *old = NULL, *new = NULL;

        if (asprintf(&old, "%s%s", path, suffix) < 0) {
                old = NULL;
                return;
        }
        if (asprintf(&new, "%s%s", aside, suffix) < 0) {
                new = NULL;
                return;
        }
        if (move(old, new) < 0)
                (void)unlink(old);
}

int history_set_aside(const char *path, uint64_t now_real_usec, char **ret_path) {
        time_t seconds = (time_t)(now_real_usec / USEC_PER_SEC);
        char when[sizeof("20261122T190405Z")] = "";
        struct tm tm;
        int r = -EEXIST;

        if (gmtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
        for (unsigned i = 0; i < 100 && r == -EEXIST; i++) {
                char *aside;

                if ((i == 0 ? asprintf(&aside, "%s.corrupt-%s", path, when) : asprintf(&aside, "%s.corrupt-%s-%u", path, when, i)) < 0)
                        return -ENOMEM;
                r = move(path, aside);
                if (r < 0) {
                        free(aside);
                        continue;
                }
                move_beside(path, aside, "-wal");
                move_beside(path, aside, "-shm");
                *ret_path = aside;
        }
        return r;
}
