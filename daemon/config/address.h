/* The address of a TCP listener as it is written in the configuration: "127.0.0.1:9817", "[::1]:9817". */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Numeric address and a port from 1 to 65535. Answers 0 or -EINVAL. */
int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);

/* Whether it is ::1, or one of 127.0.0.0/8 written as an IPv6 address. */
bool address_is_loopback6(const struct in6_addr *address);

/* Whether TEXT is a name as the DNS or /etc/hosts may have it: letters, digits, "-", "_" and "."; no port. */
bool address_is_host_name(const char *text);

/* Whether two texts that address_parse() takes are one address, however each is written. */
bool address_same(const char *a, const char *b);
/* Whether only one of the two can be listened on: they are the same, or one is all addresses of its family on the port of the other. */
bool address_collides(const char *a, const char *b);
