"""Networks and name servers of a test's own are what they say."""

import subprocess

from rig import children
from rig.network import NameServer, Network, laid_over, needs_namespaces

pytestmark = needs_namespaces


def getent(prefix: list[str], name: str) -> subprocess.CompletedProcess:
    return subprocess.run([*prefix, "getent", "ahosts", name], capture_output=True, text=True, timeout=20, check=False)


def test_a_name_server_knows_what_it_is_told_answers_no_and_may_be_gone(tmp):
    with NameServer({"db.example": ["192.0.2.7", "2001:db8::7"]}) as names:
        prefix = laid_over(resolv_conf=names.write_resolv_conf(tmp / "resolv.conf", "timeout:1 attempts:1"))
        known = getent(prefix, "db.example").stdout
        assert "192.0.2.7" in known and "2001:db8::7" in known
        assert getent(prefix, "other.example").returncode == 2 and "other.example" in names.asked
        names.close()
        assert getent(prefix, "db.example").returncode == 2
        names.open()
        assert getent(prefix, "db.example").stdout == known


def test_files_lie_over_those_of_the_system_for_the_command_alone(tmp):
    (tmp / "hosts").write_text("192.0.2.9 only-here.example\n")
    assert "192.0.2.9" in getent(laid_over(hosts=tmp / "hosts"), "only-here.example").stdout
    with open("/etc/hosts", encoding="utf-8") as hosts:
        assert "only-here" not in hosts.read()


def test_what_is_started_inside_a_network_sees_it_and_what_comes_later_does_not():
    with Network() as network:
        network.add_black_hole("hole", "fd00:53::2/64", "192.0.2.2/24")
        with network.inside():
            inner = children.start(["ip", "addr"], stdout=subprocess.PIPE, text=True)
        outer = children.start(["ip", "addr"], stdout=subprocess.PIPE, text=True)
        seen = inner.communicate()[0]
        assert "fd00:53::2" in seen and "192.0.2.2/24" in seen and "LOOPBACK,UP" in seen
        assert "hole" not in outer.communicate()[0]
