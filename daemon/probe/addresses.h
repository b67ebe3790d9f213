/* A host name's numeric addresses, in the order in which to try them. */
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
 * Asks the system's resolver; keeps its order, each address once. Returns 0 or an EAI_* code, for EAI_SYSTEM with its errno in *RET_ERROR.
 * May block forever.
 */
int addresses_resolve(const char *host, int *ret_error, struct addresses **ret_addresses);

/*
 * Finds CONNINFO's address without a resolver. Returns 1 if it takes one. Otherwise 0, and the only address in ret_text: hostaddr as
 * configured, or a host that is a literal; "" for a UNIX socket, for which libpq takes no address.
 */
int addresses_literal(const struct conninfo *conninfo, char ret_text[ADDRESS_TEXT_MAX]);

/* Moves FIRST to the front, if it is there. */
void addresses_prefer(struct addresses *addresses, const char *first);

/* "127.0.0.1:5432", "[::1]:5432"; for a UNIX socket (ADDRESS "") its path, cut at the front, since its end tells more. */
void addresses_format(const struct conninfo *conninfo, const char *address, char *buffer, size_t size);
