#include "conf/address.h"

#include "base/error.h"
#include "base/macro.h"

#include <netdb.h>

#define ADDRESS_MAX 128

/* Takes "[ADDRESS]:PORT" or "ADDRESS:PORT" apart, in place. */
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
        if (!*host || !is_port(port) || getaddrinfo(host, port, &hints, &found) != 0)
                return -EINVAL;
        memcpy(ret_address, found->ai_addr, found->ai_addrlen);
        *ret_length = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}
