#include "config/password.h"

#include "base/error.h"
#include "config/file.h"

#include <sys/stat.h>

/* A password, not a key ring. */
#define PASSWORD_BYTES_MAX 4096

/* Without one line end, as editors and `echo` leave it. */
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

static int read_password(const char *path, bool others_may_read, const struct complaint_place *place, char **ret_password) {
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
        return read_password(path, false, place, ret_password);
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
        /* The folder itself is closed to others: systemd sees to it. */
        if (r == 0)
                r = read_password(path.data, true, place, ret_password);
        buffer_deinit(&path);
        return r;
}
