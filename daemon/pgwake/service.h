/* What concerns the service manager: the one caller of libsystemd in pgwake. */
#pragma once

#include <stdbool.h>

/* The system service that pgwake runs in ("report.service"), owned by the caller; NULL when it runs in none. */
char *service_unit(void);
/* Whether a service manager started us and waits to be told: there is a $NOTIFY_SOCKET. */
bool service_is_awaited(void);
/* Tells $NOTIFY_SOCKET, as sd_notify(3); nothing happens without it. */
void service_notify(const char *state);
