"""pgwake hold: a program under a lease. Here against a scripted daemon: its refusals, restarts and garbage, signals and exit codes."""

import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

import rig.terminal
from rig.notify import NotifySocket
from rig.patience import patient
from test_pgwake import (DEADLINE, MALFORMED, PGWAKE, Daemon, Terminal, daemon, database, environment, event, folder,  # noqa: F401
                         pytestmark, raw, run, verdict, wait_until)  # pylint: disable=unused-import

ECHO = ["sh", "-c", "echo started; cat; echo over"]


def sse(kind, value):
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n"


class Lease:
    """One stream of POST /lease/NAME; its connection is watched, so that the instant of its end is known."""

    def __init__(self, handler, number, state):
        self.handler, self.number = handler, number
        self.query = handler.query
        self.at = time.monotonic()
        self.ended_at = None
        self.closed = threading.Event()
        self._over = threading.Event()
        lease = {"id": number, "owner": self.query.get("owner", "unknown"), "since": "2026-11-22T16:02:09.123456Z", "until": None}
        handler.begin_stream()
        self.say("lease", {"lease": lease, **database(state=state)})

    def send(self, text):
        """pgwake may be gone before it is all sent."""
        try:
            self.handler.send_chunk(text)
        except (OSError, ValueError):
            pass

    def say(self, kind, value):
        self.send(sse(kind, value))

    def state(self, state, **more):
        self.send(event(self.number * 100, state=state, **more))

    def end(self, reason, message="It is over."):
        self.say("end", {"id": self.number, "reason": reason, "message": message})
        self.send("")
        self._over.set()

    def hang_up(self):
        self._over.set()

    def serve(self):
        while not self._over.is_set():
            if select.select([self.handler.connection], [], [], 0.005)[0]:
                break
        self.ended_at = time.monotonic()
        self.closed.set()
        self.handler.hang_up()


class Leases:
    """What the scripted daemon does with POST /lease/main: one answer of `answers` each, the last for all that follow.

    An answer is a state (a lease of a database that is in it), a pair of status and JSON, or a function of the handler."""

    def __init__(self, server, *answers):
        self.server, self.answers, self.given, self.asked = server, list(answers) or ["awake"], [], []
        server.routes["POST", "/lease/main"] = self

    def __call__(self, handler):
        self.asked.append(time.monotonic())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, tuple):
            handler.send_json(*answer)
        elif callable(answer):
            answer(handler)
        else:
            lease = Lease(handler, len(self.given) + 1, answer)
            self.given.append(lease)
            lease.serve()

    def wait(self, n=1):
        wait_until(lambda: len(self.given) >= n)
        return self.given[n - 1]


def start(server, *args, **options):
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    path = server if isinstance(server, str) else server.path
    env = environment(**options.pop("extra", {}))
    return subprocess.Popen([PGWAKE, "--socket", path, "hold", "main", *args], env=options.pop("env", env), **options)


def finish(process, text=""):
    out, err = process.communicate(text, timeout=DEADLINE)
    return process.returncode, out, err


def restart(server, *answers):
    """The daemon ends, with all its connections, and another one is there: (server, leases)."""
    path = server.path
    leases = server.routes["POST", "/lease/main"]
    server.stop()
    for lease in leases.given:
        lease.hang_up()
    for lease in leases.given:
        assert lease.closed.wait(DEADLINE)

    def again():
        second = Daemon(path, begin=False)
        leases_again = Leases(second, *answers)
        second.begin()
        return second, leases_again

    return path, again


# ------------------------------------------------------------------------------------------------------------ the program and its lease


def test_the_program_starts_only_when_the_database_is_awake_and_the_lease_ends_with_it(daemon):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--owner", "the tester, ü", "--", *ECHO)
    lease = leases.wait()
    assert lease.query == {"owner": "the tester, ü"}
    for state in ("waking", "degraded", "asleep"):
        lease.state(state)
    assert not select.select([process.stdout], [], [], 0.3)[0], "it is not awake yet"
    woken = time.monotonic()
    lease.state("awake")
    assert process.stdout.readline() == "started\n"
    print(f"the program ran {(time.monotonic() - woken) * 1000:.1f} ms after the event")
    assert not lease.closed.is_set()
    lease.state("down", previous="awake")  # what happens later is no affair of the program's
    lease.state("awake", previous="down")
    assert finish(process, "hello\n") == (0, "hello\nover\n", "")
    assert lease.closed.wait(DEADLINE)
    assert [path for _, path, _ in daemon.requests] == ["/lease/main?owner=the%20tester%2C%20%C3%BC"]


def test_events_of_other_databases_start_nothing(daemon):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--timeout", "500ms", "--", *ECHO)
    lease = leases.wait()
    lease.state("awake", name="app")
    assert finish(process)[:2] == (125, "")


# Each bit alone and with those below it, and those at which a code could mean something else: pgwake's own, a shell's, a signal's.
CODES = sorted({0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 77, 78, *range(124, 131), 137, 143, 192, 254, 255})


def test_the_exit_code_is_the_programs(daemon):
    leases = Leases(daemon, "awake")
    for code in CODES:
        done = run(daemon.path, "hold", "main", "--", "sh", "-c", f"exit {code}")
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
    assert len(leases.given) == len(CODES) and all(lease.closed.wait(DEADLINE) for lease in leases.given)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1, signal.SIGINT,
                                    signal.SIGPIPE, signal.SIGRTMIN + 3], ids=lambda number: signal.Signals(number).name
                         if number < signal.SIGRTMIN else "SIGRTMIN+3")
def test_a_program_that_a_signal_ends_ends_pgwake_by_the_same(daemon, folder, number):
    Leases(daemon, "awake")
    process = start(daemon, "--", sys.executable, "-c", f"import os, signal; signal.signal({int(number)}, signal.SIG_DFL) "
                    f"if {int(number)} != 9 else None; os.kill(os.getpid(), {int(number)})", cwd=folder,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                    if resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY else None)
    assert finish(process) == (-number, "", "")
    cores = [name for name in os.listdir(folder) if "core" in name]
    assert len(cores) <= 1, "pgwake leaves no core of its own"


def test_a_program_that_cannot_be_run_or_found(daemon, folder):
    leases = Leases(daemon, "awake")
    plain = pathlib.Path(folder, "plain")
    plain.write_text("#!/nonexistent/interpreter\n", encoding="ascii")
    for argv, code, word in ((["no-such-program-anywhere"], 127, "No such file"), ([folder + "/none"], 127, "No such file"),
                             ([str(plain)], 126, "Permission denied"), ([folder], 126, "Permission denied"), ([""], 127, "No such file")):
        done = run(daemon.path, "hold", "main", "--", *argv)
        assert (done.returncode, done.stdout) == (code, "") and word in done.stderr, done
        assert done.stderr == f"pgwake: cannot run {argv[0]}: {word}{done.stderr.partition(word)[2]}" and done.stderr.count("\n") == 1
    assert all(lease.closed.wait(DEADLINE) for lease in leases.given)


def test_the_program_gets_its_words_its_folder_and_its_environment_as_they_are(daemon, folder):
    Leases(daemon, "awake")
    notify = NotifySocket()
    words = ["--json", "-h", "", "--", "a b", "--socket"]
    process = start(daemon, "--", sys.executable, "-c", "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), "
                    "os.environ['NOTIFY_SOCKET'], os.environ['MARK']]))", *words, cwd=folder,
                    extra={"NOTIFY_SOCKET": notify.address, "MARK": "x=y"})
    code, out, err = finish(process)
    assert (code, err) == (0, "") and json.loads(out) == [words, folder, notify.address, "x=y"]
    notify.close()
    assert notify.notes == [], "with a program the service manager is the program's"


# No interpreter with signals of its own.
STATE = ["sh", "-c", "grep '^Sig[BIC]' /proc/self/status; ls /proc/self/fd"]


@pytest.mark.parametrize("ignored", [[], [signal.SIGHUP, signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE]], ids=["plain", "nohup"])
@pytest.mark.parametrize("blocked", [[], [signal.SIGUSR1, signal.SIGCHLD, signal.SIGTERM]], ids=["open", "blocked"])
def test_the_program_gets_the_descriptors_mask_and_dispositions_that_pgwake_got(daemon, ignored, blocked):
    def prepare():
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

    Leases(daemon, "awake")
    with open("/dev/null", "rb") as extra:
        options = {"preexec_fn": prepare, "pass_fds": [extra.fileno()], "capture_output": True, "text": True,
                   "env": environment(), "timeout": DEADLINE, "stdin": subprocess.DEVNULL}
        direct = subprocess.run(STATE, check=True, **options)
        held = subprocess.run([PGWAKE, "--socket", daemon.path, "hold", "main", "--", *STATE], check=False, **options)
    assert (held.returncode, held.stderr) == (0, "") and held.stdout == direct.stdout


def test_a_program_that_closes_everything_or_daemonises(daemon):
    leases = Leases(daemon, "awake")
    assert finish(start(daemon, "--", "sh", "-c", "exec <&- >&- 2>&-; exit 7")) == (7, "", "")
    process = start(daemon, "--", "sh", "-c", "setsid sleep 60 <&- >&- 2>&- & echo $!")
    code, out, err = finish(process)
    try:
        assert (code, err) == (0, "")
        assert leases.wait(2).closed.wait(DEADLINE), "what goes on behind its back holds no lease"
        os.kill(int(out), 0)
    finally:
        os.kill(int(out), signal.SIGKILL)


def test_a_program_that_leaves_a_reader_of_its_output_is_over_all_the_same(daemon):
    Leases(daemon, "awake")
    process = start(daemon, "--", "sh", "-c", "sleep 60 & echo $!; exit 3")
    child = int(process.stdout.readline())
    try:
        assert process.wait(DEADLINE) == 3
    finally:
        os.kill(child, signal.SIGKILL)
        finish(process)


def test_other_children_of_the_process_are_not_taken_for_the_program(daemon):
    Leases(daemon, "awake")
    script = f"true & sleep 0.2 & exec '{PGWAKE}' --socket '{daemon.path}' hold main -- sh -c 'sleep 0.5; exit 9'"
    assert subprocess.run(["bash", "-c", script], env=environment(), timeout=DEADLINE, check=False).returncode == 9


def test_kill_9_of_pgwake_ends_the_lease_while_the_program_goes_on(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", "sh", "-c", "echo $$; exec sleep 60")
    child = int(process.stdout.readline())
    try:
        killed = time.monotonic()
        process.kill()
        assert leases.wait().closed.wait(DEADLINE)
        print(f"the lease was gone {(leases.given[0].ended_at - killed) * 1000:.1f} ms after kill -9")
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        finish(process)


# -------------------------------------------------------------------------------------------------------------------------- signals


# Waits for its signals: a handler of Python's runs only after the read that a signal came just before.
CATCHER = """
import signal, sys, threading
numbers = [int(number) for number in sys.argv[1:]]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
def caught():
    while True:
        print(int(signal.sigwait(numbers)), flush=True)
threading.Thread(target=caught, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


def test_signals_are_passed_on(daemon):
    Leases(daemon, "awake")
    numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPWR,
               signal.SIGWINCH, signal.SIGRTMIN, signal.SIGRTMIN + 3, signal.SIGRTMAX]
    process = start(daemon, "--", sys.executable, "-c", CATCHER, *(str(int(number)) for number in numbers))
    assert process.stdout.readline() == "ready\n"
    for number in numbers:
        process.send_signal(number)
        assert process.stdout.readline() == f"{int(number)}\n"
    assert finish(process, "\n") == (0, "", "")


def test_a_signal_that_the_program_does_not_catch_ends_both(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", "sh", "-c", "echo started; exec sleep 60")
    process.stdout.readline()
    process.terminate()
    assert finish(process) == (-signal.SIGTERM, "", "")
    assert leases.wait().closed.wait(DEADLINE)


def test_an_ignored_signal_stays_ignored(daemon):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--", *ECHO, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    lease = leases.wait()
    process.send_signal(signal.SIGHUP)
    assert not lease.closed.wait(0.3)
    lease.state("awake")
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGHUP)
    assert finish(process) == (0, "over\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_before_the_program_ends_pgwake_and_the_lease(daemon, number):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--", *ECHO)
    lease = leases.wait()
    process.send_signal(number)
    assert finish(process) == (-number, "", "")
    assert lease.closed.wait(DEADLINE)


class Shell(rig.terminal.Terminal):
    """A bash with job control, at its prompt. It loses characters that are typed before it has set its terminal up for the next command."""

    def __init__(self, server):
        super().__init__(["bash", "--norc", "--noprofile", "--noediting", "-i"],
                         environment(PS1="$ ", PGWAKE_SOCKET=server.path, HISTFILE="/dev/null", INPUTRC="/dev/null"), DEADLINE, controls=True)
        self.typed = 0
        self.prompt()

    def type(self, text):
        self.typed = len(self.text)
        super().type(text)

    def prompt(self):
        """Waits for the prompt after what was typed last."""
        self.expect(r"(\A|\n)\$ \Z", after=self.typed)

    def leave(self):
        self.prompt()
        self.type("exit\n")
        self.finish()


def test_ctrl_c_of_a_terminal_arrives_once(daemon):
    leases = Leases(daemon, "awake")
    shell = Shell(daemon)
    shell.type(f"{PGWAKE} hold main -- {sys.executable} -c '{CATCHER}' 2 28 3\n")
    shell.expect(r"(\n|\033\[K)ready\r\n")
    for key, number in (("\x03", 2), ("\x1c", 3), ("\x03", 2)):
        mark = len(shell.text)
        shell.type(key)
        wait_until(lambda: shell.read(0.05) and re.search(rf"(?<!\d){number}\r\n", shell.text[mark:]))
    wait_until(lambda: not shell.read(0.3))
    seen = re.findall(r"(?<![\d<])(2|3|28)\r\n", shell.text[shell.text.index("Kready"):])
    assert seen == ["2", "3", "2"]
    assert not leases.wait().closed.is_set(), "a program that goes on keeps its lease"
    shell.type("\n")
    assert leases.wait().closed.wait(DEADLINE)
    shell.prompt()
    shell.type("echo code=$?\n")
    shell.expect(r"code=0\r\n")
    shell.leave()


def test_ctrl_c_ends_a_program_that_does_not_catch_it_and_the_shell_sees_it(daemon):
    leases = Leases(daemon, "awake")
    shell = Shell(daemon)
    shell.type(f"{PGWAKE} hold main -- sh -c 'echo sta''rted; exec sleep 60'; echo code=$?\n")
    shell.expect(r"(\n|\033\[K)started\r\n")
    shell.type("\x03")
    assert leases.wait().closed.wait(DEADLINE)
    shell.prompt()
    shell.type("echo la''st=$?\n")
    shell.expect(r"last=130")
    shell.leave()


def test_ctrl_z_and_fg_work_in_a_shell(daemon):
    leases = Leases(daemon, "awake")
    shell = Shell(daemon)
    shell.type(f"{PGWAKE} hold main -- sh -c 'echo sta''rted $$; read line; echo got=$line'\n")
    program = shell.expect(r"(?:\n|\033\[K)started (\d+)\r\n")[1]
    shell.type("\x1a")
    shell.expect(r"Stopped")
    shell.prompt()
    # The shell waits for pgwake alone: until the program stops too, its read takes what is typed for the shell.
    wait_until(lambda: pathlib.Path(f"/proc/{program}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T")
    shell.type("echo in''between\n")
    shell.expect(r"inbetween\r\n")
    shell.prompt()
    assert not leases.wait().closed.is_set()
    shell.type("fg\n")
    shell.expect(r"fg\r\n.*hold main")
    shell.type("word\n")
    shell.expect(r"got=word")
    assert leases.wait().closed.wait(DEADLINE)
    shell.leave()


def test_a_terminal_shows_progress_and_leaves_the_line_to_the_program(daemon):
    leases = Leases(daemon, "asleep")
    daemon.routes["GET", "/status/main"] = (200, database(state="waking", expected_ready_in_seconds=2.0))
    terminal = Terminal(["--socket", daemon.path, "hold", "main", "--", "echo", "it runs"])
    terminal.expect(r"\rmain: asleep.* 0\.\d s")
    leases.wait().state("waking")
    terminal.expect(r"main: waking.*\[#*\.+\] \d\.\d s of about \d\.\d+ s")
    leases.given[0].state("awake")
    assert terminal.finish() == 0
    assert terminal.text.endswith("\r\033[Kit runs\r\n")


# ------------------------------------------------------------------------------------------------------------------ before the program


REFUSALS = {
    "blocked": (409, {"error": "auth.password", "message": "The password was refused."}, "main: The password was refused. (auth.password)"),
    "paused": (409, {"error": "paused", "message": "Checks are paused."}, "pgwake resume main"),
    "budget": (409, {"error": "budget.spent", "message": "The budget is spent."}, "budget.awake_hours"),
    "unknown": (404, {"error": "not_found", "message": "no such database", "known": ["mian", "app"]}, 'did you mean "mian"?'),
    "read only": (403, {"error": "forbidden", "message": "This socket only reads."}, "control socket"),
    "old": (405, {"error": "method", "message": "No such method."}, "control socket"),
    "full": (503, {"error": "too_many_leases", "message": "10000 leases are held."}, "too_many_leases"),
    "bad": (400, {"error": "bad_request", "message": "owner is too long"}, "owner is too long"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("program", [True, False], ids=["program", "alone"])
def test_a_refusal_ends_it_with_125_and_says_what_to_do(daemon, name, program):
    status, value, word = REFUSALS[name]
    leases = Leases(daemon, (status, value))
    code, out, err = finish(start(daemon, *(["--", *ECHO] if program else [])))
    assert (code, out) == (125, "") and word in err
    assert len(leases.asked) == 1


@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_that_is_not_understood_ends_it_with_125(daemon, name):
    Leases(daemon, raw(MALFORMED[name]))
    process = start(daemon, "--timeout", "1s", "--", *ECHO)
    code, out, err = finish(process)
    assert (code, out) == (125, "") and err.startswith("pgwake: ") and err.count("\n") == 1


GARBAGE = ["event: lease\ndata: hello\n\n", "event: lease\ndata: {}\n\n", 'event: lease\ndata: {"lease": 3}\n\n', "data: []\n\n",
           'event: lease\ndata: {"lease": {"id": -1}, "name": "main", "state": "awake", "ready": true}\n\n',
           'event: end\ndata: {"reason": 5}\n\n', "event: end\ndata: {}\n\n", "x" * (1 << 21)]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_a_stream_that_is_not_understood_ends_it_before_the_program_and_not_after(daemon, text):
    def garbage(handler):
        handler.begin_stream()
        try:
            handler.send_chunk(text)
        except OSError:
            pass
        time.sleep(1)

    leases = Leases(daemon, garbage)
    code, out, err = finish(start(daemon, "--", *ECHO))
    assert (code, out) == (125, "") and "not understood" in err
    leases.answers = ["awake", garbage]
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().send(text)
    assert "the lease is lost" in process.stderr.readline()
    assert finish(process) == (0, "over\n", "")


def test_without_a_daemon_it_ends_at_once_with_125(folder, stall):
    for extra in ([], ["--", "true"], ["--for", "1h"]):
        begin = time.monotonic()
        code, out, err = finish(start(folder + "/none", *extra))
        assert (code, out) == (125, "") and "does pgwaked run?" in err and time.monotonic() - begin < stall.late(1)


def test_a_daemon_that_never_answers_ends_it_after_5_seconds(daemon):
    Leases(daemon, lambda handler: time.sleep(DEADLINE))
    begin = time.monotonic()
    code, out, err = finish(start(daemon, "--", *ECHO))
    took = time.monotonic() - begin
    print(f"gave up after {took:.2f} s")
    assert (code, out) == (125, "") and "within 5" in err and 4.5 < took < DEADLINE


@pytest.mark.parametrize("program", [True, False], ids=["program", "alone"])
def test_the_timeout_gives_the_lease_back(daemon, program):
    leases = Leases(daemon, "asleep")
    begin = time.monotonic()
    process = start(daemon, "--timeout", "2s", *(["--", *ECHO] if program else []))
    leases.wait().state("waking", reason="server.starting", message="It starts.", ready=False)
    code, out, err = finish(process)
    assert (code, out) == (125, "") and time.monotonic() - begin > 2
    assert re.fullmatch(r"pgwake: main is waking after [\d.]+ m?s \(server\.starting\): It starts\.; the lease is given back\n", err), err
    assert leases.given[0].closed.wait(DEADLINE)


def test_a_restart_before_the_program_is_waited_for(daemon):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--", *ECHO)
    leases.wait()
    _, again = restart(daemon, "awake")
    time.sleep(1)
    second, leases = again()
    assert finish(process) == (0, "started\nover\n", "")
    assert len(leases.given) == 1
    second.stop()


@pytest.mark.parametrize("timeout", [None, "1s"])
def test_a_daemon_that_does_not_come_back_before_the_program_ends_it_with_125(daemon, timeout):
    leases = Leases(daemon, "asleep")
    process = start(daemon, *(["--timeout", timeout] if timeout else []), "--", *ECHO)
    leases.wait()
    begin = time.monotonic()
    restart(daemon)
    code, out, err = finish(process)
    assert (code, out, err.count("\n")) == (125, "", 1)
    took = time.monotonic() - begin
    print(f"gave up after {took:.2f} s")
    assert "cannot be reached" in err and (0.5 if timeout else 9) < took < patient(5 if timeout else 14)


def test_what_was_missed_is_asked_for(daemon):
    leases = Leases(daemon, "asleep")
    daemon.routes["GET", "/status/main"] = (200, database())
    process = start(daemon, "--", *ECHO)
    leases.wait().say("gap", {"missed": 3})
    assert finish(process) == (0, "started\nover\n", "")


def test_a_daemon_that_stops_or_has_too_much_to_do_is_asked_again(daemon):
    busy = (503, {"error": "busy", "message": "Too many connections."})
    leases = Leases(daemon, busy, busy, "asleep", "awake")
    process = start(daemon, "--", *ECHO)
    leases.wait().end("stopping")
    assert finish(process) == (0, "started\nover\n", "")
    assert len(leases.asked) == 4


@pytest.mark.parametrize("reason", ["deleted", "removed", "budget.spent"])
def test_an_end_before_the_program_ends_it_with_125(daemon, reason):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--", *ECHO)
    leases.wait().end(reason, "So it was decided.")
    code, out, err = finish(process)
    assert (code, out) == (125, "") and f"main: So it was decided. ({reason})" in err and len(leases.asked) == 1


def test_a_blocked_database_is_told_once_and_waited_for(daemon):
    leases = Leases(daemon, "asleep")
    process = start(daemon, "--timeout", "10s", "--", *ECHO)
    for _ in range(3):
        leases.wait().state("blocked", reason="auth.password", message="Refused.")
    assert process.stderr.readline() == "pgwake: main is blocked (auth.password), a person must act: Refused.\n"
    leases.given[0].state("awake")
    assert finish(process) == (0, "started\nover\n", "")


# ----------------------------------------------------------------------------------------------------------- the lease and its coming back


def test_the_program_notices_nothing_of_a_restart_and_the_lease_is_back(daemon, stall):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--owner", "me", "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    server = daemon
    for pause in (0, 0.5, 2.0):
        leases.wait()
        _, again = restart(server, "awake")
        time.sleep(pause)
        up = time.monotonic()
        server, leases = again()
        took = leases.wait().at - up
        print(f"{pause} s away: the lease was back {took * 1000:.1f} ms after the daemon")
        assert took < stall.late(1.5) and leases.given[0].query == {"owner": "me"} and process.poll() is None
    assert finish(process, "still\n") == (0, "still\nover\n", "")
    server.stop()


def test_a_daemon_that_is_gone_for_long_is_told_once_and_so_is_its_return(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait()
    _, again = restart(daemon, "awake")
    begin = time.monotonic()
    lost = process.stderr.readline()
    assert "main: the lease is lost, the daemon cannot be reached" in lost and 4 < time.monotonic() - begin < patient(10)
    time.sleep(1.5)
    second, leases = again()
    leases.wait()
    assert re.fullmatch(r"pgwake: main: the lease is back after [\d.]+ s\n", process.stderr.readline())
    assert finish(process) == (0, "over\n", "")
    second.stop()


def test_stopping_is_followed_by_a_new_lease_at_once(daemon, stall):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    time.sleep(1.1)
    leases.wait().end("stopping")
    assert leases.wait(2).at - leases.given[0].ended_at < stall.late(0.3)
    assert finish(process) == (0, "over\n", "")


def test_a_daemon_that_ends_every_lease_at_once_is_not_stormed(daemon):
    def brief(handler):
        handler.begin_stream()
        handler.send_chunk(sse("lease", {"lease": {"id": 2}, **database()}) + sse("end", {"id": 2, "reason": "stopping", "message": "x"}))
        handler.send_chunk("")

    leases = Leases(daemon, "awake", brief)
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().hang_up()
    begin = time.monotonic()
    while time.monotonic() < begin + 3 or len(leases.asked) < 4:
        assert time.monotonic() < begin + DEADLINE
        time.sleep(0.01)
    assert len(leases.asked) <= 20 * (time.monotonic() - begin) / 3
    assert finish(process)[0] == 0


@pytest.mark.parametrize("name", [name for name in REFUSALS if name != "old"])
def test_a_refusal_on_coming_back_is_told_once_and_the_program_goes_on(daemon, name):
    status, value, _ = REFUSALS[name]
    leases = Leases(daemon, "awake", (status, value))
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().hang_up()
    line = process.stderr.readline()
    assert f"main: the lease is lost: {value['message']} ({value['error']})" in line and "every 30 s" in line
    time.sleep(1)
    assert len(leases.asked) == 2
    assert finish(process) == (0, "over\n", "")


def test_a_refusal_is_tried_again_after_30_seconds(daemon):
    refused = (409, {"error": "paused", "message": "Checks are paused."})
    leases = Leases(daemon, "awake", refused, "awake")
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().hang_up()
    assert "(paused)" in process.stderr.readline()
    assert re.fullmatch(r"pgwake: main: the lease is back after [345]\d\.\d s\n", process.stderr.readline())
    assert 29 < leases.asked[2] - leases.asked[1] < 2 * 30  # at the first try
    assert finish(process) == (0, "over\n", "")


@pytest.mark.parametrize("reason", ["budget.spent", "removed"])
def test_an_end_for_a_reason_is_told_once_and_the_program_goes_on(daemon, reason):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().end(reason, "So it was decided.")
    assert f"main: the lease is lost: So it was decided. ({reason})" in process.stderr.readline()
    time.sleep(0.5)
    assert len(leases.asked) == 1
    assert finish(process) == (0, "over\n", "")


def test_a_lease_that_somebody_ended_is_not_taken_again(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon, "--", *ECHO)
    assert process.stdout.readline() == "started\n"
    leases.wait().end("deleted")
    assert process.stderr.readline() == "pgwake: main: somebody ended the lease; it is not taken again\n"
    time.sleep(1)
    assert len(leases.asked) == 1
    assert finish(process) == (0, "over\n", "")


# ----------------------------------------------------------------------------------------------------------------- without a program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_alone_it_says_so_in_a_line_and_holds_until_a_signal(daemon, number):
    leases = Leases(daemon, "asleep")
    process = start(daemon)
    lease = leases.wait()
    assert not select.select([process.stdout], [], [], 0.2)[0]
    lease.state("awake")
    assert process.stdout.readline() == "main is awake and held by lease 1, until SIGTERM or Ctrl-C\n"
    assert not lease.closed.wait(0.2)
    process.send_signal(number)
    assert finish(process) == (0, "", "")
    assert lease.closed.wait(DEADLINE)


def test_alone_with_json(daemon):
    Leases(daemon, "awake")
    process = start(daemon, "--json", "--owner", "me")
    assert json.loads(process.stdout.readline()) == {"id": 1, "owner": "me", "since": "2026-11-22T16:02:09.123456Z", "until": None}
    process.stdout.close()  # nobody reads any more: it holds all the same
    assert process.poll() is None
    process.terminate()
    assert process.wait(DEADLINE) == 0
    process.stderr.close()
    process.stdin.close()


def test_alone_it_comes_back_too_and_ends_when_somebody_ends_the_lease(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon)
    process.stdout.readline()
    leases.wait().hang_up()
    leases.wait(2).end("deleted")
    code, out, err = finish(process)
    assert (code, out) == (125, "") and "somebody ended the lease" in err


def test_the_service_manager_is_told(daemon):
    leases = Leases(daemon, "asleep")
    notify = NotifySocket()
    process = start(daemon, extra={"NOTIFY_SOCKET": notify.address})
    notify.wait("STATUS", "Asking for a lease of main")
    lease = leases.wait()
    notify.wait("STATUS", "Waiting for main: asleep (not_checked)")
    assert not notify.of("READY")
    lease.state("awake")
    notify.wait("READY", "1")
    notify.wait("STATUS", "Holding main: awake")
    lease.state("down", reason="tcp.refused")
    notify.wait("STATUS", "Holding main: down (tcp.refused)")
    process.terminate()
    assert finish(process)[0] == 0
    notify.wait("STOPPING", "1")
    notify.close()
    assert len(notify.of("READY")) == 1


def test_a_lease_by_the_clock_is_taken_and_told(daemon):
    lease = {"id": 17, "owner": "me", "since": "2026-11-22T16:02:09.000000Z", "until": "2030-01-01T00:00:00.000000Z"}
    answer = {"lease": lease, **verdict(state="asleep")["databases"][0]}
    daemon.routes["POST", "/lease/main"] = (201, answer)
    done = run(daemon.path, "hold", "main", "--for", "10min", "--owner", "me")
    assert (done.returncode, done.stdout, done.stderr) == (0, "lease 17 of main until 2030-01-01 00:00:00\n", "")
    assert dict(urllib.parse.parse_qsl(daemon.requests[0][1].partition("?")[2])) == {"owner": "me", "for": "10min"}
    assert json.loads(run(daemon.path, "hold", "main", "--for", "1h", "--json").stdout) == answer
    daemon.routes["POST", "/lease/main"] = (201, {"lease": {"id": "x"}})
    assert run(daemon.path, "hold", "main", "--for", "1h").returncode == 125
    for name, (status, value, word) in REFUSALS.items():
        daemon.routes["POST", "/lease/main"] = (status, value)
        done = run(daemon.path, "hold", "main", "--for", "1h")
        assert (done.returncode, done.stdout) == (125, "") and (word in done.stderr or name == "paused")


def test_the_owner_is_by_default_the_service_or_the_user_and_process(daemon):
    leases = Leases(daemon, "awake")
    process = start(daemon)
    owner = leases.wait().query["owner"]
    process.stdout.readline()
    assert re.fullmatch(rf"user [^ ,]+, process {process.pid}", owner) or owner.endswith(".service")
    process.terminate()
    finish(process)


def test_release(daemon):
    daemon.routes["DELETE", "/lease/17"] = (200, {"id": 17, "ended": True})
    done = run(daemon.path, "release", "17")
    assert (done.returncode, done.stdout, done.stderr) == (0, "lease 17 is ended\n", "")
    assert json.loads(run(daemon.path, "release", "17", "--json").stdout) == {"id": 17, "ended": True}
    daemon.routes["DELETE", "/lease/18"] = (404, {"error": "no_such_lease", "message": "No lease has the number 18."})
    done = run(daemon.path, "release", "18")
    assert (done.returncode, done.stdout) == (1, "") and "no lease has the number 18; pgwake status NAME lists" in done.stderr
