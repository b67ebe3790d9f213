/* From failures to reasons: every known text and code has its row here. */
#include "model/classify.h"

#include "base/macro.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>

static bool produced[_REASON_MAX];

static enum reason judge(const char *provider, struct failure failure) {
        enum reason reason = classify(&failure, provider_by_name(provider));

        produced[reason] = true;
        return reason;
}

static void assert_reason(enum reason reason, enum reason expected, const char *what) {
        if (reason != expected)
                fail_msg("%s: %s, not %s", what, reason_slug(reason), reason_slug(expected));
}

#define TRY "connection to server at \"db.example.com\" (192.0.2.1), port 5432 failed: "
#define EOF_TEXT                                                                       \
        "server closed the connection unexpectedly\n"                                  \
        "\tThis probably means the server terminated abnormally\n"                     \
        "\tbefore or while processing the request.\n"

/* Messages of Neon's proxy (facts, section 3); it sends them as ERROR XX000, and has been seen to use 28000. */
static const struct {
        const char *text;
        enum reason reason;
} neon_rows[] = {
        { "Couldn't connect to compute node", REASON_PROVIDER_TRANSIENT },
        { "Control plane request failed", REASON_PROVIDER_TRANSIENT },
        { "Console request failed", REASON_PROVIDER_TRANSIENT },
        { "Control plane request failed: something new", REASON_UNCLASSIFIED },
        { "Control plane request failed: endpoint is temporarily unavailable. Check your quotas and/or contact our support.",
          REASON_PROVIDER_TRANSIENT },
        { "Failed to acquire permit to connect to the database. Too many database connection attempts are currently ongoing.",
          REASON_PROVIDER_TRANSIENT },
        { "Control plane request failed: project already has running operations, scheduling of new ones is prohibited",
          REASON_PROVIDER_TRANSIENT },
        { "Authentication timed out", REASON_PROVIDER_TRANSIENT },
        { "Internal error", REASON_PROVIDER_TRANSIENT },
        { "Too many connections attempts", REASON_PROVIDER_THROTTLED },
        { "Too many connections to this endpoint. Please try again later.", REASON_PROVIDER_THROTTLED },
        { "Your account has exceeded the rate limit. Please try again later.", REASON_PROVIDER_THROTTLED },
        { "You have reached the limit of concurrently active endpoints", REASON_PROVIDER_THROTTLED },
        { "active endpoints limit exceeded", REASON_PROVIDER_THROTTLED },
        { "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits.",
          REASON_PROVIDER_QUOTA },
        { "Your project has exceeded the data transfer quota.", REASON_PROVIDER_QUOTA },
        { "exceeded the compute time for this branch", REASON_PROVIDER_QUOTA },
        { "The endpoint is disabled. Enable it using Neon API and retry", REASON_PROVIDER_DISABLED },
        { "The endpoint has been disabled.", REASON_PROVIDER_DISABLED },
        { "This project is temporarily disabled.", REASON_PROVIDER_DISABLED },
        { "The requested endpoint cannot be found", REASON_PROVIDER_CONFIG },
        { "The requested endpoint could not be found, or you don't have access to it.", REASON_PROVIDER_CONFIG },
        { "Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support",
          REASON_PROVIDER_CONFIG },
        { "Inconsistent project name inferred from SNI ('a') and project option ('b').", REASON_PROVIDER_CONFIG },
        { "Project name ('a b') must contain only alphanumeric characters and hyphen.", REASON_PROVIDER_CONFIG },
        { "password authentication failed for user 'app'", REASON_AUTH_PASSWORD },
        { "connection is insecure (try using `sslmode=require`)", REASON_PROVIDER_CONFIG },
        { "This IP address 192.0.2.7 is not allowed to connect to this endpoint.", REASON_PROVIDER_CONFIG },
        { "You are trying to connect from a blocked network.", REASON_PROVIDER_CONFIG },
        { "unsupported startup parameter: statement_timeout", REASON_PROVIDER_CONFIG },
        /* PostgreSQL's own texts, relayed. */
        { "the database system is starting up", REASON_SERVER_STARTING },
        { "the database system is not yet accepting connections", REASON_SERVER_STARTING },
        { "the database system is shutting down", REASON_SERVER_STOPPING },
        { "the database system is in recovery mode", REASON_SERVER_RECOVERING },
        { "the database system is not accepting connections", REASON_SERVER_REFUSING },
        { "terminating connection due to administrator command", REASON_SERVER_STOPPING },
        { "terminating connection because of crash of another server process", REASON_SERVER_CRASHED },
        { "sorry, too many clients already", REASON_SERVER_FULL },
        { "remaining connection slots are reserved for roles with the SUPERUSER attribute", REASON_SERVER_FULL },
        { "too many connections for database \"app\"", REASON_SERVER_FULL },
        { "password authentication failed for user \"app\"", REASON_AUTH_PASSWORD },
        { "no pg_hba.conf entry for host \"192.0.2.7\", user \"app\", database \"app\", no encryption", REASON_AUTH_REJECTED },
        { "role \"app\" does not exist", REASON_AUTH_REJECTED },
        { "role \"app\" is not permitted to log in", REASON_AUTH_REJECTED },
        { "database \"app\" does not exist", REASON_DATABASE_MISSING },
        { "permission denied for database \"app\"", REASON_DATABASE_DENIED },
        { "database \"app\" is not currently accepting connections", REASON_DATABASE_DENIED },
        { "canceling authentication due to timeout", REASON_AUTH_TIMEOUT },
        { "canceling statement due to statement timeout", REASON_QUERY_TIMEOUT },
        { "terminating connection due to idle-session timeout", REASON_SESSION_CUT },
        { "terminating connection due to idle-in-transaction timeout", REASON_SESSION_CUT },
        { "words never heard before", REASON_UNCLASSIFIED },
};

static void neon_is_judged_by_its_texts_whatever_the_code(void **state) {
        static const char *const codes[] = { "XX000", "28000" };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(neon_rows); i++)
                for (size_t j = 0; j < ARRAY_LENGTH(codes); j++) {
                        const char *text = neon_rows[i].text;
                        char message[512];

                        assert_reason(judge("neon", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH, .severity = "ERROR",
                                                                       .sqlstate = codes[j], .text = text }),
                                      neon_rows[i].reason, text);
                        (void)snprintf(message, sizeof(message), TRY "ERROR:  %s: %s\n", codes[j], text);
                        assert_reason(judge("neon", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH, .text = message }),
                                      neon_rows[i].reason, message);
                }
}

static void every_text_of_every_provider_is_reached(void **state) {
        const struct provider *provider;
        char text[256];

        (void)state;
        for (size_t i = 0; (provider = provider_at(i)); i++)
                for (const struct provider_text *row = provider->texts; row->contains; row++) {
                        (void)snprintf(text, sizeof(text), "%s %s", row->contains, row->and_contains ? row->and_contains : "");
                        assert_reason(judge(provider->name, (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH,
                                                                               .severity = "ERROR", .sqlstate = "XX000", .text = text }),
                                      row->reason, text);
                }
}

static void a_providers_words_are_its_own(void **state) {
        struct failure e = { .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH, .severity = "ERROR", .sqlstate = "XX000",
                              .text = "endpoint is disabled" };

        (void)state;
        assert_reason(judge("postgres", e), REASON_UNCLASSIFIED, "not Neon");
        /* An answered query's error is the database's own. */
        e = (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_QUERY, .sqlstate = "P0001", .text = "you exceeded the usual quota" };
        assert_reason(judge("neon", e), REASON_QUERY_FAILED, "raised by a query");
        e.sqlstate = "XX000";
        e.text = "cache lookup failed for relation 1";
        assert_reason(judge("neon", e), REASON_QUERY_FAILED, "an internal error in a query");
}

/* PostgreSQL's and the poolers' codes (facts, section 4). */
static const struct {
        const char *sqlstate;
        const char *text;
        enum phase phase;
        enum reason reason;
} server_rows[] = {
        { "57P03", "the database system is starting up", PHASE_AUTH, REASON_SERVER_STARTING },
        { "57P03", "the database system is shutting down", PHASE_AUTH, REASON_SERVER_STOPPING },
        { "57P03", "the database system is in recovery mode", PHASE_AUTH, REASON_SERVER_RECOVERING },
        { "57P03", "the database system is not yet accepting connections", PHASE_AUTH, REASON_SERVER_STARTING },
        { "57P03", "the database system is not accepting connections", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "57P03", "das Datenbanksystem f\xc3\xa4hrt hoch", PHASE_AUTH, REASON_SERVER_STARTING },
        { "57P01", "terminating connection due to administrator command", PHASE_AUTH, REASON_SERVER_STOPPING },
        { "57P01", "terminating connection due to administrator command", PHASE_QUERY, REASON_SERVER_STOPPING },
        { "57P01", "arr\xc3\xaat des connexions suite \xc3\xa0 la demande de l'administrateur", PHASE_QUERY, REASON_SERVER_STOPPING },
        { "57P02", "terminating connection because of crash of another server process", PHASE_QUERY, REASON_SERVER_CRASHED },
        { "57P02", "\xe7\xbb\x88\xe6\xad\xa2", PHASE_AUTH, REASON_SERVER_CRASHED },
        { "57P04", "terminating connection due to conflict with recovery", PHASE_QUERY, REASON_SESSION_CUT },
        { "57P05", "terminating connection due to idle-session timeout", PHASE_QUERY, REASON_SESSION_CUT },
        { "25P03", "terminating connection due to idle-in-transaction timeout", PHASE_QUERY, REASON_SESSION_CUT },
        { "57000", "operator intervention", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "53300", "sorry, too many clients already", PHASE_AUTH, REASON_SERVER_FULL },
        { "53300", "remaining connection slots are reserved for non-replication superuser connections", PHASE_AUTH, REASON_SERVER_FULL },
        { "53300", "too many connections for role \"limited\"", PHASE_AUTH, REASON_SERVER_FULL },
        { "53300", "translated", PHASE_QUERY, REASON_SERVER_FULL },
        { "53200", "out of memory", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "53100", "could not write init file: No space left on device", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "53200", "out of memory", PHASE_QUERY, REASON_QUERY_FAILED },
        { "54000", "program limit exceeded", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "58P01", "could not open file \"global/pg_filenode.map\": No such file or directory", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "XX001", "invalid page in block 0", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "XX002", "index corrupted", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "XX001", "invalid page in block 0", PHASE_QUERY, REASON_QUERY_FAILED },
        { "XX000", "cache lookup failed", PHASE_AUTH, REASON_UNCLASSIFIED },
        { "XX000", "cache lookup failed", PHASE_QUERY, REASON_QUERY_FAILED },
        { "0A000", "unsupported frontend protocol 3.0", PHASE_AUTH, REASON_UNCLASSIFIED },
        { "28P01", "password authentication failed for user \"app\"", PHASE_AUTH, REASON_AUTH_PASSWORD },
        { "28P01", "Passwort-Authentifizierung fehlgeschlagen", PHASE_AUTH, REASON_AUTH_PASSWORD },
        { "28000", "password authentication failed for user \"app\"", PHASE_AUTH, REASON_AUTH_PASSWORD },
        { "28000", "no pg_hba.conf entry for host \"127.0.0.1\", user \"app\", database \"app\", SSL encryption", PHASE_AUTH,
          REASON_AUTH_REJECTED },
        { "28000", "pg_hba.conf rejects connection for host \"127.0.0.1\"", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "role \"nologin\" is not permitted to log in", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "role \"norole\" does not exist", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "Peer authentication failed for user \"app\"", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "LDAP authentication failed for user \"app\"", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "connection requires a valid client certificate", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "28000", "kein Eintrag in pg_hba.conf", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "3D000", "database \"nodb\" does not exist", PHASE_AUTH, REASON_DATABASE_MISSING },
        { "3D000", "Datenbank nodb existiert nicht", PHASE_AUTH, REASON_DATABASE_MISSING },
        { "42501", "permission denied for database \"private\"", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "42501", "keine Berechtigung", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "42501", "permission denied for table pg_authid", PHASE_QUERY, REASON_QUERY_FAILED },
        { "55000", "database \"closed\" is not currently accepting connections", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "55000", "cannot connect to invalid database \"broken\"", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "55000", "translated", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "55000", "currval is not yet defined", PHASE_QUERY, REASON_QUERY_FAILED },
        { "42704", "unrecognized configuration parameter \"foo\"", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "22023", "invalid value for parameter \"work_mem\": \"abc\"", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "F0000", "client certificates can only be checked if a root certificate store is available", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "57014", "canceling authentication due to timeout", PHASE_AUTH, REASON_AUTH_TIMEOUT },
        { "57014", "translated", PHASE_AUTH, REASON_AUTH_TIMEOUT },
        { "57014", "canceling statement due to statement timeout", PHASE_QUERY, REASON_QUERY_TIMEOUT },
        { "57014", "translated", PHASE_QUERY, REASON_QUERY_TIMEOUT },
        { "22012", "division by zero", PHASE_QUERY, REASON_QUERY_FAILED },
        { "42P01", "relation \"t\" does not exist", PHASE_QUERY, REASON_QUERY_FAILED },
        { "25006", "cannot execute INSERT in a read-only transaction", PHASE_QUERY, REASON_QUERY_FAILED },
        { "ZZ999", "never heard", PHASE_QUERY, REASON_QUERY_FAILED },
        { "ZZ999", "never heard", PHASE_AUTH, REASON_UNCLASSIFIED },
        /* PgBouncer says nearly everything as 08P01. */
        { "08P01", "no more connections allowed (max_client_conn)", PHASE_AUTH, REASON_SERVER_FULL },
        { "08P01", "client connections exceeded (max_db_client_connections)", PHASE_AUTH, REASON_SERVER_FULL },
        { "08P01", "query_wait_timeout", PHASE_QUERY, REASON_SERVER_FULL },
        { "08P01", "query_timeout", PHASE_QUERY, REASON_QUERY_TIMEOUT },
        { "08P01", "client_login_timeout (server down)", PHASE_AUTH, REASON_AUTH_TIMEOUT },
        { "08P01", "server login has been failing, cached error: connect failed (server_login_retry)", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "08P01", "server login has been failing, cached error: FATAL: the database system is starting up (server_login_retry)",
          PHASE_AUTH, REASON_SERVER_STARTING },
        { "08P01", "server login has been failing, cached error: server login failed: FATAL: database \"x\" does not exist", PHASE_QUERY,
          REASON_DATABASE_MISSING },
        { "08P01", "server login failed: wrong password type", PHASE_QUERY, REASON_SERVER_REFUSING },
        { "08P01", "bouncer config error", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "08P01", "pooler is shutting down", PHASE_AUTH, REASON_SERVER_STOPPING },
        { "08P01", "server shutting down", PHASE_QUERY, REASON_SERVER_STOPPING },
        { "08P01", "no such database: app", PHASE_AUTH, REASON_DATABASE_MISSING },
        { "08P01", "database \"app\" is disabled", PHASE_AUTH, REASON_DATABASE_DENIED },
        { "08P01", "no such user: app", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "08P01", "login rejected", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "08P01", "SSL required", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "08P01", "unsupported startup parameter: options", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "08P01", "password authentication failed", PHASE_AUTH, REASON_AUTH_PASSWORD },
        { "08P01", "SASL authentication failed", PHASE_AUTH, REASON_AUTH_PASSWORD },
        { "08P01", "certificate authentication failed", PHASE_AUTH, REASON_AUTH_REJECTED },
        { "08006", "connection failure", PHASE_AUTH, REASON_SERVER_REFUSING },
        { "08001", "could not establish connection", PHASE_QUERY, REASON_QUERY_FAILED },
};

static void servers_are_judged_by_code_and_text(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(server_rows); i++) {
                struct failure e = { .kind = FAILURE_LIBPQ, .phase = server_rows[i].phase, .severity = "FATAL",
                                      .sqlstate = server_rows[i].sqlstate, .text = server_rows[i].text };
                char message[512];

                assert_reason(judge("postgres", e), server_rows[i].reason, server_rows[i].text);
                (void)snprintf(message, sizeof(message), TRY "FATAL:  %s: %s\nLOCATION:  auth_failed, auth.c:334\n", e.sqlstate, e.text);
                e.sqlstate = NULL;
                e.severity = NULL;
                e.text = message;
                assert_reason(judge("postgres", e), server_rows[i].reason, message);
        }
}

/* libpq's own texts, most of them provoked with libpq 15. */
static const struct {
        enum phase phase;
        const char *text;
        enum reason reason;
} libpq_rows[] = {
        { PHASE_CONNECT, TRY "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n",
          REASON_TCP_REFUSED },
        { PHASE_CONNECT, "connection to server on socket \"/run/x/.s.PGSQL.1\" failed: No such file or directory\n"
          "\tIs the server running locally and accepting connections on that socket?\n", REASON_TCP_REFUSED },
        { PHASE_CONNECT, "connection to server on socket \"/run/x/.s.PGSQL.1\" failed: Resource temporarily unavailable\n",
          REASON_TCP_REFUSED },
        { PHASE_CONNECT, "connection to server on socket \"/run/x/.s.PGSQL.1\" failed: Permission denied\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "No route to host\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Network is unreachable\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Network is down\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Host is down\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Operation not permitted\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Cannot assign requested address\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, "could not create socket: Address family not supported by protocol\n", REASON_TCP_UNREACHABLE },
        { PHASE_CONNECT, TRY "Connection timed out\n", REASON_TCP_TIMEOUT },
        { PHASE_CONNECT, TRY "timeout expired\n", REASON_TCP_TIMEOUT },
        { PHASE_AUTH, TRY "timeout expired\n", REASON_AUTH_TIMEOUT },
        { PHASE_QUERY, "could not receive data from server: Connection timed out\n", REASON_TCP_TIMEOUT },
        { PHASE_CONNECT, TRY "Connection reset by peer\n", REASON_TCP_RESET },
        { PHASE_CONNECT, TRY EOF_TEXT, REASON_TCP_RESET },
        { PHASE_TLS, TRY EOF_TEXT, REASON_TCP_RESET },
        { PHASE_TLS, TRY "SSL SYSCALL error: EOF detected\n", REASON_TCP_RESET },
        { PHASE_TLS, TRY EOF_TEXT "SSL SYSCALL error: Connection reset by peer\n", REASON_TCP_RESET },
        { PHASE_TLS, TRY "SSL SYSCALL error: Connection reset by peer\n", REASON_TCP_RESET },
        { PHASE_TLS, TRY "SSL error: unexpected eof while reading\n", REASON_TCP_RESET },
        { PHASE_TLS, TRY "could not send SSL negotiation packet: Broken pipe\n", REASON_TCP_RESET },
        { PHASE_AUTH, TRY "could not send startup packet: Broken pipe\n", REASON_TCP_RESET },
        { PHASE_AUTH, TRY EOF_TEXT, REASON_TCP_RESET },
        { PHASE_AUTH, TRY EOF_TEXT EOF_TEXT, REASON_TCP_RESET },
        { PHASE_QUERY, EOF_TEXT, REASON_TCP_RESET },
        { PHASE_QUERY, "SSL connection has been closed unexpectedly\n", REASON_TCP_RESET },
        { PHASE_QUERY, "could not receive data from server: Connection reset by peer\n", REASON_TCP_RESET },
        { PHASE_QUERY, "could not send data to server: Broken pipe\n", REASON_TCP_RESET },
        { PHASE_QUERY, "could not send data to server: something new\n", REASON_TCP_RESET },
        { PHASE_QUERY, "no connection to the server\n", REASON_TCP_RESET },
        { PHASE_RESOLVE, "could not translate host name \"x.invalid\" to address: Name or service not known\n", REASON_DNS_FAILED },
        { PHASE_RESOLVE, "could not parse network address \"x\": Name or service not known\n", REASON_DNS_FAILED },
        { PHASE_RESOLVE, "could not translate host name \"x\" to address: Memory allocation failure\n", REASON_HOST_RESOURCES },
        { PHASE_RESOLVE, "could not parse network address \"127.0.0.1\": Memory allocation failure\n", REASON_HOST_RESOURCES },

        { PHASE_TLS, TRY "server does not support SSL, but SSL was required\n", REASON_TLS_REFUSED },
        { PHASE_TLS, TRY "server sent an error response during SSL exchange\n", REASON_SERVER_REFUSING },
        { PHASE_TLS, TRY "SSL error: certificate verify failed\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "server certificate for \"lab.example\" does not match host name \"wrong.example\"\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "server certificate for \"a\" (and 2 other names) does not match host name \"b\"\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "root certificate file \"/home/app/.postgresql/root.crt\" does not exist\n"
          "Either provide the file or change sslmode to disable server certificate verification.\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not get home directory to locate root certificate file\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not read root certificate file \"x\": no certificate or crl found\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "host name must be specified for a verified SSL connection\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not get server's host name from server certificate\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "SSL certificate's name contains embedded null\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "certificate contains IP address with invalid length 5\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "certificate could not be obtained: x\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not open certificate file \"x\": Permission denied\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not read certificate file \"x\": No such file or directory\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not stat private key file \"x\": No such file or directory\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "private key file \"x\" has group or world access; file must have permissions u=rw (0600)\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not load private SSL key \"k\" from engine \"e\": x\n", REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "could not load SSL engine \"e\": x\n", REASON_TLS_VERIFY },
        { PHASE_CONNECT, "connection to server on socket \"/x\" failed: requirepeer specifies \"x\", but actual peer user name is \"y\"\n",
          REASON_TLS_VERIFY },
        { PHASE_TLS, TRY "SSL error: tlsv13 alert certificate required\n", REASON_AUTH_REJECTED },
        { PHASE_AUTH, TRY "SSL error: sslv3 alert certificate revoked\n", REASON_AUTH_REJECTED },
        { PHASE_AUTH, TRY "SSL error: tlsv1 alert unknown ca\n", REASON_AUTH_REJECTED },
        { PHASE_AUTH, TRY "SSL error: tlsv1 alert access denied\n", REASON_AUTH_REJECTED },
        { PHASE_TLS, TRY "SSL error: tlsv1 alert protocol version\nThis may indicate that the server does not support any SSL protocol "
          "version between TLSv1.2 and TLSv1.2.\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "SSL error: wrong version number\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "SSL error: sslv3 alert handshake failure\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "SSL SYSCALL error: something new\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "unrecognized SSL error code: 7\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "could not establish SSL connection: x\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "could not create SSL context: x\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "could not set minimum SSL protocol version: x\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "could not set SSL Server Name Indication (SNI): x\n", REASON_TLS_FAILED },
        { PHASE_TLS, TRY "SSL_read failed but did not provide error information\n", REASON_TLS_FAILED },

        { PHASE_AUTH, TRY "fe_sendauth: no password supplied\n", REASON_AUTH_PASSWORD },
        { PHASE_AUTH, TRY "channel binding required, but server authenticated client without channel binding\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "channel binding required, but SSL not in use\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "channel binding required but not supported by server's authentication request\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "channel binding is required, but server did not offer an authentication method that supports channel binding\n",
          REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "authentication method 77 not supported\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "SCM_CRED authentication method not supported\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "Kerberos 5 authentication not supported\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "Crypt authentication not supported\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "none of the server's SASL authentication mechanisms are supported\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "authentication method requirement \"scram-sha-256\" failed: server requested a cleartext password\n",
          REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "host name must be specified\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "GSSAPI continuation error: x\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "could not initiate GSSAPI security context: x\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "server doesn't support GSSAPI encryption, but it was required\n", REASON_AUTH_METHOD },
        { PHASE_AUTH, TRY "error received from server in SCRAM exchange: other-error\n", REASON_AUTH_REJECTED },

        { PHASE_AUTH, TRY "session is read-only\n", REASON_EXPECT_READ_ONLY },
        { PHASE_AUTH, TRY "session is not read-only\n", REASON_EXPECT_READ_ONLY },
        { PHASE_AUTH, TRY "server is in hot standby mode\n", REASON_EXPECT_PRIMARY },
        { PHASE_AUTH, TRY "server is not in hot standby mode\n", REASON_EXPECT_PRIMARY },

        { PHASE_AUTH, TRY "could not fork new process for connection: Resource temporarily unavailable\n", REASON_SERVER_REFUSING },

        { PHASE_AUTH, TRY "expected authentication request from server, but received H\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "unexpected message from server during startup\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_TLS, TRY "received invalid response to SSL negotiation: H\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_TLS, TRY "received invalid response to GSSAPI negotiation: H\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_TLS, TRY "received unencrypted data after SSL response\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "received invalid error message\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "lost synchronization with server: got message type \"K\", length 2147483392\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "lost synchronization with server: got message type \"T\", length 2147483388\ninvalid socket\n",
          REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY,
          "cannot allocate memory for input buffer\nlost synchronization with server: got message type \"T\", length 2147483388\n",
          REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "cannot allocate memory for input buffer\n", REASON_HOST_RESOURCES },
        { PHASE_CONNECT, "out of memory\n", REASON_HOST_RESOURCES },
        { PHASE_CONNECT, TRY "could not create socket: Too many open files\n", REASON_HOST_RESOURCES },
        { PHASE_CONNECT, TRY "could not create socket: Too many open files in system\n", REASON_HOST_RESOURCES },
        { PHASE_CONNECT, TRY "No buffer space available\n\tIs the server running on that host?\n", REASON_HOST_RESOURCES },
        { PHASE_AUTH, TRY "out of memory allocating SASL buffer (2147483000)\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "out of memory for query result\n", REASON_HOST_RESOURCES },
        { PHASE_QUERY, "message type 0x71 arrived from server while idle\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "unexpected response from server; first received character was \"y\"\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "insufficient data in \"T\" message\n" EOF_TEXT, REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "server sent data (\"D\" message) without prior row description (\"T\" message)\n" EOF_TEXT,
          REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "unexpected field count in \"D\" message\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "message contents do not agree with length in message type \"C\"\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "invalid message length\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "could not interpret result from server: x\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "server returned too much data\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_QUERY, "protocol error: id=0x71\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "malformed SCRAM message (attribute \"r\" expected)\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "invalid SCRAM response (nonce mismatch)\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "incorrect server signature\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "fe_sendauth: invalid authentication request from server: AUTH_REQ_SASL_CONT without AUTH_REQ_SASL\n",
          REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "AuthenticationSASLFinal received from server, but SASL authentication was not completed\n",
          REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "no client response found after SASL exchange success\n", REASON_PROTOCOL_GARBAGE },
        { PHASE_AUTH, TRY "duplicate SASL authentication request\n", REASON_PROTOCOL_GARBAGE },

        { PHASE_CONNECT, "invalid sslmode value: \"maybe\"\n", REASON_UNCLASSIFIED },
        { PHASE_CONNECT, "could not create socket: Too many open files\n", REASON_HOST_RESOURCES },
        { PHASE_QUERY, "words never heard before", REASON_UNCLASSIFIED },
        { PHASE_QUERY, "", REASON_UNCLASSIFIED },
};

static void libpq_is_judged_by_its_texts_for_every_provider(void **state) {
        const struct provider *provider;

        (void)state;
        for (size_t i = 0; (provider = provider_at(i)); i++)
                for (size_t j = 0; j < ARRAY_LENGTH(libpq_rows); j++)
                        assert_reason(judge(provider->name, (struct failure){ .kind = FAILURE_LIBPQ, .phase = libpq_rows[j].phase,
                                                                               .text = libpq_rows[j].text }),
                                      libpq_rows[j].reason, libpq_rows[j].text);
}

static void words_of_a_host_name_decide_nothing(void **state) {
        (void)state;
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_CONNECT,
                                                           .text = "connection to server at \"no-such-user-out of memory\", port 1 failed: "
                                                                   "Connection refused\n" }),
                      REASON_TCP_REFUSED, "host name");
}

static void the_last_try_of_two_decides(void **state) {
        (void)state;
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH,
                                                           .text = TRY "FATAL:  28P01: password authentication failed for user \"a\"\n" TRY
                                                                       "FATAL:  28000: no pg_hba.conf entry for host, no encryption\n" }),
                      REASON_AUTH_PASSWORD, "prefer on a hostssl server");
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_AUTH,
                                                           .text = TRY "SSL error: wrong version number\n" TRY "Connection refused\n" }),
                      REASON_TCP_REFUSED, "prefer without any code");
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_QUERY,
                                                           .text = "FATAL:  57P01: terminating connection due to administrator command\n"
                                                                   "LOCATION:  ProcessInterrupts, postgres.c:3211\n"
                                                                   "SSL connection has been closed unexpectedly\n" }),
                      REASON_SERVER_STOPPING, "a word and the end");
}

static const struct {
        const char *sqlstate;
        const char *text;
        enum reason reason;
} session_rows[] = {
        { "57P01", "terminating connection due to administrator command", REASON_SESSION_CUT },
        { "57P02", "terminating connection because of crash of another server process", REASON_SESSION_CUT },
        { "57P04", "terminating connection due to conflict with recovery", REASON_SESSION_CUT },
        { "57P05", "terminating connection due to idle-session timeout", REASON_SESSION_CUT },
        { "25P03", "terminating connection due to idle-in-transaction timeout", REASON_SESSION_CUT },
        { "57P01", "Verbindung wird abgebrochen", REASON_SESSION_CUT },
        { "08P01", "client_idle_timeout", REASON_SESSION_CUT },
        { "XX000", "endpoint is disabled", REASON_SESSION_CUT },
        { NULL, "FATAL:  57P01: terminating connection due to administrator command\n" EOF_TEXT, REASON_SESSION_CUT },
        { NULL, "terminating connection due to administrator command", REASON_SESSION_CUT },
        { NULL, EOF_TEXT, REASON_SESSION_LOST },
        { NULL, "SSL connection has been closed unexpectedly\n", REASON_SESSION_LOST },
        { NULL, "SSL SYSCALL error: EOF detected\n", REASON_SESSION_LOST },
        { NULL, "could not receive data from server: Connection reset by peer\n", REASON_SESSION_LOST },
        { NULL, "could not receive data from server: Connection timed out\n", REASON_SESSION_LOST },
        { NULL, "could not receive data from server: No route to host\n", REASON_SESSION_LOST },
        { NULL, "", REASON_SESSION_LOST },
        { NULL, "lost synchronization with server: got message type \"H\", length 1414811695\n", REASON_PROTOCOL_GARBAGE },
        { NULL, "message type 0x71 arrived from server while idle", REASON_PROTOCOL_GARBAGE },
};

static void the_end_of_a_session_is_cut_with_a_word_and_lost_without(void **state) {
        const struct provider *provider;

        (void)state;
        for (size_t i = 0; (provider = provider_at(i)); i++)
                for (size_t j = 0; j < ARRAY_LENGTH(session_rows); j++)
                        assert_reason(judge(provider->name, (struct failure){ .kind = FAILURE_LIBPQ, .phase = PHASE_QUERY,
          .session = true,
                                                                               .severity = session_rows[j].sqlstate ? "FATAL" : NULL,
                                                                               .sqlstate = session_rows[j].sqlstate,
                                                                               .text = session_rows[j].text }),
                                      session_rows[j].reason, session_rows[j].text);
        assert_reason(judge("neon", (struct failure){ .kind = FAILURE_SYSTEM, .session = true, .error = ECONNREFUSED }),
                      REASON_SESSION_LOST, "errno");
        assert_reason(judge("neon", (struct failure){ .kind = FAILURE_DEADLINE, .session = true }), REASON_SESSION_LOST, "deadline");
}

static void a_deadline_is_told_by_its_phase(void **state) {
        static const enum reason reasons[_PHASE_MAX] = {
                [PHASE_RESOLVE] = REASON_DNS_TIMEOUT, [PHASE_CONNECT] = REASON_TCP_TIMEOUT, [PHASE_TLS] = REASON_TLS_TIMEOUT,
                [PHASE_AUTH] = REASON_AUTH_TIMEOUT,   [PHASE_QUERY] = REASON_QUERY_TIMEOUT,
        };

        (void)state;
        for (size_t i = 0; i < _PHASE_MAX; i++)
                assert_reason(judge("neon", (struct failure){ .kind = FAILURE_DEADLINE, .phase = (enum phase)i }), reasons[i],
                              phase_name((enum phase)i));
}

static void what_the_resolver_had_no_means_for_is_ours(void **state) {
        static const int errors[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS };

        (void)state;
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_RESOLVE, .eai = EAI_MEMORY }), REASON_HOST_RESOURCES, "memory");
        for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
                assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_RESOLVE, .eai = EAI_SYSTEM, .error = errors[i] }),
                              REASON_HOST_RESOURCES, strerrordesc_np(errors[i]));
                assert_reason(judge("neon", (struct failure){ .kind = FAILURE_SYSTEM, .error = errors[i] }), REASON_HOST_RESOURCES,
                              strerrordesc_np(errors[i]));
        }
        assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_RESOLVE, .eai = EAI_SYSTEM, .error = ECONNREFUSED }),
                      REASON_DNS_FAILED, "another errno");
}

static void whatever_the_resolver_says_is_dns_failed(void **state) {
        static const int codes[] = { EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_NODATA, EAI_SYSTEM, EAI_FAMILY };

        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
                assert_reason(judge("postgres", (struct failure){ .kind = FAILURE_RESOLVE, .eai = codes[i] }), REASON_DNS_FAILED,
                              gai_strerror(codes[i]));
}

static const struct {
        int error;
        enum reason reason;
} error_rows[] = {
        { ECONNREFUSED, REASON_TCP_REFUSED },      { ENOENT, REASON_TCP_REFUSED },
        { EAGAIN, REASON_TCP_REFUSED },            { ENETUNREACH, REASON_TCP_UNREACHABLE },
        { EHOSTUNREACH, REASON_TCP_UNREACHABLE },  { ENETDOWN, REASON_TCP_UNREACHABLE },
        { EHOSTDOWN, REASON_TCP_UNREACHABLE },     { EADDRNOTAVAIL, REASON_TCP_UNREACHABLE },
        { EAFNOSUPPORT, REASON_TCP_UNREACHABLE },  { EACCES, REASON_TCP_UNREACHABLE },
        { EPERM, REASON_TCP_UNREACHABLE },         { ETIMEDOUT, REASON_TCP_TIMEOUT },
        { ECONNRESET, REASON_TCP_RESET },          { ECONNABORTED, REASON_TCP_RESET },
        { EPIPE, REASON_TCP_RESET },               { ENOTCONN, REASON_TCP_RESET },
        { ENOTDIR, REASON_TCP_REFUSED },           { EMFILE, REASON_HOST_RESOURCES },
        { 0, REASON_UNCLASSIFIED },
};

static void a_system_call_is_told_by_its_errno(void **state) {
        (void)state;
        for (size_t i = 0; i < ARRAY_LENGTH(error_rows); i++) {
                struct failure e = { .kind = FAILURE_SYSTEM, .phase = PHASE_CONNECT, .error = error_rows[i].error };

                assert_reason(judge("postgres", e), error_rows[i].reason, strerror(e.error));
                /* The same beside a text that says nothing. */
                e.kind = FAILURE_LIBPQ;
                e.text = "?";
                assert_reason(judge("postgres", e), error_rows[i].reason, strerror(e.error));
        }
}

/* Reasons that no failed check can have: they are about ourselves, or found in a good answer. */
static bool comes_from_elsewhere(enum reason reason) {
        if (reason == REASON_HOST_RESOURCES)
                return false;
        return reason_class(reason) == CLASS_OK || reason_class(reason) == CLASS_OURS || reason == REASON_WAKE_TIMEOUT || reason == REASON_SERVER_SLOW ||
               reason == REASON_EXPECT_LAG || reason == REASON_EXPECT_VALUE;
}

/* Runs last: all other tests have recorded the reasons that they saw. */
static void every_reason_that_a_failure_can_give_was_given(void **state) {
        (void)state;
        for (size_t i = 0; i < _REASON_MAX; i++)
                if (produced[i] == comes_from_elsewhere((enum reason)i))
                        fail_msg("%s", reason_slug((enum reason)i));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(neon_is_judged_by_its_texts_whatever_the_code),
                cmocka_unit_test(every_text_of_every_provider_is_reached),
                cmocka_unit_test(a_providers_words_are_its_own),
                cmocka_unit_test(servers_are_judged_by_code_and_text),
                cmocka_unit_test(libpq_is_judged_by_its_texts_for_every_provider),
                cmocka_unit_test(words_of_a_host_name_decide_nothing),
                cmocka_unit_test(the_last_try_of_two_decides),
                cmocka_unit_test(the_end_of_a_session_is_cut_with_a_word_and_lost_without),
                cmocka_unit_test(a_deadline_is_told_by_its_phase),
                cmocka_unit_test(what_the_resolver_had_no_means_for_is_ours),
                cmocka_unit_test(whatever_the_resolver_says_is_dns_failed),
                cmocka_unit_test(a_system_call_is_told_by_its_errno),
                cmocka_unit_test(every_reason_that_a_failure_can_give_was_given),
        };

        return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
