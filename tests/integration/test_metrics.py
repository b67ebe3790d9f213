"""GET /metrics: read by Prometheus' own tools, by its Python library, and by a real Prometheus with our rules and our dashboard."""

import contextlib
import http.client
import json
import re
import shutil
import time
from pathlib import Path

import pytest

from rig.build import plain
from rig.edges import quick
from rig.patience import patient, until
from rig.ports import Port
from rig.process import descriptors, status_field
from rig.prometheus import OPEN_METRICS, TEXT, Prometheus, Series, promtool
from rig.unixhttp import UnixConnection
from rig.witness import Asker, Metronome

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "etc/prometheus/pgwaked.rules.yml"
EXAMPLE = TOP / "etc/prometheus/prometheus.yml"
DASHBOARD = TOP / "etc/grafana/pgwaked.json"
RULES_TEST = TOP / "tests/prometheus/pgwaked.rules.test.yml"
MANUAL = TOP / "daemon/man/pgwaked.8"

STATES = {"unknown", "asleep", "waking", "awake", "degraded", "full", "down", "blocked"}
SCRAPE_WORST = 1.0
ANSWER_P99 = 0.05
ANSWER_WORST = 0.25  # 50 ms are promised; the figure itself is printed
QUIET = {"policy": "observe", "door_interval": "0s"}


def scrape(daemon, accept: str = TEXT, socket: str = "status", timeout: float = 10.0):
    answer = daemon.get("/metrics", socket, headers={"Accept": accept}, timeout=timeout)
    assert answer.status == 200, answer.text
    return answer


@contextlib.contextmanager
def reading(where: Path | int):
    """An answer that is read as the test goes, from a UNIX socket or a port."""
    connection = (UnixConnection(where, patient(30)) if isinstance(where, Path)
                  else http.client.HTTPConnection("127.0.0.1", where, timeout=patient(30)))
    try:
        connection.request("GET", "/metrics")
        yield connection.getresponse()
    finally:
        connection.close()


def metrics(daemon, timeout: float = 10.0) -> Series:
    return Series(scrape(daemon, timeout=timeout).text)


def of_openmetrics(text: str) -> dict:
    """Name -> family, as python3-prometheus-client reads them."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    families = list(parser.text_string_to_metric_families(text))
    named = {each.name: each for each in families}
    assert len(named) == len(families)
    return named


def check_both(daemon, timeout: float = 10.0) -> Series:
    """Both formats are as they should be; the one of Prometheus."""
    text, opened = scrape(daemon, TEXT, timeout=timeout), scrape(daemon, OPEN_METRICS, timeout=timeout)
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert opened.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert opened.text.endswith("\n# EOF\n") and "# EOF" not in text.text
    promtool("check", "metrics", given=text.body)
    read, other = Series(text.text), Series(opened.text)
    # The same series: of what is counted more may come meanwhile, and only a reason goes.
    assert {key for key in read.values if key[0] != "pgwake_reason"} <= set(other.values)
    families = of_openmetrics(opened.text)
    assert {name + {"counter": "_total", "info": "_info"}.get(family.type, "") for name, family in families.items()} == set(read.types)
    for name, family in families.items():
        assert family.unit == (re.search(r"_(seconds|bytes)$", name) or ["", ""])[1], name
    return read


# ---- what is said


def test_what_it_says_is_what_status_says(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=0.4)
    daemon = make_daemon([quick("main", nap.conninfo(), slow="200ms", budget={"awake_hours": 100}),
                          quick("nobody", "host=127.0.0.1 port=1 user=a dbname=a")])
    begun = time.time()
    daemon.start()
    daemon.wait_state("main", "awake", 20)
    daemon.wait_state("nobody", "down", 20)
    lease = daemon.get("/lease/main?for=1h&owner=test", method="POST").json["lease"]
    read, status = metrics(daemon), daemon.status("main")
    assert read.get("pgwake_ready", database="main") == 1 and read.get("pgwake_ready", database="nobody") == 0
    for name, state in (("main", "awake"), ("nobody", "down")):
        assert read.of("pgwake_state", database=name) == {(each,): float(each == state) for each in STATES}
    assert read.of("pgwake_reason") == {("nobody", "tcp.refused"): 1}
    assert read.of("pgwake_wakes_total", database="main") == {(cause,): n for cause, n in status["wakes"]["by_cause"].items()}
    assert read.get("pgwake_wake_duration_seconds_count", database="main") == 1
    latency = status["wakes"]["last"]["latency_seconds"]
    assert read.get("pgwake_wake_duration_seconds_sum", database="main") == pytest.approx(latency, abs=1e-6)
    buckets = read.of("pgwake_wake_duration_seconds_bucket", database="main")
    assert buckets[("0.05",)] == 0 and buckets[("120.0",)] == buckets[("+Inf",)] == 1
    assert not read.of("pgwake_wake_duration_seconds_count", database="nobody")
    assert read.get("pgwake_generation", database="main") == status["generation"]
    assert read.get("pgwake_leases", database="main") == 1
    assert read.get("pgwake_budget_awake_seconds", database="main") == 360_000 and not read.of("pgwake_budget_spent", database="nobody")
    ours = read.get("pgwake_awake_seconds_total", database="main", demand="ours")
    assert 0 < ours <= read.get("pgwake_budget_used_seconds", database="main") <= status["awake_seconds"]
    assert begun < read.get("pgwake_last_success_timestamp_seconds", database="main") < time.time()
    assert read.get("pgwake_last_success_timestamp_seconds", database="nobody") is None
    assert read.get("pgwake_failures_total", database="nobody", reason="tcp.refused") == sum(
        read.of("pgwake_attempts_total", database="nobody", outcome="transient").values())
    assert read.get("pgwake_attempts_total", database="main", kind="login", outcome="ok") >= 1
    assert read.get("pgwake_last_attempt_duration_seconds", database="main", kind="login") > 0
    assert daemon.get(f"/lease/{lease['id']}", method="DELETE").status == 200
    assert metrics(daemon).get("pgwake_leases", database="main") == 0


def test_the_phases_of_every_attempt_of_every_database_are_counted(cluster, make_daemon):
    names = ("main", "other", "nobody")
    daemon = make_daemon([quick("main", cluster.conninfo()), quick("other", cluster.conninfo()),
                          quick("nobody", "host=127.0.0.1 port=1 user=a dbname=a")]).start()

    def attempts(read: Series, wanted: str) -> float:
        return sum(value for (_, kind, _), value in read.of("pgwake_attempts_total").items() if kind == wanted)

    def passed(read: Series, kind: str, phase: str) -> float:
        return read.get("pgwake_attempt_duration_seconds_count", kind=kind, phase=phase)

    until(lambda: attempts(metrics(daemon), "ping") >= 10 and attempts(metrics(daemon), "login") >= 10, 20, "ten of each")
    for name in names:
        assert daemon.get(f"/pause/{name}?for=1h", method="POST").status == 200
    read = metrics(daemon)
    answered = sum(value for (_, kind, outcome), value in read.of("pgwake_attempts_total").items() if (kind, outcome) == ("login", "ok"))
    assert passed(read, "login", "connect") == attempts(read, "login")
    assert passed(read, "login", "query") == answered > 0
    assert passed(read, "ping", "query") == attempts(read, "ping")
    assert passed(read, "door", "connect") == 0
    assert 0 < read.get("pgwake_attempt_duration_seconds_sum", kind="login", phase="query") < 60 * answered
    taken = read.of("pgwake_attempt_duration_seconds_bucket", kind="login", phase="query")
    assert list(taken.values()) == sorted(taken.values()) and taken[("+Inf",)] == answered


def test_what_it_says_of_the_daemon(make_daemon):
    daemon = make_daemon([{"name": "main", "conninfo": "host=127.0.0.1 port=1 user=a dbname=a", **QUIET}])
    begun = time.time()
    daemon.start()
    with Asker(daemon.status_socket, "/readyz/main?wait=1h"):
        until(lambda: metrics(daemon).get("pgwake_http_waiting") == 1, 10, "one waits")
    read = metrics(daemon)
    assert read.get("pgwake_build_info", version=daemon.get("/status").json["version"]) == 1
    assert read.get("pgwake_databases") == 1
    assert abs(read.get("process_start_time_seconds") - begun) < patient(2)
    assert read.get("process_open_fds") == pytest.approx(len(descriptors(daemon.pid)), abs=3)
    assert read.get("process_resident_memory_bytes") == pytest.approx(1024 * status_field(daemon.pid, "VmRSS"), rel=0.2)
    assert read.get("process_virtual_memory_bytes") >= read.get("process_resident_memory_bytes")
    assert 0 < read.get("process_cpu_seconds_total") < time.time() - begun + 1
    assert read.get("process_max_fds") >= read.get("process_open_fds")
    assert read.get("pgwake_http_connections", socket="status") >= 1 and read.get("pgwake_http_connections", socket="tcp") == 0
    assert metrics(daemon).get("process_start_time_seconds") == read.get("process_start_time_seconds")


def test_a_reload_that_is_refused_is_told(make_daemon):
    good = [{"name": "main", "conninfo": "host=127.0.0.1 port=1 user=a dbname=a", **QUIET}]
    daemon = make_daemon(good).start()
    first = metrics(daemon)
    assert first.get("pgwake_config_last_reload_successful") == 1
    daemon.configure('{ name = "broken"; ')
    assert daemon.reload().status == 422
    second = metrics(daemon)
    assert second.get("pgwake_config_last_reload_successful") == 0
    when = "pgwake_config_last_reload_success_timestamp_seconds"
    assert second.get(when) == first.get(when)
    daemon.configure(good)
    assert daemon.reload().status == 200
    third = metrics(daemon)
    assert third.get("pgwake_config_last_reload_successful") == 1 and third.get(when) > first.get(when)


@pytest.mark.parametrize("path, health, healthy", [("@FOLDER@/history.db", "ok", 1), ("", "none", 1),
                                                   ("@FOLDER@/none/history.db", "unreachable", 0)])
def test_the_health_of_the_history_is_told(make_daemon, path, health, healthy):
    daemon = make_daemon(settings={"history": {"path": path}}).start()
    read = metrics(daemon)
    assert read.of("pgwake_history_info") == {(health,): 1} and read.get("pgwake_history_healthy") == healthy


def test_counters_go_on_over_a_reload_and_a_restart(make_daemon):
    database = {"name": "main", "conninfo": "host=127.0.0.1 port=1 user=a dbname=a", "policy": "keep-awake", "retry_interval": "50ms",
                "down_interval": "50ms"}
    daemon = make_daemon([database]).start()

    def failures() -> float:
        return metrics(daemon).get("pgwake_failures_total", database="main", reason="tcp.refused") or 0

    until(lambda: failures() >= 5, 20, "five failures")
    before = failures()
    daemon.configure([{**database, "slow": "1s"}])
    assert daemon.reload().json["changed"] == 1
    assert failures() >= before
    before = failures()
    assert daemon.stop()[0] == 0
    daemon.start()
    assert failures() >= before


# ---- by whom, and in which form


def test_everybody_may_read_it_on_every_door(make_daemon):
    with Port() as port:
        daemon = make_daemon(settings={"status": {"listen": [f"127.0.0.1:{port.number}"]}}).start()
        for socket in ("status", "control"):
            answer, head = scrape(daemon, socket=socket), daemon.get("/metrics", socket, "HEAD")
            assert answer.headers["cache-control"] == head.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert head.status == 200 and head.body == b"" and head.headers["content-type"] == answer.headers["content-type"]
            assert daemon.get("/metrics", socket, "POST").status in (403, 405)
            assert daemon.get("/metrics?x=1", socket).status == 400
        with reading(port.number) as answer:
            assert answer.status == 200 and 'pgwake_http_connections{socket="tcp"} 1\n' in answer.read().decode()
        for accept in ("application/json", "text/html,*/*;q=0.8", "application/openmetrics-text;q=0.1, text/plain"):
            assert scrape(daemon, accept).headers["content-type"].startswith("text/plain; version=0.0.4")
        for accept in ("application/openmetrics-text", "text/plain;q=0.5, application/openmetrics-text;version=1.0.0"):
            assert scrape(daemon, accept).headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")


# ---- one, a hundred, ten thousand


@pytest.mark.parametrize("count", [1, 100])
def test_tools_find_nothing_wrong_with_a_busy_daemon(count, make_nap, make_daemon):
    nap, crowded = make_nap(suspend_after=60, wake_delay=0.4), make_nap("crowded", suspend_after=60)
    with Metronome(1) as metronome, Port() as refused:
        others = [("ok", metronome.conninfo()), ("refused", f"host=127.0.0.1 port={refused.number} user=a dbname=a sslmode=disable"),
                  ("blocked", crowded.conninfo(password="wrong"))]
        databases = [quick("main", nap.conninfo(), slow="200ms", ping_interval="50ms", budget={"awake_hours": 10})]
        databases += [quick(f"{kind}-{i}", conninfo, retry_interval="100ms", down_interval="100ms", ping_interval="50ms")
                      for i in range(count // 3) for kind, conninfo in others]
        daemon = make_daemon(databases[:count]).start()
        daemon.wait_state("main", "awake", 30)
        if count > 3:
            for each in (f"{kind}-{i}" for kind, _ in others for i in (0, count // 3 - 1)):
                until(lambda name=each: daemon.status(name)["last_attempt"], 30, f"{each} was tried")
        for _ in range(3):
            read = check_both(daemon)
            assert len(read.of("pgwake_ready")) == count
            assert read.get("pgwake_wake_duration_seconds_count", database="main") >= 1


def many(count: int, refused: int, good: str) -> str:
    """As text: every hundredth answers, the others refuse."""
    timing = 'policy = "keep-awake"; retry_interval = "2s"; down_interval = "2s"; ping_interval = "1s";'
    bad = f"host=127.0.0.1 port={refused} user=a dbname=app sslmode=disable"
    return ",\n".join(f'{{ name = "d{i:05}"; conninfo = "{good if i % 100 == 0 else bad}"; {timing} }}' for i in range(count))


@plain  # its figures are wanted, and nobody beside it
def test_ten_thousand_are_scraped_within_a_second_and_nobody_waits_for_it(make_daemon):
    count = 10_000
    with Metronome(1) as metronome, Port() as refused:
        daemon = make_daemon(many(count, refused.number, metronome.conninfo()))
        daemon.start(timeout=60)
        until(lambda: len(metrics(daemon, 30).of("pgwake_attempts_total")) >= count, 120, "each was tried", every=0.5)
        with Asker(daemon.status_socket, "/readyz/d00042") as one, Asker(daemon.control_socket, "/livez") as alive:
            took = []
            for accept in (TEXT, OPEN_METRICS) * 5:
                answer = scrape(daemon, accept, timeout=60)
                took.append(answer.seconds)
            answers = {"/readyz/NAME": one.stop(), "/livez": alive.stop()}
        said = "; ".join(f"{path} {each}" for path, each in answers.items())
        print(f"{count} databases: {len(answer.body) >> 10} KiB in {min(took):.2f} to {max(took):.2f} s; meanwhile {said}")
        assert max(took) < patient(SCRAPE_WORST)
        for each in answers.values():
            assert each.p99 < patient(ANSWER_P99)
            assert each.worst - each.stall < patient(ANSWER_WORST)
        head = daemon.get("/metrics", "status", "HEAD", timeout=60)
        assert head.status == 200 and head.body == b"" and head.headers["content-type"].startswith("text/plain; version=0.0.4")
        read = check_both(daemon, 60)
        assert len(read.of("pgwake_ready")) == count and len(read.of("pgwake_state")) == len(STATES) * count


def test_a_reload_in_the_middle_of_a_scrape_doubles_nothing(make_daemon):
    """A slow reader holds the scrape where it is while databases come and go."""
    with Port() as refused:
        quiet = 'policy = "observe"; door_interval = "0s";'
        rows = [f'{{ name = "d{i:05}"; conninfo = "host=127.0.0.1 port={refused.number} user=a dbname=a"; {quiet} }}' for i in range(3000)]
        daemon = make_daemon(",\n".join(rows)).start(timeout=60)
        with reading(daemon.status_socket) as answer:
            begin = answer.read(10_000)
            daemon.configure(",\n".join(rows[1000:] + [row.replace('"d0', '"e0') for row in rows[:500]]))
            assert daemon.reload(60).json["removed"] == 1000
            text = (begin + answer.read()).decode()
    read = Series(text)
    assert len(read.of("pgwake_leases")) == 2500  # long after the reload
    assert 2500 <= len(read.of("pgwake_ready")) <= 3500
    assert len(read.of("pgwake_state")) % len(STATES) == 0


# ---- Prometheus and Grafana


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:pgwake|process)_[a-z_]+", expression))


def expressions() -> list[str]:
    """Every expression of the rules and the dashboard."""
    rules = re.findall(r"^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*))", RULES.read_text(), flags=re.M)
    board = json.loads(DASHBOARD.read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    variables = [each["definition"] for each in board["templating"]["list"] if each["type"] == "query"]
    assert len(rules) >= 7 and len(shown) >= 20 and variables
    return [block or line for block, line in rules] + shown + variables


def known_names(read: Series) -> set[str]:
    """Every name that a query may use."""
    names = set()
    for family, kind in read.types.items():
        names |= {family + suffix for suffix in ("_bucket", "_count", "_sum")} if kind == "histogram" else {family}
    return names


def test_rules_and_dashboard_name_only_metrics_that_are_there(make_daemon):
    read = metrics(make_daemon().start())
    used = set().union(*map(names_in, expressions()), names_in(RULES.read_text()))
    used -= {"process_"}
    assert used <= known_names(read), sorted(used - known_names(read))
    # And each is shown, or an alarm.
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in used}
    assert set(read.types) - shown <= {"process_virtual_memory_bytes"}, set(read.types) - shown


def test_the_rules_alarm_as_their_tests_say(tmp):
    for each in (RULES, RULES_TEST):
        shutil.copy(each, tmp)
    promtool("check", "rules", "--lint-fatal", RULES)
    promtool("test", "rules", RULES_TEST.name, folder=tmp)


def test_the_dashboard_is_whole():
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["title"] and (panel["type"] == "row" or panel["targets"])
    asked = {name for each in expressions() for name in re.findall(r"\$(\w+)", each)}
    assert asked - {"labels", "__rate_interval"} == {each["name"] for each in board["templating"]["list"]} - {"datasource"}
    timeline = next(panel for panel in panels if panel["type"] == "state-timeline")
    shown = {value["text"]: key for each in timeline["fieldConfig"]["defaults"]["mappings"] for key, value in each["options"].items()}
    assert set(shown) == STATES
    for state, number in shown.items():
        assert re.search(rf'\b{number} \* \(pgwake_state\{{[^}}]*state="{state}"\}} == 1\)', timeline["targets"][0]["expr"]), state


def filled(expression: str) -> str:
    """A dashboard's expression as Grafana asks it."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$database", ".*")


def test_a_real_prometheus_scrapes_it_and_answers_with_the_state(cluster, make_daemon, tmp):
    with Port() as port:
        daemon = make_daemon([quick("main", cluster.conninfo(), budget={"awake_hours": 100})],
                             settings={"status": {"listen": [f"127.0.0.1:{port.number}"]}}).start()
        daemon.wait_state("main", "awake", 20)
        example = EXAMPLE.read_text()
        assert "127.0.0.1:9817" in example and "/usr/share/pgwaked/prometheus/pgwaked.rules.yml" in example
        text = example.replace("127.0.0.1:9817", f"127.0.0.1:{port.number}")
        text = text.replace("/usr/share/pgwaked/prometheus/pgwaked.rules.yml", str(RULES))
        often = "global: { scrape_interval: 200ms, evaluation_interval: 200ms }\n"
        with Prometheus(tmp, often + text) as prometheus:
            until(lambda: prometheus.query('pgwake_state{database="main",state="awake"} == 1'), 30, "awake, says Prometheus", every=0.05)
            labels, value = prometheus.query('pgwake_ready{database="main"}')[0]
            assert value == 1 and labels["job"] == "pgwaked" and labels["instance"] == f"127.0.0.1:{port.number}"
            # Only OpenMetrics tells units: that is what was agreed upon.
            told = prometheus.api("targets/metadata", metric="pgwake_awake_seconds")
            assert [(each["type"], each["unit"]) for each in told] == [("counter", "seconds")]
            for each in expressions():
                if not each.startswith("label_values"):
                    prometheus.query(filled(each))
            assert prometheus.query(filled("sum(pgwake_budget_awake_seconds)"))[0][1] == 360_000
            cluster.stop()
            until(lambda: prometheus.query('pgwake_state{database="main",state="down"} == 1'), 30, "down, says Prometheus", every=0.05)
            assert prometheus.query('pgwake_ready{database="main"}')[0][1] == 0
            until(lambda: "PgwakeDatabaseDown" in {each["labels"]["alertname"] for each in prometheus.api("alerts")["alerts"]}, 30,
                  "the alert waits for its minute", every=0.05)
            rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
            assert rules and all(rule["health"] == "ok" for rule in rules), [rule.get("lastError") for rule in rules]
            daemon.stop()
            until(lambda: prometheus.query('up{job="pgwaked"} == 0'), 30, "the daemon is gone, says Prometheus", every=0.05)


# ---- the manual


def test_the_manual_has_the_labels_of_every_family(make_nap, make_daemon):
    nap = make_nap(suspend_after=60, wake_delay=0.4)
    daemon = make_daemon([quick("main", nap.conninfo(), slow="200ms", budget={"awake_hours": 10}),
                          quick("nobody", "host=127.0.0.1 port=1 user=a dbname=a")]).start()
    daemon.wait_state("main", "awake", 20)
    daemon.wait_state("nobody", "down", 20)
    read = metrics(daemon)
    documented = {name: set(filter(None, (labels or "").split(",")))
                  for name, labels in re.findall(r"^\.It Li ((?:pgwake|process)_[a-z_]+)(?:\{([a-z,]+)\})? ", MANUAL.read_text(),
                                                 flags=re.M)}
    assert documented == {name: read.labels[name] - {"le"} for name in read.types}
