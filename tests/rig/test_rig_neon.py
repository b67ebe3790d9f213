"""The stand-in for Neon lets in, refuses, wakes, suspends and counts as Neon does."""

import base64
import hashlib
import hmac
import socket
import ssl
import statistics
import subprocess
import threading
import time
from contextlib import suppress

import psycopg2
import pytest

from rig import children, neon, scram, wire
from rig.delay import Delay
from rig.patience import patient, until
from rig.troubles import TROUBLES

# Looks often, so that a suspend comes soon after its time.
QUICK = {"look_every": 0.05}


class Raw:
    """A client that speaks the protocol by hand, in TLS."""

    def __init__(self, server, ca, pooled=False, **parameters):
        name = f"{server.endpoint}{'-pooler' if pooled else ''}.{server.domain}"
        plain = socket.create_connection((server.host, server.port), patient(10))
        plain.sendall(wire.ssl_request())
        assert plain.recv(1) == b"S"
        self.socket = ssl.create_default_context(cafile=str(ca.cert)).wrap_socket(plain, server_hostname=name)
        self.rest = b""
        self.socket.sendall(wire.startup(**{"user": "app", "database": "app", "application_name": "raw", **parameters}))

    def message(self) -> tuple[bytes, bytes]:
        while not (found := wire.split(self.rest)[0]):
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        self.rest = self.rest[5 + len(found[0][1]):]
        return found[0]

    def error(self) -> dict[str, str]:
        kind, payload = self.message()
        assert kind == b"E"
        return wire.parse_report(payload)

    def first(self, mechanism=wire.SCRAM, header="n,,", nonce="abcdefghijklmnopqr") -> bytes:
        """Reads the request for a password and answers it; the server-first-message, or EOFError after an error."""
        kind, payload = self.message()
        assert (kind, wire.parse_authentication(payload)) == (b"R", 10)
        assert payload[4:].split(b"\0")[:2] == [b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"]
        self.bare = f"n=,r={nonce}"
        self.socket.sendall(wire.sasl_initial_response(mechanism, f"{header}{self.bare}".encode()))
        return self.message()

    def prove(self, password="secret", binding=b"n,,") -> None:
        """The whole exchange up to the proof."""
        answer = self.first()[1][4:].decode()
        nonce, salt, iterations = (each[2:] for each in answer.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
        key = hmac.digest(salted, b"Client Key", "sha256")
        unproven = f"c={base64.b64encode(binding).decode()},r={nonce}"
        signed = f"{self.bare},{answer},{unproven}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.socket.sendall(wire.message(b"p", f"{unproven},p={proof}".encode()))

    def log_in(self) -> "Raw":
        self.prove()
        self.until(b"Z")
        return self

    def ask(self) -> None:
        self.socket.sendall(wire.query("SELECT 1"))
        self.until(b"Z")

    def until(self, kind: bytes) -> None:
        while self.message()[0] != kind:
            pass

    def last_words(self) -> list[dict[str, str]]:
        """What is said to an idle session before its orderly end."""
        said = []
        try:
            while True:
                said.append(self.error())
        except EOFError:
            return said

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def raw(ca):
    """raw(server, **startup_parameters) -> a Raw."""
    opened = []

    def make(server, **parameters) -> Raw:
        opened.append(Raw(server, ca, **parameters))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def ask(connection, query="SELECT 6 * 7"):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0] if cursor.description else None


def refused(server, **how) -> str:
    """What a login is told."""
    with pytest.raises(psycopg2.OperationalError) as told:
        server.connect(**how).close()
    return str(told.value).strip()


# Let in


@pytest.mark.parametrize("pooled", [False, True])
def test_psql_and_psycopg2_work_with_verify_full_and_channel_binding(make_neon, pooled):
    server = make_neon()
    assert "sslmode='verify-full'" in server.conninfo() and "channel_binding='require'" in server.conninfo()
    done = subprocess.run(["psql", server.conninfo(pooled=pooled), "-AtXc", "SELECT 6 * 7"], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    connection = server.connect(pooled=pooled, application_name="me")
    assert connection.info.ssl_in_use
    assert ask(connection, "SELECT current_user || current_database() || current_setting('application_name')") == "appappme"
    assert len(ask(connection, "SELECT repeat('x', 3000000)")) == 3000000
    assert ask(connection, f"SELECT length('{'y' * 2000000}')") == 2000000
    over = threading.Event()

    def cancel() -> None:
        while not over.wait(0.2):
            connection.cancel()  # one that comes before the query does nothing

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        ask(connection, "SELECT pg_sleep(20)")
    over.set()
    canceller.join()
    connection.close()
    closed = server.truth.wait("session_close", count=2)
    assert closed["by"] == "client" and closed["terminated"]
    opened = server.truth.of("session_open")
    assert [each["pooled"] for each in opened] == [pooled, pooled] and [each["waited"] for each in opened] == [True, False]
    assert server.status()["logins"] == {"psql": 1, "me": 1} and server.status()["wakes_by_application"] == {"psql": 1}


@pytest.mark.parametrize("how", [{"channel_binding": "disable"}, {"sslmode": "require"}, {"sslsni": 0, "options": "endpoint=ep-cool-1"},
                                 {"options": "endpoint=ep-cool-1 -c work_mem=1MB"}, {"sasl_final": "held"}])
def test_other_ways_in(make_neon, how):
    server = make_neon(sasl_final=how.pop("sasl_final", "early"))
    connection = server.connect(**how)
    assert ask(connection) == 42
    if "work_mem" in how.get("options", ""):
        assert ask(connection, "SHOW work_mem") == "1MB"
    connection.close()


def test_the_pooler_is_told_by_the_name_wherever_it_stands(make_neon):
    server = make_neon()
    server.connect(sslsni=0, options="endpoint=ep-cool-1-pooler").close()
    assert server.truth.wait("session_open")["pooled"] is True


def test_a_domain_that_pgwaked_knows_works_without_its_dns(make_neon):
    server = make_neon(domain="eu-central-1.aws.neon.tech")
    assert "ep-cool-1.eu-central-1.aws.neon.tech" in server.conninfo()
    connection = server.connect()
    assert ask(connection) == 42
    connection.close()


# Not let in


@pytest.mark.parametrize("how", [{"password": "wrong"}, {"user": "nobody"}, {"user": "postgres", "password": None, "passfile": "/dev/null"},
                                 {"sslsni": 0, "options": "endpoint=ep-none-9"}])
def test_a_wrong_password_role_or_endpoint_never_wakes_and_none_is_told_from_another(make_neon, how):
    server = make_neon()
    user = how.get("user", "app")
    if how.get("password", "") is None:
        assert "no password supplied" in refused(server, **how)
    else:
        assert refused(server, **how).endswith(f"ERROR:  password authentication failed for user '{user}'")
        assert server.status()["wrong_passwords"] == {"": 1}
    assert server.status()["wakes"] == 0 and not server.status()["logins"]
    assert not children.children_of(server.process.pid)


def test_a_role_that_is_not_there_gets_an_exchange_like_any_other(make_neon, raw):
    server = make_neon()
    answers = [raw(server, user=user).first()[1][4:].decode().split(",") for user in ("app", "app", "nobody", "nobody", "else")]
    salts = [answer[1] for answer in answers]
    assert len({len(each) for answer in answers for each in answer[1:2]}) == 1 and {answer[2] for answer in answers} == {"i=4096"}
    assert salts[0] == salts[1] and salts[2] == salts[3] and len(set(salts)) == 3


@pytest.mark.parametrize("mechanism, header, text", [
    (wire.SCRAM, "y,,", "SCRAM-PLUS not used"),
    (wire.SCRAM_PLUS, "n,,", "authentication protocol violation"),
    (wire.SCRAM, "p=tls-server-end-point,,", "authentication protocol violation"),
    (wire.SCRAM_PLUS, "p=tls-unique,,", "unsupported channel binding method tls-unique"),
    ("SCRAM-SHA-1", "n,,", "Unsupported authentication method: SCRAM-SHA-1"),
    (wire.SCRAM, "", "authentication protocol violation")])
def test_a_channel_binding_that_does_not_fit_the_mechanism_is_refused(make_neon, raw, mechanism, header, text):
    kind, payload = raw(make_neon()).first(mechanism, header)
    assert kind == b"E" and wire.parse_report(payload) == {"S": "ERROR", "C": "XX000", "M": text}


def test_the_binding_is_compared_and_so_is_the_nonce(make_neon, raw, ca):
    server = make_neon()
    for binding, nonce, text in ((b"p=tls-server-end-point,," + b"x" * 32, "", "insecure connection: secure channel data mismatch"),
                                 (None, "x", "authentication protocol violation")):
        client = raw(server)
        answer = client.first(wire.SCRAM_PLUS, "p=tls-server-end-point,,")[1][4:].decode()
        der = client.socket.getpeercert(binary_form=True)
        said = base64.b64encode(binding or b"p=tls-server-end-point,," + hashlib.sha256(der).digest()).decode()
        client.socket.sendall(wire.message(b"p", f"c={said},{answer.split(',')[0]}{nonce},p=AAAA".encode()))
        assert client.error()["M"] == text
    assert server.status()["wakes"] == 0


def test_an_exchange_with_the_password_that_postgresql_verified(cluster):
    """The verifier is PostgreSQL's; a proof made from the password fits it, and another does not."""
    verifier = cluster.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")[0][0]
    secret = scram.Secret.parse(verifier)
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", secret.salt, secret.iterations)
    assert hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest() == secret.stored_key
    assert hmac.digest(salted, b"Server Key", "sha256") == secret.server_key


def test_every_trouble_arrives_as_neon_says_it_and_wakes_only_where_it_must(make_neon):
    server = make_neon(suspend_after=60)
    wakes = 0
    for name, trouble in TROUBLES.items():
        if trouble.cause:
            told = refused(server, pooled=trouble.pooled, **trouble.cause)
            if trouble.text:
                assert told.endswith(f"ERROR:  {trouble.text}"), (name, told)
        server.command("suspend now")
        wakes = server.status()["wakes"]
        server.trouble(name)
        told = refused(server)
        if trouble.text is None:
            assert "closed" in told, (name, told)
        else:
            assert told.endswith(f"ERROR:  {trouble.text}"), (name, told)
        assert server.status()["wakes"] - wakes == trouble.wakes, name
        server.trouble("off")
    server.connect().close()


def test_every_text_of_the_facts_has_its_trouble():
    facts = {
        "provider.transient": ["Couldn't connect to compute node", "Control plane request failed", "Console request failed",
                               "endpoint is temporarily unavailable. Check your quotas",
                               "Failed to acquire permit to connect to the database", "already has running operations",
                               "Authentication timed out", "Internal error"],
        "provider.throttled": ["Too many connections attempts", "Too many connections to this endpoint", "exceeded the rate limit",
                               "limit of concurrently active endpoints", "active endpoints limit exceeded"],
        "provider.quota": ["exceeded the compute time quota", "exceeded the compute time for this branch"],
        "provider.disabled": ["endpoint is disabled", "endpoint has been disabled", "temporarily disabled"],
        "provider.config": ["endpoint cannot be found", "could not be found, or you don't have access", "Endpoint ID is not specified",
                            "Inconsistent project name", "Project name (", "must contain only", "connection is insecure",
                            "This IP address", "is not allowed", "from a blocked network", "unsupported startup parameter"],
        "auth.password": ["password authentication failed for user '"],
    }
    for reason, texts in facts.items():
        for text in texts:
            found = [trouble for trouble in TROUBLES.values() if trouble.text and text in trouble.text]
            assert reason in {trouble.reason for trouble in found}, text
    ending = [trouble.text for trouble in TROUBLES.values() if trouble.text in ("Control plane request failed", "Console request failed")]
    assert len(ending) == 2
    assert any(trouble.text is None for trouble in TROUBLES.values())


def test_a_refusal_has_neons_severity_and_code_and_free_words(make_neon, raw):
    server = make_neon()
    client = raw(server, database="nowhere")
    client.prove()
    assert wire.parse_authentication(client.message()[1]) == 12
    assert client.error() == {"S": "ERROR", "C": "XX000", "M": 'database "nowhere" does not exist'}
    with pytest.raises(EOFError):
        client.message()
    server.command("sqlstate 28000")
    server.command("trouble at access never seen  before")
    assert raw(server).error() == {"S": "ERROR", "C": "28000", "M": "never seen before"}
    server.command("trouble text nothing new")
    assert refused(server).endswith("ERROR:  nothing new")
    for wrong in ("trouble dance", "trouble at noon x", "wake-delay uniform 2 1", "dance"):
        with pytest.raises(RuntimeError, match="error"):
            server.command(wrong)


def test_through_the_pooler_a_startup_parameter_is_refused(make_neon):
    server = make_neon()
    assert "unsupported startup parameter: replication" in refused(server, pooled=True, replication="database")
    server.connect(pooled=True, client_encoding="LATIN1").close()


def test_a_client_that_keeps_its_password_back_is_timed_out(make_neon, raw):
    client = raw(make_neon(auth_timeout=0.2))
    assert client.message()[0] == b"R"
    assert client.error()["M"] == "Authentication timed out"


# Waking


def test_a_door_check_wakes_nothing_and_is_counted(make_neon):
    server = make_neon()
    for count in (1, 2, 3):
        assert "no password supplied" in refused(server, password=None, passfile="/dev/null", application_name="pgwaked")
        assert server.truth.wait("door", count=count)["application"] == "pgwaked"
    status = server.status()
    assert status["doors"] == 3 and status["doors_by_application"] == {"pgwaked": 3}
    assert (status["state"], status["wakes"], status["awake_seconds"], status["logins"]) == ("asleep", 0, 0, {})
    assert not children.children_of(server.process.pid)


@pytest.mark.parametrize("final", ["early", "held"])
def test_the_password_is_proven_before_the_wake_and_all_else_comes_after_it(make_neon, raw, final):
    server = make_neon(wake_delay="fixed 0.3", sasl_final=final)
    client = raw(server)
    client.prove()
    server.truth.wait("wake_begin")
    arrived = []
    while not arrived or arrived[-1][0] != b"Z":
        kind, payload = client.message()
        what = wire.parse_authentication(payload) if kind == b"R" else None
        arrived.append((kind, what, time.monotonic_ns() // 1000))
    started = server.truth.wait("started")["monotonic_usec"]
    assert [what for kind, what, _ in arrived if kind == b"R"] == [12, 0]
    early = [what for _, what, at in arrived if at < started]
    assert early == ([12] if final == "early" else [])
    opened = server.truth.wait("session_open")
    assert opened["waited"] is True and 300000 < opened["took_usec"]
    client.socket.sendall(wire.query("SELECT 1"))
    answered = server.truth.wait("answered")
    assert answered["took_usec"] > opened["took_usec"] and answered["application"] == "raw"


def test_fifty_logins_at_once_are_one_wake(make_neon):
    server = make_neon(wake_delay="fixed 0.3", suspend_after=60)
    answers = []

    def log_in(number):
        connection = server.connect(application_name="first" if number == 0 else "other")
        answers.append(ask(connection))
        connection.close()

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [42] * 50
    status = server.status()
    assert status["wakes"] == 1 and status["wakes_by_cause"] == {"login": 1, "command": 0, "itself": 0}
    assert status["logins"] == {"first": 1, "other": 49}
    begun = server.truth.wait("wake_begin")
    assert status["wakes_by_application"] == {begun["application"]: 1}


def test_wakes_have_their_causes_and_it_wakes_by_itself(make_neon):
    server = make_neon(suspend_after=60)
    server.command("wake now")
    server.command("suspend now")
    server.command("wakes-itself every 0.1")
    server.truth.wait("started", count=2)
    server.command("wakes-itself off")
    server.command("suspend now")
    server.connect(application_name="me").close()
    server.truth.wait("wake_begin", count=3)
    assert [each["cause"] for each in server.truth.of("wake_begin")] == ["command", "itself", "login"]
    assert server.status()["wakes_by_cause"] == {"command": 1, "itself": 1, "login": 1}


def test_wake_delays_have_a_distribution_and_a_seed(make_neon):
    delays = [Delay("lognormal 1.8 2.6", seed=7) for _ in range(2)]
    drawn = [[delay.draw() for _ in range(4000)] for delay in delays]
    assert drawn[0] == drawn[1]
    assert statistics.median(drawn[0]) == pytest.approx(1.8, rel=0.03)
    assert statistics.quantiles(drawn[0], n=20)[-1] == pytest.approx(2.6, rel=0.03)
    uniform = Delay("uniform 0.5 1", seed=7)
    assert all(0.5 <= uniform.draw() <= 1 for _ in range(100)) and Delay("0.25").draw() == 0.25
    for wrong in ("", "fixed", "uniform 2 1", "lognormal 2 1", "fixed -1", "normal 1 2"):
        with pytest.raises(ValueError):
            Delay(wrong)
    server = make_neon(wake_delay="uniform 0.1 0.2", seed=3)
    server.command("wake now")
    assert server.truth.wait("started")["took_usec"] > 100000


def test_the_wakes_of_the_truth_are_told_with_their_latencies(make_neon):
    server = make_neon(wake_delay="fixed 0.4", suspend_after=60)
    begun = time.monotonic()
    impatient = children.start(["psql", server.conninfo(application_name="me"), "-XAtc", "SELECT 1"])
    server.truth.wait("wake_begin")
    seen = time.monotonic()
    impatient.kill()
    impatient.wait()
    other = server.connect(application_name="other")
    ask(other)
    connection = server.connect(application_name="me")
    least = time.monotonic() - seen
    ask(connection)
    most = time.monotonic() - begun
    server.truth.wait("answered", count=2)
    server.command("suspend now")
    server.command("wake now")
    server.truth.wait("started", count=2)
    first, second = neon.wakes(server.truth.events)
    assert (first.number, first.cause, first.application) == (1, "login", "me")
    assert first.begun_usec < first.started_usec < first.answered_usec < first.ended_usec
    assert least < first.latency_seconds < most
    assert (second.cause, second.application, second.answered_usec, second.ended_usec) == ("command", None, None, None)
    other.close()
    connection.close()


# Sleeping


def test_an_idle_session_does_not_keep_it_awake_and_ends_with_57p01_or_a_bare_end(make_neon, raw):
    server = make_neon(suspend_after=0.6, **QUICK)
    direct, pooled = raw(server).log_in(), raw(server, pooled=True).log_in()
    direct.ask()
    pooled.ask()
    idle = server.truth.wait("answered", count=2)
    begun = server.truth.wait("suspend_begin")
    assert begun["cause"] == "idle"
    assert 0.55 < (begun["monotonic_usec"] - idle["monotonic_usec"]) / 1e6 < patient(1.2)
    fatal, = direct.last_words()
    assert (fatal["S"], fatal["C"], fatal["M"]) == ("FATAL", "57P01", "terminating connection due to administrator command")
    assert not pooled.last_words()
    server.truth.wait("suspended")
    closed = server.truth.wait("session_close", count=2)
    assert server.status()["state"] == "asleep" and server.status()["sessions"] == 0
    assert (closed["by"], closed["sqlstate"]) == ("server", "57P01")


def test_a_query_and_an_open_transaction_keep_it_awake(make_neon):
    server = make_neon(suspend_after=0.3, **QUICK)
    connection = server.connect()
    ask(connection, "SELECT pg_sleep(0.8)")
    ask(connection, "BEGIN")
    with pytest.raises(AssertionError):
        server.truth.wait("suspend_begin", timeout=0.8)
    ask(connection, "COMMIT")
    server.truth.wait("suspend_begin")
    connection.close()
    assert len(server.truth.of("suspend_begin")) == 1


def test_a_query_and_a_login_restart_the_time_and_a_door_does_not(make_neon):
    after = patient(0.7)
    server = make_neon(suspend_after=after, **QUICK)
    connection = server.connect()
    for _ in range(4):
        time.sleep(patient(0.3))  # the rhythm of an application: no event tells of it
        ask(connection, "SELECT 1")
    connection.close()
    for _ in range(4):
        time.sleep(patient(0.3))
        server.connect().close()
    assert not server.truth.of("suspend_begin")
    last = server.truth.wait("session_close", count=5)["monotonic_usec"]

    def knock():
        refused(server, password=None, passfile="/dev/null")
        return server.truth.of("suspend_begin")

    begun, = until(knock, 5, "a suspend between doors", every=0.05)
    assert 0.85 * after < (begun["monotonic_usec"] - last) / 1e6 < 2 * after
    assert server.status()["wakes"] == 1


def test_a_walsender_keeps_it_awake_and_the_services_own_sessions_do_not(make_neon):
    after = patient(0.4)
    server = make_neon(suspend_after=after, set=["max_wal_senders=2"], **QUICK)
    server.command("wake now")
    server.sql("ALTER ROLE app REPLICATION")
    sender = server.connect(replication="true", dbname=None)
    mark = server.truth.mark()
    with pytest.raises(AssertionError):
        server.truth.wait("suspend_begin", timeout=0.8, since=mark)
    sender.close()
    closed = server.truth.wait("session_close", since=mark)

    def look_inside():
        with suppress(psycopg2.Error):  # it may be gone by now
            server.sql("SELECT count(*) FROM pg_class")
        return server.truth.of("suspend_begin", mark)

    begun, = until(look_inside, 5, "a suspend under the service's eyes", every=0.05)
    assert 0.85 * after < (begun["monotonic_usec"] - closed["monotonic_usec"]) / 1e6 < 2.5 * after


def test_the_observer_looks_every_half_second_unless_told_otherwise(make_neon):
    server = make_neon(suspend_after=0.1)

    def awake_for() -> float:
        mark = server.truth.mark()
        server.command("wake now")
        started, begun = server.truth.wait("started", since=mark), server.truth.wait("suspend_begin", since=mark)
        server.truth.wait("suspended", since=mark)
        return (begun["monotonic_usec"] - started["monotonic_usec"]) / 1e6

    # Where the first look itself takes as long as suspend_after it is the first that sees it idle.
    seen = until(lambda: (took := awake_for()) > 0.45 and took, 20, "the second look ends it")
    assert seen < patient(1.0)


def test_the_seconds_awake_are_those_of_the_truth(make_neon):
    server = make_neon(suspend_after=60)
    by_hand = 0.0
    for how in ("suspend now", "crash hard", "suspend now"):
        before = time.monotonic()
        server.command("wake now")
        awake = time.monotonic()
        time.sleep(0.2)
        going = time.monotonic()
        server.command(how)
        assert going - awake <= server.status()["awake_seconds"] - by_hand <= time.monotonic() - before
        by_hand = server.status()["awake_seconds"]
    server.truth.wait("suspended", count=2)
    assert server.status()["awake_seconds"] == pytest.approx(neon.awake_usec(server.truth.events) / 1e6, abs=1e-6)
    server.command("wake now")
    begun = server.truth.wait("started", count=4)["monotonic_usec"]
    running = server.status()["awake_seconds"]
    assert running > by_hand
    assert neon.awake_usec(server.truth.events, begun + 500000) == pytest.approx(by_hand * 1e6 + 500000, abs=1)
    assert server.status()["awake_seconds"] > running


# Harm


def test_a_proxy_that_restarts_during_a_wake_resets_its_clients_and_wakes_all_the_same(make_neon, raw):
    server = make_neon(wake_delay="fixed 0.5", suspend_after=60)
    client = raw(server)
    client.prove()
    server.truth.wait("wake_begin")
    server.command("restart")
    with pytest.raises((ConnectionResetError, EOFError)):
        while True:
            client.message()
    connection = server.connect()
    assert ask(connection) == 42
    opened = server.truth.wait("session_open")
    assert opened["waited"] is True and opened["session"] == 2
    assert len(server.truth.of("wake_begin")) == len(server.truth.of("started")) == 1
    connection.close()


def test_a_proxy_that_goes_takes_its_sessions_along_and_not_the_compute(make_neon):
    server = make_neon(suspend_after=60)
    connection = server.connect()
    server.command("refuse on")
    with pytest.raises(psycopg2.OperationalError) as told:
        ask(connection)
    assert "terminating" not in str(told.value)
    assert server.truth.wait("session_close")["by"] == "proxy"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 2)
    assert server.status()["state"] == "awake" and server.status()["connections"] == 0
    server.command("refuse off")
    server.connect().close()
    assert server.status()["wakes"] == 1


def test_hang_answers_nothing_until_it_ends(make_neon):
    server = make_neon(suspend_after=60)
    held = server.connect()
    server.command("hang on")
    with socket.create_connection((server.host, server.port), 0.3) as plain:
        plain.sendall(wire.ssl_request())
        with pytest.raises(TimeoutError):
            plain.recv(1)
        server.command("hang off")
        plain.settimeout(5)
        assert plain.recv(1) == b"S"
    assert ask(held) == 42
    held.close()


def test_a_client_that_leaves_with_the_end_of_its_handshake_is_nothing_to_complain_about(make_neon, ca):
    server = make_neon(suspend_after=60)
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=str(ca.cert)).wrap_bio(coming, going, server_hostname=f"{server.endpoint}.{server.domain}")
    with socket.create_connection((server.host, server.port), patient(10)) as plain:
        plain.sendall(wire.ssl_request())
        assert plain.recv(1) == b"S"
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(going.read())
                coming.write(plain.recv(65536))
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(going.read())  # the end of both
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass
    server.connect().close()
    assert server.stop() == 0  # raises on whatever it complained about


def test_terminate_cuts_the_sessions_and_is_no_suspend(make_neon, raw):
    server = make_neon(suspend_after=60)
    assert server.command("terminate") == "0"
    direct, pooled = raw(server).log_in(), raw(server, pooled=True).log_in()
    assert server.command("terminate") == "2"
    assert [each["C"] for each in direct.last_words()] == ["57P01"] and not pooled.last_words()
    assert server.status()["state"] == "awake" and not server.truth.of("suspend_begin")


@pytest.mark.parametrize("how", ["crash", "crash hard"])
def test_a_crash_is_no_suspend_and_the_next_login_wakes_it(make_neon, how):
    server = make_neon(suspend_after=60)
    connection = server.connect()
    server.command(how)
    assert server.truth.wait("crashed")["exit_code"] == -9 and server.status()["state"] == "asleep"
    closed = server.truth.wait("session_close")
    assert (closed["by"], closed["sqlstate"]) == ("server", "57P01" if how == "crash" else None)
    again = server.connect()
    assert ask(again) == 42 and server.status()["wakes"] == 2
    again.close()
    connection.close()
    assert not server.truth.of("suspend_begin")


def test_a_password_that_was_changed_is_taken_when_the_roles_are_read_again(make_neon):
    server = make_neon(suspend_after=60)
    connection = server.connect()
    ask(connection, "ALTER ROLE app PASSWORD 'other'")
    server.command("roles")
    assert "password authentication failed" in refused(server)
    server.connect(password="other").close()
    connection.close()


def test_who_does_not_trust_it_or_speaks_another_language_harms_nothing(make_neon, wrong_ca):
    server = make_neon()
    assert "certificate verify failed" in refused(server, sslrootcert=wrong_ca.cert)
    server.truth.wait("left")
    for words in (b"GET / HTTP/1.1\r\n\r\n", wire.ssl_request() + b"GET / HTTP/1.1\r\n\r\n", b"\0\0"):
        with socket.create_connection((server.host, server.port), patient(5)) as plain:
            plain.sendall(words)
            plain.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while plain.recv(4096):
                    pass
    server.connect().close()
    assert server.stop() == 0


def test_sigterm_ends_it_in_the_middle_of_a_long_wake(make_neon, raw):
    server = make_neon(wake_delay="fixed 600")
    client = raw(server)
    client.prove()
    server.truth.wait("wake_begin")
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < patient(3)
    assert [each["error"] for each in server.truth.of("wake_failed")] == ["it has been told to quit"]


def test_sigterm_ends_it_and_leaves_nothing(make_neon, tmp):
    server = make_neon(log=tmp / "truth.jsonl", data=tmp / "kept", name="first")
    connection = server.connect()
    postmaster = server.truth.wait("started")["pid"]
    assert server.stop() == 0
    until(lambda: not children.send(postmaster, 0), 2, "its PostgreSQL is gone")
    connection.close()
    assert [each["event"] for each in server.truth.events] == [
        line.split('"')[3] for line in (tmp / "truth.jsonl").read_text().splitlines()]
    again = make_neon(data=tmp / "kept", name="again")
    again.connect().close()
