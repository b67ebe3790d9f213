#include "health/network.h"

#include "base/array.h"
#include "base/macro.h"
#include "base/text.h"

#include <errno.h>

struct network_host {
        char *name;
        unsigned references;
        uint64_t suspect_until_boot_usec; /* 0: not a suspect */
};

static const char *remote_host(const struct conninfo *conninfo) {
        const char *host = conninfo_get(conninfo, "host"), *address = conninfo_get(conninfo, "hostaddr");

        if (!host)
                host = address;
        if (!host || conninfo_is_socket(conninfo) || streq(host, "localhost") || streq(host, "::1") || starts_with(host, "127."))
                return NULL;
        return host;
}

/* Names of hosts differ neither by case nor by the dot that ends an absolute name (RFC 4343, RFC 1034). */
static int compare_to_host(const void *name, const void *element) {
        const char *host = ((const struct network_host *)element)->name;
        size_t a = text_host_length(name), b = text_host_length(host);
        int r = strncasecmp(name, host, MIN(a, b));

        return r != 0 ? r : (a > b) - (a < b);
}

/* NULL for a remote host that is not known, whose place would be RET_AT, and for a local host. */
static struct network_host *network_find(const struct network *network, const struct conninfo *conninfo, size_t *ret_at) {
        const char *name = remote_host(conninfo);

        if (!name)
                return NULL;
        *ret_at = sorted_place(name, network->hosts, network->n_hosts, sizeof(*network->hosts), compare_to_host);
        return *ret_at < network->n_hosts && compare_to_host(name, &network->hosts[*ret_at]) == 0 ? &network->hosts[*ret_at] : NULL;
}

static bool is_suspect(const struct network_host *host) {
        return host->suspect_until_boot_usec > 0;
}

int network_add(struct network *network, const struct conninfo *conninfo) {
        const char *name = remote_host(conninfo);
        size_t at = 0;
        struct network_host *host = network_find(network, conninfo, &at), *hosts;

        if (host)
                host->references++;
        if (host || !name)
                return 0;
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
        network->gone_until_boot_usec = 0;
        return 0;
}

void network_remove(struct network *network, const struct conninfo *conninfo) {
        size_t at;
        struct network_host *host = network_find(network, conninfo, &at);

        if (!host || --host->references > 0)
                return;
        network->n_suspect -= is_suspect(host);
        network->gone_until_boot_usec = 0;
        free(host->name);
        memmove(host, host + 1, (size_t)(network->hosts + network->n_hosts - host - 1) * sizeof(*host));
        network->n_hosts--;
}

/* Whether every host is still a suspect, if all were. A yes is cached until the first suspicion expires. */
static bool all_are_gone(struct network *network, uint64_t now_boot_usec) {
        uint64_t until = UINT64_MAX;

        if (network->gone_until_boot_usec > now_boot_usec)
                return true;
        for (size_t i = 0; i < network->n_hosts; i++) {
                if (network->hosts[i].suspect_until_boot_usec <= now_boot_usec)
                        return false;
                until = MIN(until, network->hosts[i].suspect_until_boot_usec);
        }
        network->gone_until_boot_usec = until;
        return true;
}

bool network_note(struct network *network, const struct conninfo *conninfo, uint64_t suspect_until_boot_usec, uint64_t now_boot_usec) {
        struct network_host *host;
        size_t at;

        /* The usual case: this host is no suspect, and neither is any other. */
        if (!suspect_until_boot_usec && network->n_suspect == 0)
                return false;
        host = network_find(network, conninfo, &at);
        if (!host)
                return false;
        network->n_suspect += (size_t)(suspect_until_boot_usec > 0) - (size_t)is_suspect(host);
        host->suspect_until_boot_usec = suspect_until_boot_usec;
        if (!suspect_until_boot_usec)
                network->gone_until_boot_usec = 0;
        return suspect_until_boot_usec && network->n_hosts >= 2 && network->n_suspect == network->n_hosts &&
               all_are_gone(network, now_boot_usec);
}

void network_deinit(struct network *network) {
        for (size_t i = 0; i < network->n_hosts; i++)
                free(network->hosts[i].name);
        free(network->hosts);
        *network = (struct network){0};
}
