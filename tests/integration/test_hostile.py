"""Servers that mean no good: every attempt ends in its own reason by its deadline, and none of them crashes, leaks or blocks."""

import time

import pytest

from rig import scripts
from rig.build import plain
from rig.patience import until
from rig.process import rss_anon_kb
from rig.witness import ROW, Asker

ATTEMPT_TIMEOUT = 0.4
LATE = 1.0  # so far past its deadline an attempt may end on a busy machine; the figure itself is printed
GROWTH_KB = 8 << 10  # the daemon's own memory and a few answers of 1 MiB at a time

TIMEOUTS = {"tcp.timeout", "tls.timeout", "auth.timeout", "query.timeout"}

# What each script must be called. Against a busy machine an attempt may time out before it gets there; the next one gets there.
SILENCE = {
    "silence-at-connect": "tcp.timeout", "silence-at-accept": "auth.timeout", "silence-after-sslrequest": "tls.timeout",
    "silence-in-tls": "tls.timeout", "silence-after-startup": "auth.timeout", "silence-in-auth": "auth.timeout",
    "silence-in-query": "query.timeout", "silence-after-query": "query.timeout",
}
RESET = {
    "reset-at-connect": "tcp.reset", "reset-after-sslrequest": "tcp.reset", "reset-in-tls": "tcp.reset",
    "reset-after-startup": "tcp.reset", "reset-in-auth": "tcp.reset", "reset-in-query": "tcp.reset",
    "reset-after-query": "session.lost",
}
CLOSE = {
    "close-at-connect": "tcp.reset", "close-after-sslrequest": "tcp.reset", "close-in-tls": "tcp.reset",
    "close-after-startup": "tcp.reset", "close-in-auth": "tcp.reset", "close-in-query": "tcp.reset",
    "close-after-query": "session.lost",
}
GARBAGE = {
    "garbage-at-connect": "protocol.garbage", "garbage-after-sslrequest": "protocol.garbage", "garbage-in-tls": "tls.failed",
    "garbage-after-startup": "protocol.garbage", "garbage-in-auth": "protocol.garbage", "garbage-in-query": "protocol.garbage",
    "garbage-after-query": "protocol.garbage",
}
DRIP = {
    "drip-at-connect": "auth.timeout", "drip-after-sslrequest": "protocol.garbage", "drip-in-tls": "tls.timeout",
    "drip-after-startup": "auth.timeout", "drip-in-auth": "auth.timeout", "drip-in-query": "query.timeout",
    "drip-after-query": "query.timeout",
}
NOTICES = {
    # Before the login only an authentication request may come; an N to the SSLRequest means "no TLS".
    "endless-notices-at-connect": "protocol.garbage", "endless-notices-after-sslrequest": "tls.refused",
    "endless-notices-in-tls": "tls.failed", "endless-notices-after-startup": "protocol.garbage",
    "endless-notices-in-auth": "protocol.garbage", "endless-notices-in-query": "query.timeout",
    "endless-notices-after-query": "query.timeout",
}
HUGE = {
    "huge-length-at-connect": "protocol.garbage", "huge-length-after-sslrequest": "protocol.garbage",
    "huge-length-in-tls": "tls.failed", "huge-length-after-startup": "protocol.garbage",
    # A row may be long: so these end when too much of it came, or, as here where it comes slowly, when the time is over.
    "huge-length-in-auth": "protocol.garbage", "huge-length-in-query": "query.timeout",
    "huge-length-after-query": "query.timeout",
}
ERROR = {
    # In answer to an SSLRequest libpq does not read what the error says.
    "error-at-connect": "server.starting", "error-after-sslrequest": "server.refusing", "error-in-tls": "tls.failed",
    "error-after-startup": "server.starting", "error-in-auth": "server.starting", "error-in-query": "server.starting",
    "error-after-query": "session.cut",
}
WHOLE = {"asks-password": "auth.password", "scram-iterations": "auth.timeout"}

TABLES = {"silence": SILENCE, "reset": RESET, "close": CLOSE, "garbage": GARBAGE, "drip": DRIP, "notices": NOTICES, "huge": HUGE,
          "error": ERROR, "whole": WHOLE}


def needs_tls(script: str) -> bool:
    return script.endswith(("-after-sslrequest", "-in-tls"))


def database(script: str, fake, **keys: object) -> dict:
    """Watched closely: an attempt fails quickly and is followed by the next at once."""
    return {"name": script, "policy": "keep-awake", "attempt_timeout": f"{ATTEMPT_TIMEOUT * 1000:.0f}ms", "slow": "10s",
            "conninfo": fake.conninfo(password="secret", sslmode="require" if needs_tls(script) else "disable"),
            "ping_interval": "100ms", "login_interval": "30s", "retry_interval": "100ms", "down_interval": "100ms",
            "blocked_interval": "100ms", "jitter": "0%", **keys}


def failures(daemon, name: str) -> dict:
    return daemon.status(name)["failures"]["by_reason"]


def stop_cleanly(daemon) -> None:
    code, _ = daemon.stop()  # raises on anything that a sanitizer says
    assert code == 0


def lives(fake) -> list[float]:
    """Seconds from each accept to the end of the connection, as the server saw them; an open one counts until now."""
    now = time.monotonic_ns() // 1000
    return [((each.ended_monotonic_usec or now) - each.monotonic_usec) / 1e6 for each in list(fake.seen)]


def test_every_script_of_the_fake_has_its_reason():
    named = {scripts.ALIASES.get(name, name) for name in scripts.names()} - {"ok", "naps"}  # these two answer
    assert named == {script for table in TABLES.values() for script in table}


@pytest.mark.parametrize("kind", TABLES)
def test_each_script_ends_in_its_reason_by_the_deadline(kind, make_fake, make_daemon, stall):
    table = TABLES[kind]
    fakes = {script: make_fake(script, answer=ROW) for script in table}
    daemon = make_daemon([database(script, fake) for script, fake in fakes.items()])
    daemon.start()
    worst_total = worst_life = 0.0
    with Asker(daemon.status_socket) as asker:
        for script, reason in table.items():
            until(lambda: failures(daemon, script).get(reason), 15, f"{script} ends in {reason}", every=0.02)
            until(lambda: sum(failures(daemon, script).values()) >= 3, 15, f"{script} is asked again", every=0.02)
        answers = asker.stop()
    for script, reason in table.items():
        status = daemon.status(script)
        # On a busy machine an attempt may run out of time before the script comes to its point.
        assert set(status["failures"]["by_reason"]) <= {reason} | TIMEOUTS, (script, status)
        worst_total = max(worst_total, status["last_attempt"]["total_seconds"])
        # Some have a session beside the attempt; a dripping fake sees that its client is gone only with its next byte; and what libpq
        # computes on is closed when libpq is done.
        if not script.endswith(("-after-query", "scram-iterations")) and kind != "drip":
            worst_life = max([worst_life, *lives(fakes[script])])
    print(f"{kind}: longest attempt {worst_total:.3f} s, longest connection {worst_life:.3f} s of {ATTEMPT_TIMEOUT} s; /readyz {answers}")
    assert worst_total < ATTEMPT_TIMEOUT + stall.late(LATE)
    assert worst_life < ATTEMPT_TIMEOUT + stall.late(LATE)
    stop_cleanly(daemon)


def test_a_server_that_lets_in_and_cuts_at_once_gets_no_storm_of_logins(make_fake, make_daemon):
    scripts_of_cuts = ("close-after-query", "reset-after-query", "error-after-query")
    fakes = [make_fake(script, answer=ROW) for script in scripts_of_cuts]
    daemon = make_daemon([database(script, fake, retry_interval="500ms", down_interval="500ms")
                          for script, fake in zip(scripts_of_cuts, fakes)])
    begun = time.monotonic()
    daemon.start()
    for fake in fakes:
        fake.wait_connections(5)
    elapsed = time.monotonic() - begun
    for fake in fakes:
        assert len(fake.seen) <= 4 + elapsed / 0.4, f"{len(fake.seen)} logins in {elapsed:.1f} s"


def test_a_slow_server_that_is_right_byte_by_byte_is_believed(make_fake, make_daemon):
    fake = make_fake("drip-after-startup", answer=ROW)
    fake.drip_interval = 0.001
    daemon = make_daemon([database("main", fake, attempt_timeout="30s")])
    daemon.start()
    daemon.wait_state("main", "awake", 25)
    assert not failures(daemon, "main")
    stop_cleanly(daemon)


@pytest.mark.parametrize("script", ["huge-length-in-query", "huge-length-after-query", "endless-notices-in-query",
                                    "endless-notices-after-query"])
def test_a_flood_is_cut_off_long_before_the_deadline(script, make_fake, make_daemon):
    fake = make_fake(script, answer=ROW)
    fake.burst_interval, fake.notices_per_burst = 0.0, 1000
    daemon = make_daemon([database("main", fake, attempt_timeout="30s")])
    daemon.start()
    until(lambda: sum(failures(daemon, "main").values()) >= 3, 20, "three floods are over", every=0.02)
    assert set(failures(daemon, "main")) == {"protocol.garbage"}
    print(f"{script}: {daemon.status('main')['last_attempt']['total_seconds']:.3f} s")
    stop_cleanly(daemon)


@plain
def test_no_script_makes_the_daemon_grow(make_fake, make_daemon):
    """Floods, drips, long words and garbage, many attempts of each."""
    fakes = {}
    for script in ("huge-length-after-startup", "huge-length-in-auth", "huge-length-in-query", "huge-length-after-query",
                   "endless-notices-in-query", "endless-notices-after-query", "garbage-after-startup", "garbage-in-query",
                   "drip-in-query", "silence-in-tls"):
        fakes[script] = make_fake(script, answer=ROW)
        fakes[script].burst_interval = 0.001
    daemon = make_daemon([database(script, fake, attempt_timeout="100ms", ping_interval="20ms", retry_interval="20ms",
                                   down_interval="20ms") for script, fake in fakes.items()])
    before = rss_anon_kb(daemon.start().pid)
    highest = 0

    def have_failed(times: int) -> bool:
        nonlocal highest
        highest = max(highest, rss_anon_kb(daemon.pid))
        return all(sum(each["failures"]["by_reason"].values()) >= times for each in daemon.get("/status").json["databases"])

    until(lambda: have_failed(40), 40, "40 attempts of each have failed")
    print(f"RssAnon {before} kB at the start, {highest} kB at most")
    assert highest < before + GROWTH_KB


# What Neon's proxy says, in full. (serverless-postgres.md section 3)
NEON = {
    "Couldn't connect to compute node": "provider.transient",
    "Control plane request failed": "provider.transient",
    "Console request failed": "provider.transient",
    "Your endpoint is temporarily unavailable. Check your quotas and/or contact our support.": "provider.transient",
    "Failed to acquire permit to connect to the database. Too many database connection attempts are currently ongoing.":
        "provider.transient",
    "The project already has running operations, scheduling of new ones is prohibited": "provider.transient",
    "Authentication timed out": "provider.transient",
    "Internal error": "provider.transient",
    "Too many connections attempts. Please wait": "provider.throttled",
    "Too many connections to this endpoint": "provider.throttled",
    "You have exceeded the rate limit": "provider.throttled",
    "You have exceeded the limit of concurrently active endpoints. Please suspend some endpoints": "provider.throttled",
    "Control plane request failed: active endpoints limit exceeded": "provider.throttled",
    "Your project has exceeded the compute time quota. Upgrade your plan": "provider.quota",
    "You have exceeded the compute time for this branch": "provider.quota",
    "The endpoint is disabled. Enable it using Neon API and retry.": "provider.disabled",
    "The endpoint has been disabled. Enable it using the API": "provider.disabled",
    "This project is temporarily disabled": "provider.disabled",
    "The requested endpoint cannot be found": "provider.config",
    "The requested endpoint could not be found, or you don't have access to it.": "provider.config",
    "Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support": "provider.config",
    "Inconsistent project name inferred from SNI ('a') and project option ('b').": "provider.config",
    "Project name ('A!') must contain only alphanumeric characters and hyphens.": "provider.config",
    "password authentication failed for user 'app'": "auth.password",
    "connection is insecure (try using `sslmode=require`)": "provider.config",
    "This IP address 192.0.2.1 is not allowed to connect to this endpoint.": "provider.config",
    "Connection from a blocked network": "provider.config",
    "unsupported startup parameter: statement_timeout": "provider.config",
    # Relayed from the compute.
    "the database system is starting up": "server.starting",
    'database "app" does not exist': "database.missing",
    "sorry, too many clients already": "server.full",
}


@pytest.mark.parametrize("script", ["error-after-startup", "error-in-auth"])
def test_every_error_of_neons_proxy_ends_in_its_reason(script, make_fake, make_daemon, ca):
    """As the proxy says them: severity ERROR, SQLSTATE XX000, inside TLS."""
    certificate = ca.issue()
    fakes = []
    for text in NEON:
        fakes.append(make_fake(script, error=("ERROR", "XX000", text), certificate=certificate))
    daemon = make_daemon([database(f"d{i}", fake, provider="neon", attempt_timeout="10s",
                                   conninfo=fake.conninfo(password="secret", sslmode="require"))
                          for i, fake in enumerate(fakes)])
    daemon.start()
    for i, (text, reason) in enumerate(NEON.items()):
        until(lambda: failures(daemon, f"d{i}"), 20, f"an attempt at: {text}", every=0.02)
        status = daemon.status(f"d{i}")
        assert set(status["failures"]["by_reason"]) == {reason}, (text, status)
        assert text[:60] in status["last_attempt"]["detail"], status
    stop_cleanly(daemon)
