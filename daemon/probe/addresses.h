/* The numeric addresses of a name, in the order in which they are to be tried. */
#pragma once

#include "config/conninfo.h"
#include "model/attempt.h"

#include <net/if.h>

#define ADDRESSES_MAX 16
/* "fe80::1%eth0" */
#define ADDRESS_TEXT_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE)

struct addresses {
        unsigned n;
        char list[ADDRESSES_MAX][ADDRESS_TEXT_MAX];
};

/*
 * Asks the resolver of the system, in its order, each address once. 0, or an EAI_* code, and for EAI_SYSTEM its errno in *RET_ERROR; may
 * take for ever.
 */
int addresses_resolve(const char *host, int *ret_error, struct addresses **ret_addresses);

/*
 * How CONNINFO is reached without asking anybody. Answers 1 when it must be asked; 0 and the one address in ret_text: hostaddr as the
 * operator gave it, or a host that is a literal; "" for a UNIX socket, where there is no address to give to libpq.
 */
int addresses_literal(const struct conninfo *conninfo, char ret_text[ADDRESS_TEXT_MAX]);

/* Moves FIRST to the front, if it is there. */
void addresses_prefer(struct addresses *addresses, const char *first);

/* "127.0.0.1:5432", "[::1]:5432"; of a UNIX socket (ADDRESS "") its path, cut at the front, where its end tells more. */
void addresses_format(const struct conninfo *conninfo, const char *address, char *buffer, size_t size);
