"""pgwaked's command line: what is printed and how it ends, without a database anywhere."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rig.daemon import built, check_sanitizers, clean_environment, wrapper
from rig.patience import patient

ROOT = Path(__file__).resolve().parents[2]


def run(tmp, *argv, **env):
    command = [*wrapper(), str(built("pgwaked")), *map(str, argv)]
    done = subprocess.run(command, env={**clean_environment(tmp), **env}, capture_output=True, text=True, cwd=tmp,
                          stdin=subprocess.DEVNULL, timeout=patient(20), check=False)
    check_sanitizers(done.stderr)
    return done


@pytest.mark.parametrize("argv, hint", [
    (["--chek-config"], "did you mean '--check-config'?"),
    (["--dump-confg"], "did you mean '--dump-config'?"),
    (["--zzz"], "'--zzz' is no option of pgwaked"),
    (["-x"], "'-x' is no option of pgwaked"),
    (["-c"], "'-c' needs a file"),
    (["-c", ""], "'' is no file; -c wants a file's path"),
    (["--config="], "'' is no file; -c wants a file's path"),
    (["--config"], "'--config' needs a file"),
    (["--check-config=yes"], "'--check-config=yes' takes no value"),
    (["--help=yes"], "'--help=yes' takes no value"),
    (["start"], "'start' is one word too many"),
    (["--check-config", "pgwaked.conf"], "'pgwaked.conf' is one word too many"),
    (["--help", "me"], "'me' is one word too many"),
])
def test_wrong_usage_ends_with_64_and_says_what_would_be_right(tmp, argv, hint):
    done = run(tmp, *argv)
    assert (done.returncode, done.stdout) == (64, "")
    assert hint in done.stderr and "--help" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_help_names_every_option_and_every_exit_status(tmp):
    done = run(tmp, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert run(tmp, "-h").stdout == done.stdout
    for word in ("-c", "--config", "--check-config", "--dump-config", "--dump-machine", "--from-env", "--listen", "--version", "--help", "64", "78"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_the_version_is_that_of_the_package(tmp):
    done = run(tmp, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    named = re.search(r"AC_INIT\(\[pgwaked\],\s*\[([^\]]+)\]", (ROOT / "configure.ac").read_text())[1]
    assert done.stdout == f"pgwaked {named}\n"


def test_the_machine_is_printed_as_a_table_that_a_program_can_read(tmp):
    done = run(tmp, "--dump-machine")
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    states = {"unknown", "asleep", "waking", "awake", "degraded", "full", "down", "blocked"}
    assert len(rows) > 20 and {len(row) for row in rows} == {len(head)}
    assert states & {word for row in rows for cell in row for word in re.findall(r"[a-z]+", cell)} == states


def test_what_prints_and_ends_needs_no_configuration(tmp):
    for argv in (["--help"], ["--version"], ["--dump-machine"]):
        assert run(tmp, "-c", tmp / "nowhere.conf", *argv).returncode == 0


def test_a_configuration_that_is_not_there_ends_with_78_and_its_name(tmp):
    for argv in ([], ["--check-config"], ["--dump-config"]):
        done = run(tmp, "-c", "nowhere.conf", *argv)
        assert (done.returncode, done.stdout) == (78, "")
        assert "nowhere.conf" in done.stderr and "No such file or directory" in done.stderr


def test_a_configuration_that_may_not_be_read_or_is_a_folder_ends_with_78(tmp):
    (tmp / "folder.conf").mkdir()
    done = run(tmp, "-c", tmp / "folder.conf", "--check-config")
    assert done.returncode == 78 and "folder.conf" in done.stderr
    if os.geteuid() != 0:
        (tmp / "closed.conf").touch(mode=0)
        assert "Permission denied" in run(tmp, "-c", tmp / "closed.conf", "--check-config").stderr


def test_output_that_cannot_be_written_is_no_success(tmp):
    """A dump cut short by a full disk must not look whole."""
    with open("/dev/full", "w", encoding="ascii") as full:
        for argv in (["--dump-machine"], ["--dump-config"], ["--check-config"]):
            (tmp / "nothing.conf").write_text("# nothing\n")
            command = [*wrapper(), str(built("pgwaked")), "-c", str(tmp / "nothing.conf"), *argv]
            done = subprocess.run(command, env=clean_environment(tmp), stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=patient(20), check=False)
            assert done.returncode == 1, argv
            assert "No space left on device" in done.stderr
