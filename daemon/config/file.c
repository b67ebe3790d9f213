#include "config/file.h"

#include "base/error.h"
#include "base/macro.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_regular(const char *path, size_t max_bytes, int *ret_fd, struct stat *ret_stat) {
        _cleanup_close_ int fd = -1;

        /* O_NONBLOCK: a FIFO must not hold up the start. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, ret_stat) < 0)
                return error_from_errno();
        if (S_ISDIR(ret_stat->st_mode))
                return -EISDIR;
        if (!S_ISREG(ret_stat->st_mode))
                return -ENOTSUP;
        if ((size_t)ret_stat->st_size > max_bytes)
                return -EFBIG;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

int file_read(const char *path, size_t max_bytes, struct file *ret_file) {
        _cleanup_(file_deinit) struct file file = {0};
        _cleanup_close_ int fd = -1;
        struct stat st;
        size_t expected;
        int r;

        r = open_regular(path, max_bytes, &fd, &st);
        if (r < 0)
                return r;
        expected = (size_t)st.st_size;
        file.mode = st.st_mode & 07777;
        file.text = malloc(expected + 1);
        if (!file.text)
                return -ENOMEM;
        /* Data appended meanwhile is not read: the next reload will read it. */
        while (file.size < expected) {
                ssize_t n = read(fd, file.text + file.size, expected - file.size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_from_errno();
                if (n == 0)
                        break;
                file.size += (size_t)n;
        }
        file.text[file.size] = '\0';
        *ret_file = file;
        file = (struct file){0};
        return 0;
}

void file_deinit(struct file *file) {
        if (file->text)
                explicit_bzero(file->text, file->size);
        free(file->text);
        *file = (struct file){0};
}

static const char *refused_error(int r, char buffer[FILE_ERROR_MAX]) {
        struct passwd entry, *found = NULL;
        char space[16384];

        if (getpwuid_r(geteuid(), &entry, space, sizeof(space), &found) == 0 && found)
                (void)snprintf(buffer, FILE_ERROR_MAX, "%s for the user %s", strerror(-r), found->pw_name);
        else
                (void)snprintf(buffer, FILE_ERROR_MAX, "%s for the user with the id %u", strerror(-r), (unsigned)geteuid());
        return buffer;
}

const char *file_error(int r, char buffer[FILE_ERROR_MAX]) {
        switch (r) {
        case -EACCES:
                return refused_error(r, buffer);
        case -EISDIR:
                return "it is a folder; expected a file";
        case -ENOTSUP:
                return "it is no regular file";
        case -EFBIG:
                return "it is too large";
        default:
                return strerror(-r);
        }
}

/* -- Files with a secret --------------------------------------------------------------------------------------------------------------- */

/* Enough for a password; more is not one. */
#define PASSWORD_BYTES_MAX 4096

/* The length without one trailing line end, as editors and `echo` leave it. */
static size_t password_length(const struct file *file) {
        size_t length = file->size;

        if (length && file->text[length - 1] == '\n')
                length--;
        if (length && length < file->size && file->text[length - 1] == '\r')
                length--;
        return length;
}

static int take_password(const struct file *file, const struct complaint_place *place, char **ret_password) {
        size_t length = password_length(file);
        char *password;

        if (length == 0) {
                place_error(place, "the file is empty; expected one that holds the password");
                return -EINVAL;
        }
        if (memchr(file->text, '\0', length)) {
                place_error(place, "the file holds a NUL byte; expected one that holds the password and nothing else");
                return -EINVAL;
        }
        password = strndup(file->text, length);
        if (!password)
                return -ENOMEM;
        *ret_password = password;
        return 0;
}

static int file_read_password(const char *path, bool others_may_read, const struct complaint_place *place, char **ret_password) {
        _cleanup_(file_deinit) struct file file = {0};
        char error[FILE_ERROR_MAX];
        int r;

        r = file_read(path, PASSWORD_BYTES_MAX, &file);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                place_error(place, "the file cannot be read: %s", file_error(r, error));
                return -EINVAL;
        }
        if (!others_may_read && (file.mode & (S_IROTH | S_IWOTH))) {
                place_error(place,
                            "everybody on the machine can read or write the file (mode %04o); expected " FILE_PRIVATE,
                            (unsigned)file.mode);
                return -EINVAL;
        }
        return take_password(&file, place, ret_password);
}

int password_read_file(const char *path, const struct complaint_place *place, char **ret_password) {
        return file_read_password(path, false, place, ret_password);
}

int password_read_credential(const char *name, const struct config_environment *environment, const struct complaint_place *place,
                             char **ret_password) {
        struct buffer path = {0};
        int r;

        if (strchr(name, '/') || streq(name, ".") || streq(name, "..")) {
                place_error(place,
                            "this is no credential's name; expected the name of a file in $CREDENTIALS_DIRECTORY, as LoadCredential= "
                            "gives it");
                return -EINVAL;
        }
        if (!environment->credentials_directory) {
                if (environment->credentials_may_lack) {
                        place_warning(place, "not checked: there is no $CREDENTIALS_DIRECTORY here");
                        *ret_password = NULL;
                        return 0;
                }
                place_error(place, "there is no $CREDENTIALS_DIRECTORY; expected LoadCredential=NAME:FILE in the unit");
                return -EINVAL;
        }
        buffer_printf(&path, "%s/%s", environment->credentials_directory, name);
        r = buffer_finish(&path);
        /* systemd keeps the folder itself closed to others. */
        if (r == 0)
                r = file_read_password(path.data, true, place, ret_password);
        buffer_deinit(&path);
        return r;
}
