"""Nothing blocks the loop: whatever one server does, /readyz is answered and all other databases are checked on time."""

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from rig.build import plain, sanitized
from rig.patience import patient, until
from rig.process import threads
from rig.witness import ROW, Asker, Metronome, largest_gap

# The figures themselves are printed (50 ms are promised); these bounds are for a busy machine and a build with sanitizers.
READYZ_WORST = 0.5 if sanitized() else 0.25
GAP_WORST = 1.5
STOPPED = 6.0 if sanitized() else 2.0  # a sanitizer looks for leaks at the end
REPLACED = "2d5290df034547baa3bfd97e49c0b87e"
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


def probers(daemon) -> int:
    return sum(name.startswith("prober") for name in threads(daemon.pid))


def wait_for_those_that_were_set_aside(daemon) -> None:
    until(lambda: probers(daemon) <= 2, 20, "the threads that came back have ended")


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
        daemon.wait_log(15, count=len(fakes), message_id=REPLACED)
        time.sleep(WATCHED)
    assert probers(daemon) >= 2
    # Those that compute still are left to themselves.
    code, seconds = daemon.stop()
    print(f"stopped in {seconds:.3f} s")
    assert code == 0 and seconds < patient(STOPPED)


def test_who_computed_too_long_comes_back_and_its_database_goes_on(make_fake, make_daemon, metronome):
    """The connection that was away when its prober was set aside is taken back, or closed when nobody waits for it any more."""
    fake = make_fake("scram-iterations", answer=ROW)
    # It must take longer than the attempt, and the attempt longer than a login to one that demands nothing.
    fake.iterations = int(patient(400_000))
    daemon = make_daemon(good(metronome) + [bad("scram", fake, attempt_timeout=f"{int(patient(120))}ms")])
    daemon.start()
    with watched(daemon, metronome, f"{fake.iterations} iterations"):
        daemon.wait_reason("scram", "auth.timeout", 15)
        first = fake.wait_connections(1)[0]
        until(lambda: first.ended_monotonic_usec, 40, "the connection is closed")
        fake.script = "ok"
        daemon.wait_state("scram", "awake", 20)
    wait_for_those_that_were_set_aside(daemon)
    assert daemon.stop()[0] == 0


@plain
def test_many_logins_that_load_every_certificate_authority_at_once_delay_nobody(make_fake, make_daemon, metronome, ca):
    """Debian's bundle costs 18 ms of CPU a connection; no authority of it has signed this server's certificate."""
    fake = make_fake("ok", answer=ROW, certificate=ca.issue(dns=("localhost",)))
    conninfo = fake.conninfo(sslmode="verify-full", sslrootcert="/etc/ssl/certs/ca-certificates.crt")
    hungry = [bad(f"ca{i}", fake, conninfo=conninfo, blocked_interval="5min", attempt_timeout="5min") for i in range(64)]
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
    """All places of limits.attempts_in_flight but those kept for demand are taken by logins that wait for their deadlines."""
    fake = make_fake("silence-after-startup")
    hanging = [bad(f"hung{i}", fake, attempt_timeout="20s") for i in range(70)]
    answering = [{**each, "login_interval": "1s"} for each in good(metronome)]
    daemon = make_daemon(answering)
    daemon.start()
    with watched(daemon, metronome, "70 databases hang, 48 may be asked at once"):
        daemon.configure(answering + hanging)
        assert daemon.reload().json["added"] == 70
        fake.wait_phase("after-startup", 48)
        time.sleep(WATCHED)
        for i in range(GOOD):
            daemon.wait_state(f"good{i}", "awake")  # on a busy machine one may be stale for a moment
    assert len(fake.seen) == 48
    assert daemon.stop()[0] == 0


# ---------------------------------------------------------------------------------------------- set aside, for as long as a test wants


class Gate:
    """A file of certificate authorities. Shut, it is a pipe that says nothing: libpq reads it in the middle of PQconnectPoll(), and its
    thread waits there, computing nothing, until the test lets it go on."""

    def __init__(self, path: Path, authorities: bytes):
        self.path, self._authorities = path, authorities
        self._pipe = -1
        self.open()

    def _replace(self, make) -> None:
        fresh = self.path.with_suffix(".new")
        make(fresh)
        fresh.replace(self.path)

    def open(self) -> None:
        """For those who come from now on."""
        self._replace(lambda path: path.write_bytes(self._authorities))

    def shut(self) -> None:
        self._replace(os.mkfifo)
        self._pipe = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def let_go(self) -> None:
        """Who waits reads the authorities, and the end of the file."""
        pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.write(pipe, self._authorities)
            os.close(pipe)


class Held:
    """Three databases beside the good ones, all awake, whose logins wait inside libpq while their gates are shut."""

    def __init__(self, fake, make_daemon, metronome: Metronome, gates: list[Gate], attempt_timeout: str):
        self.fake, self.gates = fake, gates
        self.logins = 0
        self.names = [f"held{i}" for i in range(len(gates))]
        self.others = good(metronome)
        self.own = [bad(name, fake, conninfo=fake.conninfo(password="secret", sslmode="verify-full", sslrootcert=gate.path),
                        attempt_timeout=attempt_timeout) for name, gate in zip(self.names, gates)]
        self.daemon = make_daemon(self.others + self.own).start()
        self.wait_awake()

    def wait_awake(self) -> None:
        for each in [*self.others, *self.own]:
            self.daemon.wait_state(each["name"], "awake", 20)

    def cut(self) -> None:
        """The next thing each of them needs is a login; `logins` counts all up to it."""
        self.logins = len(self.fake.seen) + len(self.gates)
        for gate in self.gates:
            gate.shut()
        self.fake.cut()

    def set_aside(self) -> None:
        told = len(self.daemon.log_entries(message_id=REPLACED))  # a busy machine may have done it before
        self.cut()
        self.daemon.wait_log(20, count=told + len(self.gates), message_id=REPLACED)
        until(lambda: probers(self.daemon) >= 1 + len(self.gates), 20, "each of them has a thread of its own")

    def let_go(self) -> None:
        for gate in self.gates:
            gate.open()
            gate.let_go()

    def reload(self, databases: list[dict]) -> dict:
        self.daemon.configure(databases)
        return self.daemon.reload().json

    def wait_closed(self) -> None:
        """The logins that waited, and all before them, are over."""
        self.fake.wait(lambda fake: all(each.ended_monotonic_usec for each in fake.seen[:self.logins]), 20, "what was away is closed")


@pytest.fixture
def make_held(make_fake, make_daemon, metronome, ca, tmp):
    gates = [Gate(tmp / f"authorities-{i}.pem", ca.cert.read_bytes()) for i in range(3)]
    yield lambda attempt_timeout="60s": Held(make_fake("ok", answer=ROW, certificate=ca.issue()), make_daemon, metronome, gates, attempt_timeout)
    for gate in gates:
        gate.let_go()


def test_who_was_set_aside_and_is_back_in_time_goes_on_with_the_login_that_it_was_at(make_held):
    held = make_held()
    held.set_aside()
    held.let_go()
    held.wait_awake()
    assert len(held.fake.seen) == held.logins  # no login was begun anew
    wait_for_those_that_were_set_aside(held.daemon)
    assert held.daemon.stop()[0] == 0


def test_while_one_that_was_set_aside_is_past_its_deadline_no_other_login_begins_and_then_one_does(make_held):
    held = make_held("1s")
    held.set_aside()
    for name in held.names:
        held.daemon.wait_reason(name, "tls.timeout", 20)
    assert len(held.fake.seen) == held.logins
    held.let_go()  # a check of each of them waits for that
    held.wait_closed()
    held.wait_awake()
    wait_for_those_that_were_set_aside(held.daemon)
    assert held.daemon.stop()[0] == 0


def test_who_comes_back_when_its_database_was_reloaded_away_is_closed(make_held):
    held = make_held()
    held.set_aside()
    assert held.reload(held.others)["removed"] == 3
    held.let_go()
    held.wait_closed()
    wait_for_those_that_were_set_aside(held.daemon)
    assert held.reload(held.others + held.own)["added"] == 3
    held.wait_awake()
    assert held.daemon.stop()[0] == 0


def test_who_comes_back_when_another_database_has_its_name_does_not_touch_it(make_held):
    held = make_held()
    held.set_aside()
    assert held.reload(held.others)["removed"] == 3
    for gate in held.gates:
        gate.open()
    assert held.reload(held.others + held.own)["added"] == 3
    held.wait_awake()
    held.let_go()
    held.wait_closed()
    wait_for_those_that_were_set_aside(held.daemon)
    held.wait_awake()
    assert held.daemon.stop()[0] == 0


def test_who_comes_back_when_its_database_is_paused_is_closed(make_held):
    held = make_held()
    held.set_aside()
    for name in held.names:
        assert held.daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
    held.let_go()
    wait_for_those_that_were_set_aside(held.daemon)
    held.wait_closed()
    for name in held.names:
        assert held.daemon.get(f"/pause/{name}?for=0s", method="POST").status == 200
    held.wait_awake()
    assert held.daemon.stop()[0] == 0


@pytest.mark.parametrize("after", (None, 0.0, 0.2, 0.4), ids=("never", "at once", "200ms", "400ms"))
def test_a_stop_waits_for_nobody_who_was_set_aside_and_bears_his_return_at_any_moment(make_held, after):
    held = make_held()
    held.set_aside()
    if after is not None:
        threading.Timer(after, held.let_go).start()
    code, seconds = held.daemon.stop()
    print(f"stopped in {seconds:.3f} s")
    assert code == 0 and seconds < patient(STOPPED)


def test_who_returns_at_the_very_moment_at_which_he_is_set_aside_is_either_and_never_both(make_held):
    held = make_held()
    for tenths in (1, 3, 5, 5, 6, 6, 7, 8):
        held.cut()
        time.sleep(tenths / 10)
        held.let_go()
        held.wait_awake()
    wait_for_those_that_were_set_aside(held.daemon)
    assert held.daemon.stop()[0] == 0
