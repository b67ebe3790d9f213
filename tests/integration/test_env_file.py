"""env_file and --from-env with a real PostgreSQL: an application's .env as it stands, a rotated password, a container without files."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest

from rig import children
from rig.daemon import built, check_sanitizers, clean_environment, wrapper
from rig.logs import parse
from rig.network import needs_namespaces
from rig.patience import patient, until
from rig.ports import Port

# Every piece between special characters holds the word.
ODD = "geheim1@geheim2:geheim3/geheim4?geheim5&geheim6=geheim7 geheim8%geheim9'geheim10\\geheim11\"geheim12#geheim13;geheim14$geheim15"
SECRET = re.compile("geheim", re.IGNORECASE)
FAST = {"ping_interval": "100ms", "login_interval": "300ms", "retry_interval": "50ms", "down_interval": "100ms", "blocked_interval": "100ms",
        "attempt_timeout": "10s", "fresh_for": "20s"}


def expect_clean(where, text):
    found = SECRET.search(text)
    assert not found, f"{where}: ...{text[max(0, found.start() - 200):found.end() + 200]}..."


def write_env(path, text, mode=0o600):
    """In one step, as deployments do it."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=mode)
    fresh.chmod(mode)
    fresh.write_text(text)
    fresh.replace(path)
    return path


def url(cluster, password, scheme="postgresql", user="odd", parameters=""):
    return f"{scheme}://{user}:{urllib.parse.quote(password, safe='')}@{cluster.host}:{cluster.port}/app{parameters}"


def single_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def parts(cluster, password):
    return (f"POSTGRES_USER=odd\nPOSTGRES_PASSWORD={single_quoted(password)}\nPOSTGRES_HOST={cluster.host}\nPOSTGRES_PORT={cluster.port}\n"
            "POSTGRES_DATABASE_NAME=app\n")


@pytest.fixture(name="odd")
def odd_role(cluster):
    """A cluster with a role whose password is hard to write."""
    cluster.create_app("odd", None, None)
    cluster.sql("ALTER ROLE odd PASSWORD %s", ODD)
    return cluster


def test_every_spelling_of_an_applications_settings_leads_into_the_database(make_daemon, odd):
    daemon = make_daemon()
    spellings = {
        "heroku": f"DATABASE_URL={url(odd, ODD, 'postgres')}\n",
        "quoted": f"export DATABASE_URL='{url(odd, ODD)}' # of the application\r\nDEBUG=1\r\n",
        "psycopg2": f"DATABASE_URL=\"{url(odd, ODD, 'postgresql+psycopg2')}\"",
        "asyncpg": f"DATABASE_URL={url(odd, ODD, 'postgresql+asyncpg', parameters='?ssl=prefer&prepared_statement_cache_size=0')}\n",
        "parts": parts(odd, ODD),
        "put-together": parts(odd, ODD) + f"ENCODED={urllib.parse.quote(ODD, safe='')}\n"
                        "HERE=${POSTGRES_HOST}:${POSTGRES_PORT:-5432}\n"
                        "DATABASE_URL=postgresql://${POSTGRES_USER}:${ENCODED}@${HERE}/${POSTGRES_DATABASE_NAME}\n",
    }
    databases = [{"name": name, "env_file": str(write_env(daemon.folder / f"{name}.env", text)), **FAST} for name, text in spellings.items()]
    databases.append({"name": "other-names", "env_file": str(write_env(daemon.folder / "other.env", f"DATABASE_URL=x\nREPORTS={url(odd, ODD)}\n")),
                      "env_names": {"url": "REPORTS"}, **FAST})
    daemon.configure(databases, settings={"ready": {"on": "start"}})
    daemon.start()
    for each in databases:
        status = daemon.wait_state(each["name"], "awake")
        assert status["endpoint"] == f"{odd.host}:{odd.port}/app"
    said = daemon.run("--check-config")
    assert said.returncode == 0
    assert "the parameter prepared_statement_cache_size is ignored" in said.stderr and len(said.stderr.splitlines()) == 1
    for where, text in (("check", said.stderr + said.stdout), ("dump", daemon.run("--dump-config").stdout), ("log", daemon.output()),
                        ("status", daemon.get("/status").text)):
        expect_clean(where, text)


@pytest.mark.parametrize("way", ["hangup", "post"])
def test_a_rotated_password_is_read_at_a_reload_and_an_unchanged_file_keeps_the_session(make_daemon, odd, way):
    daemon = make_daemon()
    files = {name: write_env(daemon.folder / f"{name}.env", parts(odd, ODD)) for name in ("one", "two")}
    odd.create_app("two", "geheim-two", None)
    write_env(files["two"], f"DATABASE_URL={url(odd, 'geheim-two', user='two')}\n")
    more = {"one": {}, "two": {"login_interval": "5min"}}
    daemon.configure([{"name": name, "env_file": str(path), **FAST, **more[name]} for name, path in files.items()],
                     settings={"ready": {"on": "start"}})
    daemon.start()

    def reload():
        if way == "post":
            return daemon.reload().json
        before = len([each for each in daemon.log_entries() if "was reloaded" in each["message"]])
        daemon.signal(signal.SIGHUP)
        entries = until(lambda: len(found := [each for each in daemon.log_entries() if "was reloaded" in each["message"]]) > before and found, 10,
                        "the reload is said")
        numbers = re.findall(r"(\d+) (added|removed|changed|unchanged)", entries[-1]["message"])
        return {word: int(number) for number, word in numbers}

    for name in files:
        daemon.wait_state(name, "awake")
    session = daemon.status("two")["session"]
    odd.sql("ALTER ROLE odd PASSWORD 'geheim-rotated'")
    status = daemon.wait_state("one", "blocked")
    assert status["reason"] == "auth.password"
    write_env(files["one"], parts(odd, "geheim-rotated"))
    write_env(files["two"], "# touched\n" + files["two"].read_text())
    summary = reload()
    assert (summary["changed"], summary["unchanged"]) == (1, 1)
    daemon.wait_state("one", "awake")
    assert daemon.status("two")["session"]["since"] == session["since"], "the same session"
    # A file that cannot be used leaves everything as it is.
    write_env(files["two"], "POSTGRES_USER=two\nPOSTGRES_PASSWORD=geheim-two\nPOSTGRES_PORT=geheim\n")
    answer = daemon.reload()
    assert answer.status == 422
    told = [each["message"] for each in answer.json["complaints"]]
    for words in ("POSTGRES_HOST, POSTGRES_DATABASE_NAME are missing", "POSTGRES_PORT: port is no port"):
        assert any(words in each for each in told)
    assert {each["file"] for each in answer.json["complaints"]} == {str(files["two"])}
    assert daemon.status("two")["session"]["since"] == session["since"]
    expect_clean("answer", answer.text)
    expect_clean("log", daemon.output())


SLIPS = [
    "POSTGRES_PASSWORD geheim\n", "POSTGRES_PASSWORD='geheim\n", "geheim\n", "DATABASE_URL=geheim\n", "DATABASE_URL=geheim@h\n",
    "DATABASE_URL=mysql://u:geheim@h/d\n", "DATABASE_URL=postgres://u:geheim@x@h/d\n", "DATABASE_URL=postgres://u:ge/geheim@h/d\n",
    "DATABASE_URL=postgres://u:geheim%zz@h/d\n", "DATABASE_URL=postgres://u:geheim@h:geheim/d\n", "DATABASE_URL=postgres://u:x@h/d?passwort=geheim\n",
    "DATABASE_URL=postgres://u:x@h/d?geheim\n", "DATABASE_URL=postgres://u:x@h/d?sslmode=geheim\n", "DATABASE_URL=postgres://u:geheim@h,i/d\n",
    "DATABASE_URL=host=h password=geheim geheim\n", "POSTGRES_HOST=geheim@h\n", "POSTGRES_PORT=geheim\n", "'geheim\n", "A=${geheim\ngeheim geheim\n",
    "POSTGRES_PASSWORD=geheim\0\n", "DATABASE_URL=postgres://u:geheim@h/d?pasword=geheim\n", "DATABASE_URL=postgres://u:x@h/d?port=geheim\n",
]


def test_a_slip_in_an_env_file_is_told_without_the_password(make_daemon):
    daemon = make_daemon()
    path = daemon.folder / "app.env"
    daemon.configure([{"name": "main", "env_file": str(path)}])
    for text in SLIPS:
        write_env(path, text)
        for argv in (["--check-config"], []):
            done = daemon.run(*argv)
            assert done.returncode == 78 and str(path) in done.stderr, (text, done.stderr)
            expect_clean(text, done.stdout + done.stderr)
    write_env(path, "DATABASE_URL=postgres://u:geheim@h/d\n", 0o644)
    done = daemon.run("--check-config")
    assert done.returncode == 78 and "everybody on the machine can read the file (mode 0644)" in done.stderr
    expect_clean("a file that others can read", done.stderr)


class Container:
    """pgwaked --from-env as a container runs it: settings in the environment, nothing else."""

    def __init__(self, folder, settings, *argv, prefix=()):
        self.folder = folder
        self.stderr_path = folder / "container.log"
        command = [*prefix, *wrapper(), str(built("pgwaked")), "--from-env", *map(str, argv)]
        with open(self.stderr_path, "ab") as err:
            self.process = children.start(command, stdin=subprocess.DEVNULL, stdout=err, stderr=err, cwd=folder,
                                          env={**clean_environment(folder), **settings})

    def output(self):
        return self.stderr_path.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM, pid=None):
        begun = time.monotonic()
        os.kill(pid or self.process.pid, number)
        code = self.process.wait(patient(10))
        check_sanitizers(self.output())
        return code, time.monotonic() - begun

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(name="run_container")
def container_runner(tmp):
    opened = []

    def run(*positional, **named):
        opened.append(Container(tmp, *positional, **named))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def ask(port, path, method="GET"):
    """(status, body) of one request, as a probe sends it."""
    with socket.create_connection(("127.0.0.1", port), patient(5)) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def ready(port):
    try:
        return ask(port, "/readyz")[0] == 200
    except OSError:
        return False


def settings_of(cluster, way):
    if way == "url":
        return {"DATABASE_URL": url(cluster, ODD, "postgresql+asyncpg", parameters="?ssl=prefer")}
    return {"POSTGRES_USER": "odd", "POSTGRES_PASSWORD": ODD, "POSTGRES_HOST": cluster.host, "POSTGRES_PORT": str(cluster.port),
            "POSTGRES_DATABASE_NAME": "app"}


@pytest.mark.parametrize("way", ["url", "parts"])
def test_a_container_needs_nothing_but_its_environment(run_container, odd, way):
    """A probe by TCP, logs in JSON on standard error, no secret anywhere, and an end with 0 at once."""
    with Port() as listening:
        container = run_container(settings_of(odd, way), "--listen", f"127.0.0.1:{listening.number}", "--listen", f"[::1]:{listening.number}")
        until(lambda: ready(listening.number), 10, "the probe is answered with 200")
        assert ask(listening.number, "/livez")[0] == 200
        status, body = ask(listening.number, "/status/main")
        assert status == 200 and json.loads(body)["endpoint"] == f"{odd.host}:{odd.port}/app"
        assert ask(listening.number, "/wake/main", "POST")[0] in (403, 405)
        expect_clean("status", body)
        # Whoever may look at the process does not find it either.
        for thing in ("environ", "cmdline"):
            with open(f"/proc/{container.process.pid}/{thing}", encoding="utf-8", errors="replace") as file:
                expect_clean(thing, file.read())
        os.kill(container.process.pid, signal.SIGHUP)
        until(lambda: "was reloaded" in container.output(), 10, "a reload is said")
        assert "0 changed, 1 unchanged" in container.output()
        code, seconds = container.stop()
        assert code == 0 and seconds < patient(2)
    lines = container.output().splitlines()
    entries = [json.loads(line) for line in lines]
    assert entries and all({"time", "level", "severity", "message"} <= entry.keys() for entry in entries)
    assert not (container.folder / "history.db").exists()
    expect_clean("log", container.output())


@needs_namespaces
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_the_first_process_of_a_read_only_container_it_ends_with_0_and_leaves_no_zombies(run_container, odd, number):
    """No folder can be made: it goes on without the sockets, and says so."""
    with Port() as listening:
        script = 'mount -t tmpfs none /run && mount -o remount,ro /run && exec "$@"'
        container = run_container(settings_of(odd, "url"), "--listen", f"127.0.0.1:{listening.number}",
                                  prefix=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"])
        until(lambda: ready(listening.number), 10, "the probe is answered with 200")
        children_of = f"/proc/{container.process.pid}/task/{container.process.pid}/children"
        with open(children_of, encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            assert re.search(r"^NSpid:\s+\d+\s+1$", file.read(), flags=re.M)
        assert "Goes on without the socket /run/pgwaked/control.sock: Read-only file system" in container.output()
        # An orphan of somebody who was run inside (docker exec) becomes a child of the first process.
        subprocess.run(["nsenter", "-t", str(pid), "-p", "sh", "-c", "(sleep 0.05 &)"], check=True)
        until(lambda: not open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read().strip(), 5, "the orphan is gone")
        code, seconds = container.stop(number, pid)
        assert code == 0 and seconds < patient(2), container.output()
    assert parse(container.output())[-1]["message"] == "pgwaked ends"
    expect_clean("log", container.output())


def run_once(folder, *argv, **settings):
    done = subprocess.run([*wrapper(), str(built("pgwaked")), *argv], env={**clean_environment(folder), **settings}, capture_output=True, text=True,
                          cwd=folder, stdin=subprocess.DEVNULL, timeout=patient(20), check=False)
    check_sanitizers(done.stderr)
    return done


def test_exit_codes_and_checks_of_from_env(tmp):
    missing = run_once(tmp, "--from-env")
    assert missing.returncode == 78
    assert all(json.loads(line)["severity"] == "ERROR" for line in missing.stderr.splitlines())
    assert "DATABASE_URL is missing, and so are POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST, POSTGRES_DATABASE_NAME" in missing.stderr
    bad = run_once(tmp, "--from-env", "--check-config", DATABASE_URL="postgres://u:geheim@h:geheim/d")
    assert bad.returncode == 78 and bad.stderr.startswith("environment: error: DATABASE_URL: port is no port")
    expect_clean("check", bad.stderr)
    good = run_once(tmp, "--from-env", "--check-config", DATABASE_URL="postgres://u:geheim@ep-a-1.eu-central-1.aws.neon.tech/d?sslmode=require")
    assert good.returncode == 0 and "main: neon, on-demand" in good.stdout
    expect_clean("check", good.stdout + good.stderr)
    for argv, hint in ((["--from-env", "-c", "x.conf"], "expected it without -c"), (["--listen", "localhost:1"], "no numeric address"),
                       (["--listen"], "needs an address with a port"), (["--from-env=x"], "takes no value"),
                       (["--from-evn"], "did you mean '--from-env'?")):
        done = run_once(tmp, *argv)
        assert done.returncode == 64 and hint in done.stderr, done.stderr


def test_what_dump_config_prints_of_an_environment_is_a_configuration_file(tmp):
    done = run_once(tmp, "--from-env", "--dump-config", "--listen", "127.0.0.1:9817", DATABASE_URL="postgres://u:geheim@h/d?sslmode=require")
    assert done.returncode == 0
    expect_clean("dump", done.stdout)
    (tmp / "again.conf").write_text(done.stdout)
    again = run_once(tmp, "-c", "again.conf", "--dump-config")
    assert again.returncode == 0 and 'listen = [ "127.0.0.1:9817" ]; // again.conf:' in again.stdout


def test_listen_adds_to_the_addresses_of_a_file(make_daemon, cluster):
    with Port() as one, Port() as two:
        daemon = make_daemon([{"name": "main", "conninfo": cluster.conninfo(), **FAST}], settings={"status": {"listen": [f"127.0.0.1:{one.number}"]}},
                             argv=["--listen", f"127.0.0.1:{two.number}", "--listen", f"127.0.0.1:{one.number}"]).start()
        daemon.wait_state("main", "awake")
        assert [ask(port.number, "/readyz")[0] for port in (one, two)] == [200, 200]
        assert daemon.reload().json["complaints"] == [], "what the command line says is no change"
