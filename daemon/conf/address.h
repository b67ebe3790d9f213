/* The address of a TCP listener as it is written in the configuration: "127.0.0.1:9817", "[::1]:9817". */
#pragma once

#include <sys/socket.h>

/* Numeric address and a port from 1 to 65535. Answers 0 or -EINVAL. */
int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);
