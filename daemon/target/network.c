#include "target/network.h"

#include "base/macro.h"

#include <errno.h>

struct network_host {
        char *name;
        unsigned references;
        bool suspect;
};

static const char *remote_host(const struct conninfo *conninfo) {
        const char *host = conninfo_get(conninfo, "host"), *address = conninfo_get(conninfo, "hostaddr");

        if (!host)
                host = address;
        if (!host || conninfo_is_socket(conninfo) || streq(host, "localhost") || streq(host, "::1") || starts_with(host, "127."))
                return NULL;
        return host;
}

static size_t position(const struct network *network, const char *name, bool *ret_found) {
        size_t low = 0, high = network->n_hosts;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = strcmp(network->hosts[middle].name, name);

                if (c == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

int network_add(struct network *network, const struct conninfo *conninfo) {
        const char *name = remote_host(conninfo);
        struct network_host *hosts;
        bool found;
        size_t at;

        if (!name)
                return 0;
        at = position(network, name, &found);
        if (found) {
                network->hosts[at].references++;
                return 0;
        }
        hosts = realloc(network->hosts, (network->n_hosts + 1) * sizeof(*hosts));
        if (!hosts)
                return -ENOMEM;
        network->hosts = hosts;
        name = strdup(name);
        if (!name)
                return -ENOMEM;
        memmove(hosts + at + 1, hosts + at, (network->n_hosts - at) * sizeof(*hosts));
        hosts[at] = (struct network_host){.name = (char *)name, .references = 1};
        network->n_hosts++;
        return 0;
}

void network_remove(struct network *network, const struct conninfo *conninfo) {
        const char *name = remote_host(conninfo);
        struct network_host *host;
        bool found;
        size_t at;

        if (!name)
                return;
        at = position(network, name, &found);
        if (!found)
                return;
        host = &network->hosts[at];
        if (--host->references > 0)
                return;
        network->n_suspect -= host->suspect;
        free(host->name);
        memmove(host, host + 1, (network->n_hosts - at - 1) * sizeof(*host));
        network->n_hosts--;
}

bool network_note(struct network *network, const struct conninfo *conninfo, bool suspect) {
        const char *name;
        bool found;
        size_t at;

        /* The usual case: all is well, and was. */
        if (!suspect && network->n_suspect == 0)
                return false;
        name = remote_host(conninfo);
        if (!name)
                return false;
        at = position(network, name, &found);
        if (!found)
                return false;
        network->n_suspect += (size_t)suspect - (size_t)network->hosts[at].suspect;
        network->hosts[at].suspect = suspect;
        return suspect && network->n_hosts >= 2 && network->n_suspect == network->n_hosts;
}

void network_deinit(struct network *network) {
        for (size_t i = 0; i < network->n_hosts; i++)
                free(network->hosts[i].name);
        free(network->hosts);
        *network = (struct network){0};
}
