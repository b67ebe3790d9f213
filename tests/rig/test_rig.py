"""The small parts of the rig, and the harness around pgwaked, proven with a stand-in for it."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest

from rig import children, configuration, folder, logs, wire
from rig.daemon import SanitizerError
from rig.notify import NotifySocket
from rig.patience import Late, until
from rig.ports import Port

STAND_IN = """#!{python}
import json, os, signal, socket, sys, threading, time
folder = os.path.dirname(sys.argv[sys.argv.index("-c") + 1])
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text): notify.sendto(text.encode(), "\\0" + os.environ["NOTIFY_SOCKET"][1:])
state = {{"name": "main", "state": "unknown", "reason": "not_checked"}}
def become(new):
    print(f'level=info msg="main is {{new}}" PGWAKE_DATABASE=main PGWAKE_STATE={{new}}', file=sys.stderr, flush=True)
    state["state"] = new
    for each in streams:
        try: each.sendall(f"id: 7\\nevent: state\\ndata: {{json.dumps(state)}}\\n\\n".encode())
        except OSError: pass
streams = []
def serve(connection):
    head = connection.recv(65536).decode()
    method, target = head.split()[:2]
    if target.startswith("/events"):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n: hello\\n\\n")
        streams.append(connection)
        return
    if target == "/become": threading.Timer(0.1, become, ["awake"]).start()
    if target == "/ill": print("==1==ERROR: AddressSanitizer: heap-use-after-free", file=sys.stderr, flush=True)
    body = json.dumps(dict(state, method=method)).encode()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nX-A: b\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    connection.close()
def listen(name):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(folder + "/" + name)
    listener.listen()
    while True: serve(listener.accept()[0])
signal.signal(signal.SIGTERM, lambda *_: (say("STOPPING=1"), os._exit(0)))
for name in ("status.sock", "control.sock"): threading.Thread(target=listen, args=[name], daemon=True).start()
say("READY=1\\nSTATUS=here")
while True: time.sleep(60)
"""


@pytest.fixture(name="daemon")
def stand_in(make_daemon, tmp, monkeypatch):
    program = tmp / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PGWAKED", str(program))
    monkeypatch.delenv("PGWAKE_TEST_WRAPPER", raising=False)
    return make_daemon([{"name": "main", "conninfo": "host=/tmp"}], env={"WATCHDOG_USEC": "1"})


def test_the_daemon_is_started_asked_awaited_and_stopped(daemon):
    daemon.start()
    status, headers, document = daemon.get("/livez", socket="status", method="POST")
    assert (status, headers["x-a"], document["method"]) == (200, "b", "POST")
    assert daemon.notify.wait("READY", "1").fields["STATUS"] == "here"
    daemon.get("/become")
    seen = daemon.wait_state("main", "awake")
    assert seen["seen_monotonic_usec"] > daemon.started_monotonic_usec
    entry, = daemon.wait_log(database="main", state="awake")
    assert entry["msg"] == "main is awake"
    with pytest.raises(Late):
        daemon.wait_state("main", "down", timeout=0.1)
    code, seconds = daemon.stop()
    assert code == 0 and seconds < 5
    daemon.notify.wait("STOPPING", "1")


def test_events_carry_the_time_they_arrived(daemon):
    daemon.start()
    stream = daemon.stream("main")
    daemon.get("/become")
    event = stream.wait(lambda each: each.data["state"] == "awake")
    assert event.id == "7" and event.event == "state" and event.monotonic_usec > daemon.started_monotonic_usec
    stream.close()
    found = []
    reader = threading.Thread(target=lambda: found.append(next(daemon.events())), daemon=True)
    reader.start()
    until(lambda: daemon.get("/become") and found, 10, "the iterator's first event", every=0.2)
    reader.join(5)
    assert found[0].data["state"] == "awake"


def test_a_sanitizers_complaint_fails_the_stop(daemon):
    daemon.start()
    daemon.get("/ill")
    with pytest.raises(SanitizerError, match="heap-use-after-free"):
        daemon.stop()
    daemon.stderr_path.write_text("")


RACE = """
#include <pthread.h>
static int both;
static void *add(void *unused) { both++; return unused; }
int main(void) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, add, NULL) != 0)
                return 1;
        both++;
        return pthread_join(thread, NULL);
}
"""


@pytest.mark.race
def test_a_race_fails_the_test_that_ran_it(make_daemon, tmp, monkeypatch):
    source, program = tmp / "race.c", tmp / "race"
    source.write_text(RACE)
    subprocess.run(["gcc", "-g", "-fsanitize=thread", "-o", program, source], check=True)
    assert subprocess.run([program], capture_output=True, check=False).returncode == 66  # what fails a unit test
    monkeypatch.setenv("PGWAKED", str(program))
    with pytest.raises(SanitizerError, match="data race"):
        make_daemon().run("--check-config")


def test_a_daemon_that_ends_at_once_is_reported_with_its_words(make_daemon, tmp, monkeypatch):
    program = tmp / "failing"
    program.write_text("#!/bin/sh\necho 'file:1: bad' >&2\nexit 78\n")
    program.chmod(0o755)
    monkeypatch.setenv("PGWAKED", str(program))
    with pytest.raises(AssertionError, match="(?s)ended with 78.*file:1: bad"):
        make_daemon().start()
    done = make_daemon(name="again").run("--check-config")
    assert done.returncode == 78 and "file:1" in done.stderr


def test_the_configuration_is_private_and_libconfigs(daemon):
    assert stat.S_IMODE(daemon.config_path.stat().st_mode) == 0o600
    text = daemon.config_path.read_text()
    assert f'socket = "{daemon.status_socket}";' in text and 'conninfo = "host=/tmp";' in text
    daemon.configure(text="databases: (); # @FOLDER@")
    assert str(daemon.folder) in daemon.config_path.read_text()
    assert configuration.render({"a": 'b"\\', "c": True, "d": [1, 2], "e": []}) == (
        'a = "b\\"\\\\";\nc = true;\nd = [\n  1,\n  2\n];\ne = ();\n')
    assert configuration.merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}


def test_log_lines_of_both_formats_become_entries():
    logfmt, quoted, as_json = logs.parse(
        'time=1 PGWAKE_STATE=awake msg="it \\"is\\" up"\nnonsense\n"x"=1 y=2\n{"PGWAKE_STATE": "down", "n": 3}\n')[0:3]
    assert logfmt["state"] == "awake" and logfmt["msg"] == 'it "is" up'
    assert quoted["y"] == "2"
    assert as_json.matches({"state": "down", "n": 3}) and not as_json.matches({"state": "awake"})


def test_the_scanner_finds_messages_however_they_are_cut():
    messages = [(b"Q", b"SELECT 1\0"), (b"S", b""), (b"d", b"x" * 5000), (b"Z", b"I"), (b"X", b"")]
    whole = b"".join(wire.message(*each) for each in messages)
    expected = [(kind, payload[:wire.Scanner.KEPT]) for kind, payload in messages]
    for size in (1, 2, 3, 5, 7, 64, 4096, len(whole)):
        scanner = wire.Scanner()
        found = [each for at in range(0, len(whole), size) for each in scanner.feed(whole[at:at + size])]
        assert found == expected, size
    assert wire.split(whole + b"Q") == (messages, b"Q")


def test_what_is_built_is_what_is_parsed():
    opening = wire.parse_opening(wire.startup(user="app", options="-c a=b"))
    assert opening.code == wire.PROTOCOL_3 and opening.parameters == {"user": "app", "options": "-c a=b"}
    assert wire.parse_opening(wire.cancel_request(1, 2)).code == wire.CANCEL_REQUEST
    (_, payload), = wire.split(wire.error_response("FATAL", "57P03", "no", D="detail"))[0]
    assert wire.parse_report(payload) == {"S": "FATAL", "V": "FATAL", "C": "57P03", "M": "no", "D": "detail"}
    (_, payload), = wire.split(wire.sasl_initial_response(wire.SCRAM, b"n,,"))[0]
    assert wire.parse_sasl_initial_response(payload) == (wire.SCRAM, b"n,,")


def test_a_reserved_port_refuses_and_can_still_be_listened_on():
    with Port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((port.host, port.number), 2)
        with socket.create_server((port.host, port.number)):
            socket.create_connection((port.host, port.number), 2).close()


def test_a_child_is_ended_when_its_starter_is_gone_but_not_by_the_end_of_a_thread():
    started = []
    thread = threading.Thread(target=lambda: started.append(children.start(["sleep", "60"])))
    thread.start()
    thread.join()
    child = started[0]
    assert child.poll() is None
    middle = children.start([sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1])\n"
                             "from rig import children\nprint(children.start(['sleep', '60']).pid, flush=True)\n"
                             "import time; time.sleep(60)", str(os.path.dirname(os.path.dirname(__file__)))],
                            stdout=-1, text=True)
    grandchild = int(middle.stdout.readline())
    with children.Watch([grandchild]) as watch:
        middle.kill()
        middle.wait()
        assert watch.wait(5)
    middle.stdout.close()
    child.kill()
    assert child.wait() == -signal.SIGKILL


def test_notify_hears_and_gives_up_in_time():
    heard = NotifySocket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"STATUS=a=b\nREADY=1", "\0" + heard.address[1:])
        assert heard.wait("STATUS", "a=b").fields == {"STATUS": "a=b", "READY": "1"}
        with pytest.raises(Late):
            heard.wait("READY", timeout=0.05, after=1)
        assert len(heard.of("READY")) == 1
    heard.close()


# ------------------------------------------------------------------------------------------------------------------------- folders


def test_what_a_killed_process_left_behind_is_removed_and_what_a_container_left_is_not(tmp):
    own = folder._processes()
    with subprocess.Popen(["true"]) as over:
        pass
    left, others, alive = tmp / f"x-{over.pid}.{own}-a", tmp / f"x-{over.pid}.0{own}-b", tmp / f"x-{os.getpid()}.{own}-c"
    for each in (left, others, alive):
        each.mkdir()
    folder._sweep(tmp, "x-")
    assert not left.exists() and others.exists() and alive.exists()
