/* Which form of an answer a client would rather have (RFC 9110, 12.5.1). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct media_type {
        const char *type, *subtype;
        const char *version; /* a range with another version is another type */
};

/*
 * The place in OFFERS (N of them) of what ACCEPT (the header; NULL: none) likes best. Between equals one that is named comes before one
 * that only a wildcard allows, and then the later of those that are named, for the first is what everybody gets who names nothing. The
 * first also where none is acceptable: an answer that nobody asked for can be looked at, and a refusal cannot.
 */
size_t accept_choose(const char *accept, const struct media_type *offers, size_t n);
