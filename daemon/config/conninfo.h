/*
 * A database's connection: libpq's keywords with their values, checked and complete, and the password apart from them.
 *
 * Immutable, and shared by reference between threads. Everything that libpq would take from its environment (user, dbname, host, port,
 * passfile) is resolved here, so that no connection depends on it.
 */
#pragma once

#include "base/buffer.h"
#include "config/environment.h"
#include "config/keyword.h"

#include <stdatomic.h>

enum conninfo_password_source {
        CONNINFO_PASSWORD_NONE, /* none of our own: libpq reads the passfile, if one is named */
        CONNINFO_PASSWORD_INLINE,
        CONNINFO_PASSWORD_SERVICE,
        CONNINFO_PASSWORD_CREDENTIAL,
        CONNINFO_PASSWORD_FILE,
        CONNINFO_PASSWORD_ENV_FILE,
        CONNINFO_PASSWORD_ENVIRONMENT,
};

struct conninfo {
        atomic_uint references;
        size_t n;
        /*
         * N keywords with their values, NULL-terminated, as PQconnectStartParams() takes them (expand_dbname 0). Always present: port,
         * user, dbname, and host or hostaddr. Never present: password, service, and everything that the probe sets itself
         * (application_name, fallback_application_name, client_encoding, connect_timeout, gssencmode, replication, target_session_attrs).
         */
        const char **keywords; /* of the keyword table, not owned */
        char **values;
        const char **notes; /* the source of the value, a constant; NULL: given in the conninfo */
        char *password;     /* NULL: none. Wiped with the last reference */
        enum conninfo_password_source password_source;
};

struct conninfo *conninfo_ref(struct conninfo *conninfo);
/* Returns NULL; takes NULL. */
struct conninfo *conninfo_unref(struct conninfo *conninfo);

/* The value of one of libpq's keywords, or NULL. */
const char *conninfo_get(const struct conninfo *conninfo, const char *keyword);
/* Whether the host is a UNIX socket's folder ("/...") or an abstract one ("@..."). */
bool conninfo_is_socket(const struct conninfo *conninfo);
/* "host:5432/app", "[::1]:5432/app", "/run/postgresql:5432/app". */
void conninfo_endpoint(const struct conninfo *conninfo, struct buffer *buffer);
/* Same values and the same bytes of password. Both may be NULL. */
bool conninfo_equal(const struct conninfo *a, const struct conninfo *b);
/* As a key=value conninfo, quoted as libpq reads it, without the password. */
void conninfo_format(const struct conninfo *conninfo, struct buffer *buffer);
/* Formats it as a key=value conninfo, quoted for libpq, without the password. */
const char *conninfo_password_source_name(enum conninfo_password_source source);

static inline void conninfo_unrefp(struct conninfo **conninfo) {
        conninfo_unref(*conninfo);
}

/* A conninfo while it is read: one value per keyword, later ones overwriting earlier ones as in libpq; then completed and frozen. */

struct conninfo_draft {
        char *values[KEYWORDS_MAX]; /* by the keyword's index; NULL: not given */
        const char *notes[KEYWORDS_MAX];
};

/* Wipes and frees. */
void conninfo_draft_deinit(struct conninfo_draft *draft);

/* The value of a keyword of the table, or NULL. */
const char *conninfo_draft_get(const struct conninfo_draft *draft, const char *keyword);
/* Overwrites it with a copy of VALUE. Returns 0 or -ENOMEM. */
int conninfo_draft_set(struct conninfo_draft *draft, const char *keyword, const char *value, const char *note);

/*
 * Parses TEXT, a URI ("postgresql://", "postgres://", "postgresql+driver://") or key=value, by libpq's rules. Complains at PLACE without
 * repeating any of it. Returns 0; -EINVAL; -ENOMEM.
 */
int conninfo_draft_parse(struct conninfo_draft *draft, const char *text, const struct complaint_place *place);

/*
 * The same for a text that configures an application and that its libraries parse: URI parameters that libpq does not know are ignored with
 * a warning (unless one resembles a known one), and `ssl` is the name that drivers other than libpq use for sslmode.
 */
int conninfo_draft_parse_of_application(struct conninfo_draft *draft, const char *text, const struct complaint_place *place);

/*
 * Checks every value, refuses more than one host, and fills in what libpq would take from the system: user, dbname, host, port, passfile,
 * and the system's CA bundle for sslmode verify-*. HAS_PASSWORD: no passfile is needed. Returns 0; -EINVAL; -ENOMEM.
 */
int conninfo_draft_complete(struct conninfo_draft *draft, const struct config_environment *environment, bool has_password,
                            const struct complaint_place *place);

/* Whether HOST ends in a port: "db.example.com:5433". */
bool conninfo_host_has_port(const char *host);

/* Freezes it. Takes PASSWORD over in any case. Returns 0 or -ENOMEM. */
int conninfo_new(struct conninfo_draft *draft, char *password, enum conninfo_password_source source, struct conninfo **ret_conninfo);

/* Wipes and frees; takes NULL. */
char *secret_free(char *secret);
