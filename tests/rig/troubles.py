"""What Neon answers when it does not let a client in: every text, when it comes, and what pgwaked makes of it.

All leave the proxy as severity ERROR, SQLSTATE XX000: the text alone tells. Texts as in the proxy's public source and its manual.
"""

from dataclasses import dataclass, field
from typing import Mapping

# When a trouble comes, in the order of a login.
STAGES = ("access", "scram", "wake", "compute")


@dataclass(frozen=True)
class Trouble:
    """`text` is None where the connection ends without a word.

    stage     access: before a password is asked for; scram: in the middle of the exchange; wake: after a right password,
              instead of a wake; compute: after the wake, instead of a session
    reason    pgwaked's slug
    cause     what makes it happen by itself: parameters of a conninfo (None takes one away), nothing where it must be ordered
    pooled    the cause wants the pooled host
    """

    text: str | None
    stage: str
    reason: str
    cause: Mapping[str, object] = field(default_factory=dict)
    pooled: bool = False

    @property
    def wakes(self) -> bool:
        """Whether the database is awake after it."""
        return self.stage == "compute"


NO_ENDPOINT = ("Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support or pass the"
               " endpoint ID (first part of the domain name) as a parameter: '?options=endpoint%3D<endpoint-id>'."
               " See more at https://neon.tech/sni")
INCONSISTENT = "Inconsistent project name inferred from SNI ('{}') and project option ('{}')."
ILLEGAL_NAME = "Project name ('{}') must contain only alphanumeric characters and hyphen."
INSECURE = "connection is insecure (try using `sslmode=require`)"
WRONG_PASSWORD = "password authentication failed for user '{}'"
TIMED_OUT = "Authentication timed out"
CONTROL_PLANE = "Control plane request failed"
NO_COMPUTE = "Couldn't connect to compute node"
UNSUPPORTED = ("{}. Please use unpooled connection or remove this parameter from the startup package. More details:"
               " https://neon.tech/docs/connect/connection-errors#unsupported-startup-parameter")
_UPGRADE = "Upgrade your plan to increase limits."
_CHECK_ID = "Please check the provided ID and try again."

TROUBLES: dict[str, Trouble] = {
    # Passing
    "compute-unreachable": Trouble(NO_COMPUTE, "compute", "provider.transient"),
    "control-plane": Trouble(CONTROL_PLANE, "wake", "provider.transient"),
    "console": Trouble("Console request failed", "wake", "provider.transient"),
    "maintenance": Trouble(f"{CONTROL_PLANE}: endpoint is temporarily unavailable. Check your quotas and/or contact our support.",
                           "wake", "provider.transient"),
    "lock": Trouble("Failed to acquire permit to connect to the database. Too many database connection attempts are currently ongoing.",
                    "wake", "provider.transient"),
    "running-operations": Trouble("Your project already has running operations. Please wait until they complete, and then try again.",
                                  "wake", "provider.transient"),
    "auth-timeout": Trouble(TIMED_OUT, "scram", "provider.transient"),
    "internal": Trouble("Internal error", "wake", "provider.transient"),
    # Too much, too often
    "throttled": Trouble("Too many connections attempts", "wake", "provider.throttled"),
    "endpoint-throttled": Trouble("Too many connections to this endpoint. Please try again later.", "access", "provider.throttled"),
    "rate-limit": Trouble("You've exceeded the rate limit. Please wait a moment and try again.", "wake", "provider.throttled"),
    "capacity": Trouble("You have exceeded the limit of concurrently active endpoints. Please suspend some endpoints and try again.",
                        "wake", "provider.throttled"),
    "capacity-short": Trouble("active endpoints limit exceeded", "wake", "provider.throttled"),
    # Spent
    "quota": Trouble(f"Your account or project has exceeded the compute time quota. {_UPGRADE}", "wake", "provider.quota"),
    "active-time-quota": Trouble(f"Your project has exceeded the active time quota. {_UPGRADE}", "wake", "provider.quota"),
    "transfer-quota": Trouble(f"Your project has exceeded the data transfer quota. {_UPGRADE}", "wake", "provider.quota"),
    "branch-quota": Trouble("You've exceeded the compute time for this branch. Upgrade your plan to increase limits or connect to another"
                            " branch.", "wake", "provider.quota"),
    # Switched off
    "disabled": Trouble(f"{CONTROL_PLANE}: endpoint is disabled", "wake", "provider.disabled"),
    "disabled-by-hand": Trouble("The endpoint has been disabled. Enable it using Neon API and retry.", "wake", "provider.disabled"),
    "disabled-for-now": Trouble("The requested endpoint is temporarily disabled", "wake", "provider.disabled"),
    # Configured wrongly
    "not-found": Trouble(f"{CONTROL_PLANE}: endpoint cannot be found", "wake", "provider.config"),
    "no-access": Trouble(f"The requested endpoint could not be found, or you don't have access to it. {_CHECK_ID}",
                         "wake", "provider.config"),
    "no-sni": Trouble(NO_ENDPOINT, "access", "provider.config", {"sslsni": 0}),
    "inconsistent": Trouble(INCONSISTENT.format("ep-cool-1", "ep-other-2"), "access", "provider.config",
                            {"options": "endpoint=ep-other-2"}),
    "illegal-name": Trouble(ILLEGAL_NAME.format("ep_cool"), "access", "provider.config", {"sslsni": 0, "options": "endpoint=ep_cool"}),
    "insecure": Trouble(INSECURE, "access", "provider.config",
                        {"sslmode": "disable", "channel_binding": "disable", "sslrootcert": None}),
    "allow-list": Trouble("This IP address 127.0.0.1 is not allowed to connect to this endpoint. Please add it to the allowed list in the"
                          " Neon console. Make sure to check for IPv4 or IPv6 addresses.", "access", "provider.config"),
    "blocked-network": Trouble("This connection is trying to access this endpoint from a blocked network.", "access", "provider.config"),
    "startup-parameter": Trouble(UNSUPPORTED.format("unsupported startup parameter: statement_timeout"), "compute", "provider.config"),
    "startup-options": Trouble(UNSUPPORTED.format("unsupported startup parameter in options: statement_timeout"), "compute",
                               "provider.config", {"options": "-c statement_timeout=9s"}, pooled=True),
    # Credentials
    "password": Trouble(WRONG_PASSWORD.format("app"), "scram", "auth.password", {"password": "wrong"}),
    "role": Trouble(WRONG_PASSWORD.format("nobody"), "scram", "auth.password", {"user": "nobody"}),
    # PostgreSQL's own texts, relayed
    "database": Trouble('database "nowhere" does not exist', "compute", "database.missing", {"dbname": "nowhere"}),
    "database-denied": Trouble('permission denied for database "app"', "compute", "database.denied"),
    "login-denied": Trouble('role "app" is not permitted to log in', "compute", "auth.rejected"),
    "full": Trouble("sorry, too many clients already", "compute", "server.full"),
    "slots": Trouble("remaining connection slots are reserved for non-replication superuser connections", "compute", "server.full"),
    "starting": Trouble("the database system is starting up", "compute", "server.starting"),
    "stopping": Trouble("the database system is shutting down", "compute", "server.stopping"),
    "recovering": Trouble("the database system is in recovery mode", "compute", "server.recovering"),
    "not-yet": Trouble("the database system is not yet accepting connections", "compute", "server.starting"),
    "refusing": Trouble("the database system is not accepting connections", "compute", "server.refusing"),
    # Not a word
    "eof": Trouble(None, "wake", "tcp.reset"),
    "eof-at-once": Trouble(None, "access", "tcp.reset"),
}
