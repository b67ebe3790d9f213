/*
 * Whether it is our own network that is gone: at least two distinct remote hosts are configured, and the last attempt at each of them
 * failed by EAI_AGAIN or for want of a route. Internal to target/.
 */
#pragma once

#include "conf/conninfo.h"

struct network {
        struct network_host *hosts; /* sorted by name */
        size_t n_hosts;
        size_t n_suspect;
};

/* 0 (a host that is not remote does not count), -ENOMEM. */
int network_add(struct network *network, const struct conninfo *conninfo);
void network_remove(struct network *network, const struct conninfo *conninfo);
/* Notes how the last attempt at this host ended and answers whether our own network is gone. */
bool network_note(struct network *network, const struct conninfo *conninfo, bool suspect);
void network_deinit(struct network *network);
