#include "pgwake/service.h"

#include "base/macro.h"

#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);

        return length >= end_length && streq(text + length - end_length, end);
}

char *service_unit(void) {
        _cleanup_free_ char *unit = NULL;

        if (sd_pid_get_unit(0, &unit) < 0 || !ends_with(unit, ".service"))
                return NULL;
        /* The manager of a user's services: that says less than the user's name. */
        if (starts_with(unit, "user@"))
                return NULL;
        return steal_pointer(&unit);
}

bool service_is_awaited(void) {
        return getenv("NOTIFY_SOCKET") != NULL;
}

void service_notify(const char *state) {
        (void)sd_notify(0, state);
}
