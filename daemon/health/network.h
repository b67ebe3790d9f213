/*
 * Detects that our own network is gone: at least two distinct remote hosts are configured, the last attempt at each failed for want of a
 * route or because no name server answered (EAI_AGAIN, or nothing in time), and none of these failures is too old. Internal to health/.
 */
#pragma once

#include "config/conninfo.h"

#include <stdint.h>

struct network {
        struct network_host *hosts; /* sorted by name */
        size_t n_hosts;
        size_t n_suspect;
        uint64_t gone_until_boot_usec; /* until then no suspicion expires; 0: check each */
};

/* 0 (also for a local host, which does not count), -ENOMEM. */
int network_add(struct network *network, const struct conninfo *conninfo);
void network_remove(struct network *network, const struct conninfo *conninfo);
/*
 * Notes the result of the last attempt at this host, and returns whether our own network is gone. The host is a suspect until SUSPECT_UNTIL
 * (CLOCK_BOOTTIME); 0: it is not.
 */
bool network_note(struct network *network, const struct conninfo *conninfo, uint64_t suspect_until_boot_usec, uint64_t now_boot_usec);
void network_deinit(struct network *network);
