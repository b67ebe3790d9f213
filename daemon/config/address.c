#include "config/address.h"

#include "base/error.h"
#include "base/macro.h"

#include <netdb.h>
#include <netinet/in.h>

#define ADDRESS_MAX 128
#define HOST_NAME_LENGTH_MAX 253

/* Splits "[ADDRESS]:PORT" or "ADDRESS:PORT", in place. */
static int split(char *text, char **ret_host, char **ret_port) {
        char *colon = strrchr(text, ':'), *host = text;

        if (!colon || colon == text)
                return -EINVAL;
        *colon = '\0';
        if (*host == '[') {
                if (colon[-1] != ']')
                        return -EINVAL;
                colon[-1] = '\0';
                host++;
        } else if (strchr(host, ':'))
                return -EINVAL;
        *ret_host = host;
        *ret_port = colon + 1;
        return 0;
}

static bool is_port(const char *text) {
        size_t length = strlen(text);

        return length >= 1 && length <= 5 && strspn(text, "0123456789") == length && atoi(text) >= 1 && atoi(text) <= 65535;
}

int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length) {
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        char copy[ADDRESS_MAX], *host, *port;
        int r;

        if (strlen(text) >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, text, strlen(text) + 1);
        r = split(copy, &host, &port);
        if (r < 0)
                return r;
        /* getaddrinfo() takes "*" for the loopback address, which is never what it is meant for. */
        if (!*host || streq(host, "*") || !is_port(port) || getaddrinfo(host, port, &hints, &found) != 0)
                return -EINVAL;
        memcpy(ret_address, found->ai_addr, found->ai_addrlen);
        *ret_length = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}

bool address_is_loopback6(const struct in6_addr *address) {
        return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == IN_LOOPBACKNET);
}

bool address_is_host_name(const char *text) {
        size_t length = strlen(text);

        return length >= 1 && length <= HOST_NAME_LENGTH_MAX && *text != '.' && *text != '-' && text[length - 1] != '.' &&
                !strstr(text, "..") && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

/* The parts of an address that matter for listening; other bytes of a sockaddr may hold anything. */
struct place {
        sa_family_t family;
        in_port_t port;
        struct in6_addr host; /* for IPv4 its first four bytes */
        uint32_t scope;
};

static struct place address_place_of(const char *text) {
        struct sockaddr_storage address = {0};
        struct place place = {0};
        socklen_t length;

        if (address_parse(text, &address, &length) < 0)
                return place;
        place.family = address.ss_family;
        if (address.ss_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *)&address;

                place.port = in->sin_port;
                memcpy(&place.host, &in->sin_addr, sizeof(in->sin_addr));
        } else {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;

                place.port = in6->sin6_port;
                place.host = in6->sin6_addr;
                place.scope = in6->sin6_scope_id;
        }
        return place;
}

static bool is_everywhere(const struct place *place) {
        return memcmp(&place->host, &in6addr_any, sizeof(in6addr_any)) == 0;
}

static bool place_equal(const struct place *a, const struct place *b) {
        return a->family == b->family && a->port == b->port && a->scope == b->scope && memcmp(&a->host, &b->host, sizeof(a->host)) == 0;
}

bool address_same(const char *a, const char *b) {
        struct place left = address_place_of(a), right = address_place_of(b);

        return place_equal(&left, &right);
}

bool address_collides(const char *a, const char *b) {
        struct place left = address_place_of(a), right = address_place_of(b);

        return place_equal(&left, &right) ||
               (left.family == right.family && left.port == right.port && (is_everywhere(&left) || is_everywhere(&right)));
}
