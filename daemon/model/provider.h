/*
 * Who runs the database, and what follows: whether it falls asleep, what a check costs there, and how its errors read.
 * One constant profile a provider; nothing else in the house names one.
 */
#pragma once

#include "model/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* An error text of this provider; the first row whose text (case ignored) is contained decides. */
struct provider_text {
        const char *contains;
        const char *and_contains; /* NULL, or a second text that must stand behind the first */
        bool ends_there;          /* nothing but white space may follow `contains` */
        enum reason reason;
};

/* How the end of an idle session by a suspend looks. */
enum cut_signature {
        CUT_NONE = 0,
        CUT_ADMIN_SHUTDOWN = 1 << 0, /* FATAL 57P01 and the end of the connection */
        CUT_BARE_EOF = 1 << 1,       /* the end of the connection without a word */
};

struct provider {
        const char *name;
        const char *const *host_suffixes; /* NULL-terminated; ".neon.tech" matches every host below it */
        const char *host_part;            /* NULL, or what a host with such a suffix must also contain */
        bool suspends;
        uint64_t suspend_after_usec; /* its default; 0 when it does not suspend */
        uint64_t usual_wake_usec;    /* how long a wake takes as far as is published; 0: not known */
        bool door_is_free;           /* a door check neither wakes nor costs */
        bool session_keeps_awake;    /* an idle session prevents the suspend: none is held */
        bool connect_hangs_in_wake;  /* the wake hangs already before authentication */
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
/* The signature that a suspend has on HOST: Neon's pooler (host label ending in "-pooler") differs from the direct endpoint. */
unsigned provider_cut_signature(const struct provider *provider, const char *host);

/* Whether TEXT is what ROW describes. */
bool provider_text_matches(const struct provider_text *row, const char *text);
/* The reason of the first row of TEXTS that TEXT is described by, or REASON_NONE. */
enum reason provider_text_reason(const struct provider_text *texts, const char *text);
