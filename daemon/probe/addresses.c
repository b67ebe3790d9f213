#include "probe/addresses.h"

#include "base/error.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

static bool contains(const struct addresses *addresses, const char *text) {
        for (unsigned i = 0; i < addresses->n; i++)
                if (streq(addresses->list[i], text))
                        return true;
        return false;
}

static void addresses_add(struct addresses *addresses, const struct addrinfo *info) {
        char text[ADDRESS_TEXT_MAX];

        if (addresses->n == ADDRESSES_MAX)
                return;
        if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0 || contains(addresses, text))
                return;
        memcpy(addresses->list[addresses->n++], text, sizeof(text));
}

/*
 * Without AI_ADDRCONFIG, which leaves no address on a host that has loopback only. An address without a route fails at once when it is
 * tried.
 */
int addresses_resolve(const char *host, int *ret_error, struct addresses **ret_addresses) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addresses *addresses;
        struct addrinfo *found = NULL;
        int r;

        r = getaddrinfo(host, NULL, &hints, &found);
        if (r == EAI_SYSTEM)
                *ret_error = errno;
        if (r != 0)
                return r;
        addresses = calloc(1, sizeof(*addresses));
        for (const struct addrinfo *info = found; addresses && info; info = info->ai_next)
                addresses_add(addresses, info);
        freeaddrinfo(found);
        if (!addresses)
                return EAI_MEMORY;
        if (addresses->n == 0) {
                free(addresses);
                return EAI_NONAME;
        }
        *ret_addresses = addresses;
        return 0;
}

static bool is_usual_literal(const char *host) {
        struct in6_addr ignored;

        return inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
}

/* Less usual literals ("fe80::1%eth0", "127.1"), rewritten in the usual form. */
static bool read_literal(const char *host, char ret_text[ADDRESS_TEXT_MAX]) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
        struct addrinfo *found = NULL;
        bool good;

        if (getaddrinfo(host, NULL, &hints, &found) != 0)
                return false;
        good = getnameinfo(found->ai_addr, found->ai_addrlen, ret_text, ADDRESS_TEXT_MAX, NULL, 0, NI_NUMERICHOST) == 0;
        freeaddrinfo(found);
        return good;
}

int addresses_literal(const struct conninfo *conninfo, char ret_text[ADDRESS_TEXT_MAX]) {
        const char *hostaddr = conninfo_get(conninfo, "hostaddr"), *host = conninfo_get(conninfo, "host");

        if (hostaddr && *hostaddr) {
                (void)text_copy(ret_text, ADDRESS_TEXT_MAX, hostaddr);
                return 0;
        }
        if (!host || conninfo_is_socket(conninfo)) {
                ret_text[0] = '\0';
                return 0;
        }
        if (!is_usual_literal(host))
                return read_literal(host, ret_text) ? 0 : 1;
        (void)text_copy(ret_text, ADDRESS_TEXT_MAX, host);
        return 0;
}

void addresses_prefer(struct addresses *addresses, const char *first) {
        char text[ADDRESS_TEXT_MAX];

        for (unsigned i = 1; i < addresses->n; i++) {
                if (!streq(addresses->list[i], first))
                        continue;
                memcpy(text, addresses->list[i], sizeof(text));
                memmove(addresses->list[1], addresses->list[0], i * sizeof(text));
                memcpy(addresses->list[0], text, sizeof(text));
                return;
        }
}

void addresses_format(const struct conninfo *conninfo, const char *address, char *buffer, size_t size) {
        const char *port = conninfo_get(conninfo, "port"), *host = conninfo_get(conninfo, "host");
        char path[256];
        size_t length;

        if (!port || !*port)
                port = "5432";
        if (*address) {
                (void)snprintf(buffer, size, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, port);
                return;
        }
        (void)snprintf(path, sizeof(path), "%s/.s.PGSQL.%s", host ? host : "", port);
        length = strlen(path);
        (void)text_copy(buffer, size, length < size ? path : path + length - size + 1);
}
