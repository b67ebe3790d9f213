#include "model/check.h"

static const char *const check_names[_CHECK_MAX] = {
        [CHECK_DOOR] = "door",
        [CHECK_LOGIN] = "login",
        [CHECK_PING] = "ping",
};

const char *check_name(enum check check) {
        return check_names[check];
}
