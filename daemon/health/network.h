/*
 * Whether it is our own network that is gone: at least two distinct remote hosts are configured, the last attempt at each of them failed
 * for want of a route, or because no name server answered (EAI_AGAIN, or nothing in time), and no such suspicion is too old. Internal to
 * health/.
 */
#pragma once

#include "config/conninfo.h"

#include <stdint.h>

struct network {
        struct network_host *hosts; /* sorted by name */
        size_t n_hosts;
        size_t n_suspect;
        uint64_t gone_until_boot_usec; /* so long no suspicion grows too old; 0: look at each */
};

/* 0 (a host that is not remote does not count), -ENOMEM. */
int network_add(struct network *network, const struct conninfo *conninfo);
void network_remove(struct network *network, const struct conninfo *conninfo);
/*
 * Notes how the last attempt at this host ended, and answers whether our own network is gone. It is a suspect until SUSPECT_UNTIL
 * (CLOCK_BOOTTIME); 0: it is none.
 */
bool network_note(struct network *network, const struct conninfo *conninfo, uint64_t suspect_until_boot_usec, uint64_t now_boot_usec);
void network_deinit(struct network *network);
