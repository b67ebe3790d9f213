"""Fixtures for every test of this folder: one initdb per run, a short folder per test, and nothing left running.

Under pytest-xdist the workers share the run's folder, and so the one initdb; each test has a folder of its own.
"""

import os
import signal
from pathlib import Path

import pytest

from rig.ca import CA
from rig.cluster import Cluster
from rig.daemon import Daemon
from rig.fake import Fake
from rig.folder import make_folder, remove_folder
from rig.machine import Machine
from rig.nap import Nap
from rig.neon import DOMAIN, Neon, issue
from rig.patience import Stall
from rig.postgres import Template
from rig.residents import NeonInside, move_in

_RUN = "PGRIG_RUN"  # the environment carries the folder to the workers


def pytest_configure(config: pytest.Config) -> None:
    # Who starts us in the background of a shell, or under nohup, has some ignored, and so would have every program that a test starts.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for key in [key for key in os.environ if key.startswith("PG") and key not in (_RUN, "PGWAKED", "PGWAKE")
                and not key.startswith("PGWAKE_")]:
        del os.environ[key]  # libpq in this process must see what a test says and nothing else
    if not hasattr(config, "workerinput"):
        os.environ[_RUN] = os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(make_folder())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and _RUN in os.environ:
        remove_folder(Path(os.environ.pop(_RUN)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A failed test's report shows the end of every log in its folder."""
    report = (yield).get_result()
    folder = getattr(item, "funcargs", {}).get("tmp")
    if report.failed and folder:
        for path in sorted(Path(folder).rglob("*.log")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if text:
                report.sections.append((str(path.relative_to(folder)), text[-4000:]))


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """The folder of the whole run, shared by all workers."""
    return Path(os.environ[_RUN])


@pytest.fixture(scope="session")
def template(run_folder: Path) -> Template:
    """initdb's result, to be copied."""
    return Template(run_folder)


@pytest.fixture
def tmp(run_folder: Path):
    """A folder for one test: a short path that PostgreSQL's own user may pass."""
    folder = make_folder(run_folder, "t-")
    yield folder
    remove_folder(folder)


def _factory(make, opened: list):
    def build(*positional, **named):
        made = make(*positional, **named)
        opened.append(made)
        return made
    return build


def _close_all(opened: list) -> None:
    """Closes in reverse, all of them, and raises the first complaint only then."""
    failures = []
    for each in reversed(opened):
        try:
            each.close()
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def stall():
    """How long the machine itself keeps a sleeper waiting during the test: stall.worst, stall.late(seconds)."""
    with Stall() as running:
        yield running


@pytest.fixture
def make_cluster(tmp: Path, template: Template):
    """make_cluster(name="pg", hba="scram-sha-256", **settings) -> a Cluster that is not started."""
    opened: list[Cluster] = []

    def make(name: str = "pg", **options) -> Cluster:
        return Cluster(tmp, template, name, **options)

    yield _factory(make, opened)
    _close_all(opened)


@pytest.fixture
def cluster(make_cluster) -> Cluster:
    """A running cluster with role app, password secret, database app."""
    return make_cluster().start()


@pytest.fixture
def make_nap(tmp: Path, run_folder: Path):
    """make_nap(suspend_after=2, wake_delay=0.5, ...) -> a listening Nap, asleep."""
    opened: list[Nap] = []

    def make(name: str = "nap", **options) -> Nap:
        return Nap(tmp, run_folder, name, **options)

    yield _factory(make, opened)
    _close_all(opened)


@pytest.fixture
def make_neon(tmp: Path, run_folder: Path, ca: CA):
    """make_neon(suspend_after=2, wake_delay="fixed 0.5", domain=..., ...) -> a listening Neon, asleep."""
    opened: list[Neon] = []

    def make(name: str = "neon", domain: str = DOMAIN, **options) -> Neon:
        return Neon(tmp, ca, issue(ca, domain), run_folder, name, domain=domain, **options)

    yield _factory(make, opened)
    _close_all(opened)


@pytest.fixture
def make_fake():
    """make_fake(script, ...) -> a running Fake."""
    opened: list[Fake] = []
    yield _factory(Fake, opened)
    _close_all(opened)


@pytest.fixture
def make_daemon(tmp: Path):
    """make_daemon(databases=[{...}], ...) -> a Daemon that is not started."""
    opened: list[Daemon] = []

    def make(databases=(), **options) -> Daemon:
        options.setdefault("name", f"pgwaked{len(opened) or ''}")
        return Daemon(tmp, databases, **options)

    yield _factory(make, opened)
    _close_all(opened)


@pytest.fixture(scope="session")
def ca(run_folder: Path) -> CA:
    """The authority that tests trust."""
    return CA(make_folder(run_folder, "ca-"))


@pytest.fixture(scope="session")
def wrong_ca(run_folder: Path) -> CA:
    """The one they do not."""
    return CA(make_folder(run_folder, "ca-"), "Wrong CA")


def _made_machine(run_folder: Path, template: Template, ca: CA) -> Machine:
    made = Machine(make_folder(run_folder, "ct-"))
    try:
        made.install()
        template.make()
        move_in(made, made.folder.parent, template, ca)
    except BaseException:
        made.close()
        raise
    return made


@pytest.fixture(scope="module")
def empty_machine(run_folder: Path, template: Template, ca: CA):
    """A Machine with pgwaked and its databases (rig.residents) installed; to be booted by the test."""
    made = _made_machine(run_folder, template, ca)
    yield made
    made.close()


@pytest.fixture(scope="module")
def booted(empty_machine: Machine) -> Machine:
    """The same, running. Booted once for all tests of a file."""
    return empty_machine.boot()


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """The same, with pgwaked as it is after an installation."""
    booted.fresh()
    return booted


@pytest.fixture(scope="module")
def neon_inside(booted: Machine) -> NeonInside:
    """The stand-in for Neon, running in the machine."""
    return NeonInside(booted).start()
