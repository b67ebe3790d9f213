"""The awake files: one for each database, that exists exactly while it is awake."""

import ctypes
import os
import re
import shutil
import stat
import struct
import threading

import pytest

from rig.network import needs_namespaces
from rig.patience import until

FAST = {"ping_interval": "100ms", "login_interval": "30s", "retry_interval": "50ms", "down_interval": "100ms", "attempt_timeout": "10s",
        "fresh_for": "20s"}
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]
LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\n")

_libc = ctypes.CDLL(None, use_errno=True)
IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_CLOSE_WRITE = 0x2, 0x40, 0x80, 0x100, 0x200, 0x8
NAMES = {IN_MODIFY: "modify", IN_MOVED_FROM: "moved-from", IN_MOVED_TO: "moved-to", IN_CREATE: "create", IN_DELETE: "delete",
         IN_CLOSE_WRITE: "close-write"}


class Inotify:
    """What happens in a folder, as (name of the file, what)."""

    def __init__(self, folder):
        self.descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.descriptor >= 0
        assert _libc.inotify_add_watch(self.descriptor, os.fsencode(folder), sum(NAMES)) >= 0
        self.seen = []

    def read(self):
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return self.seen
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            name = data[16:16 + length].rstrip(b"\0").decode()
            self.seen.append((name, next(word for bit, word in NAMES.items() if mask & bit)))
            data = data[16 + length:]
        return self.seen

    def close(self):
        os.close(self.descriptor)


def entry(name, fake, **more):
    return {"name": name, "conninfo": fake.conninfo(), **FAST, **more}


def files(daemon):
    return sorted(each.name for each in daemon.awake_dir.iterdir())


def test_the_file_is_there_while_the_database_is_awake_and_at_no_other_time(make_daemon, make_fake):
    fake, other = make_fake(answer=ROW), make_fake()
    other.refuse()
    daemon = make_daemon([entry("main", fake), entry("other", other)]).start()
    daemon.wait_state("main", "awake")
    path = daemon.awake_dir / "main"
    until(path.exists, 5, "the file")
    assert files(daemon) == ["main"]
    facts = path.stat()
    assert stat.S_IMODE(facts.st_mode) == 0o644 and stat.S_IMODE(daemon.awake_dir.stat().st_mode) == 0o755
    assert path.read_text().strip() == daemon.status("main")["since"]
    for state, sqlstate in (("down", None), ("full", "53300"), ("blocked", "28P01")):
        if sqlstate is None:
            fake.refuse()
        else:
            fake.script, fake.error = "error-after-startup", ("FATAL", sqlstate, "no")
        fake.cut()
        daemon.wait_state("main", state)
        until(lambda: not path.exists(), 5, f"no file while it is {state}")
        fake.script = "ok"
        daemon.get("/pause/main?for=10ms", method="POST")  # blocked is asked again after a pause only
        daemon.wait_state("main", "awake")
        until(path.exists, 5, "the file is back")
    daemon.get("/pause/main?for=1h", method="POST")
    until(lambda: not path.exists(), 5, "no file while nobody looks")
    daemon.get("/pause/main?for=0s", method="POST")
    until(path.exists, 5, "the file is back")
    daemon.configure([entry("other", other)])
    assert daemon.reload().json["removed"] == 1
    assert not path.exists()


def test_the_file_appears_and_goes_in_one_step(make_daemon, make_fake):
    """Who looks at any moment sees all of it or nothing: it is moved to its name, and never written to under it."""
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)], settings={"ready": {"on": "start"}})
    daemon.awake_dir.mkdir()
    watch = Inotify(daemon.awake_dir)
    path, stop, reads, wrong = daemon.awake_dir / "main", threading.Event(), [0], []

    def look():
        while not stop.is_set():
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            reads[0] += 1
            if not LINE.fullmatch(data):
                wrong.append(data)

    reader = threading.Thread(target=look)
    reader.start()
    daemon.start()
    try:
        for _ in range(20):
            daemon.wait_state("main", "awake")
            until(path.exists, 5, "the file")
            fake.cut()
            until(lambda: ("main", "delete") in watch.read()[-8:], 5, "its end")
        daemon.wait_state("main", "awake")
        seen = watch.read()
    finally:
        stop.set()
        reader.join()
        watch.close()
    assert wrong == [] and reads[0] > 0
    own = [what for name, what in seen if name == "main"]
    assert set(own) == {"moved-to", "delete"}
    assert all(one != two for one, two in zip(own, own[1:])), own
    assert all(name == "main" or name.startswith(".") for name, _ in seen), "no glob of the folder sees a half-made file"
    print(f"{len(own)} edges, {reads[0]} reads, each whole")


def test_what_an_earlier_daemon_left_is_removed_at_start_before_anybody_is_told_anything(make_daemon, make_fake):
    fake = make_fake("silence-at-accept")
    daemon = make_daemon([entry("main", fake)])
    daemon.awake_dir.mkdir()
    for name in ("main", "gone", ".new-main"):
        (daemon.awake_dir / name).write_text("old\n")
    (daemon.awake_dir / "README.txt").write_text("somebody's own")
    (daemon.awake_dir / "folder").mkdir()
    daemon.start()
    assert files(daemon) == ["README.txt", "folder"]
    assert (daemon.awake_dir / "README.txt").read_text() == "somebody's own"


def test_a_killed_daemon_leaves_its_files_and_the_next_one_removes_them(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)]).start()
    daemon.wait_state("main", "awake")
    until((daemon.awake_dir / "main").exists, 5, "the file")
    fake.script = "silence-at-accept"
    daemon.kill9()
    assert files(daemon) == ["main"]
    daemon.start()
    assert files(daemon) == []


def test_the_end_of_the_daemon_removes_them(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake), entry("app", fake)]).start()
    daemon.wait_state("main", "awake")
    daemon.wait_state("app", "awake")
    until(lambda: files(daemon) == ["app", "main"], 5, "the files")
    assert daemon.stop()[0] == 0
    assert files(daemon) == []


def test_a_folder_that_cannot_be_made_is_said_once_and_stops_nothing(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)])
    daemon.awake_dir.write_text("in the way")
    daemon.start()
    for _ in range(3):
        daemon.wait_state("main", "awake")
        mark = daemon.status("main")["generation"]
        fake.cut()
        until(lambda: daemon.status("main")["generation"] > mark, 5, "the cut is seen")
    daemon.wait_state("main", "awake")
    said, = daemon.log_entries(level="err")
    assert str(daemon.awake_dir) in said["message"] and "Not a directory" in said["message"]
    assert daemon.awake_dir.read_text() == "in the way"


def test_what_could_not_be_written_once_is_written_when_it_can_be(make_daemon, make_fake):
    """No edge comes to help: the database is awake all the time."""
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)])
    daemon.awake_dir.mkdir()
    (daemon.awake_dir / "main").mkdir()
    daemon.start()
    daemon.wait_state("main", "awake")
    said, = daemon.wait_log(level="err")
    assert "Is a directory" in said["message"]
    (daemon.awake_dir / "main").rmdir()
    until((daemon.awake_dir / "main").is_file, 10, "the file")
    assert (daemon.awake_dir / "main").read_text().strip() == daemon.status("main")["since"]
    daemon.wait_log(message=f"the awake files in {daemon.awake_dir} are kept again")
    assert len(daemon.log_entries(level="err")) == 1 and files(daemon) == ["main"]


def test_a_folder_that_could_not_be_made_is_made_when_it_can_be(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)])
    daemon.awake_dir.write_text("in the way")
    daemon.start()
    daemon.wait_state("main", "awake")
    daemon.awake_dir.unlink()
    until((daemon.awake_dir / "main").exists, 40, "the file")
    daemon.wait_log(message=f"the awake files in {daemon.awake_dir} are kept again")


@pytest.mark.parametrize("what", ["removed", "made anew", "moved away"])
def test_a_folder_that_others_take_away_comes_back_with_its_files(make_daemon, make_fake, what):
    fake, other = make_fake(answer=ROW), make_fake()
    other.refuse()
    daemon = make_daemon([entry("main", fake), entry("app", fake), entry("down", other)]).start()
    daemon.wait_state("main", "awake")
    daemon.wait_state("app", "awake")
    until(lambda: files(daemon) == ["app", "main"], 5, "the files")
    if what == "moved away":
        daemon.awake_dir.rename(daemon.awake_dir.with_name("elsewhere"))
    else:
        shutil.rmtree(daemon.awake_dir)
    if what == "made anew":
        daemon.awake_dir.mkdir(exist_ok=True)  # the daemon may have been the first
    until(lambda: daemon.awake_dir.exists() and files(daemon) == ["app", "main"], 10, "the files are there again")
    # And it is the new one that is kept.
    fake.refuse()
    fake.cut()
    until(lambda: files(daemon) == [], 10, "they go")
    assert not [each for each in daemon.log_entries(level="err") if "awake files" in each["message"]]


def test_files_that_others_put_there_or_take_away_are_corrected(make_daemon, make_fake):
    fake, other = make_fake(answer=ROW), make_fake()
    other.refuse()
    daemon = make_daemon([entry("main", fake), entry("down", other)]).start()
    daemon.wait_state("main", "awake")
    until(lambda: files(daemon) == ["main"], 5, "the file")
    (daemon.awake_dir / "main").unlink()
    for name in ("down", "nobody", ".new-main"):
        (daemon.awake_dir / name).write_text("false\n")
    until(lambda: files(daemon) == ["main"], 10, "it is corrected")


def replace_by_another_file(path, tmp):
    other = tmp / "other"
    other.write_text("other\n")
    other.replace(path)


def replace_by_a_link_that_leads_nowhere(path, tmp):
    other = tmp / "link"
    other.symlink_to("/nonexistent")
    other.replace(path)


def write_into(path, tmp):
    path.write_text("other\n")


def remove_again_and_again(path, tmp):
    """In the moment in which it comes: a folder's time does not tell the two changes apart."""
    for _ in range(20):
        until(path.exists, 10, "the file is back", every=0.0)
        path.unlink()


@pytest.mark.parametrize("harm", [replace_by_another_file, replace_by_a_link_that_leads_nowhere, write_into, remove_again_and_again])
def test_a_file_that_others_changed_is_as_it_was(harm, make_daemon, make_fake, tmp):
    daemon = make_daemon([entry("main", make_fake(answer=ROW))]).start()
    since = daemon.wait_state("main", "awake")["since"] + "\n"
    path = daemon.awake_dir / "main"
    until(path.exists, 5, "the file")
    harm(path, tmp)
    until(lambda: path.exists() and path.read_text() == since, 10, "as it was")


def test_a_folder_that_moves_with_the_one_above_it_is_made_anew(make_daemon, make_fake, tmp):
    above = tmp / "run"
    daemon = make_daemon([entry("main", make_fake(answer=ROW))], settings={"status": {"awake_dir": above / "awake"}}).start()
    daemon.wait_state("main", "awake")
    until((above / "awake/main").exists, 5, "the file")
    above.rename(tmp / "moved")
    until((above / "awake/main").exists, 10, "the file is back")


def test_what_cannot_be_removed_keeps_no_other_file_away_and_is_told_for_as_long_as_it_stands(make_daemon, make_fake):
    fake, other = make_fake(answer=ROW), make_fake()
    other.refuse()
    daemon = make_daemon([entry("main", fake), entry("other", other)]).start()
    daemon.wait_state("main", "awake")
    path, wrong = daemon.awake_dir / "main", daemon.awake_dir / "other"
    until(path.exists, 5, "the file")
    wrong.mkdir()  # it says of a database that is down that it is awake
    said, = daemon.wait_log(level="err")
    assert "cannot keep the awake files" in said["message"] and "Is a directory" in said["message"]
    path.unlink()
    until(path.exists, 40, "the file is back")
    assert not [each for each in daemon.log_entries() if "are kept again" in each["message"]]
    wrong.rmdir()
    until(lambda: [each for each in daemon.log_entries() if "are kept again" in each["message"]], 40, "that is told too")


@needs_namespaces
def test_where_nothing_can_be_watched_what_others_took_is_back_with_the_next_change_of_ours(make_daemon, make_fake):
    """Of more files than are looked at in one turn of the loop."""
    fake, other = make_fake(answer=ROW), make_fake(answer=ROW)
    names = [f"d{i:03}" for i in range(300)]
    daemon = make_daemon([entry(name, fake, ping_interval="30s", fresh_for="10min") for name in names] + [entry("other", other)])
    daemon.prefix = ["unshare", "--user", "--map-root-user", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
    daemon.start(timeout=30)
    until(lambda: files(daemon) == [*names, "other"], 30, "the files")
    (daemon.awake_dir / names[250]).unlink()
    other.refuse()
    other.cut()
    until(lambda: files(daemon) == names, 10, "all that should stand, and no other")


def test_without_a_folder_there_are_no_files(make_daemon, make_fake):
    fake = make_fake(answer=ROW)
    daemon = make_daemon([entry("main", fake)], settings={"status": {"awake_dir": ""}}).start()
    daemon.wait_state("main", "awake")
    assert not daemon.awake_dir.exists() and daemon.log_entries(level="err") == []
