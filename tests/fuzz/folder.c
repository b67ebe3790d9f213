#include "folder.h"
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

static char folder[FUZZ_PATH_MAX / 2];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
        (void)st, (void)type;
        return walk->level == 0 ? 0 : remove(path);
}

void fuzz_clear(void) {
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folder(void) {
        fuzz_clear();
        (void)rmdir(folder);
}

static void make_folder(void) {
        const char *top = getenv("TMPDIR");

        (void)snprintf(folder, sizeof(folder), "%s/pgwaked-fuzz.XXXXXX", top ? top : "/tmp");
        fuzz_check(mkdtemp(folder) && atexit(remove_folder) == 0, "no folder could be made");
}

const char *fuzz_path(char *ret_path, const char *name) {
        if (!*folder)
                make_folder();
        (void)snprintf(ret_path, FUZZ_PATH_MAX, "%s%s%s", folder, *name ? "/" : "", name);
        return ret_path;
}

void fuzz_write(const char *name, const void *data, size_t size) {
        char path[FUZZ_PATH_MAX];
        int fd;

        /* A new file instead of a truncated one: some file systems write the latter out at once. */
        (void)unlink(fuzz_path(path, name));
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file could not be written");
        (void)close(fd);
}
