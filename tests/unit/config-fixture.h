/* A folder with configuration files for one test, and the result of loading them. */
#pragma once

#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
        char folder[64];
        struct config_environment environment;
        struct complaints complaints;
        struct config *config;
        struct buffer text;
};

static inline char *fixture_path(struct fixture *f, const char *name) {
        static char path[4][256];
        static unsigned turn;
        char *space = path[turn++ % 4];

        (void)snprintf(space, sizeof(path[0]), "%s%s%s", f->folder, *name ? "/" : "", name);
        return space;
}

/* "@" in CONTENT stands for the test's folder when it is followed by a slash. */
static inline void fixture_write_bytes(struct fixture *f, const char *name, const char *content, size_t size, mode_t mode) {
        int fd;

        /* A new file instead of a truncated one: some file systems write the latter out at once. */
        (void)unlink(fixture_path(f, name));
        fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content, size), (ssize_t)size);
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(close(fd), 0);
}

static inline void fixture_write_mode(struct fixture *f, const char *name, const char *content, mode_t mode) {
        struct buffer expanded = {0};

        for (const char *p = content; *p; p++)
                if (p[0] == '@' && p[1] == '/')
                        buffer_append_string(&expanded, f->folder);
                else
                        buffer_append(&expanded, p, 1);
        fixture_write_bytes(f, name, expanded.data ? expanded.data : "", expanded.size, mode);
        buffer_deinit(&expanded);
}

static inline void fixture_write(struct fixture *f, const char *name, const char *content) {
        fixture_write_mode(f, name, content, 0600);
}

static inline int fixture_setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/pgwaked-conf.XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;
        f->environment.user = strdup("tester");
        f->environment.home = strdup(fixture_path(f, "home"));
        f->environment.pgsysconfdir = strdup(fixture_path(f, "sysconf"));
        f->environment.credentials_directory = strdup(fixture_path(f, "credentials"));
        if (mkdir(fixture_path(f, "home"), 0700) < 0 || mkdir(fixture_path(f, "sysconf"), 0700) < 0 ||
            mkdir(fixture_path(f, "credentials"), 0700) < 0 || mkdir(fixture_path(f, "conf.d"), 0700) < 0)
                return -1;
        *state = f;
        return 0;
}

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *walk) {
        (void)st, (void)type, (void)walk;
        return remove(path);
}

static inline int fixture_teardown(void **state) {
        struct fixture *f = *state;

        config_free(f->config);
        complaints_deinit(&f->complaints);
        config_environment_deinit(&f->environment);
        buffer_deinit(&f->text);
        (void)nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
        free(f);
        return 0;
}

/* Loads the file NAME of the folder; the configuration and the complaints of a load before it are gone. */
static inline int fixture_load_file(struct fixture *f, const char *name) {
        f->config = config_free(f->config);
        complaints_deinit(&f->complaints);
        return config_load(fixture_path(f, name), &f->environment, &f->complaints, &f->config);
}

static inline int fixture_load(struct fixture *f, const char *content) {
        fixture_write(f, "pgwaked.conf", content);
        return fixture_load_file(f, "pgwaked.conf");
}

/* All complaints as lines, the test's folder left out. */
static inline const char *fixture_complaints(struct fixture *f) {
        size_t length = strlen(f->folder);
        struct buffer all = {0};

        for (size_t i = 0; i < f->complaints.n; i++) {
                complaint_format(&f->complaints.items[i], &all);
                buffer_append_string(&all, "\n");
        }
        buffer_clear(&f->text);
        for (const char *p = all.data ? all.data : ""; *p;) {
                if (strncmp(p, f->folder, length) == 0) {
                        p += length + (p[length] == '/');
                        continue;
                }
                buffer_append(&f->text, p++, 1);
        }
        buffer_deinit(&all);
        return f->text.data ? f->text.data : "";
}

#define assert_complaints(f, content, expected)                                    \
        do {                                                                       \
                int answer_ = fixture_load(f, content);                            \
                                                                                   \
                assert_string_equal(fixture_complaints(f), expected);              \
                assert_int_equal(answer_, (f)->complaints.n_errors ? -EINVAL : 0); \
        } while (0)
