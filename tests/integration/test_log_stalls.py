"""What reads the log, or the service manager, stands still: nobody waits for it, and what is lost is said in its place."""

import os
import re
import signal
import socket
import threading

import pytest

from rig import logs
from rig.edges import quick
from rig.patience import patient, until
from test_journal import PRIVATE_RUN, needs_root, parse_native

DROPPED = "0f41de6d405242ff9df0d3ccfcef3eea"
FILES, PER_FILE, LONG = 100, 5, 900
ROUNDS = 20
NUMBER = re.compile(r"key_of_(\d+)_(\d+)_")


def break_configuration(daemon):
    """A reload of it is refused with FILES x PER_FILE complaints, each an entry of more than a kilobyte."""
    folder = daemon.folder / "conf.d"
    folder.mkdir()
    for i in range(FILES):
        lines = "".join(f"key_of_{i:03}_{j}_{'x' * LONG} = 1;\n" for j in range(PER_FILE))
        path = folder / f"{i:03}-{'n' * 180}.conf"
        path.touch(mode=0o600)
        path.write_text(lines)


def refuse_reloads(daemon):
    """So many that no queue holds what is said; answers how many entries those are. /livez answers throughout."""
    for _ in range(ROUNDS):
        answer = daemon.reload()
        assert answer.status == 422 and len(answer.json["complaints"]) == FILES * PER_FILE
        assert daemon.get("/livez", timeout=2).status == 200
    return ROUNDS * (FILES * PER_FILE + 1)


def expect_whole_ordered_and_counted(messages, dropped_at, dropped, total):
    """The first ones in their order, then one entry with the number of those that are not there."""
    found = [NUMBER.search(message).groups() for message in messages[:dropped_at] if "key_of" in message]
    expected = [(f"{i:03}", str(j)) for i in range(FILES) for j in range(PER_FILE)]
    assert found and found == (expected * ROUNDS)[:len(found)]
    refused = sum("is not used" in message for message in messages[:dropped_at])
    assert len(found) + refused + dropped == total


def number_in(message):
    return int(re.match(r"(\d+) log entries were dropped", message).group(1))


class Pipe:
    """A FIFO in place of stderr, which nobody reads until drain()."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a writer can open it now
        self._bytes = b""
        self._thread = None

    @property
    def prefix(self):
        return ["sh", "-c", 'exec "$@" 2>"$0"', str(self.path)]

    def drain(self):
        os.set_blocking(self._end, True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while part := os.read(self._end, 1 << 16):
            self._bytes += part

    def entries(self):
        return logs.parse(self._bytes.decode())

    def close(self):
        if self._thread:
            self._thread.join(patient(10))
        os.close(self._end)


@pytest.fixture(name="pipe")
def pipe_in_place_of_stderr(tmp):
    pipe = Pipe(tmp / "stderr.fifo")
    yield pipe
    pipe.close()


def test_a_reader_of_stderr_that_stalls_stops_nothing_and_hears_what_it_missed(make_daemon, pipe):
    daemon = make_daemon(prefix=pipe.prefix).start()
    break_configuration(daemon)
    total = refuse_reloads(daemon)
    pipe.drain()
    until(lambda: [each for each in pipe.entries() if each.get("message_id") == DROPPED], 20, "what was lost is said")
    assert daemon.stop()[0] == 0
    pipe.close = lambda: None
    pipe._thread.join(patient(10))
    entries = pipe.entries()
    said, = [index for index, each in enumerate(entries) if each.get("message_id") == DROPPED]
    expect_whole_ordered_and_counted([each["message"] for each in entries], said, number_in(entries[said]["message"]), total)
    assert entries[-1]["message"] == "pgwaked ends", "and it goes on"


def test_a_stalled_reader_of_stderr_does_not_delay_the_end(make_daemon, pipe):
    daemon = make_daemon(prefix=pipe.prefix).start()
    break_configuration(daemon)
    refuse_reloads(daemon)
    code, seconds = daemon.stop(signal.SIGTERM)
    assert code == 0 and seconds < patient(2)


class StalledSocket:
    """A datagram socket that nobody reads until drain(): the journal's, or the service manager's."""

    def __init__(self, path):
        self.path = path
        self.datagrams = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._thread = None

    def drain(self):
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def fill(self):
        """From now on a send to it waits."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
            with pytest.raises(BlockingIOError):
                while True:
                    other.sendto(b"X_OF_THE_TEST=1", str(self.path))

    def _read(self):
        while datagram := self._socket.recv(1 << 20):
            self.datagrams.append(datagram)

    def close(self):
        if self._thread:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"", str(self.path))
            self._thread.join(patient(10))
        self._socket.close()


@pytest.fixture(name="stalled")
def stalled_socket(tmp):
    made = StalledSocket(tmp / "stalled.sock")
    yield made
    made.close()


@needs_root
def test_a_journal_that_stalls_stops_nothing_and_hears_what_it_missed(make_daemon, stalled):
    daemon = make_daemon(log_format="journal", prefix=[*PRIVATE_RUN, str(stalled.path)]).start()
    break_configuration(daemon)
    total = refuse_reloads(daemon)
    stalled.drain()

    def entries():
        return [parse_native(each) for each in list(stalled.datagrams)]

    until(lambda: any(DROPPED.encode() in each for each in list(stalled.datagrams)), 20, "what was lost is said")
    found = entries()
    said, = [index for index, each in enumerate(found) if each.get("MESSAGE_ID") == DROPPED]
    expect_whole_ordered_and_counted([each["MESSAGE"] for each in found], said, number_in(found[said]["MESSAGE"]), total)
    assert daemon.stop()[0] == 0
    assert daemon.output() == ""


@needs_root
def test_a_stalled_journal_does_not_delay_the_end(make_daemon, stalled):
    daemon = make_daemon(log_format="journal", prefix=[*PRIVATE_RUN, str(stalled.path)]).start()
    break_configuration(daemon)
    refuse_reloads(daemon)
    code, seconds = daemon.stop(signal.SIGTERM)
    assert code == 0 and seconds < patient(2)


def test_a_service_manager_that_stalls_stops_nothing_and_hears_the_ends_of_all_reloads(make_daemon, stalled):
    daemon = make_daemon(env={"NOTIFY_SOCKET": str(stalled.path)}).start()
    reloads = 100  # its socket holds a few datagrams (net.unix.max_dgram_qlen)
    for _ in range(reloads):
        assert daemon.reload().status == 200
        assert daemon.get("/livez", timeout=2).status == 200
    stalled.drain()
    until(lambda: sum(each.startswith(b"RELOADING=1") for each in list(stalled.datagrams)) == reloads, 20, "all reloads")
    code, seconds = daemon.stop(signal.SIGTERM)
    assert code == 0 and seconds < patient(2)
    until(lambda: stalled.datagrams[-1].startswith(b"STOPPING=1"), 10, "the end")
    told = [each.split(b"\n")[0] for each in stalled.datagrams]
    told = [each for each in told if each in (b"READY=1", b"RELOADING=1", b"STOPPING=1")]
    assert told == [b"READY=1", *[b"RELOADING=1", b"READY=1"] * reloads, b"STOPPING=1"]


def test_a_stalled_service_manager_does_not_delay_the_end(make_daemon, stalled):
    stalled.fill()
    daemon = make_daemon(env={"NOTIFY_SOCKET": str(stalled.path), "WATCHDOG_USEC": "20000"}).start()
    code, seconds = daemon.stop(signal.SIGTERM)
    assert code == 0 and seconds < patient(2)


# A log that cannot be had


def test_without_standard_input_output_and_error_no_file_of_ours_takes_their_place(make_daemon):
    daemon = make_daemon([quick("main", "host=127.0.0.1 port=1 user=app dbname=app")])
    daemon.prefix = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"]
    daemon.start()
    assert [os.readlink(f"/proc/{daemon.pid}/fd/{number}") for number in range(3)] == 3 * ["/dev/null"]
    daemon.wait_state("main", "down")
    assert daemon.stop()[0] == 0


def test_a_log_that_may_grow_no_further_ends_nothing(make_daemon):
    daemon = make_daemon([quick("main", "host=127.0.0.1 port=1 user=app dbname=app")], settings={"history": {"path": ""}})
    daemon.prefix = ["env", "--default-signal=XFSZ", "prlimit", "--fsize=4096"]
    daemon.start()
    daemon.wait_state("main", "down")
    until(lambda: daemon.get("/pause/main?for=0s", method="POST").status == 200 and daemon.get("/pause/main?for=1h", method="POST").status == 200
          and daemon.stderr_path.stat().st_size == 4096, 20, "the log is as long as it may be")
    for _ in range(10):
        assert daemon.get("/pause/main?for=1h", method="POST").status == 200 and daemon.get("/pause/main?for=0s", method="POST").status == 200
    assert daemon.stop()[0] == 0
