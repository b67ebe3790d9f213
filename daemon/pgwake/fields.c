#include "pgwake/fields.h"

#include "base/clock.h"
#include "base/macro.h"

#include <errno.h>

/* The member at PATH; NULL when it or one above it is absent or null; -EBADMSG below something that is no object. */
static int find(json_t *object, const char *path, json_t **ret_value) {
        for (;;) {
                size_t length = strcspn(path, ".");
                char key[64];

                if (!object || json_is_null(object)) {
                        *ret_value = NULL;
                        return 0;
                }
                if (!json_is_object(object) || length >= sizeof(key))
                        return -EBADMSG;
                memcpy(key, path, length);
                key[length] = '\0';
                object = json_object_get(object, key);
                if (!path[length]) {
                        *ret_value = json_is_null(object) ? NULL : object;
                        return 0;
                }
                path += length + 1;
        }
}

static int read_seconds(const json_t *value, uint64_t *ret_usec) {
        double seconds = json_number_value(value);

        if (!json_is_number(value) || !(seconds >= 0))
                return -EBADMSG;
        /* Some 30,000 years; above it the conversion would no longer be defined. */
        *ret_usec = seconds >= 1e12 ? USEC_INFINITY : (uint64_t)(seconds * 1e6 + 0.5);
        return 0;
}

static int read_value(json_t *value, enum field_type type, void *ret) {
        switch (type) {
        case FIELD_TEXT:
                if (!json_is_string(value))
                        return -EBADMSG;
                *(const char **)ret = json_string_value(value);
                return 0;
        case FIELD_BOOL:
                if (!json_is_boolean(value))
                        return -EBADMSG;
                *(bool *)ret = json_is_true(value);
                return 0;
        case FIELD_COUNT:
                if (!json_is_integer(value) || json_integer_value(value) < 0)
                        return -EBADMSG;
                *(uint64_t *)ret = (uint64_t)json_integer_value(value);
                return 0;
        case FIELD_SECONDS:
                return read_seconds(value, ret);
        case FIELD_OBJECT:
        case FIELD_ARRAY:
        case FIELD_ANY:
                if ((type == FIELD_OBJECT && !json_is_object(value)) || (type == FIELD_ARRAY && !json_is_array(value)))
                        return -EBADMSG;
                *(json_t **)ret = value;
                return 0;
        }
        return -EBADMSG;
}

int fields_read(json_t *object, const struct field *fields, size_t n, void *ret, const char **ret_wrong) {
        if (!json_is_object(object)) {
                *ret_wrong = "(no object)";
                return -EBADMSG;
        }
        for (size_t i = 0; i < n; i++) {
                json_t *value = NULL;
                int r;

                r = find(object, fields[i].path, &value);
                if (r == 0 && value)
                        r = read_value(value, fields[i].type, (char *)ret + fields[i].offset);
                if (r < 0 || (!value && fields[i].required)) {
                        *ret_wrong = fields[i].path;
                        return -EBADMSG;
                }
        }
        return 0;
}
