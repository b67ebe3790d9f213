/* The address of a TCP listener as written in the configuration: "127.0.0.1:9817", "[::1]:9817". */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* A numeric address and a port from 1 to 65535. Returns 0 or -EINVAL. */
int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);

/* Whether it is ::1, or one of 127.0.0.0/8 written as an IPv6 address. */
bool address_is_loopback6(const struct in6_addr *address);

/* Whether TEXT may be a name in the DNS or /etc/hosts: letters, digits, "-", "_" and "."; no port. */
bool address_is_host_name(const char *text);

/* Whether two texts that address_parse() accepts are the same address, however they are written. */
bool address_same(const char *a, const char *b);
/* Whether only one of the two can be bound: they are the same, or one is the wildcard address of the same family and port. */
bool address_collides(const char *a, const char *b);
