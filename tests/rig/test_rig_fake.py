"""The scripted fake sends what its scripts say."""

import socket
import time

import psycopg2
import pytest

from rig import scripts, wire
from rig.patience import Late


class Client:
    """A raw client that says its part and collects the answers."""

    opened: list["Client"] = []

    def __init__(self, fake, timeout=5.0):
        self.socket = socket.create_connection((fake.host, fake.port), timeout)
        self.rest = b""
        self.opened.append(self)

    def say(self, data: bytes) -> "Client":
        self.socket.sendall(data)
        return self

    def startup(self) -> "Client":
        return self.say(wire.startup(user="app", database="app"))

    def message(self) -> tuple[bytes, bytes]:
        """The next message; EOFError at the end of the stream."""
        while True:
            found, _ = wire.split(self.rest)
            if found:
                kind, payload = found[0]
                self.rest = self.rest[5 + len(payload):]
                return kind, payload
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece

    def until(self, kind: bytes) -> list[bytes]:
        """Types of the messages up to one of this type."""
        kinds = []
        while not kinds or kinds[-1] != kind:
            kinds.append(self.message()[0])
        return kinds

    def reach(self, phase: str) -> "Client":
        """Says a client's part up to a phase."""
        if phase == "at-connect":
            return self
        if phase in ("after-sslrequest", "in-tls"):
            self.say(wire.ssl_request())
            if phase == "in-tls":
                assert self.socket.recv(1) == b"S"
                self.say(b"\x16\x03\x01 a hello")
            return self
        self.startup()
        if phase == "in-auth":
            assert self.message()[0] == b"R"
            self.say(wire.sasl_initial_response(wire.SCRAM, b"n,,n=,r=rOprNGfwEbeRWgbNEkqO"))
        if phase in ("in-query", "after-query"):
            self.until(b"Z")
            self.say(wire.query("SELECT 1"))
        if phase == "after-query":
            self.until(b"Z")
        return self


@pytest.fixture(autouse=True)
def close_clients():
    yield
    while Client.opened:
        Client.opened.pop().socket.close()


def test_ok_is_a_server_that_libpq_believes(make_fake):
    fake = make_fake("ok", answer=[("uptime", "12.5"), ("recovery", "f"), ("nothing", None)])
    connection = psycopg2.connect(fake.conninfo(application_name="me"))
    connection.autocommit = True
    cursor = connection.cursor()
    for _ in range(2):
        cursor.execute("SELECT what, ever")
        assert cursor.fetchall() == [("12.5", "f", None)]
        assert [column.name for column in cursor.description] == ["uptime", "recovery", "nothing"]
    fake.answer = lambda query: [("asked", query)]
    cursor.execute("SELECT 2")
    assert cursor.fetchone() == ("SELECT 2",)
    connection.close()
    seen = fake.wait_ended(1)[0]
    assert seen.queries == ["SELECT what, ever"] * 2 + ["SELECT 2"]
    assert seen.parameters["application_name"] == "me" and seen.terminated and seen.ended_by == "client"


def test_ok_speaks_tls_with_a_certificate_and_the_extended_protocol(make_fake, ca):
    fake = make_fake("ok", certificate=ca.issue())
    connection = psycopg2.connect(fake.conninfo(sslmode="verify-full", sslrootcert=ca.cert))
    assert connection.info.ssl_in_use
    connection.close()
    client = Client(fake).startup()
    client.until(b"Z")
    client.say(wire.message(b"P", b"\0SELECT 1\0\0\0") + wire.message(b"B", b"\0\0\0\0\0\0\0\0")
               + wire.message(b"D", b"P\0") + wire.message(b"E", b"\0\0\0\0\0") + wire.message(b"S"))
    assert client.until(b"Z") == [b"1", b"2", b"T", b"D", b"C", b"Z"]


@pytest.mark.parametrize("phase", [phase for phase in scripts.PHASES if phase != "at-connect"])
def test_silence_says_nothing_after_its_phase(make_fake, phase):
    client = Client(make_fake(f"silence-{phase}"), 5).reach(phase)
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.message()


@pytest.mark.parametrize("phase", scripts.PHASES)
def test_reset_sends_rst_and_close_sends_fin_in_each_phase(make_fake, phase):
    fake = make_fake(f"reset-{phase}")
    with pytest.raises(ConnectionResetError):
        Client(fake).reach(phase).message()
    fake.script = f"close-{phase}"
    with pytest.raises(EOFError):
        Client(fake).reach(phase).message()


def test_silence_at_connect_leaves_the_syn_unanswered_and_ends_with_the_script(make_fake):
    fake = make_fake("silence-at-connect")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            Client(fake, 0.3)
    fake.script = "ok"
    assert Client(fake).startup().until(b"Z")[-1] == b"Z"
    fake.script = "silence-at-accept"
    client = Client(fake).say(wire.ssl_request())
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.message()
    fake.refuse()
    with pytest.raises(ConnectionRefusedError):
        Client(fake)


@pytest.mark.parametrize("phase", scripts.PHASES)
def test_garbage_is_no_protocol(make_fake, phase):
    client = Client(make_fake(f"garbage-{phase}")).reach(phase)
    first = client.rest or client.socket.recv(1)
    assert first[:1] == b"\xff"


def test_drip_is_a_valid_answer_a_byte_at_a_time(make_fake):
    fake = make_fake("drip")
    fake.drip_interval = 0.001
    client = Client(fake).startup()
    assert client.until(b"Z")[0] == b"R"
    fake.script, fake.drip_interval = "drip-in-query", 0.1
    client = Client(fake).reach("in-query")
    begun = time.monotonic()
    assert client.socket.recv(100) == b"T" and client.socket.recv(100) == b"\0"
    assert time.monotonic() - begun > 0.08


@pytest.mark.parametrize("phase", ["after-startup", "in-auth", "in-query"])
def test_endless_notices_do_not_end(make_fake, phase):
    client = Client(make_fake(f"endless-notices-{phase}")).reach(phase)
    assert {client.message()[0] for _ in range(500)} == {b"N"}


@pytest.mark.parametrize("phase", ["after-startup", "in-auth", "in-query"])
def test_huge_length_says_a_gigabyte(make_fake, phase):
    client = Client(make_fake(f"huge-length-{phase}")).reach(phase)
    header = client.rest or client.socket.recv(5)
    assert header[:1] == (b"T" if phase == "in-query" else b"R") and header[1:5] == b"\x40\0\0\0"


@pytest.mark.parametrize("phase", ["after-sslrequest", "after-startup", "in-auth", "in-query"])
def test_error_is_the_one_ordered(make_fake, phase):
    fake = make_fake(f"error-{phase}", error=("ERROR", "XX000", "Couldn't connect to compute node"))
    kind, payload = Client(fake).reach(phase).message()
    fields = wire.parse_report(payload)
    assert kind == b"E" and (fields["S"], fields["C"]) == ("ERROR", "XX000")
    assert fields["M"] == "Couldn't connect to compute node"


def test_scram_iterations_is_a_correct_server_first_message(make_fake):
    fake = make_fake("scram-iterations")
    kind, payload = Client(fake).reach("in-auth").message()
    assert kind == b"R" and wire.parse_authentication(payload) == 11
    parts = dict(part.split("=", 1) for part in payload[4:].decode().split(","))
    assert parts["r"].startswith("rOprNGfwEbeRWgbNEkqO") and parts["i"] == "10000000"
    fake.iterations = 4096  # libpq finds it correct: it goes on with its proof, and then waits for us
    with pytest.raises(psycopg2.OperationalError, match="timeout expired"):
        psycopg2.connect(fake.conninfo(password="secret"), connect_timeout=2)
    assert b",p=" in bytes(fake.wait_ended(1)[0].received)


def test_asks_password_counts_doors(make_fake):
    fake = make_fake("asks-password")
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(fake.conninfo())
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(fake.conninfo(password="x"))
    fake.wait_ended(2)
    assert fake.doors == 1 and len(fake.seen) == 2


@pytest.mark.parametrize("how", ["fatal", "eof", "reset"])
def test_cut_ends_held_sessions_at_a_known_time(make_fake, how):
    fake = make_fake("ok")
    client = Client(fake).startup()
    client.until(b"Z")
    before = time.monotonic_ns() // 1000
    at = fake.cut(how)
    assert before <= at <= time.monotonic_ns() // 1000
    if how == "fatal":
        assert wire.parse_report(client.message()[1])["C"] == "57P01"
    with pytest.raises(ConnectionResetError if how == "reset" else EOFError):
        client.message()


def test_after_queries_delays_the_script(make_fake):
    fake = make_fake("close-in-query")
    fake.after_queries = 2
    client = Client(fake).startup()
    client.until(b"Z")
    for _ in range(2):
        client.say(wire.query("SELECT 1")).until(b"Z")
    client.say(wire.query("SELECT 1"))
    with pytest.raises(EOFError):
        client.message()


def test_every_name_is_a_script_and_others_are_refused(make_fake):
    with pytest.raises(KeyError, match="no script 'silnce'"):
        make_fake("silnce")
    assert {"silence-in-tls", "reset-in-query", "garbage-in-query", "scram-iterations"} <= set(scripts.names())
    with pytest.raises(Late):
        make_fake("ok").wait_connections(1, timeout=0.05)
