"""TLS: what verifies is awake, what does not is blocked with the reason, and a correction is noticed without a reload."""

import shutil

import pytest

from rig.edges import assert_edges, assert_phases, quick, wait_failures

# So that the last attempt of what is awake is a login, with all its phases.
NO_PINGS = {"ping_interval": "1h"}


@pytest.fixture
def secure(make_cluster, ca):
    """A cluster that takes TLS only, with a certificate for localhost and 127.0.0.1."""
    cluster = make_cluster(hba=["hostssl all all 127.0.0.0/8 scram-sha-256", "hostssl all all ::1/128 scram-sha-256"])
    cluster.enable_ssl(ca.issue(), ca.cert)
    cluster.start()
    return cluster


def test_verify_full_with_channel_binding_and_scram_is_awake(secure, make_daemon, ca):
    full = {"sslmode": "verify-full", "sslrootcert": ca.cert, "channel_binding": "require"}
    daemon = make_daemon([quick("name", secure.conninfo(host="localhost", **full), **NO_PINGS),
                          quick("address", secure.conninfo(**full), **NO_PINGS),
                          quick("require", secure.conninfo(sslmode="require"), **NO_PINGS),
                          quick("prefer", secure.conninfo(), **NO_PINGS)]).start()
    status = daemon.wait_state("name", "awake")
    phases = assert_phases(status, "resolve", "connect", "tls", "auth", "query")
    print("phases of the first login in ms:", {phase: round(1000 * seconds, 1) for phase, seconds in phases.items()})
    for name in ("address", "require", "prefer"):
        assert_phases(daemon.wait_state(name, "awake"), "connect", "tls", "auth", "query")
        assert_edges(daemon, name, "awake")
    rows = secure.sql("SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'pgwaked'")
    assert rows and all(ssl for ssl, in rows)


def test_what_does_not_verify_is_blocked_and_never_gets_the_password(secure, make_daemon, ca, wrong_ca):
    full = {"sslmode": "verify-full", "sslrootcert": ca.cert}
    daemon = make_daemon([
        quick("ca", secure.conninfo(sslmode="verify-full", sslrootcert=wrong_ca.cert)),
        quick("verify-ca", secure.conninfo(sslmode="verify-ca", sslrootcert=wrong_ca.cert)),
        quick("host", secure.conninfo(host="db.example", hostaddr="127.0.0.1", **full)),
        quick("address", secure.conninfo(host="127.0.0.2", hostaddr="127.0.0.1", **full)),
        quick("system", secure.conninfo(sslmode="verify-full", sslrootcert="system")),
        quick("only-ca", secure.conninfo(host="db.example", hostaddr="127.0.0.1", sslmode="verify-ca", sslrootcert=ca.cert)),
    ]).start()
    for name in ("ca", "verify-ca", "host", "address", "system"):
        status = daemon.wait_state(name, "blocked")
        assert status["reason"] == "tls.verify", name
        assert status["detail"], name
        assert_phases(status, "connect", "tls")
        wait_failures(daemon, name, "tls.verify", 3)
        assert_edges(daemon, name, "blocked/tls.verify")
    daemon.wait_state("only-ca", "awake")


def test_a_correction_of_the_root_certificate_or_of_the_servers_is_noticed(secure, make_daemon, ca, wrong_ca, tmp):
    root = tmp / "root.crt"
    shutil.copyfile(wrong_ca.cert, root)
    daemon = make_daemon([quick("main", secure.conninfo(host="localhost", sslmode="verify-full", sslrootcert=root))]).start()
    daemon.wait_state("main", "blocked")
    shutil.copyfile(ca.cert, root)
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "blocked/tls.verify", "awake")

    secure.enable_ssl(ca.issue(dns=("elsewhere.example",), ips=()))
    status = daemon.wait_state("main", "blocked")
    assert "localhost" in status["detail"], status["detail"]
    secure.enable_ssl(ca.issue(days=-1))
    wait_failures(daemon, "main", "tls.verify", status["failures"]["by_reason"]["tls.verify"] + 3)
    secure.wait_log("certificate expired")  # libpq 15 itself says no more than "certificate verify failed"
    secure.enable_ssl(ca.issue())
    daemon.wait_state("main", "awake")
    assert_edges(daemon, "main", "blocked/tls.verify", "awake", "blocked/tls.verify", "awake")


def test_who_comes_without_tls_is_rejected_by_a_server_that_demands_it(secure, make_daemon):
    daemon = make_daemon([quick("main", secure.conninfo(sslmode="disable"))]).start()
    status = daemon.wait_state("main", "blocked")
    assert (status["reason"], status["last_attempt"]["sqlstate"]) == ("auth.rejected", "28000")
    assert_phases(status, "connect", "auth")
    assert "no encryption" in status["detail"]


def test_a_server_without_tls_is_refused_where_tls_is_demanded(cluster, make_daemon, ca):
    daemon = make_daemon([
        quick("require", cluster.conninfo(sslmode="require")),
        quick("full", cluster.conninfo(sslmode="verify-full", sslrootcert=ca.cert)),
        quick("binding", cluster.conninfo(sslmode="disable", channel_binding="require")),
        quick("prefer", cluster.conninfo(sslmode="prefer"), **NO_PINGS),
        quick("disable", cluster.conninfo(sslmode="disable"), **NO_PINGS)]).start()
    for name in ("require", "full"):
        status = daemon.wait_state(name, "blocked")
        assert status["reason"] == "tls.refused"
        assert_phases(status, "connect", "tls")
        wait_failures(daemon, name, "tls.refused", 3)
        assert_edges(daemon, name, "blocked/tls.refused")
    assert daemon.wait_state("binding", "blocked")["reason"] == "auth.method"
    assert_phases(daemon.wait_state("prefer", "awake"), "connect", "tls", "auth", "query")
    assert_phases(daemon.wait_state("disable", "awake"), "connect", "auth", "query")


def test_channel_binding_is_not_given_up_where_the_server_asks_for_less(make_cluster, make_daemon, ca):
    cluster = make_cluster(hba=["hostssl all app 127.0.0.0/8 trust", "hostssl all old 127.0.0.0/8 md5"], password_encryption="md5")
    cluster.enable_ssl(ca.issue())
    cluster.start()
    cluster.create_app("old", "secret", None)
    full = {"sslmode": "verify-full", "sslrootcert": ca.cert, "channel_binding": "require"}
    daemon = make_daemon([quick("trust", cluster.conninfo(**full)), quick("md5", cluster.conninfo(user="old", **full)),
                          quick("without", cluster.conninfo(user="old", sslmode="verify-full", sslrootcert=ca.cert))]).start()
    for name in ("trust", "md5"):
        status = daemon.wait_state(name, "blocked")
        assert status["reason"] == "auth.method", (name, status["detail"])
        assert_edges(daemon, name, "blocked/auth.method")
    daemon.wait_state("without", "awake")


def test_a_client_certificate_logs_in_and_without_one_it_is_rejected(make_cluster, make_daemon, ca, wrong_ca):
    cluster = make_cluster(hba="cert")
    cluster.enable_ssl(ca.issue(), ca.cert)
    cluster.start()
    mine, theirs = ca.issue_client("app"), wrong_ca.issue_client("app")

    def conninfo(certificate=None):
        named = {"sslcert": certificate.cert, "sslkey": certificate.key} if certificate else {}
        return cluster.conninfo(password=None, sslmode="verify-full", sslrootcert=ca.cert, **named)

    daemon = make_daemon([quick("mine", conninfo(mine)), quick("theirs", conninfo(theirs)), quick("none", conninfo())]).start()
    daemon.wait_state("mine", "awake")
    for name in ("theirs", "none"):
        status = daemon.wait_state(name, "blocked")
        assert status["reason"] == "auth.rejected", (name, status["detail"])
        wait_failures(daemon, name, "auth.rejected", 3)
        assert_edges(daemon, name, "blocked/auth.rejected")
