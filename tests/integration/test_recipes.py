"""Each recipe of pgwake-integration(7), taken out of the page and run: by the real program where there is one, else by its exact question.

Only addresses, ports and paths are exchanged for a test's own.
"""

import configparser
import grp
import http.client
import http.server
import json
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg2
import pytest
import yaml

from rig import children
from rig.daemon import built, check_sanitizers, clean_environment, wrapper
from rig.edges import quick
from rig.haproxy import HAProxy
from rig.patience import patient, until
from rig.ports import Port
from rig.unixhttp import request

PAGE = Path(__file__).resolve().parents[2] / "daemon/man/pgwake-integration.7"
CONTROL, STATUS = "/run/pgwaked/control.sock", "/run/pgwaked/status.sock"
STATES = ("awake", "asleep", "down", "blocked")
SUSPEND = 1.0
NAPPING = {"provider": "neon", "suspend_after": f"{SUSPEND}s", "door_interval": "300ms", "linger": "0s", "slow": "200ms", "login_interval": "1h"}
ROW = [("a", "5000000"), ("b", "1760000000000000"), ("c", "f"), ("d", "150018"), ("e", "off")]


def recipes():
    """name -> text, as a reader sees it."""
    found = re.findall(r'^\.\\" RECIPE (\S+)\n\.Bd -literal -offset indent\n(.*?)^\.Ed$', PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert len(dict(found)) == len(found), "a recipe's name twice"
    return {name: text.replace("\\&", "").replace("\\e", "\\") for name, text in found}


def recipe(name, places=None):
    """The text of a recipe, with places of this test in place of the page's; each of them has to be there."""
    text = recipes()[name]
    for theirs, ours in (places or {}).items():
        assert theirs in text, f"{name} has no {theirs}"
        text = text.replace(theirs, str(ours))
    return text


def test_every_recipe_is_tested_and_shown_as_it_is():
    marked = recipes()
    assert PAGE.read_text(encoding="utf-8").count("\n.Bd ") == len(marked), "a display without a mark"
    used = set(re.findall(r'recipe\("([a-z-]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert used == set(marked)
    shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", str(PAGE)], capture_output=True, text=True, check=True).stdout
    shown = re.sub(".\b", "", shown)
    for name, text in marked.items():
        body = "".join(f"{' ' * 11}{line}".rstrip() + "\n" for line in text.splitlines())
        assert f"\n{body}" in "\n" + "".join(f"{line.rstrip()}\n" for line in shown.splitlines()), name


# ------------------------------------------------------------------------------------------------- a daemon, and a database in some state


class Site:
    """pgwaked that watches main, answers on TCP, and is asked by commands."""

    def __init__(self, daemon, port, agent, server):
        self.daemon, self.port, self.agent, self.server = daemon, port, agent, server
        self.bin = daemon.folder / "bin"
        self.bin.mkdir()
        program = self.bin / "pgwake"
        program.write_text(f'#!/bin/sh\nexec {shlex.join([*wrapper(), str(built("pgwake"))])} "$@"\n')
        program.chmod(0o755)

    def environment(self):
        clean = clean_environment(self.daemon.folder)
        return {**clean, "PATH": f"{self.bin}:{clean.get('PATH', os.defpath)}", "PGWAKE_SOCKET": str(self.daemon.control_socket)}

    def run(self, argv):
        """A command's exit code, its output, and how long it took."""
        begun = time.monotonic()
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=patient(20),
                              check=False)
        check_sanitizers(done.stderr)
        done.seconds = time.monotonic() - begun
        return done

    def shell(self, line):
        return self.run(["/bin/sh", "-c", line])

    def start(self, line):
        return children.start(["/bin/sh", "-c", f"exec {line}"], env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)


@pytest.fixture(name="make_site")
def site_factory(make_daemon):
    ports = []

    def make(database, server=None, where="127.0.0.1"):
        ports.extend((Port(), Port()))
        port, agent = (each.number for each in ports[-2:])
        daemon = make_daemon([database], settings={"status": {"listen": [f"{where}:{port}"], "agent_listen": [f"127.0.0.1:{agent}"],
                                                              "agent_ramp": "0s"}, "ready": {"on": "start"}}).start()
        return Site(daemon, port, agent, server)

    yield make
    for each in ports:
        each.close()


@pytest.fixture(name="site_in")
def site_in_state(make_site, make_fake, make_nap):
    """site_in(state): main is in it, and its daemon listens there."""

    def make(state, where="127.0.0.1"):
        if state == "asleep":
            nap = make_nap(suspend_after=SUSPEND, wake_delay=0.3)
            site = make_site(quick("main", nap.conninfo(), **NAPPING), nap, where)
        else:
            fake = make_fake(answer=ROW)
            if state == "blocked":
                fake.script, fake.error = "error-after-startup", ("FATAL", "28P01", 'password authentication failed for user "app"')
            elif state == "down":
                fake.refuse()
            site = make_site(quick("main", fake.conninfo(), fall=1), fake, where)
        site.daemon.wait_state("main", state, 20)
        return site

    return make


def test_listening_as_the_page_says(make_daemon):
    daemon = make_daemon(text=recipe("listen") + 'databases: ({ name = "main"; conninfo = "host=127.0.0.1 user=a"; });\n')
    done = daemon.run("--dump-config")
    assert done.returncode == 0, done.stderr
    assert 'agent_listen = [ "127.0.0.1:9818" ]' in done.stdout and re.search(r'^\s*listen = \[ "127.0.0.1:9817" \]', done.stdout, flags=re.M)


# --------------------------------------------------------------------------------------------------------------- Kubernetes and Cloud Run

# What is good news for which probe: a startup is strict, readiness accepts sleep, liveness is about the daemon alone.
GOOD = {"startupProbe": {"awake"}, "readinessProbe": {"awake", "asleep"}, "livenessProbe": set(STATES)}


def probes_of(thing):
    """Every (kind, probe) in a manifest."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key in GOOD:
                yield key, value
            else:
                yield from probes_of(value)
    elif isinstance(thing, list):
        for each in thing:
            yield from probes_of(each)


def probe(port, wanted, seconds, version="1.1", agent="User-Agent: kube-probe/1.29\r\nAccept: */*\r\nConnection: close\r\n"):
    """The status code that a kubelet's httpGet finds at PATH, asked in its own words, within its time."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), patient(seconds)) as connection:
        connection.sendall(f"GET {wanted} HTTP/{version}\r\nHost: 10.0.0.7:9817\r\n{agent}\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert time.monotonic() - begun < patient(seconds), "too late for the probe"
    return int(re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)[1])


def is_good(code):
    return 200 <= code < 400


# Cloud Run documents "HTTP/1 GET" and no header: with none, and with those of Google's other probers.
CLOUD_RUN = [("1.1", "Connection: close\r\n"), ("1.1", "User-Agent: GoogleHC/1.0\r\nConnection: close\r\n"), ("1.0", "")]


@pytest.mark.parametrize("state", STATES)
def test_http_probes_judge_each_state(site_in, state):
    site = site_in(state, "0.0.0.0")
    for name, ways in (("kubernetes-http", [()]), ("cloud-run", CLOUD_RUN)):
        kinds = set()
        for kind, each in probes_of(yaml.safe_load(recipe(name))):
            assert each["httpGet"]["port"] == 9817 and set(each) == {"httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold"}
            for way in ways:
                code = probe(site.port, each["httpGet"]["path"], each["timeoutSeconds"], *way)
                assert is_good(code) == (state in GOOD[kind]) and code in (200, 503), (name, kind, way, code)
            kinds.add(kind)
        assert kinds == ({"startupProbe", "livenessProbe"} if name == "cloud-run" else set(GOOD))


def test_the_manifests_keep_to_the_limits_of_their_platforms():
    deployment, service = yaml.safe_load(recipe("kubernetes-http")), yaml.safe_load(recipe("cloud-run"))
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
    sidecar, = deployment["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always" and "startupProbe" in sidecar, "what waits for it waits for its startup probe"
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    needs = json.loads(annotations["run.googleapis.com/container-dependencies"])
    containers = {each["name"]: each for each in service["spec"]["template"]["spec"]["containers"]}
    assert needs == {"web": ["pgwaked"]} and set(containers) == {"web", "pgwaked"} and "startupProbe" in containers["pgwaked"]
    assert [name for name, each in containers.items() if "ports" in each] == ["web"], "one container takes the requests"
    assert all(isinstance(each, str) for each in annotations.values())
    for kind, each in probes_of(service):
        assert each["timeoutSeconds"] <= each["periodSeconds"] <= 240
        assert kind != "startupProbe" or each["periodSeconds"] * each["failureThreshold"] <= 240
    for kind, each in [*probes_of(deployment), *probes_of(yaml.safe_load(recipe("kubernetes-exec"))), *probes_of(service)]:
        assert each["timeoutSeconds"] == 1
        assert kind != "startupProbe" or each["periodSeconds"] * each["failureThreshold"] >= 180, "no less than wake_timeout's default"


@pytest.mark.parametrize("state", STATES)
def test_exec_probes_judge_each_state(site_in, state):
    site = site_in(state)
    found = dict(probes_of(yaml.safe_load(recipe("kubernetes-exec"))))
    assert set(found) == set(GOOD)
    for kind, each in found.items():
        done = site.run(each["exec"]["command"])
        assert (done.returncode == 0) == (state in GOOD[kind]), (kind, done.stdout, done.stderr)
        assert done.seconds < patient(each["timeoutSeconds"])
    site.daemon.stop()
    for kind, each in found.items():
        assert site.run(each["exec"]["command"]).returncode != 0, f"{kind} without a daemon"


def sidecar_commands():
    deployment, service = yaml.safe_load(recipe("kubernetes-http")), yaml.safe_load(recipe("cloud-run"))
    yield deployment["spec"]["template"]["spec"]["initContainers"][0]["command"]
    yield service["spec"]["template"]["spec"]["containers"][1]["command"]
    yield yaml.safe_load(recipe("compose"))["services"]["pgwaked"]["command"]


def test_the_sidecar_that_all_of_them_run_becomes_ready(cluster, tmp):
    command, second, third = sidecar_commands()
    assert command == second == third and command[0] == "pgwaked" and command[-1] == "0.0.0.0:9817"
    startup = next(each for kind, each in probes_of(yaml.safe_load(recipe("kubernetes-http"))) if kind == "startupProbe")["httpGet"]["path"]

    def ready(port):
        try:
            return is_good(probe(port, startup, 1))
        except OSError:
            return False

    with Port() as port, open(tmp / "sidecar.log", "ab") as log:
        argv = [*wrapper(), str(built("pgwaked")), *command[1:-1], f"0.0.0.0:{port.number}"]
        settings = {"DATABASE_URL": f"postgresql://app:secret@{cluster.host}:{cluster.port}/app"}
        process = children.start(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=tmp, env={**clean_environment(tmp), **settings})
        try:
            until(lambda: ready(port.number), 10, "the startup probe is good")
        finally:
            process.terminate()
            assert process.wait(patient(10)) == 0
    check_sanitizers((tmp / "sidecar.log").read_text())


# ------------------------------------------------------------------------------------------------------------------------ Docker, Compose


def healthcheck(text):
    """(options, the command for /bin/sh -c) of a HEALTHCHECK in a Dockerfile."""
    line = text.replace("\\\n", " ").strip()
    head, command = re.fullmatch(r"HEALTHCHECK ((?:--\S+ +)+) *CMD (.*)", line).groups()
    options = dict(re.fullmatch(r"--([a-z-]+)=(\d+)[sm]?", each).groups() for each in head.split())
    assert set(options) <= {"interval", "timeout", "start-period", "retries"}
    return {name: int(value) for name, value in options.items()}, command


@pytest.mark.parametrize("state", STATES)
def test_a_health_check_of_docker_is_0_or_1_and_short(site_in, state):
    site = site_in(state)
    for name, options, command in (("pgwake", *healthcheck(recipe("docker-healthcheck"))),
                                   ("curl", *healthcheck(recipe("docker-healthcheck-curl", {"pgwaked:9817": f"127.0.0.1:{site.port}"})))):
        done = site.shell(command)
        assert done.returncode == (0 if state in ("awake", "asleep") else 1), (name, done.stdout, done.stderr)
        assert done.seconds < patient(options["timeout"]) and len(done.stdout + done.stderr) <= 4096
    strict = yaml.safe_load(recipe("compose"))["services"]["pgwaked"]["healthcheck"]["test"]
    assert strict[0] == "CMD-SHELL" and site.shell(strict[1]).returncode == (0 if state == "awake" else 1)


def test_without_a_daemon_a_health_check_of_docker_is_1(site_in):
    site = site_in("awake")
    site.daemon.stop()
    assert site.run(["pgwake", "check", "main"]).returncode == 2, "what Docker reserves"
    for command in (healthcheck(recipe("docker-healthcheck"))[1],
                    healthcheck(recipe("docker-healthcheck-curl", {"pgwaked:9817": f"127.0.0.1:{site.port}"}))[1],
                    yaml.safe_load(recipe("compose"))["services"]["pgwaked"]["healthcheck"]["test"][1]):
        assert site.shell(command).returncode == 1, command
    site.daemon.start()


def test_compose_understands_the_file(tmp):
    (tmp / "docker-compose.yml").write_text(recipe("compose"))
    (tmp / ".env").write_text("DATABASE_URL=postgresql://app:secret@db.example.com/app\n")
    done = subprocess.run(["docker-compose", "--project-name", "test", "config"], cwd=tmp, env=clean_environment(tmp), capture_output=True, text=True,
                          timeout=patient(60), check=False)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert services["web"]["depends_on"]["pgwaked"]["condition"] == "service_healthy"
    assert services["pgwaked"]["environment"] == {"DATABASE_URL": "postgresql://app:secret@db.example.com/app"}
    check = services["pgwaked"]["healthcheck"]
    assert int(check["interval"].rstrip("s")) * check["retries"] >= 180, "no less than wake_timeout's default"


# ------------------------------------------------------------------------------------------------------------------------------- HAProxy


@pytest.fixture(name="make_haproxy")
def haproxy_factory(tmp):
    opened = []

    def make(sections):
        opened.append(HAProxy(tmp, sections))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def connect(port):
    psycopg2.connect(host="127.0.0.1", port=port, user="app", password="secret", dbname="app", connect_timeout=10).close()


@pytest.mark.parametrize("way", ["httpchk", "agent"])
def test_haproxy_takes_a_database_out_and_in(make_site, make_haproxy, cluster, way):
    site = make_site(quick("main", cluster.conninfo(), fall=1), cluster)
    site.daemon.wait_state("main", "awake")
    with Port() as front:
        places = {"127.0.0.1:6432": f"127.0.0.1:{front.number}", "192.0.2.1:5432": f"{cluster.host}:{cluster.port}"}
        if way == "httpchk":
            text = recipe("haproxy-httpchk", {**places, "port 9817": f"port {site.port}"})
        else:
            text = recipe("haproxy-agent", {**places, "agent-port 9818": f"agent-port {site.agent}"})
        haproxy = make_haproxy(text)
        haproxy.wait(lambda server: server["up"] and "L7OK" in server["check" if way == "httpchk" else "agent"], "in, and the answer was understood")
        connect(front.number)
        cluster.stop()
        haproxy.wait(lambda server: not server["up"], "out")
        # The first reason may be that the session was cut.
        haproxy.wait(lambda server: ("503" in server["check"]) if way == "httpchk" else ("tcp.refused" in server["agent"]), "out, and why")
        with pytest.raises(psycopg2.OperationalError):
            connect(front.number)
        cluster.start()
        haproxy.wait(lambda server: server["up"], "in again")
        connect(front.number)


def test_haproxy_lets_through_to_a_sleeping_database_and_not_to_one_that_is_down(site_in, make_haproxy):
    site = site_in("asleep")
    nap = site.server
    with Port() as front:
        text = recipe("haproxy-httpchk", {"127.0.0.1:6432": f"127.0.0.1:{front.number}", "192.0.2.1:5432": f"{nap.host}:{nap.port}",
                                          "port 9817": f"port {site.port}"})
        line, = [each for each in text.splitlines(keepends=True) if "http-check send" in each]
        haproxy = make_haproxy(text.replace(line, recipe("haproxy-httpchk-asleep")))
        haproxy.wait(lambda server: server["up"] and "L7OK" in server["check"], "in")
        assert site.daemon.status("main")["state"] == "asleep"
        connect(front.number)
        assert nap.status()["wakes"] == 2, "the client woke it"
        nap.command("refuse on")
        haproxy.wait(lambda server: not server["up"], "out")


# ------------------------------------------------------------------------------------------------------------------------ Nagios, Icinga

FIGURE = re.compile(r"[a-z_0-9]+=\d+(\.\d+)?(c|s)?;;;0(;1)?")


def plugin(site, argv):
    """The exit code of a monitoring plugin, whose line and figures are as they have to be."""
    done = site.run([str(site.bin / "pgwake") if each == "/usr/bin/pgwake" else each for each in argv])
    line, = done.stdout.splitlines()
    text, bar, figures = line.partition(" | ")
    word = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[done.returncode]
    assert text.startswith(f"PGWAKE {word} - ") and "|" not in text and not done.stderr
    assert all(FIGURE.fullmatch(each) for each in figures.split()), figures
    assert (not bar) if done.returncode == 3 else "ready=" in figures
    return done.returncode


def nagios_command(name):
    text, = [each for each in re.findall(r"define command \{(.*?)\n\}", recipe("nagios"), flags=re.S) if f"  {name}\n" in each]
    return shlex.split(re.search(r"command_line +(.*)", text)[1].replace("$ARG1$", "main"))


def icinga_command(accept):
    text = recipe("icinga")
    argv = json.loads(re.search(r"^  command = (\[.*\])$", text, flags=re.M)[1])
    option, value, switch = re.search(r'"(--\w+)" = \{ value = "(\w+)", set_if = "\$(\w+)\$" \}', text).groups()
    assert switch == "pgwake_accept_asleep"
    return [each.replace("$pgwake_database$", "main") for each in argv] + ([option, value] if accept else [])


def test_the_plugin_has_all_four_codes_and_figures(site_in):
    nrpe = re.fullmatch(r"command\[\w+\]=(.*)\n", recipe("nrpe"))[1]
    strict = [nagios_command("check_pgwake"), icinga_command(False), shlex.split(nrpe)]
    lenient = [nagios_command("check_pgwake_asleep"), icinga_command(True)]
    for state, code, accepted in (("awake", 0, 0), ("asleep", 1, 0), ("down", 2, 2), ("blocked", 2, 2)):
        site = site_in(state)
        for argv in strict:
            assert plugin(site, argv) == code, (state, argv)
        for argv in lenient:
            assert plugin(site, argv) == accepted, (state, argv)
        site.daemon.stop()
    for argv in strict + lenient:
        assert plugin(site, argv) == 3, argv


# --------------------------------------------------------------------------------------------------------------------------------- nginx


class Application(http.server.BaseHTTPRequestHandler):
    """Says what it was sent; /broken is its own failure."""

    def do_GET(self):
        body = b"broken by itself" if self.path == "/broken" else b"application " + self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Nginx:
    """A real one, with the recipe in its one server."""

    def __init__(self, folder, locations):
        self.port = Port()
        home = folder / "nginx"
        home.mkdir(mode=0o755)
        paths = " ".join(f"{each}_temp_path {home}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (home / "nginx.conf").write_text(f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
                                         f"events {{}}\nhttp {{ access_log off; {paths}\nserver {{ listen 127.0.0.1:{self.port.number};\n"
                                         f"{locations}\n}} }}\n")
        with open(home / "nginx.log", "ab") as log:
            self.process = children.start(["nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env={"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"})
        until(self.listens, 10, "nginx listens")

    def listens(self):
        assert self.process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", self.port.number), 1).close()
        except OSError:
            return False
        return True

    def ask(self, path="/", method="GET", body=None):
        """(status, header Retry-After, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port.number, timeout=patient(20))
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.getheader("Retry-After"), response.read().decode()
        finally:
            connection.close()

    def close(self):
        self.process.terminate()
        self.process.wait(patient(10))
        self.port.close()


@pytest.fixture(name="make_nginx")
def nginx_factory(tmp):
    """make_nginx(site, wait=False): nginx before an application."""
    opened = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def make(site, wait=False):
        text = recipe("nginx", {"127.0.0.1:8080": f"127.0.0.1:{server.server_port}"})
        if wait:
            for line in recipe("nginx-wait").splitlines():
                start = re.match(r" *[a-z_]+ (http://unix:)?", line)[0]
                old, = [each for each in text.splitlines() if each.startswith(start) and "8080" not in each and (":" not in start or "unix" in each)]
                text = text.replace(old, line)
        assert STATUS in text
        opened.append(Nginx(tmp, text.replace(STATUS, str(site.daemon.status_socket))))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
    server.shutdown()
    server.server_close()


def closed(answer):
    return answer[0] == 503 and answer[2] == "The database is not available at the moment.\n"


def test_nginx_lets_requests_through_while_the_database_can_be_used(site_in, make_nginx):
    site = site_in("awake")
    nginx = make_nginx(site)
    assert nginx.ask() == (200, None, "application ")
    assert nginx.ask("/form", "POST", b"a body") == (200, None, "application a body")
    assert nginx.ask("/broken") == (500, None, "broken by itself"), "its own failure passes"
    assert nginx.ask("/database-ready")[0] == 404, "nobody asks it from outside"
    site.server.refuse()
    site.daemon.wait_state("main", "down")
    answer = nginx.ask()
    assert closed(answer) and int(answer[1]) >= 1, answer
    assert closed(nginx.ask("/form", "POST", b"a body"))
    site.server.script = "ok"
    site.daemon.wait_state("main", "awake")
    assert nginx.ask()[0] == 200
    site.daemon.stop()
    answer = nginx.ask()
    assert closed(answer) and answer[1] is None, "closed without pgwaked, too"


@pytest.mark.parametrize("state, opened", [("asleep", True), ("blocked", False)])
def test_nginx_lets_requests_through_to_what_sleeps(site_in, make_nginx, state, opened):
    answer = make_nginx(site_in(state)).ask()
    assert (answer[0] == 200) if opened else closed(answer)


def test_nginx_holds_requests_in_the_middle_of_a_wake(site_in, make_nginx):
    site = site_in("asleep")
    nginx = make_nginx(site, wait=True)
    assert site.daemon.get("/wake/main", method="POST").status == 202
    assert nginx.ask()[0] == 200
    assert site.daemon.status("main")["wakes"]["count"] == 2 and site.server.status()["wakes"] == 2


# ------------------------------------------------------------------------------------------------------------------------------- systemd


def unit_of(text):
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def test_systemd_takes_the_units(tmp):
    """That the hold unit does what is said of it, machines show (test_systemd_life)."""
    made = built("pgwake").parent / "systemd"
    if not (made / "pgwake-hold@.service").exists():
        pytest.skip("the units are not built")
    for path in made.glob("*@.service"):
        (tmp / path.name).write_text(path.read_text())
    for path in (PAGE.parents[2] / "systemd").glob("*.socket"):
        (tmp / path.name).write_text(path.read_text())
    (tmp / "pgwaked.service").write_text("[Service]\nExecStart=/bin/true\n")
    (tmp / "web.service").write_text(recipe("systemd-hold", {"/usr/bin/web": "/bin/true"}))
    (tmp / "report.service").write_text(recipe("systemd-job", {"/usr/bin/pgwake": "/bin/true"}))
    for name in ("web.service", "report.service"):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp / name)], capture_output=True, text=True, check=False,
                              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp}:"})
        # The programs that pgwake's own unit starts are not installed here.
        complaints = [line for line in done.stderr.splitlines() if re.search(r"web|report|pgwake", line) and "not executable" not in line]
        assert not complaints, complaints
    assert "pgwake-hold@main.service" in unit_of(recipe("systemd-hold"))["Unit"]["Requires"]


def test_the_job_of_the_unit_runs_while_the_database_is_awake(site_in):
    site = site_in("asleep")
    report = site.bin / "report"
    seen = "; ".join(("import urllib.request as u, sys, json",
                      f"sys.exit(json.load(u.urlopen('http://127.0.0.1:{site.port}/status/main'))['state'] != 'awake')"))
    report.write_text(f"#!{sys.executable}\n{seen}\n")
    report.chmod(0o755)
    line = unit_of(recipe("systemd-job", {"/usr/bin/pgwake": site.bin / "pgwake", "/usr/bin/report": report}))["Service"]["ExecStart"]
    done = site.run(shlex.split(line))
    assert done.returncode == 0, done.stderr
    until(lambda: not site.daemon.status("main")["leases"], 5, "no lease is left")


# ---------------------------------------------------------------------------------------------------------------------- web applications


def data_of(stream, kind):
    """The data of the next event of this kind."""
    name = None
    for line in stream:
        if line.startswith("event: "):
            name = line[7:].strip()
        elif line.startswith("data: ") and name == kind:
            return json.loads(line[6:])
    raise AssertionError(f"the stream ended without {kind}")


def test_a_lease_by_curl_wakes_holds_and_ends_with_the_connection(site_in, stall):
    site = site_in("asleep")
    process = site.start(recipe("web-lease", {CONTROL: site.daemon.control_socket}))
    try:
        lease = data_of(process.stdout, "lease")
        assert lease["lease"]["owner"] == "web" and "expected_ready_in_seconds" in lease and not lease["ready"]
        done = site.shell(recipe("web-wait", {STATUS: site.daemon.status_socket}))
        assert done.returncode == 0 and json.loads(done.stdout)["ready"] is True, done.stderr
        at = time.monotonic()
        assert site.shell(recipe("web-wait", {STATUS: site.daemon.status_socket})).returncode == 0 and time.monotonic() - at < stall.late(0.5)
        assert [each["owner"] for each in site.daemon.status("main")["leases"]] == ["web"]
    finally:
        process.kill()
        process.communicate()
    until(lambda: not site.daemon.status("main")["leases"], 5, "the lease went with its holder")
    site.daemon.wait_state("main", "asleep", 20)


def test_the_generation_grows_when_the_pool_is_dead(site_in):
    site = site_in("asleep")
    look = recipe("web-generation", {STATUS: site.daemon.status_socket})
    before = json.loads(site.shell(look).stdout)["generation"]
    process = site.start(recipe("web-events", {STATUS: site.daemon.status_socket}))
    try:
        # The stream is there before the wake: its events are new ones.
        assert site.daemon.get("/wake/main", method="POST").status == 202
        while not (event := data_of(process.stdout, "state"))["ready"]:
            pass
        assert event["generation"] >= before
        while (later := data_of(process.stdout, "state"))["generation"] <= event["generation"]:
            pass
        assert not later["ready"] and later["reason"] == "session.cut"
    finally:
        process.kill()
        process.communicate()
    assert json.loads(site.shell(look).stdout)["generation"] == later["generation"]


# -------------------------------------------------------------------------------------------------------------------------- the env file


def test_the_env_file_is_readable_by_a_group_and_not_by_everybody(make_daemon):
    daemon = make_daemon()
    path = daemon.folder / ".env"
    path.write_text("DATABASE_URL=postgresql://app:secret@db.example.com/app\n")
    path.chmod(0o644)
    daemon.configure(text=recipe("env-file", {"/srv/app/.env": path}))
    refused = daemon.run("--check-config")
    assert refused.returncode == 78 and "everybody on the machine can read the file" in refused.stderr and "secret" not in refused.stderr
    own = grp.getgrgid(os.getgid()).gr_name
    done = subprocess.run(["/bin/sh", "-ec", recipe("env-file-mode", {"chgrp app ": f"chgrp {own} ", "/srv/app/.env": path})], check=False)
    assert done.returncode == 0 and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert daemon.run("--check-config").returncode == 0
    group = unit_of(recipe("env-file-group"))["Service"]["SupplementaryGroups"]
    assert f"chgrp {group} " in recipe("env-file-mode")


def test_a_rotated_password_needs_a_reload(make_site, cluster, tmp):
    path = tmp / ".env"
    path.touch(mode=0o600)
    path.write_text(f"DATABASE_URL=postgresql://app:secret@{cluster.host}:{cluster.port}/app\n")
    database = quick("main", None, env_file=str(path), login_interval="1h", blocked_interval="1h")
    del database["conninfo"]
    site = make_site(database)
    site.daemon.wait_state("main", "awake")
    cluster.sql("ALTER ROLE app PASSWORD 'fresh'")
    at = site.daemon.status("main")["last_attempt"]["at"]
    until(lambda: site.daemon.status("main")["last_attempt"]["at"] > at, 5, "a ping after the change")
    status = site.daemon.status("main")
    assert status["ready"] and status["last_attempt"]["kind"] == "ping", "a held session goes on"
    site.daemon.configure([{**database, "login_interval": "200ms"}])
    assert site.shell(recipe("rotate")).returncode == 0
    assert site.daemon.wait_state("main", "blocked")["reason"] == "auth.password"
    path.write_text(f"DATABASE_URL=postgresql://app:fresh@{cluster.host}:{cluster.port}/app\n")
    done = site.shell(recipe("rotate"))
    assert done.returncode == 0, done.stderr
    site.daemon.wait_state("main", "awake")
    assert request(site.daemon.status_socket, "/readyz/main").status == 200
