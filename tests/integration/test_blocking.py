"""Nothing blocks the loop: whatever one server does, /readyz is answered and all other databases are checked on time."""

import contextlib
import time

import pytest

from rig.build import sanitized
from rig.patience import patient, until
from rig.process import threads
from rig.witness import ROW, Asker, Metronome, largest_gap

# The figures themselves are printed (50 ms are promised); these bounds are for a busy machine and a build with sanitizers.
READYZ_WORST = 0.5 if sanitized() else 0.25
GAP_WORST = 1.5
STOPPED = 6.0 if sanitized() else 2.0  # a sanitizer looks for leaks at the end
GOOD = 4  # databases that answer, each pinged every 100 ms
WATCHED = 3.0  # seconds

HANGS = ("silence-at-connect", "silence-at-accept", "silence-after-sslrequest", "silence-in-tls", "silence-after-startup",
         "silence-in-auth", "silence-in-query", "silence-after-query", "drip-after-startup", "drip-in-query",
         "endless-notices-in-query", "huge-length-in-query")


def good(metronome: Metronome) -> list[dict]:
    return [{"name": f"good{i}", "conninfo": metronome.conninfo(i), "policy": "keep-awake", "ping_interval": "100ms",
             "login_interval": "30s", "jitter": "0%", "attempt_timeout": "30s"} for i in range(GOOD)]


def bad(name: str, fake, **keys: object) -> dict:
    tls = name.endswith(("-after-sslrequest", "-in-tls"))
    return {"name": name, "conninfo": fake.conninfo(password="secret", sslmode="require" if tls else "disable"), "policy": "keep-awake",
            "ping_interval": "100ms", "login_interval": "30s", "retry_interval": "100ms", "down_interval": "100ms", "required": False,
            "blocked_interval": "100ms", "jitter": "0%", "attempt_timeout": "30s", **keys}


@contextlib.contextmanager
def watched(daemon, metronome: Metronome, what: str, while_busy=lambda: None):
    """The good ones are awake; then `while_busy` runs, or time passes; then both figures must be good."""
    for i in range(GOOD):
        daemon.wait_state(f"good{i}", "awake")
    with Asker(daemon.status_socket) as asker:
        begun = time.monotonic()
        yield
        ended = time.monotonic()
        answers = asker.stop()
    gaps = [largest_gap(times, begun, ended) for times in metronome.stop()]
    print(f"{what}: {ended - begun:.1f} s; /readyz {answers}; checked every 100 ms, largest gap {max(gaps) * 1e3:.0f} ms")
    assert answers.worst - answers.stall < patient(READYZ_WORST)  # what the machine kept the asker waiting is not the daemon's
    assert max(gaps) < patient(GAP_WORST)


@pytest.fixture
def metronome():
    with Metronome(GOOD) as made:
        yield made


def test_a_database_that_hangs_in_any_phase_delays_nobody(make_fake, make_daemon, metronome):
    fakes = {script: make_fake(script, answer=ROW) for script in HANGS}
    daemon = make_daemon(good(metronome) + [bad(script, fake) for script, fake in fakes.items()])
    daemon.start()
    with watched(daemon, metronome, "hanging in every phase"):
        for script in HANGS:
            if script != "silence-at-connect":  # there nothing is ever accepted
                fakes[script].wait_connections(1)
        time.sleep(WATCHED)
        for script in HANGS:
            status = daemon.status(script)
            assert status["state"] in ("unknown", "waking", "awake", "down"), status
    code, seconds = daemon.stop()
    print(f"stopped in {seconds:.3f} s")
    assert code == 0 and seconds < patient(STOPPED)


def test_a_server_that_demands_ten_million_iterations_holds_one_prober_and_nobody_else(make_fake, make_daemon, metronome):
    """SCRAM is computed inside PQconnectPoll, for seconds; who computes is set aside and replaced."""
    fakes = [make_fake("scram-iterations") for _ in range(3)]
    daemon = make_daemon(good(metronome) + [bad(f"scram{i}", fake, attempt_timeout="1s") for i, fake in enumerate(fakes)])
    daemon.start()
    with watched(daemon, metronome, "10^7 iterations"):
        for i in range(len(fakes)):
            status = daemon.wait_reason(f"scram{i}", "auth.timeout", 15)
            assert status["last_attempt"]["total_seconds"] < 1 + patient(1.5), status
        daemon.wait_log(15, count=len(fakes), message_id="2d5290df034547baa3bfd97e49c0b87e")
        time.sleep(WATCHED)
    assert sum(name.startswith("prober") for name in threads(daemon.pid)) >= 2
    # Those that compute still are left to themselves.
    code, seconds = daemon.stop()
    print(f"stopped in {seconds:.3f} s")
    assert code == 0 and seconds < patient(STOPPED)


def test_who_computed_too_long_comes_back_and_its_database_goes_on(make_fake, make_daemon, metronome):
    """The connection that was away when its prober was set aside is taken back, or closed when nobody waits for it any more."""
    fake = make_fake("scram-iterations", answer=ROW)
    fake.iterations = 400_000
    daemon = make_daemon(good(metronome) + [bad("scram", fake, attempt_timeout="120ms")])
    daemon.start()
    with watched(daemon, metronome, "4 x 10^5 iterations"):
        daemon.wait_reason("scram", "auth.timeout", 15)
        first = fake.wait_connections(1)[0]
        until(lambda: first.ended_monotonic_usec, 40, "the connection is closed")
        fake.script = "ok"
        daemon.wait_state("scram", "awake", 20)
    until(lambda: sum(name.startswith("prober") for name in threads(daemon.pid)) <= 2, 20, "the threads that came back have ended")
    assert daemon.stop()[0] == 0


def test_many_logins_that_load_every_certificate_authority_at_once_delay_nobody(make_fake, make_daemon, metronome, ca):
    """Debian's bundle costs 18 ms of CPU a connection; no authority of it has signed this server's certificate."""
    fake = make_fake("ok", answer=ROW, certificate=ca.issue(dns=("localhost",)))
    conninfo = fake.conninfo(sslmode="verify-full", sslrootcert="/etc/ssl/certs/ca-certificates.crt")
    hungry = [bad(f"ca{i}", fake, conninfo=conninfo, blocked_interval="5min") for i in range(64)]
    daemon = make_daemon(good(metronome))
    daemon.start()

    def refused() -> int:
        return sum(set(each["failures"]["by_reason"]) == {"tls.verify"} for each in daemon.get("/status").json["databases"])

    with watched(daemon, metronome, "64 logins that load all certificate authorities at once"):
        daemon.configure(good(metronome) + hungry)
        assert daemon.reload().json["added"] == 64
        until(lambda: refused() == 64, 40, "every one is tls.verify", every=0.1)
    assert daemon.stop()[0] == 0


def test_more_databases_that_hang_than_may_be_asked_at_once_delay_nobody_that_answers(make_fake, make_daemon, metronome):
    """All places of limits.attempts_in_flight are taken by logins that wait for their deadlines."""
    fake = make_fake("silence-after-startup")
    hanging = [bad(f"hung{i}", fake, attempt_timeout="20s") for i in range(70)]
    answering = [{**each, "login_interval": "1s"} for each in good(metronome)]
    daemon = make_daemon(answering)
    daemon.start()
    with watched(daemon, metronome, "70 databases hang, 64 may be asked at once"):
        daemon.configure(answering + hanging)
        assert daemon.reload().json["added"] == 70
        fake.wait_phase("after-startup", 64)
        time.sleep(WATCHED)
        assert all(daemon.status(f"good{i}")["state"] == "awake" for i in range(GOOD))
    assert len(fake.seen) == 64
    assert daemon.stop()[0] == 0
