"""A machine of its own: it boots, runs what it is told, sees nothing of ours change, and leaves nothing."""

from pathlib import Path

import pytest

from rig import children
from rig.machine import Machine, needs_machine
from rig.patience import until

# Any build will do: nothing of it is installed.
pytestmark = needs_machine()[-1]


@pytest.fixture
def machine(tmp):
    made = Machine(tmp)
    yield made
    made.close()


def test_it_boots_a_systemd_with_a_journal_and_a_network_of_its_own(machine):
    machine.boot()
    assert machine.run("cat", "/proc/1/comm").stdout == "systemd\n"
    assert machine.run("systemctl", "is-system-running").stdout == "running\n"
    mark = machine.now()
    machine.unit("test-hello.service", "[Service]\nType=oneshot\nDynamicUser=yes\nExecStart=/usr/bin/echo hello\n")
    machine.systemctl("start", "test-hello")
    assert [entry["MESSAGE"] for entry in machine.journal("_SYSTEMD_UNIT=test-hello.service", since=mark)] == ["hello"]
    assert machine.run("ls", "/sys/class/net").stdout == "lo\n"


def test_what_it_writes_is_its_own(machine):
    machine.write("/etc/only-there", "x\n")
    machine.boot()
    machine.run("sh", "-c", "echo y > /usr/only-there")
    assert machine.path("/etc/only-there").exists() and machine.path("/usr/only-there").exists()
    assert not Path("/etc/only-there").exists() and not Path("/usr/only-there").exists()


def test_it_leaves_no_process_no_mount_and_no_folder(machine):
    machine.boot()
    family = children.family(machine.leader)
    assert len(family) > 2
    machine.close()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), 10, "all of its processes are gone")
    assert not machine.folder.exists() and str(machine.folder) not in Path("/proc/self/mountinfo").read_text()


def test_two_of_them_run_beside_each_other(machine, tmp):
    machine.boot()
    other = Machine(tmp)
    try:
        other.boot()
        assert other.run("cat", "/etc/machine-id").stdout != machine.run("cat", "/etc/machine-id").stdout
    finally:
        other.close()
    assert machine.run("systemctl", "is-system-running").stdout == "running\n"
