#include "pgwake/owner.h"

#include "base/text.h"
#include "pgwake/sanitize.h"
#include "pgwake/service.h"

#include <pwd.h>
#include <stdio.h>

char *owner_default(char buffer[LEASE_OWNER_MAX + 1]) {
        _cleanup_free_ char *unit = service_unit();
        const struct passwd *user;

        if (unit)
                return text_copy(buffer, LEASE_OWNER_MAX + 1, unit);
        user = getpwuid(getuid());
        if (user)
                (void)snprintf(buffer, LEASE_OWNER_MAX + 1, "user %.100s, process %ld", user->pw_name, (long)getpid());
        else
                (void)snprintf(buffer, LEASE_OWNER_MAX + 1, "user %lu, process %ld", (unsigned long)getuid(), (long)getpid());
        return buffer;
}

bool owner_is_valid(const char *text) {
        return *text && strlen(text) <= LEASE_OWNER_MAX && sanitize_is_clean(text);
}
