/*
 * Whom a request is for, as it says itself: the Host of its header or of its URL. Pure.
 *
 * A web page may give its own name the address 127.0.0.1 (DNS rebinding), and then read what listens there as if it came from itself; only
 * the name in the request tells. So what listens on loopback answers to the names of loopback, and to those that it was told.
 */
#pragma once

#include "base/macro.h"

/*
 * Whether HOST (LENGTH bytes, with or without a port) is localhost, an address of loopback, or one of N NAMES; upper and lower case are
 * one, and so are a name and the same with a dot behind it.
 */
bool host_is_served(const char *host, size_t length, char *const *names, size_t n);
