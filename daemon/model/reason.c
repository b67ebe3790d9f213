#include "model/reason.h"

#include "base/error.h"
#include "base/macro.h"

#include <syslog.h>

/* A slug never changes. Sentence and advice address the person on call. */
static const struct reason_info reasons[_REASON_MAX] = {
        [REASON_NONE] = {
                .slug = "ok",
                .class = CLASS_OK,
                .level = LOG_INFO,
                .sentence = "Everything is as it should be.",
                .advice = "Nothing needs to be done.",
        },

        [REASON_NOT_CHECKED] = {
                .slug = "not_checked",
                .class = CLASS_OURS,
                .level = LOG_INFO,
                .sentence = "The database has not been checked yet.",
                .advice = "Wait for the first check; a database that nobody needs, and that is not to be awake at start, is first asked when "
                          "somebody needs it, or by 'pgwake wake NAME'.",
        },
        [REASON_STALE] = {
                .slug = "stale",
                .class = CLASS_OURS,
                .level = LOG_NOTICE,
                .sentence = "The last evidence is too old to be relied on.",
                .advice = "Wait for the next check; a database that nobody needs is asked again when somebody needs it, or by 'pgwake wake "
                          "NAME'. If checks are due and this stays, see whether their intervals are longer than 'fresh_for', and whether "
                          "pgwaked itself is well.",
        },

        [REASON_DNS_FAILED] = {
                .slug = "dns.failed",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The host name could not be resolved to an address.",
                .advice = "Compare the host name with the provider's console, and try it with 'getent ahosts HOST'; for a name that is "
                          "right, look at this machine's resolver.",
        },
        [REASON_DNS_TIMEOUT] = {
                .slug = "dns.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The resolver did not answer in time.",
                .advice = "Look at this machine's resolver (resolvectl status, /etc/resolv.conf) and its way to the name servers.",
        },

        [REASON_TCP_REFUSED] = {
                .slug = "tcp.refused",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The host is there, but nothing listens on that port or socket.",
                .advice = "See whether the server runs, and whether host, port and listen_addresses (or the socket's folder) are right.",
        },
        [REASON_TCP_UNREACHABLE] = {
                .slug = "tcp.unreachable",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "There is no way from this machine to the server's address.",
                .advice = "Look at routes, firewall and VPN (ip route get ADDRESS); for a UNIX socket, at the permissions of its folder.",
        },
        [REASON_TCP_TIMEOUT] = {
                .slug = "tcp.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server's address did not answer in time.",
                .advice = "Look for a firewall or allow list that drops packets, and whether the host is up.",
        },
        [REASON_TCP_RESET] = {
                .slug = "tcp.reset",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The connection was closed by the other side without a word.",
                .advice = "Look into the log of the server, or of the proxy before it, at this time.",
        },

        [REASON_TLS_REFUSED] = {
                .slug = "tls.refused",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The server does not speak TLS, and the connection demands it.",
                .advice = "Enable ssl on the server, or choose another sslmode if the way there is trusted.",
        },
        [REASON_TLS_VERIFY] = {
                .slug = "tls.verify",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The server's identity could not be verified, or a certificate file that this needs cannot be used.",
                .advice = "Check sslrootcert, the host name and the validity of the server's certificate (openssl s_client -starttls "
                          "postgres), and that pgwaked may read the certificate and key files.",
        },
        [REASON_TLS_FAILED] = {
                .slug = "tls.failed",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The TLS handshake failed.",
                .advice = "Compare the TLS versions and ciphers of both sides, and see whether really a PostgreSQL server listens on that "
                          "port.",
        },
        [REASON_TLS_TIMEOUT] = {
                .slug = "tls.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server accepted the connection, but the TLS handshake did not end in time.",
                .advice = "See whether the server or the proxy before it is overloaded, or a firewall lets only small packets through "
                          "(MTU).",
        },

        [REASON_AUTH_PASSWORD] = {
                .slug = "auth.password",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The password is wrong or missing, or there is no such user.",
                .advice = "Check the user and the password that this database is configured with, then reload pgwaked.",
        },
        [REASON_AUTH_REJECTED] = {
                .slug = "auth.rejected",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The server does not accept this login, whatever the password.",
                .advice = "Look at pg_hba.conf, at the role (LOGIN), at client certificates and at the options in the connection "
                          "settings; 'detail' says which.",
        },
        [REASON_AUTH_METHOD] = {
                .slug = "auth.method",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The server asks for a way to log in that this client cannot or must not use.",
                .advice = "Use scram-sha-256 on the server, and compare channel_binding, sslmode and gssencmode of the connection with "
                          "what it offers.",
        },
        [REASON_AUTH_TIMEOUT] = {
                .slug = "auth.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server is reachable, but the login did not end in time.",
                .advice = "A database that wakes slowly needs a longer attempt_timeout; otherwise look at the server's load, its locks "
                          "and its authentication service.",
        },

        [REASON_DATABASE_MISSING] = {
                .slug = "database.missing",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The server has no database of this name.",
                .advice = "Correct the database's name in the connection settings, or create it.",
        },
        [REASON_DATABASE_DENIED] = {
                .slug = "database.denied",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The user may not connect to this database, or nobody may.",
                .advice = "Grant it (GRANT CONNECT ON DATABASE), or allow connections again (ALTER DATABASE ... ALLOW_CONNECTIONS true).",
        },

        [REASON_SERVER_STARTING] = {
                .slug = "server.starting",
                .class = CLASS_TRANSIENT,
                .level = LOG_NOTICE,
                .sentence = "The server is starting up.",
                .advice = "Wait; a start after a crash replays the write-ahead log, and the server's log shows how far it is.",
        },
        [REASON_SERVER_STOPPING] = {
                .slug = "server.stopping",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server is shutting down, or ended our connection by its administrator's command.",
                .advice = "Find out who stops it; a service manager or a failover usually starts it again.",
        },
        [REASON_SERVER_RECOVERING] = {
                .slug = "server.recovering",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server recovers from a crash.",
                .advice = "Wait for the recovery, and look into the server's log for what crashed.",
        },
        [REASON_SERVER_REFUSING] = {
                .slug = "server.refusing",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The server, or the pooler before it, is there but takes no connections now.",
                .advice = "On a standby see whether hot_standby is on; otherwise look at memory, disk and processes of the server, and at "
                          "what a pooler says of the server behind it.",
        },
        [REASON_SERVER_FULL] = {
                .slug = "server.full",
                .class = CLASS_FULL,
                .level = LOG_WARNING,
                .sentence = "The server is awake, but has no free connection slot for us.",
                .advice = "See who holds the connections (pg_stat_activity); use a pooler, or raise max_connections or the limit of the "
                          "role, database or pool.",
        },
        [REASON_SERVER_CRASHED] = {
                .slug = "server.crashed",
                .class = CLASS_TRANSIENT,
                .level = LOG_ERR,
                .sentence = "A process of the server crashed, and the server ended all connections.",
                .advice = "Look into the server's log and the kernel's (out of memory?) for what crashed; it restarts by itself.",
        },

        [REASON_SERVER_SLOW] = {
                .slug = "server.slow",
                .class = CLASS_TRANSIENT,
                .level = LOG_NOTICE,
                .sentence = "The server took the login and has not answered it in the time given by 'slow'.",
                .advice = "Wait for the answer. Where it stays so, look at the load of the server and at the network; raise 'slow' where "
                          "logins usually take that long.",
        },
        [REASON_QUERY_FAILED] = {
                .slug = "query.failed",
                .class = CLASS_TRANSIENT,
                .level = LOG_ERR,
                .sentence = "The login succeeded, but the probe query was answered by an error.",
                .advice = "Run the query of 'expect' by hand as the configured user; 'detail' has the server's words.",
        },
        [REASON_QUERY_TIMEOUT] = {
                .slug = "query.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The login succeeded, but the probe query was not answered in time.",
                .advice = "Look at the server's load and locks, and at statement_timeout of the user.",
        },

        [REASON_SESSION_CUT] = {
                .slug = "session.cut",
                .class = CLASS_CUT,
                .level = LOG_NOTICE,
                .sentence = "The server ended the held connection and said so.",
                .advice = "Nothing when the database has just gone to sleep; otherwise see who terminates sessions, and "
                          "idle_session_timeout.",
        },
        [REASON_SESSION_LOST] = {
                .slug = "session.lost",
                .class = CLASS_CUT,
                .level = LOG_NOTICE,
                .sentence = "The held connection ended without a word.",
                .advice = "Nothing when the database has just gone to sleep behind a pooler; otherwise look for restarts of the server or "
                          "a proxy, and for firewalls that forget idle connections.",
        },

        [REASON_PROVIDER_TRANSIENT] = {
                .slug = "provider.transient",
                .class = CLASS_TRANSIENT,
                .level = LOG_WARNING,
                .sentence = "The provider has trouble of its own that usually passes.",
                .advice = "Wait; if it stays, look at the provider's status page and at your quotas.",
        },
        [REASON_PROVIDER_THROTTLED] = {
                .slug = "provider.throttled",
                .class = CLASS_THROTTLED,
                .level = LOG_WARNING,
                .sentence = "The provider turns connections away because there are too many of them or of active databases.",
                .advice = "Find out who connects so often, use the pooler's host, or raise the plan's limit; pgwaked asks ever more "
                          "slowly.",
        },
        [REASON_PROVIDER_QUOTA] = {
                .slug = "provider.quota",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "A quota of the plan is used up.",
                .advice = "Raise the plan or its quota in the provider's console, or wait for the next billing period.",
        },
        [REASON_PROVIDER_DISABLED] = {
                .slug = "provider.disabled",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The provider has disabled this database until somebody acts.",
                .advice = "Enable or restore it in the provider's console.",
        },
        [REASON_PROVIDER_CONFIG] = {
                .slug = "provider.config",
                .class = CLASS_BLOCKED,
                .level = LOG_ERR,
                .sentence = "The provider does not know this endpoint, or does not accept these connection settings.",
                .advice = "Compare host, user, sslmode, options and the allow list with the provider's console, and see whether the "
                          "project still exists and is not paused.",
        },

        [REASON_EXPECT_READ_ONLY] = {
                .slug = "expect.read_only",
                .class = CLASS_DEGRADED,
                .level = LOG_WARNING,
                .sentence = "The database answers, but whether it may be written to is not as expected.",
                .advice = "Look at default_transaction_read_only and at the role of the server (primary or standby).",
        },
        [REASON_EXPECT_PRIMARY] = {
                .slug = "expect.primary",
                .class = CLASS_DEGRADED,
                .level = LOG_WARNING,
                .sentence = "The database answers, but whether it is a primary is not as expected.",
                .advice = "See whether a failover happened, and whether the host name still leads to the right server.",
        },
        [REASON_EXPECT_LAG] = {
                .slug = "expect.lag",
                .class = CLASS_DEGRADED,
                .level = LOG_WARNING,
                .sentence = "The standby is further behind its primary than allowed.",
                .advice = "Look at pg_stat_replication on the primary, at the network between them and at long queries on the standby.",
        },
        [REASON_EXPECT_VALUE] = {
                .slug = "expect.value",
                .class = CLASS_DEGRADED,
                .level = LOG_WARNING,
                .sentence = "The expected query was answered, but by another value.",
                .advice = "Run the query of 'expect' by hand and compare; correct the database or the expectation.",
        },

        [REASON_PROTOCOL_GARBAGE] = {
                .slug = "protocol.garbage",
                .class = CLASS_TRANSIENT,
                .level = LOG_ERR,
                .sentence = "What answers there does not speak PostgreSQL's protocol, or breaks it.",
                .advice = "See whether host and port are those of a PostgreSQL server, and what stands between (proxies, captive "
                          "portals).",
        },
        [REASON_WAKE_TIMEOUT] = {
                .slug = "wake.timeout",
                .class = CLASS_TRANSIENT,
                .level = LOG_ERR,
                .sentence = "The database did not wake within wake_timeout.",
                .advice = "Look at the provider's console and status page; raise wake_timeout if this database really needs longer.",
        },

        [REASON_BUDGET_SPENT] = {
                .slug = "budget.spent",
                .class = CLASS_OURS,
                .level = LOG_NOTICE,
                .sentence = "The month's budget of awake hours is spent: pgwaked does not keep this database awake any more.",
                .advice = "Raise budget.awake_hours, or wait for the next month; see with 'pgwake report NAME' what the hours went into.",
        },
        [REASON_PAUSED] = {
                .slug = "paused",
                .class = CLASS_OURS,
                .level = LOG_NOTICE,
                .sentence = "Checks of this database are paused by an operator.",
                .advice = "Wait for the pause to end, or end it with 'pgwake resume NAME'.",
        },
        [REASON_HOST_NETWORK] = {
                .slug = "host.network",
                .class = CLASS_OURS,
                .level = LOG_NOTICE,
                .sentence = "No remote database is reachable from this machine: its own network is probably at fault.",
                .advice = "Look at this machine's links, routes and resolver. Until checks of all hosts have failed, those that "
                          "failed first may be told as down.",
        },
        [REASON_HOST_RESOURCES] = {
                .slug = "host.resources",
                .class = CLASS_OURS,
                .level = LOG_NOTICE,
                .sentence = "There were too few file descriptors, threads or memory on this machine for the check.",
                .advice = "Compare process_open_fds with process_max_fds in /metrics and raise LimitNOFILE, MemoryMax or TasksMax of "
                          "pgwaked's unit; if many host names do not resolve, names wait for a thread of the resolver: look at that first. "
                          "'detail' says what was missing.",
        },
        [REASON_UNCLASSIFIED] = {
                .slug = "unclassified",
                .class = CLASS_TRANSIENT,
                .level = LOG_ERR,
                .sentence = "The check failed in a way that pgwaked does not know.",
                .advice = "Read 'detail', which has the raw text, and report it, so that it gets a name.",
        },
};

static const char *const class_names[_REASON_CLASS_MAX] = {
        [CLASS_OK] = "ok",
        [CLASS_TRANSIENT] = "transient",
        [CLASS_THROTTLED] = "throttled",
        [CLASS_FULL] = "full",
        [CLASS_BLOCKED] = "blocked",
        [CLASS_CUT] = "cut",
        [CLASS_DEGRADED] = "degraded",
        [CLASS_OURS] = "ours",
};

const struct reason_info *reason_info(enum reason reason) {
        return &reasons[reason];
}

const char *reason_slug(enum reason reason) {
        return reasons[reason].slug;
}

enum reason_class reason_class(enum reason reason) {
        return reasons[reason].class;
}

const char *reason_class_name(enum reason_class class) {
        return class_names[class];
}

int reason_from_slug(const char *slug, enum reason *ret_reason) {
        for (size_t i = 0; i < _REASON_MAX; i++)
                if (streq(slug, reasons[i].slug)) {
                        *ret_reason = (enum reason)i;
                        return 0;
                }
        return -EINVAL;
}
