#include "http/host.h"

#include "config/address.h"

#include <arpa/inet.h>
#include <strings.h>

/* A name in the DNS has 253 bytes at most. */
#define HOST_MAX 256

/* Copies what stands before the port; false when HOST is no host. Of "[::1]:80" it is "::1", and RET_BRACKETS is set. */
static bool cut_port(const char *host, size_t length, char ret_name[HOST_MAX], bool *ret_brackets) {
        bool brackets = length > 0 && *host == '[';
        const char *name = host + brackets, *end = memchr(name, brackets ? ']' : ':', length - brackets), *port;
        size_t size;

        if (brackets && !end)
                return false;
        end = end ? end : host + length;
        port = end + brackets;
        size = (size_t)(end - name);
        if (size == 0 || size >= HOST_MAX)
                return false;
        if (port < host + length && (*port != ':' || strspn(port + 1, "0123456789") < (size_t)(host + length - port) - 1))
                return false;
        memcpy(ret_name, name, size);
        ret_name[size] = '\0';
        *ret_brackets = brackets;
        return true;
}

static bool is_loopback(const char *name, bool brackets) {
        struct in6_addr in6;
        struct in_addr in;

        if (brackets)
                return inet_pton(AF_INET6, name, &in6) == 1 && address_is_loopback6(&in6);
        return inet_pton(AF_INET, name, &in) == 1 && ntohl(in.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

static bool is_name(char *name, char *const *names, size_t n) {
        size_t length = strlen(name);

        if (name[length - 1] == '.')
                name[length - 1] = '\0';
        for (size_t i = 0; i < n; i++)
                if (strcasecmp(name, names[i]) == 0)
                        return true;
        return strcasecmp(name, "localhost") == 0;
}

bool host_is_served(const char *host, size_t length, char *const *names, size_t n) {
        char name[HOST_MAX];
        bool brackets;

        return cut_port(host, length, name, &brackets) && (is_loopback(name, brackets) || (!brackets && is_name(name, names, n)));
}
