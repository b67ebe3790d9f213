/*
 * Provider profiles: whether a database suspends, what a check costs there, and how its errors read. One constant row per provider; no
 * other code names one.
 */
#pragma once

#include "model/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* An error text of this provider; the first row whose text (case ignored) is contained decides. */
struct provider_text {
        const char *contains;
        const char *and_contains; /* NULL, or a second text that must follow the first */
        bool ends_there;          /* nothing but white space may follow `contains` */
        enum reason reason;
};

/* How a suspend ends an idle session. */
enum cut_signature {
        CUT_NONE = 0,
        CUT_ADMIN_SHUTDOWN = 1 << 0, /* FATAL 57P01 and the end of the connection */
        CUT_BARE_EOF = 1 << 1,       /* the end of the connection without a message */
};

struct provider {
        const char *name;
        const char *const *host_suffixes; /* NULL-terminated; ".neon.tech" matches every host below it */
        const char *host_part;            /* NULL, or a text that a host with such a suffix must also contain */
        bool suspends;
        uint64_t suspend_after_usec; /* its default; 0 if it does not suspend */
        uint64_t usual_wake_usec;    /* the duration of a wake, as published; 0: unknown */
        bool door_is_free;           /* a door check neither wakes nor costs anything */
        bool session_keeps_awake;    /* an idle session prevents the suspend, so none is held */
        bool connect_hangs_in_wake;  /* a wake delays the connect, before authentication */
        bool tls_required;
        bool login_every_error_is_relayed; /* severity and SQLSTATE say nothing here: the text decides */
        unsigned direct_signature;         /* enum cut_signature bits */
        unsigned pooled_signature;
        const struct provider_text *texts; /* ends with a NULL `contains` */
};

/* "postgres", "neon", "aurora", ...; NULL for an unknown name. */
const struct provider *provider_by_name(const char *name);
/* What `provider = "auto"` means for HOST (NULL, an address or a socket path is postgres). Never NULL. */
const struct provider *provider_by_host(const char *host);
/* Row I of all profiles, NULL past the end. */
const struct provider *provider_at(size_t i);
/* How a suspend ends a session on HOST: Neon's pooler (host label ending in "-pooler") differs from the direct endpoint. */
unsigned provider_cut_signature(const struct provider *provider, const char *host);

/* Whether ROW matches TEXT. */
bool provider_text_matches(const struct provider_text *row, const char *text);
/* The reason of the first row of TEXTS that matches TEXT, or REASON_NONE. */
enum reason provider_text_reason(const struct provider_text *texts, const char *text);
