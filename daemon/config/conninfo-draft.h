/* A conninfo while it is read: a place for each keyword, later ones overwriting earlier ones as in libpq, then completed and frozen. */
#pragma once

#include "config/conninfo.h"
#include "config/environment.h"
#include "config/keyword.h"

struct conninfo_draft {
        char *values[KEYWORDS_MAX]; /* by the keyword's index; NULL: not given */
        const char *notes[KEYWORDS_MAX];
};

/* Wipes and frees. */
void conninfo_draft_deinit(struct conninfo_draft *draft);

/* The value of a keyword of the table, or NULL. */
const char *conninfo_draft_get(const struct conninfo_draft *draft, const char *keyword);
/* Overwrites it with a copy of VALUE. Answers 0 or -ENOMEM. */
int conninfo_draft_set(struct conninfo_draft *draft, const char *keyword, const char *value, const char *note);

/*
 * Reads TEXT, a URI ("postgresql://", "postgres://", "postgresql+driver://") or key=value, by libpq's rules. Complains at PLACE without
 * repeating any of it. Answers 0; -EINVAL; -ENOMEM.
 */
int conninfo_draft_parse(struct conninfo_draft *draft, const char *text, const struct complaint_place *place);

/*
 * The same for a text that an application is configured with and its libraries read: parameters of the URI that libpq does not know are
 * ignored with a warning (unless one is nearly a known one), and `ssl` is what drivers other than libpq call sslmode.
 */
int conninfo_draft_parse_of_application(struct conninfo_draft *draft, const char *text, const struct complaint_place *place);

/*
 * Checks every value, refuses more than one host, and fills in what libpq would take from the system: user, dbname, host, port, passfile,
 * and the system's CA bundle for sslmode verify-*. No passfile where HAS_PASSWORD says that none is needed. Answers 0; -EINVAL; -ENOMEM.
 */
int conninfo_draft_complete(struct conninfo_draft *draft, const struct config_environment *environment, bool has_password,
                            const struct complaint_place *place);

/* Whether HOST ends in a port: "db.example.com:5433". */
bool conninfo_host_has_port(const char *host);

/* Freezes it. PASSWORD is taken over, whatever happens. Answers 0 or -ENOMEM. */
int conninfo_new(struct conninfo_draft *draft, char *password, enum conninfo_password_source source, struct conninfo **ret_conninfo);

/* Wiped and freed. NULL is fine. */
char *secret_free(char *secret);
