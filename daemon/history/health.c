#include "history/health.h"

#include "base/text.h"
#include "history/history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const health_names[_STORE_HEALTH_MAX] = {
        [STORE_NONE] = "none",
        [STORE_GOOD] = "ok",
        [STORE_FULL] = "full",
        [STORE_READ_ONLY] = "read_only",
        [STORE_LOCKED] = "locked",
        [STORE_UNREACHABLE] = "unreachable",
        [STORE_FOREIGN] = "foreign",
        [STORE_NEWER] = "newer",
        [STORE_FAILED] = "failed",
};

const char *store_health_name(enum store_health health) {
        return health_names[health];
}

enum store_health health_of(int r) {
        switch (r) {
        case HISTORY_GOOD:
        case HISTORY_NEW:
                return STORE_GOOD;
        case HISTORY_NEWER:
                return STORE_NEWER;
        case HISTORY_FOREIGN:
                return STORE_FOREIGN;
        case -ENOSPC:
        case -EDQUOT:
        case -EFBIG:
                return STORE_FULL;
        case -EROFS:
        case -EACCES:
        case -EPERM:
                return STORE_READ_ONLY;
        case -EBUSY:
        case HISTORY_BUSY:
        case HISTORY_HELD:
                return STORE_LOCKED;
        case -ENOENT:
        case -ENOTDIR:
                return STORE_UNREACHABLE;
        default:
                return STORE_FAILED;
        }
}

bool health_is_final(int r) {
        return r == HISTORY_NEWER || r == HISTORY_FOREIGN;
}

void health_describe(char *ret_sentence, size_t size, const char *path, enum store_health health, int r) {
        static const char *const sentences[_STORE_HEALTH_MAX] = {
                [STORE_NONE] = "",
                [STORE_GOOD] = "",
                [STORE_FULL] = "the disk is full, or history.max_size is reached",
                [STORE_READ_ONLY] = "the file or its folder cannot be written",
                [STORE_LOCKED] = "another process holds the file",
                [STORE_UNREACHABLE] = "there is no such folder",
                [STORE_FOREIGN] = "the file belongs to another program, and is left alone; change history.path",
                [STORE_NEWER] = "the file was made by a newer version of pgwaked, and is left alone",
        };

        if (r == HISTORY_HELD)
                (void)snprintf(ret_sentence, size, "%s: another process reads the file for so long that history.max_size is reached", path);
        else if (health == STORE_GOOD || health == STORE_NONE)
                (void)text_copy(ret_sentence, size, "");
        else if (health == STORE_FAILED)
                (void)snprintf(ret_sentence, size, "%s: %s", path, r > 0 ? "the file is damaged" : strerror(-r));
        else
                (void)snprintf(ret_sentence, size, "%s: %s", path, sentences[health]);
}
