#include "probe/parameters.h"

#include <sys/stat.h>

/* libpq treats a passfile that cannot be opened like one without a fitting line. No file can exist below /dev/null. */
#define NO_PASSFILE "/dev/null/pgwaked"

/* libpq takes the last of equal keywords. */
static void parameters_add(struct parameters *parameters, const char *keyword, const char *value) {
        if (parameters->n == PARAMETERS_MAX)
                return;
        parameters->keywords[parameters->n] = keyword;
        parameters->values[parameters->n++] = value;
}

static void add_default(struct parameters *parameters, const struct conninfo *conninfo, const char *keyword, const char *value) {
        if (!conninfo_get(conninfo, keyword))
                parameters_add(parameters, keyword, value);
}

/*
 * A passfile that libpq would ignore is withheld: libpq would complain on stderr at every connection. Loading the configuration has
 * complained once.
 */
static bool passfile_is_usable(const struct conninfo *conninfo) {
        const char *path = conninfo_get(conninfo, "passfile");
        struct stat st;

        return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & (S_IRWXG | S_IRWXO));
}

/*
 * gssencmode and sslmode can each double the tries, and with them the wakes. sslmode is the operator's choice; GSS encryption is disabled.
 * A held session must notice within a minute that its host has vanished, even if nothing is sent on it.
 */
void parameters_fill(struct parameters *parameters, const struct conninfo *conninfo, const char *address, bool door, bool keep) {
        parameters->n = 0;
        for (size_t i = 0; i < conninfo->n; i++)
                parameters_add(parameters, conninfo->keywords[i], conninfo->values[i]);
        if (*address)
                parameters_add(parameters, "hostaddr", address);
        parameters_add(parameters, "application_name", "pgwaked");
        parameters_add(parameters, "client_encoding", "UTF8");
        parameters_add(parameters, "gssencmode", "disable");
        if (door || !passfile_is_usable(conninfo))
                parameters_add(parameters, "passfile", NO_PASSFILE);
        if (!door && conninfo->password)
                parameters_add(parameters, "password", conninfo->password);
        if (keep) {
                add_default(parameters, conninfo, "keepalives_idle", "30");
                add_default(parameters, conninfo, "keepalives_interval", "10");
                add_default(parameters, conninfo, "keepalives_count", "3");
                add_default(parameters, conninfo, "tcp_user_timeout", "30000");
        }
        parameters->keywords[parameters->n] = parameters->values[parameters->n] = NULL;
}
