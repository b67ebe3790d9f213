"""No password in any output: an unmistakable one stands everywhere one can stand, and everything that pgwaked and pgwake say is searched.

Every piece of every password between its special characters holds the word "geheim", so that no fragment can slip through.
"""

import re
import socket
import threading
import urllib.parse
from pathlib import Path

import pytest

from rig import wire
from rig.patience import patient, until
from rig.ports import Port

# Often enough that much happens, and not so often that 28 databases keep a slow machine from all else.
FAST = {"ping_interval": "500ms", "login_interval": "2s", "retry_interval": "100ms", "down_interval": "1s", "blocked_interval": "1s",
        "attempt_timeout": "400ms", "wake_timeout": "2s"}
ODD = "geheim1@geheim2:geheim3/geheim4?geheim5&geheim6=geheim7 geheim8%geheim9'geheim10\\geheim11\"geheim12#geheim13;geheim14"
SECRET = re.compile(r"geheim", re.IGNORECASE)


def write(path, text, mode=0o600):
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


def expect_clean(where, text):
    found = SECRET.search(text)
    assert not found, f"{where}: ...{text[max(0, found.start() - 200):found.end() + 200]}..."


def quoted(value):
    """A value in a key=value conninfo."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def over_tcp(port, path):
    with socket.create_connection(("127.0.0.1", port), patient(10)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def everything_said(daemon, names, port, commanded):
    """(where, text) of all that can be had from a running daemon and its command line."""
    for socket_name in ("status", "control"):
        for path in ("/livez", "/readyz", "/status", "/events?follow=0", "/", "/none", "/readyz?wait=10ms", "/readyz?accept=asleep"):
            answer = daemon.get(path, socket_name)
            yield f"{socket_name} {path}", answer.text + str(answer.headers)
        for name in names:
            for path in (f"/status/{name}", f"/readyz/{name}", f"/events?follow=0&db={name}"):
                answer = daemon.get(path, socket_name)
                yield f"{socket_name} {path}", answer.text + str(answer.headers)
        for path in (f"/wake/{names[0]}", f"/pause/{names[0]}?for=1ms", "/reload"):
            yield f"{socket_name} POST {path}", daemon.get(path, socket_name, "POST").text
    for path in ("/status", "/readyz", "/events?follow=0"):
        yield f"tcp {path}", over_tcp(port, path)
    for argv in (["status"], ["status", "--json"], ["events"], ["events", "--json"], ["reload"], ["reload", "--json"], ["reasons"],
                 *(command for name in commanded for command in (
                     ["status", name], ["status", name, "--json"], ["check", name], ["check", name, "--nagios"], ["events", name],
                     ["wait", name, "--timeout", "10ms"], ["wake", name], ["reasons", daemon.status(name)["reason"] or "stale"]))):
        done = daemon.pgwake(*argv)
        assert done.stdout or done.stderr
        yield f"pgwake {' '.join(argv)}", done.stdout + done.stderr
    for argv in (["--check-config"], ["--dump-config"]):
        done = daemon.run(*argv)
        yield f"pgwaked {argv[0]}", done.stdout + done.stderr
    for thing in ("cmdline", "environ", "comm"):
        yield f"/proc/PID/{thing}", Path(f"/proc/{daemon.pid}/{thing}").read_bytes().decode("utf-8", "replace")
    for task in Path(f"/proc/{daemon.pid}/task").iterdir():
        yield "a thread's name", (task / "comm").read_text()
    yield "open files", " ".join(str(each.readlink()) for each in Path(f"/proc/{daemon.pid}/fd").iterdir() if each.is_symlink())
    yield "notify", str([note.fields for note in daemon.notify.notes])
    yield "awake files", " ".join(f"{each.name} {each.read_text()}" for each in daemon.awake_dir.iterdir())
    yield "log", daemon.output()


def test_no_password_is_ever_said_wherever_it_stands_and_whatever_happens(make_daemon, make_fake, cluster):
    cluster.create_app("odd", None, None)
    cluster.sql("ALTER ROLE odd PASSWORD %s", ODD)
    with Port() as closed, Port() as listening:
        daemon = make_daemon()
        credentials = daemon.folder / "credentials"
        credentials.mkdir()
        write(credentials / "right", ODD + "\n")
        write(credentials / "wrong", "geheim-wrong-credential\n")
        encoded = urllib.parse.quote(ODD, safe="")
        escaped = ODD.replace("\\", "\\\\").replace(":", "\\:")
        services = write(daemon.folder / "services", f"[right]\nhost={cluster.host}\nport={cluster.port}\nuser=odd\ndbname=app\n"
                         f"password={ODD}\n[wrong]\nhost={cluster.host}\nport={cluster.port}\nuser=odd\ndbname=app\npassword=geheim-wrong-service\n")
        daemon.env.update(CREDENTIALS_DIRECTORY=str(credentials), PGSERVICEFILE=str(services))
        here = f"host={cluster.host} port={cluster.port} user=odd dbname=app"
        fakes = {script: make_fake(script) for script in ("silence-in-auth", "reset-in-auth", "garbage-in-auth", "error-in-auth", "garbage",
                                                          "close-in-auth", "huge-length-in-auth", "error-after-startup")}
        fakes["error-in-auth"].error = ("FATAL", "XX000", "something\nin several\tlines")
        right = {
            "uri": {"conninfo": f"postgresql://odd:{encoded}@{cluster.host}:{cluster.port}/app"},
            "driver": {"conninfo": f"postgresql+psycopg2://odd@{cluster.host}:{cluster.port}/app?password={encoded}"},
            "pairs": {"conninfo": f"{here} password={quoted(ODD)}"},
            "service": {"service": "right"},
            "inside": {"conninfo": "service=right"},
            "passfile": {"conninfo": f"{here} passfile={write(daemon.folder / 'passfile', f'*:*:*:odd:{escaped}{chr(10)}')}"},
            "file": {"conninfo": here, "password_file": str(write(daemon.folder / "file", ODD + "\n"))},
            "credential": {"conninfo": here, "password_credential": "right"},
        }
        wrong = {
            "wrong-uri": {"conninfo": f"postgresql://odd:geheim-wrong-uri@{cluster.host}:{cluster.port}/app"},
            "wrong-pairs": {"conninfo": f"{here} password=geheim-wrong-pairs"},
            "wrong-service": {"service": "wrong"},
            "wrong-passfile": {"conninfo": f"{here} passfile={write(daemon.folder / 'wrong', '*:*:*:*:geheim-wrong-passfile')}"},
            "wrong-file": {"conninfo": here, "password_file": str(write(daemon.folder / "wrong-file", "geheim-wrong-file"))},
            "wrong-credential": {"conninfo": here, "password_credential": "wrong"},
            "no-database": {"conninfo": f"host={cluster.host} port={cluster.port} user=odd dbname=none password={quoted(ODD)}"},
            "no-query": {"conninfo": f"{here} password={quoted(ODD)}", "expect": {"query": "SELECT nonsense FROM nowhere"}},
            "refused": {"conninfo": f"postgresql://odd:{encoded}@127.0.0.1:{closed.number}/app"},
            "unresolved": {"conninfo": f"postgresql://odd:{encoded}@no-such-host.invalid/app"},
            "no-tls": {"conninfo": f"postgresql://odd:{encoded}@{cluster.host}:{cluster.port}/app?sslmode=require&sslpassword=geheim-key"},
            "no-socket": {"conninfo": f"host=/nonexistent user=odd password={quoted(ODD)}"},
            **{f"fake-{script}": {"conninfo": fake.conninfo("odd") + f" password={quoted(ODD)}"} for script, fake in fakes.items()},
        }
        databases = [{"name": name, **FAST, **each} for name, each in {**right, **wrong}.items()]
        for each in databases:
            if not each["name"].startswith("fake-"):
                # What a slow machine keeps waiting is no failure of another kind.
                each.update(attempt_timeout="1min", wake_timeout="1min")
        daemon.configure(databases, settings={"ready": {"on": "start"}, "log": {"level": "debug"},
                                              "status": {"listen": [f"127.0.0.1:{listening.number}"]}})
        assert len(SECRET.findall(daemon.config_path.read_text())) > 100
        daemon.start()
        for name in right:
            daemon.wait_state(name, "awake")
        for name in wrong:
            until(lambda name=name: daemon.status(name)["failures"]["total"] >= 3, 20, f"{name} fails")
        # By the count: on a busy machine the next login may be slow enough to look like a wake.
        for name, reason in (("wrong-uri", "auth.password"), ("no-query", "query.failed")):
            assert daemon.status(name)["failures"]["by_reason"].keys() == {reason}
        said = list(everything_said(daemon, list({**right, **wrong}), listening.number,
                                     ["uri", "wrong-passfile", "no-query", "refused", "fake-error-in-auth"]))
        assert len(said) > 250
        for where, text in said:
            expect_clean(where, text)
        daemon.stop()
        expect_clean("the log's end", daemon.output())
        expect_clean("the last words", str([note.fields for note in daemon.notify.notes]))


# A slip on the very line on which a password stands. Each is one database's keys, or a whole file.
SLIPS = [
    'conninfo = "host=h password=geheim x"',
    'conninfo = "host=h password=geheim geheim2"',
    'conninfo = "host=h password=\'geheim"',
    'conninfo = "host=h password=geheim\' user=\'x"',
    'conninfo = "host=h pasword=geheim"',
    'conninfo = "host=h user=a password geheim"',
    'conninfo = "geheim"',
    'conninfo = "geheim@h"',
    'conninfo = "u:geheim@h/d"',
    'conninfo = "geheim://u:p@h/d"',
    'conninfo = "mysql://u:geheim@h/d"',
    'conninfo = "postgresql//u:geheim@h/d"',
    'conninfo = "postgresql:/u:geheim@h/d"',
    'conninfo = "postgresql://u:geheim@x@h/d"',
    'conninfo = "postgresql://u:gehe/geheim@h/d"',
    'conninfo = "postgresql://u:geheim%@h/d"',
    'conninfo = "postgresql://u:geheim%zz@h/d"',
    'conninfo = "postgresql://u:geheim%00@h/d"',
    'conninfo = "postgresql://u:geheim@[h/d"',
    'conninfo = "postgresql://u:geheim@h:port/d"',
    'conninfo = "postgresql://u:geheim@h:99999/d"',
    'conninfo = "postgresql://u@h/d?password=geheim&x"',
    'conninfo = "postgresql://u@h/d?passwort=geheim"',
    'conninfo = "postgresql://u@h/d?geheim=1"',
    'conninfo = "postgresql://u@h/d?sslmode=geheim"',
    'conninfo = "postgresql://u:geheim@h,i/d"',
    'conninfo = "host=geheim,geheim2 password=geheim"',
    'conninfo = "host=h port=geheim password=geheim"',
    'conninfo = "host=h sslmode=require password=geheim sslmode=gehei"',
    'conninfo = "host=h password=geheim"; password_file = "/nonexistent"',
    'conninfo = "host=h password=geheim"; service = "x"',
    'conninfo = "host=h password=geheim"; conninfo = "host=h"',
    'conninfo = "host=h password=geheim" geheim',
    'conninfo = "host=h password=geheim; rise = 1',
    'conninfo = "host=h password="geheim""',
    "conninfo = 'host=h password=geheim'",
    'conninfo = host=h password=geheim',
    'conninfo = [ "host=h password=geheim" ]',
    'conninfo = ( "host=h password=geheim", 1 )',
    'conninfo = { text = "host=h password=geheim"; }',
    'conninfo = "postgresql://u:geheim@h/d"; rise = 0',
    'password = "geheim"; conninfo = "host=h"',
    'pasword_file = "geheim"; conninfo = "host=h"',
    'conninfo = "host=h"; password_file = "geheim"',
    'conninfo = "host=h"; password_credential = "geheim/geheim"',
    'conninfo = "host=h"; password_credential = "geheim"',
    'conninfo = "host=h"; password_file = [ "geheim" ]',
    'service = "geheim"',
    'conninfo = "service=geheim"',
    'conninfo = "host=h password=geheim"; policy = "geheim"',
    'conninfo = "host=h password=geheim"; ping_interval = "geheim"',
    'conninfo = "host=h password=geheim"; jitter = "geheim%"',
]


def whole(keys):
    return f'databases = ( {{ name = "main"; {keys}; }} );\n'


@pytest.fixture(name="running")
def running_daemon(make_daemon):
    return make_daemon(env={"CREDENTIALS_DIRECTORY": "/nonexistent"}).start()


def test_a_slip_on_the_line_with_the_password_is_told_without_it(running):
    """By --check-config, --dump-config, a start and a reload. Nothing of such a line is ever repeated but the known keys."""
    told = 0
    for keys in SLIPS:
        running.config_path.write_text(whole(keys))
        answer = running.reload()
        assert answer.status == 422, keys
        assert all(each["file"] == str(running.config_path) and each["line"] == 1 for each in answer.json["complaints"]), (keys, answer.text)
        told += len(answer.json["complaints"])
        expect_clean(f"reload of {keys}", answer.text)
    expect_clean("log", running.output())
    # Each kind of program with another third of every other one: they say what the reload said.
    for number, keys in enumerate(SLIPS[::2]):
        running.config_path.write_text(whole(keys))
        argv = [["--check-config"], ["--dump-config"], []][number % 3]
        done = running.run(*argv)
        assert done.returncode == 78 and f"{running.config_path}:1: " in done.stderr, (keys, done.stderr)
        expect_clean(f"pgwaked {argv} of {keys}", done.stdout + done.stderr)
        if number % 3 == 0:
            done = running.pgwake("reload")
            assert done.returncode == 1
            expect_clean(f"pgwake reload of {keys}", done.stdout + done.stderr)
    print(f"{len(SLIPS)} slips, {told} complaints, none with a piece of a password")


def test_a_slip_in_the_service_file_or_in_a_password_file_is_told_without_the_password(make_daemon):
    daemon = make_daemon()
    services = daemon.folder / "services"
    daemon.env.update(PGSERVICEFILE=str(services), CREDENTIALS_DIRECTORY=str(daemon.folder))
    for text in ("[main]\nhost=h\npassword geheim\n", "[main]\nhost=h\npasswort=geheim\n", "[main]\nhost=h\ngeheim\n",
                 "[main]\nhost=a,b\npassword=geheim\n", "[main]\nhost=h\nport=geheim\npassword=geheim\n", "[main\nhost=h\npassword=geheim\n",
                 "[main]\nhost=h\nservice=geheim\n", "[main]\nldap://geheim\n", "[main]\nhost=h\npassword=geheim\nsslmode=geheim\n",
                 "[main]\nhost=h\ngeheim = password\n", "password=geheim\n"):
        write(services, text)
        daemon.configure([{"name": "main", "service": "main"}])
        for argv in (["--check-config"], []):
            done = daemon.run(*argv)
            assert done.returncode == 78, text
            expect_clean(text, done.stdout + done.stderr)
    write(services, "[main]\nhost=h\npassword=geheim\n", 0o644)
    expect_clean("a service file that others can read", daemon.run("--check-config").stderr)
    for content, mode in (("geheim\0geheim", 0o600), ("geheim", 0o666), ("geheim" * 10_000, 0o600), ("", 0o600)):
        path = write(daemon.folder / "secret", content, mode)
        for way in ("password_file", "password_credential"):
            daemon.configure([{"name": "main", "conninfo": "host=h", way: str(path) if way == "password_file" else path.name}])
            done = daemon.run("--check-config")
            assert done.returncode == (0 if way == "password_credential" and mode == 0o666 else 78), (content[:20], oct(mode), way, done.stderr)
            expect_clean(f"{way} {content[:20]!r}", done.stdout + done.stderr)


class Echo:
    """A server that asks for the password in clear text and puts it into its error message."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                while int.from_bytes(self._packet(client)[4:8]) in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                    client.sendall(b"N")
                client.sendall(wire.authentication_cleartext())
                client.recv(1)
                password = self._packet(client)[4:-1].decode()
                self.heard.append(password)
                client.sendall(wire.error_response("FATAL", "28P01", f'the password "{password}" is wrong', D=f"not {password} but another"))
            except (OSError, IndexError):
                pass
            finally:
                client.close()

    @staticmethod
    def _packet(client):
        head = client.recv(4, socket.MSG_WAITALL)
        return head + client.recv(int.from_bytes(head) - 4, socket.MSG_WAITALL)


def test_even_a_server_that_repeats_the_password_does_not_get_it_into_an_output(make_daemon):
    echo = Echo()
    with Port() as listening:
        daemon = make_daemon([{"name": "main", "conninfo": f"postgresql://odd:{urllib.parse.quote(ODD, safe='')}@127.0.0.1:{echo.port}/app", **FAST,
                               "attempt_timeout": "10s"}],
                             settings={"log": {"level": "debug"}, "status": {"listen": [f"127.0.0.1:{listening.number}"]}}).start()
        status = daemon.wait_state("main", "blocked")
        assert status["reason"] == "auth.password" and echo.heard[0] == ODD
        assert "is wrong" in status["detail"], "the rest of what it says is kept"
        for where, text in everything_said(daemon, ["main"], listening.number, ["main"]):
            expect_clean(where, text)
    echo.listener.close()
